//! The same call by a job file.

use std::collections::BTreeMap;
use std::fs;

use super::case::{Call, Case, Verb};
use super::peer::{Outcome, url};
use crate::support::server::Database;
use crate::support::{Ran, Workplace, job, list, quoted, step};

/// Runs the case as a job of one step.
pub(crate) fn call(case: &Case, database: &Database) -> Outcome {
    let workplace = Workplace::new();
    if let Some(data) = &case.call.data {
        workplace.file("in.dat", data);
    }
    let ran = workplace.run(&yaml(case, database));
    let ok = ran.code == Some(0);
    Outcome {
        ok,
        sqlstate: ran.sqlstate().map(String::from),
        rows: rows(&ran).filter(|_| ok),
        // After a failure there must be no file.
        output: fs::read(workplace.path("out.dat")).unwrap_or_default(),
        content: BTreeMap::new(),
        said: ran.stderr,
    }
}

/// The job file.
pub(crate) fn yaml(case: &Case, database: &Database) -> String {
    let mut yaml = job(
        &url(case, database),
        &[step(case.call.verb.name(), &keys(&case.call))],
    );
    if !case.session.is_empty() {
        yaml.push_str("session:\n");
        for (name, value) in &case.session {
            yaml.push_str(&format!("  {name}: {}\n", quoted(value)));
        }
    }
    yaml
}

/// The keys of the step, without those that the case leaves out.
fn keys(call: &Call) -> Vec<(&'static str, String)> {
    let file = if call.data.is_some() {
        "in.dat"
    } else {
        "out.dat"
    };
    let mut keys = vec![("file", quoted(file))];
    if call.verb == Verb::Expert {
        keys.push(("sql", quoted(&call.sql)));
    } else {
        keys.push(("table", quoted(&table(call))));
    }
    for (key, value) in [("sep", &call.sep), ("null", &call.null)] {
        if let Some(value) = value {
            keys.push((key, quoted(value)));
        }
    }
    if let Some(size) = call.size {
        keys.push(("size", size.to_string()));
    }
    if let Some(columns) = &call.columns {
        keys.push(("columns", list(columns)));
    }
    keys
}

/// psycopg2's one identifier, as a job file writes it: in double quotes where a dot or a quote
/// would mean something else.
fn table(call: &Call) -> String {
    let name = &call.table;
    if !call.table_as_written && (name.contains('.') || name.starts_with('"')) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.clone()
    }
}

/// Rows, as the step's line tells them, or the number at the end of a command tag.
fn rows(ran: &Ran) -> Option<u64> {
    let line = ran.stderr.lines().find(|line| line.starts_with("1/1 "))?;
    let (_, outcome) = line.rsplit_once(": ")?;
    let number = match outcome.split_once(" row") {
        Some((number, _)) => number,
        // `UPDATE 2 (3 ms)`
        None => outcome.split_once(" (")?.0.rsplit(' ').next()?,
    };
    number.replace(',', "").parse().ok()
}
