//! What stopped a run: its kind, where it happened, why, and what to do about it.
//!
//! Every layer returns [`Error`]. The kind decides the exit code, in one place; the cause is
//! kept apart from the message, so that [`render`] prints each sentence exactly once.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;

use crate::secret::Secrets;
use crate::wire::condition::Condition;

/// The longest line of a rendered error, in characters.
const LINE_LIMIT: usize = 1000;
/// The most lines of one message or annotation. A value may have thousands: one that swallows the
/// records behind a quote that was left open, say.
const LINES_LIMIT: usize = 24;

/// The result of anything that can stop a run.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of a failure. It decides the exit code and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line makes no sense. Nothing was opened.
    Usage,
    /// The job file makes no sense. Nothing was opened.
    Job,
    /// No connection: name, socket, TLS, or a server that is not there.
    Connect,
    /// The server refused the login.
    Login,
    /// An input file is missing, empty or not ready.
    Input,
    /// An input file exists but its bytes cannot be used (cut short, wrong header, ...).
    Data,
    /// The server refused a statement or a record.
    Server,
    /// The connection fell; what was not committed is rolled back by the server.
    Lost,
    /// An output file cannot be written.
    Output,
    /// An `expect` step did not hold.
    Expect,
    /// The job's `timeout` or `idle_timeout` passed.
    Timeout,
    /// The connection fell while a COMMIT was under way: nobody knows whether it took place.
    Unknown,
    /// Another run of the job is under way.
    Locked,
    /// A signal asked for the end; carries its number.
    Stopped(i32),
}

impl ErrorKind {
    /// The process exit code of this kind of failure.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Data
            | Self::Server
            | Self::Lost
            | Self::Output
            | Self::Expect
            | Self::Timeout => 1,
            Self::Usage | Self::Job => 2,
            Self::Locked => 4,
            Self::Connect | Self::Login => 5,
            Self::Input => 6,
            Self::Unknown => 7,
            Self::Stopped(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }

    /// Its word, for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Job => "job",
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Input => "input",
            Self::Data => "data",
            Self::Server => "server",
            Self::Lost => "lost",
            Self::Output => "output",
            Self::Expect => "expect",
            Self::Timeout => "timeout",
            Self::Unknown => "unknown",
            Self::Locked => "locked",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// What stopped a run.
///
/// `Display` is the message alone; the cause, the labelled lines and the hint are separate, and
/// [`render`] puts them together.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    condition: Condition,
    /// Five characters, as every SQLSTATE has.
    sqlstate: Option<[u8; 5]>,
    message: String,
    lines: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that says what was attempted, where, and what was found. Lower case, no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            condition: Condition::Lasting,
            sqlstate: None,
            message: message.into(),
            lines: Vec::new(),
            hint: None,
            source: None,
        }
    }

    /// The same error, with the cause that led to it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The same error, with a sentence that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, with the SQLSTATE that the server gave it.
    #[must_use]
    pub(crate) fn coded(mut self, sqlstate: &str) -> Self {
        self.sqlstate = sqlstate.as_bytes().try_into().ok();
        self
    }

    /// The SQLSTATE of this error or of the first of its causes that has one.
    pub fn sqlstate(&self) -> Option<&str> {
        let mut link: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = link {
            let known = error.downcast_ref::<Self>();
            if let Some(code) = known.and_then(|error| error.sqlstate.as_ref()) {
                return std::str::from_utf8(code).ok();
            }
            link = error.source();
        }
        None
    }

    /// The same error, with one more labelled line, such as `detail: ...`.
    #[must_use]
    pub fn line(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.lines.push((label, text.into()));
        self
    }

    /// A new error of the same kind that says what was attempted, with `self` as its cause.
    #[must_use]
    pub fn within(self, message: impl Into<String>) -> Self {
        let (kind, condition) = (self.kind, self.condition);
        Self::new(kind, message).under(condition).because(self)
    }

    /// The same error, under a condition that may pass.
    #[must_use]
    pub fn under(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// The same error with `secrets` hidden wherever they stand in it and in its causes.
    #[must_use]
    pub fn without(mut self, secrets: &Secrets) -> Self {
        self.hide(secrets);
        self
    }

    fn hide(&mut self, secrets: &Secrets) {
        let texts = self.lines.iter_mut().map(|(_, text)| text);
        for text in texts.chain(&mut self.hint).chain([&mut self.message]) {
            if let Cow::Owned(hidden) = secrets.hide(text) {
                *text = hidden;
            }
        }
        match &mut self.source {
            Some(cause) if cause.is::<Self>() => {
                if let Some(cause) = cause.downcast_mut::<Self>() {
                    cause.hide(secrets);
                }
            }
            Some(cause) => {
                if let Cow::Owned(hidden) = secrets.hide(&cause.to_string()) {
                    self.source = Some(hidden.into());
                }
            }
            None => {}
        }
    }

    /// The class of this failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same work may succeed later; [`Condition::Lasting`] where nobody said so.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// The same error as another kind, for a caller that knows better what it means.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The labelled lines and the hints of this error and of its causes, in their order.
    pub(crate) fn annotations(&self) -> Vec<(&str, Cow<'_, str>)> {
        let mut found = Vec::new();
        let mut link: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = link {
            if let Some(known) = error.downcast_ref::<Self>() {
                let lines = known.lines.iter();
                found.extend(lines.map(|(label, text)| (*label, Cow::from(text))));
                found.extend(known.hint.iter().map(|hint| ("hint", Cow::from(hint))));
            }
            link = error.source();
        }
        found
    }

    /// The exit code of the process that ends with this error.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// The whole error as people read it: message, causes, labelled lines, hints; ends with a newline.
pub fn render(error: &Error) -> String {
    let mut text = format!("error: {}\n", indented(&error.to_string(), "  "));
    render_annotations(error, "  ", &mut text);
    let mut cause = error.source();
    while let Some(link) = cause {
        text.push_str(&format!(
            "  caused by: {}\n",
            indented(&link.to_string(), "    ")
        ));
        if let Some(known) = link.downcast_ref::<Error>() {
            render_annotations(known, "    ", &mut text);
        }
        cause = link.source();
    }
    text
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(link) = cause {
        text.push_str(&format!(": {link}"));
        cause = link.source();
    }
    text
}

fn render_annotations(error: &Error, indent: &str, text: &mut String) {
    let deeper = format!("{indent}  ");
    for (label, line) in &error.lines {
        text.push_str(&format!("{indent}{label}: {}\n", indented(line, &deeper)));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("{indent}hint: {}\n", indented(hint, &deeper)));
    }
}

/// A line of an error, its middle left out where it is very long: a server quotes values whole, and
/// a value may have a gigabyte.
fn clipped(line: &str) -> Cow<'_, str> {
    let length = line.chars().count();
    if length <= LINE_LIMIT {
        return line.into();
    }
    let start: String = line.chars().take(LINE_LIMIT / 2).collect();
    let end: String = line.chars().skip(length - LINE_LIMIT / 8).collect();
    format!("{start} ... [{length} characters] ... {end}").into()
}

/// The lines of `text`, some in the middle left out where there are very many.
fn few_lines(text: &str) -> Vec<Cow<'_, str>> {
    let count = text.split('\n').count();
    let lines = || text.split('\n').map(clipped);
    if count <= LINES_LIMIT {
        return lines().collect();
    }
    let (first, last) = (LINES_LIMIT / 2, LINES_LIMIT / 4);
    let middle = format!("... [{count} lines] ...").into();
    let end = lines().skip(count - last);
    lines().take(first).chain([middle]).chain(end).collect()
}

/// `text` with every line after the first indented, and control characters made visible, so that
/// data from a file or a server cannot move the cursor.
pub(crate) fn indented(text: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LINE_LIMIT));
    for c in few_lines(text.trim_end()).join("\n").chars() {
        match c {
            '\n' => {
                out.push('\n');
                out.push_str(indent);
            }
            '\t' => out.push('\t'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_error_says_each_sentence_once_and_in_order() {
        let server = Error::new(ErrorKind::Server, "no such table (SQLSTATE 42P01)")
            .line("context", "COPY t,\nline 2")
            .hint("create it");
        let error = server.within("step 2 failed").hint("see the job file");
        insta::assert_snapshot!(render(&error), @r"
        error: step 2 failed
          hint: see the job file
          caused by: no such table (SQLSTATE 42P01)
            context: COPY t,
              line 2
            hint: create it
        ");
    }

    #[test]
    fn secrets_are_hidden_in_every_part_of_an_error() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        let error = Error::new(ErrorKind::Server, "a hunter2")
            .because(Error::new(ErrorKind::Server, "b hunter2").because("c hunter2"))
            .line("statement", "d hunter2")
            .hint("e hunter2");
        let shown = render(&error.without(&secrets));
        assert_eq!(shown.matches("****").count(), 5, "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn control_characters_of_data_are_made_visible() {
        let error = Error::new(ErrorKind::Data, "value \u{1b}[2J\r");
        assert_eq!(render(&error), "error: value \\u{1b}[2J\n");
    }

    #[test]
    fn a_very_long_line_loses_its_middle() {
        let error = Error::new(ErrorKind::Data, format!("`{}`\nend", "ü".repeat(2000)));
        let text = render(&error);
        assert_eq!(
            text.chars().count(),
            "error: ".len() + 625 + " ... [2002 characters] ... ".len() + "\n  end\n".len()
        );
        assert!(text.contains(" ... [2002 characters] ... ü"), "{text}");
        assert!(text.ends_with("ü`\n  end\n"), "{text}");
    }

    #[test]
    fn very_many_lines_lose_their_middle() {
        let lines: Vec<String> = (1..=5000).map(|n| n.to_string()).collect();
        let text = render(&Error::new(ErrorKind::Data, lines.join("\n")));
        let shown: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(shown.len(), 12 + 1 + 6);
        assert_eq!(
            shown[11..15],
            ["12", "... [5000 lines] ...", "4995", "4996"]
        );
        assert!(text.ends_with("\n  5000\n"), "{text}");
        let text = render(&Error::new(ErrorKind::Data, lines[..24].join("\n")));
        assert_eq!(text.lines().count(), 24);
    }

    #[test]
    fn every_kind_has_its_documented_exit_code() {
        use ErrorKind::*;
        let codes = [
            (Data, 1),
            (Server, 1),
            (Usage, 2),
            (Job, 2),
            (Locked, 4),
            (Connect, 5),
            (Login, 5),
            (Input, 6),
            (Unknown, 7),
            (Stopped(2), 130),
            (Stopped(15), 143),
        ];
        for (kind, code) in codes {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }
}
