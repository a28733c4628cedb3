//! What the engine tells: numbers and names, no wording.

use std::time::Duration;

use crate::job::Job;
use crate::run::Totals;
use crate::sink::Rejected;
use crate::wire::error::ServerMessage;
use crate::wire::session::Column;

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Work before the connection that takes its time, such as making the embedded server.
    Preparing(&'a str),
    /// Another run of the job is under way, and this one waits for its end.
    Queued {
        /// The job's name.
        job: &'a str,
        /// Who runs, in words.
        holder: &'a str,
    },
    /// Connected; the steps begin.
    Connected {
        /// The job's name.
        job: &'a str,
        /// The server and its version, such as `PostgreSQL 15.18`.
        server: &'a str,
        /// Where it is, without secrets.
        place: &'a str,
    },
    /// Files are waited for.
    Waiting {
        /// Which, and what is known of them.
        what: &'a str,
        /// How long at most.
        left: Duration,
        /// It has not been told yet.
        first: bool,
    },
    /// Nothing is waited for any more.
    WaitDone,
    /// A file was moved or deleted, in words.
    Departed(&'a str),
    /// A step begins.
    StepStarted {
        /// 1 for the first.
        number: usize,
        /// How many steps the job has.
        total: usize,
        /// Its name, or what it does.
        title: &'a str,
    },
    /// A file begins.
    FileStarted {
        /// Its name.
        name: &'a str,
        /// Its size on disk in bytes, where it has one.
        size: Option<u64>,
    },
    /// More of the file has been moved.
    Moved {
        /// Bytes of the file on disk so far.
        disk: u64,
        /// Bytes sent or received so far, decompressed.
        bytes: u64,
        /// Records so far.
        records: u64,
    },
    /// The file is through.
    FileDone,
    /// A statement is done; its command tag.
    Tag(&'a str),
    /// A result to show.
    Table(&'a Table),
    /// The server says something.
    Notice(&'a ServerMessage),
    /// Something to look at, though the run goes on.
    Warning(&'a str),
    /// Work failed for a reason that passes, and is tried again; what happened, in words.
    Retrying {
        /// In words.
        what: &'a str,
    },
    /// Something that could be done better, for those who want to know.
    Advice(&'a str),
    /// A step is done.
    StepDone {
        /// 1 for the first.
        number: usize,
        /// How many steps the job has.
        total: usize,
        /// Its name, or what it does.
        title: &'a str,
        /// What it did.
        outcome: &'a Outcome,
        /// How long it took.
        elapsed: Duration,
    },
    /// What was done so far is committed.
    Committed {
        /// The last step of it.
        step: usize,
    },
    /// Records of a source are set aside, and what the others did is committed.
    Rejected {
        /// The job.
        job: &'a Job,
        /// What is set aside.
        file: &'a Rejected<'a>,
    },
    /// What several jobs came to.
    Summary {
        /// In words.
        text: &'a str,
        /// One of them failed.
        failed: bool,
    },
    /// Nothing was done, and that is as the job has it (`lock: skip`).
    Skipped {
        /// The job's name.
        job: &'a str,
        /// Why, in words.
        why: &'a str,
    },
    /// The job is done and committed.
    JobDone {
        /// The job's name.
        job: &'a str,
        /// What it moved.
        totals: Totals,
        /// How long it took, connecting included.
        elapsed: Duration,
    },
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Statements ran; their command tags.
    Sql(Vec<String>),
    /// The query held; how many rows it had.
    Holds(u64),
    /// Files were loaded.
    Loaded {
        /// Rows that came out of them, by the server's count.
        rows: u64,
        /// Bytes sent, decompressed.
        bytes: u64,
        /// Files.
        files: usize,
        /// Files that were loaded before, and not again.
        before: usize,
        /// Records that were set aside.
        rejected: u64,
        /// Records that a condition of the step left out.
        filtered: u64,
        /// What they did to the table, where they did not just come to its rows.
        changes: Option<Changes>,
    },
    /// Rows were unloaded.
    Unloaded {
        /// Rows, by the server's count.
        rows: u64,
        /// Bytes before compression.
        bytes: u64,
        /// Whoever read standard output stopped before the end.
        reader_gone: bool,
    },
}

/// What the records of a load did, by their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Rows inserted; `None` where the mode inserts none.
    pub inserted: Option<u64>,
    /// Rows updated; `None` where the mode updates none.
    pub updated: Option<u64>,
    /// Rows deleted; `None` where the mode deletes none.
    pub deleted: Option<u64>,
    /// Records that changed nothing: their rows were like them already, or were there, or were not,
    /// as the mode has it.
    pub unchanged: u64,
    /// Records that were left out, for another with the same key.
    pub duplicates: u64,
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, more: Self) {
        let counts = [
            (&mut self.inserted, more.inserted),
            (&mut self.updated, more.updated),
            (&mut self.deleted, more.deleted),
        ];
        for (count, more) in counts {
            *count = match (*count, more) {
                (Some(count), Some(more)) => Some(count + more),
                (count, more) => count.or(more),
            };
        }
        self.unchanged += more.unchanged;
        self.duplicates += more.duplicates;
    }
}

/// A result to show: every value as the server prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows of the result, shown or not.
    pub total: u64,
}

/// The engine's only way out. Called between blocks; must not block.
pub trait Observer {
    /// Takes note of `event`.
    fn observe(&self, event: Event<'_>);
}
