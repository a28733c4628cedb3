//! `dwsload check`, and `--dry-run`

use std::io::stdout;
use std::process::ExitCode;

use super::run::style;
use super::supervise::supervise;
use super::terminal_width;
use crate::check::{self, Look, Page};
use crate::cli::{Check, Run};
use crate::error::Result;
use crate::job::{self, Overrides, Transaction};
use crate::progress::{self, Event};

/// Checks a job.
///
/// # Errors
/// The job file makes no sense, or there is no session; what else a run would stumble over is
/// written, and in the exit code.
pub fn run(args: &Check) -> Result<ExitCode> {
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
        again: false,
    };
    let job = job::load(&args.job, &overrides)?;
    let style = style(args.progress, args.quiet);
    // What is told of a connection stands on the page.
    let observer = progress::observer(style, false, job.secrets.clone());
    for warning in &job.warnings {
        observer.observe(Event::Warning(warning));
    }
    let look = Look {
        width: terminal_width(),
        quiet: args.quiet,
        verbose: args.verbose,
    };
    let mut page = Page::new(Box::new(stdout()), look, job.secrets.clone());
    let verdict = supervise(
        &job,
        Transaction::Job,
        observer.as_ref(),
        async |target, stop| check::check(&job, target, &mut page, observer.as_ref(), stop).await,
    )?;
    Ok(verdict.exit_code())
}

/// The check that a run with `--dry-run` is.
pub(super) fn of_run(args: &Run) -> Option<Check> {
    let [job] = args.jobs.as_slice() else {
        return None;
    };
    args.dry_run.then(|| Check {
        job: job.clone(),
        vars: args.vars.clone(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
        quiet: args.quiet,
        verbose: args.verbose,
        progress: args.progress,
    })
}
