//! Where unloaded bytes go: a file that appears under its name only when it is complete, or
//! standard output. Writing and compressing happen on a thread of their own.

mod drain;
mod file;
mod outputs;

pub use drain::{Drain, Written, drain};
pub use file::Pending;
pub use outputs::Outputs;
