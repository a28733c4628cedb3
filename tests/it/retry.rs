//! Work that failed for a reason that passes is run again, and what must not be is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::proxy::{Manner, Proxy};
use crate::support::running::{Running, backend, gone, until};
use crate::support::server::{Database, Options, Server};
use crate::support::{Ran, Workplace, quoted};

/// A database with an empty table `t`, and a folder with `n.txt`, numbers 1 to 5000.
fn scene() -> (Database, Workplace) {
    let database = Server::shared().database();
    database.psql("CREATE TABLE t (n int); CREATE TABLE other (n int)");
    let place = Workplace::new();
    let lines: Vec<String> = (1..=5_000).map(|n| format!("{n}\n")).collect();
    place.file("n.txt", lines.concat());
    place.file("one.txt", "0\n");
    (database, place)
}

/// A job on `url` with these lines.
fn job(url: &str, lines: &str) -> String {
    format!("connection: {}\n{lines}", quoted(url))
}

fn rows(database: &Database) -> String {
    database.psql("SELECT count(*), count(DISTINCT n) FROM t")
}

/// What it said, with numbers that differ from run to run hidden.
fn said(ran: &Ran) -> String {
    let mut text = String::new();
    for line in ran.stderr.lines() {
        match line.split_once("trying again in ") {
            Some((_, attempt)) => {
                let (_, attempt) = attempt.split_once(", ").unwrap();
                text.push_str(&format!("  trying again, {attempt}\n"));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}

#[track_caller]
fn assert_one_attempt(ran: &Ran, code: i32, why: &str) {
    assert_says(ran, code, why);
    assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
}

#[test]
fn a_job_whose_connection_falls_starts_anew() {
    for manner in [
        Manner::CutBefore(b"COPY \"t\""),
        Manner::CutAnswer(b"COPY \"t\""),
        Manner::CutBefore(b"\n2500\n"),
        Manner::CutBefore(b"c\0\0\0\x04"),
        Manner::CutAnswer(b"c\0\0\0\x04"),
        Manner::CutWhenServerSays(b"COPY 5000"),
    ] {
        for transaction in ["job", "step"] {
            let (database, place) = scene();
            let url = Proxy::at_first(&database, manner).url(&database);
            let lines = format!(
                "transaction: {transaction}
steps:
- sql: INSERT INTO t VALUES (0)
- copy_from: {{file: n.txt, table: t}}
- copy_to: {{query: SELECT count(*) FROM t, file: out.txt}}
"
            );
            let ran = place.run(&job(&url, &lines)).ok();
            assert!(ran.stderr.contains("attempt 2 of 10"), "{}", ran.stderr);
            assert_eq!(rows(&database), "5001|5001", "{manner:?} {transaction}");
            assert_eq!(place.read("out.txt"), b"5001\n");
            // A step that is committed is not run again.
            let again = ran.stderr.matches("1/3 sql").count();
            assert_eq!(
                again,
                if transaction == "job" { 2 } else { 1 },
                "{}",
                ran.stderr
            );
        }
    }
}

#[test]
fn what_is_said_of_another_attempt() {
    let (database, place) = scene();
    let url = Proxy::at_first(&database, Manner::CutBefore(b"\n2500\n")).url(&database);
    let lines = "steps:\n- copy_from: {file: n.txt, table: t}\n";
    let ran = place.run(&job(&url, lines)).ok();
    let said = said(&ran).replace(&format!("{}/", place.path("").display()), "");
    let said = said.replace(&place.path("").display().to_string(), "");
    let (warning, done) = said.split_once("\n1/1").unwrap();
    insta::assert_snapshot!(warning, @r"
    warning: step 1 (copy_from t) failed, job.yaml:3: cannot load `n.txt` into t: the connection to the server was lost: the server closed the connection
      trying again, attempt 2 of 10
    ");
    assert!(done.contains("5,000 rows"), "{said}");
}

#[test]
fn without_a_transaction_each_statement_and_file_is_run_once() {
    let (database, place) = scene();
    // More than any buffer takes: not all of it is sent when the connection falls.
    let lines: Vec<String> = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
    place.file("many.txt", lines.concat());
    let url = Proxy::at_first(&database, Manner::CutBefore(b"\n2500\n")).url(&database);
    let lines = "transaction: none
steps:
- sql: [INSERT INTO t VALUES (-1), INSERT INTO t VALUES (-2)]
- copy_from: {file: [one.txt, many.txt], table: t}
";
    place.run(&job(&url, lines)).ok();
    assert_eq!(rows(&database), "2000003|2000003");
}

#[test]
fn an_administrators_command_is_survived() {
    let (database, place) = scene();
    let sleeping = "
- copy_from: {file: n.txt, table: t}
- sql: SELECT pg_sleep(600) WHERE NOT EXISTS (SELECT FROM other)
";
    let job = job(&database.url(), &format!("steps:{sleeping}"));
    let running = Running::start(&place, "terminated", &job);
    let pid = backend(&database, "terminated", "SELECT pg_sleep");
    database.psql("INSERT INTO other VALUES (1)");
    database.psql(&format!("SELECT pg_terminate_backend({pid})"));
    let ran = running.end().ok();
    assert!(ran.stderr.contains("SQLSTATE 57P01"), "{}", ran.stderr);
    assert_eq!(rows(&database), "5000|5000");
}

#[test]
fn a_server_that_crashes_and_comes_back_is_survived() {
    let options = Options {
        config: vec!["synchronous_commit = on".into()],
        ..Options::default()
    };
    let server = Arc::new(Server::start(&options));
    let database = server.database();
    database.psql("CREATE TABLE t (n int)");
    let place = Workplace::new();
    place.file("n.txt", "1\n2\n");
    let lines = "steps:\n- copy_from: {file: n.txt, table: t}\n- sql: SELECT pg_sleep(2)\n";
    let running = Running::start(&place, "crashed", &job(&database.url(), lines));
    backend(&database, "crashed", "SELECT pg_sleep");
    server.crash_and_restart();
    running.end().ok();
    assert_eq!(database.psql("SELECT count(*) FROM t"), "2");
}

#[test]
fn a_lock_that_is_not_given_is_asked_for_again() {
    let (database, place) = scene();
    let holder = Running::start(
        &place,
        "holder",
        &job(
            &database.url(),
            "steps:\n- sql: [LOCK t, SELECT pg_sleep(600)]\n",
        ),
    );
    backend(&database, "holder", "SELECT pg_sleep");
    let lines = "session: {lock_timeout: 100ms}\nsteps:\n- copy_from: {file: n.txt, table: t}\n";
    let waiting = Running::start(&place, "waiting", &job(&database.url(), lines));
    let failed = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dwsload:waiting'";
    backend(&database, "waiting", "COPY");
    until("its first failure", || {
        (database.psql(failed) == "0").then_some(())
    });
    holder.signal(Signal::TERM);
    let _ = holder.end();
    let ran = waiting.end().ok();
    assert!(ran.stderr.contains("SQLSTATE 55P03"), "{}", ran.stderr);
    assert_eq!(rows(&database), "5000|5000");
}

#[test]
fn what_cannot_be_done_twice_is_not_tried_twice() {
    let cut = Manner::CutBefore(b"SELECT 'cut'");
    let cases = [
        (
            "job",
            "- copy_from: {file: '-', table: t}\n- sql: SELECT 'cut'\n",
            "its input has been read, and can be read only once",
        ),
        (
            "job",
            "- copy_expert: {sql: COPY t FROM STDIN, file: '-'}\n- sql: SELECT 'cut'\n",
            "its input has been read, and can be read only once",
        ),
        (
            "job",
            "- sql: SELECT 1\n  show: true\n- sql: SELECT 'cut'\n",
            "rows of its result have been printed",
        ),
        (
            "job",
            "- copy_to: {query: SELECT 1, file: '-'}\n- sql: SELECT 'cut'\n",
            "written to where it cannot be taken back",
        ),
        (
            "step",
            "- sql: CREATE TEMP TABLE x (n int)\n- sql: SELECT 'cut'\n",
            "step 1 may have left a temporary table in the session",
        ),
        (
            "step",
            "- sql: SET search_path = public\n- expect: SELECT 'cut' = ''\n",
            "step 1 may have left a setting",
        ),
    ];
    for (transaction, steps, why) in cases {
        let (database, place) = scene();
        let url = Proxy::at_first(&database, cut).url(&database);
        let lines = format!("transaction: {transaction}\nsteps:\n{steps}");
        let ran = place.run(&job(&url, &lines));
        assert_one_attempt(&ran, 1, why);
        assert_eq!(rows(&database), "0|0", "{steps}");
    }
}

#[test]
fn what_is_committed_stays_and_lets_the_rest_be_tried_again() {
    let (database, place) = scene();
    let url = Proxy::at_first(&database, Manner::CutBefore(b"SELECT 'cut'")).url(&database);
    let lines = "transaction: step
steps:
- copy_from: {file: '-', table: t}
- sql: SELECT 1
  show: true
- sql: SELECT 'cut'
";
    let mut running = Running::start(&place, "stdin", &job(&url, lines));
    running.feed(b"1\n");
    let ran = running.closed().ok();
    assert_eq!(rows(&database), "1|1");
    let shown = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(shown.matches("(1 row)").count(), 1, "{shown}");
}

#[test]
fn attempts_end_with_their_number_and_their_time() {
    for (retry, why) in [
        ("{attempts: 2}", "no further attempt: it failed 2 times in "),
        (
            "{within: 1500ms, attempts: 99}",
            "no further attempt: it failed ",
        ),
    ] {
        let (database, place) = scene();
        let url = Proxy::new(&database, Manner::CutBefore(b"\n2500\n")).url(&database);
        let lines = format!("retry: {retry}\nsteps:\n- copy_from: {{file: n.txt, table: t}}\n");
        let began = Instant::now();
        let ran = place.run(&job(&url, &lines));
        assert_says(&ran, 1, why);
        assert_says(
            &ran,
            1,
            "state: rolled back; nothing of this run is in the database",
        );
        assert!(ran.stderr.contains("trying again"), "{}", ran.stderr);
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(rows(&database), "0|0");
    }
    let (database, place) = scene();
    let url = Proxy::new(&database, Manner::CutBefore(b"\n2500\n")).url(&database);
    let lines = "retry: none\nsteps:\n- copy_from: {file: n.txt, table: t}\n";
    assert_one_attempt(&place.run(&job(&url, lines)), 1, "was lost");
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for_where_the_job_says_so() {
    let (database, place) = scene();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!(
        "postgresql://{}@127.0.0.1:{port}/{}",
        database.server().user(),
        database.name()
    );
    let steps = "steps:\n- copy_from: {file: n.txt, table: t}\n";
    assert_one_attempt(&place.run(&job(&url, steps)), 5, "nobody answers at");

    let lines = format!("retry: {{attempts: 20, within: 60s}}\n{steps}");
    let waiting = Running::start(&place, "waiting", &job(&url, &lines));
    sleep(Duration::from_millis(300));
    Proxy::on_port(&database, port);
    let ran = waiting.end().ok();
    assert!(ran.stderr.contains("nobody answers at"), "{}", ran.stderr);
    assert_eq!(rows(&database), "5000|5000");
}

#[test]
fn a_refused_login_is_not_repeated() {
    let (database, place) = scene();
    let url = format!(
        "postgresql://nobody@{}/{}?host={}",
        "",
        database.name(),
        database.server().host()
    );
    let lines = "retry: {attempts: 5}\nsteps:\n- sql: SELECT 1\n";
    let ran = place.run(&job(&url, lines));
    assert_one_attempt(&ran, 5, "cannot");
}

#[test]
fn a_signal_ends_a_wait_for_the_next_attempt() {
    let (database, place) = scene();
    let url = Proxy::new(&database, Manner::CutBefore(b"\n2500\n")).url(&database);
    let steps = "steps:\n- copy_from: {file: n.txt, table: t}\n";
    let running = Running::start(&place, "patient", &job(&url, steps));
    thread::sleep(Duration::from_millis(800));
    running.signal(Signal::TERM);
    let ran = running.end();
    assert_says(&ran, 143, "stopped by SIGTERM");
    assert_says(
        &ran,
        143,
        "state: rolled back; nothing of this run is in the database",
    );
    gone(&database, "patient");
    assert_eq!(rows(&database), "0|0");
}
