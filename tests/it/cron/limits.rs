//! No wait without an end: `timeout`, `idle_timeout`, `statement_timeout`; and `--jitter`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::quoted;
use crate::support::running::{Running, until};
use crate::support::scene::Scene;

fn start(scene: &Scene, name: &str, keys: &str, steps: &str) -> Running {
    let url = quoted(&scene.database.url());
    let yaml = format!("connection: {url}\nretry: none\n{keys}\nsteps:\n{steps}\n");
    Running::start(&scene.place, name, &yaml)
}

#[test]
fn input_that_stops_coming_ends_the_run() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let steps = "- copy_from: {file: '-', table: t}";
    let silent = start(&scene, "silent", "idle_timeout: 400ms", steps).end();
    assert_eq!(silent.code, Some(1));
    insta::assert_snapshot!(scene.said(&silent), @r"
    error: step 1 (copy_from t) failed, silent.yaml:5
      state: rolled back; nothing of this run is in the database
      under way: step 1 (copy_from t)
      hint: either the input gives nothing (a pipe that nobody writes to, a network folder), or the server takes nothing; what `dwsload:silent` waits for on the server is in pg_stat_activity and pg_locks
      caused by: no byte has moved for 400ms, the job's idle_timeout
    ");
    let mut halting = start(&scene, "halting", "idle_timeout: 500ms", steps);
    let rows = "x\n".repeat(200_000);
    halting.feed(rows.as_bytes());
    let halting = halting.end();
    assert_eq!(halting.code, Some(1));
    let said = scene.said(&halting);
    assert!(
        said.contains("  under way: step 1 (copy_from t), stdin: ")
            && said.contains(" so far, the last TIME ago\n"),
        "{said}"
    );
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_server_that_takes_nothing_ends_the_run() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    scene.file("f", "x\n");
    let url = scene.database.url();
    let mut holder = Command::new("psql")
        .args([
            "-XAtq",
            "-d",
            &url,
            "-c",
            "BEGIN; LOCK t; SELECT pg_sleep(30)",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the lock", || {
        let held = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted";
        (scene.psql(held) != "0").then_some(())
    });
    let steps = "- copy_from: {file: f, table: t}";
    let run = start(&scene, "stuck", "idle_timeout: 400ms", steps).end();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("no byte has moved for 400ms"),
        "{}",
        run.stderr
    );
}

#[test]
fn work_of_the_server_is_no_stillness() {
    let scene = Scene::new(
        "CREATE TABLE t (a int PRIMARY KEY); CREATE FUNCTION slow() RETURNS trigger \
                            LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END $$; \
                            CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    scene.file("f", "1\n");
    let steps =
        "- sql: SELECT pg_sleep(0.7)\n- copy_from: {file: f, table: t, mode: upsert, key: [a]}";
    start(&scene, "slow", "idle_timeout: 400ms", steps)
        .end()
        .ok();
}

#[test]
fn each_limit_of_time_says_what_it_was() {
    let scene = Scene::new("");
    let steps = "- sql: SELECT pg_sleep(30)";
    let whole = start(&scene, "whole", "timeout: 300ms", steps).end();
    assert_eq!(whole.code, Some(1));
    insta::assert_snapshot!(scene.said(&whole), @r"
    error: step 1 (sql) failed, whole.yaml:5
      state: rolled back; nothing of this run is in the database
      under way: step 1 (sql)
      hint: give the job more `timeout`, or find out what takes so long; what `dwsload:whole` waits for on the server is in pg_stat_activity and pg_locks
      caused by: the job's timeout of 300ms has passed
    ");
    let statement = start(
        &scene,
        "statement",
        "session: {statement_timeout: 300ms}",
        steps,
    )
    .end();
    assert_eq!(statement.code, Some(1));
    insta::assert_snapshot!(scene.said(&statement), @r"
    error: step 1 (sql) failed, statement.yaml:5
      state: rolled back; nothing of this run is in the database
      caused by: canceling statement due to statement timeout (SQLSTATE 57014)
        statement: SELECT pg_sleep(30)
        hint: a `statement_timeout` has passed (each COPY is one statement; `session: {statement_timeout: 2h}` gives more time), or somebody has cancelled it
    ");
}

#[test]
fn a_random_delay_ends_on_signals_and_is_told_to_those_who_look() {
    let scene = Scene::new("");
    let job = scene.job("- sql: SELECT 1");
    let short = scene.place.run_file(&job, &["--jitter", "30ms"]).ok();
    assert!(!short.stderr.contains("jitter"), "{}", short.stderr);
    let told = scene
        .place
        .run_file(&job, &["--jitter", "30ms", "--verbose"])
        .ok();
    assert!(told.stderr.starts_with("starting in "), "{}", told.stderr);
    let started = Instant::now();
    let mut long = scene.place.dwsload();
    long.arg(&job).args(["--jitter", "1000h", "--verbose"]);
    let mut long = long.stderr(Stdio::piped()).spawn().unwrap();
    // It listens for signals once it has said so.
    let mut first = [0; 11];
    std::io::Read::read_exact(long.stderr.as_mut().unwrap(), &mut first).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(long.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(long.wait().unwrap().code(), Some(143));
    assert!(started.elapsed() < Duration::from_secs(10));
    let wrong = scene.place.run_file(&job, &["--jitter", "5"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}
