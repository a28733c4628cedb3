//! What the ledger tells people: which files were loaded, when and by whom.

use crate::error::{Error, ErrorKind, Result};
use crate::name::TableName;
use crate::wire::session::{Row, Session};

use super::{failed, table, text};

/// A file that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The job.
    pub(crate) job: String,
    /// The number of its step.
    pub(crate) step: u64,
    /// The file, by its name from the job's folder, or what the job called it.
    pub(crate) source: String,
    /// The table.
    pub(crate) target: String,
    /// Its size on disk in bytes, and the hash of these; `None` where the job identified it.
    pub(crate) content: Option<(u64, String)>,
    /// Where its data ended, in bytes of what it is decompressed.
    pub(crate) end: u64,
    /// Rows that came out of it.
    pub(crate) loaded: u64,
    /// Records that were set aside.
    pub(crate) rejected: u64,
    /// Records that a condition of the step left out.
    pub(crate) filtered: u64,
    /// When it was loaded, in seconds since 1970.
    pub(crate) at: i64,
    /// The run.
    pub(crate) run: String,
    /// The machine, the process and the user that loaded it.
    pub(crate) host: String,
    /// The process.
    pub(crate) process: u64,
    /// The user of the machine.
    pub(crate) user: String,
}

impl Line {
    fn of(row: &Row) -> Self {
        let text = |index| row.text(index).unwrap_or_default().into_owned();
        let number = |index| text(index).parse().unwrap_or_default();
        Self {
            job: text(0),
            step: number(1),
            source: text(2),
            target: text(3),
            content: row.bytes(5).map(|_| (number(4), text(5))),
            end: number(6),
            loaded: number(7),
            rejected: number(8),
            filtered: number(9),
            at: text(10).parse().unwrap_or_default(),
            run: text(11),
            host: text(12),
            process: number(13),
            user: text(14),
        }
    }
}

/// The last `limit` files of `job`, or of all jobs, the newest last. `named`: the ledger's table.
///
/// # Errors
/// There is no ledger, or the server refuses.
pub(crate) async fn history(
    named: Option<&TableName>,
    job: Option<&str>,
    limit: u32,
    session: &mut Session,
) -> Result<Vec<Line>> {
    let table = existing(named, session).await?;
    let of_job = of_job(job, session);
    let sql = format!(
        "SELECT job, step, source, target, bytes, content, end_offset, loaded, rejected, filtered, \
         CAST(floor(extract(epoch FROM loaded_at)) AS bigint), run_id, host, pid, os_user \
         FROM {table} WHERE kind = 'file'{of_job} ORDER BY loaded_at DESC, source DESC LIMIT {limit}"
    );
    let rows = session.rows(&sql).await;
    let rows = rows.map_err(|error| failed(error, &table))?;
    Ok(rows.iter().rev().map(Line::of).collect())
}

/// Takes out what is older than `seconds`, of `job` or of all jobs, after `tell` was told how many files
/// that is.
///
/// # Errors
/// There is no ledger, or the server refuses.
pub(crate) async fn forget(
    named: Option<&TableName>,
    job: Option<&str>,
    seconds: u64,
    tell: impl FnOnce(u64),
    session: &mut Session,
) -> Result<()> {
    let table = existing(named, session).await?;
    let of_job = of_job(job, session);
    // Where a table was replaced with what is forgotten, that is forgotten as well; and so are
    // transactions of runs that were killed.
    let old = format!(
        "COALESCE(loaded_at, began) < clock_timestamp() - {seconds} * interval '1 second'{of_job}"
    );
    let count = format!("SELECT count(*) FROM {table} WHERE kind = 'file' AND {old}");
    let rows = session.rows(&count).await;
    let rows = rows.map_err(|error| failed(error, &table))?;
    let files = rows.first().and_then(|row| row.text(0)?.parse().ok());
    tell(files.unwrap_or_default());
    let deleted = session
        .run(&format!("DELETE FROM {table} WHERE {old}"))
        .await;
    deleted.map_err(|error| failed(error, &table))?;
    Ok(())
}

async fn existing(named: Option<&TableName>, session: &mut Session) -> Result<TableName> {
    table::find(named, session).await?.ok_or_else(|| {
        Error::new(ErrorKind::Server, "there is no ledger in this database")
            .hint("the first run of a job with `exactly_once: true` makes it; `search_path` decides where it is looked for")
    })
}

fn of_job(job: Option<&str>, session: &Session) -> String {
    job.map_or(String::new(), |job| {
        format!(" AND job = {}", text(job, session))
    })
}
