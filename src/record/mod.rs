//! Records as bytes: no I/O, no tasks.
//!
//! [`dialect`] says how a format is cut, [`splitter`] and [`binary`] cut (`lines` counts where that
//! is enough), [`position`] remembers where each record came from, [`header`] reads the names in a
//! first record, [`fields`] cuts records into values and [`check`] tells what the server will say of
//! them.

pub mod binary;
pub mod check;
pub mod dialect;
pub mod fields;
pub mod header;
mod lines;
pub mod position;
pub mod splitter;
