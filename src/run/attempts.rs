//! Attempts: work that failed for a reason that passes is run again, on a new connection.
//!
//! The unit is what commits together: the job, the step, or with `transaction: none` the statement
//! or file. What is committed is not run again, and neither is what may be.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use super::attempt::{Attempt, Failure};
use super::done::Done;
use super::stop::Stop;
use super::{Totals, connection, settle, state};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::job::{Job, Transaction};
use crate::lock::DatabaseLock;
use crate::progress::{Event, Observer};
use crate::sink::{Outputs, Rejects};
use crate::wire::condition::{Condition, Pace};
use crate::wire::session::Session;
use crate::wire::target::Target;

/// The longest wait between two attempts, in units of the job's.
const LONGEST_WAIT: u32 = 60;

/// The attempts at one job.
pub(super) struct Attempts<'a> {
    pub(super) job: &'a Job,
    pub(super) target: &'a Target,
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: Stop,
    done: Done,
    outputs: Outputs,
    rejects: Rejects,
    lock: DatabaseLock,
    /// There has been a session.
    was_connected: bool,
    /// The server is one that takes no writes while a disk is nearly full, and takes them again.
    is_gauss: bool,
    streak: Streak,
}

/// Failures in a row, with nothing committed between them.
struct Streak {
    began: Instant,
    failures: u32,
    /// What was committed when it began.
    progress: (usize, usize),
}

impl Streak {
    fn new(done: &Done) -> Self {
        Self {
            began: Instant::now(),
            failures: 0,
            progress: done.progress(),
        }
    }
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        job: &'a Job,
        target: &'a Target,
        observer: &'a dyn Observer,
        stop: Stop,
    ) -> Self {
        let done = Done::default();
        Self {
            job,
            target,
            observer,
            stop,
            streak: Streak::new(&done),
            done,
            outputs: Outputs::default(),
            rejects: Rejects::new(&job.name, &job.run_id),
            lock: DatabaseLock::default(),
            was_connected: false,
            is_gauss: false,
        }
    }

    /// Attempts until the job is done, or until another attempt is of no use.
    pub(super) async fn run(mut self) -> Result<Totals> {
        loop {
            let failure = match self.attempt().await {
                Ok(()) => {
                    self.tell_of_rejects();
                    return Ok(self.done.totals);
                }
                Err(failure) => failure,
            };
            // What waits for a COMMIT in doubt may yet be asked for.
            if self.done.doubt.is_none() {
                self.outputs.discard();
            }
            self.count();
            let wait = match self.wait(&failure) {
                Ok(wait) => wait,
                Err(why) => {
                    // They show what was wrong; that they cannot be written is not the reason.
                    let _ = self.rejects.sync();
                    return Err(self.given_up(failure, why));
                }
            };
            if self.done.doubt.is_none() {
                self.rejects.discard();
            }
            self.announce(&failure.error, wait);
            tokio::select! {
                biased;
                reason = self.stop.wait() => {
                    let error = reason.error().line("state", failure.state);
                    return Err(self.unsettled(error));
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Says where the rejected records are.
    fn tell_of_rejects(&self) {
        for file in self.rejects.files() {
            self.observer.observe(Event::Rejected {
                job: self.job,
                file: &file,
            });
        }
    }

    /// Connects and runs what is not done yet.
    async fn attempt(&mut self) -> Result<(), Failure> {
        self.arrive().await?;
        let connected = self.connect().await;
        let mut session = connected.map_err(|error| Failure {
            error,
            state: if self.done.doubt.is_some() {
                state::known(self.job, &self.done)
            } else {
                state::state(self.job, &self.done)
            },
            obstacle: None,
        })?;
        self.stop.watch(Some(session.canceller()));
        let attempt = Attempt::new(
            self.job,
            &mut session,
            self.observer,
            self.stop.clone(),
            &mut self.done,
            &mut self.outputs,
            &mut self.rejects,
        );
        let outcome = attempt.run().await;
        self.stop.watch(None);
        self.lock.release(self.job, &mut session).await;
        session.close().await;
        outcome
    }

    /// Waits for the files of the first work to be done, before there is a connection that would wait
    /// as well. A COMMIT in doubt is settled first.
    async fn arrive(&mut self) -> Result<(), Failure> {
        if self.done.doubt.is_some() {
            return Ok(());
        }
        let left = &self.job.steps[self.done.steps..];
        let steps = match self.job.transaction {
            Transaction::Job => left,
            Transaction::Step | Transaction::Batch | Transaction::None => {
                &left[..left.len().min(1)]
            }
        };
        let arrivals = &mut self.done.arrivals;
        let waited = arrivals.wait(self.job, steps, self.observer, &mut self.stop);
        waited.await.map_err(|error| Failure {
            error,
            state: state::state(self.job, &self.done),
            obstacle: None,
        })
    }

    async fn connect(&mut self) -> Result<Session> {
        let first = !self.was_connected;
        let mut stop = self.stop.clone();
        let mut session = connection::log_in(self.job, self.target, &mut stop).await?;
        self.was_connected = true;
        connection::introduce(self.job, &mut session, self.observer, &mut stop, first).await?;
        self.is_gauss = session.server().kind.is_gauss();
        let lock = &mut self.lock;
        lock.take(self.job, &mut session, self.observer, &mut stop)
            .await?;
        Ok(session)
    }

    /// Counts a failure, from the last commit on.
    fn count(&mut self) {
        if self.streak.progress != self.done.progress() {
            self.streak = Streak::new(&self.done);
        }
        if self.streak.failures == 0 {
            self.streak.began = Instant::now();
        }
        self.streak.failures += 1;
    }

    /// How long to wait before the next attempt; or why there is none, where that is worth a word.
    fn wait(&self, failure: &Failure) -> Result<Duration, Option<String>> {
        let pace = self.pace(&failure.error).ok_or(None)?;
        // To ask whether a COMMIT took place is not to do its work again.
        if self.done.doubt.is_none() {
            if let Some(obstacle) = failure.obstacle.clone().or_else(|| self.done.bound.clone()) {
                return Err(Some(obstacle));
            }
        }
        let retry = &self.job.retry;
        let failures = self.streak.failures;
        let most = retry.attempts.min(pace.attempts);
        let wait = jittered(retry.wait, pace, failures);
        let elapsed = self.streak.began.elapsed();
        if failures >= most || elapsed + wait > retry.within {
            return Err((failures > 1)
                .then(|| format!("it failed {failures} times in {}", in_words(elapsed))));
        }
        Ok(wait)
    }

    /// How a failure asks for another attempt; `None` when none is of use.
    fn pace(&self, error: &Error) -> Option<Pace> {
        if self.stop.reason().is_some() {
            return None;
        }
        match error.kind() {
            // The ledger will say whether it took place.
            ErrorKind::Unknown if self.done.doubt.is_some() => {
                error.condition().pace().or(Condition::Connection.pace())
            }
            // Whether it took place is not known, or the account would be locked.
            ErrorKind::Unknown | ErrorKind::Login => None,
            // Before there was any session, a server that does not answer at all is more often a
            // slip in the job than a failover; whoever expects one says so with `retry`.
            ErrorKind::Connect
                if error.condition() == Condition::Connection
                    && !self.was_connected
                    && !self.job.retry.is_explicit =>
            {
                None
            }
            // Elsewhere that is a standby, or the job's own wish.
            _ if error.condition() == Condition::ReadOnly && !self.is_gauss => None,
            _ => error.condition().pace(),
        }
    }

    fn announce(&self, error: &Error, wait: Duration) {
        let what = format!(
            "{}\ntrying again in {}, attempt {} of {}",
            chain(error),
            in_words(wait),
            self.streak.failures + 1,
            self.job.retry.attempts
        );
        self.observer.observe(Event::Retrying { what: &what });
    }

    /// The error of a run that ends with `failure`.
    fn given_up(&self, failure: Failure, why: Option<String>) -> Error {
        let mut error = failure.error;
        if let Some(why) = why {
            error = error.line("no further attempt", why);
        }
        if self.was_connected {
            error = error.line("state", failure.state);
        }
        self.unsettled(error)
    }

    /// The error of a run that ends while a COMMIT is in doubt is that it is.
    fn unsettled(&self, error: Error) -> Error {
        if self.done.doubt.is_none() || error.kind() == ErrorKind::Unknown {
            return error;
        }
        error
            .with_kind(ErrorKind::Unknown)
            .within("a COMMIT was on its way when the connection fell, and the server has not come back to say whether it took place")
            .hint(settle::hint(true))
    }
}

/// The wait before the next attempt after so many failures: doubled each time, with a random half
/// of it left out, so that jobs that failed together do not come back together.
fn jittered(unit: Duration, pace: Pace, failures: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let units = pace.units.saturating_mul(doubled).min(LONGEST_WAIT);
    unit.saturating_mul(units)
        .mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// A time with the precision people care about: `0.7 s`, `48 s`.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_sixty_units_and_differ() {
        let second = Duration::from_secs(1);
        let pace = Condition::Connection.pace().unwrap();
        for (failures, longest) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (99, 60)] {
            let longest = Duration::from_secs(longest);
            for _ in 0..100 {
                let wait = jittered(second, pace, failures);
                assert!(
                    wait >= longest / 2 && wait <= longest,
                    "{failures}: {wait:?}"
                );
            }
        }
        let rare = Condition::ReadOnly.pace().unwrap();
        assert!(jittered(second, rare, 1) >= Duration::from_secs(30));
        assert_ne!(jittered(second, pace, 7), jittered(second, pace, 7));
    }
}
