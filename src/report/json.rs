//! `--report`: one JSON document. Its format is documented in the README, and its `version` changes
//! when a key changes its meaning or goes away; keys may be added.

use std::error::Error as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Record, StepRecord, StepState, write};
use crate::error::{Error, Result};
use crate::progress::Changes;

/// The format's version.
const VERSION: u32 = 1;

/// Writes the report of a command that ends with `exit`.
///
/// # Errors
/// The file cannot be written.
pub fn report(path: &Path, started: Timestamp, exit: u8, records: &[Record]) -> Result<()> {
    let jobs: Vec<Value> = records.iter().map(job).collect();
    let report = json!({
        "version": VERSION,
        "dwsload": env!("CARGO_PKG_VERSION"),
        "started": time(started),
        "ended": time(Timestamp::now()),
        "exit": exit,
        "jobs": jobs,
    });
    write(path, &format!("{report:#}\n"))
}

/// A moment as everything for machines has it: UTC, with milliseconds.
pub fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn job(record: &Record) -> Value {
    let rejects: Vec<Value> = record
        .rejects
        .iter()
        .map(|rejects| {
            json!({
                "step": rejects.step,
                "source": rejects.source,
                "count": rejects.count,
                "file": rejects.file.display().to_string(),
                "reasons": rejects.reasons.display().to_string(),
            })
        })
        .collect();
    let steps: Vec<Value> = record.steps.iter().map(|s| step(record, s)).collect();
    json!({
        "job": record.job,
        "file": record.file.display().to_string(),
        "run_id": record.run_id,
        "started": record.started.map(time),
        "ended": record.ended.map(time),
        "seconds": record.seconds(),
        "exit": record.exit,
        "outcome": record.outcome(),
        "error": record.error,
        "server": record.server,
        "retries": record.retries,
        "steps": steps,
        "rejects": rejects,
        "warnings": record.warnings,
        "more_warnings": record.more_warnings,
    })
}

fn step(record: &Record, step: &StepRecord) -> Value {
    let state = match record.state(step) {
        StepState::Done => "done",
        StepState::RolledBack => "rolled_back",
        StepState::Unknown => "unknown",
        StepState::Failed => "failed",
        StepState::NotRun => "not_run",
    };
    let files: Vec<Value> = step
        .files
        .iter()
        .map(|file| json!({"name": file.name, "size": file.size, "bytes": file.bytes}))
        .collect();
    json!({
        "number": step.number,
        "name": step.name,
        "title": step.title,
        "kind": step.kind,
        "state": state,
        "seconds": (step.seconds * 1000.0).round() / 1000.0,
        "rows": step.rows,
        "rejected": step.rejected,
        "filtered": step.filtered,
        "bytes": step.bytes,
        "file_count": step.file_count,
        "loaded_before": step.before,
        "files": files,
        "tags": step.tags,
        "changes": step.changes.map(changes),
    })
}

fn changes(done: Changes) -> Value {
    json!({
        "inserted": done.inserted,
        "updated": done.updated,
        "deleted": done.deleted,
        "unchanged": done.unchanged,
        "duplicates": done.duplicates,
    })
}

/// An error as an object: what it is, its causes, and the lines below them in one list.
pub fn explained(error: &Error) -> Value {
    let mut causes = Vec::new();
    let mut link = error.source();
    while let Some(cause) = link {
        causes.push(cause.to_string());
        link = cause.source();
    }
    let notes: Vec<Value> = error
        .annotations()
        .into_iter()
        .map(|(label, text)| Value::Object(Map::from_iter([(label.to_owned(), text.into())])))
        .collect();
    json!({
        "kind": error.kind().word(),
        "exit": error.kind().exit_code(),
        "sqlstate": error.sqlstate(),
        "message": error.to_string(),
        "causes": causes,
        "notes": notes,
    })
}
