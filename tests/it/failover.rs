//! Every failure of the retry table, at every point of a load, in every transaction mode, injected by
//! a gate that plays DWS: what the run says of it, and what is in the tables.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use crate::gate::{Fault, Gate, Point, ServerError};
use crate::support::server::{Database, Server};
use crate::support::{Ran, Workplace, quoted};

/// What a failure is to a loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    /// It passes, and says that nothing was done.
    Undone,
    /// It passes, and leaves open whether what was complete has been done.
    Doubt,
    /// It passes; a coordinator had not begun with its nodes. At a COMMIT that leaves doubt.
    Pool,
    /// It stays.
    No,
}

/// The retry table: SQLSTATE, message, what it is.
const TABLE: &[(&str, &str, Passing)] = &[
    (
        "08000",
        "Communication failure, failed to send",
        Passing::Doubt,
    ),
    ("08001", "could not connect", Passing::Doubt),
    ("08003", "connection does not exist", Passing::Doubt),
    ("08004", "server rejected the connection", Passing::Doubt),
    ("08006", "connection failure", Passing::Doubt),
    ("08007", "transaction resolution unknown", Passing::Doubt),
    ("08006", POOLER, Passing::Pool),
    (
        "08000",
        "pooler: failed to acquire connection",
        Passing::Pool,
    ),
    ("53000", "Failed to get pooled connections", Passing::Pool),
    (
        "57P01",
        "terminating connection due to administrator command",
        Passing::Doubt,
    ),
    (
        "57P02",
        "terminating connection because of crash of another server process",
        Passing::Doubt,
    ),
    (
        "57P03",
        "the database system is shutting down",
        Passing::Doubt,
    ),
    (
        "57P05",
        "terminating connection due to idle-session timeout",
        Passing::Doubt,
    ),
    ("57015", "the thread is stopping", Passing::Doubt),
    ("53300", "Too many clients already", Passing::Undone),
    ("YY001", "connection reset by peer", Passing::Doubt),
    ("YY002", "stream connection reset by peer", Passing::Doubt),
    (
        "YY003",
        "Lock wait timeout: thread 1 on node cn_5001",
        Passing::Undone,
    ),
    ("YY004", "connection timed out", Passing::Doubt),
    ("YY005", "set failed", Passing::Doubt),
    (
        "YY006",
        "memory is temporarily unavailable",
        Passing::Undone,
    ),
    ("YY007", "connection refused", Passing::Doubt),
    ("YY008", "sctp listen error", Passing::Doubt),
    ("YY009", "sctp connect error", Passing::Doubt),
    ("YY010", "sctp send error", Passing::Doubt),
    ("YY011", "sctp receive error", Passing::Doubt),
    ("YY012", "sctp wait poll failed", Passing::Doubt),
    ("YY013", "sctp invalid buffer", Passing::Doubt),
    ("YY014", "snapshot invalid", Passing::Doubt),
    ("YY015", "connection receive wrong", Passing::Doubt),
    ("YY016", "stream concurrent update", Passing::Doubt),
    ("XX003", "stream closed", Passing::Doubt),
    ("XX009", "duplicate query id", Passing::Doubt),
    ("DS002", "connection failure error", Passing::Doubt),
    ("CG003", "code generation memory", Passing::Doubt),
    ("CG004", "code generation memory", Passing::Doubt),
    ("F0011", "temporary file read failed", Passing::Doubt),
    ("F0012", "temporary file read failed", Passing::Doubt),
    ("45003", "partition number has changed", Passing::Doubt),
    (
        "40001",
        "could not serialize access due to concurrent update",
        Passing::Undone,
    ),
    ("40P01", "deadlock detected", Passing::Undone),
    (
        "55P03",
        "could not obtain lock on relation",
        Passing::Undone,
    ),
    ("53200", "out of memory", Passing::Undone),
    (
        "25006",
        "cannot execute COPY FROM in a read-only transaction",
        Passing::Undone,
    ),
    (
        "53100",
        "could not extend file: No space left on device",
        Passing::Undone,
    ),
    (
        "53400",
        "temporary file size exceeds temp_file_limit",
        Passing::Undone,
    ),
    (
        "D0011",
        "\"t\" is redistributing, please retry later.",
        Passing::Doubt,
    ),
    ("XX000", POOLER, Passing::Pool),
    (
        "XX000",
        "Failed to read response from Datanodes",
        Passing::Doubt,
    ),
    ("XX000", "Failed to fetch from Datanode 2", Passing::Doubt),
    (
        "XX000",
        "could not connect to server: Connection refused",
        Passing::Doubt,
    ),
    (
        "XX000",
        "the query is terminated due to failover",
        Passing::Doubt,
    ),
    ("XX000", "Already too many clients", Passing::Undone),
    ("XX000", "cache lookup failed for relation 1", Passing::No),
    ("XX001", "invalid page in block 0", Passing::No),
    (
        "22P02",
        "invalid input syntax for integer: \"Connection reset by peer\"",
        Passing::No,
    ),
    (
        "23505",
        "duplicate key value violates unique constraint \"t_pkey\"",
        Passing::No,
    ),
    ("42501", "permission denied for relation t", Passing::No),
    ("0A000", "unsupported", Passing::No),
    (
        "57014",
        "canceling statement due to statement timeout",
        Passing::No,
    ),
    ("54000", "program limit exceeded", Passing::No),
];

/// The error that the vendor's page on psycopg2 shows of a failover.
const POOLER: &str = "pooler: failed to create 1 connections, Error Message: remote node \
                      dn_6003_6004, detail: could not connect to server: Operation now in progress";

/// Where, and how.
#[derive(Debug, Clone, Copy)]
enum At {
    BeforeCopy,
    AfterCopyResponse,
    DuringCopy,
    AfterCopyData,
    Commit,
    Statement,
}

const POINTS: [At; 6] = [
    At::BeforeCopy,
    At::AfterCopyResponse,
    At::DuringCopy,
    At::AfterCopyData,
    At::Commit,
    At::Statement,
];

impl At {
    /// The second COPY, the last COMMIT, or the statement that only the last step has.
    fn fault(self, make: impl Fn(Point) -> Fault, commits: u32) -> Fault {
        match self {
            Self::BeforeCopy => make(Point::BeforeCopy).nth(2),
            Self::AfterCopyResponse => make(Point::AfterCopyResponse).nth(2),
            Self::DuringCopy => make(Point::DuringCopy(100_000)).nth(2),
            Self::AfterCopyData => make(Point::AfterCopyData).nth(2),
            Self::Commit => make(Point::AtCommit).nth(commits),
            Self::Statement => make(Point::OnStatement("UPDATE")),
        }
    }

    /// Everything that the server needs has been sent.
    fn is_complete(self) -> bool {
        matches!(self, Self::AfterCopyData | Self::Commit | Self::Statement)
    }
}

/// Rows of the first file, and of the second.
const FIRST: usize = 3;
const SECOND: usize = 100;

/// A database and a folder for one run after the other.
struct Stand {
    gate: Gate,
    database: Database,
    place: Workplace,
}

impl Stand {
    fn new() -> Self {
        let database = Server::shared().database();
        database.psql(
            "CREATE TABLE log (n int); CREATE TABLE t (n int); CREATE TABLE u (n int, pad text);
             CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)",
        );
        let place = Workplace::new();
        let rows = |count, pad: &str| {
            let rows: Vec<String> = (0..count)
                .map(|n| {
                    format!(
                        "{n}{pad}
"
                    )
                })
                .collect();
            rows.concat()
        };
        place.file("first.txt", rows(FIRST, ""));
        place.file(
            "short.txt",
            rows(SECOND, &format!("\t{}", "x".repeat(2_000))),
        );
        // More than any buffer takes: not all of it is sent when the answer comes.
        place.file(
            "long.txt",
            rows(SECOND, &format!("\t{}", "x".repeat(150_000))),
        );
        let gate = Gate::before(&database).open();
        Self {
            gate,
            database,
            place,
        }
    }

    /// Runs a job of four steps through the gate, which fails so.
    fn run(&self, transaction: &str, file: &str, fault: Fault) -> Came {
        let gate = &self.gate;
        let counts = || [gate.connections(), gate.sessions(), gate.faults_fired()];
        let before = counts();
        gate.inject(fault);
        let ran = self.place.run(&format!(
            "connection: {}
transaction: {transaction}
retry: {{attempts: 5, within: 1m, wait: 5ms}}
steps:
- sql: INSERT INTO log VALUES (1)
- copy_from: {{file: first.txt, table: t}}
- copy_from: {{file: {file}, table: u}}
- sql: UPDATE counter SET n = n + 1
",
            quoted(&gate.url())
        ));
        let after = counts();
        let rows = self.database.psql(
            "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM t), (SELECT count(*) FROM u), n FROM counter;
             TRUNCATE log, t, u; UPDATE counter SET n = 0",
        );
        Came {
            ran,
            rows: rows.lines().next().unwrap_or_default().to_owned(),
            connections: after[0] - before[0],
            sessions: after[1] - before[1],
            faults: after[2] - before[2],
        }
    }
}

/// What a run came to.
#[derive(Debug)]
struct Came {
    ran: Ran,
    /// Rows of log, t and u, and the counter.
    rows: String,
    connections: u32,
    sessions: u32,
    faults: u32,
}

/// Steps that are committed before the fault, by transaction mode.
fn before(transaction: &str, at: At) -> usize {
    match (transaction, at) {
        ("job", _) => 0,
        (_, At::Commit | At::Statement) => 3,
        _ => 2,
    }
}

fn rows_of(steps: usize) -> String {
    let is = |done: bool, rows: usize| if done { rows } else { 0 };
    format!(
        "{}|{}|{}|{}",
        is(steps >= 1, 1),
        is(steps >= 2, FIRST),
        is(steps >= 3, SECOND),
        is(steps >= 4, 1)
    )
}

/// One failure, and what must come of it.
#[derive(Debug, Clone)]
struct Case {
    transaction: &'static str,
    at: At,
    fault: Fault,
    passing: Passing,
}

impl Case {
    fn file(&self) -> &'static str {
        match (self.transaction, self.at) {
            ("none", At::AfterCopyResponse | At::DuringCopy) => "long.txt",
            _ => "short.txt",
        }
    }

    fn check(&self, stand: &Stand) -> Result<(), String> {
        let came = stand.run(self.transaction, self.file(), self.fault.clone());
        let alone = self.transaction == "none";
        let commits = matches!(self.at, At::Commit) || (alone && self.at.is_complete());
        let (code, rows) = match self.passing {
            Passing::No => (1, rows_of(before(self.transaction, self.at))),
            // A statement of a coordinator that had not begun with its nodes is undone.
            Passing::Pool if !matches!(self.at, At::Commit) => (0, rows_of(4)),
            Passing::Doubt | Passing::Pool if commits => {
                (7, rows_of(before(self.transaction, self.at)))
            }
            _ => (0, rows_of(4)),
        };
        let attempts = if code == 0 { 2 } else { 1 };
        let as_expected = came.ran.code == Some(code)
            && came.rows == rows
            && (came.faults, came.connections) == (1, attempts)
            && stand.gate.refused().is_empty();
        if as_expected {
            return Ok(());
        }
        Err(format!(
            "{self:?}\n  expected exit {code}, rows {rows}, {attempts} connections\n  got {came:#?}\n  refused {:?}",
            stand.gate.refused(),
        ))
    }
}

/// Checks all cases, several at a time: most of a run is waiting.
fn check(cases: Vec<Case>) {
    let number = cases.len();
    let queue = Mutex::new(VecDeque::from(cases));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let stand = Stand::new();
                loop {
                    let next = queue.lock().expect("no worker panics").pop_front();
                    let Some(case) = next else { return };
                    if let Err(failure) = case.check(&stand) {
                        failures.lock().expect("no worker panics").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no worker panics");
    assert!(
        failures.is_empty(),
        "{} of {number}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn cases(
    table: &[(&str, &str, Passing)],
    make: impl Fn(Point, ServerError) -> Fault + Copy,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for transaction in ["job", "step", "none"] {
        for at in POINTS {
            if transaction == "none" && matches!(at, At::Commit) {
                continue;
            }
            let commits = if transaction == "step" { 4 } else { 1 };
            for &(code, message, passing) in table {
                let error = || ServerError::new(code, message);
                cases.push(Case {
                    transaction,
                    at,
                    fault: at.fault(|point| make(point, error()), commits),
                    passing,
                });
            }
        }
    }
    cases
}

#[test]
fn every_error_of_the_retry_table_has_the_right_outcome_at_every_point() {
    let cases = cases(TABLE, Fault::error);
    assert!(cases.len() >= 1000, "{}", cases.len());
    check(cases);
}

#[test]
fn so_has_the_end_of_the_connection() {
    let fatal: Vec<_> = TABLE
        .iter()
        .filter(|(code, ..)| ["57P01", "57P02", "57P03", "57P05", "08006"].contains(code))
        .copied()
        .filter(|(.., passing)| *passing == Passing::Doubt)
        .collect();
    let mut all = cases(&fatal, Fault::fatal);
    all.extend(cases(&fatal[..1], |point, _| Fault::cut(point)));
    check(all);
}

#[test]
fn what_was_done_and_not_told_is_in_doubt_and_never_done_twice() {
    let stand = Stand::new();
    let error = || {
        ServerError::new(
            "57P01",
            "terminating connection due to administrator command",
        )
    };
    for (transaction, point, nth, steps) in [
        ("job", Point::AfterCommit, 1, 4),
        ("step", Point::AfterCommit, 3, 3),
        ("none", Point::AfterCopy, 2, 3),
        ("none", Point::AfterStatement("UPDATE"), 1, 4),
    ] {
        for fault in [
            Fault::cut(point.clone()),
            Fault::fatal(point.clone(), error()),
        ] {
            let came = stand.run(transaction, "short.txt", fault.nth(nth));
            assert_eq!(came.ran.code, Some(7), "{point:?}: {came:#?}");
            assert_eq!(came.rows, rows_of(steps), "{point:?}: {came:#?}");
            assert_eq!((came.connections, came.faults), (1, 1));
        }
    }
}

#[test]
fn a_coordinator_that_is_full_or_starting_is_waited_for() {
    let stand = Stand::new();
    for (code, message) in [
        ("53300", "Too many clients already"),
        ("57P03", "the database system is starting up"),
    ] {
        let fault = Fault::fatal(Point::Start, ServerError::new(code, message)).times(3);
        let came = stand.run("job", "short.txt", fault);
        assert_eq!(came.ran.code, Some(0), "{came:#?}");
        assert_eq!(came.rows, rows_of(4));
        assert_eq!((came.faults, came.sessions), (3, 1));
    }
}

#[test]
fn failures_that_go_on_end_the_run_after_its_attempts() {
    let stand = Stand::new();
    let pooler = ServerError::new("08006", POOLER);
    let fault = Fault::error(Point::AfterCopyResponse, pooler).times(5);
    let came = stand.run("job", "short.txt", fault);
    assert_eq!(came.ran.code, Some(1), "{came:#?}");
    for words in ["it failed 5 times in ", POOLER] {
        assert!(came.ran.stderr.contains(words), "{came:#?}");
    }
    assert_eq!(came.rows, rows_of(0));
    assert_eq!(came.connections, 5);
    // A full disk is tried once more only.
    let full = ServerError::new("53100", "could not extend file: No space left on device");
    let came = stand.run(
        "job",
        "short.txt",
        Fault::error(Point::AfterCopyData, full).times(2),
    );
    assert_eq!(came.ran.code, Some(1), "{came:#?}");
    assert_eq!(came.connections, 2);
}
