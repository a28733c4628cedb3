//! A job: its steps in order, in the transactions it asks for, again where that is of use.

mod attempt;
mod attempts;
mod batch;
mod bound;
pub(crate) mod connection;
mod done;
mod expert;
mod settings;
mod settle;
mod sql;
mod state;
mod stop;
mod trial;

use crate::arrival::Arrived;
use crate::error::Result;
use crate::job::{Job, Shard, Transaction};
use crate::ledger::Ledger;
use crate::progress::{Event, Observer};
use crate::sink::{Outputs, Rejects};
use crate::source::{Source, Stamp};
use crate::wire::session::Session;
use crate::wire::target::Target;

use done::{Doubt, Parts};
pub(crate) use settings::apply as settings;
pub(crate) use sql::{clipped, excerpt, expected};
pub use stop::{Reason, Stop, Stopper, stop};
pub(crate) use trial::Trial;

/// What a step works with.
pub(crate) struct Stage<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) stop: Stop,
    /// Files that appear under their names when the transaction commits.
    pub(crate) outputs: &'a mut Outputs,
    /// Records that are set aside.
    pub(crate) rejects: &'a mut Rejects,
    /// What of the step has succeeded; with `transaction: none` it need not be done again.
    pub(crate) parts: &'a mut Parts,
    /// The number of the step in the job; 1 is the first.
    pub(crate) step: usize,
    /// What commits together.
    pub(crate) transaction: Transaction,
    /// The ledger, where the job keeps one.
    pub(crate) ledger: Option<&'a Ledger>,
    /// The files of the step, where the job asks something of them.
    pub(crate) arrived: Option<&'a Arrived>,
    /// The share of the files that is loaded, where other runs load the others.
    pub(crate) shard: Option<&'a Shard>,
    obstacle: &'a mut Option<&'static str>,
    doubt: &'a mut Option<Doubt>,
    /// Nothing is ever committed.
    rehearsal: bool,
}

impl Stage<'_> {
    /// Takes note of something that cannot be done a second time, such as reading standard input:
    /// `what` says so.
    pub(crate) fn cannot_be_repeated(&mut self, what: &'static str) {
        self.obstacle.get_or_insert(what);
    }

    /// Whether each statement commits by itself.
    pub(crate) fn is_alone(&self) -> bool {
        self.transaction == Transaction::None
    }

    /// Whether nothing of this is ever committed.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// Takes note that a part of the step has succeeded.
    pub(crate) fn part_done(&mut self) {
        if self.is_alone() {
            *self.obstacle = None;
        }
    }

    /// Passes on what the server said aside.
    pub(crate) fn notices(&mut self) {
        let (notices, dropped) = self.session.take_notices();
        for notice in &notices {
            self.observer.observe(Event::Notice(notice));
        }
        if dropped > 0 {
            self.observer.observe(Event::Warning(&format!(
                "{dropped} more notices of the server are not shown"
            )));
        }
    }

    /// What a file was when it was found to be ready.
    pub(crate) fn stamp_of(&self, source: &Source) -> Option<Stamp> {
        self.arrived?.stamp_of(source)
    }

    pub(crate) fn warn(&self, text: &str) {
        self.observer.observe(Event::Warning(text));
    }
}

/// What a job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Rows loaded.
    pub loaded: u64,
    /// Rows unloaded.
    pub unloaded: u64,
    /// Records set aside.
    pub rejected: u64,
    /// Files that are loaded and committed, and could not be moved or deleted.
    pub unmoved: u64,
}

impl Totals {
    fn add(&mut self, more: Self) {
        self.loaded += more.loaded;
        self.unloaded += more.unloaded;
        self.rejected += more.rejected;
        self.unmoved += more.unmoved;
    }
}

/// Runs `job` on the server at `target`, from the login to the last COMMIT. Work that failed for a
/// reason that passes is run again, as the job's `retry` allows.
///
/// # Errors
/// The last failure. What the job's transaction promises has been done: a line `state` of the
/// error says what is committed and what is not.
///
/// # Cancel safety
/// Dropped, the connection closes and the server rolls back, unless a COMMIT was on its way
/// ([`Stopper::committing`]).
pub async fn run(
    job: &Job,
    target: &Target,
    observer: &dyn Observer,
    stop: Stop,
) -> Result<Totals> {
    attempts::Attempts::new(job, target, observer, stop)
        .run()
        .await
}
