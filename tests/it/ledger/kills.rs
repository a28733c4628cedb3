//! Runs that are killed, and runs that get in each other's way.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{LOAD, job, numbers, rows, scene};
use crate::support::running::{Running, gone};

#[test]
fn two_runs_at_once_load_every_record_once() {
    for transaction in ["job", "step"] {
        let (database, place) = scene();
        numbers(&place, 100, 500);
        // The second step loads the same files into another table.
        let steps = format!(
            "transaction: {transaction}\n{LOAD}- copy_from: {{file: 'n*.txt', table: log}}\n"
        );
        let yaml = job(&database.url(), &steps);
        let runs: Vec<Running> = ["one", "two", "three"]
            .map(|name| Running::start(&place, name, &yaml))
            .into();
        let said: Vec<String> = runs.into_iter().map(|run| run.end().ok().stderr).collect();
        assert_eq!(rows(&database), "50000|50000", "{said:#?}");
        let log = database.psql("SELECT count(*), count(DISTINCT n) FROM log");
        assert_eq!(log, "50000|50000", "{said:#?}");
        assert!(
            said.iter().any(|said| said.contains("were loaded before")),
            "{said:#?}"
        );
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_finished_by_the_next() {
    for transaction in ["job", "step"] {
        let (database, place) = scene();
        numbers(&place, 40, 2000);
        let load = |table: &str| format!("- copy_from: {{file: 'n*.txt', table: {table}}}\n");
        let steps = format!(
            "transaction: {transaction}\nsteps:\n{}{}",
            load("t"),
            load("log")
        );
        let yaml = job(&database.url(), &steps);
        let began = Instant::now();
        place.run(&yaml).ok();
        let whole = began.elapsed();
        for round in 0..10 {
            database.psql("TRUNCATE t, log; DELETE FROM dwsload_ledger");
            let run = Running::start(&place, "killed", &yaml);
            let share = rand::random_range(0.0..1.1);
            sleep(whole.mul_f64(share));
            run.signal(Signal::KILL);
            let _ = run.end();
            gone(&database, "loads");
            place.run(&yaml).ok();
            for table in ["t", "log"] {
                let sql = format!("SELECT count(*), count(DISTINCT n) FROM {table}");
                assert_eq!(database.psql(&sql), "80000|80000", "round {round}, {share}");
            }
        }
        // What the killed runs have left does no harm, and is little.
        assert!(whole < Duration::from_secs(60));
    }
}
