//! A merge that changes nothing: into a double of the target, which has those of its rows that may
//! matter. What a load does by parts, to find the records that are refused, is done with it.
//!
//! A temporary table cannot refer to others, so foreign keys are asked before, all records at once.

use super::constraints::{Key, Reference};
use super::definition::{self, Definition};
use super::found::Found;
use super::rivals::{Court, Judged};
use super::{NAME, refused};
use crate::error::Result;
use crate::job::{Change, CopyFrom, Earlier};
use crate::load::mode::staging::{Made, Staging};
use crate::load::mode::target::Target;
use crate::name::{Identifier, TableName};
use crate::run::Stage;
use crate::wire::error::WireError;
use crate::wire::session::Session;

/// What the records in `staging` come to, all files of the step.
///
/// # Errors
/// A key stands twice, or the server refuses.
pub(in crate::load::mode) async fn judge(
    staging: &mut Staging,
    step: &CopyFrom,
    earlier: &Earlier<'_>,
    stage: &mut Stage<'_>,
) -> Result<Judged> {
    let Some((columns, key)) = staging.made().map(known) else {
        return Ok(Judged::default());
    };
    let left_out = staging.settle(step, stage).await?;
    let mut definition = Definition::read(&step.table, stage.session).await?;
    let merge = Rehearsal {
        change: staging.change(),
        columns,
        key,
    };
    let mut judged = Judged {
        unchecked: merge.unchecked(&definition),
        refused: vec![0; staging.files().len()],
        ..Judged::default()
    };
    if let Some(written) = earlier.writer_of_rows(&step.table) {
        let what = format!(
            "the merge, as step {} writes into {}",
            written.step,
            step.table.plain()
        );
        judged.unchecked.push(what);
        return Ok(judged);
    }
    merge.leave_out(&mut definition, &mut judged.unchecked);
    let mut gone = 0;
    if let Some(number) = staging.number() {
        let found = Found {
            table: &staging.table().to_string(),
            number,
            fault: &definition.fault,
            faults: &merge.faults(&definition),
        };
        let mut court = Court {
            definition: &definition,
            earlier,
            found: &found,
            keeps_rows: true,
            judged: std::mem::take(&mut judged),
        };
        let asked = merge.ask(&mut court, stage.session).await;
        judged = court.judged;
        asked.map_err(|error| refused(staging.in_words_of_target(error), step))?;
        for (file, filed) in staging.files().iter().enumerate() {
            let refused = found.tell(file, &filed.source, step, stage).await?;
            judged.refused[file] = refused;
            gone += refused;
        }
        stage.parts.counts.rejected += gone;
        let take_out = format!(
            "DELETE FROM {} WHERE {} IS NOT NULL",
            found.table, found.fault
        );
        stage.session.run(&take_out).await?;
    }
    if merge.change == Change::Delete {
        return Ok(judged);
    }
    let place = &staging.target().distribution;
    let made = merge.make(&definition, place, staging.table(), stage.session);
    made.await.map_err(|error| refused(error, step))?;
    let double = Target::read(&definition::table()?, stage.session).await?;
    staging.stand_in(double);
    let rows = staging.rows().saturating_sub(left_out + gone);
    let merged = staging.merge_all(rows, step, stage).await;
    for (refused, filed) in judged.refused.iter_mut().zip(staging.files()) {
        *refused += filed.refused();
    }
    if let Err(error) = merged {
        judged.errors.push(error);
    }
    Ok(judged)
}

/// The columns that are loaded, and those of the key.
fn known(made: &Made) -> (Vec<Identifier>, Vec<Identifier>) {
    (made.columns.clone(), made.key.clone())
}

/// What is to be done to the double.
struct Rehearsal {
    change: Change,
    /// The columns that are loaded.
    columns: Vec<Identifier>,
    key: Vec<Identifier>,
}

impl Rehearsal {
    /// What of the target has no say, in words.
    fn unchecked(&self, definition: &Definition) -> Vec<String> {
        if self.change == Change::Delete {
            // What is deleted need not fulfil anything.
            return Vec::new();
        }
        definition.unchecked()
    }

    fn has(&self, columns: &[Identifier]) -> bool {
        columns.iter().all(|name| self.columns.contains(name))
    }

    /// Whether the records have what a key looks at.
    fn fills(&self, key: &Key, definition: &Definition) -> bool {
        self.has(key.columns.as_deref().unwrap_or(&definition.columns))
    }

    /// Leaves out what cannot be asked, and says so.
    fn leave_out(&self, definition: &mut Definition, unchecked: &mut Vec<String>) {
        if self.change == Change::Delete {
            return;
        }
        let mut leave = |what: &str, name: &str| unchecked.push(format!("{what} {name}"));
        let keys = std::mem::take(&mut definition.keys);
        for key in keys {
            if !key.is_deferred && self.fills(&key, definition) {
                definition.keys.push(key);
            } else {
                leave("unique", &key.name);
            }
        }
        definition.references.retain(|reference| {
            let is_asked = !reference.is_deferred && self.has(&reference.columns);
            if !is_asked {
                leave("foreign key", &reference.name);
            }
            is_asked
        });
        if definition.partitions.is_some() && !self.has(&definition.columns) {
            definition.partitions = None;
            leave("whether a partition", "takes each row");
        }
    }

    fn faults(&self, definition: &Definition) -> Vec<crate::load::sieve::Fault> {
        if self.change == Change::Delete {
            let pointing = definition.pointing.iter();
            return pointing
                .map(|reference| reference.fault_of_referenced(&definition.target))
                .collect();
        }
        definition.faults()
    }

    /// Asks the rows that records refer to, or those that refer to what is to be deleted.
    async fn ask(&self, court: &mut Court<'_>, session: &mut Session) -> Result<(), WireError> {
        let definition = court.definition;
        let Found { table, fault, .. } = court.found;
        let add = format!("ALTER TABLE {table} ADD COLUMN {fault} integer");
        session.run(&add).await?;
        let of_key = |alias: &str| {
            let pairs = self
                .key
                .iter()
                .map(|name| format!("{alias}.{name} = d.{name}"));
            pairs.collect::<Vec<_>>().join(" AND ")
        };
        let target = &definition.target;
        let new = format!(
            "NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {})",
            of_key("t")
        );
        if self.change == Change::Delete {
            for (index, reference) in definition.pointing.iter().enumerate() {
                if let Some(why) = unasked(reference, court.earlier, target) {
                    court.judged.unchecked.push(why);
                    continue;
                }
                let row = format!("{target} AS t WHERE {}", of_key("t"));
                let pointed = reference.is_pointed_at(&row);
                court.refuse(index, &pointed, session).await?;
            }
            return Ok(());
        }
        let only = (self.change == Change::InsertNew).then_some(new.as_str());
        if let Some(taken) = &definition.partitions {
            let of_those = only.map_or(String::new(), |only| format!(" AND {only}"));
            let condition = format!("NOT coalesce({taken}, false){of_those}");
            let kind = court.found.faults.len() - 1;
            court.refuse(kind, &condition, session).await?;
        }
        for index in 0..definition.references.len() {
            court.reference(index, only, session).await?;
        }
        Ok(())
    }

    /// Makes the double, with the rows of the target that have a key of the records.
    async fn make(
        &self,
        definition: &Definition,
        place: &[Identifier],
        staging: &TableName,
        session: &mut Session,
    ) -> Result<(), WireError> {
        let number = std::slice::from_ref(&definition.number);
        let place = if place.is_empty() { number } else { place };
        for sql in definition.statements(place, session.server()) {
            session.run(&sql).await?;
        }
        let staging = staging.to_string();
        let same: Vec<String> = self
            .key
            .iter()
            .map(|name| format!("s.{name} = d.{name}"))
            .collect();
        let mut matter = vec![format!(
            "EXISTS (SELECT 1 FROM {staging} AS s WHERE {})",
            same.join(" AND ")
        )];
        let keys = definition.keys.iter();
        matter.extend(keys.map(|key| format!("({})", key.is_taken_in(&staging, &[], ""))));
        let columns: Vec<String> = definition.filled.iter().map(ToString::to_string).collect();
        let columns = columns.join(", ");
        session
            .run(&format!(
                "INSERT INTO {NAME} ({columns}) SELECT {columns} FROM {} AS d WHERE {}",
                definition.target,
                matter.join(" OR ")
            ))
            .await?;
        for key in &definition.keys {
            session.run(&key.make(NAME)).await?;
        }
        Ok(())
    }
}

/// Why rows that refer to the target are not asked.
fn unasked(reference: &Reference, earlier: &Earlier<'_>, target: &TableName) -> Option<String> {
    let name = &reference.name;
    let of = reference.table.plain();
    if !reference.may_look {
        return Some(format!("foreign key {name} of {of} (no SELECT on it)"));
    }
    if reference.is_own {
        return Some(format!(
            "foreign key {name} of {} to itself",
            target.plain()
        ));
    }
    let written = earlier.writer_of_rows(&reference.table)?;
    Some(format!(
        "foreign key {name} of {of}, as step {} writes into it",
        written.step
    ))
}
