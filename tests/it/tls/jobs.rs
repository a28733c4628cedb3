//! Whole jobs under TLS.

use rustix::process::Signal;

use super::Shared;
use crate::support::running::{Running, backend, gone};
use crate::support::{Workplace, job, quoted, step};

/// Numbers and text, about 5 MB; a backslash must be escaped.
fn rows() -> String {
    let rows: Vec<String> = (0..100_000)
        .map(|n| format!("{n}\tä\\\\b {:0>40}\n", n * 7919 % 100_003))
        .collect();
    rows.concat()
}

#[test]
fn megabytes_go_in_and_out_unchanged() {
    let shared = Shared::server();
    let database = shared.server.database();
    database.psql("CREATE TABLE t (n int, x text)");
    let place = Workplace::new();
    let rows = rows();
    place.file("in.txt", &rows);
    let load = step(
        "copy_from",
        &[("file", quoted("in.txt")), ("table", "t".into())],
    );
    let encrypted = quoted("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    let expect = format!("  - expect: {encrypted}\n");
    let query = quoted("SELECT * FROM t ORDER BY n");
    let unload = step("copy_to", &[("query", query), ("file", quoted("out.txt"))]);
    let url = shared.url(&database, "test", "sslmode=require");
    place.run(&job(&url, &[expect, load, unload])).ok();
    assert!(
        place.read("out.txt") == rows.as_bytes(),
        "the rows came back changed"
    );
}

#[test]
fn a_refusal_midway_names_its_line() {
    let shared = Shared::server();
    let database = shared.server.database();
    database.psql("CREATE TABLE t (n int, x text)");
    let place = Workplace::new();
    let rows = rows();
    place.file("in.txt", format!("{rows}x\ty\n{rows}"));
    let load = step(
        "copy_from",
        &[("file", quoted("in.txt")), ("table", "t".into())],
    );
    let url = shared.url(&database, "test", "sslmode=require");
    let ran = place.run(&job(&url, &[load]));
    assert_eq!((ran.code, ran.sqlstate()), (Some(1), Some("22P02")));
    assert!(ran.stderr.contains("line 100001"), "{}", ran.stderr);
    assert!(ran.stderr.contains("rolled back"), "{}", ran.stderr);
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn an_interrupted_job_is_cancelled_on_the_server() {
    let shared = Shared::server();
    let database = shared.server.database();
    database.psql("CREATE TABLE t (n int)");
    let place = Workplace::new();
    let url = shared.url(&database, "test", "sslmode=require");
    let insert = quoted("INSERT INTO t SELECT 1 FROM pg_sleep(600)");
    let sleep = format!("  - sql: {insert}\n");
    let load = step("copy_from", &[("file", quoted("-")), ("table", "t".into())]);
    for (name, step, query) in [("sleeps", sleep, "INSERT"), ("loads", load, "COPY")] {
        let mut running = Running::start(&place, name, &job(&url, &[step]));
        if query == "COPY" {
            running.feed(&b"1\n".repeat(150_000));
        }
        backend(&database, name, query);
        running.signal(Signal::INT);
        let ran = running.end();
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert!(ran.stderr.contains("rolled back"), "{}", ran.stderr);
        gone(&database, name);
    }
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}
