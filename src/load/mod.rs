//! Files into a table: each file is one COPY, all of them in the step's transaction. What the records
//! do to the table is the mode's: [`mode`].

mod advice;
mod batch;
mod batches;
pub(crate) mod catalog;
pub(crate) mod column_store;
mod columns;
pub(crate) mod compatibility;
mod fields;
mod file;
mod inspection;
mod lane;
mod limit;
mod mapping;
mod mode;
mod once;
mod open;
mod origin;
mod place;
mod reconcile;
mod refusal;
mod repertoire;
mod scrutiny;
mod shape;
mod sieve;
mod sift;
mod skipped;
mod suspicion;

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Policy, Transaction};
use crate::progress::{Changes, Event, Outcome};
use crate::record::position::Position;
use crate::run::Stage;
use crate::source::{self, Source};
use crate::wire::server::{Ability, Server};

pub(crate) use columns::{check as check_header, mapped};
use compatibility::Findings;
use file::Loaded;
pub(crate) use file::{begin, behind_marker, cut_short, ends_with_marker, reading};
pub(crate) use inspection::{Inspected, Inspection, unjudged};
pub(crate) use lane::{Lane, Stopped};
use mode::Destination;
use once::Input;
use open::Open;
pub(crate) use place::place;
use scrutiny::Scrutiny;

/// Runs a `copy_from` step: the files that are not in yet.
pub(crate) async fn copy_from(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Outcome> {
    check(step, stage.session.server())?;
    let sources = inputs(step, stage)?;
    if sources.is_empty() {
        // No file is no reason to touch the table.
        return Ok(outcome(stage, None));
    }
    let sources = once::share(sources, stage);
    if let (Transaction::Batch, Some(ledger)) = (stage.transaction, stage.ledger) {
        // On the heap, as it is large beside what other loads need.
        return Box::pin(batches::copy_from(step, sources, ledger, stage)).await;
    }
    let inputs = once::inputs(step, sources, stage).await?;
    if inputs.is_empty() {
        // Every file is in.
        return Ok(outcome(stage, None));
    }
    let mut scrutiny = Scrutiny::new(&step.table, stage.session).await?;
    let mut destination = Destination::prepare(step, stage).await?;
    let mut gathered = Vec::new();
    for input in inputs {
        // By name, not by number: another file may have come since.
        if stage.parts.files.contains(&input.source) || !input.claim(stage).await? {
            continue;
        }
        let source = &input.source;
        if !source.can_be_read_again() {
            stage.cannot_be_repeated("its input has been read, and can be read only once");
        }
        let findings = scrutiny.findings.as_mut();
        let loaded = whole(step, &input, &mut destination, stage, findings).await;
        stage.observer.observe(Event::FileDone);
        stage.notices();
        let loaded = loaded?;
        if let Some(arrived) = stage.arrived {
            arrived.check_rows(source, loaded.records)?;
        }
        if loaded.empty {
            complain(step.on_empty, stage, || no_record(source))?;
        }
        input.complete(&loaded, stage).await?;
        scrutiny.note(loaded.rows);
        loaded.count(stage);
        stage.parts.files.push(source.clone());
        gathered.push((input, loaded));
        stage.part_done();
    }
    scrutiny.report(true, stage).await?;
    if let Some(rejecting) = &step.rejecting {
        limit::check(rejecting, stage)?;
    }
    let changes = destination.finish(step, stage).await?;
    for (input, loaded) in gathered {
        let refused = destination.refused_of(&input.source);
        if refused > 0 {
            input.complete(&loaded.without(refused), stage).await?;
        }
    }
    Ok(outcome(stage, changes))
}

/// Loads a file from its start to its end.
async fn whole(
    step: &CopyFrom,
    input: &Input,
    destination: &mut Destination,
    stage: &mut Stage<'_>,
    findings: Option<&mut Findings>,
) -> Result<Loaded> {
    let open = Open::new(step, input, None, stage).await?;
    let loaded = opened(step, &input.source, open, destination, stage, findings).await;
    loaded.map(|(loaded, _)| loaded)
}

/// Loads what comes of a file that is open: the rest of it, or a batch.
async fn opened(
    step: &CopyFrom,
    source: &Source,
    open: Open,
    destination: &mut Destination,
    stage: &mut Stage<'_>,
    findings: Option<&mut Findings>,
) -> Result<(Loaded, Open)> {
    if sift::is_needed(step) {
        sift::load(step, source, open, destination, stage, findings).await
    } else {
        file::load(step, source, open, destination, stage, findings).await
    }
}

fn outcome(stage: &Stage<'_>, changes: Option<Changes>) -> Outcome {
    Outcome::Loaded {
        rows: stage.parts.counts.rows,
        bytes: stage.parts.counts.bytes,
        files: stage.parts.files.len(),
        before: stage.parts.before,
        rejected: stage.parts.counts.rejected,
        filtered: stage.parts.counts.filtered,
        changes,
    }
}

/// The error of a file without a record.
pub(crate) fn no_record(name: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Input, format!("`{name}` holds no record"))
        .hint("`on_empty: ok` or `warn` lets the job go on")
}

/// The error of a record that is too long to be kept.
fn too_long(at: Position) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("{at}: the record is longer than 64 MiB"),
    )
    .hint("is a quote left open there? Where records are neither rejected nor changed, they may be of any length")
}

/// Refuses what the server would call a syntax error.
pub(crate) fn check(step: &CopyFrom, server: &Server) -> Result<()> {
    if step.dialect.force_null.is_empty() || server.can(Ability::CopyForceNull) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Server,
        format!("{server} does not support `force_null`"),
    )
    .hint("PostgreSQL has it from 9.4 on; without it, write NULL without quotes in the file"))
}

/// The files of a step, with the policy for missing ones applied.
fn inputs(step: &CopyFrom, stage: &Stage<'_>) -> Result<Vec<Source>> {
    let (sources, absent) = match stage.arrived {
        Some(arrived) => (arrived.sources(), arrived.missing.clone()),
        None => source::expand(&step.input)?,
    };
    for path in absent {
        complain(step.on_missing, stage, || {
            missing(&path, stage.outputs.is_awaited(&path))
        })?;
    }
    Ok(sources)
}

/// The error of a file that is not there. `awaited`: an earlier step writes it.
pub(crate) fn missing(path: &Path, awaited: bool) -> Error {
    let error = Error::new(ErrorKind::Input, format!("no file `{}`", path.display()));
    if awaited {
        return error.hint(
            "an earlier step of this job writes it, and it appears with the COMMIT: use `transaction: step`",
        );
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => error.hint(format!(
            "there is no folder `{}`; paths are relative to the job file",
            folder.display()
        )),
        _ => error.hint(
            "paths are relative to the job file; `on_missing: ok` or `warn` lets the job go on",
        ),
    }
}

fn complain(policy: Policy, stage: &Stage<'_>, error: impl FnOnce() -> Error) -> Result<()> {
    match policy {
        Policy::Fail => Err(error()),
        Policy::Warn => {
            stage.warn(&error().to_string());
            Ok(())
        }
        Policy::Ok => Ok(()),
    }
}
