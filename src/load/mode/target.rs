//! What the server knows of a table, as far as a mode needs it: asked for before the first byte.

use crate::error::{Error, ErrorKind, Result};
use crate::name::{Identifier, TableName, literal};
use crate::wire::error::WireError;
use crate::wire::server::Ability;
use crate::wire::session::{Row, Session};

/// A table that exists.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalog, independent of the others"
)]
pub(super) struct Target {
    /// Its schema and its name, as the catalog has them.
    pub(super) table: TableName,
    pub(super) schema: Identifier,
    /// Its name for people, as the job has it.
    pub(super) called: String,
    /// Its OID.
    pub(super) oid: String,
    /// `pg_class.relkind`.
    kind: String,
    /// It has rules, which a COPY passes by and other statements do not.
    has_rules: bool,
    /// A trigger may change or drop rows before they are inserted.
    pub(super) changes_inserts: bool,
    /// The same, before they are inserted or updated.
    pub(super) changes_rows: bool,
    /// Tables inherit from it.
    pub(super) has_children: bool,
    /// Whether a row is taken or let go may depend on other rows, beyond unique values: a foreign key
    /// leads from the table to itself, or takes rows along, or triggers look at it.
    pub(super) rows_depend_on_rows: bool,
    /// The loader may take a lock that keeps other writers out.
    pub(super) may_lock: bool,
    /// The loader may delete rows.
    pub(super) may_delete: bool,
    /// The loader may make temporary tables.
    pub(super) may_stage: bool,
    /// The database.
    pub(super) database: Identifier,
    /// The loader.
    pub(super) user: Identifier,
    /// The isolation level of the transaction, such as `read committed`.
    pub(super) isolation: String,
    /// Its columns, in order.
    pub(super) columns: Vec<Column>,
    /// The columns of each unique index that holds for every row, the primary key first.
    pub(super) unique: Vec<Vec<Identifier>>,
    /// The first of them is the primary key.
    has_primary: bool,
    /// Its CHECK constraints.
    pub(super) checks: Vec<Check>,
    /// The columns that decide on the node of a row and cannot be updated.
    pub(super) distribution: Vec<Identifier>,
}

/// A column.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalog, independent of the others"
)]
pub(super) struct Column {
    pub(super) name: Identifier,
    number: String,
    /// The OID of its type.
    pub(super) type_oid: u32,
    pub(super) not_null: bool,
    /// A row that does not name it gets a value.
    has_default: bool,
    /// It is computed, and takes no value.
    generated: bool,
    /// It takes a value only where the statement insists, and no update.
    pub(super) always_identity: bool,
    pub(super) may_select: bool,
    pub(super) may_insert: bool,
    pub(super) may_update: bool,
}

/// A CHECK constraint.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: Identifier,
    /// `CHECK (...)`.
    pub(super) definition: String,
    /// Every row that is there fulfils it.
    pub(super) validated: bool,
    /// The columns that it is about; `None` where it looks at whole rows.
    pub(super) columns: Option<Vec<Identifier>>,
}

impl Target {
    /// Asks the server for `table`.
    ///
    /// # Errors
    /// There is no such table, or it is a view or the like, or has rules.
    pub(super) async fn read(table: &TableName, session: &mut Session) -> Result<Self> {
        let called = table.plain();
        let failed = |error: WireError| unknown(error, table);
        let name = literal(&table.to_string(), session.standard_conforming_strings());
        let rows = session.rows(&relation(&name)).await.map_err(failed)?;
        let missing = || Error::new(ErrorKind::Server, format!("there is no table `{called}`"));
        let mut target = Self::of(rows.first().ok_or_else(missing)?, called.clone())?;
        target.check_kind()?;
        let generated = session.server().answer(Ability::GeneratedColumns).how();
        let identity = session.server().can(Ability::IdentityColumns);
        let sql = columns(&target.oid, generated, identity);
        target.columns = session
            .rows(&sql)
            .await
            .map_err(failed)?
            .iter()
            .filter_map(Column::of)
            .collect();
        let sql = indexes(&target.oid, session.server().can(Ability::IncludeColumns));
        let rows = session.rows(&sql).await.map_err(failed)?;
        target.take_indexes(&rows);
        let rows = session.rows(&checks(&target.oid)).await.map_err(failed)?;
        target.checks = rows
            .iter()
            .filter_map(|row| target.constraint(row))
            .collect();
        if !session.server().can(Ability::DistributionUpdate) {
            let rows = session.rows(&distribution(&target.oid)).await;
            target.distribution = names(&rows.map_err(failed)?, 0);
        }
        Ok(target)
    }

    fn of(row: &Row, called: String) -> Result<Self> {
        let text = |index| row.text(index).unwrap_or_default().into_owned();
        let name = |index| {
            Identifier::new(text(index))
                .map_err(|what| Error::new(ErrorKind::Server, format!("the catalog: {what}")))
        };
        let yes = |index| flag(row, index);
        Ok(Self {
            oid: text(0),
            kind: text(1),
            table: TableName::new(Some(name(2)?), name(3)?),
            schema: name(2)?,
            called,
            has_rules: yes(4),
            changes_inserts: yes(5),
            changes_rows: yes(6),
            has_children: yes(7),
            may_lock: yes(8),
            may_delete: yes(9),
            may_stage: yes(10),
            database: name(11)?,
            user: name(12)?,
            isolation: text(13),
            rows_depend_on_rows: yes(14) || yes(7),
            columns: Vec::new(),
            unique: Vec::new(),
            has_primary: false,
            checks: Vec::new(),
            distribution: Vec::new(),
        })
    }

    fn check_kind(&self) -> Result<()> {
        let what = match self.kind.as_str() {
            "r" | "p" => {
                if !self.has_rules {
                    return Ok(());
                }
                return Err(Error::new(
                    ErrorKind::Server,
                    format!("`{}` has rules, which would change what this mode does", self.called),
                )
                .hint("`mode: append` passes rules by, as COPY does; or drop them, or make triggers of them"));
            }
            "v" => "a view",
            "m" => "a materialized view",
            "f" => "a foreign table",
            "S" => "a sequence",
            _ => "no table",
        };
        Err(Error::new(
            ErrorKind::Server,
            format!("`{}` is {what}, and this mode needs a table", self.called),
        ))
    }

    fn take_indexes(&mut self, rows: &[Row]) {
        self.has_primary = rows.first().is_some_and(|row| flag(row, 1));
        for index in rows.chunk_by(|a, b| a.bytes(0) == b.bytes(0)) {
            self.unique.push(names(index, 2));
        }
    }

    fn constraint(&self, row: &Row) -> Option<Check> {
        let numbers = row.text(3).unwrap_or_default().into_owned();
        let columns = numbers
            .split_whitespace()
            .map(|number| {
                let column = self.columns.iter().find(|column| column.number == number);
                column.map(|column| column.name.clone())
            })
            .collect();
        Some(Check {
            name: Identifier::new(row.text(0)?).ok()?,
            definition: row.text(1)?.into_owned(),
            validated: flag(row, 2),
            columns,
        })
    }

    /// Whether its rows are kept in partitions.
    pub(super) fn is_partitioned(&self) -> bool {
        self.kind == "p"
    }

    /// The column of this name.
    pub(super) fn column(&self, name: &Identifier) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The primary key.
    pub(super) fn primary(&self) -> Option<&[Identifier]> {
        self.unique
            .first()
            .filter(|_| self.has_primary)
            .map(Vec::as_slice)
    }

    /// The columns that COPY fills where it is given no list.
    pub(super) fn all(&self) -> Vec<Identifier> {
        let taken = self.columns.iter().filter(|column| !column.generated);
        taken.map(|column| column.name.clone()).collect()
    }

    /// `name`, or one like it that no column has.
    ///
    /// # Errors
    /// `name` is none.
    pub(super) fn free_name(&self, name: &str) -> Result<Identifier> {
        let mut name = name.to_owned();
        while self.columns.iter().any(|one| one.name.as_str() == name) {
            name.push('_');
        }
        Identifier::new(name).map_err(|what| Error::new(ErrorKind::Server, what))
    }

    /// Checks that each of `columns` is there and takes values.
    ///
    /// # Errors
    /// Names the first that does not; `whose` says who names it.
    pub(super) fn check_columns(&self, columns: &[Identifier], whose: &str) -> Result<()> {
        for name in columns {
            let shown = name.as_str();
            let what = match self.column(name) {
                Some(column) if column.generated => "computes by itself",
                Some(_) => continue,
                None => "does not have",
            };
            return Err(Error::new(
                ErrorKind::Server,
                format!(
                    "{whose} names a column `{shown}`, which `{}` {what}",
                    self.called
                ),
            )
            .hint(format!("it has: {}", listed(&self.all()))));
        }
        Ok(())
    }

    /// Whether at most one row has each value of `key`.
    pub(super) fn is_unique(&self, key: &[Identifier]) -> bool {
        self.unique
            .iter()
            .any(|index| index.iter().all(|column| key.contains(column)))
    }

    /// Whether an index is unique on `key`, no column more and none less.
    pub(super) fn has_index_on(&self, key: &[Identifier]) -> bool {
        self.unique.iter().any(|index| {
            index.len() == key.len() && index.iter().all(|column| key.contains(column))
        })
    }

    /// Whether a row of `columns` alone may be refused as a new row, and be fine as a change of a row
    /// that is there: a column that is left out has no default and takes no NULL, or a CHECK looks at
    /// it.
    pub(super) fn needs_more_than(&self, columns: &[Identifier]) -> bool {
        let left_out = |column: &Column| !columns.contains(&column.name);
        let missing = |column: &Column| column.not_null && !column.has_default && !column.generated;
        let checked = |check: &Check| !check.is_within(columns);
        self.columns
            .iter()
            .any(|column| left_out(column) && missing(column))
            || self.checks.iter().any(checked)
    }
}

impl Check {
    /// Whether it looks at no other column.
    pub(super) fn is_within(&self, columns: &[Identifier]) -> bool {
        let own = self.columns.as_ref();
        own.is_some_and(|own| own.iter().all(|column| columns.contains(column)))
    }
}

impl Column {
    fn of(row: &Row) -> Option<Self> {
        Some(Self {
            number: row.text(0)?.into_owned(),
            name: Identifier::new(row.text(1)?).ok()?,
            type_oid: row.text(2)?.parse().ok()?,
            not_null: flag(row, 3),
            has_default: flag(row, 4),
            generated: flag(row, 5),
            always_identity: flag(row, 6),
            may_select: flag(row, 7),
            may_insert: flag(row, 8),
            may_update: flag(row, 9),
        })
    }
}

/// Names for people: `a, b`.
pub(super) fn listed(names: &[Identifier]) -> String {
    let names: Vec<&str> = names.iter().map(Identifier::as_str).collect();
    names.join(", ")
}

fn flag(row: &Row, index: usize) -> bool {
    row.bytes(index) == Some(b"t")
}

fn names(rows: &[Row], index: usize) -> Vec<Identifier> {
    rows.iter()
        .filter_map(|row| Identifier::new(row.text(index)?).ok())
        .collect()
}

/// The server does not show the table.
fn unknown(error: WireError, table: &TableName) -> Error {
    let hint = match error.server().map(|said| said.code.as_str()) {
        Some("42P01" | "3F000") => Some(format!(
            "the job names the table {table}; a name with a dot in it is written `\"a.b\"`, and upper case counts"
        )),
        Some("42501") => Some("loading needs USAGE on the table's schema".to_owned()),
        _ => None,
    };
    let error = Error::from(error).within(format!("cannot load into `{}`", table.plain()));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Bits of `pg_trigger.tgtype`: 1 for each row, 2 before, 4 INSERT, 16 UPDATE (`pg_trigger.h`).
fn relation(name: &str) -> String {
    format!(
        "SELECT c.oid, c.relkind, n.nspname, c.relname, \
         EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_enabled <> 'D'), \
         EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgenabled <> 'D' AND g.tgtype & 7 = 7), \
         EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgenabled <> 'D' AND g.tgtype & 3 = 3 AND g.tgtype & 20 <> 0), \
         EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid), \
         pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'), pg_catalog.has_table_privilege(c.oid, 'DELETE'), \
         pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP'), \
         pg_catalog.current_database(), current_user, pg_catalog.current_setting('transaction_isolation'), \
         EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgenabled <> 'D' AND NOT g.tgisinternal) OR \
         EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.confrelid = c.oid \
         AND (k.conrelid = c.oid OR k.confdeltype NOT IN ('a', 'r'))) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = {name}::pg_catalog.regclass"
    )
}

fn columns(oid: &str, generated: Option<&str>, identity: bool) -> String {
    let generated = match generated {
        Some("pg_attribute.attgenerated") => "a.attgenerated <> ''",
        // Not every version has the column; a row read as json works without it.
        Some("pg_attrdef.adgencol") => {
            "coalesce(pg_catalog.row_to_json(d)::text LIKE '%\"adgencol\":\"s\"%', false)"
        }
        _ => "false",
    };
    let (has_identity, always) = if identity {
        ("a.attidentity <> ''", "a.attidentity = 'a'")
    } else {
        ("false", "false")
    };
    let may =
        |right: &str| format!("pg_catalog.has_column_privilege(a.attrelid, a.attnum, '{right}')");
    format!(
        "SELECT a.attnum, a.attname, a.atttypid, a.attnotnull, \
         a.atthasdef OR {has_identity} OR EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid AND t.typdefault IS NOT NULL), \
         {generated}, {always}, {}, {}, {} \
         FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        may("SELECT"),
        may("INSERT"),
        may("UPDATE")
    )
}

/// Unique indexes that are checked at once and hold for all rows.
fn indexes(oid: &str, has_include: bool) -> String {
    let keys = if has_include {
        "indnkeyatts"
    } else {
        "indnatts"
    };
    format!(
        "SELECT i.indexrelid, i.indisprimary, a.attname FROM \
         (SELECT indexrelid, indrelid, indisprimary, indkey, {keys} AS keys, pg_catalog.generate_subscripts(indkey, 1) AS n \
         FROM pg_catalog.pg_index WHERE indrelid = {oid} AND indisunique AND NOT indisexclusion AND indimmediate AND indisvalid \
         AND indpred IS NULL AND indexprs IS NULL) i \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.n] \
         WHERE i.n < i.keys ORDER BY i.indisprimary DESC, i.indexrelid, i.n"
    )
}

fn checks(oid: &str) -> String {
    format!(
        "SELECT conname, pg_catalog.pg_get_constraintdef(oid), convalidated, pg_catalog.array_to_string(conkey, ' ') \
         FROM pg_catalog.pg_constraint WHERE conrelid = {oid} AND contype = 'c' ORDER BY conname"
    )
}

/// The catalog of DWS and its relatives (DWS manual, `PGXC_CLASS`).
fn distribution(oid: &str) -> String {
    format!(
        "SELECT a.attname FROM pg_catalog.pgxc_class x JOIN pg_catalog.pg_attribute a \
         ON a.attrelid = x.pcrelid AND a.attnum = ANY (x.pcattnum) WHERE x.pcrelid = {oid} ORDER BY a.attnum"
    )
}
