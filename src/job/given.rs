//! `--input`: files of the command line in place of those of the job.

use std::path::{Path, PathBuf};

use super::{Action, Compression, CopyFrom, InputPattern, Job, Policy, Step};
use crate::error::{Error, ErrorKind, Result};

/// Has the one step of `job` that loads files read `inputs`.
///
/// What the job says of its own files does not hold for these: a file that is named on the command
/// line is to be there, and it may be compressed or not.
///
/// # Errors
/// [`ErrorKind::Usage`] when that is not one step; [`ErrorKind::Input`] when a file is not there.
pub(super) fn replace_input(job: &mut Job, inputs: &[PathBuf]) -> Result<()> {
    if inputs.is_empty() {
        return Ok(());
    }
    let files = inputs.iter().map(|path| pattern(path));
    let files = files.collect::<Result<Vec<_>>>()?;
    let stdin = files.iter().filter(|file| **file == InputPattern::Stdin);
    let stdin = stdin.count();
    let exactly_once = job.exactly_once;
    let steps = job.steps.as_mut_slice();
    let reader = reader(steps)?;
    let elsewhere = steps
        .iter()
        .enumerate()
        .filter(|(index, step)| *index != reader && reads_stdin(step));
    if stdin > 1 || stdin == 1 && elsewhere.count() > 0 {
        return Err(Error::new(
            ErrorKind::Usage,
            "`--input -`: standard input is read more than once in this job; it can be read once",
        ));
    }
    if let Action::CopyFrom(load) = &mut steps[reader].action {
        // Whoever names a file means it as it is, and keeps it.
        load.arrival = None;
        // It identifies another input.
        load.source_id = None;
        if exactly_once && stdin > 0 {
            return Err(Error::new(
                ErrorKind::Usage,
                "`--input -`: with `exactly_once`, standard input cannot be told from what was loaded before",
            )
            .hint("name a file"));
        }
        load.input = files;
        load.on_missing = Policy::Fail;
        load.compression = Compression::Auto;
    }
    Ok(())
}

/// The step that loads files, where there is one such step.
fn reader(steps: &[Step]) -> Result<usize> {
    let loads = |step: &&Step| matches!(step.action, Action::CopyFrom(_));
    let found: Vec<&Step> = steps.iter().filter(loads).collect();
    let index = |step: &Step| steps.iter().position(|other| other.number == step.number);
    match found.as_slice() {
        [] => Err(Error::new(
            ErrorKind::Usage,
            "`--input` takes the place of a step's `file`, and no step that is run is a `copy_from`",
        )),
        [step] => Ok(index(step).unwrap_or_default()),
        [first, ..] => {
            let titles: Vec<String> = found
                .iter()
                .map(|step| format!("{} ({})", step.number, step.title()))
                .collect();
            Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "`--input` is for one step, and {} of the steps that are run load files",
                    found.len()
                ),
            )
            .line("steps", titles.join(", "))
            .hint(format!("name the step: `--only {}`", first.number)))
        }
    }
}

fn pattern(path: &Path) -> Result<InputPattern> {
    if path.as_os_str() == "-" {
        return Ok(InputPattern::Stdin);
    }
    if std::fs::symlink_metadata(path)
        .is_err_and(|cause| cause.kind() == std::io::ErrorKind::NotFound)
    {
        return Err(
            Error::new(ErrorKind::Input, format!("no file `{}`", path.display()))
                .hint("the path of `--input` is relative to the current folder"),
        );
    }
    Ok(InputPattern::Path(path.to_owned()))
}

fn reads_stdin(step: &Step) -> bool {
    match &step.action {
        Action::CopyFrom(CopyFrom { input, .. }) => input.contains(&InputPattern::Stdin),
        Action::CopyExpert(expert) => expert.file == Some(InputPattern::Stdin),
        Action::Sql(_) | Action::Expect(_) | Action::CopyTo(_) => false,
    }
}
