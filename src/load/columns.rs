//! Which columns a file's fields go to.

use super::{catalog, skipped};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Header};
use crate::name::{Identifier, TableName};
use crate::run::Stage;
use crate::source::{Begin, Source};
use crate::wire::session::Session;

/// The column list of the COPY; empty for all columns of the table.
///
/// # Errors
/// [`ErrorKind::Data`] when the header does not fit what the job says.
pub(super) async fn columns(
    step: &CopyFrom,
    source: &Source,
    begin: &Begin,
    stage: &mut Stage<'_>,
) -> Result<Vec<Identifier>> {
    let named = named(step, source, begin)?;
    if step.header == Header::Skip && begin.header.is_some() {
        skipped::warn(step, source, begin, stage).await?;
    }
    if let (Some(header), Header::Match, None) = (&begin.header, step.header, &step.columns) {
        let expected = table_columns(&step.table, stage.session).await?;
        check(header, &expected, source)?;
    }
    Ok(named)
}

/// The columns that the job or the file names; empty where neither does.
///
/// # Errors
/// As [`columns`].
pub(super) fn named(step: &CopyFrom, source: &Source, begin: &Begin) -> Result<Vec<Identifier>> {
    let named = step.columns.clone().unwrap_or_default();
    match (&begin.header, step.header) {
        (Some(header), Header::Map) => return mapped(header, source),
        (Some(header), Header::Match) if step.columns.is_some() => check(header, &named, source)?,
        _ => {}
    }
    Ok(named)
}

/// The columns that a header names, for `header: map`.
pub(crate) fn mapped(header: &[String], source: &Source) -> Result<Vec<Identifier>> {
    if header.is_empty() {
        // Without names the server would take the fields in the table's order.
        return Err(Error::new(
            ErrorKind::Data,
            format!("the header of `{source}` is a blank line"),
        )
        .hint("`header: map` loads each field into the column of its name"));
    }
    let mut columns: Vec<Identifier> = Vec::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        let wrong = |what: String| {
            Error::new(
                ErrorKind::Data,
                format!("in the header of `{source}`, {what}"),
            )
            .hint("`header: map` loads each field into the column of its name")
        };
        let column = Identifier::new(name.as_str())
            .map_err(|_| wrong(format!("field {} has no name", index + 1)))?;
        if columns.contains(&column) {
            return Err(wrong(format!("`{name}` stands twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Whether a header names the expected columns, in order, for `header: match`.
pub(crate) fn check(header: &[String], expected: &[Identifier], source: &Source) -> Result<()> {
    let wrong = |what: String| {
        Error::new(
            ErrorKind::Data,
            format!("the header of `{source}` does not match: {what}"),
        )
        .hint("`header: map` takes the fields in any order, `header: true` skips the line unread")
    };
    for (index, (found, expected)) in header.iter().zip(expected).enumerate() {
        if found != expected.as_str() {
            return Err(wrong(format!(
                "field {} is `{found}`, expected `{}`",
                index + 1,
                expected.as_str()
            )));
        }
    }
    if header.len() == expected.len() {
        return Ok(());
    }
    Err(wrong(format!(
        "it has {} fields, expected {}",
        header.len(),
        expected.len()
    )))
}

/// The columns COPY fills where it is given no list: all but generated ones, in table order.
async fn table_columns(table: &TableName, session: &mut Session) -> Result<Vec<Identifier>> {
    let Some(found) = catalog::look_up(table, session).await? else {
        catalog::refuse(table, session).await?;
        return Ok(Vec::new());
    };
    Ok(found.filled().map(|column| column.name.clone()).collect())
}
