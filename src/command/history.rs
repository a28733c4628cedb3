//! `dwsload history`

use std::io::{self, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::runtime;
use super::signals::Signals;
use crate::cli::History;
use crate::embedded::Embedded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{self, Connection, Job, Overrides};
use crate::ledger::{self, Line};
use crate::progress::{self, Event, Observer, Table, wording};
use crate::run::{self, Reason};
use crate::secret::Secrets;
use crate::wire::connect::connect;
use crate::wire::environment::Environment;
use crate::wire::server::identify;
use crate::wire::session::Column;
use crate::wire::settings::Settings;
use crate::wire::target::Target;

/// The types of the columns that people see: text, and numbers to the right.
const TEXT: u32 = 25;
const NUMBER: u32 = 20;

/// Prints what the ledger of a job, or of a database, has.
///
/// # Errors
/// There is no connection or no ledger, or a signal came first.
pub fn run(args: &History) -> Result<ExitCode> {
    let (job, settings) = subject(args)?;
    let secrets = match &job {
        Some(job) => job.secrets.clone(),
        None => hidden(&settings),
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(supervise(args, job.as_ref(), &settings));
    runtime.shutdown_background();
    outcome.map_err(|error| error.without(&secrets))?;
    Ok(ExitCode::SUCCESS)
}

/// The job, where there is one, and the settings of the connection.
fn subject(args: &History) -> Result<(Option<Job>, Settings)> {
    match args.subject.as_deref() {
        None => Ok((None, Settings::default())),
        Some(url) if url.contains("://") => {
            let settings = Settings::from_url(url);
            let settings = settings.map_err(|what| Error::new(ErrorKind::Usage, what))?;
            Ok((None, settings))
        }
        Some(path) => {
            let overrides = Overrides {
                vars: args.vars.iter().cloned().collect(),
                ..Overrides::default()
            };
            let job = job::load(Path::new(path), &overrides)?;
            let settings = match &job.connection {
                Connection::Server(settings) => settings.clone(),
                Connection::Embedded => Settings::default(),
            };
            Ok((Some(job), settings))
        }
    }
}

fn hidden(settings: &Settings) -> Secrets {
    let mut secrets = Secrets::default();
    if let Some(password) = settings.get("password") {
        secrets.add(password);
    }
    secrets
}

/// Looks, until the end or a signal. The embedded server is given back in any case.
async fn supervise(args: &History, job: Option<&Job>, settings: &Settings) -> Result<()> {
    let mut signals = Signals::listen()?;
    let mut embedded = None;
    let target = if job.is_some_and(|job| matches!(job.connection, Connection::Embedded)) {
        let interruption = async { Reason::Signal(signals.next().await).error() };
        let started = Embedded::start(say, interruption).await?;
        embedded.insert(started).target()
    } else {
        Target::resolve(settings, &Environment::of_process())?
    };
    let outcome = tokio::select! {
        biased;
        outcome = Box::pin(look(args, job, &target)) => outcome,
        signal = signals.next() => Err(Reason::Signal(signal).error()),
    };
    if let Some(embedded) = embedded {
        embedded.stop().await?;
    }
    outcome
}

async fn look(args: &History, job: Option<&Job>, target: &Target) -> Result<()> {
    let mut session = connect(target, "dwsload:history").await?;
    let session = &mut session;
    identify(session, job.and_then(|job| job.server)).await?;
    if let Some(job) = job {
        // The search path decides which ledger it is.
        run::settings(job, session, &Warnings).await?;
    }
    let named = job.and_then(|job| job.ledger.as_ref());
    let name = job.map(|job| job.name.as_str());
    if let Some(age) = args.forget {
        let older = humantime::format_duration(age);
        let tell = |files: u64| {
            say(&format!(
                "{} file{} loaded more than {older} ago, to be forgotten",
                wording::count(files),
                if files == 1 { "" } else { "s" }
            ));
        };
        return ledger::forget(named, name, age.as_secs(), tell, session).await;
    }
    let lines = ledger::history(named, name, args.limit, session).await?;
    print(args, name, &lines)
}

fn print(args: &History, job: Option<&str>, lines: &[Line]) -> Result<()> {
    let text = if args.json {
        lines.iter().map(|line| as_json(line) + "\n").collect()
    } else {
        progress::drawn(&table(job, lines))
    };
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Output, "cannot write to stdout").because(error))
        }
        _ => Ok(()),
    }
}

/// One object; its keys are documented.
fn as_json(line: &Line) -> String {
    let (size, hash) = match &line.content {
        Some((size, hash)) => (Some(size), Some(hash)),
        None => (None, None),
    };
    let at = Timestamp::from_second(line.at).unwrap_or_default();
    json!({
        "job": line.job,
        "step": line.step,
        "file": line.source,
        "table": line.target,
        "size": size,
        "hash": hash,
        "batches": line.batches.map(|(done, _)| done),
        "batches_of": line.batches.and_then(|(_, of)| of),
        "complete": !line.is_unfinished,
        "end_offset": line.end,
        "rows": line.loaded,
        "rejected": line.rejected,
        "filtered": line.filtered,
        "loaded_at": at.to_string(),
        "run": line.run,
        "host": line.host,
        "pid": line.process,
        "user": line.user,
    })
    .to_string()
}

/// What people see. The job stands there where it is not asked for.
fn table(job: Option<&str>, lines: &[Line]) -> Table {
    let column = |name: &str, type_oid| Column {
        name: name.into(),
        type_oid,
    };
    let mut columns = vec![
        column("file", TEXT),
        column("table", TEXT),
        column("rows", NUMBER),
        column("rejected", NUMBER),
        column("when", TEXT),
        column("run", TEXT),
        column("host", TEXT),
        column("user", TEXT),
    ];
    let in_batches = lines.iter().any(|line| line.batches.is_some());
    if in_batches {
        columns.insert(2, column("batches", TEXT));
    }
    if job.is_none() {
        columns.insert(0, column("job", TEXT));
    }
    let zone = TimeZone::system();
    let row = |line: &Line| {
        let at = Timestamp::from_second(line.at).unwrap_or_default();
        let at = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
        let mut row = vec![
            line.source.clone(),
            line.target.clone(),
            line.loaded.to_string(),
            line.rejected.to_string(),
            at.to_string(),
            line.run.clone(),
            line.host.clone(),
            line.user.clone(),
        ];
        if in_batches {
            row.insert(2, batches(line));
        }
        if job.is_none() {
            row.insert(0, line.job.clone());
        }
        row.into_iter().map(Some).collect()
    };
    Table {
        columns,
        rows: lines.iter().map(row).collect(),
        total: lines.len() as u64,
    }
}

/// `5`, or `3 of 5` where not all are in; nothing for a file that was loaded as one.
fn batches(line: &Line) -> String {
    match line.batches {
        None => String::new(),
        Some((done, _)) if !line.is_unfinished => done.to_string(),
        Some((done, Some(of))) => format!("{done} of {of}"),
        Some((done, None)) => format!("{done}, and more to come"),
    }
}

/// What a connection is warned of.
struct Warnings;

impl Observer for Warnings {
    fn observe(&self, event: Event<'_>) {
        if let Event::Warning(text) = event {
            say(&format!("warning: {text}"));
        }
    }
}

fn say(text: &str) {
    // Nobody reads it, then.
    let _ = writeln!(stderr(), "{text}");
}
