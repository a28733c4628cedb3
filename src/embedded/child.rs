//! PostgreSQL's own programs, run so that they are heard, bounded and out of reach of our Ctrl-C.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::account::Account;
use crate::error::{Error, ErrorKind, Result};

/// How long to sleep between two looks at something that tells no event.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Asks blocking work to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(super) fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// # Errors
    /// Cancelled.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(cancelled());
        }
        Ok(())
    }
}

/// Whoever cancels knows the reason; this error only ends the work.
fn cancelled() -> Error {
    Error::new(
        ErrorKind::Connect,
        "the embedded PostgreSQL was not waited for",
    )
}

/// A command that runs as `account` in `folder`.
///
/// It is in a process group of its own, so that Ctrl-C on our terminal does not reach it; it sees
/// no libpq or server setting of our environment, and it speaks English, because its log is read.
pub(super) fn command(program: &Path, account: &Account, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    command
        .env("LC_ALL", "C")
        .current_dir(folder)
        .process_group(0);
    if account.dropped {
        // Supplementary groups go with it: std clears them when root changes the user.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Runs `command` to its end, its output in the file `log`, `input` on its standard input.
///
/// After a cancel it has `grace` left, then it is killed with all that it started.
///
/// # Errors
/// It cannot be run, it fails, or it was killed: what it said last, and where the rest is.
pub(super) fn run(
    mut command: Command,
    input: &str,
    log: &Path,
    cancel: &Cancel,
    grace: Duration,
) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |cause: io::Error| {
        Error::new(ErrorKind::Connect, format!("cannot run `{name}`")).because(cause)
    };
    let output = File::create(log).map_err(|cause| {
        Error::new(
            ErrorKind::Connect,
            format!("cannot write `{}`", log.display()),
        )
        .because(cause)
    })?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended early says why in its log.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = wait(&mut child, cancel, grace).map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    cancel.check()?;
    Err(
        Error::new(ErrorKind::Connect, format!("`{name}` failed ({status})"))
            .line("output", tail(&fs::read(log).unwrap_or_default()))
            .line("log", log.display().to_string()),
    )
}

fn wait(child: &mut Child, cancel: &Cancel, grace: Duration) -> io::Result<ExitStatus> {
    let mut deadline = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.is_cancelled() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + grace);
            if Instant::now() >= deadline {
                kill(child);
                return child.wait();
            }
        }
        thread::sleep(TICK);
    }
}

/// Kills the child's whole group: initdb starts servers of its own.
fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
}

/// The last lines of a log, for an error.
pub(super) fn tail(log: &[u8]) -> String {
    const LINES: usize = 8;
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Account {
        Account {
            uid: 0,
            gid: 0,
            dropped: false,
        }
    }

    #[test]
    fn a_failed_command_shows_its_last_lines_and_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut shell = command(Path::new("/bin/sh"), &here(), dir.path());
        shell.args(["-c", "seq 1 20; echo no space >&2; exit 3"]);
        let error = run(shell, "", &log, &Cancel::default(), Duration::ZERO).unwrap_err();
        let text = crate::error::render(&error);
        assert!(text.contains("no space") && text.contains("20\n"), "{text}");
        assert!(!text.contains("output: 1\n"), "{text}");
        assert!(text.contains(log.to_str().unwrap()), "{text}");
    }

    #[test]
    fn a_cancelled_command_dies_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let mut shell = command(Path::new("/bin/sh"), &here(), dir.path());
        shell.args(["-c", "sleep 60 & wait"]);
        let begun = Instant::now();
        let outcome = run(shell, "", &dir.path().join("log"), &cancel, Duration::ZERO);
        assert!(outcome.is_err());
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
