//! `copy_expert` that reads a file, or has no use for one.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a int, b text, c text)";

pub(super) fn cases() -> Vec<Case> {
    let loaded = IN
        .iter()
        .map(|(what, sql, data)| Case::expert_in(format!("expert in: {what}"), TABLE, sql, data));
    let refused = REFUSED.iter().map(|(what, sql, data, code)| {
        Case::expert_in(format!("expert in: {what} is refused"), TABLE, sql, data).fails(code)
    });
    let setup = format!("{TABLE}; INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, NULL)");
    let plain = PLAIN
        .iter()
        .map(|(what, sql)| Case::expert_in(format!("expert: {what}"), &setup, sql, ""));
    loaded.chain(refused).chain(plain).collect()
}

const IN: &[(&str, &str, &str)] = &[
    ("text by default", "COPY t FROM STDIN", "1\tx\t\\N\n"),
    (
        "csv, old words",
        "COPY t FROM STDIN WITH CSV",
        "1,\"x, \"\"y\"\"\",\n2,,\"\"\n",
    ),
    (
        "csv, new words",
        "COPY t FROM STDIN WITH (FORMAT csv)",
        "1,x,y\n",
    ),
    (
        "lower case, line feeds, a comment",
        "copy t\n-- all of it\nfrom stdin /* now */ (format 'csv')",
        "1,x,y\n",
    ),
    ("a semicolon at the end", "COPY t FROM STDIN;", "1\tx\ty\n"),
    (
        "a schema and quotes",
        "COPY \"public\".\"t\" (\"a\", b) FROM STDIN CSV",
        "1,x\n",
    ),
    (
        "columns in another order",
        "COPY t (c, a) FROM STDIN CSV",
        "x,1\n",
    ),
    ("a header", "COPY t FROM STDIN CSV HEADER", "a,b,c\n1,x,y\n"),
    (
        "a header of anything",
        "COPY t FROM STDIN CSV HEADER",
        "whatever\n1,x,y\n",
    ),
    (
        "a header of two lines",
        "COPY t FROM STDIN CSV HEADER",
        "\"a\nb\",c\n1,x,y\n",
    ),
    ("a header alone", "COPY t FROM STDIN CSV HEADER", "a,b,c\n"),
    (
        "a header that is not one",
        "COPY t FROM STDIN (FORMAT csv, HEADER false)",
        "1,x,y\n",
    ),
    (
        "quote and escape",
        "COPY t FROM STDIN CSV QUOTE '''' ESCAPE '\\'",
        "1,'x\\'y','\\\\'\n",
    ),
    (
        "a delimiter",
        "COPY t FROM STDIN (FORMAT csv, DELIMITER '|')",
        "1|x|\"|\"\n",
    ),
    (
        "a tab by escape",
        "COPY t FROM STDIN (FORMAT csv, DELIMITER E'\\t')",
        "1\tx\ty\n",
    ),
    (
        "null is x",
        "COPY t FROM STDIN (FORMAT csv, NULL 'x')",
        "1,x,\"x\"\n2,,X\n",
    ),
    (
        "force_not_null",
        "COPY t FROM STDIN (FORMAT csv, FORCE_NOT_NULL (b))",
        "1,,\n",
    ),
    (
        "force_null",
        "COPY t FROM STDIN (FORMAT csv, FORCE_NULL (b))",
        "1,\"\",\"\"\n",
    ),
    (
        "force_null and force_not_null",
        "COPY t FROM STDIN (FORMAT csv, FORCE_NULL (b), FORCE_NOT_NULL (b), NULL 'n')",
        "1,n,n\n2,\"n\",\"n\"\n",
    ),
    (
        "line feeds in quotes",
        "COPY t FROM STDIN CSV",
        "1,\"x\ny\",\"\n\"\n2,a,b\n",
    ),
    (
        "CRLF in quotes and between",
        "COPY t FROM STDIN CSV",
        "1,\"x\r\ny\",z\r\n2,a,\"b\nc\"\r\n",
    ),
    (
        "text after a quote",
        "COPY t FROM STDIN CSV",
        "1,\"a\"b\"c\",x\"y\"\n",
    ),
    (
        "blanks around quotes",
        "COPY t FROM STDIN CSV",
        " 1 , \"x\" ,y \n",
    ),
    (
        "backslashes in csv",
        "COPY t FROM STDIN CSV",
        "1,\\N,a\\tb\n2,\\x,\"\\.\"\n",
    ),
    (
        "the last line feed is missing",
        "COPY t FROM STDIN CSV",
        "1,x,y\n2,z,w",
    ),
    (
        "CR between lines",
        "COPY t FROM STDIN CSV",
        "1,x,y\r2,z,w\r",
    ),
    ("nothing", "COPY t FROM STDIN CSV", ""),
    (
        "a condition",
        "COPY t FROM STDIN CSV WHERE a > 1",
        "1,x,y\n2,x,y\n3,x,y\n",
    ),
    (
        "another encoding",
        "COPY t FROM STDIN (ENCODING 'latin1')",
        "1\té\tx\n",
    ),
    (
        "an encoding that cannot fail",
        "COPY t FROM STDIN (FORMAT csv, ENCODING 'sql_ascii')",
        "1,é,x\n",
    ),
    (
        "a statement before",
        "SELECT 1; COPY t FROM STDIN CSV",
        "1,x,y\n",
    ),
    (
        "a change before",
        "INSERT INTO t VALUES (0, 'before'); COPY t FROM STDIN CSV",
        "1,x,y\n",
    ),
    (
        "freeze",
        "CREATE TABLE u (a int); COPY u FROM STDIN (FREEZE)",
        "1\n2\n",
    ),
    (
        "a truncation before",
        "TRUNCATE t; COPY t FROM STDIN",
        "1\tx\ty\n",
    ),
    (
        "percent signs",
        "COPY t FROM STDIN (FORMAT csv, NULL '%s %d %%')",
        "1,%s %d %%,%\n",
    ),
    (
        "old delimiters",
        "COPY t FROM STDIN WITH DELIMITER ',' NULL '-'",
        "1,-,x\\,y\n",
    ),
    (
        "old delimiters without WITH",
        "COPY t FROM STDIN USING DELIMITERS '|'",
        "1|x|y\n",
    ),
    (
        "the marker at the end of text",
        "COPY t FROM STDIN",
        "1\tx\ty\n\\.\n",
    ),
];

const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("a misspelt word", "COPPY t FROM STDIN", "", "42601"),
    (
        "a misspelt option",
        "COPY t FROM STDIN (FORMATT csv)",
        "",
        "42601",
    ),
    (
        "an unknown format",
        "COPY t FROM STDIN (FORMAT xml)",
        "",
        "22023",
    ),
    (
        "an option twice",
        "COPY t FROM STDIN (FORMAT csv, FORMAT csv)",
        "",
        "42601",
    ),
    (
        "a quote in text",
        "COPY t FROM STDIN (QUOTE '\"')",
        "",
        "0A000",
    ),
    (
        "a delimiter in binary",
        "COPY t FROM STDIN (FORMAT binary, DELIMITER ',')",
        "",
        "42601",
    ),
    (
        "a delimiter that is the quote",
        "COPY t FROM STDIN (FORMAT csv, DELIMITER '\"')",
        "",
        "22023",
    ),
    (
        "a table that is not there",
        "COPY u FROM STDIN",
        "",
        "42P01",
    ),
    (
        "a column that is not there",
        "COPY t (z) FROM STDIN",
        "",
        "42703",
    ),
    (
        "an unknown encoding",
        "COPY t FROM STDIN (ENCODING 'klingon')",
        "",
        "22023",
    ),
    (
        "force_quote when reading",
        "COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)",
        "",
        "0A000",
    ),
    (
        "force_null of another column",
        "COPY t (a) FROM STDIN (FORMAT csv, FORCE_NULL (b))",
        "",
        "42P10",
    ),
    (
        "an expression as the file",
        "COPY t FROM lower('STDIN')",
        "",
        "42601",
    ),
    (
        "a bad row",
        "COPY t FROM STDIN CSV",
        "1,x,y\nb,x,y\n",
        "22P02",
    ),
    (
        "a bad row undoes what came before",
        "INSERT INTO t VALUES (0); COPY t FROM STDIN CSV",
        "b,x,y\n",
        "22P02",
    ),
    ("a field too few", "COPY t FROM STDIN CSV", "1,x\n", "22P04"),
    (
        "a field too many",
        "COPY t FROM STDIN CSV",
        "1,x,y,z\n",
        "22P04",
    ),
    (
        "a quote that is not closed",
        "COPY t FROM STDIN CSV",
        "1,x,y\n2,\"z,w\n3,a,b\n",
        "22P04",
    ),
    (
        "a blank line",
        "COPY t FROM STDIN CSV",
        "1,x,y\n\n",
        "22P04",
    ),
    (
        "LF in a file of CRLF",
        "COPY t FROM STDIN CSV",
        "1,x,y\r\n2,x,y\n",
        "22P04",
    ),
    (
        "another encoding's bytes",
        "COPY t FROM STDIN (ENCODING 'sjis')",
        "1\t\u{fffd}\tx\n",
        "22P05",
    ),
    (
        "freeze of an old table",
        "COPY t FROM STDIN (FREEZE)",
        "1\tx\ty\n",
        "55000",
    ),
    (
        "an error before",
        "SELECT 1 / 0; COPY t FROM STDIN",
        "1\tx\ty\n",
        "22012",
    ),
    ("an empty name", "COPY \"\" FROM STDIN", "", "42601"),
];

const PLAIN: &[(&str, &str)] = &[
    ("an update", "UPDATE t SET b = 'new' WHERE a > 2"),
    (
        "an insert",
        "INSERT INTO t SELECT n, 'n', '%' FROM generate_series(10, 14) n",
    ),
    ("a delete", "DELETE FROM t"),
    ("a new table", "CREATE TABLE u (a int)"),
    (
        "several statements",
        "CREATE TABLE u (a int); INSERT INTO u VALUES (1), (2); UPDATE u SET a = 3",
    ),
    (
        "a block of PL/pgSQL",
        "DO $$ BEGIN INSERT INTO t VALUES (99, 'it''s', '%s'); END $$",
    ),
];
