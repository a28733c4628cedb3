//! One file per subcommand: each joins a job, the engine and what people see.

pub mod check;
pub mod doctor;
pub mod history;
pub mod local;
pub mod run;
pub mod schedule;
mod several;
mod signals;
mod supervise;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::{Error, ErrorKind, Result};

/// Does what the command line says.
///
/// # Errors
/// What stopped it; `main` prints it and exits with its code.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match (cli.command, cli.run) {
        (Some(Command::Run(job)), _) | (None, Some(job)) => run::run(&job),
        (Some(Command::Check(args)), _) => check::run(&args),
        (Some(Command::Doctor(args)), _) => doctor::run(&args),
        (Some(Command::History(args)), _) => history::run(&args),
        (Some(Command::Schedule(args)), _) => schedule::run(&args),
        (Some(Command::Local { action }), _) => local::run(&action),
        (None, None) => Ok(ExitCode::from(2)),
    }
}

/// What a command waits on, with all that it has open.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|cause| {
        Error::new(ErrorKind::Connect, "cannot wait for sockets and signals").because(cause)
    })
}

/// Columns of the terminal that standard output is, if it is one.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col));
    columns.filter(|_| stdout().is_terminal())
}
