//! Which fields a file has, and which column of the table each value goes to.

use super::catalog::Table;
use super::columns;
use super::origin::Numbering;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Fill, Header, Layout, Policy, Shaping};
use crate::name::Identifier;
use crate::run::Stage;
use crate::source::{Begin, Source};

/// The fields of a file, and what of them is loaded.
#[derive(Debug)]
pub(super) struct Mapping {
    /// The names of a record's fields, in order.
    pub(super) fields: Vec<Identifier>,
    /// What is sent of a record, in order.
    pub(super) sent: Vec<Sent>,
    /// The columns that are loaded, in order.
    pub(super) columns: Vec<Identifier>,
}

/// A value that is sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// The column of the table, or the name by which expressions know it.
    pub(super) name: Identifier,
    pub(super) from: From,
    /// It goes into the column of its name as it is.
    pub(super) direct: bool,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// The field of this number, 0 for the first.
    Field(usize),
    /// The same for each record; `None` is NULL.
    Text(Option<Vec<u8>>),
    /// The record's number.
    Record,
    /// The record's line.
    Line,
    /// The record's number in the step, in which its file has this number.
    Origin(usize),
}

impl Mapping {
    /// For a file that begins so, on its way into `table`.
    ///
    /// # Errors
    /// The names of the file do not fit the table, as the job sees it.
    pub(super) fn new(
        step: &CopyFrom,
        shaping: &Shaping,
        source: &Source,
        begin: &Begin,
        table: &Table,
        stage: &Stage<'_>,
    ) -> Result<Self> {
        let fields = fields(step, shaping, source, begin, table)?;
        let is_column = |name: &Identifier| table.filled().any(|column| column.name == *name);
        let mut extra = Vec::new();
        let mut sent = Vec::new();
        for (index, name) in fields.iter().enumerate() {
            let direct = is_column(name) && !shaping.fills(name);
            if direct || shaping.mentions(name) {
                sent.push(Sent {
                    name: name.clone(),
                    from: From::Field(index),
                    direct,
                });
            } else if !is_column(name) {
                extra.push(name.as_str());
            }
        }
        let words = Words { step, source };
        words.extra(&extra, shaping.on_extra_column, stage)?;
        // An expression may speak of what is set, where no field has that name.
        for (name, fill) in &shaping.set {
            sent.retain(|sent| sent.name != *name);
            sent.push(Sent {
                name: name.clone(),
                from: From::filled(fill, source),
                direct: !shaping.select.iter().any(|(other, _)| other == name),
            });
        }
        let direct = sent.iter().filter(|sent| sent.direct);
        let mut columns: Vec<_> = direct.map(|sent| sent.name.clone()).collect();
        columns.extend(shaping.select.iter().map(|(name, _)| name.clone()));
        words.unknown(&columns, &is_column)?;
        words.unknown_fields(shaping, &fields)?;
        let missing = table
            .filled()
            .filter(|column| !columns.contains(&column.name))
            .map(|column| column.name.as_str());
        words.missing(
            &missing.collect::<Vec<_>>(),
            shaping.on_missing_column,
            stage,
        )?;
        Ok(Self {
            fields,
            sent,
            columns,
        })
    }

    /// Has the number of each record sent behind its values.
    pub(super) fn number(&mut self, numbering: &Numbering) {
        self.columns.push(numbering.column.clone());
        self.sent.push(Sent {
            name: numbering.column.clone(),
            from: From::Origin(numbering.file),
            direct: true,
        });
    }
}

impl From {
    fn filled(fill: &Fill, source: &Source) -> Self {
        match fill {
            Fill::Text(text) => Self::Text(text.as_ref().map(|text| text.clone().into_bytes())),
            Fill::File => Self::Text(Some(source.to_string().into_bytes())),
            Fill::Record => Self::Record,
            Fill::Line => Self::Line,
        }
    }
}

/// The names of the fields: what the layout, the header or the job says, or else the table's columns
/// that nothing else fills.
fn fields(
    step: &CopyFrom,
    shaping: &Shaping,
    source: &Source,
    begin: &Begin,
    table: &Table,
) -> Result<Vec<Identifier>> {
    if let Layout::Fixed { fields, .. } = &shaping.layout {
        return Ok(fields.iter().map(|(name, _)| name.clone()).collect());
    }
    let expected = || match &step.columns {
        Some(columns) => columns.clone(),
        None => table
            .filled()
            .map(|column| column.name.clone())
            .filter(|name| !shaping.fills(name))
            .collect(),
    };
    match (step.header, &begin.header) {
        (Header::Map, Some(header)) => columns::mapped(header, source),
        (Header::Match, Some(header)) => {
            let expected = expected();
            columns::check(header, &expected, source)?;
            Ok(expected)
        }
        _ => Ok(expected()),
    }
}

fn apply(
    policy: Policy,
    names: &[&str],
    stage: &Stage<'_>,
    error: impl FnOnce(String) -> Error,
) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    super::complain(policy, stage, || error(names.join(", ")))
}

/// The step and the file, for messages.
struct Words<'a> {
    step: &'a CopyFrom,
    source: &'a Source,
}

impl Words<'_> {
    /// Says which fields go nowhere.
    fn extra(&self, names: &[&str], policy: Policy, stage: &Stage<'_>) -> Result<()> {
        apply(policy, names, stage, |names| {
            Error::new(
                ErrorKind::Data,
                format!(
                    "`{}` has fields that `{}` has no column for: {names}",
                    self.source,
                    self.step.table.plain()
                ),
            )
            .hint("`on_extra_column: warn` or `ok` leaves them out; an expression of `select` or `where` may use them")
        })
    }

    /// Says which columns get no value.
    fn missing(&self, names: &[&str], policy: Policy, stage: &Stage<'_>) -> Result<()> {
        if self
            .step
            .shaping
            .as_ref()
            .is_some_and(|it| it.layout == Layout::Ndjson)
        {
            // There it is a matter of each record.
            return Ok(());
        }
        apply(policy, names, stage, |names| {
            Error::new(
                ErrorKind::Data,
                format!(
                    "`{}` has no field for these columns of `{}`: {names}",
                    self.source,
                    self.step.table.plain()
                ),
            )
            .hint("`on_missing_column: ok`, the default, leaves them to their default values")
        })
    }

    /// Refuses columns that the table has not.
    fn unknown(
        &self,
        columns: &[Identifier],
        is_column: &impl Fn(&Identifier) -> bool,
    ) -> Result<()> {
        match columns.iter().find(|name| !is_column(name)) {
            None if columns.is_empty() => Err(Error::new(
                ErrorKind::Data,
                format!(
                    "no field of `{}` goes to a column of `{}`",
                    self.source,
                    self.step.table.plain()
                ),
            )),
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorKind::Server,
                format!(
                    "`{}` has no column `{}` that takes a value",
                    self.step.table.plain(),
                    name.as_str()
                ),
            )
            .hint("`set` and `select` name columns of the table")),
        }
    }
    /// Refuses a `date_format` of what is no field.
    fn unknown_fields(&self, shaping: &Shaping, fields: &[Identifier]) -> Result<()> {
        let mut masks = shaping.masks.iter();
        let Some((name, _)) = masks.find(|(name, _)| !fields.contains(name)) else {
            return Ok(());
        };
        let known: Vec<_> = fields.iter().map(Identifier::as_str).collect();
        Err(Error::new(
            ErrorKind::Data,
            format!(
                "`date_format` names `{}`, which is no field of `{}`",
                name.as_str(),
                self.source
            ),
        )
        .hint(format!("its fields are: {}", known.join(", "))))
    }
}
