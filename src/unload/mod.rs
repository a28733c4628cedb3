//! A table or a query into a file.

mod query;

pub(crate) use query::bare;

use std::path::Path;

use crate::arrival::manifest::{self, Unloaded};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyTo, Output, Unload};
use crate::name::column_list;
use crate::progress::{Event, Outcome};
use crate::run::{Stage, Stop};
use crate::sink::{self, Drain, Encode, Pending, Written};
use crate::wire::error::WireError;
use crate::wire::session::Exchange;

/// Bytes collected before they are handed to the writer.
const BLOCK: usize = 256 * 1024;

/// Runs a `copy_to` step.
pub(crate) async fn copy_to(step: &CopyTo, stage: &mut Stage<'_>) -> Result<Outcome> {
    let sql = statement(step, stage.session.standard_conforming_strings());
    let refused = |error: WireError| refused(error, &step.what, &step.output);
    if !sink::can_be_written_again(&step.output) {
        stage.cannot_be_repeated(sink::CANNOT_BE_TAKEN_BACK);
    }
    let mut copy = stage.session.copy_out(&sql).await.map_err(refused)?;
    let encode =
        (!step.charset.is_utf8()).then(|| Encode::new(step.charset, &step.dialect, step.header));
    let mut drain = sink::drain(
        &step.output,
        step.compression,
        encode,
        step.manifest.is_some(),
    )?;
    let name = step.output.to_string();
    stage.observer.observe(Event::FileStarted {
        name: &name,
        size: None,
    });
    let pumped = pump(&mut copy, &mut drain, stage.observer, &mut stage.stop).await;
    stage.observer.observe(Event::FileDone);
    pumped.map_err(|stopped| stopped.into_error(refused))?;
    let rows = copy.finish().await.map_err(refused)?;
    let (written, pending) = finish(drain, &mut stage.stop).await?;
    if let Some(pending) = pending {
        stage.outputs.keep(pending)?;
    }
    if let (Some(path), Output::Path(file)) = (&step.manifest, &step.output) {
        list(path, file, &written, rows, stage)?;
    }
    Ok(Outcome::Unloaded {
        rows,
        bytes: written.bytes,
        reader_gone: written.reader_gone,
    })
}

/// Writes the manifest of a file. It is published behind the file, so that it never speaks of one that
/// is not there.
fn list(
    path: &Path,
    file: &Path,
    written: &Written,
    rows: u64,
    stage: &mut Stage<'_>,
) -> Result<()> {
    let Some(content) = written.content else {
        return Err(Error::new(
            ErrorKind::Output,
            format!(
                "`{}` is no file, so that `manifest` has nothing to list",
                file.display()
            ),
        ));
    };
    let unloaded = Unloaded {
        path: file,
        content,
        rows,
    };
    let pending = manifest::write(path, &unloaded)?;
    stage.outputs.keep(pending)
}

/// Waits for the last bytes to be written; a pipe takes them when its reader does.
pub(crate) async fn finish(drain: Drain, stop: &mut Stop) -> Result<(Written, Option<Pending>)> {
    tokio::select! {
        biased;
        reason = stop.wait() => Err(reason.error()),
        finished = drain.finish() => finished,
    }
}

/// The COPY, as psycopg2 writes it where psycopg2 has it.
fn statement(step: &CopyTo, standard_conforming_strings: bool) -> String {
    let options = step.dialect.copy_options(standard_conforming_strings);
    let header = if step.header { " HEADER" } else { "" };
    match &step.what {
        Unload::Table(table, columns) => {
            format!(
                "COPY {table}{} TO stdout {options}{header}",
                column_list(columns.as_deref().unwrap_or_default())
            )
        }
        // On lines of their own, so that the server's line numbers are easy to follow.
        Unload::Query(query) => {
            format!(
                "COPY (\n{}\n) TO stdout {options}{header}",
                query::bare(query)
            )
        }
    }
}

fn refused(error: WireError, what: &Unload, output: &Output) -> Error {
    let code = error
        .server()
        .map(|said| said.code.clone())
        .unwrap_or_default();
    let what = match what {
        Unload::Table(table, _) => table.plain(),
        Unload::Query(_) => "the query".into(),
    };
    let error = Error::from(error).within(format!("cannot unload {what} into `{output}`"));
    match code.as_str() {
        "42809" => error.hint("to unload a view, use `query: SELECT * FROM ...`"),
        _ => error,
    }
}

/// Why an unload did not get to its end.
pub(crate) enum Stopped {
    Wire(WireError),
    Output(Error),
    Asked(crate::run::Reason),
}

impl Stopped {
    pub(crate) fn into_error(self, refused: impl FnOnce(WireError) -> Error) -> Error {
        match self {
            Self::Wire(error) => refused(error),
            Self::Output(error) => error,
            Self::Asked(reason) => reason.error(),
        }
    }
}

/// Moves COPY data from the server to the writer, to the end of the data.
///
/// An exchange left in the middle is settled by its session's next use.
pub(crate) async fn pump(
    copy: &mut Exchange<'_>,
    drain: &mut Drain,
    observer: &dyn crate::progress::Observer,
    stop: &mut Stop,
) -> Result<(), Stopped> {
    let (mut bytes, mut more) = (0, true);
    while more {
        let mut block = drain.block();
        more = tokio::select! {
            biased;
            reason = stop.wait() => return Err(Stopped::Asked(reason)),
            more = copy.receive(&mut block, BLOCK) => more.map_err(Stopped::Wire)?,
        };
        bytes += block.len() as u64;
        tokio::select! {
            biased;
            reason = stop.wait() => return Err(Stopped::Asked(reason)),
            written = drain.write(block) => written.map_err(Stopped::Output)?,
        }
        observer.observe(Event::Moved {
            disk: bytes,
            bytes,
            records: 0,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Compression;
    use crate::name::TableName;
    use crate::record::charset::Charset;
    use crate::record::dialect::{Dialect, Format};

    #[test]
    fn the_statement_is_psycopg2s() {
        let step = |what| CopyTo {
            what,
            output: Output::Stdout,
            dialect: Dialect::new(Format::Text),
            header: false,
            charset: Charset::UTF8,
            compression: Compression::Auto,
            manifest: None,
        };
        let table = TableName::parse("t").unwrap();
        assert_eq!(
            statement(&step(Unload::Table(table, None)), true),
            "COPY \"t\" TO stdout WITH DELIMITER AS '\t' NULL AS '\\N'"
        );
        assert_eq!(
            statement(&step(Unload::Query("SELECT 1; ".into())), true),
            "COPY (\nSELECT 1\n) TO stdout WITH DELIMITER AS '\t' NULL AS '\\N'"
        );
    }
}
