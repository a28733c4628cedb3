//! What the server said, and what happened to the connection.

use std::fmt;
use std::io;

use postgres_protocol::message::backend::ErrorFields;

use postgres_protocol::message::backend::ErrorField;

use super::condition::Condition;
use crate::error::{Error, ErrorKind};

/// Bytes kept of a notice's field: notices wait until someone asks for them.
const NOTICE_LIMIT: usize = 16 * 1024;

/// A statement was cancelled: by its time limit, or by somebody.
const CANCELED: &str = "57014";

/// The fields of an ErrorResponse or NoticeResponse (PostgreSQL manual, "Error and Notice Message
/// Fields").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `NOTICE`, ... possibly translated.
    pub severity: String,
    /// The SQLSTATE, five characters.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// CONTEXT: where in a COPY, a function, a trigger.
    pub context: Option<String>,
    /// The name of the constraint that was violated.
    pub constraint: Option<String>,
    /// The name of the column that the error is about.
    pub column: Option<String>,
    /// Character position in the statement, 1 for the first.
    pub position: Option<usize>,
}

impl ServerMessage {
    /// Reads the fields; bytes that are not UTF-8 are replaced.
    pub(super) fn read(fields: ErrorFields<'_>) -> io::Result<Self> {
        use fallible_iterator::FallibleIterator;
        let mut said = Self::default();
        fields.for_each(|field| {
            said.take(&field);
            Ok(())
        })?;
        Ok(said)
    }

    fn take(&mut self, field: &ErrorField<'_>) {
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'S' => self.severity = text,
            b'C' => self.code = text,
            b'M' => self.message = text,
            b'D' => self.detail = Some(text),
            b'H' => self.hint = Some(text),
            b'W' => self.context = Some(text),
            b'n' => self.constraint = Some(text),
            // Gauss servers keep a number of their own there.
            b'c' if text.parse::<i64>().is_err() => self.column = Some(text),
            b'P' => self.position = text.parse().ok(),
            _ => {}
        }
    }

    /// The same, with long fields cut.
    #[must_use]
    pub(super) fn shortened(mut self) -> Self {
        let texts = [&mut self.detail, &mut self.hint, &mut self.context];
        for text in texts.into_iter().flatten().chain([&mut self.message]) {
            if text.len() > NOTICE_LIMIT {
                let length = text.len();
                let cut = (0..=NOTICE_LIMIT)
                    .rev()
                    .find(|&at| text.is_char_boundary(at));
                text.truncate(cut.unwrap_or(0));
                text.push_str(&format!(" ... [{length} bytes]"));
                text.shrink_to_fit();
            }
        }
        self
    }

    /// The SQLSTATE's class: its first two characters.
    pub fn class(&self) -> &str {
        self.code.get(..2).unwrap_or("")
    }

    /// Whether the connection ends with this error, by its SQLSTATE alone: the server is shutting
    /// down, has crashed or is not ready (57P01 to 57P03), it has given up an idle session (57P05),
    /// or something is wrong with the connection itself (class 08).
    pub fn is_connection_end(&self) -> bool {
        matches!(self.code.as_str(), "57P01" | "57P02" | "57P03" | "57P05") || self.class() == "08"
    }

    /// As an error of the run, every field on its own line.
    pub fn into_error(self, kind: ErrorKind) -> Error {
        let mut error = Error::new(kind, self.to_string())
            .under(Condition::of(&self))
            .coded(&self.code);
        if self.code == CANCELED {
            error = error.hint("a `statement_timeout` has passed (each COPY is one statement; `session: {statement_timeout: 2h}` gives more time), or somebody has cancelled it");
        }
        for (label, text) in [
            ("detail", self.detail),
            ("context", self.context),
            ("server hint", self.hint),
        ] {
            if let Some(text) = text {
                error = error.line(label, text);
            }
        }
        error
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

/// Why an exchange with the server did not end well.
#[derive(Debug)]
pub enum WireError {
    /// The server said no. The connection is usable, unless the severity was FATAL.
    Refused(Box<ServerMessage>),
    /// The connection fell.
    Lost(io::Error),
    /// The server said something that this protocol does not have at this place.
    Protocol(String),
}

impl WireError {
    /// What the server said, where it said something.
    pub fn server(&self) -> Option<&ServerMessage> {
        match self {
            Self::Refused(said) => Some(said),
            Self::Lost(_) | Self::Protocol(_) => None,
        }
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        match error {
            // openGauss lets an expired password in, and then refuses every statement.
            WireError::Refused(said) if said.code == "28P02" => said
                .into_error(ErrorKind::Login)
                .hint("the password has expired: set another one with ALTER ROLE in gsql, and give it to dwsload"),
            WireError::Refused(said) => said.into_error(ErrorKind::Server),
            WireError::Lost(cause) => {
                Error::new(ErrorKind::Lost, "the connection to the server was lost")
                    .under(Condition::Connection)
                    .because(cause)
            }
            WireError::Protocol(what) => Error::new(
                ErrorKind::Lost,
                format!("the server broke the protocol: {what}"),
            ),
        }
    }
}
