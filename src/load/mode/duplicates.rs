//! A key that stands twice in the input: found by the server, traced back to the records.
//!
//! Rows lie in the staging table in the order of the input, as COPY appends to a new table that nobody
//! else writes; their `ctid` is that order. A server that spreads rows over nodes has no such order:
//! there the key is named and not the records.

use super::locate;
use super::merge::{number, pairs};
use super::staging::Filed;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Duplicates};
use crate::load::file::reading;
use crate::name::{Identifier, TableName};
use crate::record::dialect::Format;
use crate::run::Stage;
use crate::wire::server::Ability;
use crate::wire::session::{Row, Session, rows_of};

/// The records in a staging table.
#[derive(Debug)]
pub(super) struct Records<'a> {
    pub(super) table: &'a TableName,
    pub(super) key: &'a [Identifier],
    /// Where they came from, in order.
    pub(super) files: &'a [Filed],
}

impl Records<'_> {
    /// Leaves one record of each key. Returns how many it has taken out.
    ///
    /// # Errors
    /// A key stands twice, and that is a mistake; or the server refuses.
    pub(super) async fn settle(
        &self,
        meaning: Duplicates,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<u64> {
        let session = &mut *stage.session;
        let twice = number(session, &self.count()).await?;
        if twice == 0 {
            return Ok(0);
        }
        let order = match meaning {
            Duplicates::Error if session.server().can(Ability::CopyOrder) => {
                return Err(self.mistake(twice, step, session).await?);
            }
            Duplicates::Error => return Err(self.mistake_without_order(twice, session).await?),
            Duplicates::First => "",
            Duplicates::Last => " DESC",
        };
        let tags = session.run(&self.delete(order)).await?;
        Ok(tags.last().map_or(0, |tag| rows_of(tag)))
    }

    fn keys(&self, suffix: &str) -> String {
        let keys: Vec<String> = self
            .key
            .iter()
            .map(|name| format!("{name}{suffix}"))
            .collect();
        keys.join(", ")
    }

    /// How many keys stand more than once.
    fn count(&self) -> String {
        format!(
            "SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {} GROUP BY {} HAVING pg_catalog.count(*) > 1) d",
            self.table,
            self.keys("")
        )
    }

    /// Takes out all but the first of each key, in this order of the input.
    fn delete(&self, order: &str) -> String {
        format!(
            "DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM (SELECT ctid, \
             pg_catalog.row_number() OVER (PARTITION BY {} ORDER BY ctid{order}) AS n FROM {table}) d WHERE n > 1)",
            self.keys(""),
            table = self.table,
        )
    }

    /// The error that names the first record whose key stands before.
    async fn mistake(&self, twice: u64, step: &CopyFrom, session: &mut Session) -> Result<Error> {
        let sql = format!(
            "SELECT \"dwsload before\", ctid, {} FROM (SELECT *, pg_catalog.lag(ctid) OVER (PARTITION BY {} ORDER BY ctid) AS \"dwsload before\" \
             FROM (SELECT ctid, {} FROM {}) r) d WHERE \"dwsload before\" IS NOT NULL ORDER BY ctid LIMIT 1",
            self.keys("::text"),
            self.keys(""),
            self.keys(""),
            self.table
        );
        let rows = session.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return self.mistake_without_order(twice, session).await;
        };
        let mut places = Vec::new();
        for field in [0, 1] {
            let ctid = row.text(field).unwrap_or_default();
            let sql = format!(
                "SELECT pg_catalog.count(*) FROM {} WHERE ctid <= '{ctid}'::pg_catalog.tid",
                self.table
            );
            let place = number(session, &sql).await?;
            places.push(self.place(place, step, session).await);
        }
        let what = format!("{} has the key of {}", places[1], places[0]);
        Ok(self
            .error(what, twice, row, 2)
            .hint("`duplicates: last` takes the last record of each key, `first` the first"))
    }

    async fn mistake_without_order(&self, twice: u64, session: &mut Session) -> Result<Error> {
        let sql = format!(
            "SELECT pg_catalog.count(*), {} FROM {} GROUP BY {} HAVING pg_catalog.count(*) > 1 LIMIT 1",
            self.keys("::text"),
            self.table,
            self.keys("")
        );
        let rows = session.rows(&sql).await?;
        let gone = || Error::new(ErrorKind::Server, "the duplicate keys have gone");
        let row = rows.first().ok_or_else(gone)?;
        let times = row.text(0).unwrap_or_default();
        let what = format!("{times} records have the same key");
        Ok(self
            .error(what, twice, row, 1)
            .hint("let each key stand once in the input"))
    }

    fn error(&self, what: String, twice: u64, row: &Row, first: usize) -> Error {
        let error = Error::new(ErrorKind::Data, what).line("key", pairs(self.key, row, first));
        match twice {
            1 => error,
            _ => error.line("in all", format!("{twice} keys stand more than once")),
        }
    }

    /// The record that is the row `number` of all files, in words.
    async fn place(&self, number: u64, step: &CopyFrom, session: &Session) -> String {
        let mut before = 0;
        for Filed {
            source,
            rows,
            is_whole,
        } in self.files
        {
            let record = number - before;
            if record > *rows {
                before += rows;
                continue;
            }
            let markers = session.server().can(Ability::CsvEndMarker);
            let place = match step.dialect.format {
                _ if !is_whole => {
                    return format!(
                        "record {record} of those of `{source}` that were not rejected"
                    );
                }
                // Binary data has no lines.
                Format::Binary => None,
                _ => locate::record(source, reading(step, markers), record).await,
            };
            return match place {
                Some(at) => format!("{at} of `{source}`"),
                None => format!("record {record} of `{source}`"),
            };
        }
        format!("record {number} of the input")
    }
}
