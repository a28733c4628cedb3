//! How a record becomes values, where the server is not to cut it.

mod delimited;

pub use delimited::Delimited;

use super::check::Fault;
use super::values::Values;

/// How the records of a file are laid out.
#[derive(Debug, Clone)]
pub enum Layout {
    /// Values with a separator between them: COPY's text and csv, with more freedom.
    Delimited(Delimited),
}

impl Layout {
    /// Reads `record`, one whole record without its line end, into `values`, which are cleared
    /// first.
    ///
    /// How many values there ought to be is not judged.
    ///
    /// # Errors
    /// Why the record is not one of this layout. `values` are of no use then.
    pub fn read(&self, record: &[u8], values: &mut Values) -> Result<(), Fault> {
        match self {
            Self::Delimited(delimited) => delimited.read(record, values),
        }
    }

    /// Whether `record` holds nothing at all, so that a caller may pass over it.
    pub fn is_blank(&self, record: &[u8]) -> bool {
        match self {
            Self::Delimited(_) => record.is_empty(),
        }
    }
}
