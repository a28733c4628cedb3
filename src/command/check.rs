//! `dwsload check`, and `--dry-run`

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use super::run::style;
use super::several;
use super::supervise::{Care, Supervisor, supervised};
use super::terminal_width;
use crate::check::{self, Look, Page};
use crate::cli::{Check, Run};
use crate::error::{self, Error, Result};
use crate::job::{Job, Overrides, Transaction};
use crate::progress::{self, Event};

/// Checks jobs, one after the other.
///
/// # Errors
/// The command line or the only job file makes no sense; what else a run would stumble over is
/// written, and in the exit code.
pub fn run(args: &Check) -> Result<ExitCode> {
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
        ..Overrides::default()
    };
    let loaded = several::load(&args.jobs, &overrides)?;
    if loaded.iter().any(Result::is_err) {
        let errors = loaded.into_iter().filter_map(Result::err);
        return Ok(ExitCode::from(several::worst(errors.map(told))));
    }
    let jobs: Vec<Job> = loaded.into_iter().flatten().collect();
    several::agree(&jobs)?;
    let mut codes = Vec::new();
    supervised(|supervisor| {
        for job in &jobs {
            let code = one(args, job, supervisor).unwrap_or_else(told);
            codes.push(code);
            if code >= 128 || args.fail_fast && !matches!(code, 0 | 3) {
                break;
            }
        }
        Ok(())
    })?;
    Ok(ExitCode::from(several::worst(codes.into_iter())))
}

/// Checks one job; the exit code that a run would have.
fn one(args: &Check, job: &Job, supervisor: &mut Supervisor<'_>) -> Result<u8> {
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
    let observer = observer.as_ref();
    let care = Care {
        job,
        transaction: Transaction::Job,
        observer,
        run: None,
    };
    let verdict = supervisor.supervise(care, async |target, stop| {
        check::check(job, target, args.load, &mut page, observer, stop).await
    })?;
    Ok(verdict.exit_code())
}

/// Says what stopped a check; its exit code.
#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn told(error: Error) -> u8 {
    // A stderr that has gone cannot be told so.
    let _ = stderr().write_all(error::render(&error).as_bytes());
    error.kind().exit_code()
}

/// The check that a run with `--dry-run` is.
pub(super) fn of_run(args: &Run) -> Option<Check> {
    args.dry_run.then(|| Check {
        jobs: args.jobs.clone(),
        vars: args.vars.clone(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
        load: false,
        quiet: args.quiet,
        verbose: args.verbose,
        progress: args.progress,
        fail_fast: args.fail_fast,
    })
}
