//! The lines of the doctor: one for each check, with what to do where something is wrong.

use std::io::Write;
use std::process::ExitCode;

use crate::error::{Error, ErrorKind, indented};
use crate::progress::wording::wrapped;
use crate::secret::Secrets;

/// Columns before the text of a line: the status and the topic.
const INDENT: usize = 6 + TOPIC;
/// Columns of the topic, the blanks behind it included.
const TOPIC: usize = 12;
/// A terminal narrower than this is not worth wrapping for.
const NARROW: usize = 50;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Warn,
    Fail,
    Skip,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }

    /// The colour, as a terminal's escape sequence has it (ECMA-48, SGR).
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "32",
            Self::Warn => "33",
            Self::Fail => "1;31",
            Self::Skip => "2",
        }
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// With colours.
    pub colour: bool,
    /// Columns of the terminal; `None` leaves every check on one line, for other programs.
    pub width: Option<usize>,
    /// Problems only.
    pub quiet: bool,
    /// More lines for some checks.
    pub verbose: bool,
}

/// Writes the lines, and remembers what was wrong.
pub struct Report {
    out: Box<dyn Write>,
    look: Look,
    secrets: Secrets,
    /// The kind of the first failure: it decides the exit code.
    first: Option<ErrorKind>,
    failures: usize,
    warnings: usize,
}

impl Report {
    /// Writes to `out`, in which no secret of `secrets` is to appear.
    pub fn new(out: Box<dyn Write>, look: Look) -> Self {
        Self {
            out,
            look,
            secrets: Secrets::default(),
            first: None,
            failures: 0,
            warnings: 0,
        }
    }

    /// What no line shows, from now on.
    pub fn hide(&mut self, secrets: &Secrets) {
        self.secrets.extend(secrets);
    }

    /// A check that found nothing wrong.
    pub(super) fn ok(&mut self, topic: &str, text: &str) {
        self.line(Status::Ok, topic, text);
    }

    /// A check that was not made, and why.
    pub(super) fn skip(&mut self, topic: &str, text: &str) {
        self.line(Status::Skip, topic, text);
    }

    /// Something that people should know, and what to do about it.
    pub fn warn(&mut self, topic: &str, text: &str, hint: &str) {
        self.warnings += 1;
        self.line(Status::Warn, topic, text);
        self.annotate("hint", hint);
    }

    /// The same, of an error that does not stop a run.
    pub(super) fn warn_of(&mut self, topic: &str, error: &Error) {
        self.warnings += 1;
        self.error(Status::Warn, topic, error);
    }

    /// A failure: a run would stop here.
    pub fn fail(&mut self, topic: &str, error: &Error) {
        self.failures += 1;
        self.first.get_or_insert(error.kind());
        self.error(Status::Fail, topic, error);
    }

    /// A line below the last one, with `--verbose`.
    pub(super) fn more(&mut self, text: &str) {
        if self.look.verbose && !self.look.quiet {
            self.below(text);
        }
    }

    /// The last line, and the exit code: that of the first failure.
    pub fn finish(mut self) -> ExitCode {
        let count = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            number => format!("{number} {what}s"),
        };
        let summary = match (self.failures, self.warnings) {
            (0, 0) => "nothing is wrong".to_owned(),
            (0, warnings) => count(warnings, "warning"),
            (failures, 0) => count(failures, "failure"),
            (failures, warnings) => {
                format!(
                    "{}, {}",
                    count(failures, "failure"),
                    count(warnings, "warning")
                )
            }
        };
        if !self.look.quiet {
            self.write(&format!("{summary}\n"));
        }
        let _ = self.out.flush();
        let code = self.first.map_or(0, ErrorKind::exit_code);
        ExitCode::from(code)
    }

    fn line(&mut self, status: Status, topic: &str, text: &str) {
        if self.look.quiet && matches!(status, Status::Ok | Status::Skip) {
            return;
        }
        let word = format!("{:<6}", status.word());
        let word = if self.look.colour {
            format!("\u{1b}[{}m{word}\u{1b}[0m", status.colour())
        } else {
            word
        };
        let text = self.laid_out(text);
        self.write(&format!("{word}{topic:<TOPIC$}{text}\n"));
    }

    fn error(&mut self, status: Status, topic: &str, error: &Error) {
        self.line(status, topic, &crate::error::chain(error));
        for (label, text) in error.annotations() {
            // Where a run leaves the database: nothing has run.
            if label != "state" {
                self.annotate(label, &text);
            }
        }
    }

    fn annotate(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            self.below(&format!("{label}: {text}"));
        }
    }

    /// Whether more lines are wanted for some checks.
    pub(super) fn is_verbose(&self) -> bool {
        self.look.verbose
    }

    /// A line below the last one, which was not left out.
    pub(super) fn below(&mut self, text: &str) {
        let text = self.laid_out(text);
        self.write(&format!("{:INDENT$}{text}\n", ""));
    }

    /// The text without secrets and control characters, every line indented, wrapped where there is
    /// a terminal.
    fn laid_out(&self, text: &str) -> String {
        let margin = " ".repeat(INDENT);
        let text = indented(&self.secrets.hide(text), "");
        let lines: Vec<String> = text
            .split('\n')
            .flat_map(|line| match self.look.width {
                Some(width) if width >= NARROW => wrapped(line, width - INDENT),
                _ => vec![line.to_owned()],
            })
            .collect();
        lines.join(&format!("\n{margin}"))
    }

    fn write(&mut self, text: &str) {
        // Who does not read it any more does not mind.
        let _ = self.out.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a report of every kind of line looks like, and whether its exit code is `code`.
    fn written(look: Look, code: u8) -> String {
        let paper = Paper::default();
        let mut report = Report::new(Box::new(paper.clone()), look);
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        report.hide(&secrets);
        report.ok("settings", "dw:8000 as loader");
        report.more("host from PGHOST");
        report.warn("clock", "3 s ahead", "set it right, or hunter2 will");
        report.skip("step 1", "not run");
        let cause = Error::new(ErrorKind::Login, "no\u{1b}[2J such user").hint("look it up");
        let error = cause.within("cannot log in").line("detail", "a\nb");
        report.fail("login", &error);
        report.fail("step 2", &Error::new(ErrorKind::Input, "no file"));
        assert_eq!(
            format!("{:?}", report.finish()),
            format!("{:?}", ExitCode::from(code))
        );
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_check_has_a_line_and_a_failure_says_what_to_do() {
        let verbose = Look {
            verbose: true,
            ..Look::default()
        };
        insta::assert_snapshot!(written(verbose, 5), @r"
        ok    settings    dw:8000 as loader
                          host from PGHOST
        warn  clock       3 s ahead
                          hint: set it right, or **** will
        skip  step 1      not run
        fail  login       cannot log in: no\u{1b}[2J such user
                          detail: a
                          b
                          hint: look it up
        fail  step 2      no file
        2 failures, 1 warning
        ");
    }

    #[test]
    fn only_problems_are_shown_where_that_is_asked_for() {
        let quiet = Look {
            quiet: true,
            verbose: true,
            ..Look::default()
        };
        let text = written(quiet, 5);
        assert!(text.starts_with("warn  clock"), "{text}");
        assert!(text.ends_with("no file\n"), "{text}");
    }

    #[test]
    fn colours_are_around_the_status_alone() {
        let coloured = Look {
            colour: true,
            ..Look::default()
        };
        let text = written(coloured, 5);
        assert!(
            text.contains("\u{1b}[1;31mfail  \u{1b}[0mlogin       cannot"),
            "{text:?}"
        );
    }
}
