//! The steps of a job: tables, rights and files. No statement of the job is run.

use std::path::Path;

use super::gauss;
use super::input::{self, Inputs};
use super::report::Report;
use super::server::Patient;
use super::table::{Relation, Table, absent};
use super::verdict::{describe, header_fits, may_load, may_unload};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::job::{
    Action, CopyExpert, CopyFrom, CopyTo, InputPattern, Job, Policy, Step, Transaction, Unload,
};
use crate::load;
use crate::name::TableName;
use crate::source::Source;
use crate::wire::server::Ability;

/// Looks at every step. Without a session, at files alone.
pub(super) async fn steps(job: &Job, mut patient: Option<Patient<'_>>, report: &mut Report) {
    let mut unlooked = Vec::new();
    for step in &job.steps {
        let mut look = Look {
            job,
            step,
            topic: format!("step {}", step.number),
            report,
        };
        match &step.action {
            Action::CopyFrom(load) => look.copy_from(load, patient.as_mut()).await,
            Action::CopyTo(unload) => {
                if !look.copy_to(unload, patient.as_mut()).await {
                    unlooked.push(step);
                }
            }
            Action::CopyExpert(expert) if expert.file.is_some() && is_copy_in(expert) => {
                look.copy_expert(expert);
            }
            Action::CopyExpert(_) | Action::Sql(_) | Action::Expect(_) => unlooked.push(step),
        }
    }
    if !unlooked.is_empty() {
        let titles: Vec<String> = unlooked
            .iter()
            .map(|step| format!("{} ({})", step.number, step.title()))
            .collect();
        report.skip("steps", &format!("not run: {}", titles.join(", ")));
    }
}

/// Whether a `copy_expert` reads its file. A look at the words is enough for a doctor.
pub(crate) fn is_copy_in(expert: &CopyExpert) -> bool {
    let words = expert.sql.to_lowercase();
    words.split_whitespace().any(|word| word == "from") && words.contains("stdin")
}

struct Look<'a> {
    job: &'a Job,
    step: &'a Step,
    topic: String,
    report: &'a mut Report,
}

impl Look<'_> {
    async fn copy_from(&mut self, load: &CopyFrom, mut patient: Option<&mut Patient<'_>>) {
        let mut table = None;
        if let Some(patient) = patient.as_deref_mut() {
            match self.table(&load.table, patient).await {
                Ok(found) => table = found,
                Err(error) => return self.report.fail(&self.topic, &error),
            }
            if let Err(error) = load::check(load, patient.session.server()) {
                self.report.fail(&self.topic, &error);
            }
            if let Some(table) = &table {
                let text = describe("into", &load.table, table, "INSERT");
                self.said(&load.table, may_load(load, table), &text);
            }
        }
        let markers = patient
            .as_ref()
            .is_none_or(|patient| patient.session.server().can(Ability::CsvEndMarker));
        let writer = |path: &Path| self.job.writer_of(path, self.step).is_some();
        let inputs = match input::look(load, markers, writer).await {
            Ok(inputs) => inputs,
            Err(error) => return self.input_fails(load, &error),
        };
        self.inputs(load, &inputs, table.as_ref());
        if let (Some(patient), Some(_)) = (patient, table) {
            let told = gauss::look(load, &inputs, patient, &self.topic, self.report).await;
            if let Err(error) = told {
                self.report.fail(&self.topic, &error);
            }
        }
    }

    /// A file that an earlier step writes is there when that has committed.
    fn input_fails(&mut self, load: &CopyFrom, error: &Error) {
        let paths = load.input.iter().filter_map(|pattern| match pattern {
            InputPattern::Path(path) => Some(path),
            InputPattern::Stdin => None,
        });
        let writers: Vec<usize> = paths
            .filter_map(|path| self.job.writer_of(path, self.step))
            .collect();
        match writers.first() {
            Some(writer) if self.job.transaction != Transaction::Job => {
                let text = format!("{}; step {writer} writes it", chain(error));
                self.report.skip(&self.topic, &text);
            }
            _ => self.report.fail(&self.topic, error),
        }
    }

    fn inputs(&mut self, load: &CopyFrom, inputs: &Inputs, table: Option<&Table>) {
        let misfit = match (&inputs.sample, table) {
            (Some(sample), Some(table)) => header_fits(load, &sample.source, &sample.begin, table),
            _ => Ok(()),
        };
        if let Err(error) = misfit {
            return self.maybe_fail(&load.table, &error);
        }
        for pattern in inputs.complaints() {
            let text = format!("no file `{pattern}`");
            self.report.warn(
                &self.topic,
                &text,
                "a run says so and goes on (on_missing: warn)",
            );
        }
        match inputs.empty() {
            Some(source) if load.on_empty != Policy::Ok => {
                let error = Error::new(ErrorKind::Input, format!("`{source}` holds no record"));
                if load.on_empty == Policy::Fail {
                    self.report.fail(&self.topic, &error);
                } else {
                    self.report.warn_of(&self.topic, &error);
                }
            }
            _ if inputs.sources.is_empty() => {}
            _ if inputs.sources == [Source::Stdin] => {
                self.report
                    .skip(&self.topic, "from stdin, which is not read");
            }
            _ => self
                .report
                .ok(&self.topic, &format!("from {}", inputs.words())),
        }
    }

    /// Whether there was something to look at.
    async fn copy_to(&mut self, unload: &CopyTo, patient: Option<&mut Patient<'_>>) -> bool {
        let Unload::Table(name, columns) = &unload.what else {
            return false;
        };
        let Some(patient) = patient else {
            return false;
        };
        match self.table(name, patient).await {
            Ok(Some(table)) => {
                let columns = columns.as_deref().unwrap_or_default();
                let verdict = may_unload(unload, columns, &table, name);
                self.said(name, verdict, &describe("from", name, &table, "SELECT"));
                let kind = table.kind;
                if matches!(
                    kind,
                    Relation::Partitioned | Relation::MaterializedView | Relation::Foreign
                ) {
                    self.report.warn(
                        &self.topic,
                        &format!("many servers refuse COPY of a {}", table.kind.words()),
                        &format!(
                            "`query: SELECT * FROM {}` in place of `table` always works",
                            name.plain()
                        ),
                    );
                }
            }
            Ok(None) => {}
            Err(error) => self.report.fail(&self.topic, &error),
        }
        true
    }

    /// The file of a `copy_expert`: a name, or stdin.
    fn copy_expert(&mut self, expert: &CopyExpert) {
        let Some(InputPattern::Path(path)) = &expert.file else {
            return self
                .report
                .skip(&self.topic, "its SQL is not run; stdin is not read");
        };
        match std::fs::metadata(path) {
            Ok(about) if about.is_file() => match std::fs::File::open(path) {
                Ok(_) => self.report.ok(
                    &self.topic,
                    &format!("{}; its SQL is not run", path.display()),
                ),
                Err(cause) => self.report.fail(
                    &self.topic,
                    &Error::new(
                        ErrorKind::Input,
                        format!("cannot read `{}`", path.display()),
                    )
                    .because(cause),
                ),
            },
            Ok(_) => self
                .report
                .skip(&self.topic, "its SQL is not run; its file is no plain file"),
            Err(_) => self.report.fail(
                &self.topic,
                &load::missing(path, self.job.writer_of(path, self.step).is_some()),
            ),
        }
    }

    /// The table that a step names; `None`, and said, where it is not there.
    async fn table(
        &mut self,
        name: &TableName,
        patient: &mut Patient<'_>,
    ) -> Result<Option<Table>> {
        if let Some(table) = Table::find(name, patient).await? {
            return Ok(Some(table));
        }
        if let Some(maker) = self.job.maker_of(name, self.step) {
            let text = format!("`{}` is not there yet; step {maker} makes it", name.plain());
            self.report.skip(&self.topic, &text);
            return Ok(None);
        }
        let error = absent(name, patient).await?;
        self.report.fail(&self.topic, &error);
        Ok(None)
    }

    fn said(&mut self, name: &TableName, verdict: Result<()>, text: &str) {
        match verdict {
            Ok(()) => self.report.ok(&self.topic, text),
            Err(error) => self.maybe_fail(name, &error),
        }
    }

    /// A failure, unless an earlier step may put it right.
    fn maybe_fail(&mut self, name: &TableName, error: &Error) {
        match self.job.maker_of(name, self.step) {
            None => self.report.fail(&self.topic, error),
            Some(maker) => {
                let hint = format!(
                    "step {maker} may put that right: it names the table in a CREATE, ALTER or GRANT"
                );
                self.report.warn(&self.topic, &chain(error), &hint);
            }
        }
    }
}
