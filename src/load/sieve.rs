//! What can be said of a record before it is sent: whether its shape, its encoding and its values are
//! such that the server will take it.

mod fault;

use std::cell::Cell;

use super::catalog::Column;
use super::compatibility::Inspector;
use super::shape::{Shaped, Shaper};
use crate::name::{Identifier, TableName};
use crate::record::charset::Charset;
use crate::record::check::{self, Check, DateOrder, Rules, SessionFacts, Verdict};
use crate::record::cut::Cut;
use crate::record::dialect::Format;
use crate::record::fields::{Field, Fields};
use crate::record::position::{Position, Record, Records};
use crate::record::splitter::LineEnd;
use crate::source::{Begin, Block, End};
use crate::wire::server::{Kind, Mode};
use crate::wire::session::Session;

pub(super) use fault::Fault;

/// The longest record that can be set aside, in bytes.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;

/// A record as it stands in the sieve: a part of its bytes, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sieved {
    pub(super) at: Position,
    /// Where its bytes begin in [`Sieve::bytes`], and how many they are.
    pub(super) start: usize,
    pub(super) length: usize,
    /// Where what is sent of it begins in [`Sieve::shaped`], and how many bytes that is; unused where
    /// records are sent as they are.
    pub(super) sent: (usize, usize),
    /// What the server counts it as.
    pub(super) server_lines: u64,
}

/// Cuts blocks into records, and tells those that cannot be loaded from the others.
#[derive(Debug)]
pub(super) struct Sieve {
    records: Records,
    way: Way,
    target: Target,
    cut: Cut,
    /// What ends records, as far as is known.
    line_end: LineEnd,
    /// Records of the last block that ended.
    pub(super) out: Sifted,
}

/// How records become what is sent.
#[derive(Debug)]
enum Way {
    /// As they are, looked at as they go by.
    Raw(Box<Look>),
    /// Made anew.
    Shaped(Box<Shaper>),
}

/// What looks at records that go by.
#[derive(Debug)]
struct Look {
    /// Cuts them into fields; `None` where these cannot be told.
    fields: Option<Fields>,
    shape: Shape,
    /// Looks at their values, where the server may change some.
    inspector: Option<Inspector>,
}

impl Look {
    fn push(&mut self, block: &[u8], target: &Target) {
        if let Some(inspector) = &mut self.inspector {
            inspector.look(block);
        }
        if let Some(fields) = &mut self.fields {
            fields.push(block, |field| self.shape.take(field, target));
        }
    }

    fn finish(&mut self, target: &Target) {
        if let Some(inspector) = &mut self.inspector {
            inspector.finish();
        }
        if let Some(fields) = &mut self.fields {
            fields.finish(|field| self.shape.take(field, target));
        }
    }
}

/// Records, each with what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    /// What they were in.
    charset: Charset,
    /// The records, in order.
    pub(super) ready: Vec<(Sieved, Option<Fault>)>,
    /// Their bytes.
    pub(super) bytes: Vec<u8>,
    /// What is sent of them, where that differs.
    pub(super) shaped: Vec<u8>,
    /// Blank lines that are no records, of all blocks.
    pub(super) blank: u64,
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
    /// How many values of each only the server can judge.
    doubts: Vec<Cell<u64>>,
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
            doubts: vec![Cell::default(); columns.len()],
            not_null: columns.iter().map(takes_no_null).collect(),
            columns,
        }
    }

    /// What the server will say of a field, if that is known.
    fn judge(&self, field: &Field<'_>) -> Option<Fault> {
        if !field.is_whole() {
            return None;
        }
        self.judge_value(field.index, &field.value())
    }

    /// What the server will say of a value of the column of this number, if that is known.
    pub(super) fn judge_value(&self, index: usize, value: &[u8]) -> Option<Fault> {
        match self.checks.get(index)?.as_ref()?.judge(value) {
            Verdict::Bad(fault) => Some(self.found(fault, Some(index))),
            Verdict::Fine => None,
            Verdict::Unsure => {
                let doubts = &self.doubts[index];
                doubts.set(doubts.get() + 1);
                None
            }
        }
    }

    /// Columns with values that only the server can judge, though others of them can be told to be
    /// wrong, and how many.
    fn doubts(&self) -> impl Iterator<Item = (&Identifier, u64)> {
        let columns = self.columns.iter().zip(&self.checks).zip(&self.doubts);
        columns.filter_map(|((name, check), doubts)| {
            let foretells = check.as_ref().is_some_and(Check::foretells);
            (foretells && doubts.get() > 0).then(|| (name, doubts.get()))
        })
    }

    /// `fault`, found in the column of this number.
    pub(super) fn found(&self, fault: check::Fault, index: Option<usize>) -> Fault {
        Fault::found(fault, index.and_then(|index| self.columns.get(index)))
    }

    /// Whether the server refuses NULL in the column of this number.
    pub(super) fn takes_no_null(&self, index: usize) -> bool {
        self.not_null.get(index) == Some(&true)
    }

    /// A NULL in the column of this number, which takes none.
    pub(super) fn null_in(&self, index: usize) -> Option<Fault> {
        let column = self.columns.get(index)?;
        let fault = check::Fault::not_null(&self.table, column);
        Some(Fault::found(fault, Some(column)))
    }
}

/// What of a session decides over values.
pub(super) fn facts(session: &Session) -> SessionFacts {
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
    /// For a file that begins so, whose records are sent as they are; `fields` cuts it into fields for
    /// `target`.
    pub(super) fn new(
        begin: &Begin,
        cut: Cut,
        fields: Option<Fields>,
        target: Target,
        inspector: Option<Inspector>,
    ) -> Self {
        let look = Look {
            fields: fields.map(Fields::with_last),
            shape: Shape::default(),
            inspector,
        };
        Self::by(Way::Raw(Box::new(look)), begin, cut, target)
    }

    /// For a file that begins so, whose records are made anew by `shaper`.
    pub(super) fn shaped(begin: &Begin, cut: Cut, shaper: Shaper, target: Target) -> Self {
        Self::by(Way::Shaped(Box::new(shaper)), begin, cut, target)
    }

    fn by(way: Way, begin: &Begin, cut: Cut, target: Target) -> Self {
        Self {
            records: Records::new(begin.offset, begin.lines).behind(begin.records),
            way,
            target,
            cut,
            line_end: begin.line_end,
            out: Sifted {
                charset: begin.charset,
                ..Sifted::default()
            },
        }
    }

    /// Who has looked at the values.
    pub(super) fn into_inspector(self) -> Option<Inspector> {
        match self.way {
            Way::Raw(look) => look.inspector,
            Way::Shaped(shaper) => shaper.into_inspector(),
        }
    }

    /// Whether records are made anew.
    pub(super) fn is_shaping(&self) -> bool {
        matches!(self.way, Way::Shaped(_))
    }

    /// What ends records, as far as that is known.
    pub(super) fn line_end(&self) -> LineEnd {
        self.line_end
    }

    /// Columns with values that only the server can judge, and how many.
    pub(super) fn doubts(&self) -> impl Iterator<Item = (&Identifier, u64)> {
        self.target.doubts()
    }

    /// Records of the file that have been read.
    pub(super) fn count(&self) -> u64 {
        self.records.count()
    }

    /// The record under way, and its bytes so far.
    pub(super) fn open_record(&self) -> (Position, usize) {
        (self.records.open_record(), self.records.open_bytes())
    }

    /// Takes the next block. What ends in it is ready then.
    pub(super) fn push(&mut self, block: &Block) {
        self.out.clear();
        let Self {
            records,
            way,
            target,
            cut,
            line_end,
            out,
        } = self;
        if let Way::Raw(look) = way {
            look.push(block.bytes(), target);
        }
        *line_end = block.found.line_end;
        records.push(block.bytes(), &block.found, |record| {
            out.take(record, way, target, (cut, *line_end));
        });
    }

    /// Ends the input. A last record without a line end is ready then.
    pub(super) fn finish(&mut self, end: End) {
        self.out.clear();
        if !end.open_record {
            return;
        }
        if let Way::Raw(look) = &mut self.way {
            look.finish(&self.target);
        }
        let Self {
            records,
            way,
            target,
            cut,
            line_end,
            out,
        } = self;
        records.finish(|record| out.take(record, way, target, (cut, *line_end)));
    }
}

impl Sifted {
    /// What is sent of a record.
    pub(super) fn line(&self, record: &Sieved) -> &[u8] {
        let (start, length) = record.sent;
        &self.shaped[start..start + length]
    }

    fn clear(&mut self) {
        self.ready.clear();
        self.bytes.clear();
        self.shaped.clear();
    }

    fn take(
        &mut self,
        record: Record<'_>,
        way: &mut Way,
        target: &Target,
        (cut, line_end): (&Cut, LineEnd),
    ) {
        let begin = self.shaped.len();
        // Bytes written as escapes are the server's to judge.
        let bytes = check::Fault::of_source(record.bytes, self.charset)
            .or_else(|| of_line(record.bytes, cut, line_end));
        let bytes = bytes.map(|fault| Fault::found(fault, None));
        let fault = match way {
            Way::Raw(look) => bytes.or(look.shape.fault(record.at.record)),
            Way::Shaped(shaper) => match bytes {
                Some(fault) => Some(fault),
                None => {
                    match shaper.shape(record.bytes, line_end, record.at, target, &mut self.shaped)
                    {
                        Ok(Shaped::Line) => None,
                        Ok(Shaped::Blank) => {
                            self.blank += 1;
                            return;
                        }
                        Err(fault) => Some(fault),
                    }
                }
            },
        };
        self.ready.push((
            Sieved {
                at: record.at,
                start: self.bytes.len(),
                length: record.bytes.len(),
                sent: (begin, self.shaped.len() - begin),
                server_lines: match way {
                    Way::Raw(..) => record.server_lines,
                    Way::Shaped(_) => 1,
                },
            },
            fault,
        ));
        self.bytes.extend_from_slice(record.bytes);
    }
}

/// What keeps a server from reading a record as one line.
fn of_line(record: &[u8], cut: &Cut, line_end: LineEnd) -> Option<check::Fault> {
    if let Some(byte) = cut.stray_line_end(record, line_end) {
        let csv = cut.dialect()?.format == Format::Csv;
        return Some(check::Fault::of_line_end(byte, csv));
    }
    cut.has_stray_marker(record).then(check::Fault::of_marker)
}

impl Shape {
    /// What is wrong with the record of this number, which has ended.
    fn fault(&mut self, number: u64) -> Option<Fault> {
        // They are in order, and few.
        let known = self.faults.iter().position(|(of, _)| *of == number);
        known.map(|index| self.faults.remove(index).1)
    }

    /// Takes a field: one of a column, or the last of a record.
    fn take(&mut self, field: &Field<'_>, target: &Target) {
        if self.open.is_none() {
            if !field.is_null() {
                self.open = target.judge(field);
            } else if target.takes_no_null(field.index) {
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
            (None, None) => null.and_then(|index| target.null_in(index)),
        };
        if let Some(fault) = fault {
            self.faults.push((last.record, fault));
        }
    }
}
