//! `sep`: every byte the server allows, and those it refuses.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a int, b text)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::from("sep: left out is a tab", TABLE, "1\tone\n2\ttwo,2\n"),
        Case::from("sep: a tab said aloud", TABLE, "1\tone\n").sep("\t"),
        Case::from("sep: a tab in the data of another sep", TABLE, "1,a\tb\n").sep(","),
        Case::from(
            "sep: data with the default when told another",
            TABLE,
            "1\tone\n",
        )
        .sep(",")
        .fails("22P02"),
        Case::from("sep: an N beside the null marker", TABLE, "1N2\n")
            .sep("N")
            .refused(),
        Case::from("sep: an N beside another null marker", TABLE, "1None\n2N\n")
            .sep("N")
            .null(""),
    ];
    let punctuation = (b'!'..=b'~').filter(u8::is_ascii_punctuation);
    let allowed = punctuation
        .filter(|byte| !b".\\".contains(byte))
        .chain([b' ', b'A', b'Z', 0x0b, 0x0e, 0x1c, 0x1d, 0x1e, 0x1f, 0x7f])
        .chain(0x01..=0x08);
    cases.extend(allowed.map(|byte| with(char::from(byte))));
    cases.extend(
        [
            ("empty", "", "0A000"),
            ("the letter a", "a", "22023"),
            ("the letter z", "z", "22023"),
            ("the digit 0", "0", "22023"),
            ("the digit 9", "9", "22023"),
            ("a dot", ".", "22023"),
            ("a backslash", "\\", "22023"),
            ("a line feed", "\n", "22023"),
            ("a carriage return", "\r", "22023"),
        ]
        .map(|(what, sep, code)| {
            Case::from(format!("sep: {what} is refused"), TABLE, "1\tx\n")
                .sep(sep)
                .fails(code)
        }),
    );
    cases
}

/// Separated, escaped, null, empty.
fn with(sep: char) -> Case {
    let data = format!("1{sep}x\n2{sep}\\{sep}y\\{sep}\n3{sep}\\N\n4{sep}\n");
    Case::from(format!("sep: {}", sep.escape_default()), TABLE, data).sep(&sep.to_string())
}
