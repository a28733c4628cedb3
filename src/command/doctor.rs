//! `dwsload doctor`

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use super::runtime;
use super::signals::Signals;
use super::terminal_width;
use crate::cli::Doctor;
use crate::doctor::{self, Look, Report, Subject};
use crate::embedded::Embedded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{self, Connection, Job, Overrides};
use crate::run::Reason;
use crate::secret::Secrets;
use crate::wire::environment::Environment;
use crate::wire::settings::Settings;
use crate::wire::target::Target;

/// Looks at a job, a URL, or what the environment says.
///
/// # Errors
/// A signal came first. What is wrong with the subject is in the lines, and in the exit code.
pub fn run(args: &Doctor) -> Result<ExitCode> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(supervise(args));
    // Not waited for: a thread may hang in a look-up or in a read.
    runtime.shutdown_background();
    outcome
}

/// Looks until the end, or until a signal. The embedded server is given back in any case.
async fn supervise(args: &Doctor) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut report = Report::new(Box::new(stdout()), look(args));
    let mut embedded = None;
    let outcome = match subject(args, &mut signals, &mut embedded, &mut report).await {
        None => Ok(()),
        Some(subject) => tokio::select! {
            biased;
            () = doctor::examine(subject, &mut report) => Ok(()),
            signal = signals.next() => Err(Reason::Signal(signal).error()),
        },
    };
    if let Some(embedded) = embedded {
        embedded.stop().await?;
    }
    outcome.map(|()| report.finish())
}

/// What is to be looked at; `None`, and said, where that is not to be known.
async fn subject(
    args: &Doctor,
    signals: &mut Signals,
    embedded: &mut Option<Embedded>,
    report: &mut Report,
) -> Option<Subject> {
    match args.subject.as_deref() {
        None => Some(Subject {
            target: resolved(&Settings::default()),
            given_in: "the environment",
            job: None,
        }),
        Some(url) if url.contains("://") => of_url(url, report),
        Some(path) => {
            let job = of_job(Path::new(path), args, report)?;
            let target = match &job.connection {
                Connection::Server(settings) => resolved(settings),
                Connection::Embedded => {
                    let interruption = async { Reason::Signal(signals.next().await).error() };
                    let started = Embedded::start(note, interruption).await;
                    started.map(|started| embedded.insert(started).target())
                }
            };
            Some(Subject {
                target,
                given_in: "the job file",
                job: Some(job),
            })
        }
    }
}

fn of_url(url: &str, report: &mut Report) -> Option<Subject> {
    match Settings::from_url(url) {
        Ok(settings) => {
            if let Some(password) = settings.get("password").filter(|text| !text.is_empty()) {
                let mut secrets = Secrets::default();
                secrets.add(password);
                report.hide(&secrets);
                report.warn(
                    "settings",
                    "the password stands on the command line, where other users of this machine can read it",
                    "put it into PGPASSWORD or ~/.pgpass",
                );
            }
            Some(Subject {
                target: resolved(&settings),
                given_in: "the URL",
                job: None,
            })
        }
        Err(message) => {
            report.fail("settings", &Error::new(ErrorKind::Usage, message));
            None
        }
    }
}

fn of_job(path: &Path, args: &Doctor, report: &mut Report) -> Option<Job> {
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        ..Overrides::default()
    };
    match job::load(path, &overrides) {
        Ok(job) => {
            report.hide(&job.secrets);
            Some(job)
        }
        Err(error) => {
            report.fail("job", &error);
            None
        }
    }
}

fn resolved(settings: &Settings) -> Result<Target> {
    Target::resolve(settings, &Environment::of_process())
}

/// Colours and line breaks are for a terminal.
fn look(args: &Doctor) -> Look {
    let terminal = stdout().is_terminal();
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Look {
        colour: terminal && !dumb && !set("NO_COLOR"),
        width: terminal_width(),
        quiet: args.quiet,
        verbose: args.verbose,
    }
}

fn note(text: &str) {
    // Nobody reads it, then.
    let _ = writeln!(stderr(), "{text}");
}
