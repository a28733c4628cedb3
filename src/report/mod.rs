//! What a run came to, for machines: the report of one run (`--report`), and the figures of the last
//! run of each job for a monitoring system (`--metrics`).
//!
//! A [`Journal`] listens to a run and keeps a [`Record`] of it; [`report`] and [`metrics`] write them. Both
//! files appear whole or not at all, and neither changes what the run came to.

mod journal;
mod json;
mod metrics;

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::job::Job;
use crate::sink::Pending;

pub use journal::Journal;
pub use json::{explained, report, time};
pub use metrics::metrics;

/// What is known of one job of a run.
#[derive(Debug, Clone)]
pub struct Record {
    /// The job's name; that of its file where the file makes no sense.
    pub job: String,
    /// The job file, absolute.
    pub file: PathBuf,
    /// What tells this run from others; `None` where the job file makes no sense.
    pub run_id: Option<String>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its exit code; `None` where it was not run.
    pub exit: Option<u8>,
    /// Nothing was done, as the job has it.
    pub is_skipped: bool,
    /// What stopped it.
    pub error: Option<serde_json::Value>,
    /// The server, once it was reached.
    pub server: Option<String>,
    /// Its steps, or those that were asked for.
    pub steps: Vec<StepRecord>,
    /// Every step up to this one is committed; 0 for none.
    pub committed: usize,
    /// Rejected records, by source.
    pub rejects: Vec<RejectRecord>,
    /// Attempts beyond the first.
    pub retries: u32,
    /// Warnings, the first of them.
    pub warnings: Vec<String>,
    /// Warnings beside those.
    pub more_warnings: u64,
}

/// What is known of one step.
#[derive(Debug, Clone, Default)]
pub struct StepRecord {
    /// 1 for the first.
    pub number: usize,
    /// Its own name.
    pub name: Option<String>,
    /// Its name, or what it does.
    pub title: String,
    /// The key it is written with.
    pub kind: &'static str,
    /// It began.
    pub is_begun: bool,
    /// It came to its end.
    pub is_done: bool,
    /// Rows loaded or unloaded, by the server's count.
    pub rows: u64,
    /// Records set aside.
    pub rejected: u64,
    /// Records left out by a condition.
    pub filtered: u64,
    /// Bytes, decompressed.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Files that were loaded before, and not again.
    pub before: usize,
    /// Files that were moved, the first of them.
    pub files: Vec<FileRecord>,
    /// How many those are.
    pub file_count: usize,
    /// Command tags, of `sql`; the first of them.
    pub tags: Vec<String>,
    /// What a load did by its keys.
    pub changes: Option<crate::progress::Changes>,
}

/// What is known of one file of a step.
#[derive(Debug, Clone)]
pub struct FileRecord {
    /// Its name.
    pub name: String,
    /// Its size on disk, where it has one.
    pub size: Option<u64>,
    /// Bytes of it that were moved, decompressed.
    pub bytes: u64,
}

/// Records of one source that were rejected.
#[derive(Debug, Clone)]
pub struct RejectRecord {
    /// The step's number.
    pub step: usize,
    /// Where they stand.
    pub source: String,
    /// Where they are kept.
    pub file: PathBuf,
    /// Where the reasons are.
    pub reasons: PathBuf,
    /// How many they are.
    pub count: u64,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Done and committed.
    Done,
    /// Done, and undone with its transaction.
    RolledBack,
    /// Done, and nobody knows whether that is committed.
    Unknown,
    /// Stopped midway.
    Failed,
    /// Not begun.
    NotRun,
}

impl Record {
    /// Of `job`, before it is run.
    pub fn new(job: &Job) -> Self {
        let steps = job.steps.iter().map(|step| StepRecord {
            number: step.number,
            name: step.name.clone(),
            title: step.title(),
            kind: step.kind(),
            ..StepRecord::default()
        });
        Self {
            run_id: Some(job.run_id.clone()),
            steps: steps.collect(),
            ..Self::of_file(&job.file, &job.name)
        }
    }

    /// Of a job file that makes no sense.
    pub fn invalid(file: &Path, error: &Error) -> Self {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            exit: Some(error.kind().exit_code()),
            error: Some(explained(error)),
            ..Self::of_file(file, &name)
        }
    }

    fn of_file(file: &Path, job: &str) -> Self {
        Self {
            job: job.to_owned(),
            file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
            run_id: None,
            started: None,
            ended: None,
            exit: None,
            is_skipped: false,
            error: None,
            server: None,
            steps: Vec::new(),
            committed: 0,
            rejects: Vec::new(),
            retries: 0,
            warnings: Vec::new(),
            more_warnings: 0,
        }
    }

    /// What became of it, in a word that is part of the report's format.
    pub fn outcome(&self) -> &'static str {
        match self.exit {
            None => "not_run",
            Some(0) if self.is_skipped => "skipped",
            Some(0) => "done",
            Some(2) => "invalid",
            Some(3) => "done_with_rejects",
            Some(4) => "locked",
            Some(5) => "no_connection",
            Some(6) => "no_input",
            Some(7) => "unknown",
            Some(8) => "done_with_files_left",
            Some(128..) => "stopped",
            Some(_) => "failed",
        }
    }

    /// Whether it did its work: all records are in, or set aside as the job allows.
    pub fn is_done(&self) -> bool {
        matches!(self.exit, Some(0 | 3 | 8))
    }

    /// What became of a step of it.
    pub fn state(&self, step: &StepRecord) -> StepState {
        match (step.is_begun, step.is_done) {
            (_, true) if step.number <= self.committed => StepState::Done,
            (_, true) if self.exit == Some(7) => StepState::Unknown,
            (_, true) => StepState::RolledBack,
            (true, false) => StepState::Failed,
            (false, false) => StepState::NotRun,
        }
    }

    /// How long it took, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are enough")]
    pub fn seconds(&self) -> Option<f64> {
        let (started, ended) = (self.started?, self.ended?);
        Some((ended.as_millisecond() - started.as_millisecond()) as f64 / 1000.0)
    }
}

/// Sees that `path` can be written, before anything is opened.
///
/// # Errors
/// It cannot.
pub fn probe(path: &Path) -> Result<()> {
    Pending::create(path).map(drop)
}

/// Writes `text` as `path`: whole, or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |cause: std::io::Error| {
        Error::new(
            crate::error::ErrorKind::Output,
            format!("cannot write `{}`", path.display()),
        )
        .because(cause)
    };
    let (pending, file) = Pending::create(path)?;
    match file {
        Some(mut file) => {
            file.write_all(text.as_bytes()).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        // A device or a pipe.
        None => {
            let file = std::fs::OpenOptions::new().write(true).open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(failed)?;
        }
    }
    pending.publish()
}
