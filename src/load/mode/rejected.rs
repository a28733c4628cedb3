//! Records that a merge has refused, kept as they stand in their files: these are read once more.

use super::locate;
use super::staging::{Filed, Staging};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Rejecting};
use crate::load::file::reading;
use crate::load::origin::Origin;
use crate::load::sieve::Fault;
use crate::run::Stage;
use crate::source::Source;
use crate::wire::error::WireError;
use crate::wire::server::Ability;

/// A record that is set aside.
#[derive(Debug)]
pub(super) struct SetAside {
    pub(super) origin: Origin,
    pub(super) fault: Fault,
}

impl SetAside {
    /// Its place and its fault, as far as they are known.
    pub(super) fn in_words(&self, staging: &Staging) -> String {
        let place = match staging.file(self.origin) {
            Some(Filed { source, .. }) => format!("`{source}`, "),
            None => String::new(),
        };
        format!(
            "{place}record {}: {} (SQLSTATE {})",
            self.origin.record(),
            self.fault.reason,
            self.fault.code
        )
    }
}

/// Checks that the file of `record` can be read once more.
///
/// # Errors
/// It cannot, and so the record is lost.
pub(super) fn check_source(staging: &Staging, record: &SetAside) -> Result<()> {
    let Some(Filed { source, .. }) = staging.file(record.origin) else {
        return Ok(());
    };
    if source.can_be_read_again() {
        return Ok(());
    }
    let cause = record.fault.clone().into_message();
    Err(Error::from(WireError::Refused(Box::new(cause)))
        .within(format!(
            "record {} of `{source}` cannot be merged into `{}`, and not be kept either: it has been read, and can be read only once",
            record.origin.record(),
            staging.target().called
        ))
        .hint("load it from a file: then such records are rejected, and the rest is merged"))
}

/// Keeps `refused`, which are in the order of the input.
///
/// # Errors
/// A file cannot be read, or is not what it was; or what is kept cannot be written.
pub(super) async fn keep(
    refused: &[SetAside],
    staging: &Staging,
    step: &CopyFrom,
    rejecting: &Rejecting,
    stage: &mut Stage<'_>,
) -> Result<()> {
    let markers = stage.session.server().can(Ability::CsvEndMarker);
    for of_file in refused.chunk_by(|a, b| a.origin.file() == b.origin.file()) {
        let Some(filed) = of_file.first().and_then(|first| staging.file(first.origin)) else {
            continue;
        };
        let source = &filed.source;
        if source.stamp() != filed.stamp {
            return Err(changed(source));
        }
        let numbers: Vec<u64> = of_file.iter().map(|one| one.origin.record()).collect();
        let mut faults = of_file.iter().map(|one| &one.fault);
        let (rejects, stop) = (&mut *stage.rejects, &mut stage.stop);
        let found = locate::records(
            source,
            reading(step, markers),
            &numbers,
            stop,
            |begin, record| {
                let Some(fault) = faults.next() else {
                    return Ok(());
                };
                let reject = fault.reject(record.at, record.bytes);
                rejects.keep(&rejecting.folder, source, begin, &reject)
            },
        );
        if found.await? < numbers.len() {
            return Err(changed(source));
        }
    }
    Ok(())
}

fn changed(source: &Source) -> Error {
    Error::new(
        ErrorKind::Data,
        format!(
            "`{source}` has changed since it was loaded, and is read again for its rejected records"
        ),
    )
    .hint("let files be complete before they are loaded, and leave them alone until the job ends")
}
