//! What a connection tells of itself while it comes about.

use std::time::Duration;

pub use super::login::Method;
pub use super::tls::{Peer, TlsSession};
use crate::error::Error;

/// Who is told of milestones.
pub type Watch<'a> = &'a mut dyn FnMut(Milestone<'_>);

/// A stage of a connection that is over.
#[derive(Debug)]
pub enum Milestone<'a> {
    /// TLS is up.
    Encrypted(TlsSession),
    /// The server has no TLS, and the settings do without it.
    NoTls,
    /// The server was not willing under TLS, for this reason, and is asked again in plain text.
    AgainInPlain(&'a Error),
    /// The server has asked for the password in this way, and refused the login.
    Asked(Method),
    /// The login is done.
    LoggedIn(Login),
}

/// A login that has succeeded.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// How the server asked for the password; `None` where it did not.
    pub method: Option<Method>,
    /// The protocol is 3.`minor`.
    pub minor: u32,
    /// From the start-up message to the end of the login.
    pub took: Duration,
}
