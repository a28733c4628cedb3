//! What a check writes: the plan, then what is wrong, then the verdict.

use std::io::Write;

use super::looked::{File, Looked, State};
use super::verdict::Verdict;
use crate::error::{Error, indented};
use crate::job::{Job, Step, Transaction};
use crate::progress::wording::{bytes, count, one_line, records, wrapped};
use crate::secret::Secrets;
use crate::sink::{Kind, Rejected, Rejects};

/// Columns before the text of a line.
const MARGIN: usize = 13;
/// A terminal narrower than this is not worth wrapping for.
const NARROW: usize = 50;
/// Files of a step that are listed.
const FILES: usize = 20;
/// The most of a list that is kept to be shown, however many are asked for.
const ALL: usize = 100_000;

/// How a page is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Columns of the terminal; `None` leaves every fact on one line, for other programs.
    pub width: Option<usize>,
    /// Problems only.
    pub quiet: bool,
    /// Every rejected record and every file.
    pub verbose: bool,
}

/// Where the plan and the verdict are written.
pub struct Page {
    out: Box<dyn Write>,
    look: Look,
    secrets: Secrets,
    /// What is wrong, to be written behind the plan.
    problems: String,
}

impl Page {
    /// Written to `out`, in which no secret of `secrets` is to appear.
    pub fn new(out: Box<dyn Write>, look: Look, secrets: Secrets) -> Self {
        Self {
            out,
            look,
            secrets,
            problems: String::new(),
        }
    }

    /// How many of a list are shown: all of them where that is asked for, within reason.
    pub(super) fn shown(&self, most: usize) -> usize {
        if self.look.verbose { ALL } else { most }
    }

    /// The job, its server, and what commits together.
    pub(super) fn heading(&mut self, job: &Job, server: &str, place: &str) {
        let together = match job.transaction {
            Transaction::Job => "job: every step commits together, or none",
            Transaction::Step => "step: each step commits by itself",
            Transaction::Batch => {
                "batch: each batch of a file commits by itself, and so does each other step"
            }
            Transaction::None => "none: each statement and each file commits by itself",
        };
        let mut text = self.row("job", &format!("{}, {}", job.name, job.file.display()));
        text += &self.row("server", &format!("{server} at {place}"));
        text += &self.row("transaction", together);
        text.push('\n');
        self.plan(&text);
    }

    /// What there is to say of the connection.
    pub(super) fn warnings(&mut self, warnings: &[String]) {
        for warning in warnings {
            let warning = format!("warning: {}\n", indented(warning, "  "));
            self.problems.push_str(&warning);
        }
    }

    /// A step, and what is known of it; `rejects` are those of all steps.
    pub(super) fn step(&mut self, job: &Job, step: &Step, looked: &Looked, rejects: &Rejects) {
        let what = match &step.name {
            Some(name) => format!("{name}: {}", looked.what),
            None => looked.what.clone(),
        };
        let mut text = self.row(&format!("step {}", step.number), &what);
        for (kind, fact) in &looked.facts {
            text += &self.row(&format!("  {kind}"), fact);
        }
        text += &self.files(looked);
        self.plan(&text);
        let place = format!("step {} ({})", step.number, one_line(&step.title()));
        for warning in &looked.warnings {
            let warning = format!("{place}: warning: {}\n", indented(warning, "  "));
            self.problems.push_str(&warning);
        }
        for error in &looked.errors {
            let line = job.line_of(step);
            let error = told(&format!("{place}, {}:{line}", job.file.display()), error);
            self.problems.push_str(&error);
        }
        for rejected in rejects.files().filter(|file| file.step == step.number) {
            self.rejected(&rejected);
        }
    }

    fn files(&self, looked: &Looked) -> String {
        let most = self.shown(FILES);
        let matters = |file: &File| match &file.state {
            State::Read(read) => read.rejected > 0,
            State::Failed | State::Unread(_) => true,
        };
        let listed = |(index, file): &(usize, &File)| *index < most || matters(file);
        let files: Vec<&File> = looked
            .files
            .iter()
            .enumerate()
            .filter(listed)
            .map(|(_, file)| file)
            .collect();
        let mut cells: Vec<[String; 4]> = files.iter().map(|file| cells(file)).collect();
        if looked.files.len() > 1 {
            let total = looked.total();
            let name = format!("{} files", count(looked.files.len() as u64));
            cells.push(cells_of(name, &State::Read(total)));
        }
        let width = |column: usize| {
            let widths = cells.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2)];
        let rows = cells.iter().enumerate().map(|(index, row)| {
            let [name, size, read, bad] = row;
            let line = format!(
                "{name:<0$}  {size:>1$}  {read:>2$}  {bad}",
                widths[0], widths[1], widths[2]
            );
            let label = if index < files.len() { "  file" } else { "" };
            format!("{label:<MARGIN$}{}\n", line.trim_end())
        });
        rows.collect()
    }

    /// Records of a file that cannot be loaded.
    fn rejected(&mut self, rejected: &Rejected<'_>) {
        let mut text = format!(
            "step {}, {}: {} cannot be loaded\n",
            rejected.step,
            one_line(&rejected.source.to_string()),
            records(rejected.count)
        );
        for reason in rejected.first {
            text.push_str(&format!("  {}\n", indented(reason, "    ")));
        }
        let more = rejected.count - rejected.first.len() as u64;
        if more > 0 {
            let hint = if self.look.verbose {
                ""
            } else {
                " (--verbose shows all)"
            };
            text.push_str(&format!("  and {} more{hint}\n", count(more)));
            text.push_str(&kinds(rejected));
        }
        self.problems.push_str(&text);
    }

    /// Everything that is wrong, and what a run would come to.
    pub(super) fn verdict(&mut self, job: &Job, verdict: &Verdict) {
        let problems = std::mem::take(&mut self.problems);
        if !problems.is_empty() {
            self.plan("\n");
            self.write(&problems);
        }
        self.plan("\n");
        if !(self.look.quiet && verdict.is_fine()) {
            let text = format!("{}: {}\n", job.name, verdict.words());
            self.write(&text);
        }
        let _ = self.out.flush();
    }

    /// A line of the plan: its label, and what there is to say.
    fn row(&self, label: &str, text: &str) -> String {
        let margin = " ".repeat(MARGIN);
        let text = indented(text, "");
        let lines: Vec<String> = text
            .split('\n')
            .flat_map(|line| match self.look.width {
                Some(width) if width >= NARROW => wrapped(line, width - MARGIN),
                _ => vec![line.to_owned()],
            })
            .collect();
        format!("{label:<MARGIN$}{}\n", lines.join(&format!("\n{margin}")))
    }

    fn plan(&mut self, text: &str) {
        if !self.look.quiet {
            self.write(text);
        }
    }

    fn write(&mut self, text: &str) {
        // Who does not read it any more does not mind.
        let _ = self.out.write_all(self.secrets.hide(text).as_bytes());
    }
}

fn cells(file: &File) -> [String; 4] {
    cells_of(one_line(&file.name), &file.state)
}

/// Name, size, records, and what is wrong.
fn cells_of(name: String, state: &State) -> [String; 4] {
    match state {
        State::Read(read) => [
            name,
            bytes(read.size.unwrap_or(read.bytes)),
            records(read.records),
            match read.rejected {
                0 => String::new(),
                rejected => format!("{} bad", count(rejected)),
            },
        ],
        State::Failed => [name, String::new(), String::new(), "fails".into()],
        State::Unread(why) => [name, String::new(), String::new(), why.clone()],
    }
}

/// An error and its causes, with what is known beside them.
fn told(place: &str, error: &Error) -> String {
    let mut text = format!("{place}: {}\n", indented(&crate::error::chain(error), "  "));
    for (label, line) in error.annotations() {
        text.push_str(&format!("  {label}: {}\n", indented(&line, "    ")));
    }
    text
}

/// Rejected records by their kinds, the most frequent first.
fn kinds(rejected: &Rejected<'_>) -> String {
    let mut kinds: Vec<&Kind> = rejected.kinds.iter().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    let counts: Vec<String> = kinds.iter().map(|kind| count(kind.count)).collect();
    let width = counts.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::from("  in all:\n");
    for (kind, number) in kinds.iter().zip(&counts) {
        let at = match (&kind.constraint, &kind.column) {
            (Some(constraint), _) => format!(", {constraint}"),
            (None, Some(column)) => format!(", column {column}"),
            (None, None) => String::new(),
        };
        text.push_str(&format!(
            "    {number:>width$}  {}{}: {}\n",
            kind.code,
            one_line(&at),
            indented(&kind.reason, "      ")
        ));
    }
    if rejected.others > 0 {
        text.push_str(&format!("    {} of other kinds\n", count(rejected.others)));
    }
    text
}
