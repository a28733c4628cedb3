//! Batches of files in the ledger: how a file is divided, what of it is in, and who loads what now.
//!
//! The row of a file that is divided is there, committed, before its first batch: it has the bytes of a
//! batch, which hold for every run from then on, and no `end_offset` until all batches are in. Each
//! batch has a row besides, in the transaction that carries its records. Its id is that of the file with
//! a `-` in place of the first digit, and its `start_offset` is where its first record begins, which
//! depends on the file and the division alone.
//!
//! A claim is the INSERT of such a row. Another transaction that has inserted it, and has not ended, can
//! be waited for, or gone past: on PostgreSQL an advisory lock says at once whether there is one; other
//! servers get a short time to answer.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::record::position::Position;
use crate::wire::error::WireError;
use crate::wire::server::{Kind, Server};
use crate::wire::session::Session;

use super::entry::{Entry, Target};
use super::{Ledger, UNDONE, digest, is_duplicate, text};

/// What a statement that was cancelled ends with.
const CANCELLED: &str = "57014";
/// How long a server without the lock has to insert a row that nobody else holds, in milliseconds.
const PATIENCE: &str = "1000";

/// The start of a file.
const START: Position = Position {
    record: 1,
    line: 1,
    offset: 0,
};

/// A file, or a batch of one, as a transaction claims it.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    id: String,
    start: u64,
    kind: &'static str,
    step: usize,
    target: String,
    source: String,
    bytes: Option<u64>,
    content: Option<String>,
    /// Of a file that is divided: bytes of a batch, and how many batches there will be.
    division: Option<(u64, Option<u64>)>,
}

/// What comes of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// The row is inserted.
    Ours,
    /// It is there, committed.
    In,
    /// Another transaction has inserted it, or is about to, and has not ended.
    Held,
}

/// A batch that is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchIn {
    /// The record behind it, or where that would be.
    pub(crate) end: Position,
    /// It is the last of its file.
    pub(crate) last: bool,
    /// Records that were loaded, set aside, and left out.
    pub(crate) counts: [u64; 3],
    /// This run has loaded it.
    pub(crate) is_own: bool,
}

/// A file that is divided, and not all of it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Its key.
    pub(super) id: String,
    /// Its name.
    pub(crate) source: String,
    /// Bytes of a batch.
    pub(crate) batch: u64,
    /// The run that has divided it.
    pub(crate) run: String,
    /// Batches that are in.
    pub(crate) done: u64,
}

impl Entry {
    /// The file as a whole.
    pub(crate) fn whole(&self) -> Claim {
        Claim {
            id: self.id.clone(),
            start: 0,
            kind: "file",
            step: self.step,
            target: self.target.clone(),
            source: self.source.clone(),
            bytes: self.content.map(|content| content.size),
            content: self.content.map(|content| content.to_string()),
            division: None,
        }
    }

    /// The batch that begins at byte `start`.
    pub(crate) fn batch(&self, start: u64) -> Claim {
        Claim {
            id: id_of_batches(&self.id),
            start,
            kind: "batch",
            bytes: None,
            content: None,
            ..self.whole()
        }
    }

    /// Its division into batches of so many bytes, of which there are about `batches`.
    pub(crate) fn division(&self, batch: u64, batches: Option<u64>) -> Claim {
        Claim {
            division: Some((batch, batches)),
            ..self.whole()
        }
    }

    /// Whether `unfinished` is about this file.
    pub(crate) fn is(&self, unfinished: &Unfinished) -> bool {
        self.id == unfinished.id
    }

    /// Whether `unfinished` is about a file of the same name, with other content.
    pub(crate) fn was(&self, unfinished: &Unfinished) -> bool {
        self.id != unfinished.id && self.source == unfinished.source
    }
}

/// The key of the batches of a file.
pub(super) fn id_of_batches(id: &str) -> String {
    format!("-{}", id.get(1..).unwrap_or_default())
}

impl Ledger {
    /// The name of the run.
    pub(crate) fn run_id(&self) -> &str {
        &self.run.id
    }

    /// Files of this job, for `target`, of which a part is in.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn unfinished(
        &self,
        target: &Target,
        session: &mut Session,
    ) -> Result<Vec<Unfinished>> {
        if !self.has_batches {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT f.id, f.source, f.batch, f.run_id, \
             (SELECT count(*) FROM {table} b WHERE b.id = '-' || substr(f.id, 2)) FROM {table} f \
             WHERE f.kind = 'file' AND f.end_offset IS NULL AND f.batch IS NOT NULL AND f.job = {} AND f.target = {}",
            text(&self.run.job, session),
            text(&target.plain(), session),
            table = self.table,
        );
        let rows = session.rows(&sql).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let unfinished = rows.iter().map(|row| {
            let text = |index| row.text(index).unwrap_or_default().into_owned();
            Unfinished {
                id: text(0),
                source: text(1),
                batch: text(2).parse().unwrap_or_default(),
                run: text(3),
                done: text(4).parse().unwrap_or_default(),
            }
        });
        Ok(unfinished.collect())
    }

    /// How the file of `entry` is divided, where it is, and not all of it is in.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn division(
        &self,
        entry: &Entry,
        session: &mut Session,
    ) -> Result<Option<u64>> {
        let sql = format!(
            "SELECT batch FROM {} WHERE id = '{}' AND start_offset = 0 AND end_offset IS NULL",
            self.table, entry.id
        );
        let rows = session.rows(&sql).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        Ok(rows.first().and_then(|row| row.text(0)?.parse().ok()))
    }

    /// The batches of a file that are in, by where they begin.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn batches(
        &self,
        entry: &Entry,
        session: &mut Session,
    ) -> Result<BTreeMap<u64, BatchIn>> {
        let sql = format!(
            "SELECT start_offset, end_offset, end_record, end_line, kind, loaded, rejected, filtered, run_id \
             FROM {} WHERE id = '{}' AND end_offset IS NOT NULL",
            self.table,
            id_of_batches(&entry.id)
        );
        let rows = session.rows(&sql).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let batches = rows.iter().map(|row| {
            let text = |index| row.text(index).unwrap_or_default();
            let number = |index| text(index).parse::<u64>().unwrap_or_default();
            let batch = BatchIn {
                end: Position {
                    record: number(2) + 1,
                    line: number(3) + 1,
                    offset: number(1),
                },
                last: text(4) == "last",
                counts: [number(5), number(6), number(7)],
                is_own: text(8) == self.run.id,
            };
            (number(0), batch)
        });
        Ok(batches.collect())
    }

    /// Inserts the row of `claim` into the transaction that has just begun. Where another transaction
    /// holds it, that is waited for or, with `wait` off, said.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn take(
        &self,
        claim: &Claim,
        wait: bool,
        session: &mut Session,
    ) -> Result<Claimed> {
        let taken = if has_locks(session.server()) {
            self.take_by_lock(claim, wait, session).await
        } else {
            self.take_in_time(claim, wait, session).await
        };
        taken.map_err(|error| self.failed(error))
    }

    async fn take_by_lock(
        &self,
        claim: &Claim,
        wait: bool,
        session: &mut Session,
    ) -> Result<Claimed, WireError> {
        let lock = self.lock_of(claim);
        if wait {
            let sql = format!("SELECT pg_catalog.pg_advisory_xact_lock({lock})");
            session.rows(&sql).await?;
        } else {
            let sql = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({lock})");
            let rows = session.rows(&sql).await?;
            if rows.first().is_none_or(|row| row.bytes(0) != Some(b"t")) {
                return Ok(Claimed::Held);
            }
        }
        self.insert_claim(claim, session).await
    }

    /// Gives the server a time for the INSERT, where the claim is not to wait: it waits for a row that
    /// another transaction has inserted.
    async fn take_in_time(
        &self,
        claim: &Claim,
        wait: bool,
        session: &mut Session,
    ) -> Result<Claimed, WireError> {
        if wait {
            return self.insert_claim(claim, session).await;
        }
        let rows = session.rows("SHOW statement_timeout").await?;
        let before = rows.first().and_then(|row| row.text(0));
        let before = text(&before.unwrap_or("0".into()), session);
        let set = |time: &str| format!("SET LOCAL statement_timeout = {time}");
        session.run(&set(PATIENCE)).await?;
        let claimed = self.insert_claim(claim, session).await?;
        session.run(&set(&before)).await?;
        Ok(claimed)
    }

    async fn insert_claim(
        &self,
        claim: &Claim,
        session: &mut Session,
    ) -> Result<Claimed, WireError> {
        session.run("SAVEPOINT dwsload_claim").await?;
        let insert = self.insert(&claim.row(session), session);
        let Err(error) = session.run(&insert).await else {
            session.run("RELEASE SAVEPOINT dwsload_claim").await?;
            return Ok(Claimed::Ours);
        };
        let claimed = if is_duplicate(&error) {
            Claimed::In
        } else if error.server().is_some_and(|said| said.code == CANCELLED) {
            Claimed::Held
        } else {
            return Err(error);
        };
        session.run(UNDONE).await?;
        Ok(claimed)
    }

    /// Completes the row of a batch: the record behind it is at `end`; and then the records that were
    /// loaded, rejected and filtered.
    ///
    /// # Errors
    /// The server refuses, or the connection fell; or the row is not there any more.
    pub(crate) async fn complete_batch(
        &self,
        claim: &Claim,
        end: Position,
        last: bool,
        [loaded, rejected, filtered]: [u64; 3],
        session: &mut Session,
    ) -> Result<()> {
        let kind = match (claim.kind, last) {
            ("batch", true) => "last",
            (kind, _) => kind,
        };
        let sql = format!(
            "UPDATE {} SET kind = '{kind}', end_offset = {}, end_record = {}, end_line = {}, loaded = {loaded}, \
             rejected = {rejected}, filtered = {filtered}, loaded_at = clock_timestamp() \
             WHERE id = '{}' AND start_offset = {}",
            self.table,
            end.offset,
            end.record - 1,
            end.line - 1,
            claim.id,
            claim.start
        );
        let tags = session.run(&sql).await;
        let tags = tags.map_err(|error| self.failed(error))?;
        if tags == ["UPDATE 1"] {
            return Ok(());
        }
        Err(self.lost_row(&claim.source))
    }

    /// Takes note that a file is in, with all of its `batches`. Done twice, it does no harm.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn finish(
        &self,
        entry: &Entry,
        batches: &BTreeMap<u64, BatchIn>,
        session: &mut Session,
    ) -> Result<()> {
        let sum = |index: usize| {
            batches
                .values()
                .map(|batch| batch.counts[index])
                .sum::<u64>()
        };
        let ends = batches.values().map(|batch| batch.end);
        let end = ends.max_by_key(|end| end.offset).unwrap_or(START);
        let sql = format!(
            "UPDATE {} SET end_offset = {}, end_record = {}, end_line = {}, loaded = {}, rejected = {}, filtered = {}, \
             batches = {}, loaded_at = clock_timestamp() \
             WHERE id = '{}' AND start_offset = 0 AND end_offset IS NULL",
            self.table,
            end.offset,
            end.record - 1,
            end.line - 1,
            sum(0),
            sum(1),
            sum(2),
            batches.len(),
            entry.id,
        );
        let finished = session.run(&sql).await;
        finished.map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Whether the transaction of this run that has claimed `claim` was committed. Waits for its end.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn took_place(&self, claim: &Claim, session: &mut Session) -> Result<bool> {
        if self.take(claim, true, session).await? == Claimed::Ours {
            return Ok(false);
        }
        let sql = format!(
            "SELECT run_id FROM {} WHERE id = '{}' AND start_offset = {}",
            self.table, claim.id, claim.start
        );
        let rows = session.rows(&sql).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let run = rows.first().and_then(|row| row.text(0));
        Ok(run.is_some_and(|run| run == self.run.id))
    }

    /// The number of the lock that goes with a row.
    fn lock_of(&self, claim: &Claim) -> i64 {
        let start = claim.start.to_be_bytes();
        let table = self.table.to_string();
        let digits = digest(&[b"lock", table.as_bytes(), claim.id.as_bytes(), &start]);
        let number = digits
            .get(..15)
            .map(|digits| i64::from_str_radix(digits, 16));
        number.and_then(Result::ok).unwrap_or_default()
    }

    /// The error of a row that is not there any more.
    pub(super) fn lost_row(&self, source: &str) -> Error {
        Error::new(
            ErrorKind::Server,
            format!(
                "the ledger `{}` does not keep its rows: the one of `{source}` is not there",
                self.table.plain(),
            ),
        )
        .hint("is there a trigger, a rule or a policy on it?")
    }
}

impl Claim {
    /// Whether it is about a file, and not a batch of one.
    pub(crate) fn is_whole(&self) -> bool {
        self.kind == "file"
    }

    pub(super) fn row(&self, session: &Session) -> Vec<(&'static str, String)> {
        let mut row = vec![
            ("id", text(&self.id, session)),
            ("start_offset", self.start.to_string()),
            ("kind", text(self.kind, session)),
            ("step", self.step.to_string()),
            ("target", text(&self.target, session)),
            ("source", text(&self.source, session)),
        ];
        if let Some(bytes) = self.bytes {
            row.push(("bytes", bytes.to_string()));
        }
        if let Some(content) = &self.content {
            row.push(("content", text(content, session)));
        }
        if let Some((batch, batches)) = self.division {
            row.push(("batch", batch.to_string()));
            row.extend(batches.map(|batches| ("batches", batches.to_string())));
        }
        row
    }
}

/// Whether a lock of one session is one for all others: on a cluster, coordinators may have their own.
/// Elsewhere it takes time to find that a claim is held.
pub(crate) fn has_locks(server: &Server) -> bool {
    server.kind == Kind::PostgreSql
}
