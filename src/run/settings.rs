//! What a session is set to before the first step.

use crate::error::{Error, Result};
use crate::job::Job;
use crate::name::literal;
use crate::wire::session::Session;

/// Gives a new session the job's settings. By `set_config`: its value is one literal, whatever the
/// setting's syntax is.
pub(super) async fn settings(job: &Job, session: &mut Session) -> Result<()> {
    // As psycopg2 does: dates are read and written the ISO way, whatever the server's default.
    if !session
        .parameter("DateStyle")
        .is_some_and(|style| style.starts_with("ISO"))
    {
        session.run("SET DATESTYLE TO 'ISO'").await?;
    }
    for (name, value) in &job.session {
        let scs = session.standard_conforming_strings();
        let sql = format!(
            "SELECT set_config({}, {}, false)",
            literal(name.as_str(), scs),
            literal(value, scs)
        );
        session.run(&sql).await.map_err(|error| {
            Error::from(error).within(format!(
                "cannot set `session.{}` to `{value}`",
                name.as_str()
            ))
        })?;
    }
    Ok(())
}
