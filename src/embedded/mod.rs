//! `connection: embedded`: a private PostgreSQL from the installed binaries, for trying things,
//! for checks and tests. Not for production.
//!
//! It listens on a Unix socket only, in a folder that only its user can enter, and never runs as
//! root. Every dwsload of a user shares it: the first starts it, the last one stops it, unless
//! `dwsload local start` asked to leave it running. Locks decide who is last (`share`), and
//! nothing but the server's own `postmaster.pid` is believed about whether it runs
//! (`postmaster`), so a kill of dwsload or of the server at any moment is repaired by the next
//! use.
//!
//! Superuser and database are `dwsload`, the encoding is UTF8, text sorts by its bytes, the time
//! zone is UTC. Data is as durable as PostgreSQL's defaults make it. Each major version of
//! PostgreSQL has data of its own.

mod account;
mod binaries;
mod child;
mod folder;
mod postmaster;
mod setup;
mod share;

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::target::{Address, ChannelBinding, Host, Target};
use account::Account;
use binaries::Binaries;
use child::Cancel;
use folder::trouble;
use postmaster::{Phase, Postmaster};
use setup::Plan;
use share::Usage;

/// The server's superuser.
pub const USER: &str = "dwsload";
/// The database that jobs use.
pub const DATABASE: &str = "dwsload";

/// How long to wait for a turn at starting and stopping: another dwsload may be making the data.
const TURN: Duration = Duration::from_secs(180);
/// How long a stop that nobody is in a hurry about is waited for.
const SHUTDOWN: Duration = Duration::from_secs(60);
/// The same for one whose dwsload is about to end. The server ends by itself.
const HURRY: Duration = Duration::from_secs(1);

/// A use of the embedded server. Dropped, it is given back, as by [`Embedded::stop`] but with
/// less patience.
#[derive(Debug)]
pub struct Embedded {
    instance: PathBuf,
    server: Postmaster,
    binaries: Binaries,
    /// `None` once given back.
    usage: Option<Usage>,
}

impl Embedded {
    /// Starts the server, or joins those who use it.
    ///
    /// `say` hears of work that takes its time (the first setup). When `interrupted` comes
    /// first, what was begun is ended within a second or so and its error is returned.
    ///
    /// # Errors
    /// PostgreSQL is not installed, its folders cannot be used, it does not start, or the error
    /// of `interrupted`.
    ///
    /// # Cancel safety
    /// Dropped, the work ends soon, but nobody waits for that; prefer `interrupted`.
    pub async fn start(
        say: impl Fn(&str),
        interrupted: impl Future<Output = Error>,
    ) -> Result<Self> {
        let (send, mut heard) = mpsc::unbounded_channel::<String>();
        let dropped = CancelOnDrop(Cancel::default());
        let cancel = dropped.0.clone();
        let mut work = spawn_blocking(move || {
            start(&cancel, &|text| {
                // Nobody listens after an interruption.
                let _ = send.send(text);
            })
        });
        let mut interrupted = pin!(interrupted);
        let mut reason = None;
        let outcome = loop {
            tokio::select! {
                biased;
                Some(text) = heard.recv() => say(&text),
                outcome = &mut work => break outcome,
                error = &mut interrupted, if reason.is_none() => {
                    dropped.0.cancel();
                    reason = Some(error);
                }
            }
        };
        match reason {
            // A server that came up all the same is given back by its Drop.
            Some(reason) => Err(reason),
            None => outcome.map_err(broken)?,
        }
    }

    /// How to connect to it.
    pub fn target(&self) -> Target {
        target(&self.server.socket, self.server.port)
    }

    /// Where it is, for people and other programs.
    pub fn place(&self) -> Place {
        Place::new(&self.instance, &self.server)
    }

    /// The path of a psql for it.
    ///
    /// # Errors
    /// There is none installed.
    pub fn psql(&self) -> Result<PathBuf> {
        binaries::psql(&self.binaries)
    }

    /// Lets it run on when nobody uses it, until `dwsload local stop` or a restart of the
    /// machine.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn keep(&self) -> Result<()> {
        let mark = self.instance.join("keep");
        fs::write(&mark, self.server.run()).map_err(|cause| trouble("write", &mark, cause))
    }

    /// Gives it back: the last user stops it.
    ///
    /// # Errors
    /// It cannot be stopped, or has not ended after a minute.
    ///
    /// # Cancel safety
    /// Dropped, the stop goes on, but nobody waits for it.
    pub async fn stop(mut self) -> Result<()> {
        spawn_blocking(move || self.give_back(SHUTDOWN))
            .await
            .map_err(broken)?
    }

    fn give_back(&mut self, limit: Duration) -> Result<()> {
        let Some(usage) = self.usage.take() else {
            return Ok(());
        };
        let turn = share::take_turn(&self.instance, limit, &Cancel::default())?;
        leave(&self.instance, usage, &turn, limit)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // A server that is not stopped now is found and stopped by the next use.
        let _ = self.give_back(HURRY);
    }
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The embedded server's way to connect. The one place that builds its [`Target`].
fn target(socket: &Path, port: u16) -> Target {
    let host = Host {
        address: Address::Unix(socket.to_owned()),
        port,
        password: None,
    };
    Target {
        channel_binding: ChannelBinding::Disable,
        ..Target::new(host, USER, DATABASE)
    }
}

/// The blocking half of [`Embedded::start`].
fn start(cancel: &Cancel, say: &dyn Fn(String)) -> Result<Embedded> {
    let binaries = Binaries::find()?;
    let account = Account::of_server()?;
    let instance = folder::prepare(&folder::base()?, binaries.major, &account)?;
    let turn = share::take_turn(&instance, TURN, cancel)?;
    let usage = share::join(&instance, &turn)?;
    let plan = Plan {
        instance,
        account,
        binaries,
    };
    match plan.bring_up(cancel, say) {
        Ok(server) => Ok(Embedded {
            instance: plan.instance,
            server,
            binaries: plan.binaries,
            usage: Some(usage),
        }),
        Err(error) => {
            // The first error says more.
            let _ = leave(&plan.instance, usage, &turn, HURRY);
            Err(error)
        }
    }
}

/// Ends one use, and stops the server if it was the last.
fn leave(instance: &Path, usage: Usage, turn: &share::Turn, limit: Duration) -> Result<()> {
    drop(usage);
    if !share::unused(instance, turn)? {
        return Ok(());
    }
    let Some(server) = Postmaster::find(instance)? else {
        return Ok(());
    };
    // The mark of an earlier run, before a crash or a restart of the machine, does not count.
    if fs::read_to_string(instance.join("keep")).is_ok_and(|run| run == server.run()) {
        return Ok(());
    }
    shut_down(&server, limit)
}

fn shut_down(server: &Postmaster, limit: Duration) -> Result<()> {
    if server.stop(limit)? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Connect,
        format!(
            "the embedded PostgreSQL (process {}) was told to stop and has not ended after {} s",
            server.pid(),
            limit.as_secs()
        ),
    ))
}

fn broken(cause: tokio::task::JoinError) -> Error {
    Error::new(
        ErrorKind::Connect,
        "the start or stop of the embedded PostgreSQL was cut off",
    )
    .because(cause)
}

/// A running server, for people and other programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder of this version: data, log, locks.
    pub folder: PathBuf,
    /// The major version of PostgreSQL.
    pub version: String,
    /// The folder of the socket.
    pub socket: PathBuf,
    /// The port: it only names the socket.
    pub port: u16,
    /// The server's process.
    pub pid: u32,
    /// When it was started, in seconds since 1970.
    pub started: i64,
    /// Whether it takes connections now.
    pub ready: bool,
    /// Whether it runs on when nobody uses it.
    pub kept: bool,
    /// The dwsload processes that use it, where the system tells.
    pub users: Vec<u32>,
}

impl Place {
    fn new(instance: &Path, server: &Postmaster) -> Self {
        let version = fs::read_to_string(instance.join("server/data/PG_VERSION"));
        Self {
            folder: instance.to_owned(),
            version: version.unwrap_or_default().trim().to_owned(),
            socket: server.socket.clone(),
            port: server.port,
            pid: server.pid(),
            started: server.started,
            ready: server.phase == Phase::Ready,
            kept: fs::read_to_string(instance.join("keep")).is_ok_and(|run| run == server.run()),
            users: share::users(instance),
        }
    }
}

/// Where the data of embedded servers is or will be.
///
/// # Errors
/// No home folder is known.
pub fn base() -> Result<PathBuf> {
    folder::base()
}

/// The embedded servers that run; more than one only where several versions are installed.
///
/// # Errors
/// A folder cannot be read.
pub fn running() -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for instance in folder::existing(&folder::base()?) {
        if let Some(server) = Postmaster::find(&instance)? {
            found.push(Place::new(&instance, &server));
        }
    }
    Ok(found)
}

/// Stops every embedded server, kept or not; says which ones it stopped. `force` stops those
/// that are in use, too. Blocks until they have ended.
///
/// # Errors
/// One is in use and `force` is not set: which processes use it. Or it cannot be stopped.
pub fn stop_all(force: bool) -> Result<Vec<Place>> {
    let mut stopped = Vec::new();
    for instance in folder::existing(&folder::base()?) {
        let turn = share::take_turn(&instance, TURN, &Cancel::default())?;
        let Some(server) = Postmaster::find(&instance)? else {
            continue;
        };
        let place = Place::new(&instance, &server);
        if !force && !share::unused(&instance, &turn)? {
            return Err(in_use(&place));
        }
        shut_down(&server, SHUTDOWN)?;
        stopped.push(place);
    }
    Ok(stopped)
}

fn in_use(place: &Place) -> Error {
    let users: Vec<String> = place.users.iter().map(u32::to_string).collect();
    let error = Error::new(
        ErrorKind::Connect,
        format!("the embedded PostgreSQL {} is in use", place.version),
    )
    .hint("wait for them, or `dwsload local stop --force`, which rolls their work back");
    if users.is_empty() {
        error
    } else {
        error.line("dwsload processes", users.join(", "))
    }
}
