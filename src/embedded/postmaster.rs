//! The running server, as its `postmaster.pid` tells it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::child::TICK;
use super::folder::{self, trouble};
use crate::error::{Error, ErrorKind, Result};

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Ready,
    Stopping,
}

/// A server that runs on our data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    pid: Pid,
    /// Seconds since 1970.
    pub(super) started: i64,
    pub(super) port: u16,
    /// The folder of its socket; empty while it starts.
    pub(super) socket: PathBuf,
    pub(super) phase: Phase,
    name: String,
}

impl Postmaster {
    /// The server of `instance`, if it runs. A `postmaster.pid` that a killed server left does
    /// not count, even where its process number has found another owner.
    ///
    /// # Errors
    /// The file cannot be read, or a server answers that is out of our reach.
    pub(super) fn find(instance: &Path) -> Result<Option<Self>> {
        let Some(found) = read(instance)? else {
            return Ok(None);
        };
        if found.runs() {
            return Ok(Some(found));
        }
        if found.answers() {
            return Err(Error::new(
                ErrorKind::Connect,
                format!(
                    "a server answers at `{}`, but its process {} cannot be seen from here",
                    found.socket.display(),
                    found.pid
                ),
            )
            .hint(format!(
                "if it runs in another container, set {} to a folder of this one's own",
                folder::VARIABLE
            )));
        }
        Ok(None)
    }

    /// Whether its socket takes connections.
    pub(super) fn answers(&self) -> bool {
        UnixStream::connect(self.socket.join(format!(".s.PGSQL.{}", self.port))).is_ok()
    }

    /// Its process number.
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// What tells this run of the server from every other.
    pub(super) fn run(&self) -> String {
        format!("{} {}\n", self.pid, self.started)
    }

    /// Stops it: open transactions are rolled back and connections closed (PostgreSQL's fast
    /// shutdown, which SIGINT asks for). Says whether it was gone within `limit`; it goes on
    /// shutting down in any case.
    ///
    /// # Errors
    /// It belongs to somebody else.
    pub(super) fn stop(&self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        match kill_process(self.pid, Signal::INT) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(cause) => {
                return Err(Error::new(
                    ErrorKind::Connect,
                    format!("cannot stop the embedded PostgreSQL (process {})", self.pid),
                )
                .because(std::io::Error::from(cause)));
            }
        }
        while self.runs() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(TICK);
        }
        Ok(true)
    }

    /// Whether the process lives and is this server. Its command line says so, which everybody
    /// may read: root in a container may not look at another user's process more closely.
    fn runs(&self) -> bool {
        let option = format!("cluster_name={}", self.name);
        match fs::read(format!("/proc/{}/cmdline", self.pid)) {
            Ok(line) => line
                .split(|byte| *byte == 0)
                .any(|argument| argument == option.as_bytes()),
            Err(_) if Path::new("/proc/self/cmdline").exists() => false,
            Err(_) => Command::new("ps")
                .args(["-ww", "-o", "args=", "-p", &self.pid.to_string()])
                .output()
                .is_ok_and(|ps| String::from_utf8_lossy(&ps.stdout).contains(&option)),
        }
    }
}

/// Removes what a killed server left and what would keep a new one from starting: PostgreSQL
/// itself refuses when the process number in a lock file has found another owner.
///
/// Only when [`Postmaster::find`] has found none. Data is safe even from a child of the killed
/// server that still runs: a new server looks for its shared memory by the data folder's inode
/// (`PGSharedMemoryCreate`).
///
/// # Errors
/// A file cannot be removed.
pub(super) fn clear(instance: &Path, socket: &Path) -> Result<()> {
    let Some(left) = read(instance)? else {
        return Ok(());
    };
    let taken = test_kill_process(left.pid) != Err(rustix::io::Errno::SRCH);
    if !taken {
        return Ok(());
    }
    for file in [
        file(instance),
        socket.join(".s.PGSQL.5432"),
        socket.join(".s.PGSQL.5432.lock"),
    ] {
        match fs::remove_file(&file) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(trouble("remove", &file, cause));
            }
            _ => {}
        }
    }
    Ok(())
}

fn file(instance: &Path) -> PathBuf {
    instance.join("server/data/postmaster.pid")
}

fn read(instance: &Path) -> Result<Option<Postmaster>> {
    let path = file(instance);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text, folder::name(instance))),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(trouble("read", &path, cause)),
    }
}

/// The lines of `postmaster.pid` (PostgreSQL's `pidfile.h`): process, data folder, start time,
/// port, socket folder, address, shared memory, state. They are written one after the other, so
/// the later ones may be missing.
fn parse(text: &str, name: String) -> Option<Postmaster> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let line = |number: usize| lines.get(number - 1).copied().unwrap_or_default();
    Some(Postmaster {
        // 0 and less would be process groups.
        pid: line(1)
            .parse()
            .ok()
            .filter(|pid| *pid > 0)
            .and_then(Pid::from_raw)?,
        started: line(3).parse().unwrap_or_default(),
        port: line(4).parse().unwrap_or(5432),
        socket: line(5).into(),
        phase: match line(8) {
            "ready" | "standby" => Phase::Ready,
            "stopping" => Phase::Stopping,
            _ => Phase::Starting,
        },
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "4711\n/d/data\n1700000000\n5432\n/d\n\n  1 2\nready   \n";

    #[test]
    fn a_pid_file_tells_where_the_server_is_and_what_it_does() {
        let found = parse(FILE, "n".into()).unwrap();
        assert_eq!(
            (found.pid(), found.port, found.started),
            (4711, 5432, 1_700_000_000)
        );
        assert_eq!(found.phase, Phase::Ready);
        assert_eq!(found.socket, Path::new("/d"));
        assert_eq!(
            parse("4711\n/d/data\n", "n".into()).unwrap().phase,
            Phase::Starting
        );
        assert_eq!(parse("-4711\n", "n".into()), None);
        assert_eq!(parse("", "n".into()), None);
    }

    #[test]
    fn a_pid_that_belongs_to_another_process_is_no_server_and_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("server/data")).unwrap();
        let left = FILE.replace("4711", &std::process::id().to_string());
        fs::write(file(dir.path()), left).unwrap();
        assert_eq!(Postmaster::find(dir.path()).unwrap(), None);
        clear(dir.path(), dir.path()).unwrap();
        assert!(!file(dir.path()).exists());
    }
}
