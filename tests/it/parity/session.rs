//! Settings of the session and of the database.

use super::case::Case;

const TABLE: &str = "CREATE TABLE t (a int, b text)";
const OFF: (&str, &str) = ("standard_conforming_strings", "off");

pub(super) fn cases() -> Vec<Case> {
    let dated = "CREATE TABLE t (d date, s timestamptz, i interval)";
    let dates = format!(
        "{dated}; SET timezone = 'UTC'; \
         INSERT INTO t VALUES ('2024-02-01', '2024-02-01 12:00+00', '1 day 02:00'), (NULL, 'infinity', '-1 mon')"
    );
    let with =
        |settings: &str, rest: &str| format!("ALTER DATABASE {{database}} SET {settings}; {rest}");
    vec![
        conforming(Case::from("strings: old, all defaults", TABLE, "1\t\\N\n2\tx\n")),
        conforming(Case::from("strings: old, null is a backslash", TABLE, "1\t\\\n")).null("\\"),
        conforming(Case::from("strings: old, null is a backslash and a quote", TABLE, "1\t\\'\n")).null("\\'"),
        conforming(Case::from("strings: old, null without a backslash", TABLE, "1\tNULL\n")).null("NULL"),
        conforming(Case::from("strings: old, sep is a quote", TABLE, "1'x\n")).sep("'"),
        conforming(Case::from("strings: old, sep is a backslash", TABLE, "1\\x\n")).sep("\\").fails("22023"),
        conforming(Case::to(
            "strings: old, written",
            "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, NULL), (2, 'a' || chr(92))",
        )),
        conforming(Case::from("strings: old, names with backslashes", r#"CREATE TABLE "a\b" ("c\d" int)"#, "1\n"))
            .table("a\\b")
            .columns(&["c\\d"]),
        Case::to("dates: the database writes SQL, DMY", &with("datestyle = 'SQL, DMY'", &dates)),
        Case::to("dates: the database writes German", &with("datestyle = German", &dates)),
        Case::to("dates: the database writes Postgres", &with("datestyle = 'Postgres, MDY'", &dates)),
        Case::from("dates: the database reads DMY", &with("datestyle = 'SQL, DMY'", dated), "03/02/2024\t\\N\t\\N\n"),
        Case::from("dates: the database reads MDY", &with("datestyle = 'SQL, MDY'", dated), "03/02/2024\t\\N\t\\N\n"),
        Case::from("dates: the database reads DMY, and refuses MDY", &with("datestyle = 'ISO, DMY'", dated), "02/13/2024\t\\N\t\\N\n")
            .fails("22008"),
        Case::to("dates: the database writes intervals by ISO", &with("intervalstyle = iso_8601", &dates)),
        Case::to("dates: the database is in Tokyo", &with("timezone = 'Asia/Tokyo'", &dates)),
        Case::from("dates: the session is in Tokyo", dated, "\\N\t2024-02-01 12:00\t\\N\n").session("timezone", "Asia/Tokyo"),
        Case::to(
            "bytes: the database writes bytea by escapes",
            &with(
                "bytea_output = escape",
                "CREATE TABLE t (a bytea); INSERT INTO t VALUES ('\\x004142ff5c')",
            ),
        ),
        Case::to(
            "numbers: the database writes fewer digits",
            &with(
                "extra_float_digits = -5",
                "CREATE TABLE t (a float8); INSERT INTO t VALUES (0.1), (1.0 / 3)",
            ),
        ),
        Case::from("path: another schema", "CREATE SCHEMA IF NOT EXISTS other; DROP TABLE IF EXISTS other.t; \
                   CREATE TABLE other.t (a int); CREATE VIEW seen AS SELECT 1 AS one; CREATE TABLE t (a int)", "1\n")
            .session("search_path", "other"),
        Case::from("path: a schema that is not there", TABLE, "1\tx\n").session("search_path", "nowhere").fails("42P01"),
        Case::from("rights: a session that only reads", TABLE, "1\tx\n")
            .session("default_transaction_read_only", "on")
            .fails("25006"),
        Case::from("rights: a database that only reads", &with("default_transaction_read_only = on", TABLE), "1\tx\n").fails("25006"),
        Case::to(
            "rights: a session that only reads may write files",
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
        )
        .session("default_transaction_read_only", "on"),
        Case::from("isolation: serializable", TABLE, "1\tx\n").session("default_transaction_isolation", "serializable"),
        Case::from(
            "role: a setting of a trigger",
            "CREATE TABLE t (a text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN NEW.a := current_setting(''my.setting''); RETURN NEW; END'; \
             CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "x\n",
        )
        .session("my.setting", "it's a 'quoted' \\ value"),
        Case::from("lock: a statement that takes too long",
            "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(5); RETURN NEW; END'; \
             CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "1\n")
            .session("statement_timeout", "50ms")
            .fails("57014"),
    ]
}

fn conforming(case: Case) -> Case {
    let (name, value) = OFF;
    case.session(name, value)
        .session("escape_string_warning", "off")
}
