//! The files of a step read to their ends, as a load reads them, judged, and not loaded.

use std::path::Path;

use super::catalog::{Column, Table};
use super::file::{Here, begin, kept_mark, reading};
use super::lane::input_thread_died;
use super::mode::Destination;
use super::scrutiny::Scrutiny;
use super::sieve::{LONGEST, Sieve, Target, facts};
use super::sift::{Opened, Way};
use super::{columns, compatibility, too_long};
use crate::error::Result;
use crate::job::CopyFrom;
use crate::progress::Event;
use crate::record::check::Check;
use crate::record::dialect::Format;
use crate::record::fields::Fields;
use crate::record::oddities::Oddities;
use crate::record::position::{Position, Positions};
use crate::run::Stage;
use crate::source::{self, Begin, End, Fed, Feed, Reading, Source};
use crate::wire::server::{Ability, Server};
use crate::wire::session::Session;

/// The columns that COPY fills whose values only the server can refuse.
pub(crate) fn unjudged<'a>(
    table: &'a Table,
    session: &Session,
) -> impl Iterator<Item = &'a Column> {
    let facts = facts(session);
    table.filled().filter(move |column| {
        let known = || Check::new(&column.type_name, column.type_modifier, &facts).foretells();
        !column.builtin || !known()
    })
}

/// A step whose files are looked at, one after the other.
pub(crate) struct Inspection<'a> {
    step: &'a CopyFrom,
    /// The table is there.
    known: bool,
    destination: Destination,
    scrutiny: Scrutiny<'a>,
    /// Rows are made by SQL from a table of text.
    by_text: bool,
}

/// What one file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inspected {
    /// Bytes on disk, where it has a size.
    pub(crate) size: Option<u64>,
    /// Bytes read, decompressed.
    pub(crate) bytes: u64,
    /// Records read.
    pub(crate) records: u64,
    /// Those that cannot be loaded, as far as is known.
    pub(crate) rejected: u64,
}

impl<'a> Inspection<'a> {
    /// Of a step whose table is there, or not yet. What its mode needs is found out too; what that
    /// lacks is returned, and the files can be looked at all the same.
    pub(crate) async fn new(
        step: &'a CopyFrom,
        known: bool,
        stage: &mut Stage<'_>,
    ) -> Result<(Self, Result<()>)> {
        let scrutiny = Scrutiny::new(&step.table, stage.session).await?;
        let (destination, outcome) = if known {
            match Destination::plan(step, stage).await {
                Ok(destination) => (destination, Ok(())),
                Err(error) => (Destination::Table, Err(error)),
            }
        } else {
            (Destination::Table, Ok(()))
        };
        let inspection = Self {
            step,
            known,
            destination,
            scrutiny,
            by_text: false,
        };
        Ok((inspection, outcome))
    }

    /// How the records would come into the table, in words, once the files are known.
    pub(crate) fn words(&self, server: &Server) -> String {
        let how = if self.by_text {
            "; as text into a temporary table, and by INSERT from there"
        } else if self.step.rejecting.is_some() {
            "; in batches, each behind a savepoint"
        } else {
            ""
        };
        format!("{}{how}", self.destination.words(self.step, server))
    }

    /// Reads a file to its end. Records that cannot be loaded go to the rejects of `stage`. `fits` has
    /// a say on what begins it.
    ///
    /// # Errors
    /// The file cannot be loaded as a whole.
    pub(crate) async fn file(
        &mut self,
        source: &Source,
        stage: &mut Stage<'_>,
        fits: impl FnOnce(&Begin) -> Result<()>,
    ) -> Result<Inspected> {
        let inspected = self.read(source, stage, fits).await;
        stage.observer.observe(Event::FileDone);
        if let Ok(inspected) = &inspected {
            let rows = inspected.records - inspected.rejected;
            self.destination.copied(source, rows);
            self.scrutiny.note(rows);
        }
        inspected
    }

    /// Says what there is to say of all files.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn report(self, stage: &mut Stage<'_>) -> Result<()> {
        self.scrutiny.report(false, stage).await
    }

    async fn read(
        &mut self,
        source: &Source,
        stage: &mut Stage<'_>,
        fits: impl FnOnce(&Begin) -> Result<()>,
    ) -> Result<Inspected> {
        let server = stage.session.server().clone();
        let reading = Reading {
            listed: true,
            ..reading(self.step, server.can(Ability::CsvEndMarker))
        };
        let markers = reading.markers;
        let mut feed = source::feed(source.clone(), reading)?;
        let begin = begin(&mut feed, &mut stage.stop).await?;
        stage.observer.observe(Event::FileStarted {
            name: &source.to_string(),
            size: begin.size,
        });
        if begin.bom_kept {
            stage.warn(&kept_mark(source));
        }
        fits(&begin)?;
        let mut passage = Passage {
            step: self.step,
            source,
            feed,
            begin: &begin,
            oddities: Oddities::new(&self.step.dialect, begin.offset, begin.lines),
            inspected: Inspected {
                size: begin.size,
                ..Inspected::default()
            },
        };
        let (end, at, last) = if self.step.dialect.format == Format::Binary {
            passage.count(stage).await?
        } else {
            let opened = Opened {
                step: self.step,
                source,
                begin: &begin,
                server: &server,
                markers,
                findings: self.scrutiny.findings.as_ref(),
            };
            let mut sieve = if self.known {
                let (way, sieve) = opened.ways(&mut self.destination, stage).await?;
                if let Way::Fields(fields) = way {
                    self.by_text = true;
                    let here = Here {
                        step: self.step,
                        source,
                        server: &server,
                        destination: &self.destination,
                    };
                    let described = stage.session.describe(&fields.rehearsal()).await;
                    described.map_err(|error| here.refused_at(error, None, false))?;
                }
                sieve
            } else {
                blind(&opened, stage)?
            };
            let ended = passage.sift(&mut sieve, stage).await?;
            let inspector = sieve.into_inspector();
            if let (Some(findings), Some(inspector)) = (&mut self.scrutiny.findings, inspector) {
                findings.take(inspector, source);
            }
            match ended {
                Some(ended) => ended,
                None => return Ok(passage.inspected),
            }
        };
        let (inspected, oddities) = (passage.inspected, passage.oddities);
        let here = Here {
            step: self.step,
            source,
            server: &server,
            destination: &self.destination,
        };
        here.check_end(end, at, last, inspected.bytes, oddities.as_ref())?;
        here.note_end(end, stage);
        if let Some(oddities) = &oddities {
            here.note_oddities(oddities, stage);
        }
        Ok(inspected)
    }
}

/// What tells the records that cannot be loaded into a table of which nothing is known.
fn blind(opened: &Opened<'_>, stage: &Stage<'_>) -> Result<Sieve> {
    let (step, begin) = (opened.step, opened.begin);
    let named = match step.shaping {
        None => columns::named(step, opened.source, begin)?,
        Some(_) => Vec::new(),
    };
    let nulls = named
        .iter()
        .map(|column| Some(compatibility::nulls(column, &step.dialect)));
    let fields = (!named.is_empty())
        .then(|| Fields::new(&step.dialect, nulls.collect(), opened.markers, begin.lines));
    let target = Target::new(&step.table, named, &[], false, stage.session);
    Ok(Sieve::new(
        begin,
        step.cut(),
        fields.flatten(),
        target,
        None,
    ))
}

/// A file on its way through.
struct Passage<'a> {
    step: &'a CopyFrom,
    source: &'a Source,
    feed: Feed,
    begin: &'a Begin,
    /// What is in the data that the server takes without a word.
    oddities: Option<Oddities>,
    inspected: Inspected,
}

impl Passage<'_> {
    /// Counts records that cannot be looked into. Returns how the file ended, and where.
    async fn count(&mut self, stage: &mut Stage<'_>) -> Result<(End, Position, Position)> {
        let mut positions = Positions::new(self.begin.offset, self.begin.lines);
        loop {
            match self.next(stage).await? {
                Fed::Block(mut block) => {
                    let found = std::mem::take(&mut block.found);
                    let old = positions.push(block.bytes().len(), found);
                    self.inspected.bytes += block.bytes().len() as u64;
                    block.found = old.unwrap_or_default();
                    self.feed.give_back(block);
                }
                Fed::End(end) => {
                    let last = positions.open_record();
                    if end.open_record {
                        positions.end_last();
                    }
                    self.inspected.records = positions.records();
                    return Ok((end, positions.open_record(), last));
                }
                Fed::Begin(_) => {}
            }
            self.inspected.records = positions.records();
            self.tell(stage);
        }
    }

    /// Sets aside the records that `sieve` holds back. Returns how the file ended, and where; `None`
    /// where a record of it is too long to be looked at.
    async fn sift(
        &mut self,
        sieve: &mut Sieve,
        stage: &mut Stage<'_>,
    ) -> Result<Option<(End, Position, Position)>> {
        loop {
            match self.next(stage).await? {
                Fed::Block(block) => {
                    sieve.push(&block);
                    if let Some(oddities) = &mut self.oddities {
                        oddities.look(block.bytes());
                    }
                    self.inspected.bytes += block.bytes().len() as u64;
                    self.feed.give_back(block);
                    self.take(sieve, stage)?;
                    let (at, length) = sieve.open_record();
                    if length > LONGEST {
                        let error = too_long(at);
                        if super::sift::is_needed(self.step) {
                            return Err(error);
                        }
                        stage.warn(&format!(
                            "`{}`: {error}: it and what follows is not checked",
                            self.source
                        ));
                        return Ok(None);
                    }
                }
                Fed::End(end) => {
                    let (last, _) = sieve.open_record();
                    sieve.finish(end);
                    self.take(sieve, stage)?;
                    return Ok(Some((end, sieve.open_record().0, last)));
                }
                Fed::Begin(_) => {}
            }
            self.tell(stage);
        }
    }

    fn take(&mut self, sieve: &Sieve, stage: &mut Stage<'_>) -> Result<()> {
        let sifted = &sieve.out;
        for (record, fault) in &sifted.ready {
            let Some(fault) = fault else { continue };
            let bytes = &sifted.bytes[record.start..record.start + record.length];
            let reject = fault.reject(record.at, bytes);
            let (source, begin) = (self.source, self.begin);
            stage.rejects.keep(Path::new(""), source, begin, &reject)?;
            self.inspected.rejected += 1;
        }
        self.inspected.records = sieve.count() - sifted.blank;
        Ok(())
    }

    async fn next(&mut self, stage: &mut Stage<'_>) -> Result<Fed> {
        tokio::select! {
            biased;
            reason = stage.stop.wait() => Err(reason.error()),
            fed = self.feed.next() => fed.ok_or_else(input_thread_died)?,
        }
    }

    fn tell(&self, stage: &Stage<'_>) {
        stage.observer.observe(Event::Moved {
            disk: self.feed.taken(),
            bytes: self.inspected.bytes,
            records: self.inspected.records,
        });
    }
}
