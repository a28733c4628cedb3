//! Chaos: loads with a ledger that are killed and cut off at random moments, and run again to the end.
//! Each record of each file is in the table once.
//!
//! ```text
//! DWSLOAD_CHAOS_FAULTS=1000 cargo test --locked --test it -- chaos --nocapture
//! DWSLOAD_CHAOS_SEED=17 DWSLOAD_CHAOS_FAULTS=1 cargo test --locked --test it -- chaos --nocapture
//! ```

#![expect(clippy::print_stdout, reason = "the tally is what a long run is for")]

mod tap;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rustix::process::{Pid, Signal, kill_process};

use self::tap::{At, Failure, How, Tap, Upstream};
use crate::gate::{Gate, Product};
use crate::support::running::until;
use crate::support::server::{Database, Options, Server};
use crate::support::{Ran, Workplace, quoted};

/// Faults in one run of the tests; `DWSLOAD_CHAOS_FAULTS` asks for more.
const FAULTS: usize = 50;
/// Servers that loads are done on at a time.
const WORKERS: usize = 2;
/// Runs of a job behind its last fault: the first should do.
const RUNS: usize = 3;
/// What a run takes to begin, and for a record, about.
const START: Duration = Duration::from_millis(100);
const EACH: Duration = Duration::from_micros(20);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done to a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// SIGKILL, or SIGTERM, of dwsload.
    Killed,
    Terminated,
    /// `kill -9` of a backend, which has the server start all of them anew.
    BackendKilled,
    /// An immediate shutdown of the server, and its restart.
    Crash,
    Cut,
    BlackHole,
    /// The connection falls before, or after, the server sees a COMMIT.
    CommitUnsent,
    CommitUnanswered,
}

/// Drawn in turn: COMMITs in doubt are rare at random moments.
const KINDS: [Kind; 12] = [
    Kind::Killed,
    Kind::CommitUnanswered,
    Kind::Cut,
    Kind::CommitUnsent,
    Kind::Killed,
    Kind::Terminated,
    Kind::CommitUnanswered,
    Kind::Cut,
    Kind::BlackHole,
    Kind::BackendKilled,
    Kind::Killed,
    Kind::Crash,
];

/// A server, and the ways to it.
struct World {
    server: Arc<Server>,
    ways: Vec<Way>,
    place: Workplace,
}

/// A database, and the tap that loads go through. Behind the tap may be a gate.
struct Way {
    database: Database,
    tap: Tap,
    url: String,
    _gate: Option<Gate>,
}

impl Way {
    fn new(server: &Arc<Server>, product: Option<Product>) -> Self {
        let database = server.database();
        database.psql(
            "CREATE TABLE t (id bigint, v text CHECK (v <> 'bad')); \
             CREATE TABLE k (id bigint PRIMARY KEY, v text CHECK (v <> 'bad'))",
        );
        let Some(product) = product else {
            let socket = format!("{}/.s.PGSQL.{}", server.host(), server.port());
            let tap = Tap::before(Upstream::Socket(socket.into()));
            return Self {
                url: format!(
                    "postgresql://{}@127.0.0.1:{}/{}",
                    server.user(),
                    tap.port,
                    database.name()
                ),
                database,
                tap,
                _gate: None,
            };
        };
        let gate = Gate::before(&database).playing(product).open();
        let tap = Tap::before(Upstream::Port(gate.port()));
        let ports = [gate.port(), tap.port].map(|port| format!(":{port}/"));
        Self {
            url: gate.url().replace(&ports[0], &ports[1]),
            database,
            tap,
            _gate: Some(gate),
        }
    }
}

impl World {
    fn new() -> Self {
        let server = Arc::new(Server::start(&Options::default()));
        let products = [None, Some(Product::Dws), Some(Product::OpenGauss)];
        Self {
            ways: products.map(|product| Way::new(&server, product)).into(),
            server,
            place: Workplace::new(),
        }
    }

    fn start(&self, number: u64) -> Child {
        let started = self
            .place
            .dwsload()
            .arg(self.place.path(&format!("{number}.yaml")))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        started.expect("the binary runs")
    }

    /// Does to the server, or to `run`, what happens at a moment; `false` where it had ended.
    fn strike(&self, kind: Kind, way: &Way, run: &mut Child) -> bool {
        if run.try_wait().expect("it is ours").is_some() {
            return false;
        }
        match kind {
            Kind::Killed => signal(run.id(), Signal::KILL),
            Kind::Terminated => signal(run.id(), Signal::TERM),
            Kind::Crash => self.server.crash_and_restart(),
            Kind::BackendKilled => {
                let pid = way.database.psql(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                     AND pid <> pg_backend_pid() AND backend_type = 'client backend' LIMIT 1",
                );
                let Ok(pid) = pid.parse() else {
                    return false;
                };
                signal(pid, Signal::KILL);
            }
            Kind::Cut | Kind::BlackHole | Kind::CommitUnsent | Kind::CommitUnanswered => {}
        }
        true
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It may have ended just now.
    let _ = kill_process(pid.expect("a process id"), signal);
}

/// A load that is disturbed.
#[derive(Debug)]
struct Case {
    number: u64,
    kind: Kind,
    way: usize,
    transaction: &'static str,
    /// Bytes of a batch.
    batch: u64,
    /// Runs of the same job at the same time.
    beside: usize,
    /// By a key.
    merges: bool,
    /// Records of each file.
    files: Vec<usize>,
    /// One of so many records is bad, and rejected.
    bad: Option<usize>,
    attempts: u32,
}

impl Case {
    fn new(number: u64, rng: &mut TestRng) -> Self {
        let records = rng.random_range(200..8000);
        let files = rng.random_range(1..=4);
        let transactions = ["job", "step", "batch", "batch"];
        let transaction = transactions[rng.random_range(0..transactions.len())];
        let shares = transaction == "batch" && rng.random_bool(0.4);
        Self {
            number,
            batch: rng.random_range(1..64) * 1024,
            beside: if shares { 3 } else { 0 },
            kind: KINDS[usize::try_from(number).expect("few") % KINDS.len()],
            way: [0, 0, 1, 2][rng.random_range(0..4)],
            transaction,
            merges: rng.random_bool(0.4),
            files: (0..files).map(|_| rng.random_range(1..=records)).collect(),
            bad: rng.random_bool(0.3).then(|| rng.random_range(50..500)),
            attempts: rng.random_range(1..=5),
        }
    }

    fn table(&self) -> &'static str {
        if self.merges { "k" } else { "t" }
    }

    fn is_bad(&self, id: usize) -> bool {
        self.bad.is_some_and(|bad| id % bad == 0)
    }

    /// Writes its files and its job; what the table is to hold in the end, and the records that are to
    /// be rejected.
    fn write(&self, world: &World) -> (String, Vec<String>) {
        let folder = world.place.path(&format!("{}", self.number));
        fs::create_dir(&folder).expect("it is new");
        let (mut table, mut rejected, mut id) = (String::new(), Vec::new(), 0);
        for (index, records) in self.files.iter().enumerate() {
            let mut text = String::new();
            for _ in 0..*records {
                id += 1;
                if self.is_bad(id) {
                    rejected.push(format!("{id},bad\n"));
                    writeln!(text, "{id},bad").expect("a string");
                } else {
                    writeln!(text, "{id},value {id} of {}", self.number).expect("a string");
                    writeln!(table, "{id}|value {id} of {}", self.number).expect("a string");
                }
            }
            fs::write(folder.join(format!("{index}.csv")), text).expect("it can be written");
        }
        let merge = if self.merges {
            ", mode: upsert, key: [id]"
        } else {
            ""
        };
        let reject = if self.bad.is_some() {
            format!(
                ", on_error: reject, max_rejects: 100%, rejects: {}-rejects",
                self.number
            )
        } else {
            String::new()
        };
        let batch = if self.transaction == "batch" {
            format!(", batch: {}", self.batch)
        } else {
            String::new()
        };
        let timeout = if self.kind == Kind::BlackHole {
            "timeout: 3s\n"
        } else {
            ""
        };
        let yaml = format!(
            "job: chaos-{number}\nconnection: {url}\nexactly_once: true\ntransaction: {transaction}\n{timeout}\
             retry: {{attempts: {attempts}, wait: 50ms}}\nsteps:\n\
             - sql: SELECT 1\n\
             - copy_from: {{file: '{number}/*.csv', table: {table}, format: csv{merge}{reject}{batch}}}\n",
            number = self.number,
            url = quoted(&world.ways[self.way].url),
            transaction = self.transaction,
            attempts = self.attempts,
            table = self.table(),
        );
        world.place.file(&format!("{}.yaml", self.number), yaml);
        (table, rejected)
    }

    /// Arms what the connection is to suffer.
    fn arm(&self, tap: &Tap, rng: &mut TestRng) {
        let bytes: usize = self.files.iter().sum::<usize>() * 20 + 2000;
        let commits = match self.transaction {
            "job" => 1,
            "step" => 2,
            _ => 8,
        };
        let nth = rng.random_range(1..=commits);
        let (at, how) = match self.kind {
            Kind::Cut => (At::Byte(rng.random_range(0..bytes)), How::Cut),
            Kind::BlackHole if rng.random_bool(0.5) => (At::Answer(nth), How::BlackHole),
            Kind::BlackHole => (At::Byte(rng.random_range(0..bytes)), How::BlackHole),
            Kind::CommitUnsent => (At::Commit(nth), How::Cut),
            Kind::CommitUnanswered => (At::Answer(nth), How::Cut),
            Kind::Killed | Kind::Terminated | Kind::BackendKilled | Kind::Crash => return,
        };
        let refusing = Duration::from_millis(rng.random_range(0..400_u64).saturating_sub(200));
        tap.arm(Failure { at, how, refusing });
    }
}

/// What has come of the faults so far.
#[derive(Debug, Default)]
struct Tally {
    /// By kind: faults, and runs that ended in it with which code.
    faults: BTreeMap<Kind, usize>,
    ends: BTreeMap<(Kind, Option<i32>), usize>,
    /// COMMITs in doubt that the run itself has settled, as done and as not done; and those that were
    /// left to the next.
    done: usize,
    not_done: usize,
    left: usize,
    /// Runs that had ended before their fault came.
    missed: usize,
    /// Runs behind the last fault of a case.
    reruns: usize,
}

impl Tally {
    /// Counts a run that was to be `struck` by a fault.
    fn take(&mut self, case: &Case, ran: &Ran, struck: bool) {
        if !struck {
            self.missed += 1;
            return;
        }
        *self.faults.entry(case.kind).or_default() += 1;
        *self.ends.entry((case.kind, ran.code)).or_default() += 1;
        self.settled(ran);
    }

    /// Counts the COMMITs that a run had in doubt.
    fn settled(&mut self, ran: &Ran) {
        self.done += ran.stderr.matches("lost took place").count();
        self.not_done += ran.stderr.matches("lost did not take place").count();
        self.left += usize::from(ran.code == Some(7));
    }

    fn print(&self) {
        for (kind, faults) in &self.faults {
            let of = self.ends.iter().filter(|((found, _), _)| found == kind);
            let ends: Vec<String> = of
                .map(|((_, code), runs)| match code {
                    Some(code) => format!("exit {code}: {runs}"),
                    None => format!("signal: {runs}"),
                })
                .collect();
            println!(
                "{:<17} {faults:>5}   {}",
                format!("{kind:?}"),
                ends.join(", ")
            );
        }
        println!(
            "COMMITs in doubt: {} had taken place, {} had not, {} were left to the next run",
            self.done, self.not_done, self.left
        );
        println!("missed: {}; runs to the end: {}", self.missed, self.reruns);
    }
}

/// Waits for the end of a run.
fn ended(run: Child, case: &Case) -> Ran {
    let id = run.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiter = thread::spawn(move || {
        let ran = Ran::of(run.wait_with_output().expect("it ends"));
        let _ = sender.send(());
        ran
    });
    if receiver.recv_timeout(PATIENCE).is_err() {
        signal(id, Signal::ABORT);
        panic!(
            "a run goes on for {PATIENCE:?}: {case:?}\n{}",
            waiter.join().expect("it ends").stderr
        );
    }
    let ran = waiter.join().expect("it ends");
    assert!(!ran.stderr.contains("panicked"), "{case:?}\n{}", ran.stderr);
    assert!(
        !matches!(ran.code, Some(2 | 101)),
        "{case:?}\n{}",
        ran.stderr
    );
    ran
}

/// One fault, and what comes behind it; `false` where it missed.
fn disturb(world: &World, case: &Case, rng: &mut TestRng, tally: &Mutex<Tally>) -> bool {
    let (table, rejected) = case.write(world);
    let records: usize = case.files.iter().sum();
    let bad = case.bad.unwrap_or(records + 1);
    let way = &world.ways[case.way];
    way.database.psql(&format!(
        "TRUNCATE t, k; INSERT INTO k SELECT n, 'old' FROM generate_series(1, {records}, 2) n WHERE n % {bad} <> 0 AND {}",
        case.merges
    ));
    case.arm(&way.tap, rng);
    let beside: Vec<Child> = (0..case.beside).map(|_| world.start(case.number)).collect();
    let mut run = world.start(case.number);
    let struck = if matches!(
        case.kind,
        Kind::Cut | Kind::BlackHole | Kind::CommitUnsent | Kind::CommitUnanswered
    ) {
        false
    } else {
        let whole = START + EACH * u32::try_from(records).expect("not so many");
        sleep(whole.mul_f64(rng.random_range(0.0..1.0)));
        world.strike(case.kind, way, &mut run)
    };
    let ran = ended(run, case);
    let beside: Vec<Ran> = beside.into_iter().map(|run| ended(run, case)).collect();
    let struck = way.tap.disarm() || struck;
    until("the server to be back", || {
        let name = way.database.name();
        world.server.answers(name).then_some(())
    });
    let (last, reruns) = to_the_end(world, case);
    let said: Vec<&str> = beside
        .iter()
        .chain([&ran, &last])
        .map(|ran| ran.stderr.as_str())
        .collect();
    let said = said.join("\n");
    check(world, case, &table, &rejected, &said);
    let mut tally = tally.lock().expect("no worker has failed");
    tally.reruns += reruns;
    tally.take(case, &ran, struck);
    for ran in &beside {
        tally.settled(ran);
    }
    struck
}

/// Runs the job until it is done. A run may find a transaction that the server has not ended yet.
fn to_the_end(world: &World, case: &Case) -> (Ran, usize) {
    for nth in 1..=RUNS {
        let ran = ended(world.start(case.number), case);
        if matches!(ran.code, Some(0 | 3)) {
            return (ran, nth);
        }
        assert!(nth < RUNS, "{case:?}\n{}", ran.stderr);
    }
    unreachable!("the last run is done, or has failed the test")
}

/// Compares the table with the files, and the rejects with the bad records in them.
fn check(world: &World, case: &Case, table: &str, rejected: &[String], said: &str) {
    let database = &world.ways[case.way].database;
    let found = database.psql(&format!("SELECT id, v FROM {} ORDER BY id", case.table()));
    if found != table.trim_end() {
        let differs = found
            .lines()
            .zip(table.lines())
            .find(|(found, asked)| found != asked);
        panic!(
            "{case:?}: {} rows of {}; the first that differs is {differs:?}\n{said}",
            found.lines().count(),
            table.lines().count()
        );
    }
    // Those of work that was rolled back may be there as well.
    let kept = kept(&world.place.path(&format!("{}-rejects", case.number)));
    for record in rejected {
        assert!(
            kept.contains(record.as_str()),
            "{case:?}: {record} is lost\n{said}"
        );
    }
    let sql = format!(
        "SELECT coalesce(sum(loaded), 0), coalesce(sum(rejected), 0) FROM dwsload_ledger WHERE kind = 'file' AND job = 'chaos-{}'",
        case.number
    );
    let counted = database.psql(&sql);
    let rows = table.lines().count();
    assert_eq!(
        counted,
        format!("{rows}|{}", rejected.len()),
        "{case:?}\n{said}"
    );
}

/// The reject files of all runs, one behind the other.
fn kept(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for run in fs::read_dir(folder).into_iter().flatten().flatten() {
        for file in fs::read_dir(run.path()).into_iter().flatten().flatten() {
            if file
                .path()
                .extension()
                .is_some_and(|ending| ending == "csv")
            {
                text.push('\n');
                text.push_str(&fs::read_to_string(file.path()).unwrap_or_default());
            }
        }
    }
    text
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

#[test]
fn whatever_happens_each_record_is_in_once() {
    let faults =
        usize::try_from(number("DWSLOAD_CHAOS_FAULTS", FAULTS as u64)).expect("not so many");
    let first = std::env::var("DWSLOAD_CHAOS_SEED").map_or_else(
        |_| rand::random_range(0..1 << 32),
        |_| number("DWSLOAD_CHAOS_SEED", 0),
    );
    println!("the first case is DWSLOAD_CHAOS_SEED={first}");
    let (next, struck, tally) = (
        AtomicU64::new(first),
        AtomicUsize::new(0),
        Mutex::new(Tally::default()),
    );
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(faults) {
            scope.spawn(|| {
                let world = World::new();
                while struck.load(Ordering::SeqCst) < faults {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let mut seed = [0; 32];
                    seed[..8].copy_from_slice(&number.to_le_bytes());
                    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
                    let case = Case::new(number, &mut rng);
                    if disturb(&world, &case, &mut rng, &tally) {
                        struck.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    tally.into_inner().expect("no worker has failed").print();
}
