use proptest::prelude::*;

use super::*;
use crate::record::fields::{Field, Fields};

fn dialect(format: Format, sep: &str) -> Dialect {
    let sep = Some(sep.to_owned());
    Dialect {
        sep,
        ..Dialect::new(format)
    }
}

fn values_of(delimited: &Delimited, record: &[u8]) -> Result<Vec<Option<String>>, Fault> {
    let mut values = Values::default();
    values.push(b"of an earlier record");
    delimited.read(record, &mut values)?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok(values.iter().map(|value| value.map(text)).collect())
}

/// What `record` is, with `-` for NULL.
fn read(format: Format, sep: &str, record: &str) -> Vec<String> {
    let delimited = Delimited::new(&dialect(format, sep), &[], Vec::new()).unwrap();
    let values = values_of(&delimited, record.as_bytes()).unwrap();
    let shown = values.into_iter().map(|value| value.unwrap_or("-".into()));
    shown.collect()
}

#[test]
fn a_separator_may_have_any_length() {
    let csv = |sep, record| read(Format::Csv, sep, record);
    assert_eq!(csv("||", "1||a|b||||x"), ["1", "a|b", "-", "x"]);
    assert_eq!(csv("||", "a|||b"), ["a", "|b"]);
    assert_eq!(
        csv("~|~", "1~|~\"a~|~\"\"b\"~|~c~|d"),
        ["1", "a~|~\"b", "c~|d"]
    );
    assert_eq!(csv("~|~", "~\"~|~\"|~~|~x"), ["~~|~|~", "x"]);
    assert_eq!(
        csv("\u{1}\u{2}", "a\u{1}b\u{1}\u{2}\u{2}"),
        ["a\u{1}b", "\u{2}"]
    );
    assert_eq!(csv("¦", "é¦\"¦\""), ["é", "¦"]);
    let text = |record| read(Format::Text, "||", record);
    assert_eq!(text("1||a|b||\\N||x\\ty"), ["1", "a|b", "-", "x\ty"]);
    assert_eq!(text("a\\||b||c\\\\||d"), ["a||b", "c\\", "d"]);
    assert_eq!(text("a|\\|b||c\\|||d||e\\"), ["a||b", "c|", "d", "e"]);
}

#[test]
fn a_blank_record_is_one_empty_field() {
    assert_eq!(read(Format::Csv, ",", ""), ["-"]);
    assert_eq!(read(Format::Text, "\t", ""), [""]);
    assert_eq!(read(Format::Text, "||", "||"), ["", ""]);
}

#[test]
fn every_marker_of_a_list_is_null() {
    let nulls = ["NULL", "\\N", ""].map(String::from);
    let per_field = vec![Nulls::Plain, Nulls::Quoted, Nulls::Never];
    let csv = Delimited::new(&dialect(Format::Csv, ";"), &nulls, per_field).unwrap();
    let some = |text: &str| Some(text.to_owned());
    for (record, expected) in [
        ("NULL;NULL;NULL;NULL", [None, None, some("NULL"), None]),
        (
            "\\N;\"\\N\";\"\\N\";\"\\N\"",
            [None, None, some("\\N"), some("\\N")],
        ),
        ("\"\";\"\";;", [some(""), None, some(""), None]),
        (
            "null;\"\\N\"x; ;x",
            [some("null"), some("\\Nx"), some(" "), some("x")],
        ),
    ] {
        let found = values_of(&csv, record.as_bytes()).unwrap();
        assert_eq!(found, expected, "{record}");
    }
    let text = Delimited::new(&dialect(Format::Text, "\t"), &nulls, Vec::new()).unwrap();
    let found = values_of(&text, b"\\N\t\\NULL\t\tNULL\tN\\ULL").unwrap();
    assert_eq!(found, [None, some("NULL"), None, None, some("NULL")]);
}

#[test]
fn a_quote_left_open_is_a_fault() {
    let csv = Delimited::new(&dialect(Format::Csv, ","), &[], Vec::new()).unwrap();
    for record in ["1,\"a,b", "\"", "a\"\"\"", "\"\"\""] {
        let fault = values_of(&csv, record.as_bytes()).unwrap_err();
        assert_eq!(
            (fault.code, &*fault.reason),
            ("22P04", "unterminated CSV quoted field")
        );
    }
}

#[test]
fn what_cannot_be_cut_is_no_layout() {
    let none = |dialect: &Dialect| Delimited::new(dialect, &[], Vec::new()).is_none();
    assert!(none(&Dialect::new(Format::Binary)));
    for sep in ["", "|\"|", "\n", "a\r\n"] {
        assert!(none(&dialect(Format::Csv, sep)), "{sep:?}");
    }
    for sep in ["", "\\", "|\\|", "\n"] {
        assert!(none(&dialect(Format::Text, sep)), "{sep:?}");
    }
    for (quote, escape) in [("''", None), ("'", Some("")), ("'", Some("é"))] {
        let dialect = Dialect {
            quote: Some(quote.into()),
            escape: escape.map(str::to_owned),
            ..Dialect::new(Format::Csv)
        };
        assert!(none(&dialect), "{quote:?} {escape:?}");
    }
}

/// The record as [`Fields`] reads it.
fn by_fields(dialect: &Dialect, nulls: &[Nulls], record: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut columns: Vec<_> = nulls.iter().copied().map(Some).collect();
    columns.resize(3000, Some(Nulls::Plain));
    let mut fields = Fields::new(dialect, columns, false, 0).unwrap();
    let mut seen = Vec::new();
    let mut see = |field: &Field<'_>| {
        seen.push((!field.is_null()).then(|| field.value().into_owned()));
    };
    // The line end says that this is a record even where it is empty.
    fields.push(&[record, b"\n"].concat(), &mut see);
    fields.finish(&mut see);
    seen
}

fn nulls() -> impl Strategy<Value = Vec<Nulls>> {
    let one = prop_oneof![Just(Nulls::Plain), Just(Nulls::Quoted), Just(Nulls::Never)];
    prop::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn csv_is_read_as_fields_reads_it(
        record in "(a|bc| |,|;|\"|\"\"|\"a\"|\\\\|'|NULL|\u{e9}|x{70}){0,30}",
        sep in prop::sample::select(vec![",", ";", "x", "'"]),
        null in prop::sample::select(vec![None, Some("NULL"), Some("a"), Some("\\")]),
        escape in prop::sample::select(vec![None, Some("\\"), Some("'"), Some("\"")]),
        nulls in nulls(),
    ) {
        let dialect = Dialect {
            null: null.map(str::to_owned),
            escape: escape.map(str::to_owned),
            ..dialect(Format::Csv, sep)
        };
        let delimited = Delimited::new(&dialect, &[], nulls.clone()).unwrap();
        let mut values = Values::default();
        // What leaves a quote open is judged differently.
        if delimited.read(record.as_bytes(), &mut values).is_ok() {
            let found: Vec<_> = values.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(found, by_fields(&dialect, &nulls, record.as_bytes()));
        }
    }

    #[test]
    fn text_is_read_as_fields_reads_it(
        mut record in "(a|b|n|t|x|7|1|,|\\||\t|\\\\|\\\\\\\\|\\\\N|\\\\x4|\u{e9}|z{70}){0,30}",
        sep in prop::sample::select(vec!["\t", "|", ","]),
        null in prop::sample::select(vec![None, Some(""), Some("a"), Some("\\x41")]),
        nulls in nulls(),
    ) {
        // Before a line end, a backslash would make it data.
        record.push('z');
        let dialect = Dialect { null: null.map(str::to_owned), ..dialect(Format::Text, sep) };
        let delimited = Delimited::new(&dialect, &[], nulls.clone()).unwrap();
        let mut values = Values::default();
        delimited.read(record.as_bytes(), &mut values).unwrap();
        let found: Vec<_> = values.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(found, by_fields(&dialect, &nulls, record.as_bytes()));
    }

    #[test]
    fn a_long_separator_cuts_what_a_short_one_does(
        fields in prop::collection::vec("(a|b|\\||~| |\"\"\"\"|\"~\\|~\"|\"a\\|b\"){0,6}", 1..6),
    ) {
        // With a separator that is in no field, whatever its length.
        let delimited = |sep| Delimited::new(&dialect(Format::Csv, sep), &[], vec![]).unwrap();
        let short = values_of(&delimited("\u{1}"), fields.join("\u{1}").as_bytes());
        let long = values_of(&delimited("\u{2}\u{3}\u{2}"), fields.join("\u{2}\u{3}\u{2}").as_bytes());
        prop_assert_eq!(short, long);
    }
}
