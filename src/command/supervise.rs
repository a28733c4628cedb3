//! Work on a job, from its server to the end, stopped by a signal or when its time is over.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::signals::Signals;
use crate::embedded::Embedded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Connection, Job, Transaction};
use crate::progress::{Event, Observer};
use crate::run::{Reason, Stop, Stopper, stop};
use crate::wire::environment::Environment;
use crate::wire::target::Target;

/// How long stopped work may take to roll back by itself, before its connection is closed.
const GRACE: Duration = Duration::from_millis(1500);

/// Does `work` where the job runs, and stops it on a signal or when the job's time is over.
/// `transaction` is what it does between its COMMITs.
///
/// # Errors
/// Those of the work; or it was stopped.
pub(super) fn supervise<T>(
    job: &Job,
    transaction: Transaction,
    observer: &dyn Observer,
    work: impl AsyncFnOnce(&Target, Stop) -> Result<T>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| {
            Error::new(ErrorKind::Connect, "cannot wait for sockets and signals").because(cause)
        })?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut embedded = None;
        let work = async |mut stop: Stop| {
            let target = target(job, observer, &mut stop, &mut embedded).await?;
            // On the heap: a future that holds every stage of a job is large to move about.
            Box::pin(work(&target, stop)).await
        };
        let (outcome, deadline) = finish(job, transaction, &mut signals, work).await?;
        // What was done is decided; neither a signal nor the server's end changes it any more.
        if let Some(embedded) = embedded {
            give_back(embedded, deadline, &mut signals, observer).await;
        }
        outcome
    });
    // Not waited for: a thread may hang in a read that never returns.
    runtime.shutdown_background();
    outcome.map_err(|error| error.without(&job.secrets))
}

/// Brings `work` to its outcome. With it, where the work was stopped, until when this process may
/// go on.
///
/// # Errors
/// The work was stopped and did not get to its outcome in time.
async fn finish<T>(
    job: &Job,
    transaction: Transaction,
    signals: &mut Signals,
    work: impl AsyncFnOnce(Stop) -> Result<T>,
) -> Result<(Result<T>, Option<Instant>)> {
    let (stopper, stop) = stop();
    let mut work = pin!(work(stop));
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
        Err(_) => Err(abandoned(reason, &stopper, transaction, job.exactly_once)),
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
fn abandoned(
    reason: Reason,
    stopper: &Stopper,
    transaction: Transaction,
    exactly_once: bool,
) -> Error {
    if stopper.committing() {
        return reason
            .error()
            .with_kind(ErrorKind::Unknown)
            .line("state", "the COMMIT was on its way and was not answered: nobody knows whether it took place")
            .hint(if exactly_once {
                "run the job again: the ledger knows which files are in"
            } else {
                "look into the tables before you run the job again"
            });
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
