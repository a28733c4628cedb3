//! Connections that end: what the run says of it, and what is in the database.

use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};

use super::tables;
use crate::support::proxy::{Manner, Proxy};
use crate::support::running::{Running, backend, gone, until};
use crate::support::server::{Database, Options, Server};
use crate::support::{Ran, Workplace, job, quoted, step};

/// Loads 5000 rows and then commits, by a connection that ends in `manner`.
fn load_and_lose(database: &Database, manner: Manner) -> Ran {
    let place = Workplace::new();
    let lines: Vec<String> = (1..=5_000).map(|n| format!("{n}\n")).collect();
    place.file("n.txt", lines.concat());
    let load = step(
        "copy_from",
        &[("file", quoted("n.txt")), ("table", "t".into())],
    );
    let url = Proxy::new(database, manner).url(database);
    place.run(&format!("retry: none\n{}", job(&url, &[load])))
}

fn assert_rolled_back(ran: &Ran, database: &Database) {
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("state: rolled back; nothing of this run is in the database"),
        "{}",
        ran.stderr
    );
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_connection_that_falls_before_the_commit_is_rolled_back() {
    for (when, manner) in [
        ("at the BEGIN", Manner::CutBefore(b"BEGIN")),
        ("at the COPY", Manner::CutBefore(b"COPY \"t\"")),
        (
            "at the answer to the COPY",
            Manner::CutAnswer(b"COPY \"t\""),
        ),
        ("in the data", Manner::CutBefore(b"\n2500\n")),
        ("at the end of the data", Manner::CutBefore(b"c\0\0\0\x04")),
        ("at the rows' count", Manner::CutAnswer(b"c\0\0\0\x04")),
        (
            "when the COPY is done",
            Manner::CutWhenServerSays(b"COPY 5000"),
        ),
    ] {
        let database = tables();
        let ran = load_and_lose(&database, manner);
        assert!(
            ran.stderr.contains("the connection to the server was lost"),
            "{when}: {}",
            ran.stderr
        );
        assert_rolled_back(&ran, &database);
    }
}

#[test]
fn a_connection_that_falls_in_the_commit_leaves_it_unknown() {
    for (manner, rows) in [
        (Manner::CutBefore(b"COMMIT"), "0"),
        (Manner::CutAnswer(b"COMMIT"), "5000"),
    ] {
        let database = tables();
        let ran = load_and_lose(&database, manner);
        assert_eq!(ran.code, Some(7), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("nobody knows whether it took place"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr
                .contains("state: either everything is committed or nothing is"),
            "{}",
            ran.stderr
        );
        assert_eq!(database.psql("SELECT count(*) FROM t"), rows);
    }
}

#[test]
fn a_statement_alone_whose_answer_is_lost_is_in_doubt_and_one_not_sent_is_not() {
    for (manner, code, state, rows) in [
        (
            Manner::CutAnswer(b"INSERT INTO t VALUES (2)"),
            7,
            "state: step 1 is committed; what came after is in doubt",
            "2",
        ),
        (
            Manner::CutBefore(b"\n2500\n"),
            1,
            "state: steps 1, 2 are committed, and so is each later statement that succeeded",
            "2",
        ),
    ] {
        let database = tables();
        let place = Workplace::new();
        // More than any buffer takes: dwsload has not sent all of it when the connection falls.
        let lines: Vec<String> = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
        place.file("n.txt", lines.concat());
        let url = Proxy::new(&database, manner).url(&database);
        let steps = [
            "  - sql: INSERT INTO t VALUES (1)\n".to_owned(),
            "  - sql: INSERT INTO t VALUES (2)\n".to_owned(),
            "  - copy_from: {file: n.txt, table: t}\n".to_owned(),
        ];
        let ran = place.run(&format!(
            "transaction: none\nretry: none\n{}",
            job(&url, &steps)
        ));
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(ran.stderr.contains(state), "{}", ran.stderr);
        assert_eq!(database.psql("SELECT count(*) FROM t"), rows);
    }
}

#[test]
fn a_connection_that_falls_in_an_unload_leaves_no_file() {
    let database = tables();
    let place = Workplace::new();
    place.file("out/rows.txt", "old");
    let url = Proxy::new(&database, Manner::CutWhenServerSays(b"\n30000\n")).url(&database);
    let query = quoted("SELECT n FROM generate_series(1, 100000) n");
    let unload = step(
        "copy_to",
        &[("query", query), ("file", quoted("out/rows.txt"))],
    );
    let ran = place.run(&format!("retry: none\n{}", job(&url, &[unload])));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("was lost"), "{}", ran.stderr);
    assert_eq!(place.read("out/rows.txt"), b"old");
    let names = std::fs::read_dir(place.path("out")).unwrap();
    assert_eq!(names.count(), 1, "a working file was left");
}

/// A job that loads from its standard input, and has sent its first rows.
fn loading(place: &Workplace, name: &str, database: &Database) -> (Running, String) {
    let load = step("copy_from", &[("file", quoted("-")), ("table", "t".into())]);
    let mut running = Running::start(place, name, &job(&database.url(), &[load]));
    running.feed(&b"1\n".repeat(150_000));
    let pid = backend(database, name, "COPY");
    (running, pid)
}

#[test]
fn an_administrators_command_is_shown() {
    let database = tables();
    let place = Workplace::new();
    let (running, pid) = loading(&place, "terminated", &database);
    database.psql(&format!("SELECT pg_terminate_backend({pid})"));
    let ran = running.end();
    assert_eq!(ran.sqlstate(), Some("57P01"), "{}", ran.stderr);
    assert_rolled_back(&ran, &database);
    gone(&database, "terminated");
}

#[test]
fn a_cancelled_statement_is_shown() {
    let database = tables();
    let place = Workplace::new();
    let (mut running, pid) = loading(&place, "cancelled", &database);
    database.psql(&format!("SELECT pg_cancel_backend({pid})"));
    // PostgreSQL notices when data comes.
    running.feed(&b"1\n".repeat(30_000));
    let ran = running.end();
    assert_eq!(ran.sqlstate(), Some("57014"), "{}", ran.stderr);
    assert_rolled_back(&ran, &database);
}

#[test]
fn a_server_that_dies_rolls_a_load_back() {
    // Not the shared one: a killed backend takes every other with it.
    let options = Options {
        // The table must outlive the crash.
        config: vec!["synchronous_commit = on".into()],
        ..Options::default()
    };
    let server = Arc::new(Server::start(&options));
    let database = server.database();
    database.psql("CREATE TABLE t (n int)");
    let place = Workplace::new();

    let (running, pid) = loading(&place, "killed", &database);
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let ran = running.end();
    assert!(ran.stderr.contains("was lost"), "{}", ran.stderr);
    until("the server's recovery", || {
        server
            .log()
            .contains("all server processes terminated; reinitializing")
            .then_some(())?;
        server.answers("postgres").then_some(())
    });
    assert_rolled_back(&ran, &database);

    let (running, _) = loading(&place, "crashed", &database);
    server.crash_and_restart();
    let ran = running.end();
    assert!(
        ran.stderr.contains("was lost") || ran.sqlstate() == Some("57P02"),
        "{}",
        ran.stderr
    );
    assert_rolled_back(&ran, &database);
}
