//! How many records may be rejected.

use crate::error::{Error, ErrorKind, Result};
use crate::job::{MostRejects, Rejecting};
use crate::run::Stage;
use crate::sink::Rejects;

/// What is wrong with so many rejected records; `None` where the job allows them. `records` are all
/// of the step, where they are known.
pub(super) fn exceeded(most: MostRejects, rejected: u64, records: Option<u64>) -> Option<String> {
    match (most, records) {
        (MostRejects::Count(most), _) if rejected > most => Some(format!(
            "more than {most} records were rejected (`max_rejects`)"
        )),
        (most, Some(records)) if !most.allow(rejected, records) => Some(match most {
            MostRejects::Any => format!("all {records} records were rejected"),
            most => format!(
                "{rejected} of {records} records were rejected, more than {most} (`max_rejects`)"
            ),
        }),
        _ => None,
    }
}

/// Checks what a step has rejected, whose files have all been read.
///
/// # Errors
/// The job does not allow so many.
pub(super) fn check(rejecting: &Rejecting, stage: &Stage<'_>) -> Result<()> {
    let (rejected, records) = (stage.parts.rejected_of_all(), stage.parts.records_of_all());
    match exceeded(rejecting.most, rejected, Some(records)) {
        Some(what) => Err(with_places(
            Error::new(ErrorKind::Data, what),
            stage.rejects,
        )),
        None => Ok(()),
    }
}

/// The error of a load with too many rejected records, with where these are.
pub(super) fn with_places(mut error: Error, rejects: &Rejects) -> Error {
    for file in rejects.files() {
        let text = format!("{}: {}", file.path.display(), file.count);
        error = error.line("rejects", text);
    }
    error
}
