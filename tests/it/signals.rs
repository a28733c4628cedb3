//! Ctrl-C and `kill` at every kind of moment: a quick end, the right exit code, nothing left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::scene::Scene;
use crate::support::{Ran, Workplace};

const INT: Signal = Signal::INT;
const TERM: Signal = Signal::TERM;
const HUP: Signal = Signal::HUP;
/// How long a run may go on after a signal.
const PROMPT: Duration = Duration::from_secs(2);

/// Polls until `done`.
#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A run under way.
struct Run {
    child: Child,
}

impl Run {
    fn start(command: &mut Command) -> Self {
        Self {
            child: command.stderr(Stdio::piped()).spawn().unwrap(),
        }
    }

    /// Sends the signal, and again after a moment where `twice`; asserts that the run ends soon.
    #[track_caller]
    fn stopped_by(mut self, with: Signal, twice: bool) -> Ran {
        signal(&self.child, with);
        let sent = Instant::now();
        if twice {
            signal(&self.child, with);
        }
        until("the run ends", || self.child.try_wait().unwrap().is_some());
        let took = sent.elapsed();
        let ran = Ran::of(self.child.wait_with_output().unwrap());
        assert!(took < PROMPT, "it took {took:?}\n{}", ran.stderr);
        let (code, name) = match with {
            INT => (130, "SIGINT"),
            HUP => (129, "SIGHUP"),
            _ => (143, "SIGTERM"),
        };
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!("stopped by {name}")),
            "{}",
            ran.stderr
        );
        ran
    }
}

/// Waits until a backend of the run is in the state that `condition` on `pg_stat_activity` tells.
#[track_caller]
fn until_backend(scene: &Scene, condition: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name LIKE 'dwsload:%' AND {condition}"
    );
    until(condition, || scene.psql(&sql) == "1");
}

/// Asserts that nothing of a run is left on the server.
#[track_caller]
fn nothing_left(scene: &Scene) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    until("no backend is left", || scene.psql(sql) == "0");
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
}

/// A table, and a first step whose row must not be committed.
fn scene() -> (Scene, &'static str) {
    (
        Scene::new("CREATE TABLE t (a text)"),
        "- sql: INSERT INTO t VALUES ('first')\n",
    )
}

#[test]
fn a_long_statement_is_cancelled() {
    let (scene, first) = scene();
    for (with, twice) in [(INT, false), (TERM, true), (HUP, false)] {
        let run = Run::start(&mut scene.dwsload(&format!("{first}- sql: SELECT pg_sleep(60)")));
        until_backend(&scene, "wait_event = 'PgSleep'");
        let ran = run.stopped_by(with, twice);
        nothing_left(&scene);
        if with == INT {
            insta::assert_snapshot!(scene.said(&ran), @r"
            1/2 sql: INSERT 0 1 (TIME)
            error: step 2 (sql) failed, job.yaml:4
              state: rolled back; nothing of this run is in the database
              caused by: stopped by SIGINT
            ");
        }
    }
}

#[test]
fn a_terminal_that_is_closed_ends_nothing_under_nohup() {
    let (scene, first) = scene();
    let dwsload = scene.dwsload(&format!("{first}- sql: SELECT pg_sleep(60)"));
    let mut nohup = Command::new("nohup");
    nohup.arg(dwsload.get_program()).args(dwsload.get_args());
    let run = Run::start(&mut nohup);
    until_backend(&scene, "wait_event = 'PgSleep'");
    // Signals that are caught, a bit each (proc(5)): SIGTERM is, SIGHUP is not.
    let status = fs::read_to_string(format!("/proc/{}/status", run.child.id())).unwrap();
    let caught = status.split("SigCgt:").nth(1).unwrap();
    let caught = u64::from_str_radix(caught.split_whitespace().next().unwrap(), 16).unwrap();
    assert_eq!((caught & 1, caught >> 14 & 1), (0, 1));
    signal(&run.child, HUP);
    run.stopped_by(TERM, false);
    nothing_left(&scene);
}

#[test]
fn a_wait_for_a_lock_is_left() {
    let (scene, first) = scene();
    scene.psql("CREATE TABLE locked (a text)");
    let mut holder = Command::new("psql")
        .args(["-XAtq", "-d", &scene.database.url()])
        .args(["-c", "BEGIN; LOCK locked", "-c", "SELECT pg_sleep(60)"])
        .spawn()
        .unwrap();
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'locked'::regclass AND granted";
    until("the lock is held", || scene.psql(locked) == "1");
    scene.file("f", "x\n");
    let run =
        Run::start(&mut scene.dwsload(&format!("{first}- copy_from: {{file: f, table: locked}}")));
    until_backend(&scene, "wait_event_type = 'Lock'");
    run.stopped_by(TERM, false);
    holder.kill().unwrap();
    holder.wait().unwrap();
    scene.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
    );
    nothing_left(&scene);
}

#[test]
fn a_load_from_a_silent_stdin_is_left() {
    let (scene, first) = scene();
    for with in [INT, TERM] {
        let mut command = scene.dwsload(&format!("{first}- copy_from: {{file: '-', table: t}}"));
        let mut run = Run::start(command.stdin(Stdio::piped()));
        // Held open: it gives nothing and does not end.
        let stdin = run.child.stdin.take();
        until_backend(&scene, "state = 'idle in transaction'");
        run.stopped_by(with, false);
        drop(stdin);
        nothing_left(&scene);
    }
}

#[test]
fn a_load_from_a_stdin_that_falls_silent_is_left() {
    let (scene, first) = scene();
    let mut command = scene.dwsload(&format!(
        "{first}- copy_from: {{file: '-', table: t, size: 4096}}"
    ));
    let mut run = Run::start(command.stdin(Stdio::piped()));
    let mut stdin = run.child.stdin.take().unwrap();
    stdin.write_all("line\n".repeat(10_000).as_bytes()).unwrap();
    until_backend(&scene, "query LIKE 'COPY%' AND wait_event = 'ClientRead'");
    run.stopped_by(INT, true);
    drop(stdin);
    nothing_left(&scene);
}

/// Makes a named pipe called `pipe`.
fn named_pipe(scene: &Scene) {
    let mut make = Command::new("mkfifo");
    make.arg(scene.place.path("pipe"));
    assert!(make.status().unwrap().success());
}

#[test]
fn a_load_from_a_named_pipe_without_a_writer_is_left() {
    let (scene, first) = scene();
    named_pipe(&scene);
    let run =
        Run::start(&mut scene.dwsload(&format!("{first}- copy_from: {{file: pipe, table: t}}")));
    until_backend(&scene, "state = 'idle in transaction'");
    run.stopped_by(TERM, false);
    nothing_left(&scene);
}

#[test]
fn an_unload_into_a_named_pipe_without_a_reader_is_left() {
    let (scene, first) = scene();
    named_pipe(&scene);
    let run = Run::start(&mut scene.dwsload(&format!(
        "{first}- copy_to: {{query: SELECT 1, file: pipe}}"
    )));
    until_backend(
        &scene,
        "state = 'idle in transaction' AND query LIKE 'COPY%'",
    );
    run.stopped_by(INT, false);
    nothing_left(&scene);
}

#[test]
fn a_load_of_endless_data_is_stopped() {
    let (scene, first) = scene();
    let mut source = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut command = scene.dwsload(&format!("{first}- copy_from: {{file: '-', table: t}}"));
    let run = Run::start(command.stdin(source.stdout.take().unwrap()));
    until("rows arrive", || {
        scene.psql("SELECT pg_relation_size('t') > 100000") == "t"
    });
    run.stopped_by(INT, false);
    // Our end of the pipe must go before its writer sees that nobody reads.
    drop(command);
    source.wait().unwrap();
    nothing_left(&scene);
}

#[test]
fn an_unload_of_a_huge_query_is_stopped_and_leaves_no_file() {
    let (scene, first) = scene();
    for with in [INT, TERM] {
        let run = Run::start(&mut scene.dwsload(&format!(
            "{first}- copy_to: {{query: 'SELECT repeat(generate_series(1, 1000000000)::text, 10)', file: out/big.csv.gz}}"
        )));
        until("the file grows", || {
            fs::read_dir(scene.place.path("out")).is_ok_and(|mut names| {
                names.any(|name| name.unwrap().metadata().unwrap().len() > 10_000)
            })
        });
        run.stopped_by(with, false);
        nothing_left(&scene);
        assert_eq!(fs::read_dir(scene.place.path("out")).unwrap().count(), 0);
    }
}

#[test]
fn an_unload_that_nobody_reads_is_stopped() {
    let (scene, first) = scene();
    let mut command = scene.dwsload(&format!(
        "{first}- copy_to: {{query: 'SELECT generate_series(1, 1000000000)', file: '-'}}"
    ));
    let run = Run::start(command.stdout(Stdio::piped()));
    until_backend(&scene, "wait_event = 'ClientWrite'");
    run.stopped_by(TERM, false);
    nothing_left(&scene);
}

#[test]
fn a_connection_attempt_without_an_answer_is_left() {
    let place = Workplace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let job = place.file(
        "job.yaml",
        format!("connection: postgresql://u@127.0.0.1:{port}/d\nsteps:\n- sql: SELECT 1\n"),
    );
    for with in [INT, TERM] {
        let run = Run::start(place.dwsload().arg(&job));
        let (stream, _) = listener.accept().unwrap();
        run.stopped_by(with, false);
        drop(stream);
    }
}

#[test]
fn the_start_of_the_embedded_server_is_left() {
    let place = Workplace::new();
    let folder = tempfile::Builder::new()
        .prefix("dwsload-it")
        .tempdir_in("/tmp")
        .unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    let base = folder.path().join("e");
    let job = place.file(
        "job.yaml",
        "connection: embedded\nsteps:\n- sql: SELECT 1\n",
    );
    let mut command = place.dwsload();
    let run = Run::start(command.arg(&job).env("DWSLOAD_EMBEDDED_DIR", &base));
    until("the setup has begun", || {
        fs::read_dir(&base).is_ok_and(|mut names| names.next().is_some())
    });
    run.stopped_by(INT, false);
    // And nothing stands in the way of the next run.
    let output = place
        .dwsload()
        .arg(&job)
        .env("DWSLOAD_EMBEDDED_DIR", &base)
        .output();
    Ran::of(output.unwrap()).ok();
}

#[test]
fn a_timeout_ends_a_job_as_a_signal_does() {
    let (scene, first) = scene();
    let ran = scene.run(&format!("{first}- sql: SELECT pg_sleep(60)\ntimeout: 1s"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    insta::assert_snapshot!(scene.said(&ran), @r"
    1/2 sql: INSERT 0 1 (TIME)
    error: step 2 (sql) failed, job.yaml:4
      state: rolled back; nothing of this run is in the database
      under way: step 2 (sql)
      hint: give the job more `timeout`, or find out what takes so long; what `dwsload:job` waits for on the server is in pg_stat_activity and pg_locks
      caused by: the job's timeout of 1s has passed
    ");
    nothing_left(&scene);
}

#[test]
fn quiet_success_prints_nothing_and_plain_success_a_line_for_each_step() {
    let (scene, first) = scene();
    scene.file("f", "x\ny\n");
    let job = scene.job(&format!(
        "{first}- copy_from: {{file: f, table: t}}\n- expect: SELECT count(*) = 3 FROM t\n\
         - copy_to: {{query: TABLE t, file: out}}\n- sql: TRUNCATE t"
    ));
    let ran = scene.place.run_file(&job, &["--quiet"]).ok();
    assert_eq!((ran.stdout.as_slice(), ran.stderr.as_str()), (&b""[..], ""));
    let ran = scene.place.run_file(&job, &[]).ok();
    assert_eq!(ran.stdout, b"");
    insta::assert_snapshot!(scene.said(&ran), @r"
    1/5 sql: INSERT 0 1 (TIME)
    2/5 copy_from t: 2 rows, 4 B from 1 file (TIME)
    3/5 expect: holds (TIME)
    4/5 copy_to out: 3 rows, 10 B (TIME)
    5/5 sql: TRUNCATE TABLE (TIME)
    job: done, 2 rows loaded, 3 rows unloaded in TIME
    ");
}
