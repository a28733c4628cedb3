//! Rows of a SELECT as a table.

use std::io::{self, Write, stderr, stdout};

use comfy_table::{
    Cell, CellAlignment, ContentArrangement, Table as Drawn, TableComponent, presets,
};

use super::event::Table;
use super::wording::count;

/// The OIDs of number types, which stand to the right: int8, int2, int4, oid, float4, float8, numeric.
const NUMBERS: [u32; 7] = [20, 21, 23, 26, 700, 701, 1700];

/// Writes `table` to stdout. A reader that has gone has seen enough; a place that cannot be written
/// stops no load, but what is missing there is said.
pub(super) fn print(table: &Table) -> io::Result<()> {
    let mut out = stdout();
    match out
        .write_all(draw(table).as_bytes())
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            writeln!(
                stderr(),
                "warning: cannot write a result to stdout: {error}"
            )
        }
        _ => Ok(()),
    }
}

/// Draws `table`, with a last line that counts its rows; ends with a newline.
///
/// Control characters are made visible, so that data cannot move the cursor.
pub(super) fn draw(table: &Table) -> String {
    let mut drawn = Drawn::new();
    drawn
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for component in [
        TableComponent::HeaderLines,
        TableComponent::MiddleHeaderIntersections,
    ] {
        drawn.set_style(component, '─');
    }
    drawn.set_header(table.columns.iter().map(|column| visible(&column.name)));
    for row in &table.rows {
        drawn.add_row(row.iter().map(|value| match value {
            Some(text) => Cell::new(visible(text)),
            None => Cell::new("NULL"),
        }));
    }
    for (index, column) in table.columns.iter().enumerate() {
        if let Some(drawn) = drawn
            .column_mut(index)
            .filter(|_| NUMBERS.contains(&column.type_oid))
        {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = drawn
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let rows = if table.total == 1 { "row" } else { "rows" };
    let shown = table.rows.len() as u64;
    let note = if shown < table.total {
        format!(", the first {} shown", count(shown))
    } else {
        String::new()
    };
    format!(
        "{}\n({} {rows}{note})\n",
        lines.join("\n"),
        count(table.total)
    )
}

fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::session::Column;

    #[test]
    fn a_table_tells_null_from_text_and_counts_its_rows() {
        let column = |name: &str, type_oid| Column {
            name: name.into(),
            type_oid,
        };
        let table = Table {
            columns: vec![column("id", 23), column("name", 25)],
            rows: vec![
                vec![Some("1".into()), None],
                vec![Some("20".into()), Some("a\n名前".into())],
            ],
            total: 3,
        };
        insta::assert_snapshot!(draw(&table), @r"
         id   name
        ──────────────
          1   NULL
         20   a\n名前
        (3 rows, the first 2 shown)
        ");
    }
}
