//! What earlier steps of a job do that a later one needs, by the words of their SQL.

use std::path::Path;

use super::{Action, CopyTo, Job, Output, Step};
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
