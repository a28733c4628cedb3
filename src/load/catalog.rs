//! What the server's catalog says of the table that is loaded.

use crate::error::{Error, Result};
use crate::name::{Identifier, TableName, literal};
use crate::wire::session::{Row, Session};

/// A table, as it is found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its columns, in order, those that were dropped left out.
    pub(crate) columns: Vec<Column>,
    /// It is a column store of a Gauss server.
    pub(crate) column_store: bool,
    oid: String,
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: Identifier,
    /// The type's own name, such as `varchar` or `int4`.
    pub(crate) type_name: String,
    /// The type comes with the server: no other has its name and other rules.
    pub(crate) builtin: bool,
    /// `pg_attribute.atttypmod`: 4 more than the length of a `varchar(n)`; -1 for none.
    pub(crate) type_modifier: i32,
    /// It is NOT NULL.
    pub(crate) not_null: bool,
    /// The server computes it; COPY leaves it out.
    pub(crate) generated: bool,
    /// The type that text is cast to before it is assigned to the column; `None` for the types of
    /// text, which an explicit cast would cut to their length.
    pub(crate) cast: Option<String>,
}

impl Table {
    /// A row store of these columns, for tests.
    #[cfg(test)]
    pub(crate) fn example(columns: Vec<Column>) -> Self {
        Self {
            columns,
            column_store: false,
            oid: "16384".into(),
        }
    }

    /// The columns that COPY fills where it is given no list.
    pub(crate) fn filled(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.generated)
    }
}

/// Looks a table up. `None` where there is none, or one without columns.
///
/// The query suits PostgreSQL 9.2 as well as Gauss servers, of which none has `to_regclass()`; and
/// it does not fail where there is no such table, so that a transaction goes on.
///
/// # Errors
/// The server refuses, or the connection fell.
pub(crate) async fn look_up(table: &TableName, session: &mut Session) -> Result<Option<Table>> {
    let sql = query(table, session.standard_conforming_strings());
    let rows = session
        .rows(&sql)
        .await
        .map_err(|error| failed(table, error.into()))?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Table {
        oid: text(first, 0),
        column_store: text(first, 1) == "y",
        columns: rows.iter().filter_map(column).collect(),
    }))
}

/// How many partitions `table` has, as far as a Gauss server shows them; 1 where it has none.
///
/// # Errors
/// The server refuses, or the connection fell.
pub(crate) async fn partitions(table: &Table, session: &mut Session) -> Result<u64> {
    // A query that fails would end the transaction around it, so what may be read comes first.
    let readable = session
        .rows(
            "SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'pg_catalog' AND c.relname = 'pg_partition'",
        )
        .await?;
    if readable.first().is_none_or(|row| text(row, 0) != "t") {
        return Ok(1);
    }
    // Of a partitioned table there is a row for itself, too.
    let rows = session
        .rows(&format!(
            "SELECT count(*) FROM pg_catalog.pg_partition WHERE parttype = 'p' AND parentid = {}",
            table.oid
        ))
        .await?;
    let count = rows.first().and_then(|row| text(row, 0).parse().ok());
    Ok(count.unwrap_or(1).max(1))
}

/// `table` is not there: what the server says of that.
///
/// # Errors
/// Always, unless it has just been made.
pub(crate) async fn refuse(table: &TableName, session: &mut Session) -> Result<()> {
    let name = literal(&table.to_string(), session.standard_conforming_strings());
    let rows = session
        .rows(&format!("SELECT {name}::pg_catalog.regclass"))
        .await;
    rows.map(drop).map_err(|error| failed(table, error.into()))
}

fn failed(table: &TableName, error: Error) -> Error {
    error.within(format!("cannot read the columns of `{}`", table.plain()))
}

/// A row for each column, the table's own facts in each of them.
///
/// `attgenerated` came with PostgreSQL 12, and openGauss has `pg_attrdef.adgencol`. Where one of
/// them is not there, its name means the column of `missing`, which every subquery sees.
fn query(table: &TableName, standard_conforming_strings: bool) -> String {
    let quoted = |name: &Identifier| literal(name.as_str(), standard_conforming_strings);
    let place = match table.schema() {
        Some(schema) => format!("n.nspname = {}", quoted(schema)),
        None => "pg_catalog.pg_table_is_visible(c.oid)".into(),
    };
    format!(
        "SELECT c.oid, CASE WHEN 'orientation=column' = ANY (c.reloptions) THEN 'y' ELSE 'n' END, \
         a.attname, t.typname, a.atttypmod, a.attnotnull, t.typnamespace = 11, \
         CASE WHEN (SELECT attgenerated FROM pg_catalog.pg_attribute g WHERE g.attrelid = a.attrelid AND g.attnum = a.attnum) IN ('s', 'v') \
         OR (SELECT adgencol FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) = 's' THEN 'y' ELSE 'n' END, \
         t.typcategory, (SELECT nspname FROM pg_catalog.pg_namespace tn WHERE tn.oid = t.typnamespace) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         CROSS JOIN (SELECT 'n'::\"char\" AS attgenerated, 'n'::\"char\" AS adgencol) AS missing \
         WHERE c.relname = {} AND {place} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        quoted(table.name())
    )
}

fn column(row: &Row) -> Option<Column> {
    Some(Column {
        name: Identifier::new(text(row, 2)).ok()?,
        type_name: text(row, 3),
        type_modifier: text(row, 4).parse().unwrap_or(-1),
        not_null: text(row, 5) == "t",
        // The OID of pg_catalog (PostgreSQL, pg_namespace.dat; openGauss the same).
        builtin: text(row, 6) == "t",
        generated: text(row, 7) == "y",
        cast: cast(row),
    })
}

/// The name without a modifier, which the assignment applies: a cast to `bit(3)` would cut.
fn cast(row: &Row) -> Option<String> {
    // `S` are the types of text, and domains over them (PostgreSQL, pg_type, "typcategory Codes").
    if text(row, 8) == "S" {
        return None;
    }
    let (schema, name) = (text(row, 9), text(row, 3));
    Some(
        TableName::new(
            Some(Identifier::new(schema).ok()?),
            Identifier::new(name).ok()?,
        )
        .to_string(),
    )
}

fn text(row: &Row, index: usize) -> String {
    row.text(index).unwrap_or_default().into_owned()
}
