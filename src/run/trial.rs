//! A stage whose work is thrown away.

use super::done::{Doubt, Parts};
use super::{Stage, Stop};
use crate::job::Transaction;
use crate::progress::Observer;
use crate::sink::{Outputs, Rejects};
use crate::wire::session::Session;

/// What a stage works with beside a session, where nothing is kept.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Records that would be rejected: counted, not written.
    pub(crate) rejects: Rejects,
    outputs: Outputs,
    parts: Parts,
    obstacle: Option<&'static str>,
    doubt: Option<Doubt>,
}

impl Trial {
    /// Of each source, so many reasons are kept.
    pub(crate) fn new(shown: usize) -> Self {
        Self {
            rejects: Rejects::counted(shown),
            outputs: Outputs::default(),
            parts: Parts::default(),
            obstacle: None,
            doubt: None,
        }
    }

    /// The stage of the step of this number, on `session`.
    pub(crate) fn stage<'a>(
        &'a mut self,
        number: usize,
        session: &'a mut Session,
        observer: &'a dyn Observer,
        stop: &Stop,
    ) -> Stage<'a> {
        self.rejects.of_step(number);
        self.parts = Parts::default();
        Stage {
            session,
            observer,
            stop: stop.clone(),
            outputs: &mut self.outputs,
            rejects: &mut self.rejects,
            parts: &mut self.parts,
            obstacle: &mut self.obstacle,
            step: number,
            transaction: Transaction::Job,
            ledger: None,
            arrived: None,
            shard: None,
            doubt: &mut self.doubt,
            rehearsal: true,
        }
    }
}
