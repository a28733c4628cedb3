//! A double of the target: a temporary table that demands of a record what the target does, and in
//! which it does no harm.
//!
//! It has the target's types, NOT NULL and CHECKs, and takes the files of a step as the target would.
//! Its defaults are those that change nothing by being computed; triggers it has none. What other rows
//! have a say in (unique and foreign keys) is settled at the end, all records at once: [`rivals`].
//! What goes by a key is merged into a double in place of the target: [`merged`].
//! Everything goes with the transaction, which is never committed; where the server can, it is made
//! READ ONLY once the double is there, for which a temporary table is none of its concern.

mod constraints;
mod definition;
mod found;
mod harmless;
mod merged;
mod references;
mod rivals;

use super::renamed;
use crate::error::{Error, Result};
use crate::job::CopyFrom;
use crate::load::catalog::Column;
use crate::load::origin::Numbering;
use crate::name::{Identifier, TableName};
use crate::run::Stage;
use crate::source::Source;
use crate::wire::error::WireError;
use crate::wire::server::Ability;

use definition::Definition;
pub(super) use merged::judge as judge_merge;
pub(crate) use rivals::Judged;

/// Its name. It lives no longer than its step, so that one name is enough.
pub(super) const NAME: &str = "dwsload_double";

/// A double that is there.
#[derive(Debug)]
pub(in crate::load) struct Double {
    definition: Definition,
    table: TableName,
    /// What is in it, in order.
    files: Vec<Source>,
}

impl Double {
    /// Makes it.
    ///
    /// # Errors
    /// The server refuses: a right is missing, say.
    pub(super) async fn make(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Self> {
        let definition = Definition::read(&step.table, stage.session).await?;
        let refused = |error: WireError| refused(error, step);
        let server = stage.session.server();
        let place = std::slice::from_ref(&definition.number);
        let mut statements = definition.statements(place, server);
        if server.can(Ability::UpsertOutcome) {
            statements.extend(definition.accepted());
        }
        for sql in statements {
            stage.session.run(&sql).await.map_err(refused)?;
        }
        let by_sql = step.shaping.as_ref().is_some_and(|it| it.needs_sql());
        // A table of text comes and goes with each file.
        if definition.may_be_guarded && !by_sql {
            stage
                .session
                .run("SET TRANSACTION READ ONLY")
                .await
                .map_err(refused)?;
        }
        Ok(Self {
            table: definition::table()?,
            definition,
            files: Vec::new(),
        })
    }

    /// The table and the column list of a COPY, for a file that names these columns, or none.
    pub(super) fn columns(&self, named: Vec<Identifier>) -> (TableName, Vec<Identifier>) {
        let columns = if named.is_empty() {
            self.definition.filled.clone()
        } else {
            named
        };
        (self.table.clone(), columns)
    }

    /// How the records of the next file are numbered.
    pub(super) fn numbering(&self) -> Numbering {
        Numbering {
            column: self.definition.number.clone(),
            file: self.files.len(),
        }
    }

    /// Takes note of a file that is through.
    pub(super) fn copied(&mut self, source: &Source) {
        self.files.push(source.clone());
    }

    /// Whether NULL is refused in a column of the target, which this one may be: a file that has the
    /// column has to fill it.
    pub(super) fn demands(&self, column: &Column) -> bool {
        column.not_null || self.definition.spared.contains(&column.name)
    }

    /// The error as it is about the target.
    pub(super) fn in_words_of_target(&self, error: WireError) -> WireError {
        renamed(error, &[(NAME, self.definition.target.name().as_str())])
    }
}

fn refused(error: WireError, step: &CopyFrom) -> Error {
    let right = error.server().is_some_and(|said| said.code == "42501");
    let called = step.table.plain();
    let error = renamed(error, &[(NAME, step.table.name().as_str())]);
    let error = Error::from(error).within(format!("cannot make a temporary double of `{called}`"));
    if right {
        error.hint(format!(
            "this needs `GRANT SELECT ON {} TO ...` and TEMP on the database; without `--load`, neither",
            step.table
        ))
    } else {
        error
    }
}
