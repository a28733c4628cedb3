//! Rows of a SELECT as a table.

use comfy_table::{Cell, ContentArrangement, Table as Drawn, presets};

use super::event::Table;
use super::wording::count;

/// Draws `table`, with a last line that counts its rows; ends with a newline.
///
/// Control characters are made visible, so that data cannot move the cursor.
pub(super) fn draw(table: &Table) -> String {
    let mut drawn = Drawn::new();
    drawn
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    drawn.set_header(table.columns.iter().map(|name| visible(name)));
    for row in &table.rows {
        drawn.add_row(
            row.iter().map(|value| {
                Cell::new(value.as_deref().map_or_else(|| "NULL".to_owned(), visible))
            }),
        );
    }
    let rows = if table.total == 1 { "row" } else { "rows" };
    let shown = table.rows.len() as u64;
    let note = if shown < table.total {
        format!(", the first {} shown", count(shown))
    } else {
        String::new()
    };
    format!("{drawn}\n({} {rows}{note})\n", count(table.total))
}

fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_null_from_text_and_counts_its_rows() {
        let table = Table {
            columns: vec!["id".into(), "name".into()],
            rows: vec![
                vec![Some("1".into()), None],
                vec![Some("2".into()), Some("a\n名前".into())],
            ],
            total: 3,
        };
        insta::assert_snapshot!(draw(&table), @"");
    }
}
