//! A key that stands twice in the input: found by the server, traced back to the records.
//!
//! Records that are made anew bring their numbers along. The rows of other records lie in the staging
//! table in the order of the input, as COPY appends to a new table that nobody else writes; their `ctid`
//! is that order. A server that spreads rows over nodes has no such order: there the key is named and
//! not the records.

use super::locate;
use super::merge::{number, pairs};
use super::staging::Filed;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{CopyFrom, Duplicates};
use crate::load::file::reading;
use crate::load::origin::Origin;
use crate::name::{Identifier, TableName};
use crate::record::dialect::Format;
use crate::run::Stage;
use crate::wire::server::{Ability, Server};
use crate::wire::session::{Row, Session, rows_of};

/// The records in a staging table.
#[derive(Debug)]
pub(super) struct Records<'a> {
    pub(super) table: &'a TableName,
    pub(super) key: &'a [Identifier],
    /// The column of their numbers, where they have some.
    pub(super) number: Option<&'a Identifier>,
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
        let Some(order) = self.order(session.server()) else {
            return Err(self.mistake_without_order(twice, session).await?);
        };
        let direction = match meaning {
            Duplicates::Error => return Err(self.mistake(twice, &order, step, stage).await?),
            Duplicates::First => "",
            Duplicates::Last => " DESC",
        };
        let tags = session.run(&self.delete(&order, direction)).await?;
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

    /// What orders the records as they are in the input; `None` where nothing does.
    fn order(&self, server: &Server) -> Option<String> {
        match self.number {
            Some(number) => Some(number.to_string()),
            None => server.can(Ability::CopyOrder).then(|| "ctid".to_owned()),
        }
    }

    /// Takes out all but the first of each key, in this order of the input.
    fn delete(&self, order: &str, direction: &str) -> String {
        format!(
            "DELETE FROM {table} WHERE {order} IN (SELECT {order} FROM (SELECT {order}, \
             pg_catalog.row_number() OVER (PARTITION BY {} ORDER BY {order}{direction}) AS n FROM {table}) d WHERE n > 1)",
            self.keys(""),
            table = self.table,
        )
    }

    /// The error that names the first record whose key stands before.
    async fn mistake(
        &self,
        twice: u64,
        order: &str,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> Result<Error> {
        let keys = self.keys("");
        let sql = format!(
            "SELECT \"dwsload before\", {order}, {} FROM \
             (SELECT *, pg_catalog.lag({order}) OVER (PARTITION BY {keys} ORDER BY {order}) AS \"dwsload before\" \
             FROM (SELECT {order}, {keys} FROM {}) r) d WHERE \"dwsload before\" IS NOT NULL ORDER BY {order} LIMIT 1",
            self.keys("::text"),
            self.table
        );
        let rows = stage.session.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return self.mistake_without_order(twice, stage.session).await;
        };
        let mut places = Vec::new();
        for field in [0, 1] {
            let place = row.text(field).unwrap_or_default();
            let (file, record) = match self.number {
                Some(_) => place.parse().map_or((usize::MAX, 0), |number| {
                    let origin = Origin::of(number);
                    (origin.file(), origin.record())
                }),
                None => self.by_ctid(&place, stage.session).await?,
            };
            places.push(self.place(file, record, step, stage).await);
        }
        let what = format!("{} has the key of {}", places[1], places[0]);
        Ok(self
            .error(what, twice, row, 2)
            .hint("`duplicates: last` takes the last record of each key, `first` the first"))
    }

    /// The file and the record that the row at `ctid` is.
    async fn by_ctid(&self, ctid: &str, session: &mut Session) -> Result<(usize, u64)> {
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {} WHERE ctid <= '{ctid}'::pg_catalog.tid",
            self.table
        );
        let mut record = number(session, &sql).await?;
        for (file, filed) in self.files.iter().enumerate() {
            if record <= filed.rows {
                return Ok((file, filed.before + record));
            }
            record -= filed.rows;
        }
        Ok((usize::MAX, record))
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

    /// A record of the file of this number, in words.
    async fn place(
        &self,
        file: usize,
        record: u64,
        step: &CopyFrom,
        stage: &mut Stage<'_>,
    ) -> String {
        let Some(Filed { source, .. }) = self.files.get(file) else {
            return format!("record {record} of the input");
        };
        let markers = stage.session.server().can(Ability::CsvEndMarker);
        let place = match step.dialect.format {
            // Binary data has no lines.
            Format::Binary => None,
            _ => locate::place(source, reading(step, markers), record, &mut stage.stop).await,
        };
        match place {
            Some(at) => format!("{at} of `{source}`"),
            None => format!("record {record} of `{source}`"),
        }
    }
}
