//! What a check comes to.

use super::looked::Looked;
use crate::error::ErrorKind;
use crate::job::Step;
use crate::progress::wording::{count, one_line, records};

/// The exit code of a run that is done, with rejected records.
const WITH_REJECTS: u8 = 3;

/// What a run would come to, as far as that is known.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The first step that would stop it: which, of what kind the failure is, and in words.
    pub(super) failure: Option<(String, ErrorKind, String)>,
    /// Other things that would stop it.
    pub(super) more: usize,
    /// Records read.
    pub(super) records: u64,
    /// Those that cannot be loaded.
    pub(super) rejected: u64,
    /// Files read.
    pub(super) files: usize,
}

impl Verdict {
    /// Takes note of a step.
    pub(super) fn add(&mut self, step: &Step, looked: &Looked) {
        let total = looked.total();
        self.records += total.records;
        self.rejected += total.rejected;
        self.files += looked.files.len();
        for error in &looked.errors {
            if self.failure.is_some() {
                self.more += 1;
            } else {
                let which = format!("{} ({})", step.number, step.title());
                let failure = (which, error.kind(), error.to_string());
                self.failure = Some(failure);
            }
        }
    }

    /// Whether everything would be loaded.
    pub(super) fn is_fine(&self) -> bool {
        self.failure.is_none() && self.rejected == 0
    }

    /// In words, for people.
    pub(super) fn words(&self) -> String {
        let Self {
            failure,
            more,
            records: number,
            rejected,
            files,
        } = self;
        let read = format!(
            "{} in {} file{}",
            records(*number),
            count(*files as u64),
            if *files == 1 { "" } else { "s" }
        );
        match (failure, rejected) {
            (Some((step, _, what)), _) => {
                let more = match more {
                    0 => String::new(),
                    1 => ", and 1 more thing is wrong".into(),
                    more => format!(", and {more} more things are wrong"),
                };
                format!(
                    "would fail at step {}: {}{more}",
                    one_line(step),
                    one_line(what)
                )
            }
            (None, 0) if *files == 0 => "nothing is wrong".into(),
            (None, 0) => format!("nothing is wrong, {read}"),
            (None, rejected) => format!(
                "would load {} and reject {}, as `max_rejects` allows; {read}",
                records(number - rejected),
                count(*rejected)
            ),
        }
    }

    /// The exit code of a run that comes to this.
    pub fn exit_code(&self) -> u8 {
        match &self.failure {
            Some((_, kind, _)) => kind.exit_code(),
            None if self.rejected > 0 => WITH_REJECTS,
            None => 0,
        }
    }
}
