//! The files of a `copy_from` step: whether they are there and can be read, and what begins them.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Policy};
use crate::load;
use crate::progress::wording;
use crate::record::position::Positions;
use crate::source::{self, Begin, Fed, Source};

/// Bytes of a file that are looked at.
const SAMPLE: u64 = 64 * 1024;

/// The files of a step.
pub(super) struct Inputs {
    /// All of them, in their order.
    pub(super) sources: Vec<Source>,
    /// What is in the first file that is one, unless it could not be looked at.
    pub(super) sample: Option<Sample>,
    /// Bytes of all files on disk; `None` where some have no size.
    size: Option<u64>,
    /// Bytes of the smallest file that is not empty.
    smallest: Option<u64>,
    /// Patterns without a file that the job puts up with, and whether it says so.
    missing: Vec<(String, bool)>,
}

/// The beginning of a file.
pub(super) struct Sample {
    /// Whose.
    pub(super) source: Source,
    /// How it begins.
    pub(super) begin: Begin,
    records: u64,
    bytes: u64,
    /// These are all its records.
    whole: bool,
}

/// Finds the files of `step`, opens each, and looks into the first.
///
/// `awaited`: an earlier step of the job writes this file.
///
/// # Errors
/// What would stop a run.
pub(super) async fn look(
    step: &CopyFrom,
    csv_markers: bool,
    awaited: impl Fn(&Path) -> bool,
) -> Result<Inputs> {
    let (sources, absent) = source::expand(&step.input)?;
    let mut missing = Vec::new();
    for path in absent {
        let is_waited_for = || {
            let arrival = step.arrival.as_ref();
            arrival.is_some_and(|arrival| arrival.wait.is_some())
        };
        if step.on_missing == Policy::Fail && !is_waited_for() {
            return Err(load::missing(&path, awaited(&path)));
        }
        missing.push((path.display().to_string(), step.on_missing != Policy::Ok));
    }
    let (mut size, mut smallest) = (Some(0), None);
    for source in &sources {
        let bytes = match source {
            Source::Stdin => None,
            Source::File(path) => open(path)?,
        };
        let filled = bytes.filter(|bytes| *bytes > 0);
        smallest = smallest.into_iter().chain(filled).min();
        size = size.zip(bytes).map(|(sum, bytes)| sum + bytes);
    }
    let first = sources.iter().find(|source| is_file(source)).cloned();
    let sample = match first {
        Some(source) => Some(read(step, source, csv_markers).await?),
        None => None,
    };
    Ok(Inputs {
        sources,
        sample,
        size,
        smallest,
        missing,
    })
}

/// Opens a file as a run would, but for what only a run may read, such as a pipe. Returns its size.
fn open(path: &Path) -> Result<Option<u64>> {
    let unreadable = |cause: std::io::Error| {
        Error::new(
            ErrorKind::Input,
            format!("cannot read `{}`", path.display()),
        )
        .because(cause)
    };
    let about = fs::metadata(path).map_err(unreadable)?;
    if about.is_file() || about.is_dir() {
        File::open(path).map_err(unreadable)?;
    }
    Ok(about.is_file().then_some(about.len()))
}

fn is_file(source: &Source) -> bool {
    match source {
        Source::Stdin => false,
        // A folder is opened too: the error says what to do.
        Source::File(path) => fs::metadata(path).is_ok_and(|it| it.is_file() || it.is_dir()),
    }
}

async fn read(step: &CopyFrom, source: Source, csv_markers: bool) -> Result<Sample> {
    let mut feed = source::feed(source.clone(), load::reading(step, csv_markers))?;
    let mut begin = None;
    let mut positions = Positions::new(0, 0);
    let (mut bytes, mut whole) = (0, false);
    while bytes < SAMPLE {
        match feed.next().await.transpose()? {
            Some(Fed::Begin(begun)) => begin = Some(begun),
            Some(Fed::Block(mut block)) => {
                let length = block.bytes().len();
                bytes += length as u64;
                positions.push(length, std::mem::take(&mut block.found));
                feed.give_back(block);
            }
            Some(Fed::End(end)) => {
                if end.open_record {
                    positions.end_last();
                }
                whole = true;
                break;
            }
            None => break,
        }
    }
    let begin = begin.ok_or_else(|| {
        Error::new(
            ErrorKind::Input,
            format!("`{source}` cannot be looked into"),
        )
    })?;
    Ok(Sample {
        source,
        begin,
        records: positions.records(),
        bytes,
        whole,
    })
}

impl Sample {
    /// Rows in so many bytes that are like these. What a compressed file holds is not known from
    /// its size.
    fn rows_in(&self, bytes: u64) -> Option<u64> {
        if self.begin.packed || self.records == 0 {
            return None;
        }
        let rows = u128::from(bytes) * u128::from(self.records) / u128::from(self.bytes.max(1));
        u64::try_from(rows).ok()
    }
}

impl Inputs {
    /// Rows in all files, where that can be told or guessed.
    pub(super) fn rows(&self) -> Option<Rows> {
        let sample = self.sample.as_ref()?;
        if sample.whole && self.sources.len() == 1 {
            return Some(Rows::Exactly(sample.records));
        }
        // Every file has the header of the first.
        let headers = sample.begin.offset * self.sources.len() as u64;
        let rows = sample.rows_in(self.size?.saturating_sub(headers))?;
        Some(Rows::About(rows))
    }

    /// Rows in the smallest file, for each is a COPY by itself; where that can be guessed.
    pub(super) fn fewest(&self) -> Option<u64> {
        match self.rows()? {
            Rows::Exactly(rows) => Some(rows),
            Rows::About(_) => {
                let sample = self.sample.as_ref()?;
                let rows = sample.rows_in(self.smallest?.saturating_sub(sample.begin.offset));
                rows.map(round)
            }
        }
    }

    /// In words: `3 files, 1.2 MB, about 36,000 rows`.
    pub(super) fn words(&self) -> String {
        let mut text = match self.sources.as_slice() {
            [source] => source.to_string(),
            several => format!("{} files", wording::count(several.len() as u64)),
        };
        match self.size {
            Some(size) => text.push_str(&format!(", {}", wording::bytes(size))),
            None => text.push_str(", a pipe among them that is not opened"),
        }
        match self.rows() {
            Some(Rows::Exactly(rows)) => text.push_str(&format!(", {}", wording::rows(rows))),
            Some(Rows::About(rows)) => {
                text.push_str(&format!(", about {}", wording::rows(round(rows))));
            }
            None => {}
        }
        text
    }

    /// The patterns without a file that the job wants to be told of.
    pub(super) fn complaints(&self) -> impl Iterator<Item = &str> {
        let told = self.missing.iter().filter(|(_, told)| *told);
        told.map(|(pattern, _)| pattern.as_str())
    }

    /// The file that a run would complain of as empty.
    pub(super) fn empty(&self) -> Option<&Source> {
        let sample = self.sample.as_ref()?;
        (sample.whole && sample.records == 0).then_some(&sample.source)
    }
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Exactly(u64),
    About(u64),
}

/// Two digits that count; a guess has no more.
fn round(rows: u64) -> u64 {
    let unit = 10_u64.pow(rows.checked_ilog10().unwrap_or(0).saturating_sub(1));
    (rows + unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_has_two_digits() {
        for (rows, rounded) in [
            (0, 0),
            (7, 7),
            (42, 42),
            (123, 120),
            (36_499, 36_000),
            (39_900, 40_000),
        ] {
            assert_eq!(round(rows), rounded);
        }
    }
}
