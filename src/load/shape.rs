//! A record of a file made into a line of COPY text, value by value.

use super::compatibility::{self, Inspector};
use super::mapping::{From, Mapping};
use super::origin::Origin;
use super::sieve::{Fault, Target};
use crate::job::{self, CopyFrom, Shaping};
use crate::name::Identifier;
use crate::record::check;
use crate::record::cut::Cut;
use crate::record::encode;
use crate::record::layout::{Absent, Delimited, Extra, Fixed, Layout, Ndjson};
use crate::record::mask::Mask;
use crate::record::position::Position;
use crate::record::splitter::LineEnd;
use crate::record::values::Values;

/// Makes the records of one file into what is sent.
#[derive(Debug)]
pub(super) struct Shaper {
    cut: Cut,
    layout: Layout,
    /// The names of a record's fields, where it must have all of them and no more.
    fields: Option<Vec<Identifier>>,
    columns: Vec<Column>,
    /// Each line begins with the number of its record.
    numbered: bool,
    /// Records without anything in them are none.
    skips_blank: bool,
    values: Values,
    rewritten: Vec<u8>,
    /// Who looks at the values, where the server may change some.
    inspector: Option<Inspector>,
}

/// A value of the line.
#[derive(Debug)]
struct Column {
    from: From,
    mask: Option<Mask>,
    /// Its number in the target, where it goes there as it is.
    index: Option<usize>,
    /// The same, where the value can be judged: whether the record is wanted does not hang on a
    /// condition.
    target: Option<usize>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shaped {
    /// A line.
    Line,
    /// It is blank, and no record.
    Blank,
}

impl Shaper {
    /// For the files of a step whose fields are these. `None` where its dialect cannot be read here.
    pub(super) fn new(
        step: &CopyFrom,
        shaping: &Shaping,
        mapping: &Mapping,
        numbered: bool,
    ) -> Option<Self> {
        let layout = layout(step, shaping, &mapping.fields)?;
        let counted = matches!(layout, Layout::Delimited(_));
        let mask = |from: &From| {
            let From::Field(index) = from else {
                return None;
            };
            let name = mapping.fields.get(*index)?;
            let found = shaping.masks.iter().find(|(of, _)| of == name);
            found.map(|(_, mask)| mask.clone())
        };
        let target = |name: &Identifier| mapping.columns.iter().position(|other| other == name);
        let columns = mapping.sent.iter().map(|sent| Column {
            from: sent.from.clone(),
            mask: mask(&sent.from),
            index: target(&sent.name).filter(|_| sent.direct),
            target: target(&sent.name).filter(|_| sent.direct && shaping.filter.is_none()),
        });
        Some(Self {
            columns: columns.collect(),
            fields: counted.then(|| mapping.fields.clone()),
            skips_blank: !counted,
            cut: step.cut(),
            layout,
            numbered,
            values: Values::default(),
            rewritten: Vec::new(),
            inspector: None,
        })
    }

    /// The same, with somebody to look at the values.
    pub(super) fn inspected(mut self, inspector: Option<Inspector>) -> Self {
        self.inspector = inspector;
        self
    }

    /// Who has looked at the values.
    pub(super) fn into_inspector(self) -> Option<Inspector> {
        self.inspector
    }

    /// Appends the line of `record` to `out`. `line_end` is what ends records where the job leaves
    /// that to the first of them.
    ///
    /// # Errors
    /// What is wrong with the record; `out` is as it was.
    pub(super) fn shape(
        &mut self,
        record: &[u8],
        line_end: LineEnd,
        at: Position,
        target: &Target,
        out: &mut Vec<u8>,
    ) -> Result<Shaped, Fault> {
        let record = self.cut.without_end(record, line_end);
        if self.skips_blank && self.layout.is_blank(record) {
            return Ok(Shaped::Blank);
        }
        let before = out.len();
        let shaped = self.line(record, at, target, out);
        if shaped.is_err() {
            out.truncate(before);
        }
        shaped.map(|()| Shaped::Line)
    }

    fn line(
        &mut self,
        record: &[u8],
        at: Position,
        target: &Target,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Self {
            layout,
            columns,
            values,
            rewritten,
            inspector,
            ..
        } = self;
        layout
            .read(record, values)
            .map_err(|fault| Fault::found(fault, None))?;
        let shape = self.fields.as_deref().and_then(|names| {
            let fault = check::Fault::of_shape(values.len(), names)?;
            Some(Fault::found(fault, names.get(values.len())))
        });
        // A server counts the fields before it reads any, and misses one when it comes to it.
        let known = self.fields.as_ref().map_or(0, Vec::len);
        let missing = match shape {
            Some(fault) if values.len() > known => return Err(fault),
            shape => shape,
        };
        if self.numbered {
            out.extend_from_slice(at.record.to_string().as_bytes());
            if !columns.is_empty() {
                encode::separator(out);
            }
        }
        let mut null = None;
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                encode::separator(out);
            }
            let number;
            let value = match &column.from {
                From::Field(index) => values.get(*index).flatten(),
                From::Text(text) => text.as_deref(),
                From::Record => {
                    number = at.record.to_string();
                    Some(number.as_bytes())
                }
                From::Line => {
                    number = at.line.to_string();
                    Some(number.as_bytes())
                }
                From::Origin(file) => {
                    number = Origin::new(*file, at.record).number().to_string();
                    Some(number.as_bytes())
                }
            };
            let Some(value) = value else {
                encode::null(out);
                null = null.or(column.target.filter(|index| target.takes_no_null(*index)));
                continue;
            };
            let value = match &column.mask {
                None => value,
                Some(mask) => {
                    rewritten.clear();
                    mask.rewrite(value, rewritten)
                        .map_err(|fault| target.found(fault, column.target))?;
                    rewritten.as_slice()
                }
            };
            if let Some(fault) = column
                .target
                .and_then(|index| target.judge_value(index, value))
            {
                return Err(fault);
            }
            if let (Some(inspector), Some(index)) = (inspector.as_mut(), column.index) {
                inspector.see(index, value, at);
            }
            encode::value(out, value);
        }
        encode::end(out);
        // A server looks for NULLs last.
        let null = null.and_then(|index| target.null_in(index));
        missing.or(null).map_or(Ok(()), Err)
    }
}

fn layout(step: &CopyFrom, shaping: &Shaping, fields: &[Identifier]) -> Option<Layout> {
    let nulls = match &step.dialect.null {
        Some(null) => std::slice::from_ref(null),
        None => shaping.nulls.as_slice(),
    };
    Some(match &shaping.layout {
        job::Layout::Delimited => {
            let nulls_of = fields
                .iter()
                .map(|field| compatibility::nulls(field, &step.dialect));
            Layout::Delimited(Delimited::new(&step.dialect, nulls, nulls_of.collect())?)
        }
        job::Layout::Fixed { fields, unit, trim } => {
            let spans = fields.iter().map(|(_, span)| *span).collect();
            // A field of blanks holds nothing.
            let nulls = match nulls {
                [] => vec![String::new()],
                nulls => nulls.to_vec(),
            };
            let fixed = Fixed::new(spans, *unit, *trim, nulls);
            Layout::Fixed(fixed.in_charset(step.bytes.charset))
        }
        job::Layout::Ndjson => {
            let names = fields.iter().map(|name| name.as_str().to_owned()).collect();
            let extra = match shaping.on_extra_column {
                job::Policy::Fail => Extra::Fail,
                job::Policy::Warn | job::Policy::Ok => Extra::Ignore,
            };
            let absent = match shaping.on_missing_column {
                job::Policy::Fail => Absent::Fail,
                job::Policy::Warn | job::Policy::Ok => Absent::Null,
            };
            Layout::Ndjson(Ndjson::new(names, extra, absent))
        }
    })
}
