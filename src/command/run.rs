//! `dwsload JOB.yaml...`

use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use jiff::Timestamp;
use rand::RngExt as _;

use super::supervise::{Care, Supervisor, supervised};
use super::{check, several};
use crate::cli::{LogFormat, Progress, Run};
use crate::error::{self, Error, ErrorKind, Result};
use crate::job::{Job, Overlap, Overrides};
use crate::progress::{self, Event, JsonLines, Observer, Pulse, Style, wording};
use crate::report::{self, Journal, Record};
use crate::secret::Secrets;

/// The exit code of a job that is done, with rejected records.
const WITH_REJECTS: u8 = 3;

/// The exit code of a job that is done, where files could not be moved or deleted.
const WITH_FILES_LEFT: u8 = 8;

/// Runs job files, one after the other. What stopped one of them is told, and in the exit code.
///
/// # Errors
/// The command is none that is there.
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
    let code = all(args).unwrap_or_else(|error| {
        tell(args, None, &error);
        error.kind().exit_code()
    });
    Ok(ExitCode::from(code))
}

/// Runs every job, and writes down what they came to.
///
/// # Errors
/// Nothing was opened.
fn all(args: &Run) -> Result<u8> {
    let started = Timestamp::now();
    for path in args.report.iter().chain(&args.metrics) {
        report::probe(path).map_err(|error| {
            error
                .with_kind(ErrorKind::Usage)
                .line("state", "nothing was opened")
        })?;
    }
    let overrides = Overrides {
        vars: args.vars.iter().cloned().collect(),
        only: args.only.clone(),
        inputs: args.inputs.clone(),
        again: args.again,
        shared: false,
        shard: args.shard,
    };
    let loaded = several::load(&args.jobs, &overrides)?;
    let records = if loaded.iter().any(Result::is_err) {
        invalid(args, loaded)
    } else {
        let jobs: Vec<Job> = loaded.into_iter().flatten().collect();
        several::agree(&jobs)?;
        supervised(|supervisor| Ok(each(args, &jobs, supervisor)))?
    };
    let code = several::worst(records.iter().filter_map(|record| record.exit));
    write_down(args, started, code, &records);
    Ok(code)
}

/// Tells what is wrong with job files. None is run.
fn invalid(args: &Run, loaded: Vec<Result<Job>>) -> Vec<Record> {
    let loaded = args.jobs.iter().zip(loaded);
    let records = loaded.map(|(file, job)| match job {
        Ok(job) => Record::new(&job),
        Err(error) => {
            tell(args, None, &error);
            Record::invalid(file, &error)
        }
    });
    records.collect()
}

/// Runs jobs in turn.
fn each(args: &Run, jobs: &[Job], supervisor: &mut Supervisor<'_>) -> Vec<Record> {
    let mut records: Vec<Record> = jobs.iter().map(Record::new).collect();
    if let Err(error) = delay(args, supervisor) {
        tell(args, None, &error);
        if let Some(first) = records.first_mut() {
            first.exit = Some(error.kind().exit_code());
            first.error = Some(report::explained(&error));
        }
        return records;
    }
    let started = Instant::now();
    for (job, record) in jobs.iter().zip(&mut records) {
        *record = one(args, job, supervisor);
        let failed = !record.is_done();
        if failed && args.fail_fast || record.exit >= Some(128) {
            break;
        }
    }
    if jobs.len() > 1 {
        observer(args, None, Secrets::default()).observe(Event::Summary {
            text: &several::summary(&records, started.elapsed()),
            failed: !records.iter().all(Record::is_done),
        });
    }
    records
}

/// Runs one job, and tells what stopped it.
fn one(args: &Run, job: &Job, supervisor: &mut Supervisor<'_>) -> Record {
    let observer = observer(args, Some(job), job.secrets.clone());
    let journal = Journal::new(job, observer.as_ref());
    for warning in &job.warnings {
        journal.observe(Event::Warning(warning));
    }
    let started = Timestamp::now();
    let outcome = brought_to_its_end(job, &journal, supervisor);
    let mut record = journal.into_record();
    record.started = Some(started);
    record.ended = Some(Timestamp::now());
    record.exit = Some(match outcome {
        Ok(code) => code,
        Err(error) => {
            tell(args, Some(job), &error);
            record.error = Some(report::explained(&error));
            error.kind().exit_code()
        }
    });
    record
}

/// The exit code of a job that is done, or that is to be skipped.
fn brought_to_its_end(
    job: &Job,
    observer: &dyn Observer,
    supervisor: &mut Supervisor<'_>,
) -> Result<u8> {
    let pulse = Pulse::new(job, observer);
    let started = Instant::now();
    let care = Care {
        job,
        transaction: job.transaction,
        observer: &pulse,
        run: Some(&pulse),
    };
    let outcome = supervisor.supervise(care, async |target, stop| {
        crate::run::run(job, target, &pulse, stop).await
    });
    let totals = match outcome {
        Ok(totals) => totals,
        Err(error) if job.lock.overlap == Overlap::Skip && error.kind() == ErrorKind::Locked => {
            observer.observe(Event::Skipped {
                job: &job.name,
                why: &error.to_string(),
            });
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    observer.observe(Event::JobDone {
        job: &job.name,
        totals,
        elapsed: started.elapsed(),
    });
    Ok(if totals.unmoved > 0 {
        WITH_FILES_LEFT
    } else if totals.rejected > 0 {
        WITH_REJECTS
    } else {
        0
    })
}

/// Writes report and metrics. That they cannot be written changes nothing that the jobs did, so it is
/// told, and not in the exit code: whoever ran a job again for it would load its files twice.
fn write_down(args: &Run, started: Timestamp, code: u8, records: &[Record]) {
    let report = args
        .report
        .as_ref()
        .map(|path| report::report(path, started, code, records));
    let metrics = args
        .metrics
        .as_ref()
        .map(|path| report::metrics(path, records));
    for written in [report, metrics].into_iter().flatten() {
        if let Err(error) = written {
            let error = error.line(
                "state",
                format!("the exit code is that of the run, {code}: what it did stays as it is"),
            );
            tell(args, None, &error);
        }
    }
}

/// Waits for a random part of `--jitter`, so that jobs of one minute on many hosts do not begin together.
fn delay(args: &Run, supervisor: &mut Supervisor<'_>) -> Result<()> {
    let Some(most) = args.jitter else {
        return Ok(());
    };
    let time = most.mul_f64(rand::rng().random_range(0.0..=1.0));
    if args.verbose || stderr().is_terminal() {
        let text = format!("starting in {}, of --jitter", wording::time(time));
        observer(args, None, Secrets::default()).observe(Event::Preparing(&text));
    }
    supervisor.pause(time)
}

/// What shows a run, of `job` or of several.
fn observer(args: &Run, job: Option<&Job>, secrets: Secrets) -> Box<dyn Observer> {
    let style = style(args.progress, args.quiet);
    match args.log_format {
        LogFormat::Text => progress::observer(style, args.verbose, secrets),
        LogFormat::Json => Box::new(json_lines(args, job, secrets)),
    }
}

fn json_lines(args: &Run, job: Option<&Job>, secrets: Secrets) -> JsonLines {
    let lines = progress::lines(style(args.progress, args.quiet), args.verbose, secrets);
    JsonLines::new(job.map(|job| job.name.as_str()), lines)
}

/// Says what stopped `job`, or the command.
fn tell(args: &Run, job: Option<&Job>, error: &Error) {
    match args.log_format {
        LogFormat::Json => json_lines(args, job, Secrets::default()).error(error),
        LogFormat::Text => {
            // A stderr that has gone cannot be told so.
            let _ = stderr().write_all(error::render(error).as_bytes());
        }
    }
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
