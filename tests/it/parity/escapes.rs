//! The text format's backslashes, and the end-of-data marker where both sides agree on it.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a text)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TEXTS
        .iter()
        .map(|(what, data)| Case::from(format!("escape: {what}"), TABLE, data))
        .collect();
    cases.extend(REFUSED.iter().map(|(what, data, code)| {
        Case::from(format!("escape: {what} is refused"), TABLE, data).fails(code)
    }));
    cases.push(Case::from(
        "escape: the separator",
        "CREATE TABLE t (a text, b text)",
        "x\\\ty\tz\n\\\t\t\\\t\n",
    ));
    cases.push(Case::from(
        "escape: a backslash before the separator",
        "CREATE TABLE t (a text, b text)",
        "x\\\\\ty\n",
    ));
    cases.push(
        Case::from(
            "escape: an odd backslash takes the separator away",
            "CREATE TABLE t (a text, b text)",
            "x\\\\\\\ty\n",
        )
        .fails("22P04"),
    );
    cases
}

const TEXTS: &[(&str, &[u8])] = &[
    ("backspace", b"x\\by\n"),
    ("form feed", b"x\\fy\n"),
    ("line feed", b"x\\ny\n"),
    ("carriage return", b"x\\ry\n"),
    ("tab", b"x\\ty\n"),
    ("vertical tab", b"x\\vy\n"),
    ("all of them side by side", b"\\b\\f\\n\\r\\t\\v\n"),
    ("one octal digit", b"\\1x\n\\7\n"),
    ("two octal digits", b"\\12x\n"),
    ("three octal digits", b"\\101\\102\n"),
    ("a fourth digit is text", b"\\1011\n"),
    ("an 8 ends an octal number", b"\\18\\778\n"),
    ("a character of two octal bytes", b"\\303\\251\n"),
    ("an octal number over 255 is cut to a byte", b"\\501\n"),
    ("one hex digit", b"\\x9x\n"),
    ("two hex digits", b"\\x41\\x4a\\x4A\n"),
    ("a third hex digit is text", b"\\x411\n"),
    ("a g ends a hex number", b"\\x4g\n"),
    ("x without a digit", b"\\x\n\\xg\n"),
    ("upper-case X", b"\\X41\n"),
    ("a character of three hex bytes", b"\\xe2\\x82\\xac\n"),
    ("a line feed by number is data", b"a\\012b\\x0ac\n"),
    ("a tab by number is data", b"a\\011b\n"),
    (
        "any other letter stands for itself",
        b"\\a\\c\\q\\z\\A\\B\n",
    ),
    ("any other digit stands for itself", b"\\8\\9\n"),
    ("punctuation stands for itself", b"\\,\\;\\\"\\'\\/\\{\\ \n"),
    ("a dot inside a line", b"a\\\\.\n"),
    ("a backslash", b"\\\\\n\\\\\\\\\n"),
    ("a backslash and an n", b"\\\\n\n"),
    (
        "a character of two bytes stands for itself",
        "\\é\\ß\n".as_bytes(),
    ),
    (
        "a character of four bytes stands for itself",
        "\\😀\n".as_bytes(),
    ),
    ("a real line feed", b"a\\\nb\nc\n"),
    ("a real line feed at the end of the file", b"a\\\n"),
    ("a real carriage return in a file of LF", b"a\\\rb\nc\n"),
    ("a real carriage return in a file of CR", b"x\ra\\\rb\r"),
    ("the last byte of the file", b"abc\\"),
    ("the last byte after a line feed", b"abc\n\\"),
    ("only a backslash", b"\\"),
    ("\\N", b"\\N\n"),
    ("\\N without a line feed", b"\\N"),
    ("\\\\N", b"\\\\N\n"),
    ("the marker at the end", b"a\nb\n\\.\n"),
    ("the marker and blank lines after it", b"a\n\\.\n\n\n"),
    ("the marker alone in the file", b"\\.\n"),
    (
        "the marker at the end of a file of CRLF",
        b"a\r\nb\r\n\\.\r\n",
    ),
    ("the marker at the end of a file of CR", b"a\rb\r\\.\r"),
    ("an escaped backslash and a dot", b"\\\\.\nb\n"),
    ("a dot by number", b"\\056\nb\n"),
    ("a lone dot", b".\n..\n"),
];

const REFUSED: &[(&str, &[u8], &str)] = &[
    ("half a character by octal", b"\\303\n", "22021"),
    ("a byte that is no character by octal", b"\\377\n", "22021"),
    ("a byte that is no character by hex", b"\\xff\n", "22021"),
    ("NUL by three octal digits", b"\\000\n", "22021"),
    ("NUL by one octal digit", b"\\0\n", "22021"),
    ("NUL by hex", b"\\x00\n", "22021"),
    (
        "a number over 255 that is NUL in a byte",
        b"\\400\n",
        "22021",
    ),
    ("a marker with more on its line", b"a\n\\.x\n", "22P04"),
    (
        "a marker with a CRLF in a file of LF",
        b"a\n\\.\r\n",
        "22P04",
    ),
    (
        "a marker with a LF in a file of CRLF",
        b"a\r\n\\.\n",
        "22P04",
    ),
    ("a marker with a LF in a file of CR", b"a\r\\.\n", "22P04"),
    (
        "half a character by octal and half as it is",
        b"\\303\xa9\n",
        "22021",
    ),
    // The backslash takes the CR alone.
    (
        "a real CRLF in a file of CRLF",
        b"x\r\na\\\r\nb\r\n",
        "22P04",
    ),
    ("a real CRLF in the first record", b"a\\\r\nb\r\n", "22P04"),
    ("the marker without a line feed", b"a\nb\n\\.", "22P04"),
    (
        "the marker alone in the file, without a line feed",
        b"\\.",
        "22P04",
    ),
];
