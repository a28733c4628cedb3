//! `dwsload check`: everything a run of a job does, but for what changes anything.
//!
//! The job's server is asked, its tables are looked up, every file is read to its end and judged by
//! what judges it in a load. All statements are sent in transactions that are READ ONLY and rolled
//! back, so that the server itself keeps the promise. A rehearsal loads the files, too: into temporary
//! tables, in a transaction for each step, which is rolled back.

mod files;
mod ground;
mod looked;
mod page;
mod reader;
mod statements;
mod unchecked;
mod verdict;

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{Action, Job, Step};
use crate::progress::Observer;
use crate::run::{Stop, Trial, connection};
use crate::wire::session::Session;
use crate::wire::target::Target;

use looked::{Listener, Looked};
pub use page::{Look, Page};
pub use verdict::Verdict;

/// How long an answer of the server may take: a check waits as a run does.
const PATIENCE: Duration = Duration::MAX;
/// Rejected records that are shown of a file.
const SHOWN: usize = 10;

/// Checks `job` on the server at `target`, and writes what comes of it on `page`. With `rehearses`, its
/// files are loaded into temporary tables.
///
/// # Errors
/// There is no connection or no login, the connection falls, or the check is stopped. What a run
/// would stumble over is no error, but a part of the verdict.
///
/// # Cancel safety
/// May be dropped at any time: nothing was changed.
pub async fn check(
    job: &Job,
    target: &Target,
    rehearses: bool,
    page: &mut Page,
    observer: &dyn Observer,
    mut stop: Stop,
) -> Result<Verdict> {
    let mut session = connection::log_in(job, target, &mut stop).await?;
    stop.watch(Some(session.canceller()));
    let checked = look(job, rehearses, &mut session, page, observer, &mut stop).await;
    stop.watch(None);
    session.close().await;
    match stop.reason() {
        Some(reason) => Err(reason.error()),
        None => checked,
    }
}

async fn look(
    job: &Job,
    rehearses: bool,
    session: &mut Session,
    page: &mut Page,
    observer: &dyn Observer,
    stop: &mut Stop,
) -> Result<Verdict> {
    let listener = Listener::new(observer);
    connection::introduce(job, session, &listener, stop, true).await?;
    crate::run::settings(job, session, &listener).await?;
    page.heading(job, &session.server().described(), session.place());
    page.warnings(&listener.into_warnings());
    ground::enter(session).await?;
    let mut check = Check {
        job,
        rehearses,
        stop: stop.clone(),
        observer,
        trial: Trial::new(page.shown(SHOWN)),
        session,
    };
    let mut verdict = Verdict::default();
    for step in &job.steps {
        let looked = check.step(step).await?;
        page.step(job, step, &looked, &check.trial.rejects);
        verdict.add(step, &looked);
        ground::firm(check.session).await?;
    }
    ground::leave(check.session).await?;
    page.verdict(job, &verdict);
    Ok(verdict)
}

/// A check under way.
struct Check<'a> {
    job: &'a Job,
    /// Files are loaded into temporary tables.
    rehearses: bool,
    stop: Stop,
    observer: &'a dyn Observer,
    trial: Trial,
    session: &'a mut Session,
}

impl Check<'_> {
    /// What comes of a step.
    ///
    /// # Errors
    /// Nothing more can be checked.
    async fn step(&mut self, step: &Step) -> Result<Looked> {
        if let Some(reason) = self.stop.reason() {
            return Err(reason.error());
        }
        let mut looked = Looked::new(step);
        let outcome = match &step.action {
            Action::CopyFrom(load) => self.copy_from(step, load, &mut looked).await,
            Action::CopyTo(unload) => self.copy_to(step, unload, &mut looked).await,
            Action::Expect(expect) => self.expect(step, expect, &mut looked).await,
            Action::CopyExpert(expert) => self.copy_expert(step, expert, &mut looked),
            Action::Sql(_) => Ok(()),
        };
        match outcome {
            Err(error) if is_over(&error) => Err(error),
            Err(error) => {
                looked.errors.push(error);
                Ok(looked)
            }
            Ok(()) => Ok(looked),
        }
    }
}

/// Whether nothing more can be checked.
fn is_over(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Lost | ErrorKind::Stopped(_) | ErrorKind::Timeout
    )
}
