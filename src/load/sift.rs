//! One file, or what a transaction takes of it, into the table by batches of records: its bad records set aside, or its records made anew.
//!
//! What can be told of a record before it is sent, the [`Sieve`] tells. What only the server can say
//! (a constraint, a trigger, an odd value) fails a batch; then it is loaded in parts until the record
//! stands alone. Records go to the table in their order.
//!
//! A batch is a COPY behind a savepoint. Where SQL makes the rows, or the server does not survive a
//! COPY that fails, it is a COPY into a table of text, which cannot fail, and an INSERT from there.

use std::collections::VecDeque;
use std::ops::Range;

use super::batch::{BATCH, Batch, Pace};
use super::compatibility::Findings;
use super::fields::{FieldsTable, Inserted};
use super::file::{Here, Loaded, oddities};
use super::lane::input_thread_died;
use super::mapping::Mapping;
use super::mode::Destination;
use super::open::{Open, Reached};
use super::reconcile::{has_triggers, reconcile};
use super::refusal::{depends_on_others, is_about_data};
use super::repertoire::{Holding, Repertoire};
use super::shape::Shaper;
use super::sieve::{Fault, LONGEST, Sieve, Target};
use super::{catalog, columns, compatibility, limit, place, skipped, too_long};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Header, Rejecting, Shaping};
use crate::name::{Identifier, TableName, column_list};
use crate::progress::{Event, Observer};
use crate::record::dialect::{Dialect, Format};
use crate::record::fields::Fields;
use crate::record::oddities::Oddities;
use crate::record::position::Position;
use crate::run::{Stage, Stop};
use crate::sink::Rejects;
use crate::source::{Begin, End, Fed, Feed, Source};
use crate::wire::error::{ServerMessage, WireError};
use crate::wire::server::{Ability, Kind, Server};
use crate::wire::session::Exchange;

/// Whether a file of `step` is loaded this way.
pub(super) fn is_needed(step: &CopyFrom) -> bool {
    step.rejecting.is_some() || step.shaping.is_some()
}

/// Loads one file. Records that cannot be loaded are kept in `stage.rejects`, or stop the job.
pub(super) async fn load(
    step: &CopyFrom,
    source: &Source,
    open: Open,
    destination: &mut Destination,
    stage: &mut Stage<'_>,
    findings: Option<&mut Findings>,
) -> Result<(Loaded, Open)> {
    let server = stage.session.server().clone();
    let Open {
        feed,
        begin,
        markers,
        sent,
    } = open;
    let opened = Opened {
        step,
        source,
        begin: &begin,
        server: &server,
        markers,
        findings: findings.as_deref(),
    };
    let (way, sieve) = opened.ways(destination, stage).await?;
    let here = Here {
        step,
        source,
        server: &server,
        destination,
    };
    if let Way::Fields(fields) = &way {
        let made = fields.make(stage.session).await;
        made.map_err(|error| here.refused_at(error, None, false))?;
    }
    let mut sift = Sift {
        savepoint: Savepoint::of(step, &way, stage),
        repertoire: match &way {
            Way::Copy(_) => None,
            Way::Fields(_) => Repertoire::of(stage.session),
        },
        here,
        way,
        begin: &begin,
        pace: Pace::default(),
        before: stage.parts.rejected_of_all(),
        rows: 0,
        sent: 0,
        bytes: 0,
        bytes_before: sent,
        rejected: 0,
        filtered: 0,
        held: Vec::new(),
        held_bytes: 0,
    };
    let mut supply = Supply::new(feed, sieve, oddities(step, &begin));
    while supply.fill(&mut stage.stop, None).await? {
        sift.batch(&mut supply, stage).await?;
    }
    let loaded = sift.done(&supply, stage).await?;
    let Supply { feed, sieve, .. } = supply;
    let open = Open {
        feed,
        begin: begin.clone(),
        markers,
        sent: sent + loaded.bytes,
    };
    if let (Some(findings), Some(inspector)) = (findings, sieve.into_inspector()) {
        findings.take(inspector, source);
    }
    destination.copied(source, loaded.rows, begin.records);
    Ok((loaded, open))
}

/// A file that is open, on its way to the table.
pub(super) struct Opened<'a> {
    pub(super) step: &'a CopyFrom,
    pub(super) source: &'a Source,
    pub(super) begin: &'a Begin,
    pub(super) server: &'a Server,
    pub(super) markers: bool,
    /// What is looked for in the values.
    pub(super) findings: Option<&'a Findings>,
}

impl Opened<'_> {
    /// How its records get into the table, and what tells those that cannot from the others.
    pub(super) async fn ways(
        &self,
        destination: &mut Destination,
        stage: &mut Stage<'_>,
    ) -> Result<(Way, Sieve)> {
        match &self.step.shaping {
            _ if self.is_nameless() => self.raw(destination, stage).await,
            Some(shaping) => self.shaped(shaping, destination, stage).await,
            // Behind a savepoint such a server loads no COPY that may fail.
            None if destination.numbers()
                || self.step.rejecting.is_some() && !self.survives(stage) =>
            {
                self.shaped(&Shaping::none(), destination, stage).await
            }
            None => self.raw(destination, stage).await,
        }
    }

    /// Whether the transaction, if there is one, goes on behind a COPY that fails.
    fn survives(&self, stage: &Stage<'_>) -> bool {
        stage.is_alone() || self.server.can(Ability::SavepointAroundCopy)
    }

    /// Whether the file lacks the header that would say what its fields are: it holds no record.
    fn is_nameless(&self) -> bool {
        self.step.header == Header::Map && self.begin.header.is_none()
    }

    /// Records as they are.
    async fn raw(
        &self,
        destination: &mut Destination,
        stage: &mut Stage<'_>,
    ) -> Result<(Way, Sieve)> {
        let dialect = &self.step.dialect;
        let listed = columns::columns(self.step, self.source, self.begin, stage).await?;
        let (into, listed) = destination
            .columns(self.step, self.source, listed, stage)
            .await?;
        let table = self.table(&into, stage).await?;
        let columns: Vec<Identifier> = if listed.is_empty() {
            table.filled().map(|column| column.name.clone()).collect()
        } else {
            listed.clone()
        };
        let nulls = columns
            .iter()
            .map(|column| Some(compatibility::nulls(column, dialect)));
        let fields = Fields::new(dialect, nulls.collect(), self.markers, self.begin.lines)
            .map(|fields| fields.behind(self.begin.records, self.begin.line_end));
        let target = self
            .target(&into, columns, &table, destination, stage)
            .await?;
        let options = dialect.copy_options(stage.session.standard_conforming_strings());
        let copy = format!("COPY {into}{} FROM stdin {options}", column_list(&listed));
        let inspector = self
            .findings
            .and_then(|findings| findings.inspector(self.step, &listed, self.markers, self.begin));
        let sieve = Sieve::new(self.begin, self.step.cut(), fields, target, inspector);
        Ok((Way::Copy(copy), sieve))
    }

    /// Records made anew.
    async fn shaped(
        &self,
        shaping: &Shaping,
        destination: &mut Destination,
        stage: &mut Stage<'_>,
    ) -> Result<(Way, Sieve)> {
        let (step, source) = (self.step, self.source);
        if step.header == Header::Skip {
            skipped::warn(step, source, self.begin, stage).await?;
        }
        let table = self.table(&step.table, stage).await?;
        let mut mapping = Mapping::new(step, shaping, source, self.begin, &table, stage)?;
        let columns = mapping.columns.clone();
        let (into, columns) = destination.columns(step, source, columns, stage).await?;
        let numbering = destination.numbering();
        let table = if into == step.table {
            table
        } else {
            self.table(&into, stage).await?
        };
        let by_sql = shaping.needs_sql() || step.rejecting.is_some() && !self.survives(stage);
        let way = if by_sql {
            let numbering = numbering.as_ref();
            let target = (&into, &table);
            let fields = FieldsTable::new(shaping, &mapping, numbering, target, self.server)
                .guarded(stage.is_rehearsal() && self.server.kind == Kind::PostgreSql);
            Way::Fields(Box::new(fields))
        } else {
            if let Some(numbering) = &numbering {
                mapping.number(numbering);
            }
            let options = Dialect::new(Format::Text).copy_options(true);
            Way::Copy(format!(
                "COPY {into}{} FROM stdin {options}",
                column_list(&mapping.columns)
            ))
        };
        let inspector = self
            .findings
            .and_then(|findings| findings.values_inspector(&columns));
        let target = self
            .target(&into, columns, &table, destination, stage)
            .await?;
        let shaper = Shaper::new(step, shaping, &mapping, by_sql).ok_or_else(|| {
            Error::new(
                ErrorKind::Data,
                format!("the records of `{source}` cannot be told apart: `quote` and `escape` are one byte each"),
            )
        })?;
        let shaper = shaper.inspected(inspector);
        Ok((way, Sieve::shaped(self.begin, step.cut(), shaper, target)))
    }

    /// What the catalog says of a table.
    async fn table(&self, name: &TableName, stage: &mut Stage<'_>) -> Result<catalog::Table> {
        if let Some(table) = catalog::look_up(name, stage.session).await? {
            return Ok(table);
        }
        catalog::refuse(name, stage.session).await?;
        Err(Error::new(
            ErrorKind::Server,
            format!(
                "the columns of {} are not to be seen",
                self.step.table.plain()
            ),
        ))
    }

    async fn target(
        &self,
        into: &TableName,
        columns: Vec<Identifier>,
        table: &catalog::Table,
        destination: &Destination,
        stage: &mut Stage<'_>,
    ) -> Result<Target> {
        let filled = match destination.triggered(self.step, into) {
            Some(table) => has_triggers(table, stage.session).await?,
            None => false,
        };
        let found: Vec<_> = table
            .columns
            .iter()
            .map(|column| destination.taking(column))
            .collect();
        let of = &self.step.table;
        Ok(Target::new(of, columns, &found, filled, stage.session))
    }
}

/// How the records of a batch get into the table.
#[derive(Debug)]
pub(super) enum Way {
    /// By this COPY.
    Copy(String),
    /// As text into a table, and by SQL from there.
    Fields(Box<FieldsTable>),
}

/// How a COPY that fails is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    /// No transaction is open, or the job ends with what fails.
    NotNeeded,
    /// It is to be set.
    Wanted,
    /// It is set, and nothing has failed since.
    Set,
    /// A COPY behind it has failed.
    Failed,
}

impl Savepoint {
    fn of(step: &CopyFrom, way: &Way, stage: &Stage<'_>) -> Self {
        // A table of text sets its own.
        let is_own = matches!(way, Way::Fields(_));
        if is_own || stage.is_alone() || step.rejecting.is_none() {
            Self::NotNeeded
        } else {
            Self::Wanted
        }
    }

    /// What is sent before a COPY.
    fn before(self) -> &'static [&'static str] {
        match self {
            Self::NotNeeded => &[],
            Self::Wanted => &["SAVEPOINT dwsload_batch"],
            Self::Set => &["RELEASE SAVEPOINT dwsload_batch", "SAVEPOINT dwsload_batch"],
            Self::Failed => &["ROLLBACK TO SAVEPOINT dwsload_batch"],
        }
    }

    /// What ends it when no COPY follows.
    fn after(self) -> Option<&'static str> {
        match self {
            Self::NotNeeded | Self::Wanted => None,
            Self::Set => Some("RELEASE SAVEPOINT dwsload_batch"),
            Self::Failed => {
                Some("ROLLBACK TO SAVEPOINT dwsload_batch; RELEASE SAVEPOINT dwsload_batch")
            }
        }
    }

    fn succeeded(&mut self) {
        if matches!(self, Self::Wanted | Self::Failed) {
            *self = Self::Set;
        }
    }

    fn failed(&mut self) {
        if matches!(self, Self::Wanted | Self::Set) {
            *self = Self::Failed;
        }
    }
}

/// Records that have not been loaded, and what the server said of them, where they were tried.
struct Part {
    range: Range<usize>,
    refusal: Option<Box<ServerMessage>>,
}

/// A load under way.
struct Sift<'a> {
    here: Here<'a>,
    way: Way,
    begin: &'a Begin,
    savepoint: Savepoint,
    /// The characters that the database has, where a COPY must not meet others.
    repertoire: Option<Repertoire>,
    pace: Pace,
    /// Records of the step's other files that are set aside.
    before: u64,
    /// By the server's count.
    rows: u64,
    /// Records that are in, by ours.
    sent: u64,
    bytes: u64,
    /// Bytes of the file that earlier batches have sent.
    bytes_before: u64,
    rejected: u64,
    /// Records that the job does not want.
    filtered: u64,
    /// Records that are set aside while the batch is under way: they are kept in their order.
    held: Vec<Held>,
    held_bytes: usize,
}

/// A record that is set aside.
struct Held {
    at: Position,
    bytes: Vec<u8>,
    fault: Fault,
}

impl Held {
    /// Bytes of memory, about.
    fn weight(&self) -> usize {
        /// What an allocation costs besides its bytes.
        const EACH: usize = 32;
        let Fault {
            code,
            reason,
            column,
            detail,
            constraint,
        } = &self.fault;
        let told = [column, detail, constraint]
            .map(|text| text.as_ref().map_or(0, |text| text.len() + EACH));
        size_of::<Self>()
            + self.bytes.len()
            + code.len()
            + reason.len()
            + 3 * EACH
            + told.iter().sum::<usize>()
    }
}

impl<'a> Sift<'a> {
    fn rejecting(&self) -> Option<&'a Rejecting> {
        self.here.step.rejecting.as_ref()
    }

    /// Whether the whole file is one COPY: what fails ends the job.
    fn is_one_copy(&self) -> bool {
        self.rejecting().is_none() && matches!(self.way, Way::Copy(_))
    }

    /// Loads the next batch of `supply`, which has a record ready.
    async fn batch(&mut self, supply: &mut Supply, stage: &mut Stage<'_>) -> Result<()> {
        let outcome = self.load_batch(supply, stage).await;
        let kept = self.keep(stage.rejects);
        match outcome {
            Err(error) if self.exceeds().is_some() => Err(limit::with_places(error, stage.rejects)),
            outcome => outcome.and(kept),
        }
    }

    /// What is wrong with so many rejected records, while it is not known how many there are in all.
    fn exceeds(&self) -> Option<String> {
        let most = self.rejecting()?.most;
        limit::exceeded(most, self.before + self.rejected, None)
    }

    async fn load_batch(&mut self, supply: &mut Supply, stage: &mut Stage<'_>) -> Result<()> {
        let mut batch = Batch::new(supply.sieve.is_shaping());
        if let Some(repertoire) = &mut self.repertoire {
            let next = supply.lines().next();
            if next.is_some_and(|line| repertoire.judge(line) == Holding::Unknown) {
                repertoire.learn(supply.lines(), stage).await?;
            }
        }
        // Where the sieve holds every record back, no COPY is needed.
        while !self.take(&mut batch, supply, 1)? {
            if !supply.fill(&mut stage.stop, None).await? {
                return Ok(());
            }
        }
        if batch.records.is_empty() {
            return Ok(());
        }
        let refusal = self.stream(&mut batch, supply, stage).await?;
        let range = 0..batch.records.len();
        let part = match (&self.way, refusal) {
            (Way::Copy(_), None) => return Ok(()),
            (Way::Copy(_), refusal) => Part { range, refusal },
            (Way::Fields(_), _) => Part {
                range,
                refusal: None,
            },
        };
        self.isolate(&batch, part, stage).await?;
        match &self.way {
            Way::Copy(_) => {}
            Way::Fields(fields) => fields.clear(stage.session).await?,
        }
        Ok(())
    }

    /// Sends `batch`, and more records while they come, as one COPY. Where the server refuses it,
    /// and where it fills a table of text, everything in `batch` is still to be loaded.
    async fn stream(
        &mut self,
        batch: &mut Batch,
        supply: &mut Supply,
        stage: &mut Stage<'_>,
    ) -> Result<Option<Box<ServerMessage>>> {
        let (before, copy) = match &self.way {
            Way::Copy(copy) => (self.savepoint.before(), copy.as_str()),
            Way::Fields(fields) => (&[][..], fields.copy()),
        };
        let begun = stage.session.copy_in_behind(before, copy).await;
        let mut copy = begun.map_err(|error| self.here.refused_at(error, None, false))?;
        let one_copy = self.is_one_copy();
        let mut sent = 0;
        let mut records = batch.records.len();
        let outcome = loop {
            let most = if one_copy {
                usize::MAX
            } else {
                self.pace.size()
            };
            let known = batch.records.len();
            let full = self.take(batch, supply, most)?;
            records += batch.records.len() - known;
            if let Err(error) = copy.send(batch.sent_from(sent)).await {
                break Err(error);
            }
            self.progress(batch.bytes() - sent, supply, stage.observer);
            sent = batch.bytes();
            if one_copy {
                batch.forget();
                sent = 0;
            }
            let more = if full && !one_copy {
                Ok(false)
            } else {
                supply.fill(&mut stage.stop, Some(&mut copy)).await
            };
            match more {
                Ok(true) => {}
                Ok(false) => break end(copy).await,
                Err(Halt::Refused(error)) => break Err(error),
                Err(Halt::Error(error)) => return Err(error),
            }
        };
        match (outcome, &self.way) {
            (Ok(rows), Way::Copy(_)) => {
                let all = Inserted { rows, filtered: 0 };
                self.loaded(all, records as u64, stage);
                Ok(None)
            }
            (Ok(_), Way::Fields(_)) => Ok(None),
            (Err(error), Way::Copy(_)) => {
                self.failed(error, batch, 0..batch.records.len()).map(Some)
            }
            (Err(error), Way::Fields(_)) => Err(self.here.refused_at(error, None, false)),
        }
    }

    /// Moves records that are ready into `batch`, up to `most` of them in it, and sets aside those
    /// that the sieve holds back. `true` when the batch is full.
    fn take(&mut self, batch: &mut Batch, supply: &mut Supply, most: usize) -> Result<bool> {
        while batch.records.len() < most && !batch.is_large() && self.held_bytes < BATCH {
            let Some((record, fault)) = supply.sieve.out.ready.get(supply.next) else {
                return Ok(false);
            };
            let out = &supply.sieve.out;
            let mut fault = fault.clone();
            if let (None, Some(repertoire)) = (&fault, &self.repertoire) {
                match repertoire.judge(out.line(record)) {
                    Holding::All => {}
                    Holding::Lacks(one) => fault = Some(repertoire.fault(one)),
                    // It is asked for before the next batch.
                    Holding::Unknown => return Ok(true),
                }
            }
            supply.next += 1;
            match fault {
                None => batch.push(record, out),
                Some(fault) => {
                    let bytes = &out.bytes[record.start..record.start + record.length];
                    self.set_aside(record.at, bytes, fault)?;
                }
            }
        }
        Ok(true)
    }

    /// Loads what of a part can be loaded, record by record where it must be.
    async fn isolate(&mut self, batch: &Batch, part: Part, stage: &mut Stage<'_>) -> Result<()> {
        let mut parts = VecDeque::from([part]);
        while let Some(Part { range, refusal }) = parts.pop_front() {
            if range.is_empty() {
                continue;
            }
            if let Some(refusal) = refusal {
                for part in self.split(batch, range, *refusal)? {
                    parts.push_front(part);
                }
                continue;
            }
            let end = range.end.min(range.start + self.pace.size());
            let now = range.start..end;
            parts.push_front(Part {
                range: end..range.end,
                refusal: None,
            });
            if let Some(refusal) = self.load(batch, now.clone(), stage).await? {
                parts.push_front(Part {
                    range: now,
                    refusal: Some(refusal),
                });
            }
        }
        Ok(())
    }

    /// Loads a part of a batch.
    async fn load(
        &mut self,
        batch: &Batch,
        range: Range<usize>,
        stage: &mut Stage<'_>,
    ) -> Result<Option<Box<ServerMessage>>> {
        if let Some(reason) = stage.stop.reason() {
            return Err(reason.error());
        }
        let outcome = match &self.way {
            Way::Copy(copy) => {
                let before = self.savepoint.before();
                let begun = stage.session.copy_in_behind(before, copy).await;
                let mut copy = begun.map_err(|error| self.here.refused_at(error, None, false))?;
                let sent = copy.send(batch.sent(range.clone())).await;
                let rows = match sent {
                    Ok(()) => end(copy).await,
                    Err(error) => Err(error),
                };
                rows.map(|rows| Inserted { rows, filtered: 0 })
            }
            Way::Fields(fields) => {
                let number = |index: usize| batch.records[index].at.record;
                let (first, last) = (number(range.start), number(range.end - 1));
                let alone = stage.is_alone();
                fields
                    .insert_behind(!alone, first, last, stage.session)
                    .await
            }
        };
        match outcome {
            Ok(inserted) => {
                self.loaded(inserted, range.len() as u64, stage);
                Ok(None)
            }
            Err(error) => self.failed(error, batch, range).map(Some),
        }
    }

    /// What is to be done about a part that was refused, last first. A record that stands alone is
    /// set aside.
    fn split(
        &mut self,
        batch: &Batch,
        range: Range<usize>,
        refusal: ServerMessage,
    ) -> Result<Vec<Part>> {
        let untried = |range| Part {
            range,
            refusal: None,
        };
        let bad = match self.place(batch, range.clone(), &refusal) {
            Some(index) => index,
            None if range.len() == 1 => range.start,
            None => {
                let middle = range.start + range.len() / 2;
                self.pace.failed_by(range.len() / 2);
                return Ok(vec![
                    untried(middle..range.end),
                    untried(range.start..middle),
                ]);
            }
        };
        let rest = untried(bad + 1..range.end);
        if bad > range.start && depends_on_others(&refusal) {
            // Those before it may be refused themselves, and then it may be taken after all.
            return Ok(vec![rest, untried(bad..bad + 1), untried(range.start..bad)]);
        }
        let at = batch.records[bad].at;
        if self.rejecting().is_none() {
            let error = WireError::Refused(Box::new(refusal));
            return Err(self.here.refused_at(error, Some(at), false));
        }
        self.pace.failed_by(bad - range.start);
        let fault = Fault::of(refusal);
        self.set_aside(at, batch.raw(bad..bad + 1), fault)?;
        Ok(vec![rest, untried(range.start..bad)])
    }

    /// The record that a refusal is about, where it says so truthfully.
    fn place(&self, batch: &Batch, range: Range<usize>, said: &ServerMessage) -> Option<usize> {
        // A Gauss server counts on while it collects rows for an index (seen on openGauss 3.0.6).
        if said.code == "23505" && self.here.server.kind.is_gauss() {
            return None;
        }
        let line = place::line(
            said.context.as_deref()?,
            self.here.step.table.name().as_str(),
        )?;
        batch.find(range, line, &self.here.step.sent_dialect())
    }

    /// So many records have become rows.
    fn loaded(&mut self, inserted: Inserted, records: u64, stage: &mut Stage<'_>) {
        self.rows += inserted.rows;
        self.filtered += inserted.filtered;
        self.sent += records.saturating_sub(inserted.filtered);
        self.pace.succeeded(records);
        self.savepoint.succeeded();
        if stage.is_alone() {
            stage.cannot_be_repeated("a part of its file is committed");
        }
    }

    /// A COPY has failed: what the server said of its data.
    ///
    /// # Errors
    /// It failed for another reason than its data, or nothing of the transaction is left.
    fn failed(
        &mut self,
        error: WireError,
        batch: &Batch,
        range: Range<usize>,
    ) -> Result<Box<ServerMessage>> {
        let error = self.here.destination.in_words_of(error);
        let WireError::Refused(said) = error else {
            return Err(self.here.refused_at(error, None, false));
        };
        let at = self
            .place(batch, range, &said)
            .map(|index| batch.records[index].at);
        if !is_about_data(&said) || self.is_one_copy() {
            return Err(self.here.refused_at(WireError::Refused(said), at, false));
        }
        self.savepoint.failed();
        Ok(said)
    }

    /// Sets a record aside.
    ///
    /// # Errors
    /// The job rejects none, or not so many.
    fn set_aside(&mut self, at: Position, bytes: &[u8], fault: Fault) -> Result<()> {
        if self.rejecting().is_none() {
            let error = WireError::Refused(Box::new(fault.into_message()));
            return Err(self.here.refused_at(error, Some(at), false));
        }
        self.rejected += 1;
        let held = Held {
            at,
            bytes: bytes.to_vec(),
            fault,
        };
        self.held_bytes += held.weight();
        let error = self.exceeds().map(|what| {
            Error::new(ErrorKind::Data, what).line(
                "last",
                format!(
                    "`{}`, {at}: {} (SQLSTATE {})",
                    self.here.source, held.fault.reason, held.fault.code
                ),
            )
        });
        self.held.push(held);
        error.map_or(Ok(()), Err)
    }

    /// Keeps the records that are set aside.
    fn keep(&mut self, rejects: &mut Rejects) -> Result<()> {
        let Some(rejecting) = self.rejecting() else {
            return Ok(());
        };
        self.held.sort_by_key(|held| held.at.record);
        for held in self.held.drain(..) {
            let reject = held.fault.reject(held.at, &held.bytes);
            let (folder, source) = (&rejecting.folder, self.here.source);
            rejects.keep(folder, source, self.begin, &reject)?;
        }
        self.held_bytes = 0;
        Ok(())
    }

    fn progress(&mut self, bytes: usize, supply: &Supply, observer: &dyn Observer) {
        self.bytes += bytes as u64;
        observer.observe(Event::Moved {
            disk: supply.feed.taken(),
            bytes: self.bytes_before + self.bytes,
            records: supply.sieve.count(),
        });
    }

    /// The file is through.
    async fn done(self, supply: &Supply, stage: &mut Stage<'_>) -> Result<Loaded> {
        if let Some(sql) = self.savepoint.after() {
            stage.session.run(sql).await?;
        }
        if let Way::Fields(fields) = &self.way {
            fields.remove(stage.session).await?;
        }
        supply.check_end(&self.here, self.bytes, stage)?;
        reconcile(&self.here, self.sent, self.rows, stage).await?;
        // A blank line is none where records are objects or places.
        let records = supply.sieve.count() - self.begin.records - supply.sieve.out.blank;
        if self.sent + self.rejected + self.filtered != records {
            return Err(Error::new(
                ErrorKind::Data,
                format!(
                    "`{}` has {records} records, of which {} were sent, {} set aside and {} not wanted; please report this",
                    self.here.source, self.sent, self.rejected, self.filtered
                ),
            ));
        }
        Ok(Loaded {
            rows: self.rows,
            bytes: self.bytes,
            records,
            rejected: self.rejected,
            filtered: self.filtered,
            reached: Reached {
                next: supply.sieve.open_record().0,
                line_end: supply.sieve.line_end(),
                more: supply.end.is_some_and(|end| end.more),
            },
            empty: records == 0,
        })
    }
}

/// Ends the data of a COPY: how many rows it loaded.
async fn end(mut copy: Exchange<'_>) -> Result<u64, WireError> {
    copy.end_data().await?;
    copy.finish().await
}

/// Why no more records come.
pub(super) enum Halt {
    /// The server has refused the COPY under way.
    Refused(WireError),
    Error(Error),
}

impl From<Halt> for Error {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Refused(error) => error.into(),
            Halt::Error(error) => error,
        }
    }
}

/// Records of a file, ready to be taken.
pub(super) struct Supply {
    pub(super) feed: Feed,
    pub(super) sieve: Sieve,
    /// The next of `sieve.ready`.
    pub(super) next: usize,
    end: Option<End>,
    /// The record that was under way when the input ended.
    last: Position,
    /// What is in the data that the server takes without a word.
    oddities: Option<Oddities>,
}

impl Supply {
    /// Of a file that has begun.
    pub(super) fn new(feed: Feed, sieve: Sieve, oddities: Option<Oddities>) -> Self {
        Self {
            feed,
            next: 0,
            end: None,
            last: sieve.open_record().0,
            sieve,
            oddities,
        }
    }

    /// What is sent of the records that are ready.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let out = &self.sieve.out;
        let ready = out.ready[self.next.min(out.ready.len())..].iter();
        let sent = ready.filter(|(_, fault)| fault.is_none());
        sent.map(|(record, _)| out.line(record))
    }

    /// Looks how the file has ended, and says what there is to say of it.
    ///
    /// # Errors
    /// Data would be lost, or belongs to a quote that is never closed.
    pub(super) fn check_end(&self, here: &Here<'_>, bytes: u64, stage: &Stage<'_>) -> Result<()> {
        let (end, at) = (self.end.unwrap_or_default(), self.sieve.open_record().0);
        let oddities = self.oddities.as_ref();
        here.check_end(end, at, self.last, bytes, oddities)?;
        here.note_end(end, stage);
        if let Some(oddities) = oddities {
            here.note_oddities(oddities, stage);
        }
        Ok(())
    }

    /// Has records ready; `false` at the end of the file. The server may refuse `copy` meanwhile.
    pub(super) async fn fill(
        &mut self,
        stop: &mut Stop,
        mut copy: Option<&mut Exchange<'_>>,
    ) -> Result<bool, Halt> {
        while self.next >= self.sieve.out.ready.len() {
            if self.end.is_some() {
                return Ok(false);
            }
            let refused = async {
                match &mut copy {
                    Some(copy) => copy.refused().await,
                    None => std::future::pending().await,
                }
            };
            let fed = tokio::select! {
                biased;
                reason = stop.wait() => return Err(Halt::Error(reason.error())),
                fed = self.feed.next() => fed,
                error = refused => return Err(Halt::Refused(error)),
            };
            self.next = 0;
            match fed {
                Some(Ok(Fed::Block(block))) => {
                    self.sieve.push(&block);
                    if let Some(oddities) = &mut self.oddities {
                        oddities.look(block.bytes());
                    }
                    self.feed.give_back(block);
                    self.check_length()?;
                }
                Some(Ok(Fed::End(end))) => {
                    self.last = self.sieve.open_record().0;
                    self.sieve.finish(end);
                    self.end = Some(end);
                }
                Some(Ok(Fed::Begin(_))) => {}
                Some(Err(error)) => return Err(Halt::Error(error)),
                None => return Err(Halt::Error(input_thread_died())),
            }
        }
        Ok(true)
    }

    fn check_length(&self) -> Result<(), Halt> {
        let (at, length) = self.sieve.open_record();
        if length <= LONGEST {
            return Ok(());
        }
        Err(Halt::Error(too_long(at)))
    }
}
