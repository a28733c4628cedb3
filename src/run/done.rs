//! What of a job is done for good, and stays so over attempts.

use super::Totals;
use crate::arrival::Arrivals;
use crate::ledger::Ledger;
use crate::progress::Outcome;
use crate::source::Source;

/// What is committed.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Steps of this run that are committed.
    pub(super) steps: usize,
    /// What they moved.
    pub(super) totals: Totals,
    /// Parts of the step under way.
    pub(crate) parts: Parts,
    /// What committed steps have left in the session, so that no other can take its place.
    pub(super) bound: Option<String>,
    /// The ledger, once it was found.
    pub(super) ledger: Option<Ledger>,
    /// Transactions that are committed.
    pub(super) units: u32,
    /// A COMMIT that nobody has answered, and that the ledger can settle.
    pub(super) doubt: Option<Doubt>,
    /// The files of steps that are not done yet.
    pub(super) arrivals: Arrivals,
}

/// A COMMIT of which nobody knows yet whether it took place.
#[derive(Debug)]
pub(super) struct Doubt {
    /// The steps of this run that are done if it did.
    pub(super) upto: usize,
    /// What they moved.
    pub(super) moved: Totals,
    /// What the step did, where the COMMIT was that of one step.
    pub(super) outcome: Option<Outcome>,
    /// What stands against doing the work again if it did not.
    pub(super) obstacle: Option<&'static str>,
}

impl Done {
    /// A number that grows whenever more is committed.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.steps, self.parts.count())
    }
}

/// The parts of one step that have succeeded: statements of `sql`, files of `copy_from`. With
/// `transaction: none` they are committed; otherwise they stand or fall with the transaction.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Statements that ran.
    pub(crate) statements: usize,
    /// Their command tags.
    pub(crate) tags: Vec<String>,
    /// Files that were loaded.
    pub(crate) files: Vec<Source>,
    /// Files that were in before.
    pub(crate) before: usize,
    /// Rows loaded, by the server's count.
    pub(crate) rows: u64,
    /// Bytes sent.
    pub(crate) bytes: u64,
    /// Records read.
    pub(crate) records: u64,
    /// Records set aside.
    pub(crate) rejected: u64,
    /// Records that a condition of the step left out.
    pub(crate) filtered: u64,
}

impl Parts {
    fn count(&self) -> usize {
        self.statements + self.files.len()
    }
}
