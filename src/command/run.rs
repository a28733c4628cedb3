//! `dwsload JOB.yaml`

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::signals::Signals;
use crate::cli::{Progress, Run};
use crate::embedded::Embedded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{self, Connection, Job, Overrides, Transaction};
use crate::progress::{self, Event, Observer, Style};
use crate::run::{Reason, Stop, Stopper, Totals, stop};
use crate::wire::environment::Environment;
use crate::wire::target::Target;

/// The exit code of a job that is done, with rejected records.
const WITH_REJECTS: u8 = 3;
/// How long a stopped run may take to roll back by itself, before its connection is closed.
const GRACE: Duration = Duration::from_millis(1500);

/// Runs a job file.
///
/// # Errors
/// What stopped the job.
pub fn run(args: &Run) -> Result<ExitCode> {
    if let Some(word) = args.jobs.iter().find_map(|path| later(path)) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`dwsload {word}` is not supported yet"),
        ));
    }
    let [file] = args.jobs.as_slice() else {
        return Err(Error::new(
            ErrorKind::Usage,
            "several jobs in one run are not supported yet",
        )
        .hint("call dwsload once for each"));
    };
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
    };
    let job = job::load(file, &overrides)?;
    let observer = progress::observer(style(args), args.verbose, job.secrets.clone());
    for warning in &job.warnings {
        observer.observe(Event::Warning(warning));
    }
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| {
            Error::new(ErrorKind::Connect, "cannot wait for sockets and signals").because(cause)
        })?;
    let outcome = runtime.block_on(supervise(&job, observer.as_ref()));
    // Not waited for: a thread may hang in a read that never returns.
    runtime.shutdown_background();
    let totals = outcome.map_err(|error| error.without(&job.secrets))?;
    observer.observe(Event::JobDone {
        job: &job.name,
        totals,
        elapsed: started.elapsed(),
    });
    Ok(if totals.rejected > 0 {
        ExitCode::from(WITH_REJECTS)
    } else {
        ExitCode::SUCCESS
    })
}

/// A word that will be a command, where it is not the name of a file.
fn later(path: &Path) -> Option<&str> {
    const WORDS: [&str; 6] = ["check", "init", "history", "schema", "completions", "man"];
    let word = path.to_str().filter(|word| WORDS.contains(word))?;
    (!path.exists()).then_some(word)
}

fn style(args: &Run) -> Style {
    match args.progress {
        _ if args.quiet => Style::None,
        Progress::Auto => Style::Auto,
        Progress::Bar => Style::Bar,
        Progress::Plain => Style::Plain,
        Progress::None => Style::None,
    }
}

/// Runs the job, and stops it on a signal or when its time is over.
async fn supervise(job: &Job, observer: &dyn Observer) -> Result<Totals> {
    let mut signals = Signals::listen()?;
    let mut embedded = None;
    let (outcome, deadline) = finish(job, observer, &mut signals, &mut embedded).await?;
    // What the job did is decided; neither a signal nor the server's end changes it any more.
    if let Some(embedded) = embedded {
        give_back(embedded, deadline, &mut signals, observer).await;
    }
    outcome
}

/// Runs the job to its outcome. With it, where the job was stopped, until when this process may
/// go on.
///
/// # Errors
/// The job was stopped and did not get to its outcome in time.
async fn finish(
    job: &Job,
    observer: &dyn Observer,
    signals: &mut Signals,
    embedded: &mut Option<Embedded>,
) -> Result<(Result<Totals>, Option<Instant>)> {
    let (stopper, stop) = stop();
    let mut work = pin!(connect_and_run(job, observer, stop, embedded));
    let started = Instant::now();
    // A time beyond the clock never comes.
    let limit = job.timeout.and_then(|timeout| started.checked_add(timeout));
    let reason = tokio::select! {
        biased;
        outcome = &mut work => return Ok((outcome, None)),
        signal = signals.next() => Reason::Signal(signal),
        () = sleep_until(limit.unwrap_or(started)), if limit.is_some() => {
            Reason::Timeout(job.timeout.unwrap_or_default())
        }
    };
    let deadline = Instant::now() + GRACE;
    let grace = timeout_at(deadline, async {
        // The run goes on while it is told to stop: it takes the server's answer to the cancel.
        let (outcome, ()) = futures::join!(&mut work, stopper.stop(reason));
        outcome
    });
    match grace.await {
        Ok(outcome) => Ok((outcome, Some(deadline))),
        Err(_) => Err(abandoned(reason, &stopper, job.transaction)),
    }
}

/// Gives the embedded server back: the last user stops it. That may take until `deadline`, or a
/// while after a signal.
async fn give_back(
    embedded: Embedded,
    deadline: Option<Instant>,
    signals: &mut Signals,
    observer: &dyn Observer,
) {
    let hurry = async {
        let deadline = match deadline {
            Some(deadline) => deadline,
            None => {
                signals.next().await;
                Instant::now() + GRACE
            }
        };
        sleep_until(deadline).await;
    };
    tokio::select! {
        biased;
        stopped = embedded.stop() => {
            if let Err(error) = stopped {
                // A server left running is no failure of the job.
                observer.observe(Event::Warning(&error.to_string()));
            }
        }
        () = hurry => observer.observe(Event::Warning(
            "the embedded PostgreSQL has not ended yet; it was told to",
        )),
    }
}

/// A run that did not end in time. Its connection is closed, so the server rolls back, unless it
/// was about to commit, or the statement under way stands for itself.
fn abandoned(reason: Reason, stopper: &Stopper, transaction: Transaction) -> Error {
    if stopper.committing() {
        return reason
            .error()
            .with_kind(ErrorKind::Unknown)
            .line("state", "the COMMIT was on its way and was not answered: nobody knows whether it took place")
            .hint("look into the tables before you run the job again");
    }
    let state = match transaction {
        Transaction::Job | Transaction::Step => {
            "the server did not answer; the connection is closed, so what was not committed is rolled back"
        }
        Transaction::None => {
            "the server did not answer; each statement that succeeded is committed, and the one under way may yet be (`transaction: none`)"
        }
    };
    reason.error().line("state", state)
}

/// Leaves the use of the embedded server, if the job has one, in `embedded`: to be given back.
async fn connect_and_run(
    job: &Job,
    observer: &dyn Observer,
    mut stop: Stop,
    embedded: &mut Option<Embedded>,
) -> Result<Totals> {
    let target = target(job, observer, &mut stop, embedded).await?;
    // On the heap: a future that holds every stage of a job is large to move about.
    Box::pin(crate::run::run(job, &target, observer, stop)).await
}

/// Where the job runs. An embedded server is started for it, and its use left in `embedded`.
async fn target(
    job: &Job,
    observer: &dyn Observer,
    stop: &mut Stop,
    embedded: &mut Option<Embedded>,
) -> Result<Target> {
    match &job.connection {
        Connection::Embedded => {
            let say = |text: &str| observer.observe(Event::Preparing(text));
            let started = Embedded::start(say, async { stop.wait().await.error() }).await?;
            Ok(embedded.insert(started).target())
        }
        Connection::Server(settings) => {
            let target = Target::resolve(settings, &Environment::of_process())?;
            for warning in &target.warnings {
                observer.observe(Event::Warning(warning));
            }
            Ok(target)
        }
    }
}
