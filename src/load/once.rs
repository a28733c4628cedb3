//! Files that are in already: found in the ledger before anything is done for the others.

use super::file::Loaded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Mode, Shard, Transaction};
use crate::ledger::{Entry, Known, Target, Unfinished};
use crate::run::Stage;
use crate::source::{self, Content, Source};

/// Files that are loaded again which are named one by one.
const NAMED: usize = 5;

/// A file to be loaded, and its entry in the ledger where the job keeps one.
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) entry: Option<Entry>,
    /// Bytes of a batch, where it is divided and not all of it is in.
    pub(super) division: Option<u64>,
}

impl Input {
    /// What the file held when it was looked at.
    pub(super) fn content(&self) -> Option<Content> {
        self.entry.as_ref()?.content
    }

    /// Claims the file for this transaction; `false`, and counted, where it is in. It is so without a
    /// ledger, too: then it never is.
    pub(super) async fn claim(&self, stage: &mut Stage<'_>) -> Result<bool> {
        let (Some(entry), Some(ledger)) = (&self.entry, stage.ledger) else {
            return Ok(true);
        };
        let is_ours = ledger.claim(entry, stage.session).await?;
        if !is_ours {
            if let Some(size) = ledger.division(entry, stage.session).await? {
                return Err(in_parts(&self.source, size));
            }
            stage.parts.before += 1;
        }
        Ok(is_ours)
    }

    /// Completes the entry of a file that has been loaded.
    pub(super) async fn complete(&self, loaded: &Loaded, stage: &mut Stage<'_>) -> Result<()> {
        let (Some(entry), Some(ledger)) = (&self.entry, stage.ledger) else {
            return Ok(());
        };
        let counts = [loaded.rows, loaded.rejected, loaded.filtered];
        ledger
            .complete(entry, loaded.reached.next.offset, counts, stage.session)
            .await
    }
}

/// Those of `sources` that are not in; the others are counted.
pub(super) async fn inputs(
    step: &CopyFrom,
    sources: Vec<Source>,
    stage: &mut Stage<'_>,
) -> Result<Vec<Input>> {
    let Some(ledger) = stage.ledger else {
        let input = |source| Input {
            source,
            entry: None,
            division: None,
        };
        return Ok(sources.into_iter().map(input).collect());
    };
    let called = step.source_id.as_deref();
    if let ([_, second, ..], Some(called)) = (sources.as_slice(), called) {
        return Err(Error::new(
            ErrorKind::Input,
            format!("`source_id: {called}` is for one file, and the step finds `{second}` besides"),
        )
        .hint("leave it out: files are known by their names and what they hold"));
    }
    let target = target(step, stage).await?;
    let mut entries = Vec::with_capacity(sources.len());
    for source in &sources {
        let content = match called {
            Some(_) => None,
            None => Some(content(source, stage).await?),
        };
        entries.push(ledger.entry(stage.step, &target, source, content, called));
    }
    let known = ledger.known(&entries, stage.session).await?;
    let divisions = divisions(&target, &sources, &entries, stage).await?;
    let mut skipped = vec![false; sources.len()];
    let by_batch = stage.transaction == Transaction::Batch;
    // What this run has committed is in, whatever has become of its connection since.
    let is_own = |known: &Known| by_batch && known.run == ledger.run_id();
    let (again, within): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|(_, known)| ledger.again && !is_own(known));
    if matches!(step.mode, Mode::Replace { .. }) {
        if !ledger.replace(&target, &entries, stage.session).await? {
            stage.parts.before += sources.len();
            return Ok(Vec::new());
        }
        // What an earlier replacement has loaded of them is gone.
        ledger.strike(&entries, stage.session).await?;
    } else {
        let struck: Vec<Entry> = again
            .iter()
            .map(|(index, _)| entries[*index].clone())
            .collect();
        ledger.strike(&struck, stage.session).await?;
        let mut before = 0;
        for (index, _) in &within {
            skipped[*index] = true;
            before += usize::from(!by_batch || !stage.parts.files.contains(&sources[*index]));
        }
        stage.parts.before = if by_batch { 0 } else { stage.parts.before } + before;
    }
    tell(&sources, again, stage);
    let inputs = sources.into_iter().zip(entries).zip(divisions).zip(skipped);
    Ok(inputs
        .filter(|(_, skipped)| !skipped)
        .map(|(((source, entry), division), _)| Input {
            source,
            entry: Some(entry),
            division,
        })
        .collect())
}

/// Bytes of a batch, of those files that are divided and not in as a whole.
///
/// # Errors
/// The step does not load by batches; or the file is not the one any more that it was.
async fn divisions(
    target: &Target,
    sources: &[Source],
    entries: &[Entry],
    stage: &mut Stage<'_>,
) -> Result<Vec<Option<u64>>> {
    let mut divisions = vec![None; entries.len()];
    let Some(ledger) = stage.ledger else {
        return Ok(divisions);
    };
    let unfinished = ledger.unfinished(target, stage.session).await?;
    let by_batch = stage.transaction == Transaction::Batch;
    let mut struck = Vec::new();
    for file in &unfinished {
        let of_file = |entry: &Entry| entry.is(file) || entry.was(file) && file.done > 0;
        let Some(index) = entries.iter().position(of_file) else {
            continue;
        };
        if ledger.again && !(by_batch && file.run == ledger.run_id()) {
            struck.push(file);
        } else if entries[index].was(file) {
            return Err(other_content(&sources[index], file));
        } else if !by_batch {
            return Err(in_parts(&sources[index], file.batch));
        } else {
            divisions[index] = Some(file.batch);
        }
    }
    ledger.strike_parts(&struck, stage.session).await?;
    Ok(divisions)
}

/// The error of a file of which other batches are in.
fn other_content(source: &Source, file: &Unfinished) -> Error {
    let batches = match file.done {
        1 => "1 batch of it was".into(),
        several => format!("{several} batches of it were"),
    };
    Error::new(
        ErrorKind::Input,
        format!("`{source}` has changed since {batches} loaded, and the others were not"),
    )
    .line("run", &file.run)
    .hint("put back what it was, so that the rest of that comes in; or delete what came of it, and run the job with `--again`")
}

/// The error of a file that is in in part, where it is to be loaded at once.
fn in_parts(source: &Source, size: u64) -> Error {
    Error::new(
        ErrorKind::Input,
        format!(
            "`{source}` is being loaded in batches of {size} bytes, and not all of them are in"
        ),
    )
    .hint("`transaction: batch` loads the others")
}

/// Those of `sources` that this run loads, where several share them by files.
pub(super) fn share(mut sources: Vec<Source>, stage: &Stage<'_>) -> Vec<Source> {
    let by_file = stage
        .shard
        .filter(|_| stage.transaction != Transaction::Batch);
    if let Some(shard) = by_file {
        sources.retain(|source| shard.has(number(source, shard), 0));
    }
    sources
}

/// A number of a file, the same for all who share a job.
pub(super) fn number(source: &Source, shard: &Shard) -> u64 {
    let name = match source {
        Source::File(path) => source::name_in(shard.folder(), path),
        Source::Stdin => "-".into(),
    };
    source::number_of(name.as_os_str().as_encoded_bytes())
}

/// The table, which has to outlive what the ledger says of it.
async fn target(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Target> {
    let target = Target::of(&step.table, stage.session).await?;
    if target.is_temporary && stage.transaction != Transaction::Job {
        return Err(Error::new(
            ErrorKind::Server,
            format!(
                "`{}` is a temporary table: it ends with the session, and the ledger would still say that its files are in",
                step.table.plain()
            ),
        )
        .hint("`transaction: job` commits with it what is made of it; or use a table that stays"));
    }
    Ok(target)
}

/// Reads a file for what it holds, on a thread of its own.
async fn content(source: &Source, stage: &mut Stage<'_>) -> Result<Content> {
    let path = match source {
        Source::File(path) if source.can_be_read_again() => path.clone(),
        _ => {
            return Err(Error::new(
                ErrorKind::Input,
                format!("`{source}` can be read only once, so it cannot be told from what was loaded before"),
            )
            .hint("`source_id: ...` in the step says what identifies it; or load it from a file"));
        }
    };
    let read = tokio::task::spawn_blocking(move || source::content(&path));
    tokio::select! {
        reason = stage.stop.wait() => Err(reason.error()),
        read = read => read.unwrap_or_else(|_| Err(super::lane::input_thread_died())),
    }
}

/// Says which files are loaded although they are in.
fn tell(sources: &[Source], mut known: Vec<(usize, Known)>, stage: &Stage<'_>) {
    if !stage.ledger.is_some_and(|ledger| ledger.again) {
        return;
    }
    known.sort_unstable_by_key(|(index, _)| *index);
    for (index, Known { run, at, rows }) in known.iter().take(NAMED) {
        stage.warn(&format!(
            "`{}` is loaded again: {} came of it at {at}, in run {run}",
            sources[*index],
            crate::progress::wording::rows(*rows)
        ));
    }
    if known.len() > NAMED {
        stage.warn(&format!(
            "so are {} more files that were loaded before",
            known.len() - NAMED
        ));
    }
}
