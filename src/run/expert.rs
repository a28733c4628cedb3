//! `copy_expert`: SQL as it is, with a file for the data of a COPY in either direction.

use std::path::PathBuf;

use super::Stage;
use super::sql::clipped;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Compression, CopyExpert, Header, InputPattern, Nul, Output};
use crate::load::{self, Lane};
use crate::progress::{Event, Outcome};
use crate::record::charset::Charset;
use crate::record::cut::Cut;
use crate::record::dialect::{CopyStatement, Format};
use crate::sink;
use crate::source::{self, Begin, Feed, OnMalformed, Reading, Source};
use crate::unload;
use crate::wire::error::WireError;
use crate::wire::server::Ability;
use crate::wire::session::{Exchange, Reply, rows_of};

/// Runs a `copy_expert` step: any COPY, several statements, or plain SQL.
pub(super) async fn copy_expert(step: &CopyExpert, stage: &mut Stage<'_>) -> Result<Outcome> {
    let server = stage.session.server();
    let mut expert = Expert {
        step,
        statement: CopyStatement::read(&step.sql),
        lane: None,
        gauss: server.kind.is_gauss(),
        csv_markers: server.can(Ability::CsvEndMarker),
    };
    let Stage {
        session,
        observer,
        stop,
        outputs,
        obstacle,
        ..
    } = stage;
    let mut exchange = session
        .query(&step.sql)
        .await
        .map_err(|error| expert.refused(error))?;
    let mut tags = Vec::new();
    let mut moved = None;
    while let Some(reply) = exchange
        .next()
        .await
        .map_err(|error| expert.refused(error))?
    {
        match reply {
            Reply::CopyIn => {
                if !expert.can_be_read_again() {
                    obstacle.get_or_insert("its input has been read, and can be read only once");
                }
                let bytes = expert.load(&mut exchange, *observer, stop).await?;
                moved = Some(Moved::In { bytes });
            }
            Reply::CopyOut => {
                let output = expert.output(&exchange)?;
                if !sink::can_be_written_again(&output) {
                    obstacle.get_or_insert(sink::CANNOT_BE_TAKEN_BACK);
                }
                let (written, pending) = expert
                    .unload(&output, &mut exchange, *observer, stop)
                    .await?;
                if let Some(pending) = pending {
                    outputs.keep(pending)?;
                }
                moved = Some(Moved::Out {
                    bytes: written.bytes,
                    reader_gone: written.reader_gone,
                });
            }
            Reply::Done(tag) => {
                observer.observe(Event::Tag(&tag));
                tags.push(tag);
            }
            Reply::Columns(_) | Reply::Row(_) => {}
        }
    }
    let rows = tags
        .iter()
        .rfind(|tag| tag.starts_with("COPY"))
        .map_or(0, |tag| rows_of(tag));
    Ok(match moved {
        Some(Moved::In { bytes }) => Outcome::Loaded {
            rows,
            bytes,
            files: 1,
            before: 0,
            rejected: 0,
            filtered: 0,
            changes: None,
        },
        Some(Moved::Out { bytes, reader_gone }) => Outcome::Unloaded {
            rows,
            bytes,
            reader_gone,
        },
        None => Outcome::Sql(tags),
    })
}

enum Moved {
    In { bytes: u64 },
    Out { bytes: u64, reader_gone: bool },
}

struct Expert<'a> {
    step: &'a CopyExpert,
    statement: CopyStatement,
    lane: Option<Lane>,
    /// The server is one of the Gauss family.
    gauss: bool,
    /// The server ends csv data at a line `\.`.
    csv_markers: bool,
}

impl Expert<'_> {
    async fn load(
        &mut self,
        exchange: &mut Exchange<'_>,
        observer: &dyn crate::progress::Observer,
        stop: &mut super::Stop,
    ) -> Result<u64> {
        let opened = match self.source(exchange) {
            Ok(source) => self.open(source, stop).await,
            Err(error) => Err(error),
        };
        let (source, mut feed, begin) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                exchange
                    .fail_data("there is no input")
                    .await
                    .map_err(|lost| self.refused(lost))?;
                return Err(error);
            }
        };
        observer.observe(Event::FileStarted {
            name: &source.to_string(),
            size: begin.size,
        });
        let format = self.statement.dialect.format;
        let lane = self.lane.insert(Lane::new(&begin).by_hand());
        let filled = lane.fill(exchange, &mut feed, format, observer, stop).await;
        let bytes = lane.bytes;
        observer.observe(Event::FileDone);
        match filled {
            Ok(()) => {
                if format == Format::Csv && lane.end.marker.is_some() {
                    observer.observe(Event::Warning(&load::ends_with_marker(&source)));
                }
                Ok(bytes)
            }
            Err(load::Stopped::Wire(error)) => Err(self.refused(error)),
            Err(load::Stopped::Input(error)) => Err(error),
            Err(load::Stopped::Asked(reason)) => Err(reason.error()),
            Err(load::Stopped::Marker(marker)) => {
                let at = lane.positions.open_record();
                Err(load::behind_marker(&source, format, marker, at))
            }
            Err(load::Stopped::NoTrailer) => Err(load::cut_short(&source)),
        }
    }

    async fn unload(
        &self,
        output: &Output,
        exchange: &mut Exchange<'_>,
        observer: &dyn crate::progress::Observer,
        stop: &mut super::Stop,
    ) -> Result<(sink::Written, Option<sink::Pending>)> {
        let mut drain = sink::drain(output, Compression::Auto, None, false)?;
        observer.observe(Event::FileStarted {
            name: &output.to_string(),
            size: None,
        });
        let pumped = unload::pump(exchange, &mut drain, observer, stop).await;
        observer.observe(Event::FileDone);
        pumped.map_err(|stopped| stopped.into_error(|error| self.refused(error)))?;
        unload::finish(drain, stop).await
    }

    async fn open(&self, source: Source, stop: &mut super::Stop) -> Result<(Source, Feed, Begin)> {
        let mut feed = source::feed(source.clone(), self.reading())?;
        let begin = load::begin(&mut feed, stop).await?;
        Ok((source, feed, begin))
    }

    fn source(&self, exchange: &Exchange<'_>) -> Result<Source> {
        only_copy(exchange)?;
        match &self.step.file {
            Some(InputPattern::Stdin) => Ok(Source::Stdin),
            Some(InputPattern::Path(path)) => Ok(Source::File(PathBuf::clone(path))),
            None => Err(self.no_file("COPY FROM STDIN", "read")),
        }
    }

    fn output(&self, exchange: &Exchange<'_>) -> Result<Output> {
        only_copy(exchange)?;
        match &self.step.file {
            Some(InputPattern::Stdin) => Ok(Output::Stdout),
            Some(InputPattern::Path(path)) => Ok(Output::Path(path.clone())),
            None => Err(self.no_file("COPY TO STDOUT", "write")),
        }
    }

    fn can_be_read_again(&self) -> bool {
        match &self.step.file {
            Some(InputPattern::Stdin) => false,
            Some(InputPattern::Path(path)) => Source::File(path.clone()).can_be_read_again(),
            None => true,
        }
    }

    fn no_file(&self, what: &str, verb: &str) -> Error {
        Error::new(
            ErrorKind::Input,
            format!("the SQL is a {what}, and the step names no `file` to {verb}"),
        )
        .line("statement", clipped(&self.step.sql))
    }

    fn reading(&self) -> Reading {
        let statement = &self.statement;
        Reading {
            cut: Some(Cut::Server(statement.dialect.clone())),
            skip_lines: 0,
            header: Header::None,
            compression: Compression::Auto,
            charset: Charset::UTF8,
            on_malformed: OnMalformed::Stop,
            nul: Nul::Error,
            size: self.step.size,
            strip_bom: false,
            markers: !statement.odd
                && (statement.dialect.format == Format::Text || self.csv_markers),
            listed: false,
            utf8: false,
            content: None,
            stamp: None,
            batch: None,
        }
    }

    /// The record of the file that `error` is about, in words.
    fn place(&self, error: &WireError) -> Option<String> {
        let Some(InputPattern::Path(path)) = &self.step.file else {
            return None;
        };
        let table = self.statement.table.as_deref()?;
        let positions = &self.lane.as_ref()?.positions;
        let source = Source::File(path.clone());
        let mut at = load::place(error.server()?, table, positions, &source)?;
        // The server counts the header it was told of.
        at.record -= u64::from(self.statement.header && at.record > 1);
        Some(if self.statement.dialect.format == Format::Binary {
            format!("COPY failed at `{source}`: record {}", at.record)
        } else {
            format!("COPY failed at `{source}`: {at}")
        })
    }

    fn refused(&self, error: WireError) -> Error {
        let message = self
            .place(&error)
            .unwrap_or_else(|| "the SQL was refused".to_owned());
        let is_syntax = error.server().is_some_and(|said| said.code == "42601");
        let error = Error::from(error)
            .within(message)
            .line("statement", clipped(&self.step.sql));
        // The word is reserved there (seen on openGauss 3.0.6).
        if is_syntax && self.gauss && self.statement.dialect.format == Format::Binary {
            return error.hint("on Gauss servers the format is written in quotes: FORMAT 'binary'");
        }
        error
    }
}

/// One file is the data of one COPY: a second would find the input read, and replace the output.
fn only_copy(exchange: &Exchange<'_>) -> Result<()> {
    if exchange.copies() > 1 {
        return Err(Error::new(
            ErrorKind::Server,
            "the SQL holds a second COPY, and the step has one file",
        )
        .hint("give each COPY a step of its own"));
    }
    Ok(())
}
