//! A COMMIT whose answer was lost: the ledger says whether it took place.
//!
//! Each transaction begins with a row of its own. Inserted again on a new connection, that row waits
//! until the server has ended the old transaction, and then is a duplicate (it was committed) or not
//! (it was not, and never will be).

use std::time::Duration;

use super::attempt::Attempt;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Entered;
use crate::progress::Event;
use crate::wire::condition::Condition;

/// What to do about a COMMIT in doubt.
pub(super) fn hint(with_ledger: bool) -> &'static str {
    if with_ledger {
        "run the job again: the ledger knows which files are in, and they are not loaded twice; look first what its own SQL did, where it has some"
    } else {
        "look into the tables before you run the job again; with `exactly_once: true` dwsload finds out by itself"
    }
}

/// A transaction that nobody doubted is in the ledger.
pub(super) fn unexpected() -> Error {
    Error::new(
        ErrorKind::Server,
        "the ledger has this transaction already, though it was not committed; please report this",
    )
}

impl Attempt<'_> {
    /// Settles the COMMIT in doubt, where there is one: either its steps are done, or they are still
    /// to be done.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if self.done.doubt.is_none() {
            return Ok(());
        }
        self.session.run("BEGIN").await?;
        let took_place = self.took_place().await?;
        self.session.run("ROLLBACK").await?;
        let Some(doubt) = self.done.doubt.take() else {
            return Ok(());
        };
        if !took_place {
            self.observer.observe(Event::Warning(
                "the COMMIT whose answer was lost did not take place",
            ));
            self.outputs.discard();
            self.rejects.discard();
            self.obstacle = doubt.obstacle;
            return match doubt.obstacle {
                None => Ok(()),
                Some(_) => Err(lost(
                    "the connection fell while COMMIT was on its way, and it did not take place",
                )),
            };
        }
        self.observer.observe(Event::Warning(
            "the COMMIT whose answer was lost took place",
        ));
        if let Some(batch) = doubt.batch {
            self.done.parts.counts = batch.after;
            self.done.parts.gain(batch.source.as_ref());
            self.rejects.sync()?;
            self.rejects.commit();
            self.obstacle = doubt.obstacle;
            return match doubt.obstacle {
                None => Ok(()),
                Some(_) => Err(lost(
                    "the connection fell while COMMIT was on its way; it took place",
                )),
            };
        }
        self.moved = doubt.moved;
        self.publish(doubt.upto)?;
        self.depart().await?;
        let step = doubt
            .upto
            .checked_sub(1)
            .and_then(|last| self.job.steps.get(last));
        if let (Some(outcome), Some(step)) = (&doubt.outcome, step) {
            self.observer.observe(Event::StepDone {
                number: step.number,
                total: self.job.step_count,
                title: &step.title(),
                outcome,
                elapsed: Duration::ZERO,
            });
        }
        if self.done.steps < self.job.steps.len() && self.done.bound.is_some() {
            return Err(lost(
                "the connection fell while COMMIT was on its way; it took place",
            ));
        }
        Ok(())
    }

    /// Whether the transaction took place whose COMMIT is in doubt.
    async fn took_place(&mut self) -> Result<bool> {
        let batch = self
            .done
            .doubt
            .as_ref()
            .and_then(|doubt| doubt.batch.as_ref());
        let (Some(batch), Some(ledger)) = (batch, &self.done.ledger) else {
            return Ok(self.enter().await? == Entered::Before);
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            reason = stop.wait() => Err(reason.error()),
            took_place = ledger.took_place(&batch.claim, self.session) => took_place,
            () = tokio::time::sleep(self.job.retry.within) => Err(not_ended()),
        }
    }

    /// Enters the transaction that has just begun into the ledger, where there is one. Waits for
    /// another of the same number no longer than the job grants for all its attempts.
    pub(super) async fn enter(&mut self) -> Result<Entered> {
        let Some(ledger) = &self.done.ledger else {
            return Ok(Entered::New);
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            reason = stop.wait() => Err(reason.error()),
            entered = ledger.enter(self.done.units, self.session) => entered,
            () = tokio::time::sleep(self.job.retry.within) => Err(not_ended()),
        }
    }

    /// Leaves the ledger: every transaction is known to be committed.
    pub(super) async fn leave(&mut self) {
        if let Some(ledger) = &self.done.ledger {
            ledger.leave(self.session).await;
        }
    }
}

fn not_ended() -> Error {
    Error::new(
        ErrorKind::Lost,
        "the server has not ended the transaction of the connection that fell",
    )
    .under(Condition::Lock)
}

/// A connection that fell, where the work behind it cannot go on with another.
fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Lost, what).under(Condition::Connection)
}
