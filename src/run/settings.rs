//! What is set in a session before its first step.

use crate::error::{Error, Result};
use crate::job::Job;
use crate::name::literal;
use crate::wire::session::Session;

/// Sets what dwsload needs and what the job asks for.
///
/// Settings by `set_config`: its value is one literal, whatever the setting's syntax is.
///
/// # Errors
/// The server refuses a setting of the job, or the connection fell.
pub(super) async fn apply(job: &Job, session: &mut Session) -> Result<()> {
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
