//! Types, and values that are worth asking for.

/// A type, and values to start from. In `forms`, every `9` is any digit.
pub(super) struct Case {
    pub(super) type_name: &'static str,
    pub(super) modifier: i32,
    /// What COPY calls.
    pub(super) input: &'static str,
    /// Values that must be known to be good, and to be bad.
    pub(super) fine: &'static [&'static str],
    pub(super) bad: &'static [&'static str],
    /// Values of which nothing is promised.
    pub(super) odd: &'static [&'static str],
    pub(super) forms: &'static [&'static str],
    /// Of what random values are made.
    pub(super) letters: &'static str,
}

const INTEGER_ODD: &[&str] = &[
    "0x1F", "-0x1f", "0o17", "0b1", "0b", "1_000", "1__0", "_1", "1_", "- 1", "+-1", "1e3", "1.0",
    "0x", "0xg", "-9223372036854775808", "-92233720368547758081", "9223372036854775807x",
    "9223372036854775808x", "2147483648x", "99999999999999999999x", "32768 x", "32767 x", "\u{b}1",
    "1\u{a0}", "１", "٣",
];
const NUMBER_ODD: &[&str] = &[
    "NaN", "nan", "-nan", "nanx", "Infinity", "-inf", "+inf", "infx", "info", "1e", "1e+", "1e 5",
    "1e5 x", "1e5.5", "e5", ".e5", "1.e5", ".5e-3", "1e1000", "1e-1000", "1e1001", "1e308",
    "1.8e308", "1e309", "1e310", "4.9e-324", "2e-324", "1e-325", "1e-330", "3.4e38", "3.5e38",
    "1e39", "1e40", "1e-37", "1e-38", "1e-45", "1e-46", "1e-47", "1e99999999999999999999", "1_0",
    "0x1p3", "0x10", "--1", "..", "1..2", "1,5", "1d", "1f", "1e5e5", "0e999999", "0.0e-400",
    "nan(x)", "1e400x", "1e-400 x",
];
const INTEGER_FORMS: &[&str] = &[
    "9", "-99", "999", "99999", "-99999", "+99999", "9999999999", "-9999999999",
    "9999999999999999999", "-9999999999999999999", "2147483699", "-2147483699", "327999",
    "9223372036854775899", " 99 ", "00000000000000000000000099", "99x9", "99.9",
];
const DECIMAL_FORMS: &[&str] = &[
    "9", "-9.9", "999.99", "999.995", "999.9949", "-999.999", "9999", "0.00999", ".99", "9.", "9e9",
    "9.9e-9", "-99e99", "99e-99", "9e399", "9e-399", "999.99e-2", "0.000999e5", "9999e-1",
    "99999999999999999999.9999999999999999999", "000999.99", "999.99x", "99e9x",
];
const DATE_ODD: &[&str] = &[
    "now", "today", "epoch", "infinity", "-infinity", "J2451187", "Jan 1 2024", "2024-Jan-01",
    "2024.01.31", "24-01-31", "2024-1-1", "1-1-2024", "2024-01-31 BC", "2024-366", "2024-00-00",
    "0000-00-00", "0000-01-01", "20240131T101112", "2024-01-31T10:11:12", "now-now", "est", "z",
    "america/new_york", "jan-feb", "mon", "at", "on", "allballs", "20240131 10:11", "unknown-1",
    "now.", "n?a", "?", "10:11", "2024-01-31 24:00:00", "2024-01-31 24:00:01",
    "2024-01-31 23:60:00", "2024-01-31 23:59:60", "2024-01-31 23:59:61", "2024-01-31 25:00",
    "2024-01-31 10:11:12.1234567", "2024-01-31 23:59:59.9999999", "2024-01-31 23:59:59.999999",
    "2024-01-31 23:59:59.9999995", "2024-01-31 10:11:12+15:59", "2024-01-31 10:11:12+16",
    "2024-01-31 10:11:12 +0830", "2024-01-31 10:11:12 UTC", "2024-01-31 10:11:12 PM",
    "2024-01-31 10:11:12 Z", "2024-01-31 10", "2024-02-30 10:11:12+99", "2024-01-31 10:11.5",
    "2024-01-31  10:11:12", "2024-01-31T10:11Z", "9999-12-31 23:59:59.999999",
    "0001-01-01 00:00:00+14", "无", "infinity-", "-", "--", "jan.", "tomorrow.today", "inf",
    "2024-01-31 00:00:00-13:59", "2024-01-31 10:11:12.", "today/",
];
const DATE_FORMS: &[&str] = &[
    "2024-09-99", "2099-19-99", "9999-99-99", "2024/09/99", "2024-09/99", "20249999", "20241939",
    "99999999", "19/39/2024", "39-19-2024", "99/99/9999", "00/19/2024", "2023-02-29", "1900-02-29",
    "2000-02-39", "2024-01-39 29:59:59", "2024-01-09 99:99:99", "2024-01-09T29:69:69.999",
    "2024-01-09 19:59:59+99", "2024-01-09 19:59:59-09:99", "2024-01-09 19:59:59.999999Z",
    "2024-01-09 19:59", "2024-01-09 19:59:59.9999999", "2024-19-09 19:59:59 +09:99", "999-99-99",
];
const TIME_ODD: &[&str] = &[
    "24:00:00", "24:00:01", "23:60:00", "23:59:60", "23:59:61", "25:00:00", "9:05", "101112", "now",
    "allballs", "10:11:12 PM", "10:11:12.1234567", "23:59:59.9999999", "10:11:12+08",
    "10:11:12-08:30", "10:11:12Z", "10:11:12 Z", "10:11:12+15:59", "2024-01-31 10:11:12", "n/a",
    "est", "foo/bar", "-", "10:11.5", "10:11:12.", "T10:11", "10", "10:", "10:1", "无",
    "10:11:12+00:00:00", "z", "at",
];
const TIME_FORMS: &[&str] = &[
    "99:99", "29:59:59", "19:69:69", "19:59:59.999999", "19:59:59.9999999", "19:59:59+99",
    "19:59:59-09:99", "23:59:59.9999999", "24:00:99", "9:99:99", "999999", "99:99:99",
];
const TEXT_ODD: &[&str] = &[
    "", "   ", "\t\t\t\t", "abc ", "abc  ", "abcd", "abc d", " abc", "éàü", "éàüü", "éàü ", "中文字",
    "中文字字", "a\u{301}b\u{301}", "😀😀😀", "😀😀😀😀", "ab\u{a0}\u{a0}", "ab\n\n", "\\N", "\\",
];

/// Words that mean something to some type.
pub(super) const WORDS: &[&str] = &[
    "d", "h", "j", "jd", "julian", "m", "mm", "s", "t", "w", "y", "dow", "doy", "isodow", "isoyear",
    "am", "pm", "ad", "bc", "dst", "zulu", "utc", "gmt", "est", "pst", "japan", "cuba", "jan",
    "january", "mon", "monday", "abc", "eod", "late", "early", "allballs", "current", "invalid",
    "undefined", "infinity", "infinit", "infinityx", "-infinity", "+infinity", "yesterday",
    "yesterdayx", "tomorrow", "today", "now", "epoch", "inf", "on", "at", "of", "nan", "null",
    "none", "unknown", "true",
];

pub(super) const CASES: &[Case] = &[
    Case { type_name: "bool", modifier: -1, input: "boolin(t::cstring)",
        fine: &["t", "f", "true", "FALSE", "1", "0", "yes", "No", "on", "off", "y", "n", " t "],
        bad: &["", "2", "o", "truex", "wahr", "-1", "on ne"], odd: &["of", "tr", "\u{b}t", "ＴＲＵＥ"],
        forms: &["9", "99"], letters: "truefalsynoTF01 " },
    Case { type_name: "int2", modifier: -1, input: "int2in(t::cstring)",
        fine: &["0", "-7", "32767", "-32768", "+5", " 12 "],
        bad: &["", " ", "abc", "12x", "1.5", "32768", "-32769", "1 2", "-", "99999999999999999999999"],
        odd: INTEGER_ODD, forms: INTEGER_FORMS, letters: "0123456789-+ ._xeE" },
    Case { type_name: "int4", modifier: -1, input: "int4in(t::cstring)",
        fine: &["0", "-7", "2147483647", "-2147483648", "+5", " 12 ", "0000000000000000000001"],
        bad: &["", " ", "abc", "12x", "1.5", "1,000", "2147483648", "-2147483649", "1 2", "NULL", "N/A"],
        odd: INTEGER_ODD, forms: INTEGER_FORMS, letters: "0123456789-+ ._xeE" },
    Case { type_name: "int8", modifier: -1, input: "int8in(t::cstring)",
        fine: &["0", "-7", "9223372036854775807", "-9223372036854775808", "+5", " 12 "],
        bad: &["", " ", "abc", "12x", "1.5", "9223372036854775808", "-9223372036854775809", "1e3"],
        odd: INTEGER_ODD, forms: INTEGER_FORMS, letters: "0123456789-+ ._xeE" },
    Case { type_name: "numeric", modifier: -1, input: "numeric_in(t::cstring, 0, -1)",
        fine: &["0", "-1.50", "12345678901234567890.123", "1e5", "1E-5", "NaN", ".5", "5.", " 1 ", "1e999"],
        bad: &["", " ", "abc", "12x", "1.2.3", "1,5", ".", "-", "N/A", "$5"],
        odd: NUMBER_ODD, forms: DECIMAL_FORMS, letters: "0123456789-+ ._eExNa" },
    // numeric(5,2)
    Case { type_name: "numeric", modifier: (5 << 16) + 2 + 4, input: "numeric_in(t::cstring, 0, 327686)",
        fine: &["0", "-1.50", "999.99", "999.994", "-999.99", "1e2", "99999e-2", "0.001", "000999.99", "NaN"],
        bad: &["", "abc", "1000", "999.995", "-999.999", "1e3", "1e999", "12345678", "99999.4e-2x", "999995e-3"],
        odd: NUMBER_ODD, forms: DECIMAL_FORMS, letters: "099999-+ ._eE" },
    // numeric(2,2)
    Case { type_name: "numeric", modifier: (2 << 16) + 2 + 4, input: "numeric_in(t::cstring, 0, 131078)",
        fine: &["0", "0.99", ".994", "-0.5", "9e-1"], bad: &["1", "0.995", "-.999", "9.9"],
        odd: NUMBER_ODD, forms: &["0.99", "0.999", ".9", "0.09999", "9e-9", "0.999e1"],
        letters: "099999-+ ._eE" },
    Case { type_name: "float4", modifier: -1, input: "float4in(t::cstring)",
        fine: &["0", "-1.5", "1e5", "1E-5", "NaN", "Infinity", "-Infinity", "3e37", ".5", "5.", " 1 "],
        bad: &["", " ", "abc", "12x", "1.2.3", "1e999", "-1e40", "1e-60", "1,5", "1_0"],
        odd: NUMBER_ODD, forms: DECIMAL_FORMS, letters: "0123456789-+ ._eExNainf" },
    Case { type_name: "float8", modifier: -1, input: "float8in(t::cstring)",
        fine: &["0", "-1.5", "1e300", "1E-300", "NaN", "Infinity", "-Infinity", ".5", "5.", " 1 ", "0e9999"],
        bad: &["", " ", "abc", "12x", "1.2.3", "1e999", "-1e310", "1e-400", "1,5", "N/A"],
        odd: NUMBER_ODD, forms: DECIMAL_FORMS, letters: "0123456789-+ ._eExNainf" },
    Case { type_name: "oid", modifier: -1, input: "oidin(t::cstring)", fine: &["0", "26", "4294967295"],
        bad: &[], odd: INTEGER_ODD, forms: INTEGER_FORMS, letters: "0123456789- " },
    Case { type_name: "date", modifier: -1, input: "date_in(t::cstring)",
        fine: &["2024-01-31", "2024-02-29", "0001-01-01", "9999-12-31", "2024/01/31", "20240131",
            "2024-01-31 10:11:12", " 2024-01-31 "],
        bad: &["", " ", "abc", "N/A", "NULL", "unknown", "2024-13-01", "2024-02-30", "2023-02-29", "0000-00-00", "20241301", "-"],
        odd: DATE_ODD, forms: DATE_FORMS, letters: "0123456789-/: TZnow.+" },
    Case { type_name: "timestamp", modifier: -1, input: "timestamp_in(t::cstring, 0, -1)",
        fine: &["2024-01-31 10:11:12", "2024-01-31T10:11:12.123456", "2024-01-31", "2024-01-31 10:11", "2024-01-31 10:11:12+08"],
        bad: &["", "abc", "N/A", "2024-13-01 00:00:00", "2024-02-30", "2024-01-01 25:00:00", "2024-01-01 10:61:00", "0000-00-00 00:00:00"],
        odd: DATE_ODD, forms: DATE_FORMS, letters: "0123456789-/: TZnow.+" },
    // timestamp(0)
    Case { type_name: "timestamp", modifier: 0, input: "timestamp_in(t::cstring, 0, 0)",
        fine: &["2024-01-31 10:11:12", "9999-12-31 23:59:59.9"], bad: &["2024-02-30"],
        odd: DATE_ODD, forms: DATE_FORMS, letters: "0123456789-/: TZ.+" },
    Case { type_name: "timestamptz", modifier: -1, input: "timestamptz_in(t::cstring, 0, -1)",
        fine: &["2024-01-31 10:11:12+08", "2024-01-31T10:11:12Z", "2024-01-31 10:11:12.5-03:30", "2024-01-31 10:11:12"],
        bad: &["", "abc", "n/a", "2024-13-01 00:00:00Z", "2024-02-30 00:00:00+00", "2024-01-01 25:00:00+00"],
        odd: DATE_ODD, forms: DATE_FORMS, letters: "0123456789-/: TZnow.+" },
    Case { type_name: "time", modifier: -1, input: "time_in(t::cstring, 0, -1)",
        fine: &["10:11:12", "10:11", "23:59:59.999999", "00:00:00"], bad: &["", "abc", "25:00:00", "10:61:00"],
        odd: TIME_ODD, forms: TIME_FORMS, letters: "0123456789-: TZ.+" },
    Case { type_name: "timetz", modifier: -1, input: "timetz_in(t::cstring, 0, -1)",
        fine: &["10:11:12+08", "10:11:12", "23:59:59.999999-03:30", "10:11:12Z"], bad: &["", "abc", "25:00:00+00"],
        odd: TIME_ODD, forms: TIME_FORMS, letters: "0123456789-: TZ.+" },
    Case { type_name: "interval", modifier: -1, input: "interval_in(t::cstring, 0, -1)",
        fine: &["10:11:12"], bad: &["", "  "], odd: &["1 day", "P1D", "1-2", "99:99:99", "1 year 2 mons"],
        forms: TIME_FORMS, letters: "0123456789-: dayP" },
    Case { type_name: "uuid", modifier: -1, input: "uuid_in(t::cstring)",
        fine: &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"],
        bad: &["", "abc", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
        odd: &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "a0eebc999c0b4ef8bb6d6bb9bd380a-11"],
        forms: &["99999999-9999-9999-9999-999999999999", "99999999999999999999999999999999"], letters: "0123456789abcdefABCDEF-{}" },
    Case { type_name: "text", modifier: -1, input: "textin(t::cstring)", fine: &["", "abc", "中文"], bad: &[],
        odd: TEXT_ODD, forms: &[], letters: "abc é中😀" },
    // varchar(3)
    Case { type_name: "varchar", modifier: 7, input: "varcharin(t::cstring, 0, 7)", fine: &["", "abc", "中文字", "abc   "],
        bad: &["abcd", "abc d", "中文字字"], odd: TEXT_ODD, forms: &[], letters: "ab é中😀  " },
    Case { type_name: "varchar", modifier: -1, input: "varcharin(t::cstring, 0, -1)", fine: &["", "abcdefghijkl"],
        bad: &[], odd: TEXT_ODD, forms: &[], letters: "ab é中😀  " },
    // char(3)
    Case { type_name: "bpchar", modifier: 7, input: "bpcharin(t::cstring, 0, 7)", fine: &["", "a", "abc", "abc   ", "中文字"],
        bad: &["abcd", "abc d", "中文字字"], odd: TEXT_ODD, forms: &[], letters: "ab é中😀  " },
    Case { type_name: "bytea", modifier: -1, input: "byteain(t::cstring)",
        fine: &["", "\\x", "\\x00ff", "\\xABcd", "abc", "a\\\\b", "a\\000b"],
        bad: &["\\x0", "\\x0g", "\\", "\\9", "a\\400", "\\xzz"],
        odd: &["\\x00 ff", "\\x0 0", "\\X00", "\\xé", "\\x0\n", "é\\377"], forms: &["\\x99", "\\999", "\\x999"],
        letters: "\\\\\\x01234567afg " },
    Case { type_name: "json", modifier: -1, input: "json_in(t::cstring)", fine: &[], bad: &["", " \n"],
        odd: &["{}", "[1]", "nul", "null", "\u{b}"], forms: &["[9, 9]", "{\"a\": 9}"], letters: "{}[]\"a:1, " },
    Case { type_name: "jsonb", modifier: -1, input: "jsonb_in(t::cstring)", fine: &[], bad: &["", " \n"],
        odd: &["{}", "[1]", "nul", "null"], forms: &["[9, 9]"], letters: "{}[]\"a:1, " },
];
