//! The server behind the login: what it is, what a session may do, its clock, the way to it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::timeout;

use super::report::Report;
use super::took;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::server::{Ability, Kind, identify};
use crate::wire::session::{Row, Session};

/// How far clocks may differ before that is worth a warning.
const CLOCK_TOLERANCE: f64 = 1.0;
/// Statements whose time is measured.
const ROUNDS: usize = 5;

/// Abilities that are told without `--verbose`: those that decide how a job is written.
const TOLD: [Ability; 6] = [
    Ability::OnConflict,
    Ability::OnDuplicateKey,
    Ability::Merge,
    Ability::BinaryCopy,
    Ability::CopyLogErrors,
    Ability::StatementRetry,
];

/// A session, and how long one of its answers may take.
pub(crate) struct Patient<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) patience: Duration,
}

impl Patient<'_> {
    /// The rows of `sql`, in time.
    ///
    /// # Errors
    /// The server refuses, the connection falls, or there is no answer.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Row>> {
        match timeout(self.patience, self.session.rows(sql)).await {
            Ok(rows) => Ok(rows?),
            Err(_) => Err(no_answer(self.patience)),
        }
    }

    /// The first field of the first row of `sql`, empty for NULL.
    async fn value(&mut self, sql: &str) -> Result<String> {
        let rows = self.rows(sql).await?;
        let value = rows.first().and_then(|row| row.text(0));
        Ok(value.unwrap_or_default().into_owned())
    }
}

pub(super) fn no_answer(patience: Duration) -> Error {
    Error::new(
        ErrorKind::Lost,
        format!("no answer within {} s", patience.as_secs()),
    )
    .hint("the server is busy or hangs; connect_timeout sets how long the doctor waits")
}

/// What the server is and can. `false`, and said, where it does not tell.
pub(super) async fn server(
    patient: &mut Patient<'_>,
    declared: Option<Kind>,
    report: &mut Report,
) -> bool {
    let identified = timeout(patient.patience, identify(patient.session, declared)).await;
    let server = match identified {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => {
            let error = Error::from(error).within("the server does not say what it is");
            report.fail("server", &error);
            return false;
        }
        Err(_) => {
            report.fail("server", &no_answer(patient.patience));
            return false;
        }
    };
    let parameter = |name: &str| patient.session.parameter(name).unwrap_or("unknown");
    let text = format!(
        "{}, encoding {}, time zone {}",
        server.described(),
        parameter("server_encoding"),
        parameter("TimeZone")
    );
    if server.is_too_old() {
        report.warn(
            "server",
            &text,
            "dwsload is made for PostgreSQL 9.2 and later",
        );
    } else {
        report.ok("server", &text);
    }
    let told: Vec<&str> = server
        .abilities()
        .filter(|finding| TOLD.contains(&finding.ability) && finding.answer.can())
        .map(|finding| finding.words)
        .collect();
    report.ok(
        "abilities",
        &format!("{} (--verbose lists all)", told.join(", ")),
    );
    for finding in server.abilities() {
        let (words, answer, source) = (finding.words, finding.answer, finding.source);
        report.more(&format!("{words}: {answer} ({source})"));
    }
    true
}

/// What a session may do. `writes`: the job changes tables.
pub(super) async fn session(patient: &mut Patient<'_>, writes: bool, report: &mut Report) {
    let mut facts = Vec::new();
    match read_only(patient).await {
        Ok(None) => facts.push("may write".to_owned()),
        Ok(Some(why)) if writes => {
            let error = Error::new(
                ErrorKind::Server,
                format!("transactions are read-only: {}", why.what),
            );
            report.fail("session", &error.hint(why.remedy));
        }
        Ok(Some(why)) => {
            let text = format!("transactions are read-only: {}", why.what);
            report.warn("session", &text, why.remedy);
        }
        Err(error) => return report.fail("session", &error),
    }
    let mut names = vec!["statement_timeout"];
    // Every Gauss server has one of this name; whether a user may change it is another matter.
    if patient.session.server().kind.is_gauss() {
        names.push("session_timeout");
    }
    for name in names {
        match patient.value(&format!("SHOW {name}")).await {
            Ok(value) => facts.push(format!("{name} {}", shown(&value))),
            // A server without it.
            Err(error) if error.kind() == ErrorKind::Server => {}
            Err(error) => return report.fail("session", &error),
        }
    }
    report.ok("session", &facts.join(", "));
}

/// A time limit as people say it.
fn shown(value: &str) -> &str {
    match value {
        "0" | "0ms" | "0s" => "off",
        other => other,
    }
}

/// Why nothing can be written.
struct ReadOnly {
    what: &'static str,
    remedy: &'static str,
}

async fn read_only(patient: &mut Patient<'_>) -> Result<Option<ReadOnly>> {
    if patient.value("SHOW transaction_read_only").await? != "on" {
        return Ok(None);
    }
    let standby = match patient.value("SELECT pg_catalog.pg_is_in_recovery()").await {
        Ok(answer) => answer == "t",
        Err(error) if error.kind() == ErrorKind::Server => false,
        Err(error) => return Err(error),
    };
    Ok(Some(if standby {
        ReadOnly {
            what: "this is a standby",
            remedy: "connect to the primary",
        }
    } else if patient.session.server().kind.is_gauss() {
        ReadOnly {
            what: "the server says so",
            remedy: "a cluster becomes read-only when a disk is 90 % full: make room, or ask its administrator; else see default_transaction_read_only of the user and the database",
        }
    } else {
        ReadOnly {
            what: "default_transaction_read_only is on",
            remedy: "it is set for the user, the database or the server; a job may say `session: {default_transaction_read_only: off}`",
        }
    }))
}

/// How the server's clock differs from ours, and how long a statement takes to and fro.
pub(super) async fn times(patient: &mut Patient<'_>, report: &mut Report) {
    match clock(patient).await {
        Ok(Some(ahead)) => say_clock(ahead, report),
        Ok(None) => report.skip("clock", "the server does not tell its time"),
        Err(error) => return report.fail("clock", &error),
    }
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        if let Err(error) = patient.rows("SELECT 1").await {
            return report.fail("round trip", &error);
        }
        times.push(began.elapsed());
    }
    times.sort_unstable();
    report.ok(
        "round trip",
        &format!("{}, the median of {ROUNDS}", took(times[ROUNDS / 2])),
    );
}

/// Seconds by which the server's clock is ahead of ours: by the quickest of a few answers, whose
/// time was somewhere between question and answer.
async fn clock(patient: &mut Patient<'_>) -> Result<Option<f64>> {
    let mut best: Option<(Duration, f64)> = None;
    for _ in 0..ROUNDS {
        let (began, now) = (Instant::now(), SystemTime::now());
        let sql = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())";
        let theirs = patient.value(sql).await?;
        let elapsed = began.elapsed();
        let (Ok(theirs), Ok(ours)) = (theirs.parse::<f64>(), now.duration_since(UNIX_EPOCH)) else {
            return Ok(None);
        };
        let ahead = theirs - (ours + elapsed / 2).as_secs_f64();
        if best.is_none_or(|(quickest, _)| elapsed < quickest) {
            best = Some((elapsed, ahead));
        }
    }
    Ok(best.map(|(_, ahead)| ahead))
}

fn say_clock(ahead: f64, report: &mut Report) {
    let distance = Duration::try_from_secs_f64(ahead.abs()).unwrap_or(Duration::MAX);
    let side = if ahead < 0.0 { "behind" } else { "ahead of" };
    if ahead.abs() < CLOCK_TOLERANCE {
        report.ok(
            "clock",
            &format!("the server's is within {CLOCK_TOLERANCE} s of ours"),
        );
        report.more(&format!("{} {side} ours", took(distance)));
        return;
    }
    report.warn(
        "clock",
        &format!("the server's is {} {side} ours", took(distance)),
        "`${{ today }}` in a job is our day and current_date is the server's: set the wrong one right (NTP)",
    );
}
