//! The lock of a job in its database: an advisory lock of the run's session, which the server gives
//! back when the session ends, whatever ended it.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{TICK, Told, taken};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, Overlap};
use crate::progress::{Event, Observer};
use crate::run::Stop;
use crate::wire::condition::Condition;
use crate::wire::error::WireError;
use crate::wire::server::Ability;
use crate::wire::session::{Row, Session, Status};

/// How long a lock is tried that fails at once: a run that has just ended may still be in the server.
const MOMENT: Duration = Duration::from_secs(1);
/// How long giving a lock back may take, before the end of the session does it.
const GOODBYE: Duration = Duration::from_millis(300);

/// The lock of one job, over the sessions of a run.
#[derive(Debug, Default)]
pub(crate) struct DatabaseLock {
    /// The server's process behind our last session that held it.
    held_by: Option<String>,
    /// This session holds it.
    is_held: bool,
}

/// What came of a try.
enum Tried {
    /// It is ours; the server's process behind the session.
    Taken(String),
    /// Another session has it.
    Busy,
    /// There is no lock to be had, for this reason.
    Never(String),
}

impl DatabaseLock {
    /// Takes the lock for this session, where the job has one and the server too.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another run has it; [`ErrorKind::Lost`] when another took it while the
    /// run had no session; or the run is to stop; or the connection fell; or the server has no such lock
    /// and the job asks for it.
    pub(crate) async fn take(
        &mut self,
        job: &Job,
        session: &mut Session,
        observer: &dyn Observer,
        stop: &mut Stop,
    ) -> Result<()> {
        self.is_held = false;
        if job.lock.overlap == Overlap::None {
            return Ok(());
        }
        if !session.server().can(Ability::AdvisoryLocks) {
            let server = session.server().to_string();
            observer.observe(Event::Advice(&format!(
                "{server} has no locks for programs: runs of the job on other hosts are not kept out"
            )));
            return Ok(());
        }
        let began = Instant::now();
        let mut told = Told::default();
        loop {
            match attempt(job, session).await? {
                Tried::Taken(process) => {
                    self.is_held = true;
                    self.held_by = Some(process);
                    return Ok(());
                }
                Tried::Never(why) => return without(job, &why, observer),
                Tried::Busy => {}
            }
            let holder = holder(job, session).await;
            let is_ours =
                holder.is_some() && holder.as_ref().map(|h| &h.pid) == self.held_by.as_ref();
            let words = holder.map_or_else(|| "a session that is not shown".into(), |h| h.words);
            let patience = if is_ours { job.retry.within } else { MOMENT };
            if job.lock.overlap == Overlap::Wait && !is_ours {
                told.waiting(job, &words, observer);
            } else if began.elapsed() >= patience {
                return Err(self.refused(job, &words, is_ours));
            }
            tokio::select! {
                reason = stop.wait() => return Err(reason.error()),
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Gives the lock back, so that a run that follows at once finds it free.
    pub(crate) async fn release(&mut self, job: &Job, session: &mut Session) {
        if std::mem::take(&mut self.is_held) && session.status() == Status::Idle {
            let sql = format!("SELECT pg_advisory_unlock({})", key(job));
            let _ = tokio::time::timeout(GOODBYE, session.run(&sql)).await;
        }
    }

    fn refused(&self, job: &Job, holder: &str, is_ours: bool) -> Error {
        let hint = "`lock: wait` or `skip` in the job says what a second run does; `lock: none` lets both run; `SELECT pg_terminate_backend(N)` ends a session that was left behind";
        if is_ours {
            return Error::new(
                ErrorKind::Lost,
                format!("the server has not ended the session that fell, which has the job's lock: {holder}"),
            )
            .under(Condition::Lock);
        }
        if self.held_by.is_some() {
            return Error::new(
                ErrorKind::Lost,
                format!(
                    "the connection fell, and another run of `{}` has begun meanwhile: {holder}",
                    job.name
                ),
            )
            .hint(hint);
        }
        taken(job, holder).hint(hint)
    }
}

/// Tries to take the lock, once.
async fn attempt(job: &Job, session: &mut Session) -> Result<Tried> {
    let lock = format!("pg_try_advisory_lock({})::text", key(job));
    // Gauss servers number their threads otherwise.
    let lock = if session.server().kind.is_gauss() {
        lock
    } else {
        let process = session.process_id();
        format!("CASE WHEN pg_backend_pid() = {process} THEN {lock} END")
    };
    let sql = format!("SELECT {lock}, pg_backend_pid()");
    match session.rows(&sql).await {
        Ok(rows) => {
            let text = |index| rows.first().and_then(|row| row.text(index));
            Ok(match text(0).as_deref() {
                Some("true" | "t") => Tried::Taken(text(1).unwrap_or_default().into_owned()),
                Some(_) => Tried::Busy,
                None => Tried::Never(
                    "a connection pool stands before the server, and would keep the lock".into(),
                ),
            })
        }
        Err(WireError::Refused(said)) if Condition::of(&said) == Condition::Lasting => {
            Ok(Tried::Never(said.to_string()))
        }
        Err(error) => Err(Error::from(error).within("cannot take the job's lock")),
    }
}

/// Goes on without the lock, where the job does not insist.
fn without(job: &Job, why: &str, observer: &dyn Observer) -> Result<()> {
    if job.lock.is_explicit {
        return Err(Error::new(
            ErrorKind::Server,
            format!("cannot take the job's lock in the database: {why}"),
        )
        .hint("`lock: none` goes without it"));
    }
    observer.observe(Event::Advice(&format!(
        "no lock in the database keeps runs of other hosts out: {why}"
    )));
    Ok(())
}

/// The number of the job's lock: the same in every process that runs it.
fn key(job: &Job) -> i64 {
    let mut hash = Sha256::new();
    hash.update(b"dwsload job\0");
    hash.update(job.lock.identity.as_bytes());
    let hash = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first)
}

/// Another session that has the lock.
struct Holder {
    pid: String,
    words: String,
}

/// Who has the lock, as far as the server says.
async fn holder(job: &Job, session: &mut Session) -> Option<Holder> {
    // As the server shows it: the two halves of the number, each without a sign.
    let key = u64::from_be_bytes(key(job).to_be_bytes());
    let (class, object) = (key >> 32, key & u64::from(u32::MAX));
    let sql = format!(
        "SELECT l.pid, a.usename, host(a.client_addr), \
         to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), a.application_name \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {class} AND l.objid = {object} \
         AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_catalog.pg_database \
         WHERE datname = current_database())"
    );
    let rows = session.rows(&sql).await.ok()?;
    let row = rows.first()?;
    let pid = row.text(0)?.into_owned();
    Some(Holder {
        words: words(row, &pid),
        pid,
    })
}

/// `dwsload:orders as loader at 10.0.0.7, since 2026-01-31 02:15:00 UTC, server process 4711`. Of
/// another user's session a server may not tell when and from where.
fn words(row: &Row, pid: &str) -> String {
    let field = |index| row.text(index).filter(|text| !text.is_empty());
    let mut words = field(4).map_or_else(|| "a session".into(), std::borrow::Cow::into_owned);
    if let Some(user) = field(1) {
        words.push_str(&format!(" as {user}"));
    }
    match (field(2), field(3)) {
        (Some(host), _) => words.push_str(&format!(" at {host}")),
        // A session that tells when it began tells where it comes from, too.
        (None, Some(_)) => words.push_str(" on the server's own host"),
        (None, None) => {}
    }
    if let Some(since) = field(3) {
        words.push_str(&format!(", since {since} UTC"));
    }
    format!("{words}, server process {pid}")
}
