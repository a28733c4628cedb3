//! What a table allows: constraints, defaults, generated columns, triggers.

use super::case::Case;

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ALLOWED
        .iter()
        .map(|(what, setup, data)| Case::from(format!("table: {what}"), setup, data))
        .collect();
    cases.extend(REFUSED.iter().map(|(what, setup, data, code)| {
        Case::from(format!("table: {what} is refused"), setup, data).fails(code)
    }));
    cases.extend(defaults());
    cases
}

const SWALLOW: &str = "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN IF NEW.a % 2 = 0 THEN RETURN NULL; END IF; NEW.a := NEW.a * 10; RETURN NEW; END'; \
    CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()";
const LOUD: &str = "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN RAISE NOTICE ''row %'', NEW.a; IF NEW.a = 3 THEN RAISE ''three''; END IF; RETURN NEW; END'; \
    CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()";
const COUNTED: &str = "CREATE TABLE t (a int); CREATE TABLE log (n bigint); \
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN INSERT INTO log SELECT count(*) FROM new_rows; RETURN NULL; END'; \
    CREATE TRIGGER g AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION f()";
const FOREIGN: &str = "CREATE TABLE p (a int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE TABLE t (a int REFERENCES p)";
const DEFERRED: &str = "CREATE TABLE p (a int PRIMARY KEY); INSERT INTO p VALUES (1); \
    CREATE TABLE t (a int REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
const GENERATED: &str = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED)";

const ALLOWED: &[(&str, &str, &str)] = &[
    ("a foreign key that holds", FOREIGN, "1\n1\n\\N\n"),
    ("a deferred foreign key that holds", DEFERRED, "1\n"),
    (
        "a unique column with nulls",
        "CREATE TABLE t (a int UNIQUE)",
        "\\N\n\\N\n1\n",
    ),
    (
        "a trigger that changes rows and swallows others",
        SWALLOW,
        "1\n2\n3\n4\n",
    ),
    ("a trigger that speaks", LOUD, "1\n2\n"),
    ("a trigger for the statement", COUNTED, "1\n2\n3\n"),
    ("a trigger for the statement of no rows", COUNTED, ""),
    (
        "a rule is not followed",
        "CREATE TABLE t (a int); CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
        "1\n",
    ),
    (
        "rows are added to rows",
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
        "2\n",
    ),
    ("a generated column is left out", GENERATED, "1\n2\n"),
    (
        "a check of two columns",
        "CREATE TABLE t (a int, b int, CHECK (a < b))",
        "1\t2\n\\N\t1\n",
    ),
];

const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "a null",
        "CREATE TABLE t (a int NOT NULL)",
        "1\n\\N\n",
        "23502",
    ),
    (
        "a null in a key",
        "CREATE TABLE t (a int PRIMARY KEY)",
        "\\N\n",
        "23502",
    ),
    (
        "a double in the file",
        "CREATE TABLE t (a int PRIMARY KEY)",
        "1\n2\n1\n",
        "23505",
    ),
    (
        "a double of a row that is there",
        "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (2)",
        "1\n2\n",
        "23505",
    ),
    (
        "a broken check",
        "CREATE TABLE t (a int CHECK (a > 0))",
        "1\n0\n",
        "23514",
    ),
    ("a broken foreign key", FOREIGN, "1\n2\n", "23503"),
    (
        "a broken foreign key at the commit",
        DEFERRED,
        "1\n2\n",
        "23503",
    ),
    (
        "a row of no partition",
        "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE u PARTITION OF t FOR VALUES IN (1)",
        "1\n2\n",
        "23514",
    ),
    (
        "an overlap",
        "CREATE TABLE t (a int4range, EXCLUDE USING gist (a WITH &&))",
        "[1,5)\n[4,6)\n",
        "23P01",
    ),
    ("a trigger's complaint", LOUD, "1\n2\n3\n4\n", "P0001"),
    (
        "a value for a generated column",
        GENERATED,
        "1\t2\n",
        "22P04",
    ),
    (
        "a division in a generated column",
        "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (1 / a) STORED)",
        "0\n",
        "22012",
    ),
];

fn defaults() -> Vec<Case> {
    let identity = "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, a text)";
    let serial = "CREATE TABLE t (id serial PRIMARY KEY, a text)";
    vec![
        Case::from("identity: numbers of the server", identity, "x\ny\n").columns(&["a"]),
        Case::from("identity: numbers of the file", identity, "7\tx\n8\ty\n"),
        Case::from("identity: a null number", identity, "\\N\tx\n").fails("23502"),
        Case::from("serial: numbers of the server", serial, "x\ny\n").columns(&["a"]),
        Case::from("serial: numbers of the file", serial, "7\tx\n"),
        Case::from("serial: a null number", serial, "\\N\tx\n").fails("23502"),
        Case::from(
            "serial: a failed load uses numbers up",
            serial,
            "x\ny\nz\t1\n",
        )
        .columns(&["a"])
        .fails("22P04"),
        Case::from(
            "default: a constant and an expression",
            "CREATE TABLE t (a int, b text DEFAULT 'b', c int DEFAULT 1 + 1)",
            "1\n",
        )
        .columns(&["a"]),
        Case::from(
            "default: not for a null",
            "CREATE TABLE t (a int DEFAULT 5)",
            "\\N\n",
        ),
        Case::from("generated: named", GENERATED, "1\t2\n")
            .columns(&["a", "b"])
            .fails("42P10"),
        Case::from(
            "default: a column without one that may not be null",
            "CREATE TABLE t (a int, b int NOT NULL)",
            "1\n",
        )
        .columns(&["a"])
        .fails("23502"),
    ]
}
