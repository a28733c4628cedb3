//! Records that could not be loaded, kept as they are, and why.
//!
//! For each source there is a file of its rejected records, as they stand there and with its header,
//! so that the same job can load them when they are corrected; and beside it a `.jsonl` file with a
//! line of reasons for each. Both are written as records are rejected, and are on disk before the
//! transaction that they belong to commits.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::record::position::Position;
use crate::source::Source;

/// A record that could not be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Reject<'a> {
    /// Where it begins.
    pub at: Position,
    /// Its bytes, as they stand in the source.
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
}

/// Reasons that are shown of a file.
const SHOWN: usize = 3;

#[derive(Debug)]
struct Open {
    /// Its number in `kept`.
    index: usize,
    records: BufWriter<File>,
    reasons: BufWriter<File>,
}

impl Rejects {
    /// For a run of `job`. Nothing is made before the first record.
    pub fn new(job: &str, run_id: &str) -> Self {
        Self {
            run: format!("{}-{run_id}", job.replace('/', "_")),
            step: 0,
            kept: Vec::new(),
            open: None,
        }
    }

    /// What is kept from now on is of the step of this number.
    pub fn of_step(&mut self, number: usize) {
        self.step = number;
    }

    /// Keeps a record of `source`, whose header is `header`, in a folder of this run in `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when it cannot be written.
    pub fn keep(
        &mut self,
        folder: &Path,
        source: &Source,
        header: &[u8],
        reject: &Reject<'_>,
    ) -> Result<()> {
        let written = self.open(folder, source, header).and_then(|()| {
            let Some(open) = &mut self.open else {
                return Ok(());
            };
            open.records.write_all(reject.bytes)?;
            if !reject.bytes.ends_with(b"\n") && !reject.bytes.ends_with(b"\r") {
                open.records.write_all(b"\n")?;
            }
            serde_json::to_writer(&mut open.reasons, &reason(source, reject))?;
            open.reasons.write_all(b"\n")?;
            let kept = &mut self.kept[open.index];
            kept.records += 1;
            if kept.first.len() < SHOWN {
                kept.first.push(in_words(reject));
            }
            Ok(())
        });
        written.map_err(|cause| self.failed(folder, cause))
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
            kept.first
                .truncate(usize::try_from(records).unwrap_or(SHOWN));
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
        })
    }

    /// Has the files of `source` open.
    fn open(&mut self, folder: &Path, source: &Source, header: &[u8]) -> io::Result<()> {
        let is_it = |kept: &Kept| kept.step == self.step && kept.source == *source;
        let known = self.kept.iter().position(is_it);
        if let (Some(open), Some(index)) = (&self.open, known) {
            if open.index == index {
                return Ok(());
            }
        }
        self.close()?;
        let index = match known {
            Some(index) => index,
            None => {
                let path = self.path(folder, source);
                self.kept.push(Kept {
                    step: self.step,
                    source: source.clone(),
                    path,
                    records: 0,
                    committed: (0, 0, 0),
                    first: Vec::new(),
                });
                self.kept.len() - 1
            }
        };
        let kept = &self.kept[index];
        if let Some(folder) = kept.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let [records, reasons] = kept.paths();
        let append = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        let mut records = BufWriter::new(append(&records)?);
        if kept.records == 0 {
            records.write_all(header)?;
        }
        self.open = Some(Open {
            index,
            records,
            reasons: BufWriter::new(append(&reasons)?),
        });
        Ok(())
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
    format!(
        "{}{column}: {} (SQLSTATE {})",
        reject.at, reject.reason, reject.code
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
mod tests {
    use super::*;

    fn reject(record: u64, bytes: &[u8]) -> Reject<'_> {
        Reject {
            at: Position {
                record,
                line: record + 1,
                offset: 10 * record,
            },
            bytes,
            column: Some("amount"),
            code: "22P02",
            reason: "invalid input syntax for type integer: \"x\"",
            detail: None,
            constraint: None,
        }
    }

    #[test]
    fn records_are_kept_as_they_are_with_their_header_and_reasons() {
        let dir = tempfile::tempdir().unwrap();
        let mut rejects = Rejects::new("a/b", "run");
        let source = |path: &str| Source::File(path.into());
        for (path, record) in [("x/o.csv.gz", 1), ("x/o.csv.gz", 2), ("y/o.csv", 1)] {
            let reject = reject(record, b"1,\"a\r\nb\"");
            rejects
                .keep(dir.path(), &source(path), b"id,note\r\n", &reject)
                .unwrap();
        }
        rejects.sync().unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join("a_b-run").join(name)).unwrap();
        assert_eq!(read("o.csv"), "id,note\r\n1,\"a\r\nb\"\n1,\"a\r\nb\"\n");
        assert_eq!(read("2-o.csv"), "id,note\r\n1,\"a\r\nb\"\n");
        assert_eq!(
            read("2-o.csv.jsonl"),
            "{\"code\":\"22P02\",\"column\":\"amount\",\"file\":\"y/o.csv\",\"line\":2,\"offset\":10,\
             \"reason\":\"invalid input syntax for type integer: \\\"x\\\"\",\"record\":1}\n"
        );
        let files: Vec<u64> = rejects.files().map(|file| file.count).collect();
        assert_eq!((files, rejects.count()), (vec![2, 1], 3));
    }

    #[test]
    fn two_steps_that_read_one_file_have_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut rejects = Rejects::new("job", "run");
        let source = Source::File("o.csv".into());
        for step in [2, 3] {
            rejects.of_step(step);
            rejects
                .keep(dir.path(), &source, b"", &reject(1, b"x\n"))
                .unwrap();
        }
        let files: Vec<_> = rejects
            .files()
            .map(|file| (file.step, file.path.file_name().unwrap().to_owned()))
            .collect();
        assert_eq!(files, [(2, "o.csv".into()), (3, "2-o.csv".into())]);
    }

    #[test]
    fn what_is_done_again_is_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut rejects = Rejects::new("job", "run");
        let (a, b) = (Source::File("a".into()), Source::File("b".into()));
        let keep = |rejects: &mut Rejects, source: &Source, record| {
            rejects
                .keep(dir.path(), source, b"", &reject(record, b"x\n"))
                .unwrap();
        };
        keep(&mut rejects, &a, 1);
        rejects.sync().unwrap();
        rejects.commit();
        keep(&mut rejects, &a, 2);
        keep(&mut rejects, &b, 1);
        rejects.discard();
        assert_eq!(rejects.count(), 1);
        keep(&mut rejects, &a, 2);
        rejects.sync().unwrap();
        let folder = dir.path().join("job-run");
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "x\nx\n");
        let reasons = fs::read_to_string(folder.join("a.jsonl")).unwrap();
        assert_eq!(reasons.lines().count(), 2);
        assert!(!folder.join("b").exists());
    }
}
