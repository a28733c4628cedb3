//! `--report`: what a run came to, as one JSON document.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests; the lint spares test functions only"
)]

use std::fs;

use serde_json::{Value, json};

use crate::support::quoted;
use crate::support::scene::Scene;

fn report(scene: &Scene) -> Value {
    serde_json::from_slice(&scene.place.read("out/run.json")).unwrap()
}

/// Takes out what differs from run to run, once it is known to be there.
fn steady(scene: &Scene, mut report: Value) -> String {
    let taken = |value: &mut Value, keys: &[&str]| {
        for key in keys {
            let found = value.as_object_mut().unwrap().remove(*key);
            assert!(found.is_some_and(|found| !found.is_null()), "{key}");
        }
    };
    taken(&mut report, &["started", "ended", "dwsload"]);
    for job in report["jobs"].as_array_mut().unwrap() {
        if !job["run_id"].is_null() {
            taken(job, &["started", "ended", "seconds", "run_id", "server"]);
        }
        for step in job["steps"].as_array_mut().unwrap() {
            taken(step, &["seconds"]);
        }
    }
    scene.steady(&report.to_string())
}

#[test]
fn a_run_that_is_done_tells_everything_it_did() {
    let scene = Scene::new("CREATE TABLE t (a int PRIMARY KEY, b text)");
    scene.file("f1.csv", "1,x\n2,y\nz,z\n");
    scene.file("f2.csv", "");
    let job = scene.job(
        "- sql: [SELECT 1, SELECT 2]\n- name: load\n  copy_from: {file: [f1.csv, f2.csv], table: t, format: csv, on_error: reject, mode: upsert, key: [a]}\n- copy_to: {table: t, file: out/t}",
    );
    let ran = scene.place.run_file(&job, &["--report", "out/run.json"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let mut report = report(&scene);
    assert_eq!(report["exit"], 3);
    let job = &mut report["jobs"][0];
    let rejects = job["rejects"].take();
    assert_eq!(rejects[0]["count"], 1);
    assert_eq!(rejects[0]["step"], 2);
    for key in ["file", "reasons"] {
        assert!(
            fs::exists(rejects[0][key].as_str().unwrap()).unwrap(),
            "{rejects}"
        );
    }
    assert_eq!(job["outcome"], "done_with_rejects");
    assert_eq!(job["error"], Value::Null);
    assert_eq!(job["retries"], 0);
    assert_eq!(job["warnings"].as_array().unwrap().len(), 1);
    let steps = job["steps"].as_array_mut().unwrap();
    for step in &mut *steps {
        assert!(step["seconds"].take().is_f64());
        assert_eq!(step["state"], "done");
    }
    assert_eq!(steps[0]["tags"], json!(["SELECT 1", "SELECT 1"]));
    let load = &steps[1];
    for (key, value) in [
        ("number", json!(2)),
        ("name", json!("load")),
        ("kind", json!("copy_from")),
        ("rows", json!(2)),
        ("rejected", json!(1)),
        ("filtered", json!(0)),
        ("file_count", json!(2)),
        ("loaded_before", json!(0)),
    ] {
        assert_eq!(load[key], value, "{key}");
    }
    assert_eq!(load["changes"]["inserted"], 2);
    assert_eq!(load["files"][0]["size"], 12);
    assert_eq!(
        (&steps[2]["rows"], &steps[2]["bytes"]),
        (&json!(2), &json!(8))
    );
    assert_eq!(
        steps[2]["title"],
        scene
            .place
            .path("out/t")
            .display()
            .to_string()
            .replacen("", "copy_to ", 1)
    );
}

#[test]
fn a_failed_run_says_why_and_what_stays() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    scene.file("f", "1\nx\n");
    let steps =
        "- sql: INSERT INTO t VALUES (0)\n- copy_from: {file: f, table: t}\n- sql: SELECT 1";
    for (transaction, states) in [
        ("job", ["rolled_back", "failed", "not_run"]),
        ("step", ["done", "failed", "not_run"]),
    ] {
        let job = scene.job(&format!("{steps}\ntransaction: {transaction}"));
        let ran = scene
            .place
            .run_file(&job, &["--report", "out/run.json", "--quiet"]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let report = report(&scene);
        let job = &report["jobs"][0];
        let found: Vec<&str> = job["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["state"].as_str().unwrap())
            .collect();
        assert_eq!(found, states);
        let error = &job["error"];
        assert_eq!(error["sqlstate"], "22P02");
        assert_eq!(error["kind"], "server");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("step 2 (copy_from t) failed")
        );
        assert!(
            error["causes"][0]
                .as_str()
                .unwrap()
                .ends_with("record 2, line 2"),
            "{error}"
        );
        assert!(error["notes"][0]["state"].is_string(), "{error}");
    }
}

#[test]
fn every_job_of_a_command_is_in_it_run_or_not() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    let url = quoted(&scene.database.url());
    scene.file(
        "a.yaml",
        format!(
            "job: first\nconnection: {url}\nsteps: [{{sql: SELECT 1 FROM nowhere}}]\nretry: none"
        ),
    );
    scene.file(
        "b.yaml",
        format!("connection: {url}\nsteps: [{{sql: SELECT 1}}]"),
    );
    let run = |arguments: &[&str]| {
        let mut command = scene.place.dwsload();
        command
            .args(["--report", "out/run.json", "--quiet"])
            .args(arguments);
        let code = command.output().unwrap().status.code();
        let report = report(&scene);
        assert_eq!(report["exit"].as_i64(), code.map(i64::from));
        let jobs = report["jobs"].as_array().unwrap();
        jobs.iter()
            .map(|job| format!("{} {} {}", job["job"], job["exit"], job["outcome"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        run(&["a.yaml", "b.yaml"]),
        ["\"first\" 1 \"failed\"", "\"b\" 0 \"done\""]
    );
    assert_eq!(
        run(&["--fail-fast", "a.yaml", "b.yaml"]),
        ["\"first\" 1 \"failed\"", "\"b\" null \"not_run\""]
    );
    scene.file("c.yaml", "steps: x");
    assert_eq!(
        run(&["b.yaml", "c.yaml"]),
        ["\"b\" null \"not_run\"", "\"c\" 2 \"invalid\""]
    );
    let text = fs::read_to_string(scene.place.path("b.yaml")).unwrap();
    let nowhere = text.replace(&url, "postgresql://127.0.0.1:1/x");
    scene.file("d.yaml", nowhere);
    assert_eq!(run(&["d.yaml"]), ["\"d\" 5 \"no_connection\""]);
    let invalid = report(&scene);
    let keys: Vec<&String> = invalid["jobs"][0].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "ended",
            "error",
            "exit",
            "file",
            "job",
            "more_warnings",
            "outcome",
            "rejects",
            "retries",
            "run_id",
            "seconds",
            "server",
            "started",
            "steps",
            "warnings"
        ]
    );
}

#[test]
fn the_smallest_report() {
    let scene = Scene::new("");
    let job = scene.job("- sql: SELECT 1");
    scene
        .place
        .run_file(&job, &["--report", "out/run.json"])
        .ok();
    insta::assert_snapshot!(steady(&scene, report(&scene)), @r#"{"exit":0,"jobs":[{"error":null,"exit":0,"file":"job.yaml","job":"job","more_warnings":0,"outcome":"done","rejects":[],"retries":0,"steps":[{"bytes":0,"changes":null,"file_count":0,"files":[],"filtered":0,"kind":"sql","loaded_before":0,"name":null,"number":1,"rejected":0,"rows":0,"state":"done","tags":["SELECT 1"],"title":"sql"}],"warnings":[]}],"version":1}"#);
}

#[test]
fn retries_and_secrets_are_as_they_should_be() {
    let scene = Scene::new("CREATE TABLE t (a int); CREATE SEQUENCE s");
    let job = scene.job(
        "- sql: SELECT pg_terminate_backend(pg_backend_pid()) WHERE nextval('s') = 1\n- sql: SELECT '${{ vars.password }}' FROM nowhere\nvars: {password: hunter2}\nretry: {attempts: 3, wait: 10ms}",
    );
    let ran = scene.place.run_file(&job, &["--report", "out/run.json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let report = report(&scene);
    assert_eq!(report["jobs"][0]["retries"], 1);
    assert!(
        report["jobs"][0]["warnings"][0]
            .as_str()
            .unwrap()
            .contains("trying again")
    );
    let text = report.to_string();
    assert!(!text.contains("hunter2") && text.contains("****"), "{text}");
}

#[test]
fn a_report_that_cannot_be_written_changes_nothing_that_was_done() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    let job = scene.job("- sql: INSERT INTO t VALUES (1)");
    scene.file("file", "");
    for option in ["--report", "--metrics"] {
        // Known before: nothing is opened.
        let ran = scene.place.run_file(&job, &[option, "file/run"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("file/run`") && ran.stderr.contains("nothing was opened"),
            "{}",
            ran.stderr
        );
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
        // A full disk, which shows at the end.
        let ran = scene.place.run_file(&job, &[option, "/dev/full"]).ok();
        assert!(
            ran.stderr.contains(
                "error: cannot write `/dev/full`\n  state: the exit code is that of the run, 0"
            ),
            "{}",
            ran.stderr
        );
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "1");
        scene.psql("TRUNCATE t");
    }
}
