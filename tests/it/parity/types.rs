//! Values of many types: the server reads the text, so both sides must send the same.

use super::case::Case;

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = GOOD
        .iter()
        .map(|(kind, values)| {
            let setup = format!("{TYPES}; CREATE TABLE t (v {kind})");
            Case::from(format!("type: {kind}"), &setup, values)
        })
        .collect();
    cases.extend(BAD.iter().map(|(kind, value, code)| {
        let setup = format!("{TYPES}; CREATE TABLE t (v {kind})");
        let shown: String = value.chars().take(20).collect();
        let data = format!("\\N\n{value}\n");
        Case::from(format!("type: {kind} refuses {shown:?}"), &setup, data).fails(code)
    }));
    cases
}

const TYPES: &str = "CREATE TYPE mood AS ENUM ('glad', 'so so'); CREATE TYPE pair AS (a int, b text); \
    CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN present AS text NOT NULL";

const GOOD: &[(&str, &str)] = &[
    ("boolean", "t\nfalse\nYES\noff\n1\n0\n true \n\\N\n"),
    ("smallint", "32767\n-32768\n 7 \n+7\n-0\n007\n"),
    ("integer", "2147483647\n-2147483648\n\\N\n"),
    ("bigint", "9223372036854775807\n-9223372036854775808\n"),
    (
        "numeric",
        "1.10\n-0.00001\n1e3\nNaN\n.5\n5.\n123456789012345678901234567890.123456789\n",
    ),
    ("numeric(6,2)", "1234.567\n-0.005\n1e2\n"),
    ("real", "1.5\n1e-45\nInfinity\n-inf\nnan\n16777217\n"),
    (
        "double precision",
        "0.1\n1e308\n5e-324\nInfinity\nNaN\n-0\n",
    ),
    ("text", "plain\n\n  blanks  \nIt's \"quoted\"\n"),
    ("varchar(3)", "abc\nab\nabc   \néèê\n"),
    ("char(3)", "a\nabc\n\nab    \n"),
    ("\"char\"", "a\n\n\\\\\n"),
    ("bytea", "\\\\x4142ff\nplain\n\\\\\\\\\n\\\\000\n\\x41\n"),
    (
        "date",
        "2024-02-29\n20240229\nFeb 29 2024\ninfinity\n0044-03-15 BC\n5874897-12-31\n",
    ),
    (
        "timestamp",
        "2024-02-29 23:59:59.999999\n2024-02-29T00:00:00\n-infinity\n2024-06-30 23:59:60\n",
    ),
    (
        "timestamptz",
        "2024-02-29 12:00:00+02\n2024-02-29 12:00:00Z\n2024-07-01 12:00 Europe/Berlin\n",
    ),
    ("time", "23:59:59.5\n24:00:00\n04:05 PM\n"),
    ("timetz", "12:00:00+05:30\n"),
    (
        "interval",
        "1 day\n1-2\nP1Y2M3DT4H5M6S\n-1 mons +2 days\n@ 3 hours ago\n",
    ),
    (
        "json",
        "{\"a\": 1,  \"a\": 2}\n[1, \"x\\\\ny\"]\nnull\n\"\\\\u00e9\"\n",
    ),
    ("jsonb", "{\"b\": 1, \"a\": 2, \"a\": 3}\n[]\n1.10\n"),
    (
        "uuid",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\n{A0EEBC999C0B4EF8BB6D6BB9BD380A11}\n",
    ),
    (
        "integer[]",
        "{1,2,3}\n{}\n{{1,2},{3,4}}\n[0:1]={5,6}\n{NULL,1}\n",
    ),
    ("text[]", "{a,\"b c\",\"d\\\\\"e\",NULL,\"NULL\"}\n{\"\"}\n"),
    ("inet", "192.168.0.1\n10.0.0.0/8\n::1\n"),
    ("macaddr", "08:00:2b:01:02:03\n08002b010203\n"),
    ("point", "(1,2)\n1.5,-2\n"),
    ("bit(3)", "101\n000\n"),
    ("varbit", "1\n\n"),
    ("int4range", "[1,5)\nempty\n(,7]\n"),
    ("tsvector", "'a':1 'b':2A\nfat cat\n"),
    ("money", "$1,234.50\n-1\n"),
    ("oid", "0\n4294967295\n"),
    ("pg_lsn", "16/B374D848\n"),
    ("xid", "5\n"),
    ("name", "a name\n"),
    ("regclass", "pg_class\n"),
    ("mood", "glad\nso so\n\\N\n"),
    ("pair", "(1,x)\n(,\"y z\")\n"),
    ("positive", "1\n\\N\n"),
    ("present", "x\n\n"),
];

const BAD: &[(&str, &str, &str)] = &[
    ("boolean", "maybe", "22P02"),
    ("smallint", "32768", "22003"),
    ("integer", "12x", "22P02"),
    ("integer", "1.5", "22P02"),
    ("integer", "1,000", "22P02"),
    ("integer", "", "22P02"),
    ("integer", "2147483648", "22003"),
    ("bigint", "9223372036854775808", "22003"),
    ("numeric", "1.2.3", "22P02"),
    ("numeric(6,2)", "12345.6", "22003"),
    ("real", "1e39", "22003"),
    ("double precision", "1e309", "22003"),
    ("double precision", "one", "22P02"),
    ("varchar(3)", "abcd", "22001"),
    ("char(3)", "abcd", "22001"),
    ("bytea", "\\\\xf", "22023"),
    ("bytea", "\\\\xgg", "22023"),
    ("bytea", "\\\\9", "22P02"),
    ("date", "", "22007"),
    ("date", "yesteryear", "22007"),
    ("date", "2023-02-29", "22008"),
    ("date", "2024-13-01", "22008"),
    ("date", "29/02/2024", "22008"),
    ("date", "9999999-01-01", "22008"),
    ("timestamp", "2024-01-01 25:00", "22008"),
    ("timestamptz", "2024-01-01 12:00 Mars/Olympus", "22023"),
    ("time", "25:00", "22008"),
    ("interval", "soon", "22007"),
    ("interval", "999999999999 years", "22015"),
    ("json", "{a: 1}", "22P02"),
    ("json", "", "22P02"),
    ("jsonb", "\"\\\\u0000\"", "22P05"),
    ("uuid", "not-a-uuid", "22P02"),
    ("integer[]", "{1,2", "22P02"),
    ("integer[]", "{1,x}", "22P02"),
    ("inet", "256.1.1.1", "22P02"),
    ("bit(3)", "1", "22026"),
    ("int4range", "[5,1)", "22000"),
    ("mood", "sad", "22P02"),
    ("pair", "(1)", "22P02"),
    ("positive", "0", "23514"),
    ("present", "\\N", "23502"),
    ("regclass", "no_such_table", "42P01"),
];
