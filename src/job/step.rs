//! The steps of a job file.

mod dialect;
mod load;
mod unload;
mod value;

use std::path::PathBuf;

use super::reader::{At, Fields, Keys};
use super::resolve::Folder;
use super::{Action, CopyExpert, Expect, Sql, Step};
use load::{COPY_FROM, copy_from};
use unload::{COPY_TO, copy_to};
pub(super) use value::policy;
use value::{input, optional, size};

const ACTIONS: [&str; 5] = ["sql", "expect", "copy_from", "copy_to", "copy_expert"];

const STEP: Keys = Keys {
    known: &[
        "name",
        "sql",
        "show",
        "expect",
        "copy_from",
        "copy_to",
        "copy_expert",
    ],
    reserved: &[],
};

const SQL_FILE: Keys = Keys {
    known: &["file"],
    reserved: &[],
};

const COPY_EXPERT: Keys = Keys {
    known: &["sql", "file", "size"],
    reserved: &[],
};

/// Reads one step.
pub(super) fn step(at: &At<'_>, number: usize, folder: &Folder) -> Option<Step> {
    if !at.is_map() {
        return at.expected(&format!("a mapping with one of {}", ACTIONS.join(", ")));
    }
    let fields = at.fields_where(STEP, misplaced)?;
    let name = fields.get("name").and_then(At::text);
    let action = action(&fields, folder)?;
    if !matches!(action, Action::Sql(_)) {
        fields.refuse(&["show"], "`show` goes with `sql`");
    }
    Some(Step {
        number,
        name,
        action,
    })
}

/// What to say of a key that stands beside an action and belongs into it.
fn misplaced(key: &str) -> Option<String> {
    let homes: Vec<&str> = [
        ("copy_from", COPY_FROM),
        ("copy_to", COPY_TO),
        ("copy_expert", COPY_EXPERT),
    ]
    .iter()
    .filter(|(_, keys)| keys.known.contains(&key) || keys.reserved.contains(&key))
    .map(|(action, _)| *action)
    .collect();
    if homes.is_empty() {
        return None;
    }
    let homes = homes.join("` or `");
    Some(format!(
        "`{key}` is no key of a step; it belongs under `{homes}`: indent it further"
    ))
}

fn action(fields: &Fields<'_>, folder: &Folder) -> Option<Action> {
    let present = fields.present(&ACTIONS);
    let [action] = present.as_slice() else {
        let found = match present.as_slice() {
            [] => "none".to_owned(),
            several => format!("`{}`", several.join("` and `")),
        };
        fields.whole.wrong(format!(
            "a step has exactly one of {}; this one has {found}",
            ACTIONS.join(", ")
        ));
        return None;
    };
    let at = fields.get(action)?;
    match *action {
        "sql" => sql(at, fields.get("show"), folder).map(Action::Sql),
        "expect" => at.text().map(|query| Action::Expect(Expect { query })),
        "copy_from" => copy_from(at, folder).map(Action::CopyFrom),
        "copy_to" => copy_to(at, folder).map(Action::CopyTo),
        _ => copy_expert(at, folder).map(Action::CopyExpert),
    }
}

fn sql(at: &At<'_>, show: Option<&At<'_>>, folder: &Folder) -> Option<Sql> {
    let show = show.map_or(Some(false), At::flag);
    let (statements, file) = if at.is_map() {
        let (statement, file) = sql_file(at, folder)?;
        (vec![statement], Some(file))
    } else {
        let items = at.one_or_more();
        if items.is_empty() {
            at.wrong("the list is empty");
        }
        let statements: Vec<_> = items.iter().map(At::text).collect();
        (statements.into_iter().collect::<Option<_>>()?, None)
    };
    Some(Sql {
        statements,
        file,
        show: show?,
    })
}

/// SQL in a file of its own: read with the job file, as a part of it, expressions left alone.
fn sql_file(at: &At<'_>, folder: &Folder) -> Option<(String, PathBuf)> {
    let fields = at.fields(SQL_FILE)?;
    let at = fields.require("file")?;
    let path = folder.path(&at.text()?);
    match std::fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Some((text.trim_start_matches('\u{feff}').to_owned(), path)),
            Err(_) => at.expected("a file of UTF-8 text"),
        },
        Err(error) => {
            at.wrong(format!("cannot read `{}`: {error}", path.display()));
            None
        }
    }
}

fn copy_expert(at: &At<'_>, folder: &Folder) -> Option<CopyExpert> {
    let fields = at.fields(COPY_EXPERT)?;
    let sql = fields.require("sql").and_then(At::text);
    let file = optional(&fields, "file", |at| input(at, folder));
    let size = optional(&fields, "size", size);
    Some(CopyExpert {
        sql: sql?,
        file: file?,
        size: size?.flatten(),
    })
}
