//! What earlier steps of a job do that a later one needs, by the words of their SQL.

use std::path::Path;

use super::{Action, CopyTo, Job, Output, Step};
use crate::name::TableName;

impl Job {
    /// The number of a step before `step` whose SQL makes or changes the table.
    pub(crate) fn maker_of(&self, table: &TableName, step: &Step) -> Option<usize> {
        self.sql_before(step).find_map(|(number, sql)| {
            let makes = ["create", "alter", "grant"];
            let makes = makes.iter().any(|word| holds_word(&sql, word));
            (makes && holds_word(&sql, table.name().as_str())).then_some(number)
        })
    }

    /// The number of a step before `step` that writes the file.
    pub(crate) fn writer_of(&self, file: &Path, step: &Step) -> Option<usize> {
        self.before(step).find_map(|step| match &step.action {
            Action::CopyTo(CopyTo {
                output: Output::Path(path),
                ..
            }) if path == file => Some(step.number),
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

/// Whether `word` stands in `sql` by itself, in upper or lower case.
fn holds_word(sql: &str, word: &str) -> bool {
    let (sql, word) = (sql.to_lowercase(), word.to_lowercase());
    let of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(&word).any(|(at, found)| {
        let before = sql[..at].chars().next_back();
        let after = sql[at + found.len()..].chars().next();
        !before.is_some_and(of_name) && !after.is_some_and(of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_of_its_own() {
        for (sql, word, expected) in [
            ("CREATE TABLE t (a int)", "t", true),
            ("create table tt (a int)", "t", false),
            ("CREATE TABLE sales.\"Orders\" ()", "orders", true),
            ("CREATE TABLE x AS SELECT 1", "table", true),
            ("CREATE TABLE größe ()", "gr", false),
        ] {
            assert_eq!(holds_word(sql, word), expected, "{sql} {word}");
        }
    }
}
