//! `wait`: as long as it takes and no longer, and nothing on the server waits with it.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{assert_says, count, scene};
use crate::support::quoted;
use crate::support::running::{Running, until};

/// The rest of a job whose one step loads `*.txt`.
fn job(url: &str, head: &str, keys: &str) -> String {
    format!(
        "connection: {}\n{head}steps:\n- copy_from: {{file: '*.txt', table: t, {keys}}}\n",
        quoted(url)
    )
}

#[test]
fn a_file_that_comes_is_loaded_and_nobody_waits_on_the_server() {
    let scene = scene();
    let yaml = job(&scene.database.url(), "", "wait: 1m");
    let run = Running::start(&scene.place, "waits", &yaml);
    std::thread::sleep(Duration::from_millis(700));
    let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dwsload:waits' \
                 AND datname = current_database()";
    assert_eq!(scene.psql(there), "0");
    scene.file("a.txt", "1\n2\n");
    let ran = run.closed().ok();
    assert_eq!(
        ran.stderr.matches("waiting up to").count(),
        1,
        "{}",
        ran.stderr
    );
    assert_says(&ran, 0, &["waiting up to 1m for step 1: missing "]);
    assert_eq!(count(&scene), "2");
}

#[test]
fn a_wait_ends_with_what_was_missing_with_a_signal_and_with_the_jobs_time() {
    let scene = scene();
    let url = scene.database.url();
    let begun = Instant::now();
    let ran = scene.place.run(&job(&url, "", "wait: 1s"));
    assert_says(&ran, 6, &["no file `", "after 1.0 s", "missing: "]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // The job puts up with it, but waits first.
    let ran = scene
        .place
        .run(&job(&url, "", "wait: 1s, on_missing: warn"));
    assert_says(&ran, 0, &["warning: no file"]);
    let ran = scene.place.run(&job(&url, "timeout: 1s\n", "wait: 10m"));
    assert_says(&ran, 1, &["the job's timeout of 1s has passed"]);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let run = Running::start(&scene.place, "stopped", &job(&url, "", "wait: 10m"));
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        run.signal(signal);
        assert_says(&run.closed(), code, &["stopped by SIG"]);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(count(&scene), "0");
}

#[test]
fn a_file_that_grows_is_not_loaded_before_it_has_stopped() {
    let scene = scene();
    let url = scene.database.url();
    let path = scene.file("a.txt", "1\n");
    let keys = "ready: {stable_for: 2s}";
    let run = Running::start(
        &scene.place,
        "grows",
        &job(&url, "", &format!("{keys}, wait: 1m")),
    );
    for n in 2..6 {
        std::thread::sleep(Duration::from_millis(500));
        let file = std::fs::File::options().append(true).open(&path);
        std::io::Write::write_all(&mut file.unwrap(), format!("{n}\n").as_bytes()).unwrap();
    }
    let stopped = Instant::now();
    run.closed().ok();
    assert!(
        stopped.elapsed() >= Duration::from_secs(1),
        "{:?}",
        stopped.elapsed()
    );
    assert_eq!(count(&scene), "5");
    // Without `wait`, a file is watched once, whatever else may be missing.
    let begun = Instant::now();
    let yaml = job(&url, "", &format!("{keys}, on_missing: ok"));
    let yaml = yaml.replace("file: '*.txt'", "file: ['*.txt', '*.none']");
    scene.place.run(&yaml).ok();
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let run = Running::start(&scene.place, "changes", &job(&url, "", keys));
    std::thread::sleep(Duration::from_millis(1200));
    std::fs::write(&path, "7\n8\n").unwrap();
    assert_says(&run.closed(), 6, &["not ready: ", "to be unchanged for"]);
    assert_eq!(count(&scene), "10");
}

#[test]
fn a_step_waits_behind_the_commit_of_the_one_before_it() {
    let scene = scene();
    let url = quoted(&scene.database.url());
    let steps = "steps:
- sql: INSERT INTO t VALUES (0)
- copy_to: {table: t, file: out/a.txt, manifest: true}
- copy_from: {file: out/a.txt, table: t, ready: {manifest: out/a.txt.manifest.json}}
- copy_from: {file: late.txt, table: t, wait: 1m}
";
    let run = Running::start(
        &scene.place,
        "steps",
        &format!("connection: {url}\ntransaction: step\n{steps}"),
    );
    until("three steps", || (count(&scene) == "2").then_some(()));
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()";
    assert_eq!(scene.psql(idle), "0");
    scene.file("late.txt", "9\n");
    run.closed().ok();
    assert_eq!(count(&scene), "3");
    // In one transaction, the file never comes.
    std::fs::remove_dir_all(scene.place.path("out")).unwrap();
    let steps = "steps:
- copy_to: {table: t, file: out/a.txt}
- copy_from: {file: out/a.txt, table: t, wait: 10m}
";
    let ran = scene.place.run(&format!("connection: {url}\n{steps}"));
    assert_says(&ran, 6, &["no file `", "use `transaction: step`"]);
}
