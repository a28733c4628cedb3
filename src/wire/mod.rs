//! All talk with the server.

pub mod settings;
pub mod target;
