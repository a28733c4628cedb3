//! One file into the table, and what there is to say when that fails.

use super::advice::{Spot, advice};
use super::compatibility::Findings;
use super::lane::{Lane, Stopped, input_thread_died};
use super::{columns, place};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Header};
use crate::name::column_list;
use crate::progress::Event;
use crate::record::dialect::Format;
use crate::record::position::Position;
use crate::run::{Stage, Stop};
use crate::source::{self, Begin, Fed, Feed, Reading, Source};
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};

/// What one file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Rows, by the server's count.
    pub(super) rows: u64,
    /// Bytes sent.
    pub(super) bytes: u64,
    /// The file holds no record.
    pub(super) empty: bool,
}

/// Loads one file with one COPY. What the server made of its values goes to `findings`.
pub(super) async fn load(
    step: &CopyFrom,
    source: &Source,
    stage: &mut Stage<'_>,
    findings: Option<&mut Findings>,
) -> Result<Loaded> {
    let csv_markers = stage.session.server().can(Ability::CsvEndMarker);
    let reading = reading(step, csv_markers);
    let markers = reading.markers;
    let mut feed = source::feed(source.clone(), reading)?;
    let begin = begin(&mut feed, &mut stage.stop).await?;
    stage.observer.observe(Event::FileStarted {
        name: &source.to_string(),
        size: begin.size,
    });
    if begin.bom_kept {
        stage.warn(&format!(
            "`{source}` begins with a byte-order mark, which becomes part of the first value"
        ));
    }
    let columns = columns::columns(step, source, &begin, stage.session).await?;
    let options = step
        .dialect
        .copy_options(stage.session.standard_conforming_strings());
    let sql = format!(
        "COPY {}{} FROM stdin {options}",
        step.table,
        column_list(&columns)
    );
    let server = stage.session.server().clone();
    let here = Here {
        step,
        source,
        server: &server,
    };
    let mut copy = stage
        .session
        .copy_in(&sql)
        .await
        .map_err(|error| here.refused(error, None))?;
    let inspector = findings
        .as_ref()
        .and_then(|findings| findings.inspector(step, &columns, markers, begin.lines));
    let mut lane = Lane::new(&begin).inspected(inspector);
    let filled = lane
        .fill(
            &mut copy,
            &mut feed,
            step.dialect.format,
            stage.observer,
            &mut stage.stop,
        )
        .await;
    let finished = copy.finish().await;
    let rows = match (filled, finished) {
        (Ok(()), Ok(rows)) => rows,
        (Ok(()), Err(error)) => return Err(here.refused(error, Some(&lane))),
        (Err(stopped), _) => return Err(here.stopped(stopped, &lane)),
    };
    here.reconcile(rows, &lane, stage);
    let loaded = Loaded {
        rows,
        bytes: lane.bytes,
        empty: lane.positions.records() == 0,
    };
    if let (Some(findings), Some(inspector)) = (findings, lane.into_inspector()) {
        findings.take(inspector, source);
    }
    Ok(loaded)
}

/// How a step reads its files. `csv_markers`: the server ends csv data at a line `\.`.
pub(crate) fn reading(step: &CopyFrom, csv_markers: bool) -> Reading {
    Reading {
        dialect: Some(step.dialect.clone()),
        header: step.header,
        compression: step.compression,
        size: step.size,
        strip_bom: step.header != Header::None || step.dialect.format == Format::Csv,
        markers: step.dialect.format == Format::Text || csv_markers,
    }
}

/// Waits for the file to open.
pub(crate) async fn begin(feed: &mut Feed, stop: &mut Stop) -> Result<Begin> {
    tokio::select! {
        reason = stop.wait() => Err(reason.error()),
        fed = feed.next() => match fed {
            Some(Ok(Fed::Begin(begin))) => Ok(begin),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Err(input_thread_died()),
        },
    }
}

/// The file and the step, for messages.
struct Here<'a> {
    step: &'a CopyFrom,
    source: &'a Source,
    server: &'a Server,
}

impl Here<'_> {
    fn stopped(&self, stopped: Stopped, lane: &Lane) -> Error {
        match stopped {
            Stopped::Wire(error) => self.refused(error, Some(lane)),
            Stopped::Input(error) => error,
            Stopped::Asked(reason) => reason.error(),
            Stopped::NoTrailer => Error::new(
                ErrorKind::Data,
                format!(
                    "`{}` is cut short: binary COPY data ends with a trailer, and this does not",
                    self.source
                ),
            ),
            Stopped::Marker(marker) => {
                let at = lane.positions.open_record();
                let what = if marker.alone {
                    format!(
                        "`{}` goes on after the end-of-data marker `\\.` on line {}",
                        self.source, at.line
                    )
                } else {
                    format!(
                        "line {} of `{}` ends with `\\.` after its data",
                        at.line, self.source
                    )
                };
                Error::new(ErrorKind::Data, what)
                    .line("detail", "the server takes `\\.` for the end of the data and would drop what follows without a word")
                    .hint(if self.step.dialect.format == Format::Csv {
                        "in csv, write the value as `\"\\.\"`"
                    } else {
                        "in text format, write a backslash as `\\\\`; to stop at the marker, cut the file there"
                    })
            }
        }
    }

    /// The server's refusal, with the place in the file it is about.
    fn refused(&self, error: WireError, lane: Option<&Lane>) -> Error {
        let table = self.step.table.plain();
        let known = lane.and_then(|lane| {
            let place = place::place(
                error.server()?,
                self.step.table.name().as_str(),
                &lane.positions,
                self.source,
            )?;
            Some((place, lane))
        });
        let message = match known {
            // Binary data has no lines.
            Some((at, _)) if self.step.dialect.format == Format::Binary => {
                format!(
                    "cannot load `{}` into {table}: record {}",
                    self.source, at.record
                )
            }
            Some((at, _)) => format!("cannot load `{}` into {table}: {at}", self.source),
            None => format!("cannot load `{}` into {table}", self.source),
        };
        let hint = self.hint(&error, lane, known.as_ref().map(|(at, _)| at));
        let mut error = Error::from(error).within(message);
        if let Some((at, _)) = known {
            error = error.line("byte", at.offset.to_string());
        }
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// What to do about it.
    fn hint(
        &self,
        error: &WireError,
        lane: Option<&Lane>,
        at: Option<&Position>,
    ) -> Option<String> {
        let spot = Spot {
            first_record: at.is_some_and(|at| at.record == 1),
            in_quote: lane.is_some_and(|lane| lane.end.in_quote),
        };
        advice(self.step, self.source, self.server, error.server()?, spot)
    }

    /// Says so when the server counts other rows than there are records: a trigger that swallows
    /// rows, a view's rule, a marker.
    fn reconcile(&self, rows: u64, lane: &Lane, stage: &Stage<'_>) {
        let records = lane.positions.records();
        if rows != records {
            stage.warn(&format!(
                "`{}` has {records} records, and the server counts {rows} rows",
                self.source
            ));
        }
        if self.step.dialect.format == Format::Csv && lane.end.marker.is_some() {
            stage.warn(&format!(
                "`{}` ends with a line `\\.`, taken as the end of the data",
                self.source
            ));
        }
    }
}
