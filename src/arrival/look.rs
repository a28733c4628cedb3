//! One look at the files of a step: which are there, and what stands against loading them now.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::manifest::{self, Entry};
use super::stability::{Stability, refresh};
use super::{Arrived, File};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{After, Arrival, CopyFrom, Job, Marker, Policy, Step};
use crate::progress::{Event, Observer, wording};
use crate::run::Stop;
use crate::source::{self, Source, Stamp, Sum, could_name};

/// What a job waits longer than `stable_for`, so that a file is not given up just when it is ready.
const SLACK: Duration = Duration::from_secs(1);
/// Things that an error lists.
const LISTED: usize = 10;

/// What was found out about the files of a step over several looks.
#[derive(Debug, Default)]
pub(crate) struct Eye {
    stability: Stability,
    /// Hashes that were made of files, and what these were then: for a large file that takes long.
    sums: HashMap<PathBuf, (Stamp, Vec<Sum>)>,
}

/// What a look has found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The files that are there, in their order, ready or not.
    pub(crate) files: Vec<File>,
    /// Patterns that name nothing.
    pub(crate) missing: Vec<PathBuf>,
    /// Files that cannot be loaded now, and why.
    unready: Vec<(PathBuf, String)>,
    /// Files that have not been unchanged for long enough, and how long they are still to be.
    watched: Vec<(PathBuf, Duration)>,
    /// What is wrong with the number of files.
    count: Option<String>,
    /// Files in the manifest that the step does not name.
    foreign: Vec<PathBuf>,
    /// Files that the step names and the manifest does not list.
    unlisted: Vec<PathBuf>,
}

impl Eye {
    /// Looks.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for what no waiting puts right; or the run is stopped.
    pub(crate) async fn look(
        &mut self,
        load: &CopyFrom,
        arrival: &Arrival,
        stop: &mut Stop,
    ) -> Result<Look> {
        let mut look = Look::default();
        let (sources, missing) = source::expand(&load.input)?;
        look.missing = missing;
        let mut paths: Vec<PathBuf> = Vec::with_capacity(sources.len());
        for source in sources {
            if let Source::File(path) = source {
                paths.push(path);
            }
        }
        let mut listed = HashMap::new();
        if let Some(manifest) = &arrival.manifest {
            match manifest::read(manifest) {
                Ok(entries) => (paths, listed) = look.list(load, paths, entries),
                Err(why) => look.unready.push((manifest.clone(), why)),
            }
        }
        for path in &paths {
            check(path, arrival)?;
            self.file(path, listed.get(path), arrival, &mut look, stop)
                .await?;
        }
        if let Some(expected) = arrival.expected {
            let found = paths.len();
            let words = format!("{}, and `expect_files` is {expected}", files(found));
            if expected.most.is_some_and(|most| found > most) {
                return Err(Error::new(ErrorKind::Input, format!("found {words}")).line(
                    "found",
                    list(paths.iter().map(|path| path.display().to_string())),
                ));
            }
            if found < expected.least {
                look.count = Some(words);
            }
        }
        Ok(look)
    }

    /// Looks at one file, which is there.
    async fn file(
        &mut self,
        path: &Path,
        entry: Option<&Entry>,
        arrival: &Arrival,
        look: &mut Look,
        stop: &mut Stop,
    ) -> Result<()> {
        refresh(path);
        let Some(stamp) = Source::File(path.to_owned()).stamp() else {
            look.unready.push((
                path.to_owned(),
                "it cannot be looked at, or has gone".into(),
            ));
            return Ok(());
        };
        let mut why = None;
        if let Some(marker) = &arrival.marker {
            why = unmarked(marker, path, &stamp);
        }
        if let Some(for_long) = arrival.stable_for {
            if let Some(left) = self.stability.look(path, &stamp, for_long) {
                look.watched.push((path.to_owned(), left));
            }
        }
        if let (Some(entry), None) = (entry, &why) {
            why = self.differs(path, &stamp, entry, stop).await?;
        }
        if let Some(why) = why {
            look.unready.push((path.to_owned(), why));
        }
        let own = arrival.marker.as_ref().filter(|marker| marker.is_own());
        look.files.push(File {
            path: path.to_owned(),
            stamp,
            rows: entry.and_then(|entry| entry.rows),
            marker: own.map(|marker| marker.of(path)),
        });
        Ok(())
    }

    /// What is wrong with a file that is to be as `entry` says.
    async fn differs(
        &mut self,
        path: &Path,
        stamp: &Stamp,
        entry: &Entry,
        stop: &mut Stop,
    ) -> Result<Option<String>> {
        if stamp.length() != entry.size {
            return Ok(Some(format!(
                "it has {} bytes, and its manifest says {}",
                wording::count(stamp.length()),
                wording::count(entry.size)
            )));
        }
        let known = self
            .sums
            .get(path)
            .filter(|(then, sums)| then == stamp && sums.len() == entry.sums.len());
        let sums = match known {
            Some((_, sums)) => sums.clone(),
            None => {
                let (file, wanted) = (path.to_owned(), entry.sums.clone());
                let made = tokio::task::spawn_blocking(move || {
                    wanted.iter().map(|sum| sum.of(&file)).collect()
                });
                let made: Result<Vec<Sum>> = tokio::select! {
                    biased;
                    reason = stop.wait() => return Err(reason.error()),
                    made = made => made.unwrap_or_else(|_| Ok(Vec::new())),
                };
                let sums = made?;
                let known = (stamp.clone(), sums.clone());
                self.sums.insert(path.to_owned(), known);
                sums
            }
        };
        let mut pairs = sums.iter().zip(&entry.sums);
        let wrong = pairs.find(|(found, wanted)| found != wanted);
        Ok(wrong
            .map(|(found, wanted)| format!("its hash is {found}, and its manifest says {wanted}")))
    }
}

/// Refuses a file that is none, and one that stands where files are moved to.
fn check(path: &Path, arrival: &Arrival) -> Result<()> {
    let refused = |what: String| Err(Error::new(ErrorKind::Input, what));
    if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return refused(format!(
            "`{}` is no file: it cannot be looked at before it is read, or moved",
            path.display()
        ));
    }
    let After::Archive(archive) = &arrival.after else {
        return Ok(());
    };
    let (Ok(archive), Ok(real)) = (fs::canonicalize(archive), fs::canonicalize(path)) else {
        return Ok(());
    };
    if real
        .parent()
        .is_some_and(|folder| folder.starts_with(&archive))
    {
        return refused(format!(
            "`{}` is in the archive already, and `file` names it: it would be loaded again each time",
            path.display()
        ));
    }
    Ok(())
}

/// What is wrong with the marker of a file. One that is older than the file is of an earlier delivery.
fn unmarked(marker: &Marker, path: &Path, stamp: &Stamp) -> Option<String> {
    let marker = marker.of(path);
    refresh(&marker);
    let name = marker.display();
    match fs::metadata(&marker).and_then(|about| about.modified()) {
        Ok(modified) if modified < stamp.modified() => Some(format!(
            "its marker `{name}` is older than it, so the marker of an earlier delivery"
        )),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("there is no marker `{name}`"))
        }
        Err(error) => Some(format!("cannot look at its marker `{name}`: {error}")),
    }
}

impl Look {
    /// Compares the files that are there with those that a manifest lists: those of them that are to
    /// be loaded, each with its entry.
    fn list(
        &mut self,
        load: &CopyFrom,
        paths: Vec<PathBuf>,
        entries: Vec<Entry>,
    ) -> (Vec<PathBuf>, HashMap<PathBuf, Entry>) {
        if entries.is_empty() {
            self.unlisted = paths;
            return (Vec::new(), HashMap::new());
        }
        // The manifest says what is missing, not the patterns.
        self.missing.clear();
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut by_file: HashMap<PathBuf, Entry> = entries
            .into_iter()
            .map(|entry| (real(&entry.path), entry))
            .collect();
        let mut listed = HashMap::new();
        let mut kept = Vec::new();
        for path in paths {
            match by_file.remove(&real(&path)) {
                Some(entry) => {
                    listed.insert(path.clone(), entry);
                    kept.push(path);
                }
                None => self.unlisted.push(path),
            }
        }
        let mut rest: Vec<Entry> = by_file.into_values().collect();
        rest.sort_by(|a, b| a.path.cmp(&b.path));
        for entry in rest {
            if !entry.path.exists() && could_name(&load.input, &entry.path) {
                self.unready.push((
                    entry.path,
                    "it is not there, and the manifest lists it".into(),
                ));
            } else {
                self.foreign.push(entry.path);
            }
        }
        if kept.is_empty() && self.unready.is_empty() {
            let manifest = load.arrival.as_ref();
            let manifest = manifest.and_then(|arrival| arrival.manifest.clone());
            self.unready.push((
                manifest.unwrap_or_default(),
                "the manifest lists no file that `file` names".into(),
            ));
        }
        (kept, listed)
    }

    /// The number of an earlier step of the job that writes what is not there: a file, or the manifest.
    pub(crate) fn writer(&self, step: &Step, arrival: &Arrival, job: &Job) -> Option<usize> {
        let manifest = arrival.manifest.iter();
        let manifest = manifest.filter(|path| self.unready.iter().any(|(what, _)| what == *path));
        let mut paths = self.missing.iter().chain(manifest);
        paths.find_map(|path| job.writer_of(path, step))
    }

    /// Whether there is nothing to wait for.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.stands_nothing()
    }

    /// Whether the job puts up with what is missing.
    pub(crate) fn is_enough(&self, load: &CopyFrom) -> bool {
        self.is_put_up_with(load) && self.stands_nothing()
    }

    fn is_put_up_with(&self, load: &CopyFrom) -> bool {
        self.missing.is_empty() || load.on_missing != Policy::Fail
    }

    fn stands_nothing(&self) -> bool {
        self.unready.is_empty() && self.watched.is_empty() && self.count.is_none()
    }

    /// How long the job still waits for what is not there, having waited so long; `None`: it does not.
    pub(super) fn left(
        &self,
        load: &CopyFrom,
        arrival: &Arrival,
        waited: Duration,
    ) -> Option<Duration> {
        let mut limit = arrival.wait.unwrap_or_default();
        let watched_only =
            self.unready.is_empty() && self.count.is_none() && self.is_put_up_with(load);
        if watched_only {
            limit = limit.max(arrival.stable_for.unwrap_or_default() + SLACK);
        }
        limit.checked_sub(waited).filter(|left| !left.is_zero())
    }

    /// Whether a run that begins now would wait.
    pub(crate) fn is_waited_for(&self, load: &CopyFrom, arrival: &Arrival) -> bool {
        self.left(load, arrival, Duration::ZERO).is_some()
    }

    /// When the next file has been watched for long enough.
    pub(super) fn next(&self) -> Option<Duration> {
        self.watched.iter().map(|(_, left)| *left).max()
    }

    /// Markers and the manifest that all files share.
    pub(super) fn shared(&self, arrival: &Arrival) -> Vec<PathBuf> {
        let marker = arrival.marker.as_ref().filter(|marker| !marker.is_own());
        let markers = marker.iter().flat_map(|marker| {
            let markers: HashSet<PathBuf> = self
                .files
                .iter()
                .map(|file| marker.of(&file.path))
                .collect();
            markers
        });
        markers.chain(arrival.manifest.clone()).collect()
    }

    /// What there is to wait for, each thing with what is known of it.
    fn lines(&self) -> Vec<(&'static str, Vec<String>)> {
        let missing = self.missing.iter().map(|path| path.display().to_string());
        let unready = self.unready.iter();
        let unready = unready.map(|(path, why)| format!("{}: {why}", path.display()));
        let watched = self.watched.iter().map(|(path, left)| {
            format!(
                "{}: to be unchanged for {} more",
                path.display(),
                wording::whole(*left)
            )
        });
        vec![
            ("missing", missing.collect()),
            ("not ready", unready.chain(watched).collect()),
            ("found", self.count.iter().cloned().collect()),
        ]
        .into_iter()
        .filter(|(_, things): &(_, Vec<String>)| !things.is_empty())
        .collect()
    }

    /// The same on one line.
    pub(crate) fn words(&self) -> String {
        let parts: Vec<String> = self
            .lines()
            .into_iter()
            .map(|(label, things)| {
                let more = match things.len() {
                    0 | 1 => String::new(),
                    several => format!(" and {} more", several - 1),
                };
                let thing = things.into_iter().next().unwrap_or_default();
                format!("{label} {thing}{more}")
            })
            .collect();
        parts.join("; ")
    }

    /// The error of a job that has waited long enough.
    pub(crate) fn error(&self, arrival: &Arrival, waited: Duration) -> Error {
        let waited = match arrival.wait {
            Some(_) if waited >= SLACK => format!(" after {}", wording::time(waited)),
            _ => String::new(),
        };
        let what = match (self.missing.as_slice(), self.files.len()) {
            ([one], 0) => format!("no file `{}`{waited}", one.display()),
            ([], _) => format!("the files are not ready{waited}"),
            _ => format!("files are missing{waited}"),
        };
        let mut error = Error::new(ErrorKind::Input, what);
        for (label, things) in self.lines() {
            error = error.line(label, list(things));
        }
        let unready = self.unready.len() + self.watched.len();
        if self.count.is_none() && !self.files.is_empty() {
            let ready = self.files.len().saturating_sub(unready);
            error = error.line(
                "found",
                format!("{}, {ready} of them ready", files(self.files.len())),
            );
        }
        error
    }

    /// Says what of the manifest and the files is left out.
    pub(super) fn tell(&self, arrival: &Arrival, observer: &dyn Observer) {
        let Some(manifest) = &arrival.manifest else {
            return;
        };
        let manifest = manifest.display();
        if let Some(first) = self.foreign.first() {
            observer.observe(Event::Warning(&format!(
                "`{manifest}` lists {} that `file` of the step does not name, and that it does not load, such as `{}`",
                files(self.foreign.len()),
                first.display()
            )));
        }
        if let Some(first) = self.unlisted.first() {
            observer.observe(Event::Advice(&format!(
                "{} not in `{manifest}`, and not loaded, such as `{}`",
                match self.unlisted.len() {
                    1 => "1 file is".to_owned(),
                    several => format!("{several} files are"),
                },
                first.display()
            )));
        }
    }

    /// The same as it is loaded, whatever stands against it.
    pub(crate) fn into_arrived(self, arrival: &Arrival) -> Arrived {
        Arrived::new(self, arrival)
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".into(),
        several => format!("{} files", wording::count(several as u64)),
    }
}

/// Things on a line each, as many as are read.
fn list(things: impl IntoIterator<Item = String>) -> String {
    let mut things: Vec<String> = things.into_iter().collect();
    if let Some(more) = things.len().checked_sub(LISTED).filter(|more| *more > 0) {
        things.truncate(LISTED);
        things.push(format!("and {more} more"));
    }
    things.join("\n")
}
