//! What the ledger tells people: which files were loaded, when and by whom.

use crate::error::{Error, ErrorKind, Result};
use crate::name::TableName;
use crate::wire::session::{Row, Session};

use super::table::{self, Found};
use super::{failed, text};

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
    /// Of a file in batches: how many are in, and of how many, where that is known.
    pub(crate) batches: Option<(u64, Option<u64>)>,
    /// Not all of it is in.
    pub(crate) is_unfinished: bool,
    /// Where its data ended, or what is in of it, in bytes of what it is decompressed.
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
            batches: row.bytes(15).map(|_| (number(16), text(17).parse().ok())),
            is_unfinished: text(18) == "t",
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
    let Found {
        name: table,
        has_batches,
    } = existing(named, session).await?;
    let of_job = of_job(job, session);
    let columns = "f.job, f.step, f.source, f.target, f.bytes, f.content";
    let who = "f.run_id, f.host, f.pid, f.os_user";
    let seconds = |at: &str| format!("CAST(floor(extract(epoch FROM {at})) AS bigint)");
    let sql = if has_batches {
        // A file of which a part is in has the sums of its batches.
        let at = "COALESCE(f.loaded_at, b.loaded_at, f.began)";
        format!(
            "SELECT {columns}, COALESCE(f.end_offset, b.end_offset), COALESCE(f.loaded, b.loaded), \
             COALESCE(f.rejected, b.rejected), COALESCE(f.filtered, b.filtered), {}, {who}, \
             f.batch, COALESCE(b.done, 0), f.batches, f.end_offset IS NULL \
             FROM {table} f LEFT JOIN (SELECT id, count(*) AS done, max(end_offset) AS end_offset, \
             sum(loaded) AS loaded, sum(rejected) AS rejected, sum(filtered) AS filtered, \
             max(loaded_at) AS loaded_at FROM {table} WHERE kind IN ('batch', 'last') GROUP BY id) b \
             ON b.id = '-' || substr(f.id, 2) \
             WHERE f.kind = 'file'{of_job} ORDER BY {at} DESC, f.source DESC LIMIT {limit}",
            seconds(at)
        )
    } else {
        format!(
            "SELECT {columns}, f.end_offset, f.loaded, f.rejected, f.filtered, {}, {who}, NULL, NULL, NULL, false \
             FROM {table} f WHERE f.kind = 'file'{of_job} ORDER BY f.loaded_at DESC, f.source DESC LIMIT {limit}",
            seconds("f.loaded_at")
        )
    };
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
    let table = existing(named, session).await?.name;
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
    // Batches go with their files, and never alone: one query is one transaction.
    let sql = format!(
        "DELETE FROM {table} WHERE kind IN ('batch', 'last') AND id IN \
         (SELECT '-' || substr(id, 2) FROM {table} WHERE kind = 'file' AND {old}); \
         DELETE FROM {table} WHERE kind NOT IN ('batch', 'last') AND {old}"
    );
    let deleted = session.run(&sql).await;
    deleted.map_err(|error| failed(error, &table))?;
    Ok(())
}

async fn existing(named: Option<&TableName>, session: &mut Session) -> Result<Found> {
    let found = table::find(named, session).await?;
    found.ok_or_else(|| {
        Error::new(ErrorKind::Server, "there is no ledger in this database")
            .hint("the first run of a job with `exactly_once: true` makes it; `search_path` decides where it is looked for")
    })
}

fn of_job(job: Option<&str>, session: &Session) -> String {
    job.map_or(String::new(), |job| {
        format!(" AND job = {}", text(job, session))
    })
}
