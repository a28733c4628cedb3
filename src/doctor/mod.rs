//! `dwsload doctor`: every stage of a connection, and every part of a job, looked at by itself.
//!
//! A connection is taken apart into the stages that a run goes through ([`connect`]), by the very
//! functions of a run. Nothing is changed, no statement of a job is run, and a login is tried once.
//!
//! [`connect`]: crate::wire::connect

mod gauss;
mod input;
mod network;
mod report;
mod server;
mod steps;
mod table;
mod verdict;

use std::cell::RefCell;
use std::time::Duration;

use crate::error::Result;
use crate::job::{Action, Job};
use crate::progress::{Event, Observer};
use crate::wire::connect::patience;
use crate::wire::server::Kind;
use crate::wire::session::Session;
use crate::wire::target::Target;

pub use report::{Look, Report};
pub(crate) use server::Patient;
pub(crate) use steps::is_copy_in;
pub(crate) use table::{Table, absent};
pub(crate) use verdict::{header_fits, may_load, may_unload};

/// What is looked at.
pub struct Subject {
    /// Where to connect, or why that is not known.
    pub target: Result<Target>,
    /// What the settings stand in: `the job file`.
    pub given_in: &'static str,
    /// The job, where there is one.
    pub job: Option<Job>,
}

/// Looks at `subject`, in the order of a run, as far as what comes first allows.
///
/// # Cancel safety
/// May be dropped at any time: nothing was changed.
pub async fn examine(subject: Subject, report: &mut Report) {
    let Subject {
        target,
        given_in,
        job,
    } = subject;
    let job = job.as_ref();
    if let Some(job) = job {
        valid(job, report);
    }
    let mut session = match &target {
        Ok(target) => {
            network::settings(target, given_in, report);
            network::connect(target, report).await
        }
        Err(error) => {
            report.fail("settings", error);
            None
        }
    };
    let patience = target.as_ref().map_or(Duration::ZERO, patience);
    if let Some(opened) = &mut session {
        let usable = look_around(opened, patience, job, report).await;
        if !usable {
            session = None;
        }
    }
    if let Some(job) = job {
        let patient = session
            .as_mut()
            .map(|session| Patient { session, patience });
        steps::steps(job, patient, report).await;
    }
    if let Some(session) = session {
        // A server that does not answer the goodbye has been told enough.
        let _ = tokio::time::timeout(patience, session.close()).await;
    }
}

/// The server and the session. Whether statements can follow.
async fn look_around(
    session: &mut Session,
    patience: Duration,
    job: Option<&Job>,
    report: &mut Report,
) -> bool {
    let mut patient = Patient { session, patience };
    let declared: Option<Kind> = job.and_then(|job| job.server);
    if !server::server(&mut patient, declared, report).await {
        return false;
    }
    if let Some(job) = job {
        match settings(job, &mut patient).await {
            Ok(warnings) => {
                for warning in warnings {
                    report.warn("session", &warning, "");
                }
            }
            Err(error) => {
                report.fail("session", &error);
                return false;
            }
        }
    }
    let writes = job.is_some_and(|job| {
        let loads = |action: &Action| matches!(action, Action::CopyFrom(_));
        job.steps.iter().any(|step| loads(&step.action))
    });
    server::session(&mut patient, writes, report).await;
    server::times(&mut patient, report).await;
    true
}

/// Sets what the job sets, as a run does. Returns what there is to warn of.
async fn settings(job: &Job, patient: &mut Patient<'_>) -> Result<Vec<String>> {
    let warnings = Warnings::default();
    let apply = crate::run::settings(job, patient.session, &warnings);
    match tokio::time::timeout(patient.patience, apply).await {
        Ok(outcome) => outcome?,
        Err(_) => return Err(server::no_answer(patient.patience)),
    }
    Ok(warnings.0.into_inner())
}

/// Keeps what a part of a run warns of.
#[derive(Debug, Default)]
struct Warnings(RefCell<Vec<String>>);

impl Observer for Warnings {
    fn observe(&self, event: Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.borrow_mut().push(text.to_owned());
        }
    }
}

/// The first line about a job: that it is one.
fn valid(job: &Job, report: &mut Report) {
    let steps = job.steps.len();
    let s = if steps == 1 { "" } else { "s" };
    let text = format!("{} is valid, {steps} step{s}", job.file.display());
    report.ok("job", &text);
    for warning in &job.warnings {
        report.warn("job", warning, "");
    }
}

/// A time, short ones with a digit more.
fn took(elapsed: Duration) -> String {
    let millis = elapsed.as_secs_f64() * 1000.0;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else {
        crate::progress::wording::time(elapsed)
    }
}
