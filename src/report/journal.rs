//! Keeps a record of a run while it goes on.

use std::cell::{RefCell, RefMut};

use super::{FileRecord, Record, RejectRecord, StepRecord};
use crate::job::Job;
use crate::progress::{Event, Observer, Outcome};

/// The most warnings, files of a step, and command tags that are kept: a run may have any number.
const KEPT: usize = 1000;

/// Listens to a run before another observer does.
pub struct Journal<'a> {
    inner: &'a dyn Observer,
    job: &'a Job,
    record: RefCell<Record>,
}

impl<'a> Journal<'a> {
    /// Of a run of `job`, in front of `inner`.
    pub fn new(job: &'a Job, inner: &'a dyn Observer) -> Self {
        Self {
            inner,
            job,
            record: RefCell::new(Record::new(job)),
        }
    }

    /// What it has kept.
    pub fn into_record(self) -> Record {
        self.record.into_inner()
    }

    fn hidden(&self, text: &str) -> String {
        self.job.secrets.hide(text).into_owned()
    }

    fn step(&self, number: usize) -> Option<RefMut<'_, StepRecord>> {
        RefMut::filter_map(self.record.borrow_mut(), |record| {
            record.steps.iter_mut().find(|step| step.number == number)
        })
        .ok()
    }

    /// The step under way.
    fn under_way(&self) -> Option<RefMut<'_, StepRecord>> {
        RefMut::filter_map(self.record.borrow_mut(), |record| {
            let mut steps = record.steps.iter_mut().rev();
            steps.find(|step| step.is_begun && !step.is_done)
        })
        .ok()
    }

    fn warn(&self, text: &str) {
        let text = self.hidden(text);
        let mut record = self.record.borrow_mut();
        if record.warnings.len() < KEPT {
            record.warnings.push(text);
        } else {
            record.more_warnings += 1;
        }
    }

    /// A step begins. What an earlier attempt did of it, and of those behind it, is undone.
    fn begin(&self, number: usize) {
        let mut record = self.record.borrow_mut();
        for step in record.steps.iter_mut().filter(|step| step.number >= number) {
            *step = StepRecord {
                number: step.number,
                name: step.name.take(),
                title: std::mem::take(&mut step.title),
                kind: step.kind,
                is_begun: step.number == number,
                ..StepRecord::default()
            };
        }
    }

    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Connected { server, .. } => {
                self.record.borrow_mut().server = Some((*server).to_owned());
            }
            Event::Warning(text) => self.warn(text),
            Event::Retrying { what } => {
                self.record.borrow_mut().retries += 1;
                self.warn(what);
            }
            Event::StepStarted { number, .. } => self.begin(*number),
            Event::FileStarted { name, size } => {
                if let Some(mut step) = self.under_way() {
                    step.file_count += 1;
                    if step.files.len() < KEPT {
                        step.files.push(FileRecord {
                            name: self.hidden(name),
                            size: *size,
                            bytes: 0,
                        });
                    }
                }
            }
            Event::Moved { bytes, .. } => {
                if let Some(mut step) = self.under_way() {
                    let is_kept = step.file_count <= KEPT;
                    if let Some(file) = step.files.last_mut().filter(|_| is_kept) {
                        file.bytes = *bytes;
                    }
                }
            }
            Event::StepDone {
                number,
                outcome,
                elapsed,
                ..
            } => {
                if let Some(mut step) = self.step(*number) {
                    step.is_begun = true;
                    step.is_done = true;
                    step.seconds = elapsed.as_secs_f64();
                    self.outcome(&mut step, outcome);
                }
            }
            Event::Committed { step } => self.record.borrow_mut().committed = *step,
            Event::Rejected { file, .. } => {
                self.record.borrow_mut().rejects.push(RejectRecord {
                    step: file.step,
                    source: file.source.to_string(),
                    file: file.path.to_owned(),
                    reasons: file.reasons.clone(),
                    count: file.count,
                });
            }
            Event::Skipped { .. } => self.record.borrow_mut().is_skipped = true,
            _ => {}
        }
    }

    fn outcome(&self, step: &mut StepRecord, outcome: &Outcome) {
        match outcome {
            Outcome::Sql(tags) => {
                step.tags = tags.iter().take(KEPT).map(|tag| self.hidden(tag)).collect();
            }
            Outcome::Holds(rows) => step.rows = *rows,
            Outcome::Loaded {
                rows,
                bytes,
                files,
                before,
                rejected,
                filtered,
                changes,
            } => {
                step.rows = *rows;
                step.bytes = *bytes;
                step.file_count = *files;
                step.before = *before;
                step.rejected = *rejected;
                step.filtered = *filtered;
                step.changes = *changes;
            }
            Outcome::Unloaded { rows, bytes, .. } => {
                step.rows = *rows;
                step.bytes = *bytes;
            }
        }
    }
}

impl Observer for Journal<'_> {
    fn observe(&self, event: Event<'_>) {
        self.note(&event);
        self.inner.observe(event);
    }
}
