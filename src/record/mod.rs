//! Records as bytes: no I/O, no tasks.

pub mod dialect;
