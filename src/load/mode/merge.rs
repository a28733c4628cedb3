//! One merge of the staging table into the target: which statements, under which locks, and what they
//! came to.
//!
//! Where a unique index holds the key, the server itself settles what happens when another transaction
//! writes the same key (INSERT ... ON CONFLICT). Elsewhere other writers are kept out from before the
//! first look at the rows until the transaction ends, with a lock that lets readers go on (SHARE ROW
//! EXCLUSIVE); so also where ON CONFLICT would do something else than change the row: it checks the new
//! row, and runs its triggers, before it knows that there is one. MERGE is not used: it needs the same
//! lock, and tells inserts from updates only with one more join.

use super::staging::{Made, Refused, lacks};
use super::statements::{Part, Statements};
use super::target::{Column, Target, listed};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Change;
use crate::load::sieve::Fault;
use crate::name::{Identifier, TableName};
use crate::progress::Changes;
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};
use crate::wire::session::{Row, Session, rows_of};

/// A merge.
#[derive(Debug, Clone)]
pub(super) struct Merge<'a> {
    pub(super) statements: Statements<'a>,
    target: &'a Target,
    change: Change,
    /// At most one row has each key.
    is_unique: bool,
    way: Way,
    /// Columns that the records have, the key has not, and an update cannot set.
    fixed: Vec<&'a Column>,
}

/// What keeps a merge right while others write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They are kept out.
    Locked {
        /// Had the key a unique index, they need not be.
        needlessly: bool,
    },
    /// The server settles it, in one statement.
    AtOnce {
        /// An upsert returns what it did.
        tells: bool,
    },
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        target: &'a Target,
        staging: &'a TableName,
        made: &'a Made,
        change: Change,
        server: &Server,
    ) -> Self {
        let (columns, key) = (&made.columns, &made.key);
        let others = columns.iter().filter(|name| !key.contains(name));
        let others = others.filter_map(|name| target.column(name));
        let (fixed, mut set): (Vec<&Column>, Vec<&Column>) =
            others.partition(|column| target.distribution.contains(&column.name));
        if change != Change::Upsert {
            set.clear();
        }
        let has_index = target.has_index_on(key);
        let inherits = target.has_children && !target.is_partitioned();
        let settles = server.can(Ability::UpsertOutcome) && has_index && !inherits;
        let changes_only =
            set.is_empty() || !(target.changes_inserts || target.needs_more_than(columns));
        let way = if change == Change::Delete || settles && changes_only {
            Way::AtOnce {
                // The rows of a partition may have another layout, without `xmax`.
                tells: !target.is_partitioned(),
            }
        } else {
            Way::Locked {
                needlessly: server.can(Ability::UpsertOutcome) && !has_index,
            }
        };
        let overrides = |name: &Identifier| {
            target
                .column(name)
                .is_some_and(|column| column.always_identity)
        };
        Self {
            is_unique: target.is_unique(key),
            way,
            fixed,
            statements: Statements {
                target: &target.table,
                staging,
                part: None,
                columns,
                key,
                set,
                overrides: columns.iter().any(overrides),
                compares_images: server.can(Ability::ImageComparison),
            },
            target,
            change,
        }
    }

    /// The same of some of the records.
    pub(super) fn of(&self, part: Part<'a>) -> Self {
        let mut merge = self.clone();
        merge.statements.part = Some(part);
        merge
    }

    /// What a merge of no record comes to.
    pub(super) fn nothing(&self) -> Changes {
        let inserted = (self.change != Change::Delete).then_some(0);
        Changes {
            inserted,
            updated: (self.change == Change::Upsert).then_some(0),
            deleted: (self.change == Change::Delete).then_some(0),
            ..Changes::default()
        }
    }

    fn locks(&self) -> bool {
        matches!(self.way, Way::Locked { .. })
    }

    /// Checks rights and what cannot be.
    ///
    /// # Errors
    /// Says what to grant, or what to change.
    pub(super) fn check(&self) -> Result<()> {
        self.check_rights()?;
        let column = |column: &&&Column| column.always_identity;
        if let Some(identity) = self.statements.set.iter().find(column) {
            return Err(Error::new(
                ErrorKind::Server,
                format!(
                    "`{}` of `{}` is GENERATED ALWAYS AS IDENTITY, which no update can set",
                    identity.name.as_str(),
                    self.target.called
                ),
            )
            .hint("leave it out of the columns, or make it a part of `key`"));
        }
        if self.locks() && self.target.isolation != "read committed" {
            return Err(Error::new(
                ErrorKind::Server,
                format!(
                    "this mode needs the isolation level `read committed` on `{}`, and the session has `{}`",
                    self.target.called, self.target.isolation
                ),
            )
            .hint("a transaction that sees the rows of its beginning only would insert what another has inserted since"));
        }
        Ok(())
    }

    fn check_rights(&self) -> Result<()> {
        let Statements {
            columns, key, set, ..
        } = &self.statements;
        let target = self.target;
        let each = |names: &[Identifier], may: fn(&Column) -> bool| {
            names
                .iter()
                .all(|name| target.column(name).is_some_and(may))
        };
        let inserts = self.change != Change::Delete;
        let set_is_visible = set.iter().all(|column| column.may_select);
        let mut missing = Vec::new();
        if !each(key, |column| column.may_select) || !set_is_visible {
            missing.push("SELECT");
        }
        if inserts && !each(columns, |column| column.may_insert) {
            missing.push("INSERT");
        }
        let cannot_lock = self.locks() && !target.may_lock;
        if cannot_lock || !set.iter().all(|column| column.may_update) {
            missing.push("UPDATE");
        }
        if self.change == Change::Delete && !target.may_delete {
            missing.push("DELETE");
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(", ");
        let hint = format!("`GRANT {missing} ON {} TO {}`", target.table, target.user);
        Err(lacks(target, self.change, &missing).hint(hint))
    }

    /// What the missing of a unique index costs, where it costs something.
    pub(super) fn price(&self) -> Option<String> {
        let key = listed(self.statements.key);
        (self.way == Way::Locked { needlessly: true }).then(|| {
            let all = match self.change {
                Change::Upsert if !self.is_unique => ", and every row that has a record's key is updated",
                _ => "",
            };
            format!(
                "`{}` has no unique index on ({key}), so others cannot write into it while the records are merged{all}",
                self.target.called
            )
        })
    }

    /// What is done, in words.
    pub(super) fn words(&self) -> &'static str {
        let sets = !self.statements.set.is_empty();
        match (self.change, self.locks()) {
            (Change::Delete, _) => "DELETE",
            (Change::Upsert, false) if sets => "INSERT ... ON CONFLICT DO UPDATE",
            (Change::Upsert | Change::InsertNew, false) => "INSERT ... ON CONFLICT DO NOTHING",
            (Change::Upsert, true) if sets => {
                "UPDATE and INSERT, other writers locked out meanwhile"
            }
            (Change::Upsert | Change::InsertNew, true) => {
                "INSERT, other writers locked out meanwhile"
            }
        }
    }

    /// Keeps others out where that is needed, before the first look at the rows.
    pub(super) async fn lock(&self, session: &mut Session) -> Result<(), Refused> {
        if self.locks() {
            session.run(&self.statements.lock()).await?;
        }
        Ok(())
    }

    /// Merges the records, which are so many `rows` of the staging table; each has a key of its own.
    pub(super) async fn run(&self, rows: u64, session: &mut Session) -> Result<Changes, Refused> {
        match self.change {
            Change::Upsert => self.upsert(rows, session).await,
            Change::InsertNew => self.insert_new(rows, session).await,
            Change::Delete => self.delete(rows, session).await,
        }
    }

    async fn upsert(&self, rows: u64, session: &mut Session) -> Result<Changes, Refused> {
        self.check_fixed(session).await?;
        if self.statements.set.is_empty() {
            let changes = self.insert_new(rows, session).await?;
            return Ok(Changes {
                updated: Some(0),
                ..changes
            });
        }
        let (inserted, updated, changed) = match self.way {
            Way::Locked { .. } => {
                // Several rows may have the key of one record.
                let changing = if self.is_unique {
                    None
                } else {
                    Some(number(session, &self.statements.count_changing()).await?)
                };
                let updated = affected(session, &self.statements.update()).await?;
                let inserted = affected(session, &self.statements.insert_missing()).await?;
                (inserted, updated, changing.unwrap_or(updated))
            }
            Way::AtOnce { tells: true } => {
                let rows = session.rows(&self.statements.upsert_and_count()).await?;
                let (written, inserted) = (field(&rows, 0), field(&rows, 1));
                let updated = written.saturating_sub(inserted);
                (inserted, updated, updated)
            }
            Way::AtOnce { tells: false } => {
                let matched = number(session, &self.statements.count_matched()).await?;
                let written = affected(session, &self.statements.upsert_at_once()).await?;
                let inserted = rows.saturating_sub(matched).min(written);
                (inserted, written - inserted, written - inserted)
            }
        };
        Ok(Changes {
            inserted: Some(inserted),
            updated: Some(updated),
            unchanged: rows.saturating_sub(inserted + changed),
            ..Changes::default()
        })
    }

    async fn insert_new(&self, rows: u64, session: &mut Session) -> Result<Changes, Refused> {
        let sql = if self.locks() {
            self.statements.insert_missing()
        } else {
            self.statements.insert_missing_at_once()
        };
        let inserted = affected(session, &sql).await?;
        Ok(Changes {
            inserted: Some(inserted),
            unchanged: rows.saturating_sub(inserted),
            ..Changes::default()
        })
    }

    async fn delete(&self, rows: u64, session: &mut Session) -> Result<Changes, Refused> {
        let matched = if self.is_unique {
            None
        } else {
            Some(number(session, &self.statements.count_matched()).await?)
        };
        let deleted = affected(session, &self.statements.delete()).await?;
        Ok(Changes {
            deleted: Some(deleted),
            unchanged: rows.saturating_sub(matched.unwrap_or(deleted)),
            ..Changes::default()
        })
    }

    /// A record that would move its row to another node is an error: the update would leave it out.
    async fn check_fixed(&self, session: &mut Session) -> Result<(), Refused> {
        if self.fixed.is_empty() {
            return Ok(());
        }
        let moving = session.rows(&self.statements.moving(&self.fixed)).await?;
        let Some(row) = moving.first() else {
            return Ok(());
        };
        let names: Vec<Identifier> = self
            .fixed
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let reason = format!(
            "the record with {} changes {}, by which the server distributes the rows and which it cannot update",
            pairs(self.statements.key, row, 0),
            listed(&names)
        );
        Err(Refused::Record(
            Box::new(Fault::new("0A000", reason)),
            "make these columns a part of `key`, or delete such rows first, with a step of `mode: delete`",
        ))
    }
}

/// Columns and their values from field `first` of a row on: `a = 1, b = 2`.
pub(super) fn pairs(columns: &[Identifier], row: &Row, first: usize) -> String {
    let pairs: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let value = row.text(first + index).unwrap_or_default();
            format!("{} = {value}", name.as_str())
        })
        .collect();
    pairs.join(", ")
}

/// The rows that a statement has written.
async fn affected(session: &mut Session, sql: &str) -> Result<u64, WireError> {
    let tags = session.run(sql).await?;
    Ok(tags.last().map_or(0, |tag| rows_of(tag)))
}

/// The number that a query returns.
pub(super) async fn number(session: &mut Session, sql: &str) -> Result<u64, WireError> {
    Ok(field(&session.rows(sql).await?, 0))
}

fn field(rows: &[Row], index: usize) -> u64 {
    rows.first()
        .and_then(|row| row.text(index)?.parse().ok())
        .unwrap_or(0)
}
