//! LF, CRLF, CR, none, mixed.

use super::case::Case;

const ONE: &str = "CREATE TABLE t (a text)";
const TWO: &str = "CREATE TABLE t (a int, b text)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("LF", TWO, "1\tx\n2\ty\n"),
        ("CRLF", TWO, "1\tx\r\n2\ty\r\n"),
        ("CR", TWO, "1\tx\r2\ty\r"),
        ("the last LF is missing", TWO, "1\tx\n2\ty"),
        ("the last CRLF is missing", TWO, "1\tx\r\n2\ty"),
        ("the last CR is missing", TWO, "1\tx\r2\ty"),
        ("one line without an end", TWO, "1\tx"),
        ("an empty file", TWO, ""),
        ("only a LF, one column", ONE, "\n"),
        ("only a CRLF, one column", ONE, "\r\n"),
        ("only a CR, one column", ONE, "\r"),
        ("blank lines, one column", ONE, "a\n\n\nb\n\n"),
        ("blank lines of CRLF, one column", ONE, "a\r\n\r\nb\r\n"),
        ("escaped LF in a file of CRLF", ONE, "a\r\nb\\\nc\r\n"),
        ("escaped CR in a file of LF", ONE, "a\nb\\\rc\n"),
        (
            "line separators of Unicode are data",
            ONE,
            "a\u{85}b\u{2028}c\u{2029}\nd\n",
        ),
        (
            "form feed and vertical tab are data",
            ONE,
            "a\u{c}b\u{b}c\n",
        ),
        ("blanks around fields are data", TWO, " 1 \t x \n"),
        ("a mark of byte order is data", ONE, "\u{feff}a\nb\n"),
        (
            "empty fields",
            "CREATE TABLE t (a text, b text, c text)",
            "\t\t\n\tx\t\n",
        ),
        ("quotes mean nothing", ONE, "\"a\"\n'b'\n\"c\n"),
        (
            "a first line that looks like a header is data",
            ONE,
            "a\nb\n",
        ),
    ]
    .into_iter()
    .map(|(what, setup, data)| Case::from(format!("lines: {what}"), setup, data))
    .collect();
    cases.extend(
        [
            ("CRLF after LF", TWO, "1\tx\n2\ty\r\n", "22P04"),
            ("LF after CRLF", TWO, "1\tx\r\n2\ty\n", "22P04"),
            ("CR after LF", TWO, "1\tx\n2\ty\r3\tz\n", "22P04"),
            ("LF after CR", TWO, "1\tx\r2\ty\n", "22P04"),
            ("CR after CRLF", TWO, "1\tx\r\n2\ty\r3\tz\r\n", "22P04"),
            ("CRLF after CR", TWO, "1\tx\r2\ty\r\n", "22P04"),
            ("only a LF, two columns", TWO, "\n", "22P02"),
            (
                "only a LF, two columns of text",
                "CREATE TABLE t (a text, b text)",
                "\n",
                "22P04",
            ),
            ("a blank line in the middle", TWO, "1\tx\n\n2\ty\n", "22P02"),
            ("a blank line at the end", TWO, "1\tx\n\n", "22P02"),
            (
                "the LF of the last CRLF is missing and",
                TWO,
                "1\tx\r\n2\ty\r",
                "22P04",
            ),
            ("a field too few", TWO, "1\tx\n2\n", "22P04"),
            ("a field too many", TWO, "1\tx\t\n", "22P04"),
            (
                "a mark of byte order before a number",
                TWO,
                "\u{feff}1\tx\n",
                "22P02",
            ),
            ("a header before numbers", TWO, "a\tb\n1\tx\n", "22P02"),
        ]
        .map(|(what, setup, data, code)| {
            Case::from(format!("lines: {what} is refused"), setup, data).fails(code)
        }),
    );
    cases
}
