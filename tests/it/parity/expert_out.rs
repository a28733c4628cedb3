//! `copy_expert` that writes a file.

use super::case::Case;

const FULL: &str = "CREATE TABLE t (a int, b text, c text); INSERT INTO t VALUES \
    (1, 'plain', 'x'), (2, NULL, ''), (3, 'comma, \"quote\"', E'line\\nfeed'), (4, E'\\\\.', '😀'), (5, ' b ', E't\\tc')";

pub(super) fn cases() -> Vec<Case> {
    let written = OUT
        .iter()
        .map(|(what, sql)| Case::expert_out(format!("expert out: {what}"), FULL, sql));
    let refused = OUT_REFUSED.iter().map(|(what, sql, code)| {
        Case::expert_out(format!("expert out: {what} is refused"), FULL, sql).fails(code)
    });
    written.chain(refused).collect()
}

const OUT: &[(&str, &str)] = &[
    ("text by default", "COPY t TO STDOUT"),
    ("csv", "COPY t TO STDOUT WITH CSV"),
    ("csv with a header", "COPY t TO STDOUT (FORMAT csv, HEADER)"),
    (
        "csv, everything quoted",
        "COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE *)",
    ),
    (
        "csv, one column quoted",
        "COPY t TO STDOUT CSV FORCE QUOTE b",
    ),
    (
        "quote and escape",
        "COPY t TO STDOUT CSV QUOTE '''' ESCAPE '\\' DELIMITER '|'",
    ),
    ("null is x", "COPY t TO STDOUT (FORMAT csv, NULL 'x')"),
    ("columns", "COPY t (c, a) TO STDOUT CSV"),
    (
        "a query",
        "COPY (SELECT b, a * 2 FROM t WHERE a > 1 ORDER BY a DESC) TO STDOUT CSV HEADER",
    ),
    (
        "a query with WITH",
        "COPY (WITH u AS (SELECT 1 AS x) TABLE u) TO STDOUT",
    ),
    ("values", "COPY (VALUES (1, 'x'), (2, NULL)) TO STDOUT"),
    (
        "what was changed",
        "COPY (UPDATE t SET a = a + 10 WHERE a < 3 RETURNING a) TO STDOUT",
    ),
    (
        "what was deleted",
        "COPY (DELETE FROM t RETURNING b) TO STDOUT CSV",
    ),
    ("binary", "COPY t TO STDOUT WITH BINARY"),
    (
        "binary without rows",
        "COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)",
    ),
    ("no rows", "COPY (SELECT 1 WHERE false) TO STDOUT"),
    (
        "no rows but a header",
        "COPY (SELECT 1 AS one WHERE false) TO STDOUT CSV HEADER",
    ),
    (
        "another encoding",
        "COPY (SELECT 'é' AS a) TO STDOUT (ENCODING 'latin1')",
    ),
    ("a statement before", "SELECT 1; COPY t TO STDOUT"),
    (
        "a change before",
        "UPDATE t SET a = 0 WHERE a = 1; COPY t (a) TO STDOUT",
    ),
    (
        "dates",
        "COPY (SELECT date '2024-02-29', timestamp '2024-02-29 12:00') TO STDOUT",
    ),
    (
        "100,000 rows",
        "COPY (SELECT n, repeat('x', n % 50) FROM generate_series(1, 100000) n) TO STDOUT CSV",
    ),
];

const OUT_REFUSED: &[(&str, &str, &str)] = &[
    ("a misspelt word", "COPY t TOO STDOUT", "42601"),
    (
        "a query that is none",
        "COPY (SELECT) FROM t TO STDOUT",
        "42601",
    ),
    (
        "a query that fails at once",
        "COPY (SELECT z FROM t) TO STDOUT",
        "42703",
    ),
    (
        "a query that fails in the middle",
        "COPY (SELECT 1 / (50000 - n) FROM generate_series(1, 100000) n) TO STDOUT",
        "22012",
    ),
    (
        "a query without rows to give",
        "COPY (DELETE FROM t) TO STDOUT",
        "0A000",
    ),
    (
        "force_null when writing",
        "COPY t TO STDOUT (FORMAT csv, FORCE_NULL (b))",
        "0A000",
    ),
    (
        "a character that the encoding has not",
        "COPY (SELECT '€' AS a) TO STDOUT (ENCODING 'latin1')",
        "22P05",
    ),
];
