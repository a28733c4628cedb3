//! The statements that make a staging table.

use super::super::merge::Merge;
use super::super::statements::Statements;
use super::super::target::Check;
use super::{NAME, Staging};
use crate::name::{Identifier, column_list};
use crate::wire::server::{Ability, Server};

impl Staging {
    /// The statements that make the table.
    ///
    /// It has the types of the target and none of its defaults. What every record must fulfil, whatever
    /// becomes of it, is checked here, where an error names the record: a key without NULL; and if
    /// each record becomes a row as it is, the constraints that look at its columns alone.
    pub(super) fn definition(&self, merge: &Merge<'_>, server: &Server) -> Vec<String> {
        let statements = &merge.statements;
        let number = self.number.as_ref();
        let number = number.map_or(String::new(), |name| format!(", 0::bigint AS {name}"));
        let select = format!(
            "AS SELECT {}{number} FROM {} WITH NO DATA",
            Statements::list(statements.columns, ""),
            self.target.table
        );
        let on_commit = if server.can(Ability::TempOnCommitDrop) {
            " ON COMMIT DROP"
        } else {
            ""
        };
        let place = match server.answer(Ability::DistributeBy).how() {
            Some(_) if self.is_placed_by(statements.columns) => &self.target.distribution,
            _ => statements.key,
        };
        let place = column_list(place);
        let how = server
            .answer(Ability::DistributeBy)
            .how()
            .unwrap_or_default();
        let (before, behind) = if how.starts_with("DISTRIBUTE BY HASH") {
            (format!(" DISTRIBUTE BY HASH {place}"), String::new())
        } else if how.starts_with("DISTRIBUTED BY") {
            (String::new(), format!(" DISTRIBUTED BY {place}"))
        } else {
            (String::new(), String::new())
        };
        let mut sql = vec![format!(
            "CREATE TEMP TABLE {NAME}{on_commit}{before} {select}{behind}"
        )];
        let mut demands: Vec<String> = statements
            .columns
            .iter()
            .filter(|name| self.demands(name))
            .map(|name| format!("ALTER COLUMN {name} SET NOT NULL"))
            .collect();
        let checks = self.target.checks.iter();
        let fit = |check: &&Check| {
            self.becomes_row() && check.validated && check.is_within(statements.columns)
        };
        demands.extend(
            checks
                .filter(fit)
                .map(|check| format!("ADD CONSTRAINT {} {}", check.name, check.definition)),
        );
        sql.push(format!("ALTER TABLE {} {}", self.table, demands.join(", ")));
        sql
    }

    /// Whether the target is spread by columns that are loaded.
    fn is_placed_by(&self, columns: &[Identifier]) -> bool {
        let place = &self.target.distribution;
        !place.is_empty() && place.iter().all(|name| columns.contains(name))
    }
}
