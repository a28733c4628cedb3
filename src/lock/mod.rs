//! One run of a job at a time (`lock`): two locks that end with whoever holds them.
//!
//! - On the host, a lock on a file, by the job's name and the path of its file. It is taken before
//!   anything is opened.
//! - In the database, an advisory lock of the run's session, for runs on several hosts. A session that
//!   fell takes it along, so each new one takes it again.

mod database;
mod host;

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::job::Job;
use crate::progress::{Event, Observer};

pub(crate) use database::DatabaseLock;
pub(crate) use host::take as take_on_host;

/// How often a lock is tried that somebody else has.
const TICK: Duration = Duration::from_millis(250);

/// The error of a run that comes second. `holder` is the first, in words.
fn taken(job: &Job, holder: &str) -> Error {
    Error::new(
        ErrorKind::Locked,
        format!("another run of `{}` is under way: {holder}", job.name),
    )
}

/// Says once that a run waits for another.
#[derive(Debug, Default)]
struct Told(bool);

impl Told {
    fn waiting(&mut self, job: &Job, holder: &str, observer: &dyn Observer) {
        if !std::mem::replace(&mut self.0, true) {
            observer.observe(Event::Queued {
                job: &job.name,
                holder,
            });
        }
    }
}
