//! What can be said of a record before it is sent: whether its shape, its encoding and its values are
//! such that the server will take it.

use crate::name::Identifier;
use crate::record::fields::{Field, Fields};
use crate::record::position::{Position, Record, Records};
use crate::record::splitter::Ends;
use crate::sink::Reject;
use crate::source::{Begin, Block, End};
use crate::wire::error::ServerMessage;

/// The longest record that can be set aside, in bytes.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;

/// Why a record cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The SQLSTATE that the server would answer with.
    pub(super) code: String,
    /// In the server's words.
    pub(super) reason: String,
    pub(super) column: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) constraint: Option<String>,
}

impl Fault {
    fn new(code: &str, reason: String) -> Self {
        Self {
            code: code.to_owned(),
            reason,
            column: None,
            detail: None,
            constraint: None,
        }
    }

    /// What a server said of a record.
    pub(super) fn of(said: ServerMessage) -> Self {
        Self {
            column: said.column.or_else(|| column_in(said.context.as_deref()?)),
            code: said.code,
            reason: said.message,
            detail: said.detail,
            constraint: said.constraint,
        }
    }

    /// The record at `at`, rejected for this.
    pub(super) fn reject<'a>(&'a self, at: Position, bytes: &'a [u8]) -> Reject<'a> {
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

/// A record as it stands in the sieve: a part of its bytes, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sieved {
    pub(super) at: Position,
    /// Where its bytes begin in [`Sieve::bytes`], and how many they are.
    pub(super) start: usize,
    pub(super) length: usize,
    /// What the server counts it as.
    pub(super) server_lines: u64,
}

/// Cuts blocks into records, and tells those that cannot be loaded from the others.
#[derive(Debug)]
pub(super) struct Sieve {
    records: Records,
    fields: Option<Fields>,
    /// The columns of the fields, in order, by name.
    columns: Vec<Identifier>,
    shape: Shape,
    /// Records of the last block that ended, in order, with what is wrong with them.
    pub(super) ready: Vec<(Sieved, Option<Fault>)>,
    /// Their bytes.
    pub(super) bytes: Vec<u8>,
}

/// What the fields of records have told so far.
#[derive(Debug, Default)]
struct Shape {
    /// Faults of records that have ended, by number.
    faults: Vec<(u64, Fault)>,
    /// The first fault of the record under way.
    open: Option<Fault>,
}

impl Sieve {
    /// For a file that begins so; `fields` cuts it into the fields of `columns`.
    pub(super) fn new(begin: &Begin, fields: Option<Fields>, columns: Vec<Identifier>) -> Self {
        Self {
            records: Records::new(begin.offset, begin.lines),
            fields: fields.map(Fields::with_last),
            columns,
            shape: Shape::default(),
            ready: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Records read.
    pub(super) fn count(&self) -> u64 {
        self.records.count()
    }

    /// The record under way, and its bytes so far.
    pub(super) fn open_record(&self) -> (Position, usize) {
        (self.records.open_record(), self.records.open_bytes())
    }

    /// Takes the next block. What ends in it is ready then.
    pub(super) fn push(&mut self, block: &Block) {
        self.clear();
        let (columns, shape) = (&self.columns, &mut self.shape);
        if let Some(fields) = &mut self.fields {
            fields.push(block.bytes(), |field| shape.take(field, columns));
        }
        self.cut(block.bytes(), &block.found);
    }

    /// Ends the input. A last record without a line end is ready then.
    pub(super) fn finish(&mut self, end: End) {
        self.clear();
        if !end.open_record {
            return;
        }
        let (columns, shape) = (&self.columns, &mut self.shape);
        if let Some(fields) = &mut self.fields {
            fields.finish(|field| shape.take(field, columns));
        }
        let (ready, bytes, faults) = (&mut self.ready, &mut self.bytes, &mut self.shape.faults);
        self.records
            .finish(|record| put(record, ready, bytes, faults));
    }

    fn clear(&mut self) {
        self.ready.clear();
        self.bytes.clear();
    }

    fn cut(&mut self, block: &[u8], found: &Ends) {
        let (ready, bytes, faults) = (&mut self.ready, &mut self.bytes, &mut self.shape.faults);
        self.records
            .push(block, found, |record| put(record, ready, bytes, faults));
    }
}

fn put(
    record: Record<'_>,
    ready: &mut Vec<(Sieved, Option<Fault>)>,
    bytes: &mut Vec<u8>,
    faults: &mut Vec<(u64, Fault)>,
) {
    let number = record.at.record;
    // They are in order, and few.
    let known = faults.iter().position(|(of, _)| *of == number);
    let shape = known.map(|index| faults.remove(index).1);
    let fault = encoding(record.bytes).or(shape);
    ready.push((
        Sieved {
            at: record.at,
            start: bytes.len(),
            length: record.bytes.len(),
            server_lines: record.server_lines,
        },
        fault,
    ));
    bytes.extend_from_slice(record.bytes);
}

/// What the server says of bytes that are not UTF-8, before anything else (PostgreSQL,
/// `report_invalid_encoding`). Bytes written as escapes are the server's to judge.
fn encoding(record: &[u8]) -> Option<Fault> {
    let valid = match std::str::from_utf8(record) {
        Ok(_) => memchr::memchr(0, record)?,
        Err(error) => {
            let nul = memchr::memchr(0, &record[..error.valid_up_to()]);
            nul.unwrap_or(error.valid_up_to())
        }
    };
    let rest = &record[valid..];
    // As many as the first byte announces, and at most what is there.
    let length = match rest.first()? {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    };
    let bytes: Vec<String> = rest
        .iter()
        .take(length)
        .map(|byte| format!("0x{byte:02x}"))
        .collect();
    Some(Fault::new(
        "22021",
        format!(
            "invalid byte sequence for encoding \"UTF8\": {}",
            bytes.join(" ")
        ),
    ))
}

impl Shape {
    /// Takes a field: a chosen one, or the last of a record.
    fn take(&mut self, field: &Field<'_>, columns: &[Identifier]) {
        if !field.last {
            return;
        }
        let fields = field.index + 1;
        let mut fault = self.open.take();
        if fields > columns.len() {
            // The server counts them before it reads any.
            fault = Some(Fault::new(
                "22P04",
                "extra data after last expected column".into(),
            ));
        } else if let (None, Some(column)) = (&fault, columns.get(fields)) {
            fault = Some(Fault {
                column: Some(column.as_str().to_owned()),
                ..Fault::new("22P04", format!("missing data for column {column}"))
            });
        }
        if let Some(fault) = fault {
            self.faults.push((field.record, fault));
        }
    }
}
