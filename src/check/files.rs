//! `copy_from`: its table, its mode, and every record of its files.

use std::collections::BTreeSet;
use std::time::Duration;

use super::looked::{File, Listener, Looked, State, mode};
use super::reader::Reader;
use super::{Check, PATIENCE, ground, unchecked};
use crate::arrival::{Arrived, Eye};
use crate::doctor::{Patient, Table, absent, may_load};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Arrival, CopyFrom, Mode, Policy, Step, Transaction};
use crate::load::{self, Inspected, catalog};
use crate::name::{TableName, literal};
use crate::progress::wording;
use crate::source::{self, Source};
use crate::wire::session::Session;

impl Check<'_> {
    /// Checks a step that loads files.
    pub(super) async fn copy_from(
        &mut self,
        step: &Step,
        load: &CopyFrom,
        looked: &mut Looked,
    ) -> Result<()> {
        looked.fact("mode", mode(load));
        if let Err(error) = load::check(load, self.session.server()) {
            looked.errors.push(error);
        }
        let relation = self
            .relation(step, &load.table, ": no value is checked", looked)
            .await?;
        if let Some(relation) = relation.as_ref().filter(|_| is_direct(load)) {
            self.take(step, &load.table, may_load(load, relation), looked);
        }
        let table = match &relation {
            Some(_) => catalog::look_up(&load.table, self.session).await?,
            None => None,
        };
        if self.job.exactly_once {
            // What is in by then is not known now: other runs may be under way.
            let what = "a run skips files that are in; here all are read";
            looked.fact("ledger", what);
        }
        let (sources, arrived) = self.sources(step, load, looked).await?;
        let mut rehearses = self.rehearses && table.is_some() && looked.errors.is_empty();
        if let Some(name) = volatile(load, self.session).await?.filter(|_| rehearses) {
            rehearses = false;
            let why = format!(
                "not loaded, since its SQL calls {name}, which may have effects of its own"
            );
            looked.fact("unchecked", why);
        }
        let listener = Listener::new(self.observer);
        let stage = self
            .trial
            .stage(step.number, self.session, &listener, &self.stop);
        let mut reader = Reader {
            job: self.job,
            step,
            load,
            relation: relation.as_ref().filter(|_| is_direct(load)),
            arrived,
            stage,
            errors: Vec::new(),
        };
        let mut inspection = reader.begin(table.is_some(), rehearses).await?;
        reader.files(&sources, &mut inspection, looked).await?;
        let is_rehearsed = inspection.is_rehearsal();
        let way = inspection.words(reader.stage.session.server());
        if is_rehearsed {
            reader.judge(&mut inspection, looked).await?;
            looked.fact("loaded", "into temporary tables, and rolled back");
            ground::leave(reader.stage.session).await?;
            ground::enter(reader.stage.session).await?;
        }
        if table.is_some() {
            looked.fact("way", way);
        }
        let doubts = inspection.doubts().to_vec();
        inspection.report(&mut reader.stage).await?;
        let errors = reader.errors;
        looked.warnings.extend(listener.into_warnings());
        for error in errors {
            self.take(step, &load.table, Err(error), looked);
        }
        if let Some(table) = table.filter(|_| !is_rehearsed) {
            let unchecked = unchecked::unchecked(load, &table, &doubts, self.session).await?;
            let hint = if self.rehearses {
                ""
            } else {
                " (`--load` checks them)"
            };
            let unchecked = unchecked.map(|text| ("unchecked", format!("{text}{hint}")));
            looked.facts.extend(unchecked);
        }
        Self::limits(load, looked);
        Ok(())
    }

    /// The table that a step names; `None`, and said, where it is not there: `so` is what follows
    /// where an earlier step makes it.
    pub(super) async fn relation(
        &mut self,
        step: &Step,
        name: &TableName,
        so: &str,
        looked: &mut Looked,
    ) -> Result<Option<Table>> {
        let mut patient = Patient {
            session: self.session,
            patience: PATIENCE,
        };
        if let Some(table) = Table::find(name, &mut patient).await? {
            return Ok(Some(table));
        }
        match self.job.maker_of(name, step) {
            Some(maker) => looked.fact(
                "unchecked",
                format!(
                    "`{}` is not there yet, step {maker} makes it{so}",
                    name.plain()
                ),
            ),
            None => looked.errors.push(absent(name, &mut patient).await?),
        }
        Ok(None)
    }

    /// Takes note of what came of a part of a step. An earlier step may put an error right.
    pub(super) fn take(
        &self,
        step: &Step,
        table: &TableName,
        outcome: Result<()>,
        looked: &mut Looked,
    ) {
        let Err(error) = outcome else {
            return;
        };
        match self.job.maker_of(table, step) {
            Some(maker) if error.kind() == ErrorKind::Server => looked.warnings.push(format!(
                "{}\nstep {maker} may put that right: it names the table in a CREATE, ALTER or GRANT",
                crate::error::chain(&error)
            )),
            _ => looked.errors.push(error),
        }
    }

    /// The files of a step, with the policy for missing ones applied.
    async fn sources(
        &self,
        step: &Step,
        load: &CopyFrom,
        looked: &mut Looked,
    ) -> Result<(Vec<Source>, Option<Arrived>)> {
        let arrived = match &load.arrival {
            Some(arrival) => Some(self.arrived(step, load, arrival, looked).await?),
            None => None,
        };
        let (sources, absent) = match &arrived {
            Some(arrived) => (arrived.sources(), arrived.missing.clone()),
            None => source::expand(&load.input)?,
        };
        for path in absent {
            let writer = self.job.writer_of(&path, step);
            if let Some(writer) = writer.filter(|_| self.job.transaction != Transaction::Job) {
                looked.files.push(File {
                    name: path.display().to_string(),
                    state: State::Unread(format!("not read, step {writer} writes it")),
                });
                continue;
            }
            if arrived.is_some() && load.on_missing == Policy::Fail {
                // It is told with whatever else is not ready.
                continue;
            }
            complain(load.on_missing, looked, || {
                load::missing(&path, writer.is_some())
            });
        }
        Ok((sources, arrived))
    }

    /// Looks once at files that a run would wait for, and says of the plan what becomes of them.
    async fn arrived(
        &self,
        step: &Step,
        load: &CopyFrom,
        arrival: &Arrival,
        looked: &mut Looked,
    ) -> Result<Arrived> {
        looked.facts.extend(arrival.words());
        let mut stop = self.stop.clone();
        let look = Eye::default().look(load, arrival, &mut stop).await?;
        let writer = look.writer(step, arrival, self.job);
        if let Some(writer) = writer.filter(|_| self.job.transaction != Transaction::Job) {
            looked.fact("now", format!("not there yet, step {writer} writes it"));
        } else if look.is_complete() {
            if arrival.is_ready_asked() {
                looked.fact("now", "all files are ready");
            }
        } else if look.is_waited_for(load, arrival) {
            looked.warnings.push(format!(
                "not ready now, and a run would wait: {}",
                look.words()
            ));
        } else if !look.is_enough(load) {
            looked.errors.push(look.error(arrival, Duration::ZERO));
        }
        Ok(look.into_arrived(arrival))
    }

    /// Looks whether so many records may be rejected, and whether files may be empty.
    fn limits(load: &CopyFrom, looked: &mut Looked) {
        let empty: Vec<String> = looked
            .files
            .iter()
            .filter(|file| matches!(&file.state, State::Read(read) if read.records == 0))
            .map(|file| file.name.clone())
            .collect();
        for name in empty {
            complain(load.on_empty, looked, || load::no_record(&name));
        }
        looked.errors.extend(too_many(load, &looked.total()));
    }
}

/// A function that the SQL of a step calls and that may do more than return a value.
async fn volatile(load: &CopyFrom, session: &mut Session) -> Result<Option<String>> {
    let shaping = load.shaping.as_ref();
    let Some(shaping) = shaping.filter(|shaping| shaping.needs_sql()) else {
        return Ok(None);
    };
    let computed = shaping.select.iter().map(|(_, sql)| sql.as_str());
    let sql: Vec<&str> = computed.chain(shaping.filter.as_deref()).collect();
    let scs = session.standard_conforming_strings();
    let sql = sql.join(" ").to_lowercase();
    let words = sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    let words: BTreeSet<String> = words.map(|word| literal(word, scs)).collect();
    let words: Vec<String> = words.into_iter().collect();
    let rows = session
        .rows(&format!(
            "SELECT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v' AND proname IN ({}) ORDER BY 1 LIMIT 1",
            words.join(", ")
        ))
        .await?;
    let name = rows.first().and_then(|row| row.text(0));
    Ok(name.map(|name| format!("{name}()")))
}

/// What the job would do about something that may be a mistake.
fn complain(policy: Policy, looked: &mut Looked, error: impl FnOnce() -> Error) {
    match policy {
        Policy::Fail => looked.errors.push(error()),
        Policy::Warn => looked.warnings.push(error().to_string()),
        Policy::Ok => {}
    }
}

/// The error of more records that cannot be loaded than the job puts up with.
fn too_many(load: &CopyFrom, total: &Inspected) -> Option<Error> {
    let (rejected, records) = (total.rejected, total.records);
    let counts = format!(
        "{} of {}",
        wording::count(rejected),
        wording::records(records)
    );
    let what = match &load.rejecting {
        _ if rejected == 0 => return None,
        None => format!("{counts} cannot be loaded"),
        Some(rejecting) if rejecting.most.allow(rejected, records) => return None,
        Some(rejecting) => format!(
            "{counts} would be rejected, and `max_rejects` is {}",
            rejecting.most
        ),
    };
    Some(Error::new(ErrorKind::Data, what))
}

/// Whether records go into the table itself.
fn is_direct(load: &CopyFrom) -> bool {
    matches!(load.mode, Mode::Append | Mode::Replace { .. })
}
