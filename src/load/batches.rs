//! Files into a table batch by batch, each in a transaction of its own (`transaction: batch`), by as
//! many runs as there are.
//!
//! A file is walked from its start. Each batch is claimed where it begins; one that is in is skipped,
//! one that another run holds is read past, and looked at again when everything else is done: by then
//! it is in, or its run is gone. What is small is one batch, and its claim is that of the file.

use std::collections::BTreeMap;

use super::file::Loaded;
use super::mode::Destination;
use super::once::{self, Input};
use super::open::{Open, Reached};
use super::scrutiny::Scrutiny;
use super::{complain, limit, no_record, opened, outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Layout};
use crate::ledger::{BatchIn, Claim, Claimed, Ledger, has_locks};
use crate::progress::{Event, Outcome};
use crate::record::dialect::Format;
use crate::run::Stage;
use crate::source::{self, Source, Stamp};

/// The batches of a step.
struct Batches<'a> {
    step: &'a CopyFrom,
    ledger: &'a Ledger,
    scrutiny: Scrutiny<'a>,
    /// Records set aside, and read, of each file, in batches that other runs have loaded.
    elsewhere: BTreeMap<usize, (u64, u64)>,
}

/// A file to be walked.
struct Walk {
    index: usize,
    input: Input,
    /// What it was like when it was looked at.
    stamp: Option<Stamp>,
    /// A number that is the same for its name everywhere.
    number: u64,
    /// Batches that others hold are waited for.
    wait: bool,
}

impl Walk {
    /// Whether batch `batch` of the file, 0 for the first, is for this run.
    fn is_ours(&self, batch: u64, stage: &Stage<'_>) -> bool {
        stage
            .shard
            .is_none_or(|shard| shard.has(self.number, batch))
    }
}

/// What a walk has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walked {
    Through,
    /// Something of it is held by another run.
    Held,
}

/// Loads what is not in yet of the files of a step.
///
/// # Errors
/// A file or a record is wrong, or the server refuses. What is committed stays.
pub(super) async fn copy_from(
    step: &CopyFrom,
    sources: Vec<Source>,
    ledger: &Ledger,
    stage: &mut Stage<'_>,
) -> Result<Outcome> {
    let inputs = once::inputs(step, sources, stage).await?;
    if inputs.is_empty() {
        return Ok(outcome(stage, stage.parts.counts.changes));
    }
    let mut batches = Batches {
        step,
        ledger,
        scrutiny: Scrutiny::new(&step.table, stage.session).await?,
        elsewhere: BTreeMap::new(),
    };
    let mut held = Vec::new();
    for mut walk in walks(inputs, stage) {
        // What can be read only once cannot be come back to.
        walk.wait = !walk.input.source.can_be_read_again();
        if batches.walk(&walk, stage).await? == Walked::Held {
            held.push(walk);
        }
    }
    if !held.is_empty() {
        stage.observer.observe(Event::Advice(
            "what other runs have under way is waited for: should they fail, it is loaded here",
        ));
    }
    for mut walk in held {
        walk.wait = true;
        batches.walk(&walk, stage).await?;
    }
    batches.scrutiny.report(true, stage).await?;
    Ok(outcome(stage, stage.parts.counts.changes))
}

/// The files in the order in which they are walked: where a claim of another's batch takes time, runs
/// begin at different ones.
fn walks(inputs: Vec<Input>, stage: &Stage<'_>) -> Vec<Walk> {
    let walk = |(index, input): (usize, Input)| Walk {
        index,
        stamp: stage
            .stamp_of(&input.source)
            .or_else(|| input.source.stamp()),
        number: stage
            .shard
            .map_or(0, |shard| once::number(&input.source, shard)),
        input,
        wait: false,
    };
    let mut walks: Vec<Walk> = inputs.into_iter().enumerate().map(walk).collect();
    let is_told = has_locks(stage.session.server());
    if let (Some(ledger), false) = (stage.ledger, is_told || stage.shard.is_some()) {
        let first = source::number_of(ledger.run_id().as_bytes()) % walks.len().max(1) as u64;
        walks.rotate_left(usize::try_from(first).unwrap_or_default());
    }
    walks
}

impl Batches<'_> {
    /// Walks a file, from its start to its end.
    async fn walk(&mut self, walk: &Walk, stage: &mut Stage<'_>) -> Result<Walked> {
        let input = &walk.input;
        if !input.source.can_be_read_again() {
            stage.cannot_be_repeated("its input has been read, and can be read only once");
        }
        if self.is_taken_away(walk, stage).await? {
            stage.parts.before += 1;
            return Ok(Walked::Through);
        }
        let walked = match input.division {
            Some(size) => self.divided(walk, size, None, stage).await,
            None => self.undivided(walk, stage).await,
        };
        stage.observer.observe(Event::FileDone);
        stage.notices();
        walked
    }

    /// Whether the file is not there any more because another run has loaded it, and moved it since.
    async fn is_taken_away(&self, walk: &Walk, stage: &mut Stage<'_>) -> Result<bool> {
        let (Some(entry), None) = (&walk.input.entry, walk.input.source.stamp()) else {
            return Ok(false);
        };
        if !walk.input.source.can_be_read_again() {
            return Ok(false);
        }
        let entry = std::slice::from_ref(entry);
        let known = self.ledger.known(entry, stage.session).await?;
        Ok(!known.is_empty())
    }

    /// A file of which nothing is known to be in.
    async fn undivided(&mut self, walk: &Walk, stage: &mut Stage<'_>) -> Result<Walked> {
        let size = self.step.batch;
        let input = &walk.input;
        let Some(entry) = &input.entry else {
            return Err(no_entry(&input.source));
        };
        let open = if input.source.can_be_read_again() {
            let open = Open::new(self.step, input, Some(size), stage).await?;
            if self.step.dialect.format == Format::Binary || is_small(&open, size) {
                return self.whole(walk, open, stage).await;
            }
            Some(open)
        } else {
            None
        };
        let packed = open.as_ref().is_none_or(|open| open.begin.packed);
        let bytes = open.as_ref().and_then(|open| open.begin.size);
        let about = bytes.filter(|_| !packed).map(|bytes| bytes.div_ceil(size));
        let claim = entry.division(size, about);
        match stage.begin_batch(&claim, walk.wait, self.ledger).await? {
            Claimed::Ours => {
                stage.session.run("COMMIT").await?;
                self.divided(walk, size, open, stage).await
            }
            Claimed::In => self.met(walk, stage).await,
            Claimed::Held => Ok(Walked::Held),
        }
    }

    /// A file that another run has come to in the meantime: it is in, or it is divided.
    async fn met(&mut self, walk: &Walk, stage: &mut Stage<'_>) -> Result<Walked> {
        let Some(entry) = &walk.input.entry else {
            return Err(no_entry(&walk.input.source));
        };
        match self.ledger.division(entry, stage.session).await? {
            Some(size) => Box::pin(self.divided(walk, size, None, stage)).await,
            None => {
                stage.parts.before += 1;
                Ok(Walked::Through)
            }
        }
    }

    /// Loads a file that is one batch.
    async fn whole(
        &mut self,
        walk: &Walk,
        mut open: Open,
        stage: &mut Stage<'_>,
    ) -> Result<Walked> {
        let input = &walk.input;
        let Some(entry) = &input.entry else {
            return Err(no_entry(&input.source));
        };
        if !walk.is_ours(0, stage) {
            return Ok(Walked::Through);
        }
        let claim = entry.whole();
        match stage.begin_batch(&claim, walk.wait, self.ledger).await? {
            Claimed::Ours => {
                if self.step.dialect.format == Format::Binary {
                    // Its records have a frame around them: it is one batch, whatever its size.
                    open = Open::new(self.step, input, None, stage).await?;
                }
                self.load(walk, open, &claim, stage).await?;
                Ok(Walked::Through)
            }
            Claimed::In => self.met(walk, stage).await,
            Claimed::Held => Ok(Walked::Held),
        }
    }

    /// Walks a file that is divided into batches of so many bytes; `open` has it open, at its start.
    async fn divided(
        &mut self,
        walk: &Walk,
        size: u64,
        open: Option<Open>,
        stage: &mut Stage<'_>,
    ) -> Result<Walked> {
        let input = &walk.input;
        let Some(entry) = &input.entry else {
            return Err(no_entry(&input.source));
        };
        let mut known = self.known(walk, stage).await?;
        let mut open = match open {
            Some(open) => open,
            None => Open::new(self.step, input, Some(size), stage).await?,
        };
        let mut starts = Vec::new();
        loop {
            let start = open.begin.offset;
            starts.push(start);
            let is_free = !known.contains_key(&start);
            let is_ours = walk.is_ours(start / size, stage);
            if is_free && is_ours {
                let claim = entry.batch(start);
                match stage.begin_batch(&claim, walk.wait, self.ledger).await? {
                    Claimed::Ours => {
                        let (reached, behind) = self.load(walk, open, &claim, stage).await?;
                        open = behind;
                        if !reached.more {
                            break;
                        }
                        open.go_on(reached);
                        continue;
                    }
                    Claimed::In => known = self.known(walk, stage).await?,
                    Claimed::Held => {}
                }
            }
            if !go_past(&mut open, known.get(&start), &input.source, stage).await? {
                break;
            }
        }
        let known = self.known(walk, stage).await?;
        let mut missing = starts.iter().filter(|start| !known.contains_key(start));
        if let Some(first) = missing.next() {
            // Those of other shards are not waited for.
            let is_ours = |start: &u64| walk.is_ours(start / size, stage);
            return Ok(if is_ours(first) || missing.any(is_ours) {
                Walked::Held
            } else {
                Walked::Through
            });
        }
        if let Some(arrived) = stage.arrived.filter(|_| !is_delimited(self.step)) {
            let counts = known.values().flat_map(|batch| batch.counts);
            arrived.check_rows(&input.source, counts.sum())?;
        }
        self.ledger.finish(entry, &known, stage.session).await?;
        if !stage.parts.files.contains(&input.source) {
            stage.parts.before += 1;
        }
        Ok(Walked::Through)
    }

    /// The batches of a file that are in.
    async fn known(
        &mut self,
        walk: &Walk,
        stage: &mut Stage<'_>,
    ) -> Result<BTreeMap<u64, BatchIn>> {
        let Some(entry) = &walk.input.entry else {
            return Err(no_entry(&walk.input.source));
        };
        let known = self.ledger.batches(entry, stage.session).await?;
        let others = known.values().filter(|batch| !batch.is_own);
        let (mut rejected, mut records) = (0, 0);
        for batch in others {
            rejected += batch.counts[1];
            records += batch.counts.iter().sum::<u64>();
        }
        self.elsewhere.insert(walk.index, (rejected, records));
        stage.parts.elsewhere = self
            .elsewhere
            .values()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Ok(known)
    }

    /// Loads the batch at which `open` is, in the transaction of its claim, and commits it.
    async fn load(
        &mut self,
        walk: &Walk,
        open: Open,
        claim: &Claim,
        stage: &mut Stage<'_>,
    ) -> Result<(Reached, Open)> {
        let before = stage.parts.counts;
        let loaded = self.transact(walk, open, claim, stage).await;
        let source = &walk.input.source;
        match loaded {
            Ok((loaded, open)) => {
                stage.commit_batch(claim, before, Some(source)).await?;
                self.scrutiny.note(loaded.rows);
                Ok((loaded.reached, open))
            }
            Err(error) => {
                stage.parts.counts = before;
                Err(error)
            }
        }
    }

    /// Does the work of a batch.
    async fn transact(
        &mut self,
        walk: &Walk,
        open: Open,
        claim: &Claim,
        stage: &mut Stage<'_>,
    ) -> Result<(Loaded, Open)> {
        let (step, source) = (self.step, &walk.input.source);
        let is_first = open.begin.records == 0;
        let mut destination = Destination::prepare(step, stage).await?;
        let findings = self.scrutiny.findings.as_mut();
        let (loaded, open) = opened(step, source, open, &mut destination, stage, findings).await?;
        if loaded.empty && is_first && !loaded.reached.more {
            complain(step.on_empty, stage, || no_record(source))?;
        }
        loaded.count(stage);
        if let Some(rejecting) = &step.rejecting {
            limit::check(rejecting, stage)?;
        }
        if let Some(changes) = destination.finish(step, stage).await? {
            *stage.parts.counts.changes.get_or_insert_default() += changes;
        }
        let loaded = loaded.without(destination.refused_of(source));
        if let Some(arrived) = stage.arrived.filter(|_| !loaded.reached.more) {
            let records = if claim.is_whole() {
                Some(loaded.records)
            } else {
                // Where blank lines are no records, that is known of all batches together only.
                is_delimited(step).then(|| loaded.reached.next.record - 1)
            };
            records.map_or(Ok(()), |records| arrived.check_rows(source, records))?;
        }
        let is_cut_short = claim.is_whole() && loaded.reached.more;
        if source.stamp() != walk.stamp || is_cut_short {
            return Err(changed(source));
        }
        let counts = [loaded.rows, loaded.rejected, loaded.filtered];
        let Reached { next, more, .. } = loaded.reached;
        self.ledger
            .complete_batch(claim, next, !more, counts, stage.session)
            .await?;
        Ok((loaded, open))
    }
}

/// Goes past a batch, which is in as `known` says or held by another run; `false` where it is the last.
async fn go_past(
    open: &mut Open,
    known: Option<&BatchIn>,
    source: &Source,
    stage: &mut Stage<'_>,
) -> Result<bool> {
    match known {
        Some(batch) if batch.last => return Ok(false),
        Some(batch) if open.seek(batch.end)? => return Ok(true),
        _ => {}
    }
    let start = open.begin.offset;
    let reached = open.pass(&mut stage.stop).await?;
    if let Some(batch) = known.filter(|batch| batch.end != reached.next || !reached.more) {
        return Err(Error::new(
            ErrorKind::Data,
            format!(
                "`{source}` is not what a part of it was loaded from: the batch at byte {start} ended at byte {}, and now ends at {}",
                batch.end.offset, reached.next.offset
            ),
        )
        .hint("has the job another `format`, `quote`, `encoding` or the like since, or has `source_id` another content? `--again` loads all of it, when what is there has been deleted"));
    }
    open.go_on(reached);
    Ok(reached.more)
}

/// Whether a file is one batch, as far as that is known before it is read.
fn is_small(open: &Open, size: u64) -> bool {
    let bytes = open.begin.size.filter(|_| !open.begin.packed);
    bytes.is_some_and(|bytes| bytes <= size)
}

/// Whether each line or quoted group of lines is a record.
fn is_delimited(step: &CopyFrom) -> bool {
    let shaping = step.shaping.as_ref();
    shaping.is_none_or(|shaping| shaping.layout == Layout::Delimited)
}

fn changed(source: &Source) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("`{source}` changed while it was loaded"),
    )
    .hint("let it be complete before the job begins: write it under another name and rename it")
}

/// The job has a ledger, and a file of it no entry.
fn no_entry(source: &Source) -> Error {
    Error::new(
        ErrorKind::Input,
        format!("`{source}` has no entry in the ledger; please report this"),
    )
}
