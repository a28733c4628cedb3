//! Several job files in one run.

use std::process::Command;

use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

/// Writes `NAME.yaml` with these steps, and more keys.
fn job(scene: &Scene, name: &str, steps: &str) {
    let url = quoted(&scene.database.url());
    let text = format!("connection: {url}\nretry: none\nsteps:\n{steps}\n");
    scene.file(&format!("{name}.yaml"), text);
}

fn run(scene: &Scene, arguments: &[&str]) -> Ran {
    let mut command: Command = scene.place.dwsload();
    Ran::of(command.args(arguments).output().expect("the binary runs"))
}

/// Jobs `good`, `bad`, `also` and one with rejects.
fn scene() -> Scene {
    let scene = Scene::new("CREATE TABLE t (a int)");
    job(&scene, "good", "- sql: INSERT INTO t VALUES (1)");
    job(&scene, "bad", "- sql: INSERT INTO nowhere VALUES (1)");
    job(
        &scene,
        "also",
        "- sql: INSERT INTO t VALUES (${{ vars.n | default('2') }})",
    );
    scene.file("f", "3\nx\n");
    job(
        &scene,
        "loose",
        "- copy_from: {file: f, table: t, on_error: reject}",
    );
    scene
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let scene = scene();
    let ran = run(&scene, &["good.yaml", "bad.yaml", "also.yaml"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(scene.said(&ran), @r#"
    1/1 sql: INSERT 0 1 (TIME)
    good: done in TIME
    error: step 1 (sql) failed, bad.yaml:4
      state: rolled back; nothing of this run is in the database
      caused by: relation "nowhere" does not exist (SQLSTATE 42P01)
        statement: line 1
          INSERT INTO nowhere VALUES (1)
                      ^
    1/1 sql: INSERT 0 1 (TIME)
    also: done in TIME
    2 of 3 jobs done in TIME; bad: failed (exit code 1)
    "#);
    assert_eq!(
        scene.psql("SELECT string_agg(a::text, ',' ORDER BY a) FROM t"),
        "1,2"
    );
    let quiet = run(&scene, &["--quiet", "good.yaml", "also.yaml"]).ok();
    assert_eq!(quiet.stderr, "");
    let rejecting = run(&scene, &["--quiet", "loose.yaml", "also.yaml"]);
    assert_eq!(rejecting.code, Some(3), "{}", rejecting.stderr);
}

#[test]
fn the_first_that_fails_stops_the_others_where_that_is_asked_for() {
    let scene = scene();
    let ran = run(
        &scene,
        &[
            "--fail-fast",
            "--quiet",
            "loose.yaml",
            "bad.yaml",
            "also.yaml",
        ],
    );
    assert_eq!(ran.code, Some(1));
    let last = ran.stderr.lines().last().map(|line| scene.steady(line));
    assert_eq!(
        last.as_deref(),
        Some(
            "1 of 3 jobs done in TIME; loose: done with rejects; bad: failed (exit code 1); also: not run"
        ),
    );
    assert_eq!(scene.psql("SELECT string_agg(a::text, ',') FROM t"), "3");
}

#[test]
fn nothing_is_opened_before_all_are_valid() {
    let scene = scene();
    scene.file("wrong.yaml", "steps: [{sq: x}]");
    scene.file("worse.yaml", "steps: [");
    let ran = run(&scene, &["good.yaml", "wrong.yaml", "worse.yaml"]);
    assert_eq!(ran.code, Some(2));
    let said = &ran.stderr;
    assert!(
        said.contains("wrong.yaml:1:9: ") && said.contains("worse.yaml:"),
        "{said}"
    );
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn options_of_one_job_are_refused_and_variables_shared() {
    let scene = scene();
    for (arguments, said) in [
        (&["--only", "1"][..], "`--only` means steps of one job"),
        (&["--input", "f"], "`--input` means steps of one job"),
        (&["--var", "m=1"], "none of the jobs has a variable `m`"),
    ] {
        let arguments = [&["good.yaml", "also.yaml"], arguments].concat();
        let ran = run(&scene, &arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    run(&scene, &["good.yaml", "also.yaml", "--var", "n=7"]).ok();
    assert_eq!(
        scene.psql("SELECT string_agg(a::text, ',' ORDER BY a) FROM t"),
        "1,7"
    );
    for name in ["in1", "in2"] {
        job(
            &scene,
            name,
            "- copy_from: {file: '-', table: t, on_empty: ok}",
        );
    }
    let ran = run(&scene, &["in1.yaml", "in2.yaml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("`in1.yaml` and `in2.yaml` both read it"),
        "{}",
        ran.stderr
    );
}

#[test]
fn several_are_checked_as_well() {
    let scene = scene();
    job(&scene, "missing", "- copy_from: {file: nope, table: t}");
    let ran = run(
        &scene,
        &[
            "check",
            "good.yaml",
            "missing.yaml",
            "loose.yaml",
            "--quiet",
        ],
    );
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    let page = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        page.contains("missing: would fail") && page.contains("loose: "),
        "{page}"
    );
    let ran = run(&scene, &["good.yaml", "loose.yaml", "--dry-run", "--quiet"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    let ran = run(
        &scene,
        &[
            "check",
            "--fail-fast",
            "missing.yaml",
            "loose.yaml",
            "--quiet",
        ],
    );
    assert!(!String::from_utf8_lossy(&ran.stdout).contains("loose: "));
}
