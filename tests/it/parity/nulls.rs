//! `null`: what is NULL and what only looks like it.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a int, b text)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::from("null: the default", TABLE, "1\t\\N\n\\N\tb\n\\N\t\\N\n"),
        Case::from("null: an empty field is not the default", TABLE, "1\t\n"),
        Case::from("null: an empty number is not the default", TABLE, "\tx\n").fails("22P02"),
        Case::from("null: the default escaped is text", TABLE, "1\t\\\\N\n"),
        Case::from(
            "null: the default with more behind it is text",
            TABLE,
            "1\t\\Nx\n2\t\\N \n",
        ),
        Case::from(
            "null: the default with more before it is text",
            TABLE,
            "1\tx\\N\n2\t \\N\n",
        ),
        Case::from("null: a lower-case n is a line feed", TABLE, "1\t\\n\n"),
        Case::from(
            "null: the default when told another is text",
            TABLE,
            "1\t\\N\n",
        )
        .null("NULL"),
        Case::from(
            "null: a number of the old default is no number",
            TABLE,
            "\\N\tx\n",
        )
        .null("")
        .fails("22P02"),
        Case::from(
            "null: a marker that is escaped is text",
            TABLE,
            "1\t\\x\n2\tx\n",
        )
        .null("x"),
        Case::from("null: holding the separator", TABLE, "1,x\n")
            .sep(",")
            .null("a,b")
            .refused(),
        Case::from("null: equal to the separator", TABLE, "1,x\n")
            .sep(",")
            .null(",")
            .refused(),
        Case::from(
            "null: holding a tab, the default separator",
            TABLE,
            "1\tx\n",
        )
        .null("\t")
        .refused(),
    ];
    for (what, null) in [
        ("empty", ""),
        ("NULL", "NULL"),
        ("null, case counts", "null"),
        ("a single quote", "'"),
        ("two words with a quote", "it's nothing"),
        ("double quotes", "\"\""),
        ("a backslash", "\\"),
        ("two backslashes", "\\\\"),
        ("a backslash and a quote", "\\'"),
        ("a blank", " "),
        ("a question mark", "?"),
        ("a percent sign", "%s"),
        ("a dollar", "$1"),
        ("an expression's beginning", "${{"),
        ("Unicode", "—無—"),
        ("YAML's own", "~"),
        ("a number", "0"),
        ("true", "true"),
        (
            "a long one",
            "this field was left empty by whoever filled in the form",
        ),
    ] {
        let data = format!("1\t{null}\n{null}\tx\n2\tNULL\n3\tnull\n");
        cases.push(Case::from(format!("null: {what}"), TABLE, data).null(null));
    }
    for (what, null) in [("a line feed", "a\nb"), ("a carriage return", "\r")] {
        cases.push(
            Case::from(format!("null: with {what} is refused"), TABLE, "1\tx\n")
                .null(null)
                .fails("22023"),
        );
    }
    cases
}
