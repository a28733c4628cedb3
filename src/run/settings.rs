//! What is set in a session before its first step.
//!
//! Everything is set by SET and not by `set_config()` or at the login: on a cluster of Gauss servers
//! a coordinator passes on to the data nodes what a SET says (openGauss, `postinit.cpp`: of the
//! settings of the login it keeps the search path alone).

use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use crate::name::{Identifier, literal, setting};
use crate::progress::{Event, Observer};
use crate::wire::error::WireError;
use crate::wire::server::{Ability, Server};
use crate::wire::session::Session;

/// A setting that DWS does not let a session change.
const READ_ONLY: &str = "default_transaction_read_only";

/// Sets what dwsload needs and what the job asks for.
///
/// # Errors
/// The server refuses a setting, or is known to; or the connection fell.
pub(crate) async fn apply(job: &Job, session: &mut Session, observer: &dyn Observer) -> Result<()> {
    let gauss = session.server().kind.is_gauss();
    if gauss && !names(job, "session_timeout") {
        let warning = stay(session).await?;
        if let Some(warning) = warning {
            observer.observe(Event::Warning(&warning));
        }
    }
    // As psycopg2 does: dates are read and written the ISO way, whatever the server's default.
    if !session
        .parameter("DateStyle")
        .is_some_and(|style| style.starts_with("ISO"))
    {
        session.run("SET DateStyle TO 'ISO'").await?;
    }
    if gauss {
        session.run("SET client_encoding TO 'UTF8'").await?;
        // As the login has it.
        let ours = format!("dwsload:{}", job.name);
        let name = session.parameter("application_name");
        let name = name.filter(|name| !name.is_empty()).unwrap_or(&ours);
        let name = literal(name, session.standard_conforming_strings());
        session
            .run(&format!("SET application_name TO {name}"))
            .await?;
    }
    for (name, value) in &job.session {
        let failed = |error: Error| {
            error.within(format!(
                "cannot set `session.{}` to `{value}`",
                name.as_str()
            ))
        };
        if let Some(error) = unsupported(name, session.server()) {
            return Err(failed(error));
        }
        let sql = setting(name, value, session.standard_conforming_strings());
        let set = session.run(&sql).await;
        set.map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

fn names(job: &Job, setting: &str) -> bool {
    job.session
        .iter()
        .any(|(name, _)| name.as_str().eq_ignore_ascii_case(setting))
}

/// Asks a Gauss server not to end the session while it waits for input, after ten minutes by
/// default. What there is to say when it does not agree.
async fn stay(session: &mut Session) -> Result<Option<String>> {
    match session.run("SET session_timeout = 0").await {
        Ok(_) => Ok(None),
        Err(WireError::Refused(said)) if !said.is_connection_end() => Ok(Some(format!(
            "the server does not let `session_timeout` be set: {said}; it may end the session when the input is slow"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// What to say of a setting that this server is known to refuse.
fn unsupported(name: &Identifier, server: &Server) -> Option<Error> {
    if !name.as_str().eq_ignore_ascii_case(READ_ONLY) || server.can(Ability::ReadOnlySession) {
        return None;
    }
    let instead = server.answer(Ability::ReadOnlySession).how();
    let error = Error::new(
        ErrorKind::Server,
        format!("{server} does not support `{READ_ONLY}` in a session"),
    );
    Some(match instead {
        Some(sql) => error.hint(format!(
            "leave it out; a `sql` step `{sql}` makes the transaction it is in read-only"
        )),
        None => error,
    })
}
