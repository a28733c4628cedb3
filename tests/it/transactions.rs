//! What is in the database and in the output folder after a job, whole or failed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use crate::support::running::{Running, backend, gone};
use crate::support::server::{Database, Server};
use crate::support::{Ran, Workplace, quoted, step};

/// A database with tables `a`, `b`, and `late`, whose constraint is checked at COMMIT.
fn tables() -> Database {
    let database = Server::shared().database();
    database.psql(
        "CREATE TABLE a (n int); CREATE TABLE b (n int);
         CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    );
    database
}

/// A job with more keys at its top, `extra`, each on a line.
fn job_with(database: &Database, extra: &str, steps: &[String]) -> String {
    format!(
        "connection: {}\n{extra}\nsteps:\n{}",
        quoted(&database.url()),
        steps.concat()
    )
}

fn sql(statement: &str) -> String {
    format!("  - sql: {}\n", quoted(statement))
}

fn load(file: &str, table: &str) -> String {
    step(
        "copy_from",
        &[("file", quoted(file)), ("table", table.into())],
    )
}

fn unload(table: &str, file: &str) -> String {
    step(
        "copy_to",
        &[("table", table.into()), ("file", quoted(file))],
    )
}

fn counts(database: &Database) -> String {
    database.psql("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)")
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}

/// The names of all files in a folder, hidden ones too; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_failure_in_the_second_step_leaves_what_the_transaction_promises() {
    for (transaction, state, expected) in [
        (
            "job",
            "rolled back; nothing of this run is in the database",
            "0|0",
        ),
        (
            "step",
            "step 1 is committed; what came after is rolled back",
            "2|0",
        ),
        (
            "none",
            "step 1 is committed, and so is each later statement that succeeded",
            "2|1",
        ),
    ] {
        let database = tables();
        let place = Workplace::new();
        place.file("two.txt", "1\n2\n");
        place.file("bad.txt", "3\nx\n");
        let second = format!(
            "  - sql: [{}, {}]\n",
            quoted("INSERT INTO b VALUES (1)"),
            quoted("SELECT 1 / 0")
        );
        let steps = [load("two.txt", "a"), second, load("two.txt", "b")];
        let extra = format!("transaction: {transaction}");
        let ran = place.run(&job_with(&database, &extra, &steps));
        assert_eq!(ran.sqlstate(), Some("22012"), "{}", ran.stderr);
        assert_says(&ran, 1, state);
        assert_eq!(counts(&database), expected, "{transaction}");

        // The same with a COPY that fails.
        let steps = [load("bad.txt", "b"), load("two.txt", "a")];
        let ran = place.run(&job_with(&database, &extra, &steps));
        assert_eq!(ran.sqlstate(), Some("22P02"), "{}", ran.stderr);
        assert_eq!(counts(&database), expected, "{transaction}");
    }
}

#[test]
fn a_constraint_that_fails_at_the_commit_commits_and_publishes_nothing() {
    for (transaction, rows) in [("job", "0|0"), ("step", "2|0")] {
        let database = tables();
        let place = Workplace::new();
        place.file("two.txt", "1\n2\n");
        place.file("twice.txt", "7\n7\n");
        place.file("out/a.txt", "old");
        let steps = [
            load("two.txt", "a"),
            unload("a", "out/a.txt"),
            load("twice.txt", "late"),
        ];
        let extra = format!("transaction: {transaction}");
        let ran = place.run(&job_with(&database, &extra, &steps));
        assert_eq!(ran.sqlstate(), Some("23505"), "{}", ran.stderr);
        assert_says(&ran, 1, "the server refused the COMMIT");
        assert_eq!(counts(&database), rows, "{transaction}");
        assert_eq!(database.psql("SELECT count(*) FROM late"), "0");
        let published: &[u8] = if transaction == "job" {
            b"old"
        } else {
            b"1\n2\n"
        };
        assert_eq!(place.read("out/a.txt"), published, "{transaction}");
        assert_eq!(names(&place.path("out")), ["a.txt"]);
    }
}

#[test]
fn sql_that_ends_the_transaction_is_refused() {
    let database = tables();
    for transaction in ["job", "step"] {
        for statement in [
            "INSERT INTO b VALUES (1); COMMIT",
            "COMMIT",
            "ROLLBACK",
            "END",
            "ROLLBACK; BEGIN",
            "ROLLBACK AND CHAIN",
            "COMMIT AND CHAIN",
        ] {
            let place = Workplace::new();
            let extra = format!("transaction: {transaction}");
            let ran = place.run(&job_with(&database, &extra, &[sql(statement)]));
            assert_says(
                &ran,
                1,
                "the step's own SQL ended the transaction around it",
            );
            assert_says(&ran, 1, "hint: leave COMMIT, ROLLBACK and END out");
        }
    }
}

#[test]
fn sql_that_goes_back_to_a_savepoint_is_left_alone() {
    let database = tables();
    let statement =
        "INSERT INTO a VALUES (1); SAVEPOINT s; INSERT INTO b VALUES (1); ROLLBACK TO s";
    Workplace::new()
        .run(&job_with(&database, "transaction: job", &[sql(statement)]))
        .ok();
    assert_eq!(counts(&database), "1|0");
}

#[test]
fn a_job_that_committed_by_its_own_sql_does_not_claim_to_be_rolled_back() {
    let database = tables();
    let place = Workplace::new();
    place.file("one.txt", "1\n");
    let copy = |sql: &str| {
        step(
            "copy_expert",
            &[("sql", quoted(sql)), ("file", "one.txt".into())],
        )
    };
    for last in [
        sql("COMMIT"),
        sql("COMMIT; BEGIN"),
        sql("COMMIT; SELECT 1 / 0"),
        sql("COMMIT; BEGIN; SELECT 1 / 0"),
        "  - expect: COMMIT; BEGIN; SELECT false\n".into(),
        copy("COMMIT; BEGIN; COPY b FROM STDIN"),
        copy("COMMIT; BEGIN; COPY none FROM STDIN"),
    ] {
        let steps = [sql("INSERT INTO a VALUES (1)"), last.clone()];
        let ran = place.run(&job_with(&database, "transaction: job", &steps));
        assert_says(
            &ran,
            1,
            "what the job's own SQL committed is in the database",
        );
        assert!(
            !ran.stderr.contains("nothing of this run"),
            "{}",
            ran.stderr
        );
        assert_eq!(counts(&database), "1|0", "{last}");
        database.psql("TRUNCATE a");
    }
}

#[test]
fn statements_that_want_no_transaction_run_in_none() {
    let database = tables();
    let place = Workplace::new();
    let ran = place.run(&job_with(&database, "", &[sql("VACUUM a")]));
    assert_eq!(ran.sqlstate(), Some("25001"), "{}", ran.stderr);
    assert_says(&ran, 1, "hint: give the job `transaction: none`");
    let steps = [
        sql("VACUUM a"),
        sql("BEGIN; INSERT INTO a VALUES (1); COMMIT"),
    ];
    place
        .run(&job_with(&database, "transaction: none", &steps))
        .ok();
    assert_eq!(counts(&database), "1|0");
}

#[test]
fn a_job_that_ends_inside_its_own_transaction_fails() {
    let database = tables();
    let steps = [sql("BEGIN"), sql("INSERT INTO a VALUES (1)")];
    let ran = Workplace::new().run(&job_with(&database, "transaction: none", &steps));
    assert_says(
        &ran,
        1,
        "the job ends inside a transaction that its own SQL began",
    );
    assert_eq!(counts(&database), "0|0");
}

#[test]
fn an_expectation_that_does_not_hold_rolls_the_job_back() {
    let database = tables();
    let place = Workplace::new();
    place.file("two.txt", "1\n2\n");
    for (query, part) in [
        ("SELECT count(*) > 2 FROM a", "row 1 is (f)"),
        ("SELECT n < 2, n FROM a ORDER BY n", "row 2 is (f, 2)"),
        ("SELECT NULL::bool", "row 1 is (NULL)"),
        ("SELECT true WHERE false", "it returns no row"),
        ("SELECT 1", "is not a boolean"),
    ] {
        let expect = format!("  - expect: {}\n", quoted(query));
        let ran = place.run(&job_with(&database, "", &[load("two.txt", "a"), expect]));
        assert_says(&ran, 1, part);
        assert_says(
            &ran,
            1,
            "rolled back; nothing of this run is in the database",
        );
        assert_eq!(counts(&database), "0|0", "{query}");
    }
}

#[test]
fn an_output_appears_with_the_commit_and_not_before() {
    let database = tables();
    let place = Workplace::new();
    place.file("two.txt", "1\n2\n");
    place.file("out/a.txt", "old");
    // The job waits in its last statement.
    let lock = "SELECT pg_advisory_xact_lock(7)";
    let steps = [
        load("two.txt", "a"),
        unload("a", "out/a.txt"),
        unload("a", "new/a.txt"),
        sql(lock),
    ];
    let yaml = job_with(&database, "", &steps);
    let holder = Running::start(
        &place,
        "holder",
        &job_with(&database, "", &[sql(lock), sql("SELECT pg_sleep(600)")]),
    );
    backend(&database, "holder", "SELECT pg_sleep");
    let waiting = Running::start(&place, "waiting", &yaml);
    backend(&database, "waiting", "SELECT pg_advisory");
    assert_eq!(place.read("out/a.txt"), b"old");
    assert!(!place.path("new/a.txt").exists());
    holder.signal(rustix::process::Signal::TERM);
    assert_eq!(holder.end().code, Some(143));
    let _ = waiting.end().ok();
    assert_eq!(place.read("out/a.txt"), b"1\n2\n");
    assert_eq!(place.read("new/a.txt"), b"1\n2\n");
    assert_eq!(names(&place.path("out")), ["a.txt"]);
    assert_eq!(names(&place.path("new")), ["a.txt"]);
}

#[test]
fn a_job_that_fails_leaves_old_outputs_and_no_working_files() {
    let database = tables();
    let place = Workplace::new();
    place.file("out/a.txt", "old");
    let steps = [
        sql("INSERT INTO a VALUES (1)"),
        unload("a", "out/a.txt"),
        unload("a", "out/new.txt"),
        sql("SELECT 1 / 0"),
    ];
    let ran = place.run(&job_with(&database, "", &steps));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(place.read("out/a.txt"), b"old");
    assert_eq!(names(&place.path("out")), ["a.txt"]);
}

#[test]
fn a_job_stops_when_its_time_is_over() {
    let database = tables();
    let place = Workplace::new();
    let steps = [sql("INSERT INTO a VALUES (1)"), sql("SELECT pg_sleep(600)")];
    let yaml = job_with(&database, "job: late\ntimeout: 1s", &steps);
    let ran = place.run(&yaml);
    assert_says(&ran, 1, "the job's timeout of 1s has passed");
    assert_says(
        &ran,
        1,
        "rolled back; nothing of this run is in the database",
    );
    gone(&database, "late");
    assert_eq!(counts(&database), "0|0");
}

#[test]
fn a_time_that_never_comes_is_no_limit() {
    let database = tables();
    Workplace::new()
        .run(&job_with(
            &database,
            "timeout: 400000000000y",
            &[sql("INSERT INTO a VALUES (1)")],
        ))
        .ok();
    assert_eq!(counts(&database), "1|0");
}

#[test]
fn statements_see_the_jobs_session_settings_and_name() {
    let database = tables();
    database.psql("CREATE SCHEMA sales; CREATE TABLE sales.here (n int)");
    let place = Workplace::new();
    place.file("two.txt", "1\n2\n");
    let query = "SELECT current_setting('application_name') = 'dwsload:named' \
                 AND current_setting('statement_timeout') = '7min' \
                 AND current_setting('search_path') = 'sales, public' \
                 AND current_setting('DateStyle') LIKE 'ISO%'";
    for transaction in ["job", "step", "none"] {
        let extra = format!(
            "job: named\ntransaction: {transaction}\n\
             session: {{search_path: 'sales, public', statement_timeout: 7min}}"
        );
        let steps = [
            load("two.txt", "here"),
            format!("  - expect: {}\n", quoted(query)),
        ];
        place.run(&job_with(&database, &extra, &steps)).ok();
    }
    assert_eq!(database.psql("SELECT count(*) FROM sales.here"), "6");

    let extra = "session: {no_such_setting_of_any_kind: 1}";
    let ran = place.run(&job_with(&database, extra, &[sql("SELECT 1")]));
    assert_says(
        &ran,
        1,
        "cannot set `session.no_such_setting_of_any_kind` to `1`",
    );
}
