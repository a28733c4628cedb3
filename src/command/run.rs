//! `dwsload JOB.yaml`

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use super::check;
use super::supervise::supervise;
use crate::cli::{Progress, Run};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{self, Overrides};
use crate::progress::{self, Event, Style};

/// The exit code of a job that is done, with rejected records.
const WITH_REJECTS: u8 = 3;

/// The exit code of a job that is done, where files could not be moved or deleted.
const WITH_FILES_LEFT: u8 = 8;

/// Runs a job file.
///
/// # Errors
/// What stopped the job.
pub fn run(args: &Run) -> Result<ExitCode> {
    if let Some(word) = args.jobs.iter().find_map(|path| later(path)) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`dwsload {word}` is not supported yet"),
        ));
    }
    if let Some(check) = check::of_run(args) {
        return check::run(&check);
    }
    let [file] = args.jobs.as_slice() else {
        return Err(Error::new(
            ErrorKind::Usage,
            "several jobs in one run are not supported yet",
        )
        .hint("call dwsload once for each"));
    };
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
        again: args.again,
    };
    let job = job::load(file, &overrides)?;
    let observer = progress::observer(
        style(args.progress, args.quiet),
        args.verbose,
        job.secrets.clone(),
    );
    for warning in &job.warnings {
        observer.observe(Event::Warning(warning));
    }
    let started = Instant::now();
    let totals = supervise(
        &job,
        job.transaction,
        observer.as_ref(),
        async |target, stop| crate::run::run(&job, target, observer.as_ref(), stop).await,
    )?;
    observer.observe(Event::JobDone {
        job: &job.name,
        totals,
        elapsed: started.elapsed(),
    });
    Ok(if totals.unmoved > 0 {
        ExitCode::from(WITH_FILES_LEFT)
    } else if totals.rejected > 0 {
        ExitCode::from(WITH_REJECTS)
    } else {
        ExitCode::SUCCESS
    })
}

/// A word that will be a command, where it is not the name of a file.
fn later(path: &Path) -> Option<&str> {
    const WORDS: [&str; 4] = ["init", "schema", "completions", "man"];
    let word = path.to_str().filter(|word| WORDS.contains(word))?;
    (!path.exists()).then_some(word)
}

pub(super) fn style(progress: Progress, quiet: bool) -> Style {
    match progress {
        _ if quiet => Style::None,
        Progress::Auto => Style::Auto,
        Progress::Bar => Style::Bar,
        Progress::Plain => Style::Plain,
        Progress::None => Style::None,
    }
}
