//! Whether a run still moves: passes every event on, and remembers what is under way.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, Observer};
use super::wording;
use crate::job::{Action, Job};

/// Looks at the events of a run before another observer gets them.
pub struct Pulse<'a> {
    job: &'a Job,
    inner: &'a dyn Observer,
    now: Mutex<Now>,
}

/// What is under way.
#[derive(Debug)]
struct Now {
    /// The step, in words.
    step: Option<String>,
    /// The file, and bytes and records of it so far.
    file: Option<(String, u64, u64)>,
    /// When a byte moved last, or the wait for one began; `None` while none is waited for.
    moved: Option<Instant>,
}

impl<'a> Pulse<'a> {
    /// That of a run of `job`, in front of `inner`.
    pub fn new(job: &'a Job, inner: &'a dyn Observer) -> Self {
        let now = Now {
            step: None,
            file: None,
            moved: None,
        };
        Self {
            job,
            inner,
            now: Mutex::new(now),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long no byte has moved; `None` while none is waited for.
    pub fn still_for(&self) -> Option<Duration> {
        self.now().moved.map(|moved| moved.elapsed())
    }

    /// What is under way, in words.
    pub fn under_way(&self) -> Option<String> {
        let now = self.now();
        let step = now.step.as_ref()?;
        let Some((file, bytes, records)) = &now.file else {
            return Some(step.clone());
        };
        let still = now.moved.map(|moved| moved.elapsed()).unwrap_or_default();
        Some(format!(
            "{step}, {file}: {}, {} so far, the last {} ago",
            wording::bytes(*bytes),
            wording::records(*records),
            wording::time(still)
        ))
    }

    fn note(&self, event: &Event<'_>) {
        let mut now = self.now();
        match event {
            Event::StepStarted { number, title, .. } => {
                let mut steps = self.job.steps.iter();
                let step = steps.find(|step| step.number == *number);
                let copies = step.is_some_and(|step| {
                    matches!(step.action, Action::CopyFrom(_) | Action::CopyTo(_))
                });
                *now = Now {
                    step: Some(format!("step {number} ({})", wording::one_line(title))),
                    file: None,
                    moved: copies.then(Instant::now),
                };
            }
            Event::FileStarted { name, .. } => {
                now.file = Some((wording::one_line(name), 0, 0));
                now.moved = Some(Instant::now());
            }
            Event::Moved { bytes, records, .. } => {
                now.moved = Some(Instant::now());
                if let Some((_, b, r)) = &mut now.file {
                    (*b, *r) = (*bytes, *records);
                }
            }
            // What comes between files, a merge say, is the server's work.
            Event::FileDone => {
                now.file = None;
                now.moved = None;
            }
            Event::StepDone { .. } => {
                *now = Now {
                    step: None,
                    file: None,
                    moved: None,
                };
            }
            _ => {}
        }
    }
}

impl Observer for Pulse<'_> {
    fn observe(&self, event: Event<'_>) {
        self.note(&event);
        self.inner.observe(event);
    }
}
