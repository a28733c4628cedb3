//! The statements of the modes that go by a key, from a staging table into the target. Pure text.
//!
//! In all of them `t` is the target and `s` the staging table. Keys are compared with `=`, as a unique
//! index does it; the other columns byte by byte, so that a value which is equal to another one and
//! not the same (`1.0` and `1.00`, `'a'` and `'A'` of a citext, boxes of one area) is a change.

use super::target::Column;
use crate::name::{Identifier, TableName, column_list};

/// What the statements are about.
#[derive(Debug, Clone)]
pub(super) struct Statements<'a> {
    /// The target.
    pub(super) target: &'a TableName,
    /// The staging table.
    pub(super) staging: &'a TableName,
    /// The records in it that count; `None` for all.
    pub(super) part: Option<Part<'a>>,
    /// The columns of both that are loaded.
    pub(super) columns: &'a [Identifier],
    /// Those of the key.
    pub(super) key: &'a [Identifier],
    /// Those that an update sets: no part of the key.
    pub(super) set: Vec<&'a Column>,
    /// A column is GENERATED ALWAYS AS IDENTITY, and an INSERT must insist on its value.
    pub(super) overrides: bool,
    /// The server has the operator `*<>`.
    pub(super) compares_images: bool,
}

/// Some of the records, by their numbers.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    /// The column of the numbers.
    number: &'a Identifier,
    condition: String,
}

impl<'a> Part<'a> {
    /// Those from `first` to `last`.
    pub(super) fn range(number: &'a Identifier, first: u64, last: u64) -> Self {
        Self {
            number,
            condition: format!("BETWEEN {first} AND {last}"),
        }
    }

    /// Those of `numbers`.
    pub(super) fn list(number: &'a Identifier, numbers: &[u64]) -> Self {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Self {
            number,
            condition: format!("IN ({})", numbers.join(", ")),
        }
    }
}

/// Types whose equal values are the same values: boolean, bytea, integers, oid, dates and times, uuid
/// (`pg_type.dat`).
const EXACT: [u32; 12] = [16, 17, 18, 20, 21, 23, 26, 1082, 1083, 1114, 1184, 2950];
/// Types whose text may leave out a difference that `=` sees: float4, float8.
const FLOATS: [u32; 2] = [700, 701];

impl Statements<'_> {
    /// A list of columns without parentheses, each behind `prefix`.
    pub(super) fn list(columns: &[Identifier], prefix: &str) -> String {
        let columns: Vec<String> = columns
            .iter()
            .map(|name| format!("{prefix}{name}"))
            .collect();
        columns.join(", ")
    }

    /// A row of `t` and a row of `s` have the same key.
    fn matches(&self) -> String {
        let pairs: Vec<String> = self
            .key
            .iter()
            .map(|name| format!("t.{name} = s.{name}"))
            .collect();
        pairs.join(" AND ")
    }

    /// A row of `t` is not as a row of `new` would make it.
    fn differs(&self, new: &str) -> String {
        differ(&self.set, new, self.compares_images)
    }

    fn in_target(&self, more: &str) -> String {
        format!(
            "EXISTS (SELECT 1 FROM {} AS t WHERE {}{more})",
            self.target,
            self.matches()
        )
    }

    /// Sets the columns to those of `new`.
    fn assignments(&self, new: &str) -> String {
        let set: Vec<String> = self
            .set
            .iter()
            .map(|column| format!("{} = {new}.{}", column.name, column.name))
            .collect();
        set.join(", ")
    }

    /// The records that count, as FROM takes them.
    fn records(&self) -> String {
        match &self.part {
            None => self.staging.to_string(),
            Some(Part { number, condition }) => format!(
                "(SELECT * FROM {} WHERE {number} {condition})",
                self.staging
            ),
        }
    }

    /// The order in which they are taken: that of the keys, so that two merges do not deadlock; that of
    /// the input where some may be refused, so that of two that exclude each other the first is in.
    fn order(&self) -> String {
        match &self.part {
            None => Self::list(self.key, "s."),
            Some(Part { number, .. }) => format!("s.{number}"),
        }
    }

    /// `alias` is for ON CONFLICT; servers without it take none here.
    fn insert_from(&self, alias: &str, condition: &str) -> String {
        format!(
            "INSERT INTO {}{alias} {} {}SELECT {} FROM {} AS s{condition}",
            self.target,
            column_list(self.columns),
            if self.overrides {
                "OVERRIDING SYSTEM VALUE "
            } else {
                ""
            },
            Self::list(self.columns, "s."),
            self.records(),
        )
    }

    /// Keeps other writers out until the transaction ends; readers go on.
    pub(super) fn lock(&self) -> String {
        format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.target)
    }

    /// Inserts the records whose key is not there.
    pub(super) fn insert_missing(&self) -> String {
        self.insert_from("", &format!(" WHERE NOT {}", self.in_target("")))
    }

    /// The same without a lock: what another transaction inserts meanwhile is left alone.
    pub(super) fn insert_missing_at_once(&self) -> String {
        let condition = format!(
            " WHERE NOT {} ORDER BY {} ON CONFLICT {} DO NOTHING",
            self.in_target(""),
            self.order(),
            column_list(self.key)
        );
        self.insert_from(" AS t", &condition)
    }

    /// Inserts the records, or updates the rows that have their keys and are not the same already.
    pub(super) fn upsert_at_once(&self) -> String {
        let condition = format!(
            " ORDER BY {} ON CONFLICT {} DO UPDATE SET {} WHERE {}",
            self.order(),
            column_list(self.key),
            self.assignments("excluded"),
            self.differs("excluded"),
        );
        self.insert_from(" AS t", &condition)
    }

    /// The same, which returns how many rows it has written, and how many of them are new.
    pub(super) fn upsert_and_count(&self) -> String {
        format!(
            "WITH written AS ({} RETURNING CASE WHEN xmax = 0 THEN 1 END AS fresh) \
             SELECT pg_catalog.count(*), pg_catalog.count(fresh) FROM written",
            self.upsert_at_once()
        )
    }

    /// Updates the rows whose key is among the records, where they are not the same already.
    pub(super) fn update(&self) -> String {
        format!(
            "UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {}",
            self.target,
            self.assignments("s"),
            self.records(),
            self.matches(),
            self.differs("s")
        )
    }

    /// Deletes the rows whose key is among the records.
    pub(super) fn delete(&self) -> String {
        format!(
            "DELETE FROM {} AS t USING {} AS s WHERE {}",
            self.target,
            self.records(),
            self.matches()
        )
    }

    /// How many records have a row.
    pub(super) fn count_matched(&self) -> String {
        self.count(&self.in_target(""))
    }

    /// How many records have a row that an update changes.
    pub(super) fn count_changing(&self) -> String {
        self.count(&self.in_target(&format!(" AND {}", self.differs("s"))))
    }

    fn count(&self, condition: &str) -> String {
        format!(
            "SELECT pg_catalog.count(*) FROM {} AS s WHERE {condition}",
            self.records()
        )
    }

    /// The keys, as text, of a row whose `columns` an update would have to change.
    pub(super) fn moving(&self, columns: &[&Column]) -> String {
        let keys: Vec<String> = self
            .key
            .iter()
            .map(|name| format!("s.{name}::text"))
            .collect();
        format!(
            "SELECT {} FROM {} AS s JOIN {} AS t ON {} WHERE {} LIMIT 1",
            keys.join(", "),
            self.records(),
            self.target,
            self.matches(),
            differ(columns, "s", self.compares_images)
        )
    }

    /// Plans what the mode does, with locks that only readers take: what the types of the columns do
    /// not allow comes out before anything is loaded.
    pub(super) fn rehearse(&self) -> String {
        let differs = if self.set.is_empty() {
            String::new()
        } else {
            format!(" AND {}", self.differs("s"))
        };
        let keys = Self::list(self.key, "s.");
        format!(
            "EXPLAIN SELECT {keys} FROM {} AS s WHERE {} GROUP BY {keys}",
            self.records(),
            self.in_target(&differs)
        )
    }
}

/// `t` and `new` differ in one of `columns`, by their bytes.
fn differ(columns: &[&Column], new: &str, compares_images: bool) -> String {
    if compares_images {
        let row = |of: &str| {
            let fields: Vec<String> = columns
                .iter()
                .map(|column| format!("{of}.{}", column.name))
                .collect();
            // The cast keeps the server from comparing field by field, with an operator for each type.
            format!("ROW({})::record", fields.join(", "))
        };
        return format!("{} OPERATOR(pg_catalog.*<>) {}", row("t"), row(new));
    }
    let differences: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = &column.name;
            let values = format!("t.{name} IS DISTINCT FROM {new}.{name}");
            let texts = format!(
                "t.{name}::text COLLATE \"C\" IS DISTINCT FROM {new}.{name}::text COLLATE \"C\""
            );
            match column.type_oid {
                oid if EXACT.contains(&oid) => values,
                oid if FLOATS.contains(&oid) => format!("{values} OR {texts}"),
                _ => texts,
            }
        })
        .collect();
    format!("({})", differences.join(" OR "))
}
