//! All talk with the server.
//!
//! tokio-postgres connects and logs in ([`connect`]); then the socket is handed over, once and for
//! good, to a [`session::Session`] that speaks the simple query protocol. One speaker instead of
//! two means that COPY, statements and their tags, notices and errors are read in one place, that
//! a COPY can stop at the server's first complaint, and that the connection survives a refusal.

mod auth;
pub mod cancel;
mod certificates;
mod channel;
pub mod condition;
pub mod connect;
pub mod endpoint;
pub mod environment;
pub mod error;
mod exposure;
mod login;
pub mod milestone;
mod passfile;
mod refusal;
mod resolution;
pub mod server;
mod service;
pub mod session;
pub mod settings;
mod socket;
pub mod target;
mod tls;
mod url;
mod verify;
