//! The embedded server: shared, killed at bad moments, and always usable afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use tempfile::TempDir;

/// Folders of one test; whatever runs in them is stopped with it.
struct World {
    dir: TempDir,
    base: PathBuf,
    /// Keeps the folder that [`World::ready`] copies until its last test has ended.
    template: Option<Arc<World>>,
}

impl World {
    /// Nothing set up yet.
    fn fresh() -> Self {
        Self::named("e")
    }

    fn named(name: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("dwsload-it")
            .tempdir_in("/tmp")
            .unwrap();
        // Root's server runs as another user, who must get through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let base = dir.path().join(name);
        Self {
            dir,
            base,
            template: None,
        }
    }

    /// With a server set up, not running: a copy, which is quicker than initdb.
    fn ready() -> Self {
        static TEMPLATE: Mutex<Weak<World>> = Mutex::new(Weak::new());
        let mut shared = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
        let template = shared.upgrade().unwrap_or_else(|| {
            let world = World::fresh();
            assert_eq!(world.sql("SELECT 1"), "1\n");
            Arc::new(world)
        });
        *shared = Arc::downgrade(&template);
        drop(shared);
        let mut world = World::fresh();
        let copied = Command::new("cp")
            .arg("-a")
            .args([&template.base, &world.base])
            .status()
            .unwrap();
        assert!(copied.success());
        world.template = Some(template);
        world
    }

    fn dwsload(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dwsload"));
        command
            .args(args)
            .env("DWSLOAD_EMBEDDED_DIR", &self.base)
            .env("PGDATA", "/nonexistent")
            .env("PGPORT", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.dwsload(args).output().unwrap()
    }

    /// What `sql` prints, through `local psql`.
    fn sql(&self, sql: &str) -> String {
        let output = self.run(&["local", "psql", "--", "-XAtc", sql]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn runs(&self) -> bool {
        let output = self.run(&["local", "status"]);
        match output.status.code() {
            Some(0) => true,
            Some(3) => false,
            _ => panic!("{output:?}"),
        }
    }

    /// The server's folder, whatever its version.
    fn instance(&self) -> PathBuf {
        fs::read_dir(&self.base)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    }

    fn pid_file(&self) -> PathBuf {
        self.instance().join("server/data/postmaster.pid")
    }

    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.pid_file()).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
    }

    /// Names in the server's folder that a setup had begun.
    fn half_made(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.instance().join("server")) else {
            return 0;
        };
        entries
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().starts_with("data.new")
            })
            .count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.run(&["local", "stop", "--force"]);
    }
}

/// A `local psql` that is at work.
struct Psql {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Psql {
    fn open(world: &World) -> Self {
        let mut child = world
            .dwsload(&["local", "psql", "--", "-XAt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut psql = Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        assert_eq!(psql.ask("SELECT 'here'"), "here\n");
        psql
    }

    fn ask(&mut self, sql: &str) -> String {
        writeln!(self.stdin.as_ref().unwrap(), "{sql};").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn pid(&self) -> Pid {
        pid(&self.child)
    }

    fn close(mut self) -> Option<i32> {
        self.stdin.take();
        self.child.wait().unwrap().code()
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Waits for something that tells no event; fails after a while.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5));
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_first_use_sets_it_up_and_says_so_once_and_the_last_use_stops_it() {
    let world = World::fresh();
    let first = world.run(&["local", "psql", "--", "-XAtc", "SELECT 1"]);
    assert_eq!(String::from_utf8_lossy(&first.stdout), "1\n", "{first:?}");
    assert!(stderr(&first).contains("(once)"), "{first:?}");
    assert!(!world.runs());
    let second = world.run(&["local", "psql", "--", "-XAtc", "SELECT 1"]);
    assert_eq!(stderr(&second), "");
}

#[test]
fn it_is_utf8_sorts_bytes_lives_in_utc_and_is_durable() {
    let world = World::ready();
    let said = world.sql(
        "SELECT current_user, current_database(), current_setting('server_encoding'), \
         'a' COLLATE \"default\" > 'B', upper('ä'), current_setting('timezone'), \
         current_setting('fsync'), current_setting('wal_level'), \
         current_setting('listen_addresses')",
    );
    assert_eq!(said, "dwsload|dwsload|UTF8|t|Ä|UTC|on|minimal|\n");
}

#[test]
fn nobody_else_can_enter_the_data_or_the_socket() {
    let world = World::ready();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&world.instance().join("server")), 0o700);
    assert_eq!(mode(&world.instance().join("server/data")), 0o700);
    let _psql = Psql::open(&world);
    assert_eq!(mode(&world.instance().join("server/.s.PGSQL.5432")), 0o700);
}

#[test]
fn psql_passes_its_exit_code_on() {
    let world = World::ready();
    let output = world.run(&["local", "psql", "--", "-Xc", "SELECT 1/0"]);
    assert_eq!(output.status.code(), Some(1));
    let output = world.run(&["local", "psql", "--", "-Xd", "nowhere", "-c", "SELECT 1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere"), "{output:?}");
    assert!(!world.runs());
}

#[test]
fn start_leaves_it_running_until_stop() {
    let world = World::ready();
    let output = world.run(&["local", "start"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let url = said
        .split_whitespace()
        .find(|word| word.starts_with("postgresql://"));
    let psql = Command::new("psql")
        .args([url.unwrap(), "-XAtc", "SELECT 42"])
        .output()
        .unwrap();
    assert_eq!(psql.stdout, b"42\n", "{psql:?}");
    assert_eq!(world.sql("SELECT 1"), "1\n");
    assert!(world.runs());
    assert!(world.run(&["local", "stop"]).status.success());
    assert!(!world.runs());
    world.sql("SELECT 1");
    assert!(
        !world.runs(),
        "the wish of an earlier start must not outlive its server"
    );
}

#[test]
fn the_first_to_leave_does_not_stop_it_under_the_second() {
    let world = World::ready();
    let mut first = Psql::open(&world);
    let mut second = Psql::open(&world);
    let server = world.postmaster();
    assert_eq!(first.ask("SELECT 1"), "1\n");
    assert_eq!(first.close(), Some(0));
    assert_eq!(second.ask("SELECT 2"), "2\n");
    assert_eq!(world.postmaster(), server);
    assert_eq!(second.close(), Some(0));
    assert!(!world.runs());
}

#[test]
fn many_at_once_share_one_setup_and_every_one_is_served() {
    let world = World::fresh();
    for _ in 0..4 {
        let children: Vec<Child> = (0..6)
            .map(|number| {
                world
                    .dwsload(&["local", "psql", "--", "-XAtc", &format!("SELECT {number}")])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for (number, child) in children.into_iter().enumerate() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(said, format!("{number}\n"), "{output:?}");
        }
        assert!(!world.runs());
    }
}

#[test]
fn stop_refuses_while_it_is_used_unless_forced() {
    let world = World::ready();
    let psql = Psql::open(&world);
    let output = world.run(&["local", "stop"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(stderr(&output).contains("is in use"), "{output:?}");
    if Path::new("/proc/locks").exists() {
        let user = psql.child.id().to_string();
        assert!(stderr(&output).contains(&user), "{output:?}");
    }
    assert!(world.runs());
    assert!(world.run(&["local", "stop", "--force"]).status.success());
    assert!(!world.runs());
    assert_eq!(psql.close(), Some(0));
}

#[test]
fn a_killed_dwsload_leaves_a_server_that_the_next_use_finds_and_stops() {
    let world = World::ready();
    let mut psql = Psql::open(&world);
    let server = world.postmaster();
    kill_process(psql.pid(), Signal::KILL).unwrap();
    psql.child.wait().unwrap();
    assert!(world.runs());
    assert_eq!(world.sql("SELECT 1"), "1\n");
    assert!(!world.runs());
    assert!(test_kill_process(server).is_err() || !world.pid_file().exists());
}

#[test]
fn a_killed_server_is_recovered_by_the_next_use_with_what_was_committed() {
    let world = World::ready();
    let mut psql = Psql::open(&world);
    psql.ask("CREATE TABLE t AS SELECT 7 AS n");
    kill_process(world.postmaster(), Signal::KILL).unwrap();
    assert_eq!(world.sql("SELECT n FROM t"), "7\n");
    assert!(psql.close().is_some());
    assert!(!world.runs() || world.sql("SELECT 1") == "1\n");
    assert!(!world.runs());
}

#[test]
fn a_pid_file_that_names_a_stranger_does_not_stop_the_next_use() {
    let world = World::ready();
    let psql = Psql::open(&world);
    kill_process(world.postmaster(), Signal::KILL).unwrap();
    psql.close();
    // Of the server's own user, so that PostgreSQL alone would refuse: another embedded server.
    let other = World::ready();
    let _stranger = Psql::open(&other);
    let left = fs::read_to_string(world.pid_file()).unwrap();
    let (_, rest) = left.split_once('\n').unwrap();
    let stranger = other.postmaster();
    fs::write(world.pid_file(), format!("{stranger}\n{rest}")).unwrap();
    assert!(!world.runs());
    assert_eq!(world.sql("SELECT 1"), "1\n");
    assert!(other.runs(), "the stranger must be left alone");
}

#[test]
fn an_interrupt_during_setup_ends_it_at_once_and_the_next_use_begins_anew() {
    let world = World::fresh();
    let child = world
        .dwsload(&["local", "start"])
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until("initdb begins", || {
        world.base.exists()
            && fs::read_dir(&world.base).unwrap().count() > 0
            && world.half_made() > 0
    });
    let begun = Instant::now();
    kill_process_group(pid(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(world.half_made(), 0);
    assert_eq!(world.sql("SELECT 1"), "1\n");
}

#[test]
fn a_kill_during_setup_leaves_nothing_that_looks_like_data() {
    let world = World::fresh();
    for round in 0..3 {
        let mut child = world
            .dwsload(&["local", "start"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("initdb begins", || {
            world.base.exists()
                && fs::read_dir(&world.base).unwrap().count() > 0
                && world.half_made() > 0
        });
        sleep(Duration::from_millis(150 * round));
        kill_process(pid(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
    }
    assert_eq!(world.sql("SELECT 1"), "1\n");
    assert!(!world.runs());
}

#[test]
fn a_kill_during_a_start_or_a_stop_is_repaired_by_the_next_use() {
    let world = World::ready();
    for delay in (0..300).step_by(25) {
        let mut child = world
            .dwsload(&["local", "psql", "--", "-XAtc", "SELECT 1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(delay));
        // One that has ended by then was a use like any other.
        let _ = kill_process(pid(&child), Signal::KILL);
        child.wait().unwrap();
        assert_eq!(world.sql("SELECT 1"), "1\n", "killed after {delay} ms");
    }
    assert!(!world.runs());
}

#[test]
fn ctrl_c_on_the_terminal_reaches_psql_and_not_the_server() {
    let world = World::ready();
    // The one who is interrupted has started the server.
    let mut interrupted = Psql::open(&world);
    let mut other = Psql::open(&world);
    let server = world.postmaster();
    // As the terminal does it: to the whole foreground group.
    kill_process_group(interrupted.pid(), Signal::INT).unwrap();
    let status = interrupted.child.wait().unwrap();
    // A psql that reads from a pipe ends with 3; dwsload lives on to say so.
    assert_eq!(status.code(), Some(3));
    assert_eq!(other.ask("SELECT 1"), "1\n");
    assert_eq!(world.postmaster(), server);
    assert_eq!(other.close(), Some(0));
    assert!(!world.runs());
}

#[test]
fn a_terminated_dwsload_stops_the_server_quickly() {
    let world = World::ready();
    let mut psql = Psql::open(&world);
    let begun = Instant::now();
    kill_process(psql.pid(), Signal::TERM).unwrap();
    psql.child.wait().unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(!world.runs());
}

#[test]
fn a_signal_while_the_server_stops_does_not_change_what_the_job_has_done() {
    let world = World::ready();
    let job = world.dir.path().join("job.yaml");
    let steps = "- sql: CREATE TABLE t (a text)\n- copy_from: {file: '-', table: t}\n";
    fs::write(
        &job,
        format!("connection: embedded\ntransaction: step\nsteps:\n{steps}"),
    )
    .unwrap();
    let mut run = world
        .dwsload(&[job.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap());
    let mut until_step = |step: &str| {
        let mut line = String::new();
        while !line.starts_with(step) {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "no {step}");
        }
    };
    until_step("1/2");
    // The session goes on; the shutdown does not begin.
    let postmaster = world.postmaster();
    kill_process(postmaster, Signal::STOP).unwrap();
    run.stdin.take().unwrap().write_all(b"x\n").unwrap();
    until_step("2/2");
    kill_process(pid(&run), Signal::TERM).unwrap();
    let sent = Instant::now();
    let ended = run.wait();
    let took = sent.elapsed();
    kill_process(postmaster, Signal::CONT).unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert_eq!(ended.unwrap().code(), Some(0), "{rest}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(rest.contains("has not ended yet"), "{rest}");
    assert!(rest.contains("job: done, 1 row loaded"), "{rest}");
    assert_eq!(world.sql("TABLE t"), "x\n");
}

#[test]
fn a_path_too_long_or_too_odd_for_a_socket_still_works() {
    for name in [&"x".repeat(120), "it's \"a\" $(folder), really"] {
        let world = World::named(name);
        assert_eq!(world.sql("SELECT 1"), "1\n", "{name}");
        let socket = world.run(&["local", "start"]);
        let said = String::from_utf8(socket.stdout).unwrap();
        let (_, host) = said.split_once("PGHOST=").unwrap();
        let folder = Path::new(host.split_whitespace().next().unwrap());
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{said}");
        assert!(world.run(&["local", "stop"]).status.success());
        fs::remove_dir(folder).unwrap();
    }
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let world = World::ready();
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(world.instance(), mode).unwrap();
    let output = world.run(&["local", "start"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("is open to others"), "{output:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let world = World::fresh();
    fs::write(&world.base, "a file").unwrap();
    let output = world.run(&["local", "start"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        stderr(&output).contains(world.dir.path().to_str().unwrap()),
        "{output:?}"
    );
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let world = World::ready();
    let conf = world.instance().join("server/data/postgresql.conf");
    let mut text = fs::read_to_string(&conf).unwrap();
    text.push_str("shared_buffers = nonsense\n");
    fs::write(&conf, text).unwrap();
    let output = world.run(&["local", "psql", "--", "-c", "SELECT 1"]);
    assert_eq!(output.status.code(), Some(5));
    let said = stderr(&output);
    assert!(
        said.contains("nonsense") && said.contains("server/log"),
        "{said}"
    );
}
