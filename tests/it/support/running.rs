//! Runs of the binary that a test looks at, feeds and stops while they are under way.

use std::io::Write;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::Database;
use super::{Ran, Workplace};

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for an event: asks until there is an answer.
///
/// # Panics
/// There is none within half a minute.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// A run under way. Its input is a pipe that stays open.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Writes `yaml` as `NAME.yaml`, and starts it.
    pub(crate) fn start(place: &Workplace, name: &str, yaml: &str) -> Self {
        let job = place.file(&format!("{name}.yaml"), yaml);
        let child = place
            .dwsload()
            .arg(job)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("the binary runs"))
    }

    /// Gives it more input. It reads in blocks of 64 KiB, and begins a COPY with its first one.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let stdin = self.0.stdin.as_mut().expect("its input is a pipe");
        stdin.write_all(bytes).expect("it reads its input");
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it is there");
    }

    /// Closes its input and waits for its end.
    pub(crate) fn closed(mut self) -> Ran {
        drop(self.0.stdin.take());
        self.end()
    }

    /// Waits for its end, its input still open.
    pub(crate) fn end(mut self) -> Ran {
        let input = self.0.stdin.take();
        let ran = Ran::of(self.0.wait_with_output().expect("it ends"));
        drop(input);
        ran
    }
}

/// The process of the server that serves the job `name`, once what it runs begins with `query`.
pub(crate) fn backend(database: &Database, name: &str, query: &str) -> String {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'dwsload:{name}' \
         AND datname = current_database() AND state = 'active' AND query LIKE '{query}%'"
    );
    until(&format!("{name} to run {query}"), || {
        Some(database.psql(&sql)).filter(|pid| !pid.is_empty())
    })
}

/// Waits until the server has nobody left of the job `name`.
pub(crate) fn gone(database: &Database, name: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dwsload:{name}' \
         AND datname = current_database()"
    );
    until(&format!("the end of {name} on the server"), || {
        (database.psql(&sql) == "0").then_some(())
    });
}
