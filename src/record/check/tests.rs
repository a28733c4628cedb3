use super::*;

const FACTS: SessionFacts = SessionFacts {
    utf8: true,
    date_order: Some(DateOrder::Mdy),
    rules: Rules::PostgreSql,
};

fn judged(type_name: &str, modifier: i32, value: impl AsRef<[u8]>) -> Verdict {
    Check::new(type_name, modifier, &FACTS).judge(value.as_ref())
}

fn bad(code: &'static str, reason: &str) -> Verdict {
    Verdict::Bad(Fault::new(code, reason))
}

fn on_gauss(rules: Rules, type_name: &str, modifier: i32, value: &str) -> Verdict {
    let facts = SessionFacts { rules, ..FACTS };
    Check::new(type_name, modifier, &facts).judge(value.as_bytes())
}

#[test]
fn a_fault_is_told_as_the_server_tells_it() {
    let invalid = "invalid input syntax for type integer: \"12x\"";
    assert_eq!(judged("int4", -1, "12x"), bad("22P02", invalid));
    let range = "value \"40000\" is out of range for type smallint";
    assert_eq!(judged("int2", -1, "40000"), bad("22003", range));
    let long = "value too long for type character varying(3)";
    assert_eq!(judged("varchar", 7, "abcd"), bad("22001", long));
    let day = "date/time field value out of range: \"2024-02-30\"";
    assert_eq!(judged("date", -1, "2024-02-30"), bad("22008", day));
    let bytes = "invalid byte sequence for encoding \"UTF8\": 0xe4 0xb8";
    assert_eq!(judged("text", -1, b"a\xe4\xb8"), bad("22021", bytes));
    let nul = "invalid byte sequence for encoding \"UTF8\": 0x00";
    assert_eq!(judged("int4", -1, "1\0\u{e9}"), bad("22021", nul));
}

#[test]
fn what_has_no_rule_is_left_to_the_server() {
    for type_name in ["inet", "_int4", "hstore", "mood", "name", "char", "money"] {
        assert_eq!(judged(type_name, -1, "x"), Verdict::Unsure, "{type_name}");
        assert!(matches!(judged(type_name, -1, b"\xff"), Verdict::Bad(_)));
    }
    // numeric(3,-2) and numeric(3,5)
    for scale in [0x7fe, 5] {
        let modifier = (3 << 16) + scale + 4;
        assert_eq!(judged("numeric", modifier, "1"), Verdict::Unsure);
    }
    let digits = "1".repeat(LONGEST + 1);
    assert_eq!(judged("int4", -1, &digits), Verdict::Unsure);
    assert_eq!(judged("text", -1, &digits), Verdict::Fine);
}

#[test]
fn where_encodings_are_not_known_to_be_utf8_only_ascii_is_judged() {
    let facts = SessionFacts {
        utf8: false,
        ..FACTS
    };
    let text = Check::new("text", -1, &facts);
    let int = Check::new("int4", -1, &facts);
    assert_eq!(text.judge(b"abc"), Verdict::Fine);
    assert_eq!(text.judge("é".as_bytes()), Verdict::Unsure);
    assert_eq!(text.judge(b"\0"), Verdict::Unsure);
    assert_eq!(int.judge(b"1\xa0"), Verdict::Unsure);
    assert!(matches!(int.judge(b"x"), Verdict::Bad(_)));
}

#[test]
fn without_an_order_of_dates_only_iso_dates_are_judged() {
    let facts = SessionFacts {
        date_order: None,
        ..FACTS
    };
    let date = Check::new("date", -1, &facts);
    assert_eq!(date.judge(b"01/02/2024"), Verdict::Unsure);
    assert_eq!(date.judge(b"2024-01-02"), Verdict::Fine);
    let orders = ["ISO, MDY", "German, DMY", "SQL,YMD", "ISO", ""].map(DateOrder::of_date_style);
    let [mdy, dmy, ymd] = [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd].map(Some);
    assert_eq!(orders, [mdy, dmy, ymd, None, None]);
}

#[test]
fn gauss_servers_are_foretold_what_was_seen_on_them() {
    let all = [Rules::GaussPostgreSql, Rules::GaussOracle, Rules::Other];
    for rules in all {
        assert_eq!(on_gauss(rules, "int4", -1, "-12"), Verdict::Fine);
        assert_eq!(on_gauss(rules, "date", -1, "2024-01-31"), Verdict::Fine);
        assert_eq!(on_gauss(rules, "text", -1, "中文"), Verdict::Fine);
        assert_eq!(on_gauss(rules, "date", -1, "20240131"), Verdict::Unsure);
        assert_eq!(on_gauss(rules, "date", -1, "abc"), Verdict::Unsure);
        assert_eq!(on_gauss(rules, "bool", -1, "12"), Verdict::Unsure);
    }
    let refused = |rules, type_name, modifier, value| {
        matches!(on_gauss(rules, type_name, modifier, value), Verdict::Bad(_))
    };
    for (rules, known) in all.into_iter().zip([true, true, false]) {
        for (type_name, modifier, value) in [
            ("int4", -1, "x"),
            ("int4", -1, "3000000000"),
            ("numeric", (5 << 16) + 2 + 4, "1000"),
            ("float8", -1, "1,5"),
            ("varchar", 7, "abcd"),
            ("date", -1, "2023-02-29"),
        ] {
            let found = refused(rules, type_name, modifier, value);
            assert_eq!(found, known, "{rules:?} {type_name} {value}");
        }
    }
    // An empty string is NULL, and lengths are bytes.
    let pg =
        |type_name, modifier, value| on_gauss(Rules::GaussPostgreSql, type_name, modifier, value);
    let ora = |type_name, modifier, value| on_gauss(Rules::GaussOracle, type_name, modifier, value);
    assert_eq!(pg("varchar", 7, ""), Verdict::Fine);
    assert_eq!(ora("varchar", 7, ""), Verdict::Unsure);
    assert_eq!(ora("text", -1, ""), Verdict::Unsure);
    assert!(matches!(pg("int4", -1, ""), Verdict::Bad(_)));
    assert_eq!(ora("int4", -1, ""), Verdict::Unsure);
    assert_eq!(pg("int4", -1, " "), Verdict::Unsure);
    assert_eq!(pg("varchar", 7, "中文"), Verdict::Fine);
    assert_eq!(ora("varchar", 7, "中文"), Verdict::Unsure);
    assert!(matches!(ora("varchar", 7, "中文字字"), Verdict::Bad(_)));
}

#[test]
fn a_record_of_another_shape_is_told_as_the_server_tells_it() {
    let columns = ["a", "b"].map(|name| Identifier::new(name).unwrap());
    let reason = |found| Fault::of_shape(found, &columns).map(|fault| fault.reason);
    assert_eq!(reason(2), None);
    let missing = "missing data for column \"b\"";
    assert_eq!(reason(1).as_deref(), Some(missing));
    let extra = "extra data after last expected column";
    assert_eq!(reason(3).as_deref(), Some(extra));
    let table = TableName::parse("s.t").unwrap();
    assert_eq!(
        Fault::not_null(&table, &columns[0]).reason,
        "null value in column \"a\" of relation \"t\" violates not-null constraint"
    );
}

#[test]
fn a_byte_that_is_no_plain_ascii_is_seen_wherever_it_stands() {
    let text = Check::new("text", -1, &FACTS);
    for length in 1..40 {
        assert_eq!(text.judge(&vec![1; length]), Verdict::Fine);
        assert_eq!(text.judge(&vec![0x7f; length]), Verdict::Fine);
        for (at, byte) in (0..length).flat_map(|at| [0, 0x80, 0xff].map(|byte| (at, byte))) {
            let mut value = vec![b'a'; length];
            value[at] = byte;
            assert!(matches!(text.judge(&value), Verdict::Bad(_)), "{value:?}");
        }
    }
}
