//! What of a job is done for good, and stays so over attempts.

pub(super) use super::Totals;
use crate::arrival::Arrivals;
use crate::ledger::{Claim, Ledger};
use crate::progress::{Changes, Outcome};
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
    /// The batch, where the COMMIT was that of one.
    pub(super) batch: Option<BatchDoubt>,
}

/// A batch of which nobody knows yet whether it is committed.
#[derive(Debug)]
pub(super) struct BatchDoubt {
    /// Its claim.
    pub(super) claim: Claim,
    /// What the step has come to if it is.
    pub(super) after: Counts,
    /// The file that it is of.
    pub(super) source: Option<Source>,
}

impl Done {
    /// A number that grows whenever more is committed.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.steps, self.parts.count())
    }
}

/// The parts of one step that have succeeded: statements of `sql`, files of `copy_from`. With
/// `transaction: none` they are committed, and so are batches of files; otherwise they stand or fall
/// with the transaction.
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
    /// What came of the files.
    pub(crate) counts: Counts,
    /// Records set aside, and read, in batches of the same files that other runs have loaded.
    pub(crate) elsewhere: (u64, u64),
}

/// What came of the files of a step, a batch under way included.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
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
    /// Batches that are committed.
    pub(crate) batches: usize,
    /// What they did to the table, where they did not just come to its rows.
    pub(crate) changes: Option<Changes>,
}

impl Parts {
    fn count(&self) -> usize {
        self.statements + self.files.len() + self.counts.batches
    }

    /// Records set aside, whoever has loaded the others of their files.
    pub(crate) fn rejected_of_all(&self) -> u64 {
        self.counts.rejected + self.elsewhere.0
    }

    /// Records read, by whomever.
    pub(crate) fn records_of_all(&self) -> u64 {
        self.counts.records + self.elsewhere.1
    }

    /// A batch of `source` is committed.
    pub(super) fn gain(&mut self, source: Option<&Source>) {
        self.counts.batches += 1;
        if let Some(source) = source.filter(|source| !self.files.contains(source)) {
            self.files.push(source.clone());
        }
    }
}
