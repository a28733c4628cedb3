//! Where in the input a server's error belongs.

use crate::record::position::{Position, Positions};
use crate::source::Source;
use crate::wire::error::ServerMessage;

/// What stands before and behind the table in the COPY line of a CONTEXT: in English and in most
/// translations, in Korean, and in Japanese, where openGauss and older PostgreSQL have a full stop.
/// The number of the line is the first that follows.
const SHAPES: [(&str, &str); 4] = [
    ("COPY ", ","),
    ("", " 복사,"),
    ("", "のCOPY、"),
    ("", "のCOPY。"),
];

/// The longest name that a server keeps whole, in bytes.
const LONGEST_NAME: usize = 63;

/// The record that `said` is about.
///
/// Found by the COPY line of its CONTEXT. Other context lines may stand before and after (json,
/// triggers), and the words are translated.
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
    let table = as_kept(table);
    // The first line that begins so: what comes before may be json's or a trigger's, what comes
    // after may be the lines of a quoted value. A table's name may have lines of its own.
    let ends = context.match_indices('\n').map(|(at, _)| at + 1);
    let begins = |at: usize| {
        SHAPES
            .iter()
            .find_map(|shape| behind(&context[at..], *shape, table))
    };
    // Where nothing does, in a translation that is not known here, the last line that holds it.
    let holds = |line| {
        SHAPES[..1].iter().find_map(|shape| {
            let (_, found) = str::split_once(line, shape.0)?;
            behind(found, ("", shape.1), table)
        })
    };
    let after = std::iter::once(0)
        .chain(ends)
        .find_map(begins)
        .or_else(|| context.lines().filter_map(holds).next_back())?;
    let digits = after.find(|c: char| c.is_ascii_digit())?;
    let number: String = after[digits..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    number.parse().ok()
}

/// What follows the table's name, which may hold commas and digits itself.
fn behind<'a>(text: &'a str, (before, after): (&str, &str), table: &str) -> Option<&'a str> {
    text.strip_prefix(before)?
        .strip_prefix(table)?
        .strip_prefix(after)
}

/// The name as the server keeps it: it cuts a long one between two characters.
fn as_kept(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_every_shape_of_context() {
        for (context, table, expected) in [
            ("COPY t, line 7, column amt: \"12x\"", "t", 7),
            ("COPY t, line 7, column amt: null input", "t", 7),
            ("COPY t, line 7, column amt", "t", 7),
            ("COPY t7, line 12", "t7", 12),
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
            (
                "SQL statement \"INSERT INTO u\n VALUES (1)\"\nPL/pgSQL function f() line 3 at SQL statement\nCOPY t, line 4",
                "t",
                4,
            ),
            ("COPY t, line 4: \"a\nCOPY t, line 9\"", "t", 4),
            ("外部 COPY t, 行 6", "t", 6),
        ] {
            assert_eq!(line(context, table), Some(expected), "{context}");
        }
        for context in ["SQL statement \"SELECT 1\"", "COPY t$1, line 4: \"a\""] {
            assert_eq!(line(context, "t"), None, "{context}");
        }
    }

    /// Each translation that PostgreSQL 15 has, and those of openGauss that differ.
    #[test]
    fn the_line_is_found_in_every_language() {
        for context in [
            "COPY t, Zeile 7, Spalte a9: »12«",
            "COPY t, Zeile 7, Spalte a9: NULL Eingabe",
            "COPY t, línea 7, columna a9: «12»",
            "COPY t, ligne 7, colonne a9 : « 12 »",
            "COPY t, riga 7, colonna a9: \"12\"",
            "COPY t, ხაზი 7, სვეტი a9: \"12\"",
            "COPY t, строка 7, столбец a9: \"12\"",
            "COPY t, rad 7, kolumn a9: \"12\"",
            "COPY t, рядок 7, стовпець a9: \"12\"",
            "COPY t, 行 7, 列 a9: \"12\"",
            "COPY t, 行 7, 列 a9: 空的输入",
            "tのCOPY、行 7、列 a9: \"12\"",
            "tのCOPY、行 7: \"12\"",
            "tのCOPY、行 7",
            "tのCOPY。行番号 7。列 a9: \"12\"",
            "tのCOPY。行番号 7",
            "t 복사, 7번째 줄, a9 열: \"12\"",
            "t 복사, 7번째 줄: \"12\"",
            "t 복사, 7번째 줄",
            "COPY t, 7행, a9 열: null 입력",
            "JSONデータ、1行目: {\ntのCOPY、行 7、列 a9: \"{\"",
            "JSON 자료, 1 번째 줄: {\nt 복사, 7번째 줄, a9 열: \"{\"",
        ] {
            assert_eq!(line(context, "t"), Some(7), "{context}");
        }
    }

    #[test]
    fn the_line_is_found_whatever_the_table_is_called() {
        for table in [
            "a,b 1",
            "COPY x, line 5",
            "two\nlines, line 3",
            "\"q\"",
            "注文 9",
            "x 복사, 9",
            "のCOPY、行 9",
        ] {
            for context in [
                format!("COPY {table}, line 7: \"COPY {table}, line 9\""),
                format!("{table} 복사, 7번째 줄, {table} 열: \"1\""),
                format!("{table}のCOPY、行 7、列 {table}: \"1\""),
            ] {
                assert_eq!(line(&context, table), Some(7), "{context}");
            }
        }
        // 63 bytes are kept, and no half of a character.
        let long = "é".repeat(40);
        let context = format!("COPY {}, line 7", "é".repeat(31));
        assert_eq!(line(&context, &long), Some(7));
    }
}
