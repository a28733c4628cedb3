//! What is wrong with a record.

use crate::name::Identifier;
use crate::record::check;
use crate::record::position::Position;
use crate::sink::Reject;
use crate::wire::error::ServerMessage;

/// Why a record cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::load) struct Fault {
    /// The SQLSTATE that the server would answer with.
    pub(in crate::load) code: String,
    /// In the server's words.
    pub(in crate::load) reason: String,
    pub(in crate::load) column: Option<String>,
    pub(in crate::load) detail: Option<String>,
    pub(in crate::load) constraint: Option<String>,
}

impl Fault {
    /// Found before anything is sent, in `column`.
    pub(in crate::load) fn found(fault: check::Fault, column: Option<&Identifier>) -> Self {
        Self {
            column: column.map(|column| column.as_str().to_owned()),
            ..Self::new(fault.code, fault.reason)
        }
    }

    /// Of this SQLSTATE, about no column.
    pub(in crate::load) fn new(code: &str, reason: String) -> Self {
        Self {
            code: code.to_owned(),
            reason,
            column: None,
            detail: None,
            constraint: None,
        }
    }

    /// What a server said of a record.
    pub(in crate::load) fn of(said: ServerMessage) -> Self {
        Self {
            column: said.column.or_else(|| column_in(said.context.as_deref()?)),
            code: said.code,
            reason: said.message,
            detail: said.detail,
            constraint: said.constraint,
        }
    }

    /// As the server would say it.
    pub(in crate::load) fn into_message(self) -> ServerMessage {
        ServerMessage {
            severity: "ERROR".into(),
            code: self.code,
            message: self.reason,
            detail: self.detail,
            constraint: self.constraint,
            column: self.column,
            ..ServerMessage::default()
        }
    }

    /// The record at `at`, rejected for this.
    pub(in crate::load) fn reject<'a>(&'a self, at: Position, bytes: &'a [u8]) -> Reject<'a> {
        Reject {
            at,
            bytes,
            column: self.column.as_deref(),
            code: &self.code,
            reason: &self.reason,
            detail: self.detail.as_deref(),
            constraint: self.constraint.as_deref(),
        }
    }
}

/// The column that the COPY line of a CONTEXT names: `COPY t, line 7, column amount: "x"`.
fn column_in(context: &str) -> Option<String> {
    let (_, behind) = context.split_once(", column ")?;
    let (column, _) = behind.split_once(':')?;
    Some(column.to_owned())
}
