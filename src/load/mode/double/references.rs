//! Foreign keys, asked for all records of a double at once.
//!
//! Of a key that leads from the table to itself, one thing is not to be known: whether a record that
//! comes before the one it refers to is sent in one statement with it. That is said.

use super::constraints::Reference;
use super::definition::text;
use super::found::Found;
use super::rivals::Court;
use crate::wire::error::WireError;
use crate::wire::session::Session;

/// How often children are looked at again, since their parents were refused.
const GENERATIONS: usize = 1000;

impl Court<'_> {
    /// Asks the rows that a foreign key refers to, for the records of which `only` holds.
    pub(super) async fn reference(
        &mut self,
        index: usize,
        only: Option<&str>,
        session: &mut Session,
    ) -> Result<(), WireError> {
        let definition = self.definition;
        let reference = &definition.references[index];
        let Some(mut missing) = self.is_missing(reference) else {
            return Ok(());
        };
        if let Some(only) = only {
            missing.push_str(&format!(" AND {only}"));
        }
        let fault = definition.keys.len() + index;
        self.refuse(fault, &missing, session).await?;
        Ok(())
    }

    /// Record `d` refers to a row that is nowhere; `None`, and said, where that cannot be asked.
    fn is_missing(&mut self, reference: &Reference) -> Option<String> {
        let (name, table) = (&reference.name, &reference.table);
        if !reference.may_look {
            self.not_looked_at(format!(
                "foreign key {name} (no SELECT on {})",
                table.plain()
            ));
            return None;
        }
        if let Some(written) = self.earlier.writer_of_rows(table) {
            self.not_looked_at(format!(
                "foreign key {name}, as step {} writes into {}",
                written.step,
                table.plain()
            ));
            return None;
        }
        let mut condition = reference.refers();
        for rows in self.referenced(reference) {
            condition.push_str(&format!(" AND {}", reference.is_missing_in(&rows, "")));
        }
        Some(condition)
    }

    /// Where the rows may be that a foreign key refers to.
    fn referenced(&self, reference: &Reference) -> Vec<String> {
        let mut tables = Vec::new();
        if !reference.is_own || self.keeps_rows {
            tables.push(reference.table.to_string());
        }
        if reference.is_own {
            // A record may be the parent of another.
            tables.push(self.found.table.to_owned());
        }
        tables
    }

    /// Looks at a foreign key that leads from the table to itself once more: a record is no parent if it
    /// is refused itself.
    pub(super) async fn own_reference(
        &mut self,
        index: usize,
        session: &mut Session,
    ) -> Result<(), WireError> {
        let definition = self.definition;
        let reference = &definition.references[index];
        let written = self.earlier.writer_of_rows(&reference.table).is_some();
        if !reference.is_own || !reference.may_look || written {
            return Ok(());
        }
        let Found {
            table,
            number,
            fault,
            ..
        } = self.found;
        let mut condition = reference.refers();
        if self.keeps_rows {
            let missing = reference.is_missing_in(&reference.table.to_string(), "");
            condition.push_str(&format!(" AND {missing}"));
        }
        let missing = reference.is_missing_in(table, &format!(" AND r.{fault} IS NULL"));
        let missing = format!("{condition} AND {missing}");
        for _ in 0..GENERATIONS {
            let kind = definition.keys.len() + index;
            if self.refuse(kind, &missing, session).await? == 0 {
                break;
            }
        }
        let before = format!(" AND r.{fault} IS NULL AND r.{number} <= d.{number}");
        let later = reference.is_missing_in(table, &before);
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {table} AS d WHERE d.{fault} IS NULL AND {condition} AND {later}"
        );
        let rows = session.rows(&sql).await?;
        let count = rows.first().and_then(|row| text(row, 0));
        if let Some(count) = count.filter(|count| count != "0") {
            self.not_looked_at(format!(
                "foreign key {}, records that come before the one they refer to: {count}",
                reference.name
            ));
        }
        Ok(())
    }
}
