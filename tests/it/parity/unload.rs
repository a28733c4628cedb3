//! `copy_to`: the same bytes in the file.

use super::case::Case;

const ODD: &str = "CREATE TABLE t (a int, b text); INSERT INTO t VALUES \
    (1, 'plain'), (2, NULL), (3, ''), (4, E'tab\\there'), (5, E'line\\nfeed'), (6, E'carriage\\rreturn'), \
    (7, E'back\\\\slash'), (8, E'\\\\N'), (9, E'\\\\.'), (10, 'comma, \"quote\"; it''s'), (11, 'é€😀'), \
    (12, E'\\b\\f\\v'), (13, ' blanks '), (14, 'NULL'), (15, '|'), (NULL, NULL), (16, E'\\x01\\x7f'), (17, '.')";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::to("to: odd values by the defaults", ODD),
        Case::to("to: no rows", "CREATE TABLE t (a int, b text)"),
        Case::to("to: no columns", "CREATE TABLE t (); INSERT INTO t DEFAULT VALUES"),
        Case::to("to: one column of empty strings", "CREATE TABLE t (a text); INSERT INTO t VALUES (''), (''), (NULL)"),
        Case::to("to: one column", ODD).columns(&["b"]),
        Case::to("to: two columns in another order", ODD).columns(&["b", "a"]),
        Case::to("to: a column twice", ODD).columns(&["a", "a"]).fails("42701"),
        Case::to("to: a column that is not there", ODD).columns(&["z"]).fails("42703"),
        Case::to("to: a table that is not there", ODD).table("u").fails("42P01"),
        Case::to("to: a null marker that holds the separator", ODD).sep(",").null("a,b").refused(),
        Case::to("to: a separator that is a letter", ODD).sep("x").fails("22023"),
        Case::to("to: a separator of two bytes", ODD).sep("||").fails("0A000"),
        Case::to("to: a separator that is a backslash", ODD).sep("\\").fails("22023"),
        Case::to("to: a null marker with a line feed", ODD).null("\n").fails("22023"),
        Case::to("to: a view", "CREATE VIEW t AS SELECT 1 AS a").fails("42809"),
        Case::to("to: a sequence", "CREATE SEQUENCE t").fails("42809"),
        Case::to("to: a partitioned table", "CREATE TABLE t (a int) PARTITION BY LIST (a)").fails("42809"),
        Case::to("to: a parent, without its children's rows",
            "CREATE TABLE t (a int); CREATE TABLE u () INHERITS (t); INSERT INTO t VALUES (1); INSERT INTO u VALUES (2)"),
        Case::to("to: a generated column is left out",
            "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1)"),
        Case::to("to: a generated column is named",
            "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1)")
            .columns(&["a", "b"])
            .fails("42P10"),
        Case::to("to: an odd name", r#"CREATE TABLE "my ""odd"" table" ("A b" int); INSERT INTO "my ""odd"" table" VALUES (1)"#)
            .table("my \"odd\" table")
            .columns(&["A b"]),
        Case::to("to: no right to read",
            "DO $$ BEGIN CREATE ROLE dwsload_reader LOGIN; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; CREATE TABLE t (a int)")
            .user("dwsload_reader")
            .fails("42501"),
        Case::to("to: many types", TYPES),
        Case::to("to: 100,000 rows", "CREATE TABLE t AS SELECT n, 'row ' || n FROM generate_series(1, 100000) n"),
        Case::to("to: a field of 1 MiB", "CREATE TABLE t AS SELECT repeat('é\\', 524288) AS a"),
        Case::to("to: control characters", "CREATE TABLE t AS SELECT n, chr(n) || chr(128 + n) AS a FROM generate_series(1, 127) n"),
    ];
    for sep in ["\t", ",", "|", ";", "'", "\"", " ", "N", "\u{1}"] {
        let case = Case::to(format!("to: separated by {}", sep.escape_default()), ODD).sep(sep);
        // An N would be in the default null marker.
        cases.push(if sep == "N" { case.null("") } else { case });
    }
    for null in [
        "",
        "NULL",
        "'",
        "\\",
        "\\\\N",
        "it's \"nothing\"",
        "無",
        "1",
        ".",
    ] {
        cases.push(Case::to(format!("to: null is {}", null.escape_default()), ODD).null(null));
    }
    cases.push(
        Case::to("to: all arguments", ODD)
            .sep("|")
            .null("-")
            .columns(&["b", "a"]),
    );
    cases
}

const TYPES: &str = "CREATE TABLE t (a bool, b numeric, c float8, d date, e timestamptz, f interval, g bytea, h int[], \
    i text[], j json, k uuid, l inet, m char(4), n int4range); SET timezone = 'UTC'; INSERT INTO t VALUES \
    (true, 1.10, 'NaN', '0044-03-15 BC', 'infinity', '1 day -1 sec', '\\x00ff5c', '{1,NULL}', '{\"a b\",\"\\\"\",NULL}', \
    '{\"a\": \"\\\\n\"}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.0/8', 'x', '[1,5)'), \
    (false, -0.0, '-inf', '2024-02-29', '2024-02-29 12:00:00.000001+00', '-1 mon', '', '{}', '{}', 'null', NULL, '::1', '', 'empty')";
