//! What a failed run says of the database.

use super::done::Done;
use crate::job::{Job, Transaction};
use crate::progress::wording;

/// Where a failed run leaves the database, when that is known.
pub(super) fn state(job: &Job, done: &Done) -> String {
    let steps = committed(job, done);
    match job.transaction {
        _ if done.steps == job.steps.len() => "everything is committed".into(),
        Transaction::Job => "rolled back; nothing of this run is in the database".into(),
        Transaction::Batch if done.parts.counts.batches > 0 => format!(
            "{}{}; the batch under way is rolled back, and the next run goes on behind what is committed",
            if done.steps == 0 {
                String::new()
            } else {
                format!("{steps}, and ")
            },
            batches(done)
        ),
        Transaction::Step | Transaction::Batch if done.steps == 0 => {
            "rolled back; nothing of this run is in the database".into()
        }
        Transaction::Step | Transaction::Batch => {
            format!("{steps}; what came after is rolled back")
        }
        Transaction::None if done.steps == 0 => {
            "each statement that succeeded is committed (`transaction: none`)".into()
        }
        Transaction::None => {
            format!("{steps}, and so is each later statement that succeeded (`transaction: none`)")
        }
    }
}

/// The same when the job's own SQL ended the transaction.
pub(super) const ENDED_BY_SQL: &str =
    "what the job's own SQL committed is in the database; the rest is rolled back";

/// What is known where the outcome of the last statement is not.
pub(super) fn known(job: &Job, done: &Done) -> String {
    match job.transaction {
        Transaction::Job => "either everything is committed or nothing is".into(),
        Transaction::Batch if done.parts.counts.batches > 0 => {
            format!("{}; the one behind is in doubt", batches(done))
        }
        Transaction::Step | Transaction::Batch | Transaction::None => {
            format!("{}; what came after is in doubt", committed(job, done))
        }
    }
}

/// The batches of the step under way that are committed, in words.
fn batches(done: &Done) -> String {
    let rows = wording::rows(done.parts.counts.rows);
    match done.parts.counts.batches {
        1 => format!("1 batch with {rows} is committed"),
        several => format!("{several} batches with {rows} are committed"),
    }
}

/// The steps that are committed, in words.
fn committed(job: &Job, done: &Done) -> String {
    let steps = &job.steps[..done.steps];
    let numbers: Vec<String> = steps.iter().map(|step| step.number.to_string()).collect();
    match numbers.as_slice() {
        [] => "no earlier step is committed".into(),
        [one] => format!("step {one} is committed"),
        several => format!("steps {} are committed", several.join(", ")),
    }
}
