//! Batches: the transactions of a step that commits part by part (`transaction: batch`).
//!
//! Each begins with its claim in the ledger, and the row of that claim settles a COMMIT whose answer is
//! lost, as its unit does for other transactions.

use super::Stage;
use super::done::{BatchDoubt, Counts, Doubt, Totals};
use super::settle;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Claim, Claimed, Ledger};
use crate::source::Source;
use crate::wire::condition::Condition;
use crate::wire::error::WireError;
use crate::wire::session::Session;

use super::stop::Stop;

/// What came of a COMMIT that failed.
pub(super) enum Uncommitted {
    /// It did not take place.
    Refused(Error),
    /// Nobody knows.
    Doubtful(WireError),
}

/// Sends COMMIT.
pub(super) async fn commit(session: &mut Session, stop: &Stop) -> Result<(), Uncommitted> {
    stop.set_committing(true);
    let outcome = session.run("COMMIT").await;
    stop.set_committing(false);
    match outcome {
        Ok(tags) if tags.iter().any(|tag| tag == "ROLLBACK") => {
            Err(Uncommitted::Refused(Error::new(
                ErrorKind::Server,
                "the server answered COMMIT with ROLLBACK",
            )))
        }
        Ok(_) => Ok(()),
        Err(WireError::Refused(said)) if !Condition::of(&said).leaves_commit_in_doubt() => {
            let error = said.into_error(ErrorKind::Server);
            Err(Uncommitted::Refused(
                error.within("the server refused the COMMIT"),
            ))
        }
        Err(error) => Err(Uncommitted::Doubtful(error)),
    }
}

/// The error of a COMMIT of which nobody knows whether it took place.
pub(super) fn unknown(error: WireError, with_ledger: bool) -> Error {
    Error::from(error)
        .with_kind(ErrorKind::Unknown)
        .within(
            "the connection fell while COMMIT was on its way: nobody knows whether it took place",
        )
        .hint(settle::hint(with_ledger))
}

impl Stage<'_> {
    /// Begins the transaction of `claim`. Where that is not ours, it is over again.
    ///
    /// # Errors
    /// The server refuses, the connection fell, or the run is to stop.
    pub(crate) async fn begin_batch(
        &mut self,
        claim: &Claim,
        wait: bool,
        ledger: &Ledger,
    ) -> Result<Claimed> {
        if let Some(reason) = self.stop.reason() {
            return Err(reason.error());
        }
        self.session.run("BEGIN").await?;
        let claimed = ledger.take(claim, wait, self.session).await?;
        if claimed != Claimed::Ours {
            self.session.run("ROLLBACK").await?;
        }
        match self.stop.reason() {
            Some(reason) => Err(reason.error()),
            None => Ok(claimed),
        }
    }

    /// Commits the transaction of `claim`: what the step's parts have gained since `before` is done, and
    /// a part of `source` with it, where there is one.
    ///
    /// # Errors
    /// It did not take place, or nobody knows.
    pub(crate) async fn commit_batch(
        &mut self,
        claim: &Claim,
        before: Counts,
        source: Option<&Source>,
    ) -> Result<()> {
        self.session.listen().await?;
        self.rejects.sync()?;
        match commit(self.session, &self.stop).await {
            Ok(()) => {
                self.parts.gain(source);
                self.rejects.commit();
                Ok(())
            }
            Err(Uncommitted::Refused(error)) => Err(error),
            Err(Uncommitted::Doubtful(error)) => {
                *self.doubt = Some(Doubt {
                    upto: 0,
                    moved: Totals::default(),
                    outcome: None,
                    obstacle: self.obstacle.take(),
                    batch: Some(BatchDoubt {
                        claim: claim.clone(),
                        after: self.parts.counts,
                        source: source.cloned(),
                    }),
                });
                self.parts.counts = before;
                Err(unknown(error, true))
            }
        }
    }
}
