//! The server's data, made once; and its start.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::account::Account;
use super::binaries::Binaries;
use super::child::{Cancel, TICK, command, run, tail};
use super::folder::trouble;
use super::postmaster::{Phase, Postmaster, clear};
use super::{DATABASE, USER, folder};
use crate::error::{Error, ErrorKind, Result};

/// The time a start may take, a recovery after a crash included.
const PATIENCE: Duration = Duration::from_secs(120);

/// The time that children of a killed server have to notice it: until then their shared memory
/// keeps a new one from starting.
const ORPHANS: Duration = Duration::from_secs(10);

/// The time a start that is cancelled has left: a server just begun can then be stopped in order.
const GRACE: Duration = Duration::from_millis(800);

/// A log longer than this, in bytes, is set aside at the next start.
const LOG_MAX: u64 = 10 << 20;

/// What differs from PostgreSQL's own defaults, as `ALTER SYSTEM` sets it: whoever uses the server
/// can change it back. Durability is untouched.
const SETTINGS: &[(&str, &str)] = &[
    // The same result on every machine.
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    // COPY into a table made or truncated in the same transaction needs no WAL.
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    // Fewer checkpoints in a load.
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "15min"),
    ("log_checkpoints", "off"),
];

/// Where and how the server of one version runs.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) instance: PathBuf,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
}

impl Plan {
    /// The running server; starts it, and makes its data first, where that is needed.
    ///
    /// # Errors
    /// It cannot be made or started, or `cancel` was set.
    pub(super) fn bring_up(&self, cancel: &Cancel, say: &dyn Fn(String)) -> Result<Postmaster> {
        let begun = Instant::now();
        loop {
            cancel.check()?;
            match Postmaster::find(&self.instance)? {
                Some(server) if server.phase == Phase::Ready => return self.checked(server),
                Some(_) if begun.elapsed() > PATIENCE => return Err(self.too_slow()),
                // Begun by a dwsload that was killed, or still ending.
                Some(_) => thread::sleep(TICK),
                None => {
                    self.make_data(cancel, say)?;
                    match self.start(cancel) {
                        Err(error) if !self.may_pass(begun) => return Err(error),
                        Err(_) => thread::sleep(10 * TICK),
                        Ok(()) => {}
                    }
                }
            }
        }
    }

    fn checked(&self, server: Postmaster) -> Result<Postmaster> {
        if server.answers() {
            return Ok(server);
        }
        Err(Error::new(
            ErrorKind::Connect,
            format!(
                "the embedded PostgreSQL runs (process {}) but does not answer at `{}`",
                server.pid(),
                server.socket.display()
            ),
        )
        .line("log", self.log().display().to_string())
        .hint("`dwsload local stop --force` stops it; the next use starts it anew"))
    }

    fn too_slow(&self) -> Error {
        Error::new(
            ErrorKind::Connect,
            format!(
                "the embedded PostgreSQL was not ready after {} s",
                PATIENCE.as_secs()
            ),
        )
        .line("output", tail(&fs::read(self.log()).unwrap_or_default()))
        .line("log", self.log().display().to_string())
    }

    /// Makes the data folder unless it is there. It gets its name when it is whole, so that a
    /// kill at any moment leaves nothing that looks like one.
    fn make_data(&self, cancel: &Cancel, say: &dyn Fn(String)) -> Result<()> {
        self.sweep()?;
        let data = self.server().join("data");
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        say(format!(
            "setting up the embedded PostgreSQL {} in {} (once)",
            self.binaries.major,
            self.instance.display()
        ));
        let name = format!("data.new.{}", std::process::id());
        let fresh = self.server().join(&name);
        let made = self
            .initialise(&name, cancel)
            .and_then(|()| self.configure(&name, cancel))
            .and_then(|()| self.sync(&name, cancel));
        if let Err(error) = made {
            // Its remains are swept at the next start, if not now.
            let _ = fs::remove_dir_all(&fresh);
            return Err(error.within(format!(
                "cannot set up the embedded PostgreSQL in `{}`",
                self.instance.display()
            )));
        }
        fs::rename(&fresh, &data).map_err(|cause| trouble("rename", &fresh, cause))?;
        File::open(self.server())
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| trouble("write", &data, cause))
    }

    /// Removes what setups that were killed have left. An initdb that outlived its dwsload may
    /// still be writing: then the rest waits for the next start.
    fn sweep(&self) -> Result<()> {
        let server = self.server();
        let entries = fs::read_dir(&server).map_err(|cause| trouble("read", &server, cause))?;
        for entry in entries.filter_map(std::result::Result::ok) {
            if entry.file_name().to_string_lossy().starts_with("data.new.") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    fn initialise(&self, name: &str, cancel: &Cancel) -> Result<()> {
        // Compares bytes, as DWS does by default, but knows letters beyond ASCII; plain C where
        // the system has no C.UTF-8.
        self.initdb(name, &["--lc-ctype=C.UTF-8"], cancel)
            .or_else(|error| {
                cancel.check()?;
                let said = fs::read(self.command_log()).unwrap_or_default();
                if String::from_utf8_lossy(&said).contains("locale name") {
                    return self.initdb(name, &[], cancel);
                }
                Err(error)
            })
    }

    fn initdb(&self, name: &str, locale: &[&str], cancel: &Cancel) -> Result<()> {
        let mut initdb = self.command("initdb");
        initdb
            .args([
                "--no-sync",
                "-D",
                name,
                "-U",
                USER,
                "-E",
                "UTF8",
                "--locale=C",
            ])
            .args(locale)
            // Who may connect is decided by who may enter the socket's folder.
            .args(["--auth-local=trust", "--auth-host=reject"]);
        run(initdb, "", &self.command_log(), cancel, Duration::ZERO)
    }

    /// Makes the database and the settings, without a server that could be connected to.
    fn configure(&self, name: &str, cancel: &Cancel) -> Result<()> {
        let mut postgres = self.command("postgres");
        postgres
            .args(["--single", "-c", "exit_on_error=on", "-c", "fsync=off"])
            .args(["-D", name, "postgres"]);
        // Each line is a statement.
        let mut sql = format!("CREATE DATABASE {DATABASE}\n");
        for (setting, value) in SETTINGS {
            sql.push_str(&format!("ALTER SYSTEM SET {setting} = '{value}'\n"));
        }
        run(postgres, &sql, &self.command_log(), cancel, Duration::ZERO)
    }

    /// Writes the new data to disk, once: the steps before did not.
    fn sync(&self, name: &str, cancel: &Cancel) -> Result<()> {
        let mut initdb = self.command("initdb");
        initdb.args(["--sync-only", "-D", name]);
        run(initdb, "", &self.command_log(), cancel, Duration::ZERO)
    }

    fn start(&self, cancel: &Cancel) -> Result<()> {
        let socket = folder::socket(&self.instance, &self.account)?;
        clear(&self.instance, &socket)?;
        let before = self.turn_log_over();
        let options = format!(
            "-c listen_addresses= -c unix_socket_permissions=0700 -c unix_socket_directories={} -c cluster_name={} -p 5432",
            socket.display(),
            folder::name(&self.instance)
        );
        let mut pg_ctl = self.command("pg_ctl");
        // Relative names: pg_ctl passes them through a shell.
        pg_ctl
            .args(["start", "-s", "-w", "-t", "60", "-D", "data", "-l", "log"])
            .args(["-o", &options]);
        run(pg_ctl, "", &self.command_log(), cancel, GRACE).map_err(|error| {
            error
                .within("cannot start the embedded PostgreSQL")
                .line("server", tail(&self.log_since(before)))
                .line("log", self.log().display().to_string())
        })
    }

    /// Whether a start that failed may succeed soon: somebody else's start won, or children of
    /// a killed server are still ending.
    fn may_pass(&self, begun: Instant) -> bool {
        let log = fs::read(self.log()).unwrap_or_default();
        matches!(Postmaster::find(&self.instance), Ok(Some(_)))
            || begun.elapsed() < ORPHANS && tail(&log).contains("shared memory block")
    }

    /// Sets a long log aside; the length of the one that will be written.
    fn turn_log_over(&self) -> u64 {
        let length = fs::metadata(self.log()).map_or(0, |log| log.len());
        if length > LOG_MAX && fs::rename(self.log(), self.server().join("log.old")).is_ok() {
            return 0;
        }
        length
    }

    fn log_since(&self, start: u64) -> Vec<u8> {
        let mut text = Vec::new();
        let _ = File::open(self.log()).and_then(|mut log| {
            log.seek(SeekFrom::Start(start))?;
            log.read_to_end(&mut text)
        });
        text
    }

    fn command(&self, program: &str) -> std::process::Command {
        command(
            &self.binaries.program(program),
            &self.account,
            &self.server(),
        )
    }

    fn server(&self) -> PathBuf {
        self.instance.join("server")
    }

    /// The server's log.
    fn log(&self) -> PathBuf {
        self.server().join("log")
    }

    fn command_log(&self) -> PathBuf {
        self.instance.join("command.log")
    }
}
