//! Records that could not be loaded, kept as they are, and why.
//!
//! For each source there is a file of its rejected records, as they stand there, in its encoding and
//! with its header, so that the same job can load them when they are corrected; and beside it a `.jsonl` file with a
//! line of reasons for each. Both are written as records are rejected, and are on disk before the
//! transaction that they belong to commits.
//!
//! Where nothing is loaded, nothing is written either: records are counted, by what is wrong with
//! them, and told of.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::file::sync_names;
use crate::error::{Error, ErrorKind, Result};
use crate::record::position::Position;
use crate::source::{Begin, Source};

/// A record that could not be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Reject<'a> {
    /// Where it begins.
    pub at: Position,
    /// Its bytes, as they stand in the source, in UTF-8.
    pub bytes: &'a [u8],
    /// The column that is wrong, where one is.
    pub column: Option<&'a str>,
    /// The SQLSTATE.
    pub code: &'a str,
    /// What is wrong, in the words of the server.
    pub reason: &'a str,
    /// The server's DETAIL.
    pub detail: Option<&'a str>,
    /// The constraint that is violated, where one is.
    pub constraint: Option<&'a str>,
}

/// The rejected records of a run.
#[derive(Debug)]
pub struct Rejects {
    /// The name of this run's folders.
    run: String,
    /// The number of the step that is under way.
    step: usize,
    kept: Vec<Kept>,
    /// The files of the last source, still open.
    open: Option<Open>,
    /// Reasons that are shown of a file.
    shown: usize,
    /// They are kept in files.
    written: bool,
}

/// The records of one source that a step has rejected.
#[derive(Debug)]
pub struct Rejected<'a> {
    /// The number of the step.
    pub step: usize,
    /// Where they stand.
    pub source: &'a Source,
    /// Where they are kept.
    pub path: &'a Path,
    /// Where the reasons are, a line for each.
    pub reasons: PathBuf,
    /// How many they are.
    pub count: u64,
    /// What is wrong with the first of them, in words.
    pub first: &'a [String],
    /// How many there are of each kind, where they are not written.
    pub kinds: &'a [Kind],
    /// Those that are of no kind that is counted.
    pub others: u64,
}

/// Rejected records of one SQLSTATE, column and constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The SQLSTATE.
    pub code: String,
    /// The column that is wrong, where one is.
    pub column: Option<String>,
    /// The constraint that is violated, where one is.
    pub constraint: Option<String>,
    /// What is wrong with the first of them.
    pub reason: String,
    /// How many they are.
    pub count: u64,
}

/// The files of one source in one step.
#[derive(Debug)]
struct Kept {
    step: usize,
    source: Source,
    path: PathBuf,
    records: u64,
    /// Records, and bytes of both files, that belong to committed work.
    committed: (u64, u64, u64),
    /// What is wrong with the first of them, in words.
    first: Vec<String>,
    /// The numbers of those.
    numbers: Vec<u64>,
    kinds: Vec<Kind>,
    others: u64,
}

/// Reasons that are shown of a file.
const SHOWN: usize = 3;
/// Kinds that are counted of a source.
const KINDS: usize = 100;

#[derive(Debug)]
struct Open {
    /// Its number in `kept`.
    index: usize,
    records: BufWriter<File>,
    reasons: BufWriter<File>,
    /// What the lines end with, where the job does not say it.
    line_end: &'static [u8],
}

impl Open {
    /// Writes a part of the source, which begins with `begin`, in its encoding.
    fn write(&mut self, bytes: &[u8], begin: &Begin) -> io::Result<()> {
        let encoded = begin.charset.encode_back(bytes).map_err(|c| {
            let name = begin.charset.name();
            io::Error::other(format!("{name} has no character {c:?}"))
        })?;
        self.records.write_all(&encoded)
    }

    /// What ends the record, where nothing does: the last one of a source may have no end.
    fn missing_end<'a>(&mut self, record: &[u8], eol: Option<&'a [u8]>) -> Option<&'a [u8]> {
        if let Some(eol) = eol {
            return (!record.ends_with(eol)).then_some(eol);
        }
        match line_end(record) {
            Some(found) => {
                self.line_end = found;
                None
            }
            None => Some(self.line_end),
        }
    }
}

/// The line end of a record.
fn line_end(record: &[u8]) -> Option<&'static [u8]> {
    let mut ends = [&b"\r\n"[..], b"\n", b"\r"].into_iter();
    ends.find(|end| record.ends_with(end))
}

impl Rejects {
    /// For a run of `job`. Nothing is made before the first record.
    pub fn new(job: &str, run_id: &str) -> Self {
        Self {
            run: format!("{}-{run_id}", job.replace('/', "_")),
            step: 0,
            kept: Vec::new(),
            open: None,
            shown: SHOWN,
            written: true,
        }
    }

    /// That are counted and not written; so many reasons are kept of each source.
    pub fn counted(shown: usize) -> Self {
        Self {
            shown,
            written: false,
            ..Self::new("", "")
        }
    }

    /// What is kept from now on is of the step of this number.
    pub fn of_step(&mut self, number: usize) {
        self.step = number;
    }

    /// Keeps a record of `source`, which begins with `begin`, in a folder of this run in `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when it cannot be written.
    pub fn keep(
        &mut self,
        folder: &Path,
        source: &Source,
        begin: &Begin,
        reject: &Reject<'_>,
    ) -> Result<()> {
        let index = self.index(folder, source);
        if self.written {
            let written = self.write(index, source, begin, reject);
            written.map_err(|cause| self.failed(folder, cause))?;
        }
        let shown = self.shown;
        let kept = &mut self.kept[index];
        kept.records += 1;
        kept.show(reject, shown);
        if !self.written {
            kept.count(reject);
        }
        Ok(())
    }

    /// Counts a record of `source` that would be rejected.
    pub fn count_in(&mut self, source: &Source, reject: &Reject<'_>) {
        let index = self.index(Path::new(""), source);
        let shown = self.shown;
        let kept = &mut self.kept[index];
        kept.records += 1;
        kept.show(reject, shown);
        kept.count(reject);
    }

    /// Whether a reason is shown of a record behind so many others of its source.
    pub fn shows(&self, before: usize) -> bool {
        before < self.shown
    }

    /// The number of `source` in `kept`.
    fn index(&mut self, folder: &Path, source: &Source) -> usize {
        let is_it = |kept: &Kept| kept.step == self.step && kept.source == *source;
        if let Some(index) = self.kept.iter().position(is_it) {
            return index;
        }
        self.kept.push(Kept {
            step: self.step,
            source: source.clone(),
            path: self.path(folder, source),
            records: 0,
            committed: (0, 0, 0),
            first: Vec::new(),
            numbers: Vec::new(),
            kinds: Vec::new(),
            others: 0,
        });
        self.kept.len() - 1
    }

    fn write(
        &mut self,
        index: usize,
        source: &Source,
        begin: &Begin,
        reject: &Reject<'_>,
    ) -> io::Result<()> {
        let open = self.open(index, begin)?;
        open.write(reject.bytes, begin)?;
        if let Some(end) = open.missing_end(reject.bytes, begin.eol.as_deref()) {
            open.write(end, begin)?;
        }
        serde_json::to_writer(&mut open.reasons, &reason(source, reject))?;
        open.reasons.write_all(b"\n")
    }

    /// Puts everything on disk: before the COMMIT of what it belongs to.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when that fails.
    pub fn sync(&mut self) -> Result<()> {
        let synced = self.open.as_mut().map_or(Ok(()), |open| {
            for file in [&mut open.records, &mut open.reasons] {
                file.flush()?;
                file.get_ref().sync_all()?;
            }
            Ok(())
        });
        synced.map_err(|cause| self.failed(Path::new(&self.run), cause))
    }

    /// Puts the names of the files on disk, too: what they were taken from may be deleted then.
    pub fn sync_names(&self) {
        for kept in self.kept.iter().filter(|_| self.written) {
            for folder in kept.path.ancestors().skip(1).take(3) {
                sync_names(folder);
            }
        }
    }

    /// Takes note that what was kept so far belongs to committed work.
    pub fn commit(&mut self) {
        for kept in &mut self.kept {
            let [records, reasons] = kept.paths().map(|path| length(&path));
            kept.committed = (kept.records, records, reasons);
        }
    }

    /// Takes out again what belongs to work that will be done again.
    pub fn discard(&mut self) {
        self.open = None;
        for kept in &mut self.kept {
            let (records, bytes, reasons) = kept.committed;
            kept.records = records;
            let shown = usize::try_from(records).unwrap_or(SHOWN);
            kept.first.truncate(shown);
            kept.numbers.truncate(shown);
            for (path, length) in kept.paths().iter().zip([bytes, reasons]) {
                // What cannot be cut off is told of by its number of lines.
                let _ = if length == 0 {
                    fs::remove_file(path)
                } else {
                    OpenOptions::new()
                        .write(true)
                        .open(path)
                        .and_then(|file| file.set_len(length))
                };
            }
        }
    }

    /// Records kept.
    pub fn count(&self) -> u64 {
        self.kept.iter().map(|kept| kept.records).sum()
    }

    /// What is kept, source by source.
    pub fn files(&self) -> impl Iterator<Item = Rejected<'_>> {
        let kept = self.kept.iter().filter(|kept| kept.records > 0);
        kept.map(|kept| Rejected {
            step: kept.step,
            source: &kept.source,
            path: &kept.path,
            reasons: kept.paths()[1].clone(),
            count: kept.records,
            first: &kept.first,
            kinds: &kept.kinds,
            others: kept.others,
        })
    }

    /// Has the files of `kept[index]` open.
    fn open(&mut self, index: usize, begin: &Begin) -> io::Result<&mut Open> {
        if self.open.as_ref().is_some_and(|open| open.index != index) {
            self.close()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.kept[index].open(index, begin)?,
        };
        Ok(self.open.insert(open))
    }

    /// Closes the files that are open; they are on disk.
    fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        for mut file in [open.records, open.reasons] {
            file.flush()?;
            file.get_ref().sync_all()?;
        }
        Ok(())
    }

    /// A name in this run's folder that no other source has.
    fn path(&self, folder: &Path, source: &Source) -> PathBuf {
        let name = match source {
            Source::Stdin => OsString::from("stdin"),
            Source::File(path) => {
                // What is kept is not compressed.
                let packed = path
                    .extension()
                    .is_some_and(|ending| ending == "gz" || ending == "zst");
                let name = if packed {
                    path.file_stem()
                } else {
                    path.file_name()
                };
                name.unwrap_or(path.as_os_str()).to_owned()
            }
        };
        let folder = folder.join(&self.run);
        let taken = |path: &Path| self.kept.iter().any(|kept| kept.path == path);
        let mut path = folder.join(&name);
        let mut number = 2;
        while taken(&path) {
            let mut other = OsString::from(format!("{number}-"));
            other.push(&name);
            path = folder.join(other);
            number += 1;
        }
        path
    }

    fn failed(&self, folder: &Path, cause: io::Error) -> Error {
        let place = self.kept.last().map_or(folder, |kept| &kept.path);
        Error::new(
            ErrorKind::Output,
            format!("cannot keep rejected records in `{}`", place.display()),
        )
        .because(cause)
        .hint("`rejects` of the step names another folder")
    }
}

impl Kept {
    fn open(&self, index: usize, begin: &Begin) -> io::Result<Open> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let [records, reasons] = self.paths();
        let append = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        let mut open = Open {
            index,
            records: BufWriter::new(append(&records)?),
            reasons: BufWriter::new(append(&reasons)?),
            line_end: line_end(&begin.header_bytes).unwrap_or(b"\n"),
        };
        if self.records == 0 {
            open.records.write_all(begin.charset.mark())?;
            open.write(&begin.header_bytes, begin)?;
        }
        Ok(open)
    }

    /// Shows a record, if it is one of the first; those found later may stand before others.
    fn show(&mut self, reject: &Reject<'_>, shown: usize) {
        let number = reject.at.record;
        let place = self.numbers.partition_point(|before| *before <= number);
        if place < shown {
            self.numbers.truncate(shown - 1);
            self.first.truncate(shown - 1);
            self.numbers.insert(place, number);
            self.first.insert(place, in_words(reject));
        }
    }

    /// Counts a record by what is wrong with it.
    fn count(&mut self, reject: &Reject<'_>) {
        let is_of = |kind: &&mut Kind| {
            kind.code == reject.code
                && kind.column.as_deref() == reject.column
                && kind.constraint.as_deref() == reject.constraint
        };
        if let Some(kind) = self.kinds.iter_mut().find(is_of) {
            kind.count += 1;
        } else if self.kinds.len() < KINDS {
            self.kinds.push(Kind {
                code: reject.code.to_owned(),
                column: reject.column.map(str::to_owned),
                constraint: reject.constraint.map(str::to_owned),
                reason: reject.reason.to_owned(),
                count: 1,
            });
        } else {
            self.others += 1;
        }
    }

    /// The file of the records, and that of the reasons.
    fn paths(&self) -> [PathBuf; 2] {
        let mut reasons = self.path.clone().into_os_string();
        reasons.push(".jsonl");
        [self.path.clone(), reasons.into()]
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

/// A record's place and fault, for people.
fn in_words(reject: &Reject<'_>) -> String {
    let column = reject
        .column
        .map_or(String::new(), |column| format!(", column {column}"));
    let place = match reject.at {
        // Not every source can be read again for the line.
        Position {
            record, line: 0, ..
        } => format!("record {record}"),
        at => at.to_string(),
    };
    format!(
        "{place}{column}: {} (SQLSTATE {})",
        reject.reason, reject.code
    )
}

/// The line of reasons for a record: what is not known is left out.
fn reason(source: &Source, reject: &Reject<'_>) -> Value {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    put("file", source.to_string().into());
    put("record", reject.at.record.into());
    put("line", reject.at.line.into());
    put("offset", reject.at.offset.into());
    put("code", reject.code.into());
    put("reason", reject.reason.into());
    for (key, text) in [
        ("column", reject.column),
        ("constraint", reject.constraint),
        ("detail", reject.detail),
    ] {
        if let Some(text) = text {
            put(key, text.into());
        }
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests;
