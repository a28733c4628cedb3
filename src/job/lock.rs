//! `lock`: what becomes of a run while another of the same job is under way.

use std::path::Path;

use super::reader::At;

/// What keeps two runs of a job apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What a run does that comes second.
    pub overlap: Overlap,
    /// The job says so; else it is the default, and what stands against a lock is no error.
    pub is_explicit: bool,
    /// By what a database knows the job: its `job`, or without one its file, so that jobs of one
    /// file name in several folders are several jobs.
    pub identity: String,
}

/// What a run does that comes second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It fails.
    Fail,
    /// It does nothing, and that is success.
    Skip,
    /// It waits for the end of the other.
    Wait,
    /// It goes on beside the other.
    None,
}

impl Lock {
    /// That of a job called `name`, by its `job` key where it is `named`. `at` is the key `lock`.
    ///
    /// Without the key, runs of a job are kept apart, but for those that the ledger keeps right: they
    /// may share the work.
    pub(super) fn read(
        at: Option<&At<'_>>,
        file: &Path,
        (name, named): (&str, bool),
        exactly_once: bool,
    ) -> Option<Self> {
        let words = [
            ("fail", Overlap::Fail),
            ("skip", Overlap::Skip),
            ("wait", Overlap::Wait),
            ("none", Overlap::None),
        ];
        let overlap = match at {
            Some(at) => at.choice(&words, &[])?,
            None if exactly_once => Overlap::None,
            None => Overlap::Fail,
        };
        let identity = if named {
            name.to_owned()
        } else {
            let file = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file));
            let file = file.unwrap_or_default();
            format!("{name} {}", file.display())
        };
        Some(Self {
            overlap,
            is_explicit: at.is_some(),
            identity,
        })
    }
}
