//! Where in the input a server's error belongs.

use crate::record::position::{Position, Positions};
use crate::source::Source;
use crate::wire::error::ServerMessage;

/// The record that `said` is about.
///
/// Found by the COPY line of its CONTEXT. Other context lines may stand before and after (json,
/// triggers), and the words are translated, but in every translation "COPY", the table and then
/// the line number come in this order.
pub(crate) fn place(
    said: &ServerMessage,
    table: Option<&str>,
    positions: &Positions,
    source: Option<&Source>,
) -> Option<Position> {
    let line = line(said.context.as_deref()?, table)?;
    positions.find(line, |offset, length| source?.reread(offset, length))
}

/// The line number in the COPY line of `context`.
fn line(context: &str, table: Option<&str>) -> Option<u64> {
    // The last one: lines before it may quote data.
    let (_, after) = context
        .lines()
        .filter_map(|line| line.split_once("COPY "))
        .next_back()?;
    let after = match table.and_then(|table| after.strip_prefix(table)) {
        Some(rest) => rest,
        // The table is what stands before the first comma.
        None => after.split_once(',')?.1,
    };
    let digits = after.find(|c: char| c.is_ascii_digit())?;
    let number: String = after[digits..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_every_shape_of_context() {
        for (context, table, expected) in [
            ("COPY t, line 7, column amt: \"12x\"", "t", 7),
            ("COPY t7, line 12", "t7", 12),
            ("COPY t, 行 5, 列 a: \"x\"", "t", 5),
            ("COPY t, Zeile 3, Spalte a: »x«", "t", 3),
            (
                "JSON data, line 1: {\nCOPY t, line 9, column j: \"{\"",
                "t",
                9,
            ),
            (
                "PL/pgSQL function f() line 2 at RAISE\nCOPY t, line 4: \"a\"",
                "t",
                4,
            ),
            ("COPY a,b 1, line 4: \"a\"", "a,b 1", 4),
        ] {
            assert_eq!(line(context, Some(table)), Some(expected), "{context}");
        }
        assert_eq!(line("SQL statement \"SELECT 1\"", Some("t")), None);
    }
}
