//! What can be said of a record before it is sent: whether its shape, its encoding and its values are
//! such that the server will take it.

use super::catalog::Column;
use crate::name::{Identifier, TableName};
use crate::record::check::{self, Check, DateOrder, Rules, SessionFacts, Verdict};
use crate::record::fields::{Field, Fields};
use crate::record::position::{Position, Record, Records};
use crate::record::splitter::Ends;
use crate::sink::Reject;
use crate::source::{Begin, Block, End};
use crate::wire::error::ServerMessage;
use crate::wire::server::{Kind, Mode};
use crate::wire::session::Session;

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
    /// Found before anything is sent, in `column`.
    fn found(fault: check::Fault, column: Option<&Identifier>) -> Self {
        Self {
            column: column.map(|column| column.as_str().to_owned()),
            ..Self::new(fault.code, fault.reason)
        }
    }

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
    target: Target,
    shape: Shape,
    /// Records of the last block that ended, in order, with what is wrong with them.
    pub(super) ready: Vec<(Sieved, Option<Fault>)>,
    /// Their bytes.
    pub(super) bytes: Vec<u8>,
}

/// What the records are for.
#[derive(Debug)]
pub(super) struct Target {
    table: TableName,
    /// The columns of the fields, in order, by name.
    columns: Vec<Identifier>,
    /// What can be said of their values.
    checks: Vec<Option<Check>>,
    /// Those that take no NULL, and that no trigger could fill.
    not_null: Vec<bool>,
}

impl Target {
    /// The `columns` of a `table`, of which the catalog knows `found`. `filled`: triggers may put
    /// a value where there is none.
    pub(super) fn new(
        table: &TableName,
        columns: Vec<Identifier>,
        found: &[Column],
        filled: bool,
        session: &Session,
    ) -> Self {
        let facts = facts(session);
        let known = |name: &Identifier| found.iter().find(|column| column.name == *name);
        let check = |name: &Identifier| {
            let column = known(name).filter(|column| column.builtin)?;
            Some(Check::new(&column.type_name, column.type_modifier, &facts))
        };
        let is_postgresql = session.server().kind == Kind::PostgreSql;
        let takes_no_null = |name: &Identifier| {
            is_postgresql && !filled && known(name).is_some_and(|column| column.not_null)
        };
        Self {
            table: table.clone(),
            checks: columns.iter().map(check).collect(),
            not_null: columns.iter().map(takes_no_null).collect(),
            columns,
        }
    }

    /// What the server will say of a field, if that is known.
    fn judge(&self, field: &Field<'_>) -> Option<Fault> {
        let check = self.checks.get(field.index)?.as_ref()?;
        if !field.is_whole() {
            return None;
        }
        match check.judge(&field.value()) {
            Verdict::Bad(fault) => Some(Fault::found(fault, self.columns.get(field.index))),
            Verdict::Fine | Verdict::Unsure => None,
        }
    }
}

/// What of a session decides over values.
fn facts(session: &Session) -> SessionFacts {
    let server = session.server();
    let rules = match (server.kind, server.mode) {
        (Kind::PostgreSql, _) => Rules::PostgreSql,
        (kind, Some(Mode::Pg)) if kind.is_gauss() => Rules::GaussPostgreSql,
        (kind, Some(Mode::Ora)) if kind.is_gauss() => Rules::GaussOracle,
        _ => Rules::Other,
    };
    SessionFacts {
        utf8: session.parameter("server_encoding") == Some("UTF8"),
        date_order: session
            .parameter("DateStyle")
            .and_then(DateOrder::of_date_style),
        rules,
    }
}

/// What the fields of records have told so far.
#[derive(Debug, Default)]
struct Shape {
    /// Faults of records that have ended, by number.
    faults: Vec<(u64, Fault)>,
    /// The first fault of the record under way.
    open: Option<Fault>,
    /// The first NULL of it where none may be: a server looks for those last.
    null: Option<usize>,
}

impl Sieve {
    /// For a file that begins so; `fields` cuts it into fields for `target`.
    pub(super) fn new(begin: &Begin, fields: Option<Fields>, target: Target) -> Self {
        Self {
            records: Records::new(begin.offset, begin.lines),
            fields: fields.map(Fields::with_last),
            target,
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
        let (target, shape) = (&self.target, &mut self.shape);
        if let Some(fields) = &mut self.fields {
            fields.push(block.bytes(), |field| shape.take(field, target));
        }
        self.cut(block.bytes(), &block.found);
    }

    /// Ends the input. A last record without a line end is ready then.
    pub(super) fn finish(&mut self, end: End) {
        self.clear();
        if !end.open_record {
            return;
        }
        let (target, shape) = (&self.target, &mut self.shape);
        if let Some(fields) = &mut self.fields {
            fields.finish(|field| shape.take(field, target));
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
    // Bytes written as escapes are the server's to judge.
    let encoding = check::Fault::of_encoding(record.bytes);
    let fault = encoding.map(|fault| Fault::found(fault, None)).or(shape);
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

impl Shape {
    /// Takes a field: one of a column, or the last of a record.
    fn take(&mut self, field: &Field<'_>, target: &Target) {
        if self.open.is_none() {
            if !field.is_null() {
                self.open = target.judge(field);
            } else if target.not_null.get(field.index) == Some(&true) {
                self.null.get_or_insert(field.index);
            }
        }
        if field.last {
            self.end(field, target);
        }
    }

    /// Ends the record of `last`, its last field.
    fn end(&mut self, last: &Field<'_>, target: &Target) {
        let columns = &target.columns;
        let shape = check::Fault::of_shape(last.index + 1, columns);
        let (value, null) = (self.open.take(), self.null.take());
        let fault = match (shape, value) {
            // The server counts the fields before it reads any, and misses one when it comes to it.
            (Some(shape), _) if last.index >= columns.len() => Some(Fault::found(shape, None)),
            (_, Some(value)) => Some(value),
            (Some(shape), None) => Some(Fault::found(shape, columns.get(last.index + 1))),
            (None, None) => null.and_then(|index| columns.get(index)).map(|column| {
                let fault = check::Fault::not_null(&target.table, column);
                Fault::found(fault, Some(column))
            }),
        };
        if let Some(fault) = fault {
            self.faults.push((last.record, fault));
        }
    }
}
