//! What cron gives a program: no HOME, no terminal, a short PATH, the folder `/`.

use std::process::{Command, Stdio};

use crate::support::Ran;
use crate::support::scene::Scene;

/// The binary as cron starts it.
fn cron(arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/env");
    command
        .args(["-i", "PATH=/usr/bin:/bin", env!("CARGO_BIN_EXE_dwsload")])
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

#[test]
fn two_runs_of_cron_and_one_from_a_terminal_see_each_other() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let job = scene.job("- sql: SELECT pg_sleep(30)");
    let path = job.display().to_string();
    let mut terminal = scene.place.dwsload();
    terminal
        .arg(&job)
        .env("XDG_RUNTIME_DIR", scene.place.path("runtime"))
        .env("TMPDIR", scene.place.path("tmp"));
    let mut terminal = terminal.spawn().unwrap();
    crate::support::running::backend(&scene.database, "job", "SELECT pg_sleep");
    let ran = Ran::of(cron(&[&path, "--quiet"]).output().unwrap());
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains(&format!("process {} on ", terminal.id())),
        "{}",
        ran.stderr
    );
    terminal.kill().unwrap();
    terminal.wait().unwrap();
}

#[test]
fn everything_written_lies_beside_the_job_or_where_it_was_asked_for() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    scene.file("jobs/in/f", "1\nx\n");
    let text = std::fs::read_to_string(scene.job(
        "- copy_from: {file: in/f, table: t, on_error: reject}\n- copy_to: {table: t, file: out/t}",
    ));
    let job = scene.file("jobs/job.yaml", text.unwrap());
    let (report, metrics) = (scene.place.path("r.json"), scene.place.path("m.prom"));
    let ran = Ran::of(
        cron(&[
            &job.display().to_string(),
            "--report",
            &report.display().to_string(),
            "--metrics",
            &metrics.display().to_string(),
        ])
        .output()
        .unwrap(),
    );
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        !ran.stderr.chars().any(|c| c.is_control() && c != '\n'),
        "{:?}",
        ran.stderr
    );
    for file in [
        &report,
        &metrics,
        &scene.place.path("jobs/out/t"),
        &scene.place.path("jobs/rejects"),
    ] {
        assert!(file.exists(), "{}", file.display());
    }
}

#[test]
fn the_embedded_server_needs_no_home() {
    let scene = Scene::new("");
    let folder = tempfile::Builder::new()
        .prefix("dwsload-cron-")
        .tempdir_in("/tmp")
        .unwrap();
    let job = scene.file("e.yaml", "connection: embedded\nsteps: [{sql: SELECT 1}]\n");
    let server = folder.path().join("server");
    let mut command = Command::new("/usr/bin/env");
    command
        .args(["-i", "PATH=/usr/bin:/bin"])
        .arg(format!("DWSLOAD_EMBEDDED_DIR={}", server.display()))
        .arg(env!("CARGO_BIN_EXE_dwsload"))
        .args([job.as_os_str(), "--quiet".as_ref()])
        .current_dir("/")
        .stdin(Stdio::null());
    let ran = Ran::of(command.output().unwrap()).ok();
    assert_eq!(ran.stderr, "");
}
