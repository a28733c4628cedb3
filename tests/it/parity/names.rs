//! Tables and columns: what is quoted, what is found, what is refused.

use super::case::Case;

const WIDE: &str = "CREATE TABLE t (a int, b text, c text DEFAULT 'c', d int DEFAULT 4)";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = tables();
    cases.extend(relations());
    cases.extend(columns());
    cases
}

fn tables() -> Vec<Case> {
    let long = "x".repeat(70);
    let long_wide = "ü".repeat(40);
    let mut cases: Vec<Case> = [
        ("upper case", "Orders"),
        ("a blank", "my orders"),
        ("a leading blank", " t"),
        ("double quotes", "say \"hi\""),
        ("only a double quote", "\""),
        ("a single quote", "it's"),
        ("a semicolon and SQL", "t\"; DROP TABLE x; --"),
        ("a dot", "sales.orders"),
        ("two dots", "a.b.c"),
        ("a parenthesis", "t(a)"),
        ("a percent sign", "100%s"),
        ("a backslash", "a\\b"),
        ("a line feed", "a\nb"),
        ("a keyword", "select"),
        ("a number", "2024"),
        ("Cyrillic", "заказы"),
        ("Chinese", "訂單"),
        ("an emoji", "📦"),
        ("more than 63 bytes", &long),
        ("more than 63 bytes of two-byte characters", &long_wide),
    ]
    .into_iter()
    .map(|(what, table)| {
        let setup = format!("CREATE TABLE {} (a int)", quoted(table));
        Case::from(format!("table: {what}"), &setup, "1\n2\n").table(table)
    })
    .collect();
    cases.push(
        Case::from("table: not there", "CREATE TABLE t (a int)", "1\n")
            .table("u")
            .fails("42P01"),
    );
    cases.push(
        Case::from(
            "table: there in lower case",
            "CREATE TABLE t (a int)",
            "1\n",
        )
        .table("T")
        .fails("42P01"),
    );
    cases
}

fn relations() -> Vec<Case> {
    let reader = "DO $$ BEGIN CREATE ROLE dwsload_reader LOGIN; \
                  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;";
    let table = "CREATE TABLE t (a int);";
    let policy = format!(
        "{reader}{table} GRANT ALL ON t TO dwsload_reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY"
    );
    vec![
        Case::from("relation: a view", "CREATE VIEW t AS SELECT 1 AS a", "1\n").fails("42809"),
        Case::from(
            "relation: a view with a trigger in place of inserts",
            "CREATE TABLE u (a int); CREATE VIEW t AS SELECT a FROM u; \
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN INSERT INTO u VALUES (NEW.a + 1); RETURN NEW; END'; \
             CREATE TRIGGER g INSTEAD OF INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "1\n2\n",
        ),
        Case::from(
            "relation: a materialised view",
            "CREATE MATERIALIZED VIEW t AS SELECT 1 AS a",
            "1\n",
        )
        .fails("42809"),
        Case::from("relation: a sequence", "CREATE SEQUENCE t", "1\n").fails("42809"),
        Case::from(
            "relation: an index",
            "CREATE TABLE u (a int); CREATE INDEX t ON u (a)",
            "1\n",
        )
        .refused(),
        Case::from(
            "relation: a partitioned table",
            "CREATE TABLE t (a int, b text) PARTITION BY RANGE (a); \
             CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10); \
             CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20)",
            "1\tlow\n15\thigh\n2\tlow\n",
        ),
        Case::from(
            "relation: a parent of others",
            "CREATE TABLE t (a int); CREATE TABLE u () INHERITS (t)",
            "1\n",
        ),
        Case::from(
            "relation: unlogged",
            "CREATE UNLOGGED TABLE t (a int)",
            "1\n",
        ),
        Case::from("relation: no columns at all", "CREATE TABLE t ()", "\n\n"),
        Case::from("right: none to insert", &format!("{reader}{table}"), "1\n")
            .user("dwsload_reader")
            .fails("42501"),
        Case::from(
            "right: to insert alone",
            &format!("{reader}{table} GRANT INSERT ON t TO dwsload_reader"),
            "1\n",
        )
        .user("dwsload_reader"),
        Case::from(
            "right: to insert into one column alone",
            &format!(
                "{reader} CREATE TABLE t (a int, b int); GRANT INSERT (a) ON t TO dwsload_reader"
            ),
            "1\n",
        )
        .columns(&["a"])
        .user("dwsload_reader"),
        Case::from("right: row security", &policy, "1\n")
            .user("dwsload_reader")
            .fails("0A000"),
    ]
}

fn columns() -> Vec<Case> {
    let odd = r#"CREATE TABLE t ("A" int, "my col" text, "q""q" text, "größe" text, "a,b" text)"#;
    vec![
        Case::from("columns: the first two", WIDE, "1\tx\n").columns(&["a", "b"]),
        Case::from("columns: one", WIDE, "x\n").columns(&["b"]),
        Case::from("columns: all, in their order", WIDE, "1\tx\ty\t2\n")
            .columns(&["a", "b", "c", "d"]),
        Case::from("columns: in another order", WIDE, "9\tx\t1\n").columns(&["d", "b", "a"]),
        Case::from("columns: twice the same", WIDE, "1\t2\n")
            .columns(&["a", "a"])
            .fails("42701"),
        Case::from("columns: unknown", WIDE, "1\n")
            .columns(&["z"])
            .fails("42703"),
        Case::from("columns: upper case is another name", WIDE, "1\n")
            .columns(&["A"])
            .fails("42703"),
        Case::from("columns: of the system", WIDE, "1\n")
            .columns(&["ctid"])
            .refused(),
        Case::from("columns: two in one string are one name", WIDE, "1\tx\n")
            .columns(&["a,b"])
            .fails("42703"),
        Case::from("columns: odd names", odd, "1\tx\ty\tz\tw\n")
            .columns(&["A", "my col", "q\"q", "größe", "a,b"]),
        Case::from("columns: odd names in another order", odd, "z\ty\n")
            .columns(&["größe", "q\"q"]),
        Case::from(
            "columns: a name of more than 63 bytes",
            &format!("CREATE TABLE t ({} int)", "y".repeat(70)),
            "1\n",
        )
        .columns(&[&"y".repeat(70)]),
        Case::from(
            "columns: one that was dropped",
            "CREATE TABLE t (a int, b int); ALTER TABLE t DROP COLUMN b",
            "1\n",
        )
        .columns(&["b"])
        .fails("42703"),
        Case::from(
            "columns: after one was dropped",
            "CREATE TABLE t (a int, b int, c int); ALTER TABLE t DROP COLUMN b",
            "1\t3\n",
        ),
        Case::from("columns: fewer fields than named", WIDE, "1\n")
            .columns(&["a", "b"])
            .fails("22P04"),
        Case::from("columns: more fields than named", WIDE, "1\tx\n")
            .columns(&["a"])
            .fails("22P04"),
    ]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
