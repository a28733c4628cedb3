//! Records as bytes: no I/O, no tasks.
//!
//! [`dialect`] says how a format is cut, [`splitter`] cuts, [`position`] remembers where each
//! record came from, [`header`] reads the names in a first record.

pub mod dialect;
pub mod header;
pub mod position;
pub mod splitter;
