//! `--log-format json`: every line is an object.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests; the lint spares test functions only"
)]

use serde_json::Value;

use crate::support::Ran;
use crate::support::scene::Scene;

/// The lines of a run: level, job, step, event, message.
fn lines(scene: &Scene, ran: &Ran) -> String {
    let lines = ran.stderr.lines().map(|line| {
        let said: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let time = said["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        assert!(said["fields"].is_object(), "{line}");
        let word = |key: &str| said[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {}: {}\n",
            word("level"),
            word("job"),
            said["step"],
            word("event"),
            word("message")
        )
    });
    scene.steady(&lines.collect::<String>())
}

#[test]
fn a_run_says_everything_in_objects() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    scene.file("f", "1\n");
    scene.file("empty", "");
    let job = scene.job("- sql: DO $$ BEGIN RAISE WARNING E'a\\n\"b\"'; END $$\n- copy_from: {file: [f, empty], table: t}\nretry: none");
    let ran = scene.place.run_file(&job, &["--log-format", "json"]).ok();
    insta::assert_snapshot!(lines(&scene, &ran), @r#"
    warning job 1 notice: a
      "b"
    info job 1 step_done: 1/2 sql: DO (TIME)
    warning job 2 warning: `empty` holds no record
    info job 2 step_done: 2/2 copy_from t: 1 row, 2 B from 2 files (TIME)
    info job null job_done: job: done, 1 row loaded in TIME
    "#);
    let done: Value = serde_json::from_str(ran.stderr.lines().nth(3).unwrap()).unwrap();
    assert_eq!(done["fields"]["rows"], 1);
    let quiet = scene
        .place
        .run_file(&job, &["--log-format", "json", "--quiet"])
        .ok();
    assert_eq!(lines(&scene, &quiet).lines().count(), 3, "{}", quiet.stderr);
}

#[test]
fn what_stops_a_run_is_an_object_too() {
    let scene = Scene::new("");
    let job = scene.job("- sql: SELECT x\nretry: none");
    let ran = scene.place.run_file(&job, &["--log-format", "json"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(lines(&scene, &ran), @"error job null error: step 1 (sql) failed, job.yaml:3");
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["fields"]["sqlstate"], "42703");
    scene.file("job.yaml", "steps: x");
    let ran = scene.place.run_file(&job, &["--log-format", "json"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        lines(&scene, &ran).starts_with("error - null error: "),
        "{}",
        ran.stderr
    );
}
