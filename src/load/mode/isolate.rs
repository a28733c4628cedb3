//! A merge that the server refuses for one of its records: done in parts, until the record stands
//! alone. It is set aside, and the rest is merged.
//!
//! The records are taken in their order, each part behind a savepoint, so that of two that exclude each
//! other the first is taken. What is refused for the sake of others (a row that its foreign key means and
//! that comes later, a unique value that a later record gives up) is tried again when those are in.

use std::ops::Range;

use super::merge::Merge;
use super::rejected::{self, SetAside};
use super::staging::{Refused, Staging};
use super::statements::Part;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Change, CopyFrom, Rejecting};
use crate::load::batch::Pace;
use crate::load::limit;
use crate::load::origin::Origin;
use crate::load::refusal::{depends_on_others, is_about_data};
use crate::load::sieve::Fault;
use crate::name::Identifier;
use crate::progress::Changes;
use crate::run::Stage;
use crate::wire::error::{ServerMessage, WireError};
use crate::wire::server::Ability;
use crate::wire::session::Session;

const SET: &str = "SAVEPOINT dwsload_merge";
const PASS: &str = "RELEASE SAVEPOINT dwsload_merge; SAVEPOINT dwsload_merge";
const BACK: &str = "ROLLBACK TO SAVEPOINT dwsload_merge";
const END: &str = "RELEASE SAVEPOINT dwsload_merge";

/// Records that are set aside in memory, before their file is read for their bytes.
const HELD: usize = 50_000;
/// Records whose numbers are asked for at once.
const WINDOW: usize = 16_384;
/// Numbers that are named in one statement.
const LISTED: usize = 1024;
/// How often what is refused for the sake of others is tried again. Chains of records are rarely longer.
const PASSES: usize = 16;

/// A merge whose bad records are set aside.
pub(super) struct Isolation<'a> {
    staging: &'a Staging,
    merge: Merge<'a>,
    /// The column of the numbers.
    number: &'a Identifier,
    step: &'a CopyFrom,
    rejecting: &'a Rejecting,
    pace: Pace,
    changes: Changes,
    /// Records that are merged.
    merged: u64,
    /// Records that are set aside for good.
    refused: Vec<SetAside>,
    /// Those that may be taken after all, and how many were merged when they were refused.
    waiting: Vec<(SetAside, u64)>,
    /// All that were set aside for good, kept ones included.
    rejected: u64,
    /// Those that are kept, of each file.
    of_files: Vec<u64>,
}

/// What a merge came to.
pub(super) struct Merged {
    pub(super) changes: Changes,
    /// Records of each file that are set aside.
    pub(super) refused: Vec<u64>,
}

/// What the server has against a part.
struct Complaint {
    fault: Fault,
    /// Others have to do with it.
    depends: bool,
}

/// Records that are still to be merged: some of a window's, by their places in it.
struct Open {
    range: Range<usize>,
    known: Known,
}

/// What is known of records before they are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    /// They are the first half of what was refused: if they are taken, the fault is in the other half.
    IsFirstHalf,
    /// The fault is here.
    HasFault,
}

impl<'a> Isolation<'a> {
    /// A `merge` of what is in `staging`.
    pub(super) fn new(
        staging: &'a Staging,
        merge: Merge<'a>,
        number: &'a Identifier,
        step: &'a CopyFrom,
        rejecting: &'a Rejecting,
    ) -> Self {
        Self {
            staging,
            number,
            step,
            rejecting,
            pace: Pace::default(),
            changes: merge.nothing(),
            merge,
            merged: 0,
            refused: Vec::new(),
            waiting: Vec::new(),
            rejected: 0,
            of_files: vec![0; staging.files().len()],
        }
    }

    /// Merges the `rows` of the staging table, all at once where the server takes them.
    ///
    /// # Errors
    /// The server refuses for another reason than its data, a record cannot be kept, or there are more
    /// of them than the job allows.
    pub(super) async fn run(mut self, rows: u64, stage: &mut Stage<'_>) -> Result<Merged> {
        self.session(stage, SET).await?;
        let whole = self.attempt(None, rows, stage.session).await;
        if let Ok(changes) = whole.map_err(|refused| self.staging.explain(refused))? {
            self.session(stage, END).await?;
            return Ok(self.merged(changes));
        }
        self.session(stage, END).await?;
        self.prepare(stage).await?;
        self.session(stage, SET).await?;
        let outcome = self.parts(stage).await;
        if self.exceeds(stage).is_some() {
            // They are of use all the more.
            self.keep(stage).await?;
        }
        outcome.map_err(|error| match self.exceeds(stage) {
            Some(_) => limit::with_places(error, stage.rejects),
            None => error,
        })?;
        self.session(stage, END).await?;
        if self.merged + self.rejected != rows {
            return Err(Error::new(
                ErrorKind::Data,
                format!(
                    "of {rows} records, {} were merged and {} set aside; please report this",
                    self.merged, self.rejected
                ),
            ));
        }
        let changes = self.changes;
        Ok(self.merged(changes))
    }

    fn merged(self, changes: Changes) -> Merged {
        Merged {
            changes,
            refused: self.of_files,
        }
    }

    /// Runs SQL that is not about the data.
    async fn session(&self, stage: &mut Stage<'_>, sql: &str) -> Result<()> {
        let run = stage.session.run(sql).await;
        run.map(drop)
            .map_err(|error| self.staging.explain(error.into()))
    }

    /// Has the records found by their numbers.
    async fn prepare(&self, stage: &mut Stage<'_>) -> Result<()> {
        let (table, number) = (self.staging.table(), self.number);
        self.session(stage, &format!("CREATE INDEX ON {table} ({number})"))
            .await?;
        if stage.session.server().can(Ability::AnalyzeInTransaction) {
            self.session(stage, &format!("ANALYZE {table} ({number})"))
                .await?;
        }
        Ok(())
    }

    /// Merges everything in parts.
    async fn parts(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let mut last = 0;
        loop {
            let numbers = self.window(last, stage.session).await?;
            let Some(next) = numbers.last() else {
                break;
            };
            last = *next;
            self.merge_window(&numbers, true, stage).await?;
            if self.refused.len() + self.waiting.len() >= HELD {
                self.settle(stage).await?;
                self.keep(stage).await?;
            }
        }
        self.settle(stage).await?;
        self.keep(stage).await
    }

    /// The numbers of the next records.
    async fn window(&self, last: u64, session: &mut Session) -> Result<Vec<u64>> {
        let number = self.number;
        let sql = format!(
            "SELECT {number} FROM {} WHERE {number} > {last} ORDER BY {number} LIMIT {}",
            self.staging.table(),
            WINDOW
        );
        let rows = session.rows(&sql).await;
        let rows = rows.map_err(|error| self.staging.explain(error.into()))?;
        let numbers = rows.iter().map(|row| row.text(0)?.parse().ok());
        let numbers: Option<Vec<u64>> = numbers.collect();
        numbers.ok_or_else(|| Error::new(ErrorKind::Server, "a record has no number"))
    }

    /// Merges the records of these numbers. `is_gapless`: the table has none between them.
    async fn merge_window(
        &mut self,
        numbers: &[u64],
        is_gapless: bool,
        stage: &mut Stage<'_>,
    ) -> Result<()> {
        let most = if is_gapless { usize::MAX } else { LISTED };
        let mut open = vec![Open {
            range: 0..numbers.len(),
            known: Known::Nothing,
        }];
        while let Some(Open { range, known }) = open.pop() {
            if known == Known::HasFault && range.len() > 1 {
                halve(&mut open, &range);
                continue;
            }
            if let Some(reason) = stage.stop.reason() {
                return Err(reason.error());
            }
            let end = range.end.min(range.start + self.pace.size().min(most));
            let now = range.start..end;
            if end < range.end {
                open.push(Open {
                    range: end..range.end,
                    known: Known::Nothing,
                });
            }
            let part = if is_gapless {
                Part::range(self.number, numbers[now.start], numbers[now.end - 1])
            } else {
                Part::list(self.number, &numbers[now.clone()])
            };
            let records = now.len() as u64;
            let attempt = self.attempt(Some(part), records, stage.session).await;
            match attempt.map_err(|refused| self.staging.explain(refused))? {
                Ok(changes) => {
                    self.changes += changes;
                    self.merged += records;
                    self.pace.succeeded(records);
                    if let (Known::IsFirstHalf, true, Some(other)) =
                        (known, end == range.end, open.last_mut())
                    {
                        other.known = Known::HasFault;
                    }
                }
                Err(complaint) if now.len() == 1 => {
                    self.pace.failed_by(0);
                    let origin = Origin::of(numbers[now.start]);
                    self.set_aside(origin, complaint, stage)?;
                }
                Err(_) => halve(&mut open, &now),
            }
        }
        Ok(())
    }

    /// Merges a part behind the savepoint, which is set anew then; `None` merges everything.
    async fn attempt(
        &self,
        part: Option<Part<'a>>,
        rows: u64,
        session: &mut Session,
    ) -> Result<Result<Changes, Complaint>, Refused> {
        let is_all = part.is_none();
        let merged = match part {
            None => self.merge.run(rows, session).await,
            Some(part) => self.merge.of(part).run(rows, session).await,
        };
        let complaint = match merged {
            Ok(changes) => {
                if !is_all {
                    session.run(PASS).await?;
                }
                return Ok(Ok(changes));
            }
            Err(Refused::Wire(WireError::Refused(said))) if is_about_data(&said) => {
                self.complaint(said)
            }
            Err(Refused::Record(fault, _)) => Complaint {
                fault: *fault,
                depends: false,
            },
            Err(other) => return Err(other),
        };
        session.run(BACK).await?;
        Ok(Err(complaint))
    }

    fn complaint(&self, said: Box<ServerMessage>) -> Complaint {
        let is_key = matches!(said.code.as_str(), "23505" | "23P01");
        let gives_up = is_key && self.staging.change() == Change::Upsert;
        let said = match self.staging.in_words_of_target(WireError::Refused(said)) {
            WireError::Refused(said) => *said,
            _ => ServerMessage::default(),
        };
        Complaint {
            depends: depends_on_others(&said)
                && (gives_up || self.staging.target().rows_depend_on_rows),
            fault: Fault::of(said),
        }
    }

    /// Sets a record aside, for good unless others have to do with it.
    fn set_aside(&mut self, origin: Origin, complaint: Complaint, stage: &Stage<'_>) -> Result<()> {
        let Complaint { fault, depends } = complaint;
        let record = SetAside { origin, fault };
        if depends {
            self.waiting.push((record, self.merged));
            return Ok(());
        }
        self.reject(record, stage)
    }

    /// Tries again what was refused for the sake of others, as long as some of it is taken.
    async fn settle(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        for _ in 0..PASSES {
            let now = self.merged;
            let waiting = std::mem::take(&mut self.waiting);
            let (again, over): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|(_, before)| *before < now);
            self.waiting = over;
            if again.is_empty() {
                break;
            }
            let again = again.iter().map(|(record, _)| record.origin.number());
            let again: Vec<u64> = again.collect();
            self.pace = Pace::default();
            self.merge_window(&again, false, stage).await?;
        }
        for (record, _) in std::mem::take(&mut self.waiting) {
            self.reject(record, stage)?;
        }
        Ok(())
    }

    /// Sets a record aside for good.
    ///
    /// # Errors
    /// It cannot be kept, or there are too many.
    fn reject(&mut self, record: SetAside, stage: &Stage<'_>) -> Result<()> {
        rejected::check_source(self.staging, &record)?;
        let last = record.in_words(self.staging);
        self.rejected += 1;
        self.refused.push(record);
        match self.exceeds(stage) {
            Some(what) => Err(Error::new(ErrorKind::Data, what).line("last", last)),
            None => Ok(()),
        }
    }

    /// What is wrong with so many rejected records.
    fn exceeds(&self, stage: &Stage<'_>) -> Option<String> {
        let rejected = stage.parts.rejected_of_all() + self.refused.len() as u64;
        limit::exceeded(
            self.rejecting.most,
            rejected,
            Some(stage.parts.records_of_all()),
        )
    }

    /// Keeps what is set aside for good.
    async fn keep(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let mut refused = std::mem::take(&mut self.refused);
        refused.sort_by_key(|record| record.origin);
        rejected::keep(&refused, self.staging, self.step, self.rejecting, stage).await?;
        for record in &refused {
            if let Some(count) = self.of_files.get_mut(record.origin.file()) {
                *count += 1;
            }
        }
        stage.parts.counts.rejected += refused.len() as u64;
        stage.parts.counts.rows = stage.parts.counts.rows.saturating_sub(refused.len() as u64);
        Ok(())
    }
}

/// The two halves of what was refused, the first of them to come next.
fn halve(open: &mut Vec<Open>, range: &Range<usize>) {
    let middle = range.start + range.len() / 2;
    open.push(Open {
        range: middle..range.end,
        known: Known::Nothing,
    });
    open.push(Open {
        range: range.start..middle,
        known: Known::IsFirstHalf,
    });
}
