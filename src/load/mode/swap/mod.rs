//! `swap: true`: a new table is filled and takes the place of the old one, so that readers wait for the
//! exchange of names alone.
//!
//! The new table is the old one in every respect that its catalog entries tell, names included; where
//! something hangs on the old table that would not go over exactly, nothing is loaded and the error says
//! what it is. From the beginning the old table is locked against changes of its definition (SHARE
//! UPDATE EXCLUSIVE), which others may read and write all the same; and it is dropped without CASCADE,
//! so that the server has the last word on what hangs on it.

mod definition;
mod obstacles;

use super::renamed;
use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::job::CopyFrom;
use crate::name::{Identifier, TableName};
use crate::run::Stage;
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};

use definition::{Definition, Maker, rights};

/// Obstacles that an error names.
const SHOWN: usize = 10;

/// A new table that is being filled.
#[derive(Debug)]
pub(in crate::load) struct Swap {
    old: TableName,
    oid: String,
    called: String,
    new: TableName,
    definition: Definition,
}

impl Swap {
    /// Makes the new table.
    ///
    /// # Errors
    /// The server, the table, or what hangs on it does not allow a swap.
    pub(super) async fn prepare(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Self> {
        let called = step.table.plain();
        check_server(stage.session.server())?;
        // The lock comes first: what is read of the table then stays so.
        let lock = format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", step.table);
        let locked = stage.session.run(&lock).await;
        locked.map_err(|error| refused(error, &called, &[]))?;
        let target = Self::check(step, stage).await?;
        let name = Identifier::new(format!("dwsload_new_{}", target.oid));
        let name = name.map_err(|what| Error::new(ErrorKind::Server, what))?;
        let new = TableName::new(Some(target.schema.clone()), name);
        let maker = Maker {
            session: &mut *stage.session,
            old: &target.table,
            oid: &target.oid,
            schema: &target.schema,
            new: &new,
        };
        let definition = maker.definition().await?;
        let swap = Self {
            old: target.table,
            oid: target.oid,
            called,
            new,
            definition,
        };
        swap.run(&swap.definition.create, stage).await?;
        Ok(swap)
    }

    /// Whether the table may be swapped; what is known of it then. It may change, unless it is locked.
    ///
    /// # Errors
    /// The server, the table, or what hangs on it does not allow a swap.
    pub(super) async fn check(step: &CopyFrom, stage: &mut Stage<'_>) -> Result<Target> {
        let called = step.table.plain();
        check_server(stage.session.server())?;
        let target = Target::read(&step.table, stage.session).await?;
        check_owner(&target, stage).await?;
        let found = obstacles::obstacles(&target.oid, stage.session).await;
        let found = found.map_err(|error| refused(error, &called, &[]))?;
        if !found.is_empty() {
            return Err(blocked(&called, &found));
        }
        Ok(target)
    }

    /// The table to fill.
    pub(super) fn table(&self) -> TableName {
        self.new.clone()
    }

    /// Puts the new table in the place of the old one.
    ///
    /// # Errors
    /// A record violates what is checked at the end, or something has come to hang on the old table.
    pub(super) async fn finish(&self, stage: &mut Stage<'_>) -> Result<()> {
        let made = &self.definition;
        self.run(&made.complete, stage).await?;
        // Whoever reads it next plans by what is in it.
        let sql = format!("ANALYZE {}", self.new);
        self.run(&[sql], stage).await?;
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.old);
        self.run(&[lock], stage).await?;
        let rights = rights(&self.oid, &self.new, stage.session).await;
        let rights = rights.map_err(|error| self.refused(error))?;
        self.run(&rights, stage).await?;
        self.run(&made.hand_over, stage).await?;
        let dropped = stage.session.run(&format!("DROP TABLE {}", self.old)).await;
        dropped.map_err(|error| {
            let in_the_way = error.server().is_some_and(|said| said.code == "2BP01");
            let error = self.refused(error);
            if in_the_way {
                error.hint("it has come while the files were loaded; `swap: false` leaves the table where it is")
            } else {
                error
            }
        })?;
        self.run(&made.rename, stage).await
    }

    async fn run(&self, statements: &[String], stage: &mut Stage<'_>) -> Result<()> {
        for sql in statements {
            let done = stage.session.run(sql).await;
            done.map_err(|error| self.refused(error))?;
        }
        Ok(())
    }

    /// The error with the names that people know.
    pub(super) fn in_words_of(&self, error: WireError) -> WireError {
        renamed(error, &self.names())
    }

    fn names(&self) -> Vec<(&str, &str)> {
        let names = self.definition.names.iter();
        names
            .map(|(ours, theirs)| (ours.as_str(), theirs.as_str()))
            .collect()
    }

    fn refused(&self, error: WireError) -> Error {
        refused(error, &self.called, &self.names())
    }
}

fn refused(error: WireError, called: &str, names: &[(&str, &str)]) -> Error {
    Error::from(renamed(error, names)).within(format!("cannot swap `{called}`"))
}

fn check_server(server: &Server) -> Result<()> {
    if server.can(Ability::SwapTables) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Server,
        format!("a table cannot be swapped on {server}: what hangs on it is not known well enough"),
    )
    .hint("`swap: false` empties the table and fills it, in one transaction"))
}

/// Only the owner may drop a table, and give its name to another.
async fn check_owner(target: &Target, stage: &mut Stage<'_>) -> Result<()> {
    let sql = format!(
        "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE') \
         FROM pg_catalog.pg_class c WHERE c.oid = {}",
        target.oid
    );
    let rows = stage.session.rows(&sql).await;
    let rows = rows.map_err(|error| refused(error, &target.called, &[]))?;
    let may = |index| {
        rows.first()
            .is_some_and(|row| row.bytes(index) == Some(b"t"))
    };
    let (what, hint) = if !may(0) {
        (
            "does not own it",
            format!(
                "`swap: false` needs no more than `GRANT TRUNCATE ON {} TO {}`",
                target.table, target.user
            ),
        )
    } else if !may(1) {
        (
            "may not create a table in its schema",
            format!(
                "`GRANT CREATE ON SCHEMA {} TO {}`, or `swap: false`",
                target.schema, target.user
            ),
        )
    } else {
        return Ok(());
    };
    let user = target.user.as_str();
    let message = format!("cannot swap `{}`: `{user}` {what}", target.called);
    Err(Error::new(ErrorKind::Server, message).hint(hint))
}

fn blocked(called: &str, found: &[String]) -> Error {
    let mut error = Error::new(
        ErrorKind::Server,
        format!("`{called}` cannot be swapped: what hangs on it would not go over to a new table"),
    );
    for what in found.iter().take(SHOWN) {
        error = error.line("in the way", what.clone());
    }
    if found.len() > SHOWN {
        error = error.line("in the way", format!("{} more", found.len() - SHOWN));
    }
    error.hint("`swap: false` empties the table and fills it, in one transaction, and leaves all this as it is")
}
