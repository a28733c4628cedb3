//! One file into the table, and what there is to say when that fails.

use super::advice::{Spot, advice};
use super::compatibility::Findings;
use super::lane::{Lane, Stopped, input_thread_died};
use super::mode::Destination;
use super::open::{Open, Reached};
use super::reconcile::reconcile;
use super::{columns, place, suspicion};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Header, Mode, Nul};
use crate::name::column_list;
use crate::progress::wording;
use crate::record::cut::Cut;
use crate::record::dialect::Format;
use crate::record::oddities::Oddities;
use crate::record::position::Position;
use crate::run::{Stage, Stop};
use crate::source::{Begin, End, EndMarker, Fed, Feed, OnMalformed, Reading, Source};
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};

/// What one file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Rows, by the server's count.
    pub(super) rows: u64,
    /// Bytes sent.
    pub(super) bytes: u64,
    /// Records read.
    pub(super) records: u64,
    /// Records set aside.
    pub(super) rejected: u64,
    /// Records that the job does not want.
    pub(super) filtered: u64,
    /// Where reading has come to.
    pub(super) reached: Reached,
    /// The file holds no record.
    pub(super) empty: bool,
}

impl Loaded {
    /// The same, of which `refused` rows were set aside after all.
    pub(super) fn without(self, refused: u64) -> Self {
        Self {
            rows: self.rows.saturating_sub(refused),
            rejected: self.rejected + refused,
            ..self
        }
    }

    /// Counts it among the parts of its step.
    pub(super) fn count(&self, stage: &mut Stage<'_>) {
        let counts = &mut stage.parts.counts;
        counts.rows += self.rows;
        counts.bytes += self.bytes;
        counts.records += self.records;
        counts.rejected += self.rejected;
        counts.filtered += self.filtered;
    }
}

/// Loads one file, or a batch of it, with one COPY. What the server made of its values goes to `findings`.
pub(super) async fn load(
    step: &CopyFrom,
    source: &Source,
    mut open: Open,
    destination: &mut Destination,
    stage: &mut Stage<'_>,
    findings: Option<&mut Findings>,
) -> Result<(Loaded, Open)> {
    let begin = open.begin.clone();
    if begin.bom_kept && begin.records == 0 {
        stage.warn(&kept_mark(source));
    }
    let columns = columns::columns(step, source, &begin, stage).await?;
    let (table, columns) = destination.columns(step, source, columns, stage).await?;
    let options = step
        .dialect
        .copy_options(stage.session.standard_conforming_strings());
    let sql = format!("COPY {table}{} FROM stdin {options}", column_list(&columns));
    let server = stage.session.server().clone();
    let here = Here {
        step,
        source,
        server: &server,
        destination,
    };
    let mut copy = stage
        .session
        .copy_in(&sql)
        .await
        .map_err(|error| here.refused(error, None))?;
    let inspector = findings
        .as_ref()
        .and_then(|findings| findings.inspector(step, &columns, open.markers, &begin));
    let mut lane = Lane::new(&begin)
        .after(open.sent)
        .inspected(inspector)
        .noting(oddities(step, &begin));
    let filled = lane
        .fill(
            &mut copy,
            &mut open.feed,
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
    let records = lane.positions.records() - begin.records;
    reconcile(&here, records, rows, stage).await?;
    here.note_end(lane.end, stage);
    if let Some(oddities) = &lane.oddities {
        here.note_oddities(oddities, stage);
    }
    destination.copied(source, rows, begin.records);
    open.sent += lane.bytes;
    let loaded = Loaded {
        rows,
        bytes: lane.bytes,
        records,
        rejected: 0,
        filtered: 0,
        reached: Reached {
            next: lane.positions.open_record(),
            line_end: lane.line_end,
            more: lane.end.more,
        },
        empty: records == 0,
    };
    if let (Some(findings), Some(inspector)) = (findings, lane.into_inspector()) {
        findings.take(inspector, source);
    }
    Ok((loaded, open))
}

/// What to say of a byte-order mark that is loaded as data.
pub(super) fn kept_mark(source: &Source) -> String {
    format!("`{source}` begins with a byte-order mark, which becomes part of the first value")
}

/// How a step reads its files. `csv_markers`: the server ends csv data at a line `\.`.
pub(crate) fn reading(step: &CopyFrom, csv_markers: bool) -> Reading {
    Reading {
        cut: Some(step.cut()),
        skip_lines: step.bytes.skip_lines,
        header: step.header,
        compression: step.compression,
        charset: step.bytes.charset,
        on_malformed: if step.rejecting.is_some() {
            OnMalformed::Escape
        } else {
            OnMalformed::Stop
        },
        nul: step.bytes.nul,
        size: step.size,
        strip_bom: step.header != Header::None || step.dialect.format == Format::Csv,
        markers: step.dialect.format == Format::Text || csv_markers,
        listed: super::sift::is_needed(step),
        // Else the server says what it thinks of the bytes.
        utf8: step.dialect.format != Format::Binary
            && (step.header != Header::None || super::sift::is_needed(step)),
        content: None,
        stamp: None,
        batch: None,
    }
}

/// Looks for what is odd in data that is cut as servers cut it.
pub(super) fn oddities(step: &CopyFrom, begin: &Begin) -> Option<Oddities> {
    match step.cut() {
        Cut::Server(dialect) => Oddities::new(&dialect, begin.offset, begin.lines),
        Cut::Exact(..) | Cut::Lines(_) => None,
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
pub(super) struct Here<'a> {
    pub(super) step: &'a CopyFrom,
    pub(super) source: &'a Source,
    pub(super) server: &'a Server,
    pub(super) destination: &'a Destination,
}

impl Here<'_> {
    fn stopped(&self, stopped: Stopped, lane: &Lane) -> Error {
        match stopped {
            Stopped::Wire(error) => self.refused(error, Some(lane)),
            Stopped::Input(error) => error,
            Stopped::Asked(reason) => reason.error(),
            Stopped::NoTrailer => cut_short(self.source),
            Stopped::Marker(marker) => self.marker(marker, lane.positions.open_record()),
        }
    }

    /// Looks how a file of so many bytes has ended: `at` is behind its last record, which is `last`.
    ///
    /// # Errors
    /// Data would be lost, or belongs to a quote that is never closed.
    pub(super) fn check_end(
        &self,
        end: End,
        at: Position,
        last: Position,
        bytes: u64,
        oddities: Option<&Oddities>,
    ) -> Result<()> {
        match end.marker {
            Some(marker) if marker.followed || !marker.alone => {
                return Err(self.marker(marker, at));
            }
            _ if end.cut_short.is_some() && bytes > 0 => return Err(cut_short(self.source)),
            _ => {}
        }
        if end.in_quote {
            // Everything behind the quote is one record: nobody means that.
            return Err(self.open_quote(last, oddities));
        }
        Ok(())
    }

    /// Data at or behind an end-of-data marker, which is at `at`.
    pub(super) fn marker(&self, marker: EndMarker, at: Position) -> Error {
        behind_marker(self.source, self.step.dialect.format, marker, at)
    }

    /// The server's refusal, with the place in the file it is about.
    fn refused(&self, error: WireError, lane: Option<&Lane>) -> Error {
        let error = self.destination.in_words_of(error);
        let at = lane.and_then(|lane| {
            place::place(
                error.server()?,
                self.step.table.name().as_str(),
                &lane.positions,
                self.source,
            )
        });
        let in_quote = lane.is_some_and(|lane| {
            let last = lane.positions.records();
            lane.end.in_quote && at.is_some_and(|at| at.record == last)
        });
        let suspicion = match (lane, at) {
            (Some(lane), Some(at)) => self.suspicion(lane, &error, at, in_quote),
            (Some(_), None) => self.without_a_place(&error),
            (None, _) => None,
        };
        let error = self.refused_at(error, at, in_quote);
        match suspicion {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// What to do where the server does not say which record it refuses: a foreign key, and whatever
    /// is deferred to the end of the COPY.
    fn without_a_place(&self, error: &WireError) -> Option<String> {
        let is_late = matches!(error.server()?.class(), "23" | "44" | "P0");
        let may_be_rejected = self.step.rejecting.is_none()
            && matches!(self.step.mode, Mode::Append | Mode::Replace { .. })
            && self.step.dialect.format != Format::Binary
            && self.server.can(Ability::SavepointAroundCopy);
        (is_late && may_be_rejected).then(|| {
            "the server looks at this when all records are in, and does not say which one it is; `on_error: reject` finds it".into()
        })
    }

    /// What the bytes at `at`, and those before, make one think of the error there.
    fn suspicion(
        &self,
        lane: &Lane,
        error: &WireError,
        at: Position,
        in_quote: bool,
    ) -> Option<String> {
        if let Some(found) = lane
            .utf16
            .filter(|_| error.server().is_some_and(|said| said.code == "22021"))
        {
            return Some(suspicion::utf16(found));
        }
        let reread = |offset, length| self.source.reread(offset, length);
        let oddities = lane.oddities.as_ref();
        oddities
            .and_then(|oddities| suspicion::hint(oddities, at, in_quote))
            .or_else(|| suspicion::tall(at, lane.positions.last_line(at, reread)?))
    }

    /// The same, where the place is known. `in_quote`: the file ends inside quotes there.
    pub(super) fn refused_at(
        &self,
        error: WireError,
        at: Option<Position>,
        in_quote: bool,
    ) -> Error {
        let what = format!(
            "cannot load `{}` into {}",
            self.source,
            self.step.table.plain()
        );
        let message = match at {
            // Binary data has no lines.
            Some(at) if self.step.dialect.format == Format::Binary => {
                format!("{what}: record {}", at.record)
            }
            Some(at) => format!("{what}: {at}"),
            None => what,
        };
        let spot = Spot {
            first_record: at.is_some_and(|at| at.record == 1),
            in_quote,
        };
        let error = self.destination.in_words_of(error);
        let of_mode = self.destination.hint(&error);
        let hint =
            of_mode.or_else(|| advice(self.step, self.source, self.server, error.server()?, spot));
        let mut error = Error::from(error).within(message);
        if let Some(at) = at {
            error = error.line("byte", at.offset.to_string());
        }
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// The file ends inside a quote, which was opened in the record at `at`.
    pub(super) fn open_quote(&self, at: Position, oddities: Option<&Oddities>) -> Error {
        let hint = oddities.and_then(suspicion::never_closed);
        Error::new(
            ErrorKind::Data,
            format!(
                "`{}` ends inside a quote that is opened in {at}",
                self.source
            ),
        )
        .line("byte", at.offset.to_string())
        .hint(hint.unwrap_or_else(|| {
            "everything behind it would be one value; close the quote, or double it where it is data".into()
        }))
    }

    /// Says so when csv data ends with a marker, which may have been meant as data, and when the data
    /// is not what the file has.
    pub(super) fn note_end(&self, end: End, stage: &Stage<'_>) {
        if end.nuls > 0 {
            let bytes = if end.nuls == 1 { "byte" } else { "bytes" };
            let done = match self.step.bytes.nul {
                Nul::Replace => "replaced by blanks",
                Nul::Error | Nul::Strip => "taken out",
            };
            stage.warn(&format!(
                "{} NUL {bytes} of `{}` were {done}",
                wording::count(end.nuls),
                self.source
            ));
        }
        if self.step.dialect.format == Format::Csv && end.marker.is_some() {
            stage.warn(&ends_with_marker(self.source));
        }
    }
}

/// The error of data at or behind an end-of-data marker, which is at `at`.
pub(crate) fn behind_marker(
    source: &Source,
    format: Format,
    marker: EndMarker,
    at: Position,
) -> Error {
    let what = if marker.alone {
        format!(
            "`{source}` goes on after the end-of-data marker `\\.` on line {}",
            at.line
        )
    } else {
        format!(
            "line {} of `{source}` ends with `\\.` after its data",
            at.line
        )
    };
    Error::new(ErrorKind::Data, what)
        .line(
            "detail",
            "the server takes `\\.` for the end of the data and would drop what follows without a word",
        )
        .hint(if format == Format::Csv {
            "in csv, write the value as `\"\\.\"`"
        } else {
            "in text format, write a backslash as `\\\\`; to stop at the marker, cut the file there"
        })
}

/// The error of binary data without its trailer.
pub(crate) fn cut_short(source: &Source) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("`{source}` is cut short: binary COPY data ends with a trailer, and this does not"),
    )
}

/// What is said of csv data that ends with a marker, which may have been meant as data.
pub(crate) fn ends_with_marker(source: &Source) -> String {
    format!("`{source}` ends with a line `\\.`, taken as the end of the data")
}
