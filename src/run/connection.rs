//! The session of a job: logged in, and which server it is.

use super::Stop;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::progress::{Event, Observer};
use crate::wire::connect::connect;
use crate::wire::server::identify;
use crate::wire::session::Session;
use crate::wire::target::Target;

/// Logs in at `target`.
///
/// # Errors
/// There is no connection, or no login; or the run is to stop.
pub(crate) async fn log_in(job: &Job, target: &Target, stop: &mut Stop) -> Result<Session> {
    let application = format!("dwsload:{}", job.name);
    tokio::select! {
        reason = stop.wait() => Err(reason.error()),
        session = connect(target, &application) => session,
    }
}

/// Finds out which server it is, and tells. `first`: what there is to warn of has not been told.
///
/// # Errors
/// The server does not say what it is; or the run is to stop.
pub(crate) async fn introduce(
    job: &Job,
    session: &mut Session,
    observer: &dyn Observer,
    stop: &mut Stop,
    first: bool,
) -> Result<()> {
    if let Some(warning) = session.take_warning().filter(|_| first) {
        observer.observe(Event::Warning(&warning));
    }
    let server = tokio::select! {
        reason = stop.wait() => return Err(reason.error()),
        server = identify(session, job.server) => server.map_err(|error| {
            Error::from(error).within("the server does not say what it is")
        })?,
    };
    if server.is_too_old() && first {
        observer.observe(Event::Warning(&format!(
            "{server} is older than PostgreSQL 9.2, the oldest that dwsload is made for"
        )));
    }
    observer.observe(Event::Connected {
        job: &job.name,
        server: &server.described(),
        place: session.place(),
    });
    Ok(())
}
