use proptest::prelude::*;

use super::*;

fn ndjson(names: &[&str], extra: Extra, absent: Absent) -> Ndjson {
    let names = names.iter().map(|name| (*name).to_owned());
    Ndjson::new(names.collect(), extra, absent)
}

fn values_of(layout: &Ndjson, record: &[u8]) -> Result<Vec<Option<String>>, Fault> {
    let mut values = Values::default();
    values.push(b"of an earlier record");
    layout.read(record, &mut values)?;
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    Ok(values.iter().map(|value| value.map(text)).collect())
}

/// The values of the keys a, b and c, with `~` for NULL.
fn read(record: &str) -> String {
    let layout = ndjson(&["a", "b", "c"], Extra::Ignore, Absent::Null);
    let values = values_of(&layout, record.as_bytes()).unwrap();
    let shown = values.into_iter().map(|value| value.unwrap_or("~".into()));
    shown.collect::<Vec<_>>().join("|")
}

fn refused(layout: &Ndjson, record: &[u8]) -> String {
    let fault = values_of(layout, record).unwrap_err();
    format!("{}: {}", fault.code, fault.reason)
}

#[test]
fn each_kind_of_value_is_a_text() {
    assert_eq!(read(r#"{"a":"x","b":1.50,"c":true}"#), "x|1.50|true");
    assert_eq!(
        read(r#" { "c" : false , "x" : [1, 2] , "a":null}  "#),
        "~|~|false"
    );
    assert_eq!(
        read(r#"{"a":"","b":"null","c":"a\"b\\\n\t\/é\u00e9\ud83d\ude00"}"#),
        "|null|a\"b\\\n\t/éé😀"
    );
    assert_eq!(
        read(r#"{"a":{"x": [1.0, "é\n"] },"b":[],"c":{}}"#),
        r#"{"x": [1.0, "é\n"] }|[]|{}"#
    );
    assert_eq!(read(r#"{"\u0061":1,"b\u0062":2}"#), "1|~|~");
    assert_eq!(read("{}"), "~|~|~");
}

#[test]
fn numbers_stay_as_they_are_written() {
    assert_eq!(
        read(r#"{"a":12345678901234567890,"b":1E400,"c":-0.10}"#),
        "12345678901234567890|1E400|-0.10"
    );
}

#[test]
fn a_name_may_be_read_twice() {
    let layout = ndjson(&["b", "a", "b"], Extra::Fail, Absent::Fail);
    let values = values_of(&layout, br#"{"a":1,"b":"x"}"#).unwrap();
    assert_eq!(values.iter().flatten().collect::<Vec<_>>(), ["x", "1", "x"]);
}

#[test]
fn keys_are_compared_with_the_names() {
    let strict = ndjson(&["b", "a"], Extra::Fail, Absent::Fail);
    let lenient = ndjson(&["b", "a"], Extra::Ignore, Absent::Null);
    for (record, fault) in [
        (
            r#"{"a":1,"b":2,"A":3}"#,
            "22P04: extra data: unknown key \"A\"",
        ),
        (r#"{"a":1}"#, "22P04: missing data for key \"b\""),
        (
            r#"{"a":1,"b":2,"\u0061":1}"#,
            "22030: duplicate JSON object key value: \"a\"",
        ),
    ] {
        assert_eq!(refused(&strict, record.as_bytes()), fault, "{record}");
    }
    assert!(values_of(&strict, br#"{"a":1,"b":null}"#).is_ok());
    assert!(values_of(&lenient, br#"{"x":1,"a":2,"x":3}"#).is_ok());
    assert!(refused(&lenient, br#"{"a":1,"a":1}"#).starts_with("22030"));
}

#[test]
fn what_is_no_object_is_a_fault_and_its_column_told() {
    let layout = ndjson(&["a"], Extra::Ignore, Absent::Null);
    for (record, fault) in [
        ("", "EOF while parsing a value at column 1"),
        (
            "[1]",
            "invalid type: sequence, expected a JSON object at column 1",
        ),
        (
            "\"é\"",
            "invalid type: string \"é\", expected a JSON object at column 3",
        ),
        ("{\"a\":1", "EOF while parsing an object at column 6"),
        ("{\"é\":1 \"b\"}", "expected `,` or `}` at column 8"),
        ("{\"a\":01}", "invalid number at column 7"),
        ("{\"a\":+1}", "expected value at column 6"),
        ("{\"a\":NaN}", "expected value at column 6"),
        ("{\"a\":1,}", "trailing comma at column 8"),
        ("{a:1}", "key must be a string at column 2"),
        ("{\"a\":1}{", "trailing characters at column 8"),
        (
            "{\"a\":\"\t\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at column 6",
        ),
        ("{\n\"é\":\n\"é\" x}", "expected `,` or `}` at column 12"),
        (
            "{\"\\ud800\":1}",
            "unexpected end of hex escape at column 9",
        ),
        (
            "{\"a\":\"\\ud800\"}",
            "unexpected end of hex escape in the value of key \"a\"",
        ),
        (
            "{\"a\":\"\\ude00 \\ud83d\"}",
            "lone leading surrogate in hex escape in the value of key \"a\"",
        ),
    ] {
        let expected = format!("22P02: invalid input syntax for type json: {fault}");
        assert_eq!(refused(&layout, record.as_bytes()), expected, "{record}");
    }
}

#[test]
fn what_no_database_stores_is_a_fault() {
    let layout = ndjson(&["a"], Extra::Ignore, Absent::Null);
    assert_eq!(
        refused(&layout, br#"{"a":"x\u0000"}"#),
        "22021: invalid byte sequence for encoding \"UTF8\": 0x00 in the value of key \"a\""
    );
    assert_eq!(
        refused(&layout, b"{\"a\":\"\xff\"}"),
        "22021: invalid byte sequence for encoding \"UTF8\": 0xff"
    );
    assert!(refused(&layout, b"{\"a\":\"\0\"}").starts_with("22P02"));
    // Deep inside, the server says what it thinks of it.
    assert_eq!(read(r#"{"a":["\u0000"]}"#), r#"["\u0000"]|~|~"#);
}

#[test]
fn deep_values_do_not_overflow() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let layout = ndjson(&["a"], Extra::Ignore, Absent::Null);
    assert!(values_of(&layout, deep.as_bytes()).is_ok());
    assert!(values_of(&layout, &deep.as_bytes()[..100_000]).is_err());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[ -~\u{e9}\u{1f600}\n\t\"\\\\]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map("[a-c\"\\\\]{1,3}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_read(values in prop::collection::vec(json(), 3), pretty in any::<bool>()) {
        let layout = ndjson(&["a", "b", "c"], Extra::Fail, Absent::Fail);
        let record = serde_json::json!({"c": values[2], "a": values[0], "b": values[1]});
        let record = if pretty {
            serde_json::to_string_pretty(&record).unwrap()
        } else {
            record.to_string()
        };
        for (found, value) in values_of(&layout, record.as_bytes()).unwrap().iter().zip(&values) {
            match (found, value) {
                (None, value) => prop_assert!(value.is_null()),
                (Some(text), serde_json::Value::String(value)) => prop_assert_eq!(text, value),
                (Some(text), value) => {
                    let parsed: serde_json::Value = serde_json::from_str(text).unwrap();
                    prop_assert_eq!(&parsed, value);
                }
            }
        }
    }

    #[test]
    fn no_record_panics(
        record in "(\\{|\\}|\"a\"|:|,|\\[|\\]|1|null|\"\\\\u[d0][80]00\"| |\u{e9}){0,12}",
        bytes in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let layout = ndjson(&["a"], Extra::Fail, Absent::Null);
        let mut values = Values::default();
        for record in [record.as_bytes(), &bytes] {
            let read = layout.read(record, &mut values);
            let is_object = serde_json::from_slice::<serde_json::Map<_, _>>(record).is_ok();
            prop_assert!(is_object || read.is_err());
        }
    }
}
