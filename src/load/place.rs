//! Where in the input a server's error belongs.

use crate::record::position::{Position, Positions};
use crate::source::Source;
use crate::wire::error::ServerMessage;

/// The record that `said` is about.
///
/// Found by the COPY line of its CONTEXT. Other context lines may stand before and after (json,
/// triggers), and the words are translated, but in most translations "COPY", the table, a comma and
/// then the line number come in this order. In the others (Japanese, Korean) nothing is found.
pub(crate) fn place(
    said: &ServerMessage,
    table: &str,
    positions: &Positions,
    source: &Source,
) -> Option<Position> {
    let line = line(said.context.as_deref()?, table)?;
    positions.find(line, |offset, length| source.reread(offset, length))
}

/// The line number in the COPY line of `context`.
pub(super) fn line(context: &str, table: &str) -> Option<u64> {
    // The first line that begins with the COPY and its table: what comes before may be json's or a
    // trigger's, what comes after may be the lines of a quoted value. Where a translation puts the
    // words in another order, the last line that has them.
    let begins = |line| behind_table(str::strip_prefix(line, "COPY ")?, table);
    let has = |line| behind_table(str::split_once(line, "COPY ")?.1, table);
    let after = context
        .lines()
        .find_map(begins)
        .or_else(|| context.lines().filter_map(has).next_back())?;
    let digits = after.find(|c: char| c.is_ascii_digit())?;
    let number: String = after[digits..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    number.parse().ok()
}

/// What follows the table's name, which may hold commas and digits itself.
fn behind_table<'a>(text: &'a str, table: &str) -> Option<&'a str> {
    text.strip_prefix(table)?.strip_prefix(',')
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
            ("COPY t, line 4: \"a\nCOPY t, line 9\"", "t", 4),
            ("外部 COPY t, 行 6", "t", 6),
        ] {
            assert_eq!(line(context, table), Some(expected), "{context}");
        }
        for context in ["SQL statement \"SELECT 1\"", "COPY t$1, line 4: \"a\""] {
            assert_eq!(line(context, "t"), None, "{context}");
        }
    }
}
