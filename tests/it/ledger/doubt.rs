//! COMMITs whose answer is lost, and what else is settled by the row of a transaction.

use super::{assert_says, job, numbers, rows, scene};
use crate::gate::{Fault, Gate, Point, Product, ServerError};
use crate::support::proxy::{Manner, Proxy};
use crate::support::running::{Running, until};
use crate::support::server::{Database, Server};
use crate::support::{Ran, Workplace};

/// Four steps; what they do more than once is seen.
const STEPS: &str = "steps:
- sql: INSERT INTO log VALUES (1)
- copy_from: {file: 'n*.txt', table: t, on_error: reject}
- copy_to: {query: SELECT count(*) FROM t, file: out.txt}
- sql: INSERT INTO log VALUES (2)
";

fn all(database: &Database) -> String {
    database.psql(
        "SELECT (SELECT string_agg(n::text, ',' ORDER BY n) FROM log), (SELECT count(*) FROM t), \
         (SELECT count(*) FROM dwsload_ledger WHERE kind = 'file'), (SELECT count(*) FROM dwsload_ledger WHERE kind = 'unit')",
    )
}

/// A job of four steps through a proxy, with one record that is rejected.
fn run(manner: Manner, transaction: &str) -> (Database, Workplace, Ran) {
    let (database, place) = scene();
    place.file("n4.txt", "7000\nx\n7001\n");
    let url = Proxy::at_first(&database, manner).url(&database);
    let ran = place.run(&job(&url, &format!("transaction: {transaction}\n{STEPS}")));
    (database, place, ran)
}

#[test]
fn a_commit_that_took_place_is_found_out_and_nothing_is_done_twice() {
    // `at`: which COMMIT of the first connection is cut.
    for transaction in ["job", "step"] {
        let (database, place, ran) = run(Manner::CutAnswer(b"Q\0\0\0\x0bCOMMIT\0"), transaction);
        assert_says(&ran, 3, "the COMMIT whose answer was lost took place");
        assert_says(
            &ran,
            3,
            "loads: done, 3,002 rows loaded, 1 row unloaded, 1 rejected in",
        );
        assert_says(&ran, 3, "n4.txt: 1 record was rejected");
        assert_eq!(all(&database), "1,2|3002|4|0", "{transaction}");
        assert_eq!(place.read("out.txt"), b"3002\n");
        for step in 1..=4 {
            let done = ran.stderr.matches(&format!("\n{step}/4 ")).count()
                + usize::from(ran.stderr.starts_with(&format!("{step}/4 ")));
            assert_eq!(done, 1, "step {step}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_commit_that_did_not_is_found_out_and_done_again() {
    for transaction in ["job", "step"] {
        let (database, place, ran) = run(Manner::CutBefore(b"Q\0\0\0\x0bCOMMIT\0"), transaction);
        assert_says(
            &ran,
            3,
            "the COMMIT whose answer was lost did not take place",
        );
        assert_says(
            &ran,
            3,
            "loads: done, 3,002 rows loaded, 1 row unloaded, 1 rejected in",
        );
        assert_eq!(all(&database), "1,2|3002|4|0", "{transaction}");
        assert_eq!(place.read("out.txt"), b"3002\n");
    }
}

#[test]
fn what_cannot_be_done_again_is_settled_all_the_same() {
    let lines = "steps:\n- sql: INSERT INTO log VALUES (1)\n- sql: SELECT 5\n  show: true\n";
    for (manner, code, what, log) in [
        (Manner::CutAnswer(b"COMMIT\0"), 0, "took place", "1"),
        (
            Manner::CutBefore(b"COMMIT\0"),
            1,
            "rows of its result have been printed",
            "0",
        ),
    ] {
        let (database, place) = scene();
        let url = Proxy::at_first(&database, manner).url(&database);
        let ran = place.run(&job(&url, lines));
        assert_says(&ran, code, what);
        assert_eq!(database.psql("SELECT count(*) FROM log"), log);
        assert_eq!(
            String::from_utf8(ran.stdout)
                .unwrap()
                .matches("(1 row)")
                .count(),
            1
        );
    }
}

#[test]
fn a_server_that_stays_away_leaves_a_doubt_that_the_next_run_ends() {
    let (database, place) = scene();
    let proxy = Proxy::once(&database, Manner::CutAnswer(b"COMMIT\0"));
    let retry = "retry: {attempts: 3, wait: 10ms}\n";
    let yaml = job(&proxy.url(&database), &format!("{retry}{STEPS}"));
    let ran = place.run(&yaml);
    assert_says(
        &ran,
        7,
        "the server has not come back to say whether it took place",
    );
    assert_says(&ran, 7, "run the job again");
    assert_says(&ran, 7, "either everything is committed or nothing is");
    let ran = place.run(&job(&database.url(), STEPS)).ok();
    assert!(
        ran.stderr.contains("3 files were loaded before"),
        "{}",
        ran.stderr
    );
    assert_eq!(rows(&database), "3000|3000");
}

#[test]
fn the_transaction_of_a_connection_that_hangs_is_waited_for() {
    // The server does not know that its client has gone.
    let (database, place) = scene();
    let url = Proxy::at_first(&database, Manner::LeaveBefore(b"COMMIT\0")).url(&database);
    let yaml = job(&url, STEPS);
    let running = Running::start(&place, "hanging", &yaml);
    let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
         AND pid IN (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)";
    let pid = until("the second to wait", || {
        Some(database.psql(waits)).filter(|pid| !pid.is_empty())
    });
    database.psql(&format!("SELECT pg_terminate_backend({pid})"));
    let ran = running.end().ok();
    assert!(ran.stderr.contains("did not take place"), "{}", ran.stderr);
    assert_eq!(all(&database), "1,2|3000|3|0");
}

/// A database behind a gate that plays `product`.
fn gated(product: Product) -> (Gate, Database, Workplace) {
    let database = Server::shared().database();
    database.psql("CREATE TABLE t (n int); CREATE TABLE log (n int); CREATE TABLE k (n int PRIMARY KEY, v text)");
    let place = Workplace::new();
    numbers(&place, 3, 1000);
    let gate = Gate::before(&database).playing(product).open();
    (gate, database, place)
}

#[test]
fn gauss_servers_keep_a_ledger_as_well() {
    for product in [Product::Dws, Product::OpenGauss] {
        for transaction in ["job", "step"] {
            let (gate, database, place) = gated(product);
            let steps = STEPS.replace(", on_error: reject", "");
            let yaml = job(
                &gate.url(),
                &format!("transaction: {transaction}\nretry: {{wait: 5ms}}\n{steps}"),
            );
            let commits = if transaction == "job" { 1 } else { 2 };
            gate.inject(Fault::cut(Point::AfterCommit).nth(commits));
            let ran = place.run(&yaml).ok();
            assert!(ran.stderr.contains("lost took place"), "{}", ran.stderr);
            assert!(
                ran.stderr
                    .contains("loads: done, 3,000 rows loaded, 1 row unloaded in"),
                "{}",
                ran.stderr
            );
            assert_eq!(all(&database), "1,2|3000|3|0", "{product:?}");
            let ran = place.run(&yaml).ok();
            assert!(
                ran.stderr.contains("3 files were loaded before"),
                "{}",
                ran.stderr
            );
            assert_eq!(rows(&database), "3000|3000");
            database.psql("TRUNCATE t, log, dwsload_ledger");
            // A COMMIT that the server answers with an error about a node, and does not do.
            gate.inject(Fault::error(
                Point::AtCommit,
                ServerError::new("YY001", "connection reset by peer"),
            ));
            let ran = place.run(&yaml).ok();
            assert!(
                ran.stderr.contains("lost did not take place"),
                "{}",
                ran.stderr
            );
            assert_eq!(all(&database), "1,2|3000|3|0", "{product:?}");
            assert!(gate.refused().is_empty(), "{:?}", gate.refused());
        }
    }
}

#[test]
fn a_claim_that_comes_second_goes_on_on_gauss_servers() {
    // The second run finds the rows of the first only when it inserts its own.
    for product in [Product::Dws, Product::OpenGauss] {
        let (gate, database, place) = gated(product);
        let slow = "steps:\n- copy_from: {file: 'n*.txt', table: t}\n- sql: SELECT pg_sleep(600) WHERE NOT EXISTS (SELECT FROM k)\n";
        place
            .run(&job(&gate.url(), "steps:\n- sql: SELECT 1\n"))
            .ok();
        let first = Running::start(&place, "first", &job(&gate.url(), slow));
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid() AND state = 'active'";
        until("the first to wait", || {
            (database.psql(busy) == "1").then_some(())
        });
        let second = Running::start(
            &place,
            "second",
            &job(
                &gate.url(),
                "steps:\n- copy_from: {file: 'n*.txt', table: t}\n",
            ),
        );
        let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("the second to be blocked", || {
            (database.psql(blocked) == "1").then_some(())
        });
        let pid = database.psql(&busy.replace("count(*)", "pid"));
        database.psql(&format!("SELECT pg_cancel_backend({pid})"));
        let ran = first.end();
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let ran = second.end().ok();
        assert!(ran.stderr.contains("3,000 rows"), "{}", ran.stderr);
        assert_eq!(rows(&database), "3000|3000");
    }
}
