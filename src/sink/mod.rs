//! Where unloaded bytes go: a file that appears under its name only when it is complete, or
//! standard output. Writing and compressing happen on a thread of their own.

mod drain;
mod encode;
mod file;
mod outputs;
mod rejects;

pub use drain::{Drain, Written, can_be_written_again, drain};
pub use encode::Encode;
pub use file::Pending;
pub(crate) use file::sync_names;
pub use outputs::Outputs;
pub use rejects::{Kind, Reject, Rejected, Rejects};

/// Why what wrote to an output that is no file is not run again.
pub(crate) const CANNOT_BE_TAKEN_BACK: &str =
    "a part of its output has been written to where it cannot be taken back";
