//! The ledger: which files are in, kept in the database that they are in (`exactly_once: true`).
//!
//! The row of a file is inserted first, in the transaction that carries its records. Whoever inserts
//! the same row waits until that transaction has ended, and then either has a duplicate (the file is
//! in) or the row (it is not). That one rule settles runs that are repeated, killed, or under way on
//! two machines at once.
//!
//! Each transaction of a run has a row of its own besides, its unit. Where the answer to a COMMIT is
//! lost, that row says whether it took place.

mod batch;
mod entry;
mod history;
mod table;

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::job::{Job, Transaction};
use crate::name::{TableName, literal};
use crate::wire::environment::Environment;
use crate::wire::error::WireError;
use crate::wire::session::Session;

pub(crate) use batch::{BatchIn, Claim, Claimed, Unfinished, has_locks};
pub(crate) use entry::{Entry, Known, Target};
pub(crate) use history::{Line, forget, history};

/// A row with this key is there already.
const UNIQUE_VIOLATION: &str = "23505";
/// What undoes an INSERT that was refused, so that the transaction goes on.
const UNDONE: &str = "ROLLBACK TO SAVEPOINT dwsload_claim; RELEASE SAVEPOINT dwsload_claim";

/// The ledger, as a run writes it.
#[derive(Debug)]
pub(crate) struct Ledger {
    table: TableName,
    run: Run,
    /// Files that are in are loaded all the same (`--again`).
    pub(crate) again: bool,
    /// The table has the columns of batches.
    has_batches: bool,
}

/// Who loads.
#[derive(Debug)]
struct Run {
    job: String,
    id: String,
    /// The job file's folder: names of files below it are relative to it.
    folder: PathBuf,
    host: String,
    process: u32,
    user: String,
}

/// What came of entering a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It has not taken place, and never will.
    New,
    /// It was committed before. The session's transaction is aborted.
    Before,
}

impl Ledger {
    /// Finds the ledger of `job`, or makes it, in a transaction of its own.
    ///
    /// # Errors
    /// There is none and it cannot be made; or it is one that this dwsload does not know.
    pub(crate) async fn open(job: &Job, session: &mut Session) -> Result<Self> {
        let (table, mut has_batches) = match table::find(job.ledger.as_ref(), session).await? {
            Some(found) => (found.name, found.has_batches),
            None => (table::make(job.ledger.as_ref(), session).await?, true),
        };
        if job.transaction == Transaction::Batch && !has_batches {
            table::add_batches(&table, session).await?;
            has_batches = true;
        }
        let environment = Environment::of_process();
        let system = rustix::system::uname();
        let folder = job.file.parent().unwrap_or(&job.file);
        Ok(Self {
            table,
            run: Run {
                job: job.name.clone(),
                id: job.run_id.clone(),
                folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
                host: system.nodename().to_string_lossy().into_owned(),
                process: std::process::id(),
                user: environment.user().unwrap_or_default().to_owned(),
            },
            again: job.again,
            has_batches,
        })
    }

    /// Enters the transaction of this number, which has just begun: first of all, so that its row
    /// tells whether it was committed. Waits for an earlier attempt that the server has not ended yet.
    ///
    /// # Errors
    /// The server refuses, or the connection fell.
    pub(crate) async fn enter(&self, unit: u32, session: &mut Session) -> Result<Entered> {
        let number = unit.to_string();
        let id = self.unit();
        let insert = self.insert(
            &[
                ("id", text(&id, session)),
                ("start_offset", number.clone()),
                ("kind", "'unit'".into()),
            ],
            session,
        );
        // Those before it are known to be committed.
        let sql = if unit == 0 {
            insert
        } else {
            format!(
                "DELETE FROM {} WHERE id = '{id}' AND start_offset < {number}; {insert}",
                self.table
            )
        };
        match session.run(&sql).await {
            Ok(_) => Ok(Entered::New),
            Err(error) if is_duplicate(&error) => Ok(Entered::Before),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Takes the rows of the run's transactions out again: each of them is known to be committed.
    /// One that stays does no harm.
    pub(crate) async fn leave(&self, session: &mut Session) {
        let sql = format!("DELETE FROM {} WHERE id = '{}'", self.table, self.unit());
        let _ = session.run(&sql).await;
    }

    fn unit(&self) -> String {
        digest(&[b"unit", self.run.id.as_bytes(), self.run.job.as_bytes()])
    }

    /// The INSERT of a row: what it is about, and who loads.
    fn insert(&self, row: &[(&str, String)], session: &Session) -> String {
        let run = &self.run;
        let who = [
            ("job", text(&run.job, session)),
            ("run_id", text(&run.id, session)),
            ("host", text(&run.host, session)),
            ("pid", run.process.to_string()),
            ("os_user", text(&run.user, session)),
            ("began", "clock_timestamp()".into()),
        ];
        let row = row.iter().chain(&who);
        let (names, values): (Vec<&str>, Vec<&str>) =
            row.map(|(name, value)| (*name, value.as_str())).unzip();
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.table,
            names.join(", "),
            values.join(", ")
        )
    }

    /// Inserts a row, unless one with its key is there.
    async fn insert_once(&self, insert: &str, session: &mut Session) -> Result<bool> {
        let sql = format!("SAVEPOINT dwsload_claim; {insert}; RELEASE SAVEPOINT dwsload_claim");
        let Err(error) = session.run(&sql).await else {
            return Ok(true);
        };
        if !is_duplicate(&error) {
            return Err(self.failed(error));
        }
        let undone = session.run(UNDONE).await;
        undone.map_err(|error| self.failed(error))?;
        Ok(false)
    }

    /// The error of a statement about the ledger.
    fn failed(&self, error: WireError) -> Error {
        failed(error, &self.table)
    }
}

fn failed(error: WireError, table: &TableName) -> Error {
    let missing_right = error.server().is_some_and(|said| said.code == "42501");
    let error = Error::from(error).within(format!("cannot keep the ledger `{}`", table.plain()));
    if missing_right {
        return error.hint(format!(
            "its owner has to `GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO ...`"
        ));
    }
    error
}

fn is_duplicate(error: &WireError) -> bool {
    error
        .server()
        .is_some_and(|said| said.code == UNIQUE_VIOLATION)
}

fn text(text: &str, session: &Session) -> String {
    literal(text, session.standard_conforming_strings())
}

/// SHA-256 of `parts`, each with its length, in hexadecimal digits.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut digits = String::with_capacity(64);
    for byte in hash.finalize() {
        digits.push_str(&format!("{byte:02x}"));
    }
    digits
}
