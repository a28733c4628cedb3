//! One run of a job at a time, on a host and over hosts.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests; the lint spares test functions only"
)]

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::running::{Running, gone, until};
use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

/// A job that runs until its input ends, with more keys at its top.
fn job(scene: &Scene, keys: &str) -> String {
    let url = quoted(&scene.database.url());
    format!(
        "connection: {url}\nretry: {{attempts: 3, wait: 1s}}\n{keys}\nsteps:\n- copy_from: {{file: '-', table: t, on_empty: ok}}\n"
    )
}

/// A first run of it, under way on the server.
fn first(scene: &Scene, name: &str, keys: &str) -> Running {
    let run = Running::start(&scene.place, name, &job(scene, keys));
    connected(scene, name, "1");
    run
}

/// Waits until so many runs of the job are on the server.
fn connected(scene: &Scene, name: &str, runs: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dwsload:{name}' \
         AND datname = current_database() AND state = 'idle in transaction'"
    );
    until("a run on the server", || {
        (scene.psql(&sql) == runs).then_some(())
    });
}

/// A run as on another host: it sees no lock of this one.
fn elsewhere(scene: &Scene, file: &str) -> Command {
    let mut command = scene.place.dwsload();
    command
        .arg(scene.place.path(file))
        .env("DWSLOAD_LOCK_DIR", scene.place.path("elsewhere"));
    command
}

fn ran(command: &mut Command) -> Ran {
    Ran::of(command.output().unwrap())
}

#[test]
fn a_second_run_on_a_host_fails_and_names_the_first() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let mut run = first(&scene, "busy", "");
    run.feed(b"1\n");
    let file = scene.place.path("busy.yaml");
    let second = scene.place.run_file(&file, &[]);
    assert_eq!(second.code, Some(4), "{}", second.stderr);
    let expected = format!(
        "error: another run of `busy` is under way: process {} on ",
        run.id()
    );
    assert!(second.stderr.starts_with(&expected), "{}", second.stderr);
    for words in [
        ", since 2",
        " UTC, run 2",
        "  state: nothing was opened",
        "lock: wait",
    ] {
        assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
    }
    // Another path to the same file is the same job.
    let link = scene.place.path("link");
    std::os::unix::fs::symlink(scene.place.path(""), &link).unwrap();
    let third = scene.place.run_file(&link.join("busy.yaml"), &["--quiet"]);
    assert_eq!(third.code, Some(4), "{}", third.stderr);
    run.closed().ok();
    scene.place.run_file(&file, &[]).ok();
    assert_eq!(scene.psql("SELECT string_agg(a, ',') FROM t"), "1");
}

#[test]
fn a_second_run_is_skipped_where_the_job_says_so() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let run = first(&scene, "skipped", "lock: skip");
    let file = scene.place.path("skipped.yaml");
    let mut here = scene.place.dwsload();
    here.arg(&file);
    for mut second in [here, elsewhere(&scene, "skipped.yaml")] {
        let said = ran(&mut second).ok().stderr;
        assert!(
            said.starts_with("skipped: skipped, another run of `skipped` is under way: ")
                && said.lines().count() == 1,
            "{said}"
        );
    }
    let quiet = scene.place.run_file(&file, &["--quiet"]).ok();
    assert_eq!(quiet.stderr, "");
    run.closed().ok();
}

#[test]
fn a_second_run_waits_for_the_first_and_says_so_once() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    for (name, elsewhere) in [("here", false), ("there", true)] {
        let mut run = first(&scene, name, "lock: wait");
        let mut second = scene.place.dwsload();
        second.arg(scene.place.path(&format!("{name}.yaml")));
        if elsewhere {
            second.env("DWSLOAD_LOCK_DIR", scene.place.path("elsewhere"));
        }
        let log = scene.place.path(&format!("{name}.log"));
        let stderr = fs::File::create(&log).unwrap();
        let mut second = second.stderr(Stdio::from(stderr)).spawn().unwrap();
        let waiting = format!("{name}: waiting for the end of another run: ");
        until("the wait", || {
            fs::read_to_string(&log)
                .unwrap()
                .starts_with(&waiting)
                .then_some(())
        });
        std::thread::sleep(std::time::Duration::from_millis(600));
        run.feed(b"1\n");
        run.closed().ok();
        assert!(second.wait().unwrap().success());
        let said = fs::read_to_string(&log).unwrap();
        assert_eq!(said.matches("waiting").count(), 1, "{said}");
        assert!(said.contains(&format!("{name}: done")), "{said}");
    }
}

#[test]
fn a_wait_for_another_run_ends_with_the_timeout_and_on_signals() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let run = first(&scene, "patient", "lock: wait\ntimeout: 60s");
    let file = scene.place.path("patient.yaml");
    let short = scene.file("patient.yaml", job(&scene, "lock: wait\ntimeout: 300ms"));
    for place in [None, Some(scene.place.path("elsewhere"))] {
        let mut second = scene.place.dwsload();
        second.arg(&short);
        if let Some(place) = place {
            second.env("DWSLOAD_LOCK_DIR", place);
        }
        let second = ran(&mut second);
        assert_eq!(second.code, Some(1), "{}", second.stderr);
        assert!(
            second.stderr.contains("timeout of 300ms"),
            "{}",
            second.stderr
        );
    }
    let text = fs::read_to_string(&file).unwrap().replace("300ms", "60s");
    let waiting = Running::start(&scene.place, "patient", &text);
    std::thread::sleep(std::time::Duration::from_millis(300));
    waiting.signal(Signal::TERM);
    assert_eq!(waiting.end().code, Some(143));
    run.closed().ok();
}

#[test]
fn the_database_keeps_runs_of_several_hosts_apart() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let run = first(&scene, "wide", "");
    let second = ran(&mut elsewhere(&scene, "wide.yaml"));
    assert_eq!(second.code, Some(4), "{}", second.stderr);
    let expected = format!(
        "error: another run of `wide` is under way: dwsload:wide as {} on the server's own host, since ",
        scene.database.server().user()
    );
    assert!(second.stderr.starts_with(&expected), "{}", second.stderr);
    for words in [
        ", server process ",
        "  state: rolled back; nothing of this run is in the database",
    ] {
        assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
    }
    run.closed().ok();
    ran(&mut elsewhere(&scene, "wide.yaml")).ok();
}

#[test]
fn jobs_of_one_file_name_are_several_unless_they_are_named_alike() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    for (folder, keys, code) in [("eu", "", 0), ("us", "job: load", 4)] {
        let name = format!("{folder}/load");
        scene.file(&format!("{name}.yaml"), "");
        let run = Running::start(&scene.place, &name, &job(&scene, keys));
        connected(&scene, "load", "1");
        let other = scene.file(&format!("other-{folder}/load.yaml"), job(&scene, keys));
        let other = scene.place.run_file(&other, &[]);
        assert_eq!(other.code, Some(code), "{}", other.stderr);
        run.closed().ok();
        gone(&scene.database, "load");
    }
}

#[test]
fn runs_go_side_by_side_without_a_lock_and_with_a_ledger() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let keys = "exactly_once: true\nvars: {part: x}";
    let text = job(&scene, keys).replace("on_empty: ok", "source_id: '${{ run_id }}'");
    let mut runs = vec![first(&scene, "free", "lock: none")];
    runs.push(Running::start(
        &scene.place,
        "free",
        &job(&scene, "lock: none"),
    ));
    connected(&scene, "free", "2");
    for run in runs {
        run.closed().ok();
    }
    let mut runs = vec![Running::start(&scene.place, "ledger", &text)];
    runs.push(Running::start(&scene.place, "ledger", &text));
    connected(&scene, "ledger", "2");
    for run in &mut runs {
        run.feed(b"1\n");
    }
    for run in runs {
        run.closed().ok();
    }
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "2");
}

#[test]
fn the_death_of_a_run_gives_both_locks_back() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let run = first(&scene, "killed", "");
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, None);
    let file = scene.place.path("killed.yaml");
    scene.place.run_file(&file, &[]).ok();
    ran(&mut elsewhere(&scene, "killed.yaml")).ok();
}

/// What takes the lock of the run on the server as soon as its session is ended from here.
fn stolen(scene: &Scene) -> std::process::Child {
    let key = "(SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    let sql = format!(
        "SELECT {key} AS key, (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database())) AS pid \\gset\n\
         SELECT pg_terminate_backend(:pid);\nSELECT pg_advisory_lock(:key);\nSELECT pg_sleep(30);\n"
    );
    let file = scene.file("steal.sql", sql);
    Command::new("psql")
        .args(["-XAtq", "-d", &scene.database.url(), "-f"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_lock_is_taken_again_after_a_connection_that_fell() {
    let scene = Scene::new("CREATE TABLE t (a text); CREATE SEQUENCE s");
    let url = quoted(&scene.database.url());
    // Its session ends once, in the first attempt; the second looks which locks it holds.
    let steps = "steps:\n- sql: SELECT pg_terminate_backend(pg_backend_pid()) WHERE nextval('s') = 1\n\
                 - sql: INSERT INTO t SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()\n";
    let job = scene.file(
        "again.yaml",
        format!("connection: {url}\nretry: {{attempts: 3, wait: 10ms}}\n{steps}"),
    );
    let run = scene.place.run_file(&job, &[]).ok();
    assert!(run.stderr.contains("trying again"), "{}", run.stderr);
    assert_eq!(scene.psql("SELECT a FROM t"), "1");
}

#[test]
fn a_run_whose_lock_another_took_meanwhile_stops() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    let url = quoted(&scene.database.url());
    let steps = "steps:\n- sql: SELECT pg_sleep(30)\n";
    let run = Running::start(
        &scene.place,
        "late",
        &format!("connection: {url}\nretry: {{attempts: 3, wait: 2s}}\n{steps}"),
    );
    crate::support::running::backend(&scene.database, "late", "SELECT pg_sleep");
    let mut thief = stolen(&scene);
    let run = run.end();
    thief.kill().unwrap();
    thief.wait().unwrap();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains(
            "the connection fell, and another run of `late` has begun meanwhile: psql as "
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn without_a_place_for_it_only_a_lock_that_is_asked_for_stops_a_run() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    scene.file("blocked", "a file where a folder should be");
    for (keys, code) in [("", 0), ("lock: none", 0), ("lock: fail", 1)] {
        let file = scene.file("placeless.yaml", job(&scene, keys));
        let mut command = scene.place.dwsload();
        command
            .arg(file)
            .env("DWSLOAD_LOCK_DIR", scene.place.path("blocked"));
        let run = ran(&mut command);
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert_eq!(
            run.stderr.contains("cannot lock the job by"),
            keys != "lock: none",
            "{}",
            run.stderr
        );
    }
}
