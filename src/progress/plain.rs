//! A line per step, for logs and cron: nothing moves.

use std::io::{Write, stderr};

use super::event::{Event, Observer};
use super::{reload, table, wording};
use crate::error::indented;
use crate::secret::Secrets;

/// Writes a line per step to stderr, and tables to stdout.
#[derive(Debug)]
pub struct Plain(Lines);

impl Plain {
    /// Writes these lines.
    pub fn new(lines: Lines) -> Self {
        Self(lines)
    }
}

/// Which events are worth a line.
#[derive(Debug)]
pub struct Lines {
    /// What goes well is told; false leaves only problems and data.
    pub success: bool,
    /// Notices and every tag are told too.
    pub verbose: bool,
    /// What no line shows.
    pub secrets: Secrets,
    /// How this program was called.
    pub program: String,
}

impl Lines {
    /// The line that `event` is worth, if any.
    pub(super) fn of(&self, event: &Event<'_>) -> Option<String> {
        let line = match event {
            Event::Rejected { job, file } => {
                let command = reload::command(&self.program, job, file);
                warning(&wording::rejected(file, &command))
            }
            event => line(event, self.success, self.verbose)?,
        };
        Some(self.secrets.hide(&line).into_owned())
    }
}

impl Observer for Plain {
    fn observe(&self, event: Event<'_>) {
        // A log that cannot be written must not stop a load.
        let _ = match event {
            Event::Table(shown) => table::print(shown),
            event => match self.0.of(&event) {
                Some(line) => writeln!(stderr(), "{line}"),
                None => Ok(()),
            },
        };
    }
}

fn warning(text: &str) -> String {
    format!("warning: {}", indented(text, "  "))
}

fn line(event: &Event<'_>, success: bool, verbose: bool) -> Option<String> {
    match event {
        Event::Warning(text) | Event::Retrying { what: text } => Some(warning(text)),
        Event::Summary { text, failed } if success || *failed => Some((*text).to_owned()),
        Event::Advice(text) if success && verbose => {
            Some(format!("advice: {}", indented(text, "  ")))
        }
        Event::Preparing(text) if success => Some((*text).to_owned()),
        Event::Queued { job, holder } if success => {
            let holder = wording::one_line(holder);
            Some(format!(
                "{job}: waiting for the end of another run: {holder}"
            ))
        }
        Event::Skipped { job, why } if success => {
            Some(format!("{job}: skipped, {}", wording::one_line(why)))
        }
        Event::Notice(said) if verbose || said.severity == "WARNING" => Some(wording::notice(said)),
        Event::Connected { job, server, place } if success && verbose => {
            Some(format!("{job}: {server} at {place}"))
        }
        Event::Waiting {
            what,
            left,
            first: true,
        } if success => Some(wording::waiting(what, *left)),
        Event::Departed(what) if success && verbose => {
            Some(format!("  {}", wording::one_line(what)))
        }
        Event::Tag(tag) if success && verbose => Some(format!("  {tag}")),
        Event::StepDone {
            number,
            total,
            title,
            outcome,
            elapsed,
        } if success => Some(format!(
            "{number}/{total} {}: {}",
            wording::one_line(title),
            wording::outcome(outcome, *elapsed)
        )),
        Event::JobDone {
            job,
            totals,
            elapsed,
        } if success => Some(wording::done(job, *totals, *elapsed)),
        _ => None,
    }
}
