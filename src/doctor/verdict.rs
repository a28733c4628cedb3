//! Whether a COPY may do what a step says, by what the catalog tells of its table.

use super::table::{Relation, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, CopyTo, Header, Shaping};
use crate::load;
use crate::name::{Identifier, TableName};
use crate::record::dialect::ForceQuote;
use crate::source::{Begin, Source};

/// What a table is and that it may be used so, in words.
pub(super) fn describe(way: &str, name: &TableName, table: &Table, right: &str) -> String {
    let columns = table.columns.len();
    let s = if columns == 1 { "" } else { "s" };
    format!(
        "{way} {}: {} with {columns} column{s}, {right} granted",
        name.plain(),
        table.kind.words()
    )
}

/// Whether a COPY FROM may fill the table.
pub(crate) fn may_load(load: &CopyFrom, table: &Table) -> Result<()> {
    let named = match load.shaping {
        None => load.columns.as_deref().unwrap_or_default(),
        // They are the names of fields.
        Some(_) => &[],
    };
    let dialect = &load.dialect;
    let shaping = load.shaping.as_deref();
    let filled = shaping.into_iter().flat_map(Shaping::filled);
    let strict = load.shaping.is_none();
    let forced = dialect.force_null.iter().chain(&dialect.force_not_null);
    let all = named.iter().chain(forced.filter(|_| strict)).chain(filled);
    has_columns(table, &load.table, all)?;
    may_enter(table)?;
    if matches!(table.kind, Relation::MaterializedView | Relation::Other) {
        return Err(Error::new(
            ErrorKind::Server,
            format!(
                "`{}` is a {}: nothing can be loaded into it",
                load.table.plain(),
                table.kind.words()
            ),
        ));
    }
    if table.kind == Relation::View && !table.triggers {
        return Err(Error::new(
            ErrorKind::Server,
            format!("`{}` is a view", load.table.plain()),
        )
        .hint("name the table behind it; a view takes rows by an INSTEAD OF trigger only"));
    }
    // With `header: map`, the file names the columns.
    if load.header == Header::Map || table.touched(named).all(|column| column.insert) {
        return may_insert_any(load, table);
    }
    Err(no_right("INSERT", &load.table))
}

/// With `header: map`, some column must take rows; which ones are in the file is seen there.
fn may_insert_any(load: &CopyFrom, table: &Table) -> Result<()> {
    let any = table.columns.is_empty() || table.columns.iter().any(|column| column.insert);
    if any {
        Ok(())
    } else {
        Err(no_right("INSERT", &load.table))
    }
}

/// Whether a COPY TO may read the table.
pub(crate) fn may_unload(
    unload: &CopyTo,
    named: &[Identifier],
    table: &Table,
    name: &TableName,
) -> Result<()> {
    let quoted = match &unload.dialect.force_quote {
        ForceQuote::Columns(columns) => columns.as_slice(),
        ForceQuote::None | ForceQuote::All => &[],
    };
    has_columns(table, name, named.iter().chain(quoted))?;
    may_enter(table)?;
    if matches!(table.kind, Relation::View | Relation::Other) {
        let error = Error::new(
            ErrorKind::Server,
            format!(
                "`{}` is a {}: COPY reads tables",
                name.plain(),
                table.kind.words()
            ),
        );
        return Err(error.hint(format!(
            "write `query: SELECT * FROM {}` in place of `table`",
            name.plain()
        )));
    }
    if table.touched(named).all(|column| column.select) {
        return Ok(());
    }
    Err(no_right("SELECT", name))
}

fn has_columns<'a>(
    table: &Table,
    name: &TableName,
    wanted: impl IntoIterator<Item = &'a Identifier>,
) -> Result<()> {
    let missing = table.lacks(wanted);
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let names: Vec<String> = missing
        .iter()
        .map(|name| format!("`{}`", name.as_str()))
        .collect();
    let error = Error::new(
        ErrorKind::Server,
        format!("`{}` has no column {}", name.plain(), names.join(", ")),
    );
    Err(match table.meant(first) {
        Some(meant) => error.hint(format!("is `{meant}` meant?")),
        None => {
            let known: Vec<&str> = table
                .columns
                .iter()
                .take(20)
                .map(|it| it.name.as_str())
                .collect();
            error.hint(format!("it has {}; upper case counts", known.join(", ")))
        }
    })
}

fn may_enter(table: &Table) -> Result<()> {
    if table.usage {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Server,
        format!("no right to look into the schema `{}`", table.schema),
    )
    .hint(format!(
        "its owner has to `GRANT USAGE ON SCHEMA {} TO ...`",
        quoted(&table.schema)
    )))
}

fn quoted(name: &str) -> String {
    Identifier::new(name).map_or_else(|_| name.into(), |name| name.to_string())
}

fn no_right(right: &str, name: &TableName) -> Error {
    Error::new(
        ErrorKind::Server,
        format!("no {right} on `{}`", name.plain()),
    )
    .hint(format!("its owner has to `GRANT {right} ON {name} TO ...`"))
}

/// Whether the names in a file's header are columns of the table.
pub(crate) fn header_fits(
    load: &CopyFrom,
    source: &Source,
    begin: &Begin,
    table: &Table,
) -> Result<()> {
    let Some(header) = &begin.header else {
        return Ok(());
    };
    match load.header {
        Header::None | Header::Skip => Ok(()),
        // What a field is for is seen when its record is made anew.
        Header::Map | Header::Match if load.shaping.is_some() => Ok(()),
        Header::Map => {
            let mapped = load::mapped(header, source)?;
            has_columns(table, &load.table, &mapped)
                .map_err(|error| error.within(format!("the header of `{source}` does not fit")))?;
            if table.touched(&mapped).all(|column| column.insert) {
                Ok(())
            } else {
                Err(no_right("INSERT", &load.table))
            }
        }
        Header::Match => {
            let all: Vec<Identifier>;
            let expected = match &load.columns {
                Some(named) => named,
                None => {
                    all = table
                        .touched(&[])
                        .filter_map(|column| Identifier::new(column.name.as_str()).ok())
                        .collect();
                    &all
                }
            };
            load::check_header(header, expected, source)
        }
    }
}
