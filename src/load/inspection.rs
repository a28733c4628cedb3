//! The files of a step read to their ends, as a load reads them, judged, and not loaded.

use std::path::{Path, PathBuf};

use super::catalog::{Column, Table};
use super::file::{Here, begin, cut_short, kept_mark, oddities, reading};
use super::lane::input_thread_died;
use super::mode::{Destination, Judged};
use super::once::Input;
use super::open::Open;
use super::scrutiny::Scrutiny;
use super::sieve::{LONGEST, Sieve, Target, facts};
use super::sift::{Opened, Supply, Way, is_needed};
use super::{columns, compatibility, opened};
use crate::error::{Error, Result};
use crate::job::{CopyFrom, Earlier, MostRejects, Rejecting};
use crate::name::Identifier;
use crate::progress::Event;
use crate::record::check::Check;
use crate::record::dialect::Format;
use crate::record::fields::Fields;
use crate::record::position::Positions;
use crate::run::Stage;
use crate::source::{self, Begin, Fed, Feed, OnMalformed, Reading, Source};
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
    /// The step as its files are loaded, where they are.
    rehearsed: Option<Box<CopyFrom>>,
    /// Columns with values that only the server can judge, and how many.
    doubts: Vec<(Identifier, u64)>,
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
    /// Those that the job does not want, where they were loaded.
    pub(crate) filtered: u64,
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
            rehearsed: None,
            doubts: Vec::new(),
        };
        Ok((inspection, outcome))
    }

    /// Of a step whose files are loaded into temporary tables, in a transaction of their own.
    ///
    /// # Errors
    /// The table does not allow what the step wants, or the server refuses it.
    pub(crate) async fn rehearse(step: &'a CopyFrom, stage: &mut Stage<'_>) -> Result<Self> {
        let mut rehearsed = step.clone();
        if step.dialect.format != Format::Binary {
            // Each bad record is wanted, whatever the job does with the first.
            rehearsed.rejecting = Some(Rejecting {
                most: MostRejects::Percent(100.0),
                folder: PathBuf::new(),
            });
        }
        let scrutiny = Scrutiny::new(&step.table, stage.session).await?;
        let destination = Destination::rehearse(&rehearsed, stage).await?;
        let shaping = step.shaping.as_ref();
        Ok(Self {
            step,
            known: true,
            destination,
            scrutiny,
            by_text: shaping.is_some_and(|shaping| shaping.needs_sql()),
            rehearsed: Some(Box::new(rehearsed)),
            doubts: Vec::new(),
        })
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
        let inspected = match self.rehearsed.take() {
            Some(step) => {
                let loaded = self.load(&step, source, stage, fits).await;
                self.rehearsed = Some(step);
                loaded
            }
            None => self.read(source, stage, fits).await,
        };
        stage.observer.observe(Event::FileDone);
        if let Ok(inspected) = &inspected {
            let rows = inspected.records - inspected.rejected - inspected.filtered;
            if self.rehearsed.is_none() {
                self.destination.copied(source, rows, 0);
            }
            self.scrutiny.note(rows);
        }
        inspected
    }

    /// Loads a file as `step` says.
    async fn load(
        &mut self,
        step: &CopyFrom,
        source: &Source,
        stage: &mut Stage<'_>,
        fits: impl FnOnce(&Begin) -> Result<()>,
    ) -> Result<Inspected> {
        let input = Input {
            source: source.clone(),
            entry: None,
            division: None,
        };
        let open = Open::new(step, &input, None, stage).await?;
        fits(&open.begin)?;
        let findings = self.scrutiny.findings.as_mut();
        let destination = &mut self.destination;
        let (loaded, _) = opened(step, source, open, destination, stage, findings).await?;
        loaded.count(stage);
        Ok(Inspected {
            size: source.size(),
            bytes: loaded.bytes,
            records: loaded.records,
            rejected: loaded.rejected,
            filtered: loaded.filtered,
        })
    }

    /// Whether the files are loaded.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsed.is_some()
    }

    /// Takes note that a file which failed is undone.
    pub(crate) fn undone(&mut self) {
        self.destination.undone();
    }

    /// What the records come to that were loaded, all files of the step. `earlier` is what is done
    /// before it.
    ///
    /// # Errors
    /// A key stands twice, or the server refuses.
    pub(crate) async fn judge(
        &mut self,
        earlier: &Earlier<'_>,
        stage: &mut Stage<'_>,
    ) -> Result<Judged> {
        let step = self.rehearsed.as_deref().unwrap_or(self.step);
        self.destination.judge(step, earlier, stage).await
    }

    /// Columns with values that only the server can judge, though it is known what others are worth,
    /// and how many.
    pub(crate) fn doubts(&self) -> &[(Identifier, u64)] {
        &self.doubts
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
        // As for a step that rejects records.
        let reading = Reading {
            on_malformed: OnMalformed::Escape,
            listed: true,
            utf8: self.step.dialect.format != Format::Binary,
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
            begin: &begin,
            inspected: Inspected {
                size: begin.size,
                ..Inspected::default()
            },
        };
        if self.step.dialect.format == Format::Binary {
            passage.count(feed, stage).await?;
            return Ok(passage.inspected);
        }
        let opened = Opened {
            step: self.step,
            source,
            begin: &begin,
            server: &server,
            markers,
            findings: self.scrutiny.findings.as_ref(),
        };
        let sieve = if self.known {
            let (way, sieve) = opened.ways(&mut self.destination, stage).await?;
            if let Way::Fields(fields) = way {
                self.by_text = true;
                let here = self.here(source, &server);
                let described = stage.session.describe(&fields.rehearsal()).await;
                described.map_err(|error| here.refused_at(error, None, false))?;
            }
            sieve
        } else {
            blind(&opened, stage)?
        };
        let oddities = oddities(self.step, &begin);
        let mut supply = Supply::new(feed, sieve, oddities);
        if passage.sift(&mut supply, stage).await? {
            supply.check_end(&self.here(source, &server), passage.inspected.bytes, stage)?;
        }
        for (name, more) in supply.sieve.doubts() {
            match self.doubts.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += more,
                None => self.doubts.push((name.clone(), more)),
            }
        }
        let inspector = supply.sieve.into_inspector();
        if let (Some(findings), Some(inspector)) = (&mut self.scrutiny.findings, inspector) {
            findings.take(inspector, source);
        }
        Ok(passage.inspected)
    }

    fn here<'b>(&'b self, source: &'b Source, server: &'b Server) -> Here<'b> {
        Here {
            step: self.step,
            source,
            server,
            destination: &self.destination,
        }
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
    begin: &'a Begin,
    inspected: Inspected,
}

impl Passage<'_> {
    /// Counts records that cannot be looked into.
    async fn count(&mut self, mut feed: Feed, stage: &mut Stage<'_>) -> Result<()> {
        let mut positions = Positions::new(self.begin.offset, self.begin.lines);
        loop {
            let fed = tokio::select! {
                biased;
                reason = stage.stop.wait() => return Err(reason.error()),
                fed = feed.next() => fed.ok_or_else(input_thread_died)??,
            };
            match fed {
                Fed::Block(mut block) => {
                    let found = std::mem::take(&mut block.found);
                    let old = positions.push(block.bytes().len(), found);
                    self.inspected.bytes += block.bytes().len() as u64;
                    block.found = old.unwrap_or_default();
                    feed.give_back(block);
                }
                Fed::End(end) if end.cut_short.is_some() && self.inspected.bytes > 0 => {
                    return Err(cut_short(self.source));
                }
                Fed::End(_) => return Ok(()),
                Fed::Begin(_) => {}
            }
            self.inspected.records = positions.records();
            self.tell(&feed, stage);
        }
    }

    /// Sets aside the records that are held back. `false` where the file was left, for a record that
    /// is too long to be looked at.
    async fn sift(&mut self, supply: &mut Supply, stage: &mut Stage<'_>) -> Result<bool> {
        loop {
            match supply.fill(&mut stage.stop, None).await {
                Ok(true) => {}
                Ok(false) => return Ok(true),
                Err(halt) => {
                    let (_, length) = supply.sieve.open_record();
                    let error = Error::from(halt);
                    if length <= LONGEST || is_needed(self.step) {
                        return Err(error);
                    }
                    stage.warn(&format!(
                        "`{}`, {error}: it and what follows is not checked",
                        self.source
                    ));
                    return Ok(false);
                }
            }
            supply.next = supply.sieve.out.ready.len();
            self.take(&supply.sieve, stage)?;
            self.tell(&supply.feed, stage);
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
        self.inspected.bytes += sifted.bytes.len() as u64;
        self.inspected.records = sieve.count() - sifted.blank;
        Ok(())
    }

    fn tell(&self, feed: &Feed, stage: &Stage<'_>) {
        stage.observer.observe(Event::Moved {
            disk: feed.taken(),
            bytes: self.inspected.bytes,
            records: self.inspected.records,
        });
    }
}
