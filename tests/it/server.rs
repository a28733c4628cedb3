//! Which server it is, and what that changes.

use crate::gate::{Gate, Placement, Product};
use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

/// A job of one SELECT with more keys at its top.
fn shows(scene: &Scene, extra: &str, query: &str) -> Ran {
    scene.run(&format!(
        "- {{sql: {}, show: true}}\n{extra}",
        quoted(query)
    ))
}

#[test]
fn a_list_of_names_means_what_set_config_takes_it_for() {
    let scene = Scene::new(
        "CREATE SCHEMA sales; CREATE SCHEMA \"Big, \"\"one\"\"\"; CREATE SCHEMA \"$user\"; CREATE SCHEMA \"it's\"",
    );
    for value in [
        "sales",
        " sales , public",
        "SALES,Public",
        "\"SALES\", public",
        "\"Big, \"\"one\"\"\", sales",
        "\"$user\", public",
        "$user,public",
        "it's",
        "nowhere, sales",
        "",
    ] {
        let expected = scene.psql(&format!(
            "SELECT set_config('search_path', $a${value}$a$, false); \
             SELECT array_to_string(current_schemas(true), '|')"
        ));
        let ran = shows(
            &scene,
            &format!("session: {{search_path: {}}}", quoted(value)),
            "SELECT array_to_string(current_schemas(true), '|') AS path",
        )
        .ok();
        let shown = String::from_utf8(ran.stdout).unwrap();
        let shown = shown.lines().nth(2).unwrap_or_default().trim();
        let expected = expected.lines().last().unwrap_or_default();
        assert_eq!(shown, expected, "{value}");
    }
}

#[test]
fn a_broken_list_of_names_is_a_mistake_of_the_job_file() {
    let scene = Scene::new("");
    let ran = scene.run("- sql: SELECT 1\nsession: {search_path: 'sales public'}");
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("job.yaml:4:24: session.search_path: in `sales public`, a comma is missing before `public`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_gauss_server_that_keeps_its_session_timeout_gets_a_warning() {
    // A PostgreSQL has neither the setting nor the catalogs.
    let scene = Scene::new("CREATE TABLE t (a int, b text)");
    scene.file("t.csv", "1,x\n");
    let ran = scene
        .run("- copy_from: {file: t.csv, table: t, format: csv}\nserver: opengauss")
        .ok();
    assert!(
        ran.stderr.contains("warning: the server does not let `session_timeout` be set: unrecognized configuration parameter \"session_timeout\" (SQLSTATE 42704)"),
        "{}",
        ran.stderr
    );
    assert_eq!(scene.psql("SELECT * FROM t"), "1|x");
    let ran = scene.run("- sql: SELECT 1\nserver: opengauss\nsession: {session_timeout: 1min}");
    assert_eq!(ran.code, Some(1));
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("cannot set `session.session_timeout` to `1min`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_setting_that_dws_refuses_is_not_sent() {
    let scene = Scene::new("");
    let ran =
        scene.run("- sql: SELECT 1\nserver: dws\nsession: {Default_Transaction_Read_Only: on}");
    assert_eq!(ran.code, Some(1));
    let said = scene.said(&ran);
    // Its version differs from machine to machine.
    let (_, said) = said.split_once("error: ").unwrap();
    let (before, after) = said.split_once("PostgreSQL ").unwrap();
    let (_, after) = after.split_once(" does not").unwrap();
    insta::assert_snapshot!(format!("{before}SERVER does not{after}"), @r"
    cannot set `session.Default_Transaction_Read_Only` to `on`
      state: rolled back; nothing of this run is in the database
      caused by: SERVER does not support `default_transaction_read_only` in a session
        hint: leave it out; a `sql` step `SET TRANSACTION READ ONLY` makes the transaction it is in read-only
    ");
    // PostgreSQL takes it.
    shows(
        &scene,
        "session: {default_transaction_read_only: on}",
        "SHOW default_transaction_read_only",
    )
    .ok();
}

#[test]
fn verbose_tells_the_server() {
    let scene = Scene::new("");
    let mut command = scene.dwsload("- sql: SELECT 1");
    let output = command.arg("--verbose").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("job: PostgreSQL 1"), "{said}");
}

/// Runs a job against the gate.
fn through(gate: &Gate, scene: &Scene, steps: &str, arguments: &[&str]) -> Ran {
    let connection = format!(
        "{{host: 127.0.0.1, port: {}, user: loader, dbname: {}}}",
        gate.port(),
        scene.database.name()
    );
    let job = scene.file(
        "job.yaml",
        format!("connection: {connection}\nsteps:\n{steps}\n"),
    );
    let mut command = scene.place.dwsload();
    command
        .arg(job)
        .args(arguments)
        .env("PGPASSWORD", "Loader@2024");
    Ran::of(command.output().expect("the binary runs"))
}

/// The statements that the gate saw, without what the job itself says.
fn ours(gate: &Gate) -> Vec<String> {
    let statements = gate.statements().into_iter();
    statements
        .filter(|sql| !sql.starts_with("COPY"))
        .map(|sql| match sql.split_once(" FROM pg_catalog.pg_class") {
            Some((_, _)) => "(catalog)".into(),
            None => sql,
        })
        .collect()
}

#[test]
fn a_dws_is_asked_what_it_is_and_its_session_is_set_up_by_set() {
    let scene = Scene::new("CREATE TABLE t (a int, b text)");
    scene.file("t.csv", "1,x\n");
    let gate = Gate::before(&scene.database).nodes(2, 5).open();
    let steps = "- copy_from: {file: t.csv, table: t, format: csv}\nsession: {statement_timeout: 7min, search_path: 'public, \"S\"'}";
    let ran = through(&gate, &scene, steps, &["--verbose"]).ok();
    assert!(
        ran.stderr.starts_with(
            "job: GaussDB(DWS) 8.2.1, ORA-compatible, 2 coordinators, 5 data nodes at 127.0.0.1:"
        ),
        "{}",
        ran.stderr
    );
    let ours = ours(&gate).join("\n").replace(scene.database.name(), "DB");
    insta::assert_snapshot!(ours, @r#"
    SELECT pg_catalog.version()
    SELECT datcompatibility FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    SELECT node_type, count(*) FROM pg_catalog.pgxc_node GROUP BY node_type
    SET session_timeout = 0
    SET client_encoding TO 'UTF8'
    SET application_name TO 'dwsload:job'
    SET "statement_timeout" TO '7min'
    SET "search_path" TO 'public', 'S'
    BEGIN
    (catalog)
    COMMIT
    "#);
    assert_eq!(gate.refused(), [] as [&str; 0]);
    assert_eq!(scene.psql("SELECT * FROM t"), "1|x");
}

#[test]
fn a_gauss_server_refuses_nothing_that_dwsload_sends() {
    for product in [Product::Dws, Product::Dws81, Product::OpenGauss] {
        let scene =
            Scene::new("CREATE TABLE t (a int, b text, c int GENERATED ALWAYS AS (1) STORED)");
        scene.file("t.csv", "a,b\n1,x\n2,\"\"\n");
        scene.file("t.txt", "3\ty\n");
        let gate = Gate::before(&scene.database).playing(product).open();
        let steps = "
- sql: [UPDATE t SET a = 1, SELECT count(*) FROM t]
- copy_from: {file: t.csv, table: public.t, format: csv, header: match}
- copy_from: {file: t.csv, table: t, format: csv, header: map}
- copy_from: {file: t.csv, table: t, columns: [a, b], format: csv, header: true, quote: '\"', escape: '\\', force_not_null: [b]}
- copy_from: {file: t.txt, table: t}
- copy_to: {table: t, columns: [a, b], file: out.bin, format: binary}
- copy_to: {query: SELECT a FROM t, file: out.csv, format: csv, header: true, force_quote: [a]}
- copy_to: {table: t, file: out.txt}
- copy_expert: {sql: 'COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER)', file: t.csv}
- expect: SELECT count(*) = 9 FROM t";
        let ran = through(&gate, &scene, steps, &[]).ok();
        assert_eq!(gate.refused(), [] as [&str; 0], "{product:?}");
        let warning = ran.stderr.matches("warning: ").count();
        assert_eq!(warning, 3, "{product:?}: {}", ran.stderr);
        // What binary data holds is loaded as it is.
        let steps = "- copy_from: {file: out.bin, table: t, columns: [a, b], format: binary}";
        through(&gate, &scene, steps, &[]).ok();
        assert_eq!(gate.refused(), [] as [&str; 0], "{product:?}");
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "16");
    }
}

#[test]
fn empty_strings_that_become_null_are_told_once_for_a_step() {
    let scene = Scene::new("CREATE TABLE t (a int, b varchar(10), c char(3))");
    scene.file("1.csv", "1,x,y\n2,\"\",\n3,,\"\"\n");
    scene.file("2.csv", "4,\"\",z\n");
    let gate = Gate::before(&scene.database)
        .playing(Product::OpenGauss)
        .open();
    let steps = "- copy_from: {file: [1.csv, 2.csv], table: t, format: csv}";
    let ran = through(&gate, &scene, steps, &["--quiet"]).ok();
    insta::assert_snapshot!(scene.said(&ran), @r#"
    warning: 2 empty strings in column "b" were stored as NULL (the database is A-compatible), the first in record 2, line 2 of 1.csv
    warning: 1 empty string in column "c" was stored as NULL (the database is A-compatible), in record 3, line 3 of 1.csv
    "#);
    // What comes to nothing is not told.
    scene.file("2.csv", "4,\"\",zzzz\n");
    let ran = through(&gate, &scene, steps, &["--quiet"]);
    assert_eq!(ran.code, Some(1));
    assert!(!ran.stderr.contains("empty"), "{}", ran.stderr);
    drop(gate);
    for (product, mode) in [
        (Product::Dws, "MYSQL"),
        (Product::Dws, "TD"),
        (Product::OpenGauss, "PG"),
    ] {
        let gate = Gate::before(&scene.database)
            .playing(product)
            .compatibility(mode)
            .open();
        let steps = "- copy_from: {file: 1.csv, table: t, format: csv}";
        let ran = through(&gate, &scene, steps, &["--quiet"]).ok();
        assert_eq!(ran.stderr, "", "{mode}");
    }
}

#[test]
fn text_that_a_mysql_database_takes_for_a_number_is_told() {
    // The PostgreSQL behind the gate would refuse it in a number: types of the same names take it.
    let scene = Scene::new(
        "CREATE SCHEMA s; CREATE DOMAIN s.int4 AS text; CREATE DOMAIN s.numeric AS text; \
         CREATE TABLE t (a s.int4, b s.numeric)",
    );
    scene.file("t.csv", "h,h\n1,1.5\n12abc,x\n,\n1.5,\"\"\n");
    let gate = Gate::before(&scene.database).compatibility("MYSQL").open();
    let steps = "- copy_from: {file: t.csv, table: t, format: csv, header: true}";
    let ran = through(&gate, &scene, steps, &["--quiet"]).ok();
    insta::assert_snapshot!(scene.said(&ran), @r#"
    warning: 2 values in column "a" are no whole numbers, and the server may have stored 0 or a cut number for them (the database is MYSQL-compatible): the first, "12abc", in record 2, line 3 of t.csv
    warning: 2 values in column "b" are no numbers, and the server may have stored 0 or a cut number for them (the database is MYSQL-compatible): the first, "x", in record 2, line 3 of t.csv
    "#);
}

#[test]
fn a_length_in_bytes_is_explained() {
    let scene = Scene::new("CREATE TABLE t (a varchar(3))");
    scene.file("t.txt", "abcd\n");
    let steps = "- copy_from: {file: t.txt, table: t}";
    for (mode, explained) in [("ORA", true), ("MYSQL", false)] {
        let gate = Gate::before(&scene.database).compatibility(mode).open();
        let ran = through(&gate, &scene, steps, &[]);
        assert_eq!(ran.sqlstate(), Some("22001"));
        let hint = "hint: the length of a column is one of bytes here, not of characters (the database is ORA-compatible)";
        assert_eq!(ran.stderr.contains(hint), explained, "{}", ran.stderr);
    }
}

#[test]
fn a_small_copy_into_a_column_store_is_told_to_those_who_ask() {
    let scene = Scene::new("CREATE TABLE t (a int); CREATE TABLE r (a int)");
    scene.file("1.txt", "1\n2\n");
    scene.file("2.txt", "3\n");
    let column_store = Placement {
        column_store: true,
        hash: None,
        replicated: false,
    };
    let gate = Gate::before(&scene.database)
        .place("t", &column_store)
        .open();
    let steps = "- copy_from: {file: [1.txt, 2.txt], table: t}\n- copy_from: {file: 1.txt, table: r}\nlock: none";
    let ran = through(&gate, &scene, steps, &["--verbose"]).ok();
    let advice: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("advice"))
        .collect();
    assert_eq!(
        advice,
        [
            "advice: a COPY of 1 row into the column-store table t, about 1 for each of 6 data nodes: fewer than 5,000 bloat the table with small compression units; 360000 rows in a COPY fill them (DWS manual)"
        ]
    );
    // The catalog of a Gauss server has a row for the table, and one for each partition.
    scene.psql(
        "SET allow_system_table_mods = on; \
         CREATE TABLE pg_catalog.pg_partition (parttype \"char\", parentid oid); \
         INSERT INTO pg_catalog.pg_partition \
         SELECT kind::\"char\", 't'::regclass FROM unnest('{r,p,p,p,p}'::text[]) kind; \
         GRANT SELECT ON pg_catalog.pg_partition TO public",
    );
    let ran = through(&gate, &scene, steps, &["--verbose"]).ok();
    let each = "about 1 for each of 4 partitions on 6 data nodes: fewer than 5,000 bloat";
    assert!(ran.stderr.contains(each), "{}", ran.stderr);
    let ran = through(&gate, &scene, steps, &[]).ok();
    assert!(!ran.stderr.contains("column-store"), "{}", ran.stderr);
    assert_eq!(gate.refused(), [] as [&str; 0]);
}

#[test]
fn a_setting_that_dws_refuses_never_reaches_it() {
    let scene = Scene::new("");
    let gate = Gate::before(&scene.database).open();
    let steps = "- sql: SELECT 1\nsession: {default_transaction_read_only: on}";
    let ran = through(&gate, &scene, steps, &[]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("GaussDB(DWS) 8.2.1 does not support"),
        "{}",
        ran.stderr
    );
    assert_eq!(gate.refused(), [] as [&str; 0]);
    // openGauss takes it.
    drop(gate);
    let gate = Gate::before(&scene.database)
        .playing(Product::OpenGauss)
        .open();
    through(&gate, &scene, steps, &[]).ok();
}

#[test]
fn options_of_copy_that_a_gauss_server_lacks_are_explained() {
    let scene = Scene::new("CREATE TABLE t (a int, b text)");
    scene.file("t.csv", "1,x\n");
    let gate = Gate::before(&scene.database).open();
    let steps = "- copy_from: {file: t.csv, table: t, format: csv, force_null: [b]}";
    let ran = through(&gate, &scene, steps, &[]);
    assert_eq!(ran.code, Some(1));
    let said = "caused by: GaussDB(DWS) 8.2.1 does not support `force_null`";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!(gate.refused(), [] as [&str; 0]);
    scene.run(steps).ok();
    let steps = "- copy_expert: {sql: 'COPY t TO STDOUT (FORMAT binary)', file: out.bin}";
    let ran = through(&gate, &scene, steps, &[]);
    assert_eq!(ran.sqlstate(), Some("42601"));
    let hint = "hint: on Gauss servers the format is written in quotes: FORMAT 'binary'";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    through(&gate, &scene, &steps.replace("binary", "''binary''"), &[]).ok();
}

#[test]
fn a_job_may_declare_the_server() {
    let scene = Scene::new("");
    let gate = Gate::before(&scene.database).open();
    let steps = "- sql: SELECT 1\nserver: postgresql\nlock: none";
    let ran = through(&gate, &scene, steps, &["--verbose"]).ok();
    assert!(
        ran.stderr.starts_with("job: PostgreSQL 9.2.4 at "),
        "{}",
        ran.stderr
    );
    assert_eq!(gate.statements(), ["BEGIN", "SELECT 1", "COMMIT"]);
}
