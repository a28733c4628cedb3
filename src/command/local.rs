//! `dwsload local`: the embedded server, by hand.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use super::runtime;
use super::signals::{INTERRUPT, Signals};
use crate::cli::Local;
use crate::embedded::{self, DATABASE, Embedded, Place, USER};
use crate::error::{Error, ErrorKind, Result};
use crate::run::Reason;

/// The exit code of `local status` for a server that does not run, as `service status` has it
/// (LSB) and `pg_ctl status`.
const NOT_RUNNING: u8 = 3;

/// Does what `action` says.
///
/// # Errors
/// What stopped it.
pub fn run(action: &Local) -> Result<ExitCode> {
    match action {
        Local::Start => wait_for(start()),
        Local::Stop { force } => stop(*force),
        Local::Status => status(),
        Local::Psql { args } => wait_for(psql(args)),
    }
}

fn wait_for(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    runtime()?.block_on(work)
}

async fn start() -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let embedded = Embedded::start(note, interruption(&mut signals)).await?;
    embedded.keep()?;
    let place = embedded.place();
    embedded.stop().await?;
    answer(&reach(&place))
}

fn stop(force: bool) -> Result<ExitCode> {
    let stopped = embedded::stop_all(force)?;
    if stopped.is_empty() {
        return answer("not running\n");
    }
    let lines: Vec<String> = stopped
        .iter()
        .map(|place| format!("PostgreSQL {} stopped\n", place.version))
        .collect();
    answer(&lines.concat())
}

fn status() -> Result<ExitCode> {
    let running = embedded::running()?;
    if running.is_empty() {
        answer(&format!(
            "not running (data: {})\n",
            embedded::base()?.display()
        ))?;
        return Ok(ExitCode::from(NOT_RUNNING));
    }
    let texts: Vec<String> = running.iter().map(state).collect();
    answer(&texts.join("\n"))
}

async fn psql(args: &[String]) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let embedded = Embedded::start(note, interruption(&mut signals)).await?;
    let program = embedded.psql()?;
    let place = embedded.place();
    // By the environment, so that `args` may say otherwise.
    let child = Command::new(&program)
        .args(args)
        .env("PGHOST", &place.socket)
        .env("PGPORT", place.port.to_string())
        .env("PGUSER", USER)
        .env("PGDATABASE", DATABASE)
        .env_remove("PGHOSTADDR")
        .env_remove("PGSERVICE")
        .spawn()
        .map_err(|cause| {
            Error::new(
                ErrorKind::Connect,
                format!("cannot run `{}`", program.display()),
            )
            .because(cause)
        })?;
    let status = outlive(child, &mut signals).await?;
    embedded.stop().await?;
    Ok(code(status))
}

/// Waits for a child that shares our terminal. Ctrl-C is its own affair: psql cancels a query
/// with it. What asks only us to end is passed on.
async fn outlive(mut child: Child, signals: &mut Signals) -> Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (send, mut ended) = mpsc::channel(1);
    std::thread::spawn(move || {
        // The receiver waits for nothing else.
        let _ = send.blocking_send(child.wait());
    });
    loop {
        tokio::select! {
            Some(status) = ended.recv() => {
                return status.map_err(|cause| {
                    Error::new(ErrorKind::Connect, "cannot wait for psql").because(cause)
                });
            }
            number = signals.next() => {
                if let (Some(pid), true) = (pid, number != INTERRUPT) {
                    // One that has just ended needs none.
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
        }
    }
}

/// A child's exit code as a shell tells it.
fn code(status: ExitStatus) -> ExitCode {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(
        number
            .and_then(|number| u8::try_from(number).ok())
            .unwrap_or(1),
    )
}

/// How to reach a server that was left running.
fn reach(place: &Place) -> String {
    let socket = place.socket.display();
    format!(
        "PostgreSQL {} is running until `dwsload local stop`\n\
         \x20 jobs:         connection: embedded\n\
         \x20 psql:         dwsload local psql\n\
         \x20 URL:          postgresql://{USER}@/{DATABASE}?host={socket}\n\
         \x20 environment:  PGHOST={socket} PGUSER={USER} PGDATABASE={DATABASE}\n",
        place.version
    )
}

/// What a running server is doing.
fn state(place: &Place) -> String {
    let users = if place.users.is_empty() {
        "none".to_owned()
    } else {
        let pids: Vec<String> = place.users.iter().map(u32::to_string).collect();
        format!("dwsload processes {}", pids.join(", "))
    };
    let state = match (place.ready, place.kept) {
        (false, _) => "is starting or stopping",
        (true, true) => "is running until `dwsload local stop`",
        (true, false) if place.users.is_empty() => {
            "was left running by a process that was killed; the next job or `dwsload local stop` ends it"
        }
        (true, false) => "is running until its last user leaves",
    };
    format!(
        "PostgreSQL {} {state}\n\
         \x20 process:  {}\n\
         \x20 since:    {}\n\
         \x20 users:    {users}\n\
         \x20 socket:   {}\n\
         \x20 data:     {}\n\
         \x20 log:      {}\n",
        place.version,
        place.pid,
        time(place.started),
        place.socket.display(),
        place.folder.join("server/data").display(),
        place.folder.join("server/log").display(),
    )
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| "unknown".to_owned(),
        |time| {
            let local = time.to_zoned(TimeZone::system());
            local.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        },
    )
}

fn note(text: &str) {
    // Nobody reads it, then.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes an answer to standard output; a reader who has gone does not mind.
fn answer(text: &str) -> Result<ExitCode> {
    let mut stdout = io::stdout();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Output, "cannot write to standard output").because(cause))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The error of a command that the next signal ends.
async fn interruption(signals: &mut Signals) -> Error {
    Reason::Signal(signals.next().await).error()
}
