//! A table of a job as the catalog has it: kind, columns, what the user may do with it.
//!
//! The queries are for PostgreSQL 9.2 and later and every Gauss server, and lock nothing.

use super::server::Patient;
use crate::error::{Error, ErrorKind, Result};
use crate::job::nearest;
use crate::name::{Identifier, TableName, literal};
use crate::wire::server::Version;
use crate::wire::session::Row;

/// Relations that are looked at for a name that was meant.
const LOOKED_AT: usize = 5000;

/// A relation.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its schema.
    pub(super) schema: String,
    /// What it is.
    pub(super) kind: Relation,
    /// The user may look into the schema.
    pub(super) usage: bool,
    /// It has triggers, or had some.
    pub(super) triggers: bool,
    /// Its columns, in their order.
    pub(super) columns: Vec<Column>,
}

/// A column, and what the user may do with it: by a grant of its own or one of the whole table.
#[derive(Debug)]
pub(crate) struct Column {
    pub(super) name: String,
    pub(super) insert: bool,
    pub(super) select: bool,
    /// The server works it out; a COPY that names no columns leaves it out.
    pub(super) generated: bool,
}

/// Kinds of relation that COPY treats in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Table,
    Partitioned,
    View,
    MaterializedView,
    Foreign,
    Other,
}

impl Relation {
    /// By `pg_class.relkind`.
    fn read(letter: &str) -> Self {
        match letter {
            "r" => Self::Table,
            "p" => Self::Partitioned,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "f" => Self::Foreign,
            _ => Self::Other,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Partitioned => "partitioned table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Foreign => "foreign table",
            Self::Other => "relation that is no table",
        }
    }
}

impl Table {
    /// The relation that the server means by `name`; `None` where there is none.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn find(name: &TableName, patient: &mut Patient<'_>) -> Result<Option<Self>> {
        let scs = patient.session.standard_conforming_strings();
        let of_schema = match name.schema() {
            Some(schema) => format!("n.nspname = {}", literal(schema.as_str(), scs)),
            None => "pg_catalog.pg_table_is_visible(c.oid)".into(),
        };
        let sql = format!(
            "SELECT c.oid, n.nspname, c.relkind, pg_catalog.has_schema_privilege(n.oid, 'USAGE'), c.relhastriggers \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relname = {} AND {of_schema}",
            literal(name.name().as_str(), scs)
        );
        let rows = patient.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let oid: u32 = text(row, 0).parse().map_err(|_| {
            Error::new(
                ErrorKind::Server,
                "the catalog has a table without a number",
            )
        })?;
        Ok(Some(Self {
            schema: text(row, 1),
            kind: Relation::read(&text(row, 2)),
            usage: is_true(row, 3),
            triggers: is_true(row, 4),
            columns: Column::all(oid, patient).await?,
        }))
    }

    /// Those of `wanted` that are no columns of it, in their order.
    pub(super) fn lacks<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a Identifier>,
    ) -> Vec<&'a Identifier> {
        let known = |name: &&Identifier| self.columns.iter().any(|it| it.name == name.as_str());
        wanted.into_iter().filter(|name| !known(name)).collect()
    }

    /// The columns that a COPY with the list `named` touches: these, or all.
    pub(super) fn touched<'a>(
        &'a self,
        named: &'a [Identifier],
    ) -> impl Iterator<Item = &'a Column> {
        self.columns.iter().filter(move |column| {
            named.is_empty() && !column.generated
                || named.iter().any(|name| name.as_str() == column.name)
        })
    }

    /// The column that was probably meant by `name`.
    pub(super) fn meant(&self, name: &Identifier) -> Option<&str> {
        similar(
            name.as_str(),
            self.columns.iter().map(|it| it.name.as_str()),
        )
    }
}

impl Column {
    async fn all(oid: u32, patient: &mut Patient<'_>) -> Result<Vec<Self>> {
        // Generated columns came with PostgreSQL 12.
        let base = patient.session.server().base;
        let generated = if base.is_some_and(|base| base >= Version::new(12, 0, 0)) {
            "attgenerated <> ''"
        } else {
            "false"
        };
        let sql = format!(
            "SELECT attname, \
             pg_catalog.has_column_privilege(attrelid, attnum, 'INSERT'), \
             pg_catalog.has_column_privilege(attrelid, attnum, 'SELECT'), \
             {generated} \
             FROM pg_catalog.pg_attribute \
             WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        );
        let rows = patient.rows(&sql).await?;
        Ok(rows
            .iter()
            .map(|row| Self {
                name: text(row, 0),
                insert: is_true(row, 1),
                select: is_true(row, 2),
                generated: is_true(row, 3),
            })
            .collect())
    }
}

/// The error of a table that is not there, with the name that was probably meant.
///
/// # Errors
/// The server does not answer.
pub(crate) async fn absent(name: &TableName, patient: &mut Patient<'_>) -> Result<Error> {
    let error = Error::new(
        ErrorKind::Server,
        format!("there is no table `{}`", name.plain()),
    );
    let rows = patient
        .rows(&format!(
            "SELECT n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid) \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
             AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'cstore') \
             ORDER BY n.nspname = {} DESC, pg_catalog.pg_table_is_visible(c.oid) DESC, 1, 2 LIMIT {LOOKED_AT}",
            literal(
                name.schema().map_or("public", Identifier::as_str),
                patient.session.standard_conforming_strings()
            )
        ))
        .await?;
    let known: Vec<Known> = rows.iter().map(Known::read).collect();
    Ok(match meant(name, &known) {
        Some(known) => error.hint(format!("is `{}` meant?", known.written(name))),
        None => error.hint(
            "create it, or name its schema (`sales.orders`, or `session: {search_path: sales}`); upper case counts",
        ),
    })
}

/// A relation that could have been meant.
#[derive(Debug)]
struct Known {
    schema: String,
    name: String,
    visible: bool,
}

impl Known {
    fn read(row: &Row) -> Self {
        Self {
            schema: text(row, 0),
            name: text(row, 1),
            visible: is_true(row, 2),
        }
    }

    /// As a job writes it.
    fn written(&self, wanted: &TableName) -> String {
        let dotted = |name: &str| {
            if name.contains(['.', '"']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.to_owned()
            }
        };
        if self.visible && wanted.schema().is_none() {
            return dotted(&self.name);
        }
        format!("{}.{}", dotted(&self.schema), dotted(&self.name))
    }
}

/// The relation that was probably meant: of this name elsewhere, or of one like it.
fn meant<'a>(wanted: &TableName, known: &'a [Known]) -> Option<&'a Known> {
    let name = wanted.name().as_str();
    let whole = wanted.plain();
    let same = |known: &&Known| known.name == name;
    // `a.b` in quotes is one name; who writes it may mean table b of schema a.
    let as_two = |known: &&Known| format!("{}.{}", known.schema, known.name) == whole;
    let like = || {
        let similar = similar(name, known.iter().map(|known| known.name.as_str()))?;
        known.iter().find(|known| known.name == similar)
    };
    known
        .iter()
        .find(same)
        .or_else(|| known.iter().find(as_two))
        .or_else(like)
}

/// The one of `known` that is `word` but for a slip or upper case.
fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let pairs: Vec<(String, &str)> = known.map(|name| (name.to_lowercase(), name)).collect();
    let found = nearest(word, pairs.iter().map(|(lower, _)| lower.as_str()))?;
    let (_, name) = pairs.iter().find(|(lower, _)| lower == found)?;
    Some(name)
}

fn text(row: &Row, field: usize) -> String {
    row.text(field).unwrap_or_default().into_owned()
}

fn is_true(row: &Row, field: usize) -> bool {
    row.bytes(field) == Some(b"t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_there_reminds_of_one_that_is() {
        let known = |schema: &str, name: &str, visible| Known {
            schema: schema.into(),
            name: name.into(),
            visible,
        };
        let all = [
            known("sales", "Orders", false),
            known("public", "customers", true),
            known("archive", "visits", false),
            known("public", "odd.name", true),
        ];
        for (wanted, expected) in [
            ("orders", Some("sales.Orders")),
            ("sales.orders", Some("sales.Orders")),
            ("custmers", Some("customers")),
            ("sales.customers", Some("public.customers")),
            ("visits", Some("archive.visits")),
            ("\"archive.visits\"", Some("archive.visits")),
            ("odd.nam", None),
            ("\"odd.nam\"", Some("\"odd.name\"")),
            ("nothing_like_it", None),
        ] {
            let wanted = TableName::parse(wanted).unwrap();
            let found = meant(&wanted, &all).map(|known| known.written(&wanted));
            assert_eq!(found.as_deref(), expected, "{wanted}");
        }
    }
}
