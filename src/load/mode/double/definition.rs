//! What makes a double like its target, read from the catalog.

use super::NAME;
use super::constraints::{Key, Reference};
use super::harmless::is_harmless;
use crate::error::{Error, ErrorKind, Result};
use crate::load::catalog;
use crate::load::mode::target::listed;
use crate::name::{Identifier, TableName, column_list, literal};
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Kind, Server};
use crate::wire::session::{Row, Session};

/// The target, as far as a double is like it.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) target: TableName,
    /// All of its columns.
    pub(super) columns: Vec<Identifier>,
    /// Those that COPY fills.
    pub(super) filled: Vec<Identifier>,
    /// The column of the records' numbers.
    pub(super) number: Identifier,
    /// The column of what they are found to violate.
    pub(super) fault: Identifier,
    /// Columns that are NOT NULL in the target and not here: what fills them there does not here.
    pub(super) spared: Vec<Identifier>,
    /// Defaults that are computed here as there.
    defaults: Vec<(Identifier, String)>,
    /// Columns whose defaults are not computed.
    left_out: Vec<Identifier>,
    /// Columns that the server computes, where they are not computed here.
    uncomputed: Vec<Identifier>,
    /// Triggers that would fire.
    triggers: Vec<String>,
    /// A condition of the rows that a partition takes.
    pub(super) partitions: Option<String>,
    /// It has partitions, of which nothing is known.
    is_unrouted: bool,
    /// Constraints, indexes and triggers that partitions have of their own.
    of_partitions: Vec<String>,
    pub(super) keys: Vec<Key>,
    pub(super) references: Vec<Reference>,
    /// Foreign keys of tables that refer to this one, and keep its rows from being deleted.
    pub(super) pointing: Vec<Reference>,
    /// Temporary tables can be written in a READ ONLY transaction.
    pub(super) may_be_guarded: bool,
    /// Columns that the server computes are computed here.
    computes: bool,
}

/// The name of a double.
pub(super) fn table() -> Result<TableName> {
    let name = Identifier::new(NAME);
    let name = name.map_err(|what| Error::new(ErrorKind::Server, what))?;
    Ok(TableName::new(None, name))
}

impl Definition {
    /// Of `target`.
    pub(super) async fn read(target: &TableName, session: &mut Session) -> Result<Self> {
        let Some(found) = catalog::look_up(target, session).await? else {
            catalog::refuse(target, session).await?;
            return Err(Error::new(
                ErrorKind::Server,
                format!("the columns of `{}` are not to be seen", target.plain()),
            ));
        };
        let mut definition = Self::of(target, &found, session.server())?;
        let failed = |error: WireError| {
            Error::from(error).within(format!(
                "cannot read the definition of `{}`",
                target.plain()
            ))
        };
        let name = literal(&target.to_string(), session.standard_conforming_strings());
        let name = format!("{name}::pg_catalog.regclass");
        let identity = session.server().can(Ability::IdentityColumns);
        let include = session.server().can(Ability::IncludeColumns);
        let rows = session.rows(&defaults(&name, identity)).await;
        for (row, column) in rows.map_err(failed)?.iter().zip(&found.columns) {
            definition.column(row, column);
        }
        let rows = session.rows(&triggers(&name)).await.map_err(failed)?;
        definition.take_triggers(&rows, &found);
        let rows = session.rows(&Key::query(&name, include)).await;
        let rows = rows.map_err(failed)?;
        let looks = session.rows(&Key::query_looks(&name)).await;
        definition.keys = Key::read(&rows, &looks.map_err(failed)?);
        let rows = session.rows(&Reference::query(&name)).await;
        definition.references = Reference::read(&rows.map_err(failed)?);
        let rows = session.rows(&Reference::query_pointing(&name)).await;
        definition.pointing = Reference::read(&rows.map_err(failed)?);
        if definition.partitions.is_some() {
            let rows = session.rows(&partitions(&name)).await.map_err(failed)?;
            definition.partitions = Some(taken_by(&rows));
            let rows = session.rows(&of_partitions(&name)).await.map_err(failed)?;
            definition.of_partitions = rows.iter().filter_map(|row| text(row, 0)).collect();
        } else if session.server().kind.is_gauss() {
            definition.is_unrouted = catalog::partitions(&found, session).await? > 1;
        }
        Ok(definition)
    }

    fn of(target: &TableName, found: &catalog::Table, server: &Server) -> Result<Self> {
        let free = |name: &str| {
            let mut name = name.to_owned();
            while found.columns.iter().any(|one| one.name.as_str() == name) {
                name.push('_');
            }
            Identifier::new(name).map_err(|what| Error::new(ErrorKind::Server, what))
        };
        let name = |column: &catalog::Column| column.name.clone();
        let how = server.answer(Ability::GeneratedColumns).how();
        Ok(Self {
            target: target.clone(),
            columns: found.columns.iter().map(name).collect(),
            filled: found.filled().map(name).collect(),
            number: free("dwsload_record")?,
            fault: free("dwsload_fault")?,
            spared: Vec::new(),
            defaults: Vec::new(),
            left_out: Vec::new(),
            uncomputed: Vec::new(),
            triggers: Vec::new(),
            partitions: None,
            is_unrouted: false,
            of_partitions: Vec::new(),
            keys: Vec::new(),
            references: Vec::new(),
            pointing: Vec::new(),
            may_be_guarded: server.kind == Kind::PostgreSql,
            computes: how == Some("pg_attribute.attgenerated"),
        })
    }

    /// Takes a column: its default, or that of its type.
    fn column(&mut self, row: &Row, column: &catalog::Column) {
        let name = &column.name;
        if column.generated {
            if !self.computes {
                self.uncomputed.push(name.clone());
                self.spare(column);
            }
            return;
        }
        let identity = row.bytes(2) == Some(b"t");
        match text(row, 0).or(text(row, 1)) {
            Some(default) if is_harmless(&default) => self.defaults.push((name.clone(), default)),
            None if !identity => {}
            _ => {
                // The default of a domain would be taken if there were none.
                self.defaults.push((name.clone(), "NULL".into()));
                self.left_out.push(name.clone());
                self.spare(column);
            }
        }
    }

    fn spare(&mut self, column: &catalog::Column) {
        if column.not_null && !self.spared.contains(&column.name) {
            self.spared.push(column.name.clone());
        }
    }

    fn take_triggers(&mut self, rows: &[Row], found: &catalog::Table) {
        for row in rows {
            match text(row, 0) {
                Some(name) => self.triggers.push(name),
                None => self.partitions = Some("true".into()),
            }
        }
        if rows.iter().any(|row| row.bytes(1) == Some(b"t")) {
            // They may put a value where there is none.
            for column in &found.columns {
                self.spare(column);
            }
        }
    }

    /// The statements that make the double, whose rows are spread by these columns where there are nodes.
    pub(super) fn statements(&self, place: &[Identifier], server: &Server) -> Vec<String> {
        let generated = if self.computes {
            " INCLUDING GENERATED"
        } else {
            ""
        };
        let how = server.answer(Ability::DistributeBy).how();
        let how = how.unwrap_or_default();
        let place = if how.starts_with("DISTRIBUTE BY HASH") {
            format!(" DISTRIBUTE BY HASH {}", column_list(place))
        } else if how.starts_with("DISTRIBUTED BY") {
            format!(" DISTRIBUTED BY {}", column_list(place))
        } else {
            String::new()
        };
        let mut statements = vec![format!(
            "CREATE TEMP TABLE {NAME} (LIKE {} INCLUDING CONSTRAINTS{generated}, {} bigint, {} integer){place}",
            self.target, self.number, self.fault
        )];
        let defaults = self.defaults.iter();
        let defaults = defaults.map(|(name, sql)| format!("ALTER COLUMN {name} SET DEFAULT {sql}"));
        let spared = self.spared.iter();
        let spared = spared.map(|name| format!("ALTER COLUMN {name} DROP NOT NULL"));
        let changes: Vec<String> = defaults.chain(spared).collect();
        if !changes.is_empty() {
            statements.push(format!("ALTER TABLE {NAME} {}", changes.join(", ")));
        }
        statements
    }

    /// What of the target has no say in the double, in words.
    pub(super) fn unchecked(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut add = |what: &str, names: &str| {
            if !names.is_empty() {
                parts.push(format!("{what} {names}"));
            }
        };
        add("trigger", &self.triggers.join(", "));
        add("the default of", &listed(&self.left_out));
        add("the computed", &listed(&self.uncomputed));
        add(
            "what partitions have of their own:",
            &self.of_partitions.join(", "),
        );
        if self.is_unrouted {
            parts.push("whether a partition takes each row".into());
        }
        parts
    }
}

fn defaults(name: &str, identity: bool) -> String {
    let identity = if identity {
        "a.attidentity <> ''"
    } else {
        "false"
    };
    format!(
        "SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid), y.typdefault, {identity} \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = {name} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
}

/// Triggers that a new row fires, and whether they come before it: bits of `pg_trigger.tgtype`, 2
/// before, 1 for each row, 4 INSERT (`pg_trigger.h`). A row without a name says that the table has
/// partitions.
fn triggers(name: &str) -> String {
    format!(
        "SELECT tgname, tgtype & 7 = 7 FROM pg_catalog.pg_trigger \
         WHERE tgrelid = {name} AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 = 4 \
         UNION ALL SELECT NULL, false FROM pg_catalog.pg_class WHERE oid = {name} AND relkind = 'p' ORDER BY 1"
    )
}

/// A table and all of its partitions, those of partitions too, as `tree`.
fn tree(name: &str) -> String {
    format!(
        "WITH RECURSIVE tree(oid) AS (SELECT {name}::oid UNION ALL \
         SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid)"
    )
}

/// The conditions of the partitions that hold rows.
fn partitions(name: &str) -> String {
    format!(
        "{} SELECT pg_catalog.pg_get_partition_constraintdef(c.oid) FROM tree \
         JOIN pg_catalog.pg_class c ON c.oid = tree.oid WHERE c.relkind <> 'p' ORDER BY c.oid",
        tree(name)
    )
}

/// What the partitions demand that the table does not.
fn of_partitions(name: &str) -> String {
    format!(
        "{} SELECT k.conname FROM tree JOIN pg_catalog.pg_constraint k ON k.conrelid = tree.oid \
         WHERE tree.oid <> {name} AND k.contype IN ('c', 'p', 'u', 'x', 'f') AND k.coninhcount = 0 \
         UNION SELECT x.relname FROM tree JOIN pg_catalog.pg_index i ON i.indrelid = tree.oid \
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE tree.oid <> {name} AND i.indisunique \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid) \
         UNION SELECT g.tgname FROM tree JOIN pg_catalog.pg_trigger g ON g.tgrelid = tree.oid \
         WHERE tree.oid <> {name} AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 4 = 4 \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger f WHERE f.tgrelid = {name} AND f.tgname = g.tgname) ORDER BY 1",
        tree(name)
    )
}

/// The condition of the rows that one of these partitions takes. One without a condition takes all.
fn taken_by(rows: &[Row]) -> String {
    let conditions = rows.iter().map(|row| text(row, 0));
    let conditions: Vec<String> = conditions
        .map(|one| format!("({})", one.unwrap_or_else(|| "true".into())))
        .collect();
    if conditions.is_empty() {
        "false".into()
    } else {
        format!("({})", conditions.join(" OR "))
    }
}

/// A field of a row.
pub(super) fn text(row: &Row, index: usize) -> Option<String> {
    row.text(index).map(std::borrow::Cow::into_owned)
}
