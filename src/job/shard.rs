//! `--shard`: several runs of one job, each with its share of the files.
//!
//! Which share a file or a batch belongs to is told by its name and its place alone, so that runs need
//! not know of each other. Only loads are shared: any other step would be run by each of them, in no
//! order.

use std::path::{Path, PathBuf};

use super::{Action, After, InputPattern, Job, Mode, Overrides, Step};
use crate::error::{Error, ErrorKind, Result};

/// The share of one of several runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
    folder: PathBuf,
}

impl Shard {
    /// The job file's folder, from which files have their names.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether batch `batch` (0 is the first) of a file is in it. `name`: a number that is the same for
    /// the file's name everywhere.
    pub(crate) fn has(&self, name: u64, batch: u64) -> bool {
        name.wrapping_add(batch) % u64::from(self.count) == u64::from(self.index)
    }
}

/// The share that `--shard` asks for.
///
/// # Errors
/// [`ErrorKind::Usage`] where the job cannot be shared.
pub(super) fn shard(job: &Job, overrides: &Overrides) -> Result<Option<Shard>> {
    let Some((index, count)) = overrides.shard else {
        return Ok(None);
    };
    if overrides.again {
        return Err(refused(
            "`--again` would take out of the ledger what other shards have loaded meanwhile",
        )
        .hint("run it without `--shard`; or take the files out with `dwsload history --forget`"));
    }
    for step in &job.steps {
        check(step)?;
    }
    let folder = job.file.parent().unwrap_or(&job.file);
    Ok(Some(Shard {
        index,
        count,
        folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
    }))
}

fn check(step: &Step) -> Result<()> {
    let named = format!("step {} ({})", step.number, step.title());
    let Action::CopyFrom(load) = &step.action else {
        return Err(refused(&format!("{named} loads no files, and each shard would run it")).hint(
            "`--only` chooses the steps that load, such as `--only load --shard 0/4`; run the others before or behind all shards, by `--only` without `--shard`",
        ));
    };
    if matches!(load.mode, Mode::Replace { .. }) {
        return Err(refused(&format!(
            "{named} has `mode: replace`, and each shard would empty the table of the others"
        ))
        .hint("empty it in a run of its own before all shards, and append"));
    }
    let after = load.arrival.as_ref().map(|arrival| &arrival.after);
    if after.is_some_and(|after| *after != After::Keep) {
        return Err(refused(&format!(
            "{named} moves or deletes its files when they are in, and each shard would take those of the others"
        ))
        .hint("leave `after` to a step or a run behind all shards; or let runs share the work without `--shard`"));
    }
    if load.input.contains(&InputPattern::Stdin) {
        return Err(refused(&format!(
            "{named} reads standard input, which is another one for each shard"
        )));
    }
    Ok(())
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("`--shard`: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_is_in_one_share() {
        let shards: Vec<Shard> = (0..3)
            .map(|index| Shard {
                index,
                count: 3,
                folder: PathBuf::new(),
            })
            .collect();
        for name in [0, 1, 7, u64::MAX] {
            for batch in 0..9 {
                let having = shards.iter().filter(|shard| shard.has(name, batch));
                assert_eq!(having.count(), 1, "{name} {batch}");
            }
        }
    }
}
