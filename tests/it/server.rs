//! Which server it is, and what that changes.

use crate::support::quoted;
use crate::support::scene::Scene;

/// A job of one SELECT with more keys at its top.
fn shows(scene: &Scene, extra: &str, query: &str) -> crate::support::Ran {
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
