//! What the records of a `copy_from` do to its table: `mode`, and the keys that go with it.

use super::Header;
use super::reader::{At, Fields};
use super::resolve::Folder;
use crate::name::Identifier;

/// What the records of a step do to its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// They come to the rows that are there.
    Append,
    /// They take the place of all rows.
    Replace {
        /// In a new table, which takes the place of the old one, so that readers need not wait.
        swap: bool,
    },
    /// They find their rows by a key.
    ByKey(ByKey),
}

impl Mode {
    /// Its word in a job file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace { .. } => "replace",
            Self::ByKey(by_key) => by_key.change.word(),
        }
    }
}

/// A mode that compares records and rows by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByKey {
    /// What is done.
    pub change: Change,
    /// The key's columns; `None` for the primary key of the table.
    pub key: Option<Vec<Identifier>>,
    /// What a key that stands twice in the input means.
    pub duplicates: Duplicates,
}

/// What a record does to the rows that have its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It updates them; where there is none, it is inserted.
    Upsert,
    /// Where there is none, it is inserted.
    InsertNew,
    /// It deletes them.
    Delete,
}

impl Change {
    /// Its word in a job file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::InsertNew => "insert_new",
            Self::Delete => "delete",
        }
    }
}

/// What a key that stands twice in the input means, over all files of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// A mistake.
    Error,
    /// The first record counts.
    First,
    /// The last record counts.
    Last,
}

/// The words of `mode`, before the keys that go with it are known.
const MODES: [(&str, Option<Change>, bool); 5] = [
    ("append", None, false),
    ("replace", None, true),
    ("upsert", Some(Change::Upsert), false),
    ("insert_new", Some(Change::InsertNew), false),
    ("delete", Some(Change::Delete), false),
];

/// Reads `mode`, `key`, `duplicates` and `swap`. `columns` are those of the step, where it names
/// them; `folder` knows what commits together.
pub(super) fn mode(
    fields: &Fields<'_>,
    columns: Option<&[Identifier]>,
    header: Option<Header>,
    folder: &Folder,
) -> Option<Mode> {
    let words = MODES.map(|(word, change, replaces)| (word, (change, replaces)));
    let chosen = match fields.get("mode") {
        Some(at) => at.choice(&words, &[]),
        None => Some((None, false)),
    };
    let key = fields.get("key").map(|at| key(at, fields, columns, header));
    let duplicates = fields.get("duplicates").map(duplicates);
    let swap = fields.get("swap").map(At::flag);
    let (change, replaces) = chosen?;
    if change.is_none() {
        fields.refuse(
            &["key", "duplicates"],
            "this key goes with `mode: upsert`, `insert_new` or `delete`",
        );
    }
    if !replaces {
        fields.refuse(&["swap"], "this key goes with `mode: replace`");
    }
    if folder.alone && (change.is_some() || replaces) {
        if let Some(at) = fields.get("mode") {
            at.wrong("takes several statements that must commit together, and with `transaction: none` each commits by itself; use `transaction: step` or `job`");
        }
    }
    if folder.batches && replaces {
        if let Some(at) = fields.get("mode") {
            at.wrong("empties the table in the transaction that fills it, and with `transaction: batch` there are many; use `transaction: step` or `job`");
        }
    }
    let duplicates = duplicates.unwrap_or(Some(Duplicates::Error));
    let by_order = duplicates.is_some_and(|duplicates| duplicates != Duplicates::Error);
    if folder.batches && by_order && change != Some(Change::Delete) {
        fields.refuse(
            &["duplicates"],
            "with `transaction: batch`, batches may come into the table in any order, so that neither the first nor the last record of a key is known; let each key stand once, or use `transaction: step`",
        );
    }
    Some(match change {
        Some(change) => Mode::ByKey(ByKey {
            change,
            key: key.map_or(Some(None), |key| key.map(Some))?,
            duplicates: duplicates?,
        }),
        None if replaces => Mode::Replace {
            swap: swap.unwrap_or(Some(false))?,
        },
        None => Mode::Append,
    })
}

/// The columns of the key: a name, or a list of names.
fn key(
    at: &At<'_>,
    fields: &Fields<'_>,
    columns: Option<&[Identifier]>,
    header: Option<Header>,
) -> Option<Vec<Identifier>> {
    let items = at.one_or_more();
    if items.is_empty() {
        at.wrong("the list is empty; leave it out to take the table's primary key");
        return None;
    }
    let mut names: Vec<Identifier> = Vec::with_capacity(items.len());
    for item in &items {
        let name = item.parse(|name| Identifier::new(name))?;
        let filled = |keys: &str| {
            let entries = fields.get(keys).and_then(At::entries);
            entries.is_some_and(|entries| entries.iter().any(|(key, _)| *key == name.as_str()))
        };
        let loaded = columns.is_none_or(|columns| columns.contains(&name))
            || filled("set")
            || filled("select");
        // With `map`, `columns` is refused, and one mistake is enough.
        if !loaded && header != Some(Header::Map) {
            item.wrong(format!(
                "`{}` is not among `columns`, so the records have no such key",
                name.as_str()
            ));
        }
        if names.contains(&name) {
            item.wrong(format!("`{}` stands twice", name.as_str()));
        }
        names.push(name);
    }
    Some(names)
}

fn duplicates(at: &At<'_>) -> Option<Duplicates> {
    at.choice(
        &[
            ("error", Duplicates::Error),
            ("first", Duplicates::First),
            ("last", Duplicates::Last),
        ],
        &[],
    )
}
