//! Bytes that are no UTF-8, and NUL.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a text, b text)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("two, three and four bytes", "é\t€\n😀\t𝄞\n"),
        ("combining marks stay apart", "e\u{301}\té\n"),
        ("from right to left", "שלום\tسلام\n"),
        ("characters that are none", "\u{fffe}\t\u{10ffff}\n"),
        ("controls", "\u{1}\u{2}\t\u{1b}[2J\u{7f}\n"),
        ("a mark of byte order inside", "x\u{feff}\ty\n"),
    ]
    .into_iter()
    .map(|(what, data)| Case::from(format!("bytes: {what}"), TABLE, data))
    .collect();
    cases.extend(
        [
            ("a byte of Latin-1", &b"caf\xe9\tx\n"[..]),
            ("a byte that begins nothing", b"\xff\tx\n"),
            ("a byte that only continues", b"\x80\tx\n"),
            ("too long a form", b"\xc0\x80\tx\n"),
            ("half a pair of UTF-16", b"\xed\xa0\x80\tx\n"),
            ("beyond Unicode", b"\xf5\x80\x80\x80\tx\n"),
            ("cut by a separator", b"\xc3\tx\n"),
            ("cut by a line end", b"x\ty\xe2\x82\n"),
            ("cut by the end of the file", b"x\ty\xf0\x9f\x98"),
            ("after a backslash", b"\\\xff\tx\n"),
            ("in the second line", b"a\tb\nc\t\xff\n"),
            (
                "in the last line of many",
                b"a\tb\na\tb\na\tb\na\tb\na\tb\na\tb\n\xff\tb",
            ),
            ("NUL in a field", b"a\0b\tx\n"),
            ("NUL alone", b"\0"),
            ("NUL behind the last line", b"a\tb\n\0"),
            ("UTF-16", b"\xff\xfea\0\t\0b\0\n\0"),
        ]
        .map(|(what, data)| {
            Case::from(format!("bytes: {what} is refused"), TABLE, data).fails("22021")
        }),
    );
    cases
}
