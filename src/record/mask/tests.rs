use super::*;

mod properties;

fn rewritten(mask: &str, value: &str) -> Result<String, Fault> {
    let mask = Mask::parse(mask).unwrap();
    let mut out = b">".to_vec();
    let result = mask.rewrite(value.as_bytes(), &mut out);
    let text = String::from_utf8(out).unwrap();
    match result {
        Ok(()) => Ok(text[1..].to_owned()),
        Err(fault) => {
            assert_eq!(text, ">");
            Err(fault)
        }
    }
}

fn check(cases: &[(&str, &str, &str)]) {
    for (mask, value, expected) in cases {
        let found = rewritten(mask, value);
        assert_eq!(found.as_deref(), Ok(*expected), "{mask} {value}");
    }
}

#[test]
fn dates_are_rewritten() {
    check(&[
        ("DD.MM.YYYY", "31.01.2026", "2026-01-31"),
        ("DD.MM.YYYY", "1.2.2026", "2026-02-01"),
        ("YYYYMMDD", "20260131", "2026-01-31"),
        ("MM/DD/YY", "1/2/69", "2069-01-02"),
        ("MM/DD/YY", "01/02/70", "1970-01-02"),
        ("MM/DD/RR", "01/02/49", "2049-01-02"),
        ("MM/DD/RR", "01/02/50", "1950-01-02"),
        ("DD-MON-YY", "05-jAn-26", "2026-01-05"),
        ("DDMONYYYY", "5FEB2024", "2024-02-05"),
        ("DY, DD Month YYYY", "sat, 31 January 2026", "2026-01-31"),
        (
            "DAY DD MONTH YYYY",
            "TUESDAY   05 MAY       2026",
            "2026-05-05",
        ),
        ("DAY DD MONTH YYYY", "Tuesday 5 May 2026", "2026-05-05"),
        ("DD MONTH YYYY", "5 november 2026", "2026-11-05"),
        ("DD MONTH YYYY", "5 november  2026", "2026-11-05"),
        ("YYYY-MM-DD DAY", "2026-05-05 TUESDAY  ", "2026-05-05"),
        ("YYYY年MM月DD日", "2026年1月31日", "2026-01-31"),
        ("YYYY-DDD", "2024-366", "2024-12-31"),
        ("YYYYDDD", "2026001", "2026-01-01"),
        ("YYYY-MM", "2026-07", "2026-07-01"),
        ("YYYY", "2026", "2026-01-01"),
        (
            "\"a \\\"day\\\": \"YYYY-MM-DD",
            "a \"day\": 2026-01-31",
            "2026-01-31",
        ),
    ]);
}

#[test]
fn times_are_rewritten() {
    check(&[
        ("yyyymmddhh24miss", "20260131130509", "2026-01-31 13:05:09"),
        (
            "YYYYMMDDHH24MISSFF3",
            "20260131130509250",
            "2026-01-31 13:05:09.25",
        ),
        (
            "YYYY-MM-DD\"T\"HH24:MI:SS.FF\"Z\"",
            "2026-01-31T13:05:09.123456789Z",
            "2026-01-31 13:05:09.123456789",
        ),
        (
            "YYYY-MM-DD HH24:MI:SS.US",
            "2026-01-31 13:05:09.000250",
            "2026-01-31 13:05:09.00025",
        ),
        (
            "YYYY-MM-DD HH24:MI:SS.MS",
            "2026-01-31 13:05:09.5",
            "2026-01-31 13:05:09.5",
        ),
        (
            "YYYY-MM-DD HH24:MI",
            "2026-01-31 13:05",
            "2026-01-31 13:05:00",
        ),
        (
            "DD/MM/YYYY HH12:MI:SS AM",
            "31/01/2026 12:05:09 pm",
            "2026-01-31 12:05:09",
        ),
        (
            "DD/MM/YYYY HH:MI P.M.",
            "31/01/2026 12:05 a.m.",
            "2026-01-31 00:05:00",
        ),
        (
            "YYYY-MM-DD PMHH:MI",
            "2026-01-31 PM1:05",
            "2026-01-31 13:05:00",
        ),
        (
            "YYYY-MM-DD HH24:MI:SS TZH:TZM",
            "2026-01-31 13:05:09 +08:00",
            "2026-01-31 13:05:09 +08:00",
        ),
        (
            "YYYY-MM-DD HH24:MI:SSTZH",
            "2026-01-31 13:05:09-3",
            "2026-01-31 13:05:09 -03:00",
        ),
        (
            "YYYYMMDDHH24TZHTZM",
            "2026013113-0030",
            "2026-01-31 13:00:00 -00:30",
        ),
        ("HH24:MI", "7:05", "07:05:00"),
        ("HH24MISS.FFTZH:TZM", "130509.1+01:00", "13:05:09.1 +01:00"),
    ]);
}

#[test]
fn masks_of_strftime_are_read() {
    check(&[
        (
            "%d.%m.%Y %H:%M:%S.%f",
            "31.1.2026 13:05:09.250000",
            "2026-01-31 13:05:09.25",
        ),
        (
            "%FT%T%z",
            "2026-01-31T13:05:09Z",
            "2026-01-31 13:05:09 +00:00",
        ),
        (
            "%FT%T%z",
            "2026-01-31T13:05:09-0330",
            "2026-01-31 13:05:09 -03:30",
        ),
        (
            "%D %I:%M %p 100%%",
            "01/31/68 01:05 PM 100%",
            "2068-01-31 13:05:00",
        ),
        (
            "%a %b %d %H:%M:%S %Y",
            "Sat Jan 31 13:05:09 2026",
            "2026-01-31 13:05:09",
        ),
        (
            "%A, %d %B %y%n%R",
            "Saturday, 31 January 26\n13:05",
            "2026-01-31 13:05:00",
        ),
        ("%Y%j", "2026031", "2026-01-31"),
    ]);
}

#[test]
fn counts_since_1970_are_moments() {
    check(&[
        ("epoch", "1769864709", "2026-01-31 13:05:09 +00:00"),
        (
            "epoch",
            "1769864709.2500001999",
            "2026-01-31 13:05:09.250000199 +00:00",
        ),
        ("%s", "0", "1970-01-01 00:00:00 +00:00"),
        ("EPOCH", "-0.5", "1969-12-31 23:59:59.5 +00:00"),
        ("epoch_ms", "1769864709250", "2026-01-31 13:05:09.25 +00:00"),
        ("epoch_ms", "-1.5", "1969-12-31 23:59:59.9985 +00:00"),
    ]);
}

#[test]
fn what_is_not_as_the_mask_says_is_a_fault() {
    for (mask, value, what) in [
        ("DD.MM.YYYY", "", ": no DD at character 1"),
        ("DD.MM.YYYY", "31.Jan.2026", ": no MM at character 4"),
        ("DD.MM.YYYY", "31-01-2026", ": no \".\" at character 3"),
        ("DD.MM.YYYY", "031.01.2026", ": no \".\" at character 3"),
        ("DD.MM.YYYY", "31.01.26", ": no YYYY at character 7"),
        (
            "DD.MM.YYYY",
            "31.01.2026 ",
            ": character 11 is one too many",
        ),
        (
            "DD.MM.YYYY",
            "31.01.20261",
            ": character 11 is one too many",
        ),
        ("DD.MM.YYYY", " 31.01.2026", ": no DD at character 1"),
        ("DD.MM.YYYY", "31.01.+026", ": no YYYY at character 7"),
        ("YYYYMMDD", "2026131", ": no DD at character 7"),
        ("YYYYMMDD", "2026-01-31", ": no MM at character 5"),
        ("YYYY年MM月", "2026年1", ": no \"月\" at character 7"),
        ("HH24MISSFF3", "13050925", ": no FF3 at character 7"),
        (
            "HH24:MI:SS.FF3",
            "13:05:09.2500",
            ": character 13 is one too many",
        ),
        ("DD MON YYYY", "31 Janu 2026", ": no \" \" at character 7"),
        ("DD MONTH YYYY", "05 MAY  2026", ": no YYYY at character 8"),
        (
            "DY DD.MM.YYYY",
            "Sun 31.01.2026",
            ": it is another day of the week",
        ),
        ("HH:MI AM", "1:05 A.M.", ": no AM at character 6"),
        ("HH24:MI TZH:TZM", "13:05 08:00", ": no TZH at character 7"),
        ("%H:%M%z", "13:05+8", ": no %z at character 6"),
        ("%H:%M%z", "13:05+08:0", ": no %z at character 6"),
        ("epoch", "", ": not a number"),
        ("epoch", "1.5e9", ": not a number"),
        ("epoch", "1.", ": not a number"),
        ("epoch", "+1", ": not a number"),
        ("epoch", " 1", ": not a number"),
    ] {
        let fault = rewritten(mask, value).unwrap_err();
        let expected = format!("invalid value \"{value}\" for the date format \"{mask}\"{what}");
        assert_eq!((fault.code, fault.reason), ("22007", expected));
    }
}

#[test]
fn what_is_out_of_range_is_a_fault_of_its_own() {
    for (mask, value) in [
        ("DD.MM.YYYY", "31.02.2026"),
        ("DD.MM.YYYY", "29.02.2025"),
        ("DD.MM.YYYY", "00.01.2026"),
        ("DD.MM.YYYY", "01.13.2026"),
        ("DD.MM.YYYY", "01.01.0000"),
        ("YYYYDDD", "2026366"),
        ("YYYYDDD", "2026000"),
        ("HH24:MI", "24:00"),
        ("HH24:MI", "23:60"),
        ("HH24:MI:SS", "23:59:60"),
        ("HH12:MI AM", "13:00 AM"),
        ("HH12:MI AM", "00:00 AM"),
        ("HH24:MI TZH", "13:00 +16"),
        ("HH24:MI", "99:00"),
        ("epoch", "99999999999999999999999999999999999999999"),
        ("epoch", "253402300800"),
        ("epoch_ms", "-62135596800001"),
    ] {
        let fault = rewritten(mask, value).unwrap_err();
        let expected = format!(
            "date/time field value out of range: \"{value}\" for the date format \"{mask}\""
        );
        assert_eq!((fault.code, fault.reason), ("22008", expected));
    }
}

#[test]
fn a_message_shows_the_beginning_of_a_long_value() {
    let fault = rewritten("YYYY", &"é".repeat(5000)).unwrap_err();
    assert!(
        fault
            .reason
            .contains(&format!("\"{}...\"", "é".repeat(100)))
    );
    let mut out = Vec::new();
    let fault = Mask::parse("YYYY").unwrap().rewrite(b"2026\xff", &mut out);
    assert!(fault.unwrap_err().reason.contains("\"2026\u{fffd}\""));
}

#[test]
fn a_mask_that_makes_no_moment_is_refused() {
    for (mask, what) in [
        ("", "neither a date nor a time stands in it"),
        ("%%", "neither a date nor a time stands in it"),
        (
            "YYYY-MM-DDTHH24:MI",
            "`THH24` is not known; known are YYYY, ",
        ),
        ("YYYY-MM-DD Q", "`Q` is not known; known are YYYY, "),
        ("20YY", "`20YY` is not known; known are YYYY, "),
        ("%Y-%m-%d %Z", "`%Z` is not known; known are %Y, "),
        ("%Y-%é", "`%é` is not known; known are %Y, "),
        ("%Y%", "`%` is not known; known are %Y, "),
        ("YYYY \"x", "a double quote is left open"),
        ("YYYY \"x\\\"", "a double quote is left open"),
        ("DD.MM.YYYY MM", "the month stands in it twice"),
        ("DD MON MM YYYY", "the month stands in it twice"),
        ("%F %d", "the day stands in it twice"),
        ("DD.MM", "the month stands in it without the year"),
        ("YYYY DD", "the day stands in it without the month"),
        (
            "DAY YYYY-MM",
            "the day of the week stands in it without the day",
        ),
        (
            "YYYY-MM DDD",
            "the day of the year stands in it beside the month",
        ),
        ("YYYY MI", "the minute stands in it without the hour"),
        ("HH24:SS", "the second stands in it without the minute"),
        (
            "HH24:MI.FF",
            "decimals of the second stands in it without the second",
        ),
        (
            "HH12:MI",
            "an hour from 1 to 12 stands in it without AM or PM; HH24 or %H is one from 0 to 23",
        ),
        (
            "HH24:MI AM",
            "AM or PM stands in it beside an hour from 0 to 23",
        ),
        ("YYYY TZH", "the offset stands in it without the hour"),
        (
            "HH24 TZM",
            "minutes of the offset stands in it without the offset",
        ),
    ] {
        let error = Mask::parse(mask).unwrap_err();
        assert!(error.starts_with(what), "{mask}: {error}");
    }
}
