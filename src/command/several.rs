//! Several job files in one command: read before the first is opened, run one after the other.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{self, Job, Overrides};
use crate::progress::wording;
use crate::report::Record;

/// Reads every job file, whatever is wrong with one of them.
///
/// # Errors
/// Options that mean one job stand beside several.
pub(super) fn load(files: &[PathBuf], overrides: &Overrides) -> Result<Vec<Result<Job>>> {
    let is_one = files.len() == 1;
    let of_one = [
        ("--only", overrides.only.is_empty()),
        ("--input", overrides.inputs.is_empty()),
    ];
    if let Some((option, _)) = of_one.iter().find(|(_, is_empty)| !is_one && !is_empty) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "`{option}` means steps of one job, and there are {} jobs",
                files.len()
            ),
        )
        .hint("run that one alone"));
    }
    let overrides = Overrides {
        shared: !is_one,
        ..overrides.clone()
    };
    let jobs = files.iter().map(|file| job::load(file, &overrides));
    Ok(jobs.collect())
}

/// Sees that the jobs can run together.
///
/// # Errors
/// A variable of the command line is none of them; or two of them read standard input.
pub(super) fn agree(jobs: &[Job]) -> Result<()> {
    let [first, others @ ..] = jobs else {
        return Ok(());
    };
    let strange = |name: &&String| others.iter().all(|job| job.unused.contains(name));
    if let Some(name) = first
        .unused
        .iter()
        .find(strange)
        .filter(|_| !others.is_empty())
    {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`--var {name}=...`: none of the jobs has a variable `{name}`"),
        ));
    }
    let mut readers = jobs.iter().filter(|job| job.reads_stdin());
    if let (Some(one), Some(other)) = (readers.next(), readers.next()) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "standard input can be read once, and `{}` and `{}` both read it",
                one.file.display(),
                other.file.display()
            ),
        ));
    }
    Ok(())
}

/// The exit code of a command whose jobs came to these: the worst, which is what somebody has to look
/// at first.
pub(super) fn worst(codes: impl Iterator<Item = u8>) -> u8 {
    // Nobody knows what is in; stopped; failed; then what can be put right outside of the job.
    let rank = |code: &u8| match code {
        7 => 0,
        128.. => 1,
        1 => 2,
        2 => 3,
        5 => 4,
        6 => 5,
        4 => 6,
        8 => 8,
        3 => 9,
        0 => 10,
        _ => 7,
    };
    codes.min_by_key(rank).unwrap_or(0)
}

/// What several jobs came to, in one line.
pub(super) fn summary(records: &[Record], elapsed: Duration) -> String {
    let done = records.iter().filter(|record| record.is_done());
    let mut text = format!(
        "{} of {} jobs done in {}",
        done.count(),
        records.len(),
        wording::time(elapsed)
    );
    for record in records.iter().filter(|record| record.outcome() != "done") {
        let outcome = record.outcome().replace('_', " ");
        text.push_str(&format!("; {}: {outcome}", record.job));
        if let Some(code) = record.exit.filter(|_| !record.is_done()) {
            text.push_str(&format!(" (exit code {code})"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_codes_counts() {
        for (codes, expected) in [
            (&[0, 0][..], 0),
            (&[0, 3, 0], 3),
            (&[3, 8], 8),
            (&[8, 4], 4),
            (&[4, 6, 0], 6),
            (&[6, 5], 5),
            (&[5, 2], 2),
            (&[2, 1, 5], 1),
            (&[1, 143], 143),
            (&[130, 7, 1], 7),
            (&[], 0),
        ] {
            assert_eq!(worst(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
