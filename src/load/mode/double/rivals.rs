//! What other rows have to say of the records in a double: those of the target, those of tables that it
//! refers to, and those of other records.
//!
//! A load asks them record by record, in order, and what it has rejected is no rival of what comes
//! later. Here they are asked for all records at once: first the rows that are there; then, of what is
//! left, each record is taken in its order unless one that was taken before has its key. That gives
//! the same records, and the same reasons.

use super::constraints::Key;
use super::definition::{Definition, text};
use super::found::Found;
use super::{Double, NAME};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Earlier, Mode};
use crate::load::sieve::Fault;
use crate::name::Identifier;
use crate::record::dialect::Format;
use crate::run::Stage;
use crate::wire::error::WireError;
use crate::wire::server::Ability;
use crate::wire::session::{Session, rows_of};

/// The table of records that are taken, where the server passes over those that are not.
const ACCEPTED: &str = "dwsload_accepted";
/// How often records are looked at again, since others were refused.
const GENERATIONS: usize = 1000;
/// In place of a fault: the record is taken.
const TAKEN: i32 = -1;

/// What came of the records of a rehearsal.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Records of each file that are refused for other rows.
    pub(crate) refused: Vec<u64>,
    /// What was not looked at, in words.
    pub(crate) unchecked: Vec<String>,
    /// What a load stumbles over at its end.
    pub(crate) errors: Vec<Error>,
}

impl Definition {
    /// The statements that make the table of records that are taken.
    pub(super) fn accepted(&self) -> Vec<String> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let columns = self.accepted_columns();
        let mut statements = vec![format!(
            "CREATE TEMP TABLE {ACCEPTED} AS SELECT {columns} FROM {NAME} WITH NO DATA"
        )];
        statements.extend(self.keys.iter().map(|key| key.make(ACCEPTED)));
        statements
    }

    /// The number of a record, and what its keys are made of.
    fn accepted_columns(&self) -> String {
        let of_keys: Option<Vec<&[Identifier]>> =
            self.keys.iter().map(|key| key.columns.as_deref()).collect();
        let of_keys = of_keys.map_or_else(
            || self.columns.iter().collect(),
            |keys| keys.into_iter().flatten().collect::<Vec<_>>(),
        );
        let mut columns = vec![&self.number];
        for name in of_keys {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        columns.join(", ")
    }

    /// What a record can be refused for by other rows, and by the want of a partition: the keys, then
    /// the foreign keys, then that.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let keys = self.keys.iter().map(Key::fault);
        let references = self.references.iter();
        let references = references.map(|reference| reference.fault(&self.target));
        let partition = Fault::new(
            "23514",
            format!(
                "no partition of relation \"{}\" found for row",
                self.target.name().as_str()
            ),
        );
        keys.chain(references).chain([partition]).collect()
    }
}

impl Double {
    /// Asks all rivals of its records. Those that are refused go to the rejects of `stage`.
    ///
    /// # Errors
    /// The server refuses to tell, or the connection fell.
    pub(in crate::load::mode) async fn judge(
        &self,
        step: &CopyFrom,
        earlier: &Earlier<'_>,
        stage: &mut Stage<'_>,
    ) -> Result<Judged> {
        let definition = &self.definition;
        let faults = definition.faults();
        let found = Found {
            table: NAME,
            number: &definition.number,
            fault: &definition.fault,
            faults: &faults,
        };
        let mut court = Court {
            definition,
            earlier,
            found: &found,
            keeps_rows: matches!(step.mode, Mode::Append),
            judged: Judged {
                unchecked: definition.unchecked(),
                ..Judged::default()
            },
        };
        let numbered = step.dialect.format != Format::Binary;
        let asked = court.ask(numbered, stage.session).await;
        asked.map_err(|error| {
            Error::from(self.in_words_of_target(error)).within(format!(
                "cannot compare the records for `{}` with other rows",
                step.table.plain()
            ))
        })?;
        let mut judged = court.judged;
        for (file, source) in self.files.iter().enumerate() {
            let refused = found.tell(file, source, step, stage).await?;
            judged.refused.push(refused);
        }
        Ok(judged)
    }
}

/// Where the rivals of records are asked.
pub(super) struct Court<'a> {
    pub(super) definition: &'a Definition,
    /// What is done before the step.
    pub(super) earlier: &'a Earlier<'a>,
    /// The records.
    pub(super) found: &'a Found<'a>,
    /// The rows of the target stay.
    pub(super) keeps_rows: bool,
    pub(super) judged: Judged,
}

impl Court<'_> {
    async fn ask(&mut self, numbered: bool, session: &mut Session) -> Result<(), WireError> {
        self.look_over(session).await?;
        if let Some(taken) = &self.definition.partitions {
            let condition = format!("NOT coalesce({taken}, false)");
            self.refuse(self.partition(), &condition, session).await?;
        }
        if self.keeps_rows {
            self.rows_that_are_there(session).await?;
        }
        for index in 0..self.definition.references.len() {
            self.reference(index, None, session).await?;
        }
        if !numbered {
            return self.unnumbered(session).await;
        }
        if session.server().can(Ability::UpsertOutcome) {
            self.take_in_order(session).await?;
        } else {
            self.take_in_rounds(session).await?;
        }
        self.look_over(session).await?;
        self.keys_come_first(session).await?;
        for index in 0..self.definition.references.len() {
            self.own_reference(index, session).await?;
        }
        self.put_off(session).await
    }

    /// Has the server look over the records: without figures it plans for a few, or for few faults.
    async fn look_over(&self, session: &mut Session) -> Result<(), WireError> {
        if session.server().can(Ability::AnalyzeInTransaction) {
            let sql = format!("ANALYZE {}", self.found.table);
            session.run(&sql).await?;
        }
        Ok(())
    }

    /// The number of the fault of a record that no partition takes.
    fn partition(&self) -> usize {
        self.found.faults.len() - 1
    }

    /// Tells of records that cannot be named: those of binary data.
    async fn unnumbered(&mut self, session: &mut Session) -> Result<(), WireError> {
        if !self.definition.keys.is_empty() {
            let what = "unique keys of records among themselves";
            self.judged.unchecked.push(what.into());
        }
        for (kind, count) in self.counts(session).await? {
            if let Some(fault) = self.found.faults.get(kind) {
                self.judged.errors.push(Error::new(
                    ErrorKind::Data,
                    format!(
                        "{} (SQLSTATE {}), records: {count}",
                        fault.reason, fault.code
                    ),
                ));
            }
        }
        Ok(())
    }

    /// How many records have each fault.
    async fn counts(&self, session: &mut Session) -> Result<Vec<(usize, u64)>, WireError> {
        let Found { table, fault, .. } = self.found;
        let sql = format!(
            "SELECT {fault}, pg_catalog.count(*) FROM {table} WHERE {fault} IS NOT NULL GROUP BY {fault} ORDER BY {fault}"
        );
        let rows = session.rows(&sql).await?;
        let read = |index, row| text(row, index)?.parse::<u64>().ok();
        let counts = rows.iter().filter_map(|row| {
            let kind = usize::try_from(read(0, row)?).ok()?;
            Some((kind, read(1, row)?))
        });
        Ok(counts.collect())
    }

    /// Gives this fault to the records `d` of the condition that have none.
    pub(super) async fn refuse(
        &self,
        fault: usize,
        condition: &str,
        session: &mut Session,
    ) -> Result<u64, WireError> {
        let Found {
            table,
            fault: column,
            ..
        } = self.found;
        let sql = format!(
            "UPDATE {table} AS d SET {column} = {fault} WHERE d.{column} IS NULL AND {condition}"
        );
        let tags = session.run(&sql).await?;
        Ok(tags.last().map_or(0, |tag| rows_of(tag)))
    }

    pub(super) fn not_looked_at(&mut self, what: String) {
        self.judged.unchecked.push(what);
    }

    async fn rows_that_are_there(&mut self, session: &mut Session) -> Result<(), WireError> {
        let target = &self.definition.target;
        let written = self.earlier.writer_of_rows(target);
        if let (Some(written), false) = (written, self.definition.keys.is_empty()) {
            let rows = if written.adds {
                "adds to"
            } else {
                "changes in"
            };
            self.not_looked_at(format!(
                "unique keys against the rows that step {} {rows} {}",
                written.step,
                target.plain()
            ));
            if !written.adds {
                return Ok(());
            }
        }
        for (index, key) in self.definition.keys.iter().enumerate() {
            let taken = key.is_taken_in(&target.to_string(), &[], "");
            self.refuse(index, &taken, session).await?;
        }
        Ok(())
    }

    /// Takes records in their order; the server passes over those whose key is taken.
    async fn take_in_order(&mut self, session: &mut Session) -> Result<(), WireError> {
        let Definition { keys, .. } = self.definition;
        let Found {
            table,
            number,
            fault,
            ..
        } = self.found;
        if keys.is_empty() {
            return Ok(());
        }
        let columns = self.definition.accepted_columns();
        let sql = format!(
            "INSERT INTO {ACCEPTED} ({columns}) SELECT {columns} FROM {table} WHERE {fault} IS NULL ORDER BY {number} ON CONFLICT DO NOTHING"
        );
        session.run(&sql).await?;
        if session.server().can(Ability::AnalyzeInTransaction) {
            session.run(&format!("ANALYZE {ACCEPTED}")).await?;
        }
        let left =
            format!("NOT EXISTS (SELECT 1 FROM {ACCEPTED} AS s WHERE s.{number} = d.{number})");
        for (index, key) in keys.iter().enumerate() {
            let before = format!(" AND x.{number} < d.{number}");
            let taken = key.is_taken_in(ACCEPTED, &[number], &before);
            self.refuse(index, &format!("{left} AND {taken}"), session)
                .await?;
        }
        // None should be left; if one is, the server has refused it for some key.
        self.refuse(0, &left, session).await?;
        Ok(())
    }

    /// The same where the server passes over nothing: in each round those records are taken that are the
    /// first of each of their keys, and those refused that have a key of one that is taken.
    async fn take_in_rounds(&mut self, session: &mut Session) -> Result<(), WireError> {
        let definition = self.definition;
        let Found {
            table,
            number,
            fault,
            ..
        } = self.found;
        let mut keys = Vec::new();
        for (index, key) in definition.keys.iter().enumerate() {
            if key.is_by_equality() {
                let open = format!("({fault} IS NULL OR {fault} = {TAKEN})");
                keys.push((index, key.firsts(table, number, &open)));
            } else {
                self.not_looked_at(format!("exclusion {}", key.name));
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        let first_of_all: Vec<String> = keys
            .iter()
            .map(|(_, firsts)| {
                format!("NOT EXISTS (SELECT 1 FROM {firsts} AS o WHERE o.number = d.{number} AND o.first < o.number)")
            })
            .collect();
        let take = format!(
            "UPDATE {table} AS d SET {fault} = {TAKEN} WHERE d.{fault} IS NULL AND {}",
            first_of_all.join(" AND ")
        );
        for _ in 0..GENERATIONS {
            let tags = session.run(&take).await?;
            if tags.last().is_none_or(|tag| rows_of(tag) == 0) {
                break;
            }
            for (index, firsts) in &keys {
                let taken = format!(
                    "EXISTS (SELECT 1 FROM {firsts} AS o JOIN {table} AS f ON f.{number} = o.first \
                     WHERE o.number = d.{number} AND o.first < o.number AND f.{fault} = {TAKEN})"
                );
                self.refuse(*index, &taken, session).await?;
            }
        }
        let end = format!("UPDATE {table} SET {fault} = NULL WHERE {fault} = {TAKEN}");
        session.run(&end).await?;
        Ok(())
    }

    /// A load looks at unique keys in their order, and at foreign keys behind them: what is refused for
    /// several has the fault of the first.
    async fn keys_come_first(&mut self, session: &mut Session) -> Result<(), WireError> {
        let Definition { keys, .. } = self.definition;
        let Found {
            table,
            number,
            fault,
            ..
        } = self.found;
        let partition = self.partition();
        for (index, key) in keys.iter().enumerate() {
            let before = format!(" AND x.{fault} IS NULL AND x.{number} < d.{number}");
            let taken = key.is_taken_in(table, &[number, fault], &before);
            let sql = format!(
                "UPDATE {table} AS d SET {fault} = {index} WHERE d.{fault} > {index} AND d.{fault} < {partition} AND {taken}"
            );
            session.run(&sql).await?;
        }
        Ok(())
    }

    /// What is looked at with the COMMIT stops a load there, and rejects nothing.
    async fn put_off(&mut self, session: &mut Session) -> Result<(), WireError> {
        let definition = self.definition;
        let keys = definition.keys.iter();
        let keys = keys.map(|key| (key.is_deferred, format!("the key {}", key.name)));
        let references = definition.references.iter();
        let references =
            references.map(|one| (one.is_deferred, format!("the foreign key {}", one.name)));
        let all: Vec<(bool, String)> = keys.chain(references).collect();
        if !all.iter().any(|(is_deferred, _)| *is_deferred) {
            return Ok(());
        }
        for (kind, count) in self.counts(session).await? {
            if let Some((true, what)) = all.get(kind) {
                self.judged.errors.push(Error::new(
                    ErrorKind::Server,
                    format!(
                        "{count} records for `{}` violate {what}, which is looked at with the COMMIT",
                        definition.target.plain()
                    ),
                ));
            }
        }
        Ok(())
    }
}
