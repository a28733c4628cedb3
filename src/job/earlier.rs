//! What earlier steps of a job do that a later one needs, by the words of their SQL.

use std::path::Path;

use super::{Action, CopyTo, Job, Mode, Output, Step};
use crate::name::{TableName, holds_word};

impl Job {
    /// The number of a step before `step` whose SQL makes or changes the table.
    pub(crate) fn maker_of(&self, table: &TableName, step: &Step) -> Option<usize> {
        self.sql_before(step).find_map(|(number, sql)| {
            let makes = ["create", "alter", "grant"];
            let makes = makes.iter().any(|word| holds_word(&sql, word));
            (makes && holds_word(&sql, table.name().as_str())).then_some(number)
        })
    }

    /// The number of a step before `step` whose SQL makes, changes or renames something.
    pub(crate) fn changer_before(&self, step: &Step) -> Option<usize> {
        let words = ["create", "alter", "drop", "grant", "set", "into"];
        let changes = |sql: &str| words.iter().any(|word| holds_word(sql, word));
        let found = self.sql_before(step).find(|(_, sql)| changes(sql));
        found.map(|(number, _)| number)
    }

    /// The number of a step before `step` that writes the file.
    pub(crate) fn writer_of(&self, file: &Path, step: &Step) -> Option<usize> {
        self.before(step).find_map(|step| match &step.action {
            Action::CopyTo(CopyTo {
                output: Output::Path(path),
                manifest,
                ..
            }) if path == file || manifest.as_deref() == Some(file) => Some(step.number),
            _ => None,
        })
    }

    fn before(&self, step: &Step) -> impl Iterator<Item = &Step> {
        let number = step.number;
        self.steps
            .iter()
            .take_while(move |step| step.number < number)
    }

    /// The SQL of the steps before `step`, with their numbers.
    fn sql_before(&self, step: &Step) -> impl Iterator<Item = (usize, String)> {
        self.before(step).filter_map(|step| {
            let sql = match &step.action {
                Action::Sql(sql) => sql.statements.join("\n"),
                Action::CopyExpert(expert) => expert.sql.clone(),
                _ => return None,
            };
            Some((step.number, sql))
        })
    }
}

/// What is done before a step, where that is the question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Earlier<'a> {
    job: &'a Job,
    step: &'a Step,
}

/// What an earlier step does to the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// The number of the first step that does something.
    pub(crate) step: usize,
    /// All that is done is that rows are added.
    pub(crate) adds: bool,
}

impl<'a> Earlier<'a> {
    /// Before `step`.
    pub(crate) fn than(step: &'a Step, job: &'a Job) -> Self {
        Self { job, step }
    }

    /// What is done to the rows of `table`. A name in another schema counts as well, since the one that
    /// is searched first is the server's to know.
    pub(crate) fn writer_of_rows(&self, table: &TableName) -> Option<Written> {
        let writes = |sql: &str| {
            let words = [
                "insert", "update", "delete", "truncate", "merge", "copy", "alter", "drop", "into",
            ];
            holds_word(sql, table.name().as_str()) && words.iter().any(|word| holds_word(sql, word))
        };
        let by_sql = self.job.sql_before(self.step);
        let by_sql =
            by_sql.filter_map(|(step, sql)| writes(&sql).then_some(Written { step, adds: false }));
        let loads = self.job.before(self.step).filter_map(|step| {
            let Action::CopyFrom(load) = &step.action else {
                return None;
            };
            (load.table.name() == table.name()).then_some(Written {
                step: step.number,
                adds: matches!(load.mode, Mode::Append),
            })
        });
        let all: Vec<Written> = by_sql.chain(loads).collect();
        let first = all.iter().map(|written| written.step).min()?;
        Some(Written {
            step: first,
            adds: all.iter().all(|written| written.adds),
        })
    }
}
