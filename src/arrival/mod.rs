//! Files before they are loaded and after: whether all of them are there and complete ([`look`]), and
//! where they go once their records are committed ([`departure`]).
//!
//! The files of what commits together are waited for before its transaction begins, so that nothing
//! on the server waits with us. What is found then is what is loaded: files that come later are left
//! for the next run, and one that changes stops the load.

mod departure;
mod look;
pub(crate) mod manifest;
mod stability;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::job::{Action, After, Arrival, CopyFrom, Job, Step, Transaction};
use crate::progress::{Event, Observer, wording};
use crate::run::Stop;
use crate::source::{Source, Stamp};

pub(crate) use look::{Eye, Look};

/// The pause behind the first look; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The files of a step, all of them complete.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// In the order in which they are loaded.
    files: Vec<File>,
    /// Patterns that name nothing.
    pub(crate) missing: Vec<PathBuf>,
    /// Markers and the manifest that all of them share.
    shared: Vec<PathBuf>,
    places: HashMap<PathBuf, usize>,
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    stamp: Stamp,
    /// Records that it holds, by its manifest.
    rows: Option<u64>,
    /// The marker that is its own.
    marker: Option<PathBuf>,
}

impl Arrived {
    fn new(look: Look, arrival: &Arrival) -> Self {
        let places = look.files.iter().enumerate();
        Self {
            places: places
                .map(|(index, file)| (file.path.clone(), index))
                .collect(),
            shared: look.shared(arrival),
            files: look.files,
            missing: look.missing,
        }
    }

    /// The files, to be loaded.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let paths = self.files.iter().map(|file| file.path.clone());
        paths.map(Source::File).collect()
    }

    fn file(&self, source: &Source) -> Option<&File> {
        match source {
            Source::File(path) => Some(&self.files[*self.places.get(path)?]),
            Source::Stdin => None,
        }
    }

    /// What a file was when it was found to be complete.
    pub(crate) fn stamp_of(&self, source: &Source) -> Option<Stamp> {
        Some(self.file(source)?.stamp.clone())
    }

    /// Compares the records that were read of a file with what its manifest says.
    ///
    /// # Errors
    /// They are others.
    pub(crate) fn check_rows(&self, source: &Source, read: u64) -> Result<()> {
        match self.file(source).and_then(|file| file.rows) {
            Some(rows) if rows != read => Err(Error::new(
                ErrorKind::Data,
                format!(
                    "`{source}` holds {}, and its manifest says {}",
                    wording::records(read),
                    wording::count(rows)
                ),
            )
            .hint("is the file cut, or another `header`, `skip_lines` or `quote` meant?")),
            _ => Ok(()),
        }
    }

    /// Whether no file has changed since.
    fn holds(&self) -> bool {
        let is_still = |file: &File| Source::File(file.path.clone()).is_still(&file.stamp);
        self.files.iter().all(is_still)
    }
}

/// The files of all steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    eyes: BTreeMap<usize, Eye>,
    arrived: BTreeMap<usize, Arrived>,
    /// Steps that are committed, and whose files are still where they were.
    leaving: Vec<(usize, After)>,
    /// What of the job says who loads them again.
    exactly_once: bool,
}

/// A step with files that are asked something.
struct Asked<'a> {
    step: &'a Step,
    load: &'a CopyFrom,
    arrival: &'a Arrival,
}

impl Arrivals {
    /// The files of the step of this number, where something is asked of them.
    pub(crate) fn of(&self, step: usize) -> Option<&Arrived> {
        self.arrived.get(&step)
    }

    /// Waits until the files of `steps` are there and complete, as long as the job waits. Whatever
    /// was found before and has not changed is not looked for again.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where files are missing or not complete in time; or the run is stopped.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub(crate) async fn wait(
        &mut self,
        job: &Job,
        steps: &[Step],
        observer: &dyn Observer,
        stop: &mut Stop,
    ) -> Result<()> {
        self.exactly_once = job.exactly_once;
        let asked: Vec<Asked<'_>> = steps
            .iter()
            .filter(|step| !self.of(step.number).is_some_and(Arrived::holds))
            .filter_map(asked)
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let waited = self.all(job, &asked, observer, stop).await;
        observer.observe(Event::WaitDone);
        for (asked, look) in asked.iter().zip(waited?) {
            look.tell(asked.arrival, observer);
            let arrived = Arrived::new(look, asked.arrival);
            self.arrived.insert(asked.step.number, arrived);
        }
        Ok(())
    }

    /// Looks until everything is complete at once.
    async fn all(
        &mut self,
        job: &Job,
        asked: &[Asked<'_>],
        observer: &dyn Observer,
        stop: &mut Stop,
    ) -> Result<Vec<Look>> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut first = true;
        loop {
            let mut looks = Vec::with_capacity(asked.len());
            let mut wait: Option<(Duration, String)> = None;
            let mut next = pause;
            for asked in asked {
                let eye = self.eyes.entry(asked.step.number).or_default();
                let look = eye.look(asked.load, asked.arrival, stop).await;
                let look = look.map_err(|error| asked.failed(error, job))?;
                let left = look.left(asked.load, asked.arrival, begun.elapsed());
                let left = left.filter(|_| !asked.is_awaited(&look, job));
                match left {
                    _ if look.is_complete() => {}
                    None if look.is_enough(asked.load) => {}
                    None => {
                        let error = asked.not_ready(&look, begun.elapsed(), job);
                        return Err(asked.failed(error, job));
                    }
                    Some(left) => {
                        next = next.min(left).min(look.next().unwrap_or(next));
                        let what = format!("step {}: {}", asked.step.number, look.words());
                        let longest = wait.filter(|(longest, _)| *longest >= left);
                        wait = Some(longest.unwrap_or((left, what)));
                    }
                }
                looks.push(look);
            }
            let Some((left, what)) = wait else {
                return Ok(looks);
            };
            let what = &what;
            observer.observe(Event::Waiting { what, left, first });
            first = false;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            tokio::select! {
                biased;
                reason = stop.wait() => return Err(reason.error()),
                () = tokio::time::sleep(next.max(Duration::from_millis(10))) => {}
            }
        }
    }

    /// Takes note that a step is committed: what becomes of its files is to be done.
    pub(crate) fn committed(&mut self, step: &Step) {
        let Some(Asked { arrival, .. }) = asked(step) else {
            return;
        };
        if arrival.after != After::Keep && self.arrived.contains_key(&step.number) {
            self.leaving.push((step.number, arrival.after.clone()));
        }
    }

    /// Whether files of committed steps are still to be moved or deleted.
    pub(crate) fn are_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Moves or deletes the files of steps that are committed. Says what could not be done, and how
    /// many files that were.
    ///
    /// # Errors
    /// The run is stopped. A file under way stays where it was.
    pub(crate) async fn depart(&mut self, observer: &dyn Observer, stop: &mut Stop) -> Result<u64> {
        let mut left = 0;
        for (step, after) in std::mem::take(&mut self.leaving) {
            let Some(arrived) = self.arrived.remove(&step) else {
                continue;
            };
            let gone = tokio::task::spawn_blocking(move || departure::depart(&arrived, &after));
            let gone = tokio::select! {
                biased;
                gone = gone => gone,
                reason = stop.wait() => return Err(reason.error()),
            };
            let Ok(report) = gone else { continue };
            for moved in &report.moved {
                observer.observe(Event::Departed(moved));
            }
            for note in &report.notes {
                observer.observe(Event::Warning(note));
            }
            let then = if self.exactly_once {
                "the next run finds it in the ledger and tries again"
            } else {
                "take it away before the next run, which would load it again"
            };
            for problem in &report.problems {
                observer.observe(Event::Warning(&format!("{problem}\n{then}")));
            }
            left += report.problems.len() as u64;
        }
        Ok(left)
    }
}

fn asked(step: &Step) -> Option<Asked<'_>> {
    let Action::CopyFrom(load) = &step.action else {
        return None;
    };
    let arrival = load.arrival.as_deref()?;
    Some(Asked {
        step,
        load,
        arrival,
    })
}

impl Asked<'_> {
    /// Whether the files wait for a COMMIT that waits for them.
    fn is_awaited(&self, look: &Look, job: &Job) -> bool {
        job.transaction == Transaction::Job && look.writer(self.step, self.arrival, job).is_some()
    }

    fn not_ready(&self, look: &Look, waited: Duration, job: &Job) -> Error {
        let error = look.error(self.arrival, waited);
        if self.is_awaited(look, job) {
            return error.hint(
                "an earlier step of this job writes it, and it appears with the COMMIT: use `transaction: step`",
            );
        }
        match self.arrival.wait {
            None => error.hint("`wait: 30m` in the step waits for them so long"),
            Some(_) => error,
        }
    }

    fn failed(&self, error: Error, job: &Job) -> Error {
        if matches!(error.kind(), ErrorKind::Stopped(_) | ErrorKind::Timeout) {
            return error;
        }
        error.within(format!(
            "step {} ({}) failed, {}:{}",
            self.step.number,
            self.step.title(),
            job.file.display(),
            job.line_of(self.step)
        ))
    }
}
