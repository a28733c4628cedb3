//! Work on a job, from its server to the end, stopped by a signal or when its time is over.

use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::runtime;
use super::signals::Signals;
use crate::embedded::Embedded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Connection, Job, Transaction};
use crate::lock;
use crate::progress::{Event, Observer, Pulse};
use crate::run::{Reason, Stop, Stopper, stop};
use crate::wire::environment::Environment;
use crate::wire::target::Target;

/// How long stopped work may take to roll back by itself, before its connection is closed.
const GRACE: Duration = Duration::from_millis(1500);

/// What runs work: one clock and one ear for signals, over all jobs of a command.
pub(super) struct Supervisor<'a> {
    runtime: &'a Runtime,
    signals: Signals,
}

/// How a job's work is looked after.
#[derive(Clone, Copy)]
pub(super) struct Care<'a> {
    pub(super) job: &'a Job,
    /// What it does between its COMMITs.
    pub(super) transaction: Transaction,
    pub(super) observer: &'a dyn Observer,
    /// Of a run, that no other is under way and that it moves; a check needs neither.
    pub(super) run: Option<&'a Pulse<'a>>,
}

/// Gives `work` a supervisor.
///
/// # Errors
/// Those of the work; or the system gives no sockets or signals.
pub(super) fn supervised<T>(work: impl FnOnce(&mut Supervisor<'_>) -> Result<T>) -> Result<T> {
    let runtime = runtime()?;
    let outcome = runtime
        .block_on(async { Signals::listen() })
        .and_then(|signals| {
            work(&mut Supervisor {
                runtime: &runtime,
                signals,
            })
        });
    // Not waited for: a thread may hang in a read that never returns.
    runtime.shutdown_background();
    outcome
}

impl Supervisor<'_> {
    /// Does `work` where the job runs, and stops it on a signal or when the job's time is over.
    ///
    /// # Errors
    /// Those of the work; or it was stopped.
    pub(super) fn supervise<T>(
        &mut self,
        care: Care<'_>,
        work: impl AsyncFnOnce(&Target, Stop) -> Result<T>,
    ) -> Result<T> {
        let Care { job, observer, .. } = care;
        let signals = &mut self.signals;
        let outcome = self.runtime.block_on(async {
            let mut embedded = None;
            let work = async |mut stop: Stop| {
                let _lock = match care.run {
                    Some(_) => lock::take_on_host(job, observer, &mut stop).await?,
                    None => None,
                };
                let target = target(job, observer, &mut stop, &mut embedded).await?;
                // On the heap: a future that holds every stage of a job is large to move about.
                Box::pin(work(&target, stop)).await
            };
            let (outcome, deadline) = finish(care, signals, work).await?;
            // What was done is decided; neither a signal nor the server's end changes it any more.
            if let Some(embedded) = embedded {
                give_back(embedded, deadline, signals, observer).await;
            }
            outcome
        });
        outcome.map_err(|error| error.without(&job.secrets))
    }

    /// Waits so long.
    ///
    /// # Errors
    /// A signal came first.
    pub(super) fn pause(&mut self, time: Duration) -> Result<()> {
        let signals = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => Ok(()),
                signal = signals.next() => Err(Reason::Signal(signal).error().line("state", "nothing was opened")),
            }
        })
    }
}

/// Brings `work` to its outcome. With it, where the work was stopped, until when this process may
/// go on.
///
/// # Errors
/// The work was stopped and did not get to its outcome in time.
async fn finish<T>(
    care: Care<'_>,
    signals: &mut Signals,
    work: impl AsyncFnOnce(Stop) -> Result<T>,
) -> Result<(Result<T>, Option<Instant>)> {
    let job = care.job;
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
        limit = stillness(care) => Reason::Idle(limit),
    };
    let under_way = care.run.and_then(Pulse::under_way);
    let deadline = Instant::now() + GRACE;
    let grace = timeout_at(deadline, async {
        // The run goes on while it is told to stop: it takes the server's answer to the cancel.
        let (outcome, ()) = futures::join!(&mut work, stopper.stop(reason));
        outcome
    });
    match grace.await {
        Ok(outcome) => {
            let outcome = outcome.map_err(|error| explained(error, reason, under_way, job));
            Ok((outcome, Some(deadline)))
        }
        Err(_) => {
            let error = abandoned(reason, &stopper, care.transaction, job.exactly_once);
            Err(explained(error, reason, under_way, job))
        }
    }
}

/// Waits until no byte of a file has moved for the job's `idle_timeout`, which is returned.
async fn stillness(care: Care<'_>) -> Duration {
    let (Some(limit), Some(pulse)) = (care.job.idle_timeout, care.run) else {
        return std::future::pending().await;
    };
    loop {
        let still = pulse.still_for();
        let left = still.map_or(limit, |still| limit.saturating_sub(still));
        if left.is_zero() {
            return limit;
        }
        // A wait that begins meanwhile ends later than this.
        tokio::time::sleep(left).await;
    }
}

/// The error of a run whose time is over says what was going on then, and what to do.
fn explained(error: Error, reason: Reason, under_way: Option<String>, job: &Job) -> Error {
    let hint = match reason {
        Reason::Signal(_) => return error,
        Reason::Timeout(_) => "give the job more `timeout`, or find out what takes so long",
        Reason::Idle(_) => {
            "either the input gives nothing (a pipe that nobody writes to, a network folder), or the server takes nothing"
        }
    };
    let error = match under_way {
        Some(under_way) => error.line("under way", under_way),
        None => error,
    };
    error.hint(format!(
        "{hint}; what `dwsload:{}` waits for on the server is in pg_stat_activity and pg_locks",
        job.name
    ))
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
        Transaction::Job | Transaction::Step | Transaction::Batch => {
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
