//! Files that are in already: found in the ledger before anything is done for the others.

use super::file::Loaded;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Mode, Transaction};
use crate::ledger::{Entry, Known, Target};
use crate::run::Stage;
use crate::source::{self, Content, Source};

/// Files that are loaded again which are named one by one.
const NAMED: usize = 5;

/// A file to be loaded, and its entry in the ledger where the job keeps one.
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) entry: Option<Entry>,
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
            .complete(entry, loaded.end, counts, stage.session)
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
    let mut skipped = vec![false; sources.len()];
    if matches!(step.mode, Mode::Replace { .. }) {
        if !ledger.replace(&target, &entries, stage.session).await? {
            stage.parts.before += sources.len();
            return Ok(Vec::new());
        }
        // What an earlier replacement has loaded of them is gone.
        ledger.strike(&entries, stage.session).await?;
    } else if ledger.again {
        let again: Vec<Entry> = known.keys().map(|index| entries[*index].clone()).collect();
        ledger.strike(&again, stage.session).await?;
    } else {
        for index in known.keys() {
            skipped[*index] = true;
        }
        stage.parts.before += known.len();
    }
    if ledger.again {
        tell(&sources, &known, stage);
    }
    let inputs = sources.into_iter().zip(entries).zip(skipped);
    Ok(inputs
        .filter(|(_, skipped)| !skipped)
        .map(|((source, entry), _)| Input {
            source,
            entry: Some(entry),
        })
        .collect())
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
fn tell(sources: &[Source], known: &std::collections::HashMap<usize, Known>, stage: &Stage<'_>) {
    let mut indexes: Vec<usize> = known.keys().copied().collect();
    indexes.sort_unstable();
    for index in indexes.iter().take(NAMED) {
        let Known { run, at, rows } = &known[index];
        stage.warn(&format!(
            "`{}` is loaded again: {} came of it at {at}, in run {run}",
            sources[*index],
            crate::progress::wording::rows(*rows)
        ));
    }
    if indexes.len() > NAMED {
        stage.warn(&format!(
            "so are {} more files that were loaded before",
            indexes.len() - NAMED
        ));
    }
}
