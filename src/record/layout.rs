//! How a record becomes values, where the server is not to cut it.

mod delimited;
mod fixed;
mod ndjson;

pub use delimited::Delimited;
pub use fixed::{Fixed, Span, Unit};
pub use ndjson::{Absent, Extra, Ndjson};

use super::check::Fault;
use super::values::Values;

/// How the records of a file are laid out.
#[derive(Debug, Clone)]
pub enum Layout {
    /// Values with a separator between them: COPY's text and csv, with more freedom.
    Delimited(Delimited),
    /// Values at fixed positions.
    Fixed(Fixed),
    /// A JSON object in each line.
    Ndjson(Ndjson),
}

impl Layout {
    /// Reads `record`, one whole record without its line end, into `values`, which are cleared
    /// first.
    ///
    /// Of [`Delimited`], how many values there ought to be is not judged; the others give as many
    /// as they were told of.
    ///
    /// # Errors
    /// Why the record is not one of this layout. `values` are of no use then.
    pub fn read(&self, record: &[u8], values: &mut Values) -> Result<(), Fault> {
        match self {
            Self::Delimited(delimited) => delimited.read(record, values),
            Self::Fixed(fixed) => fixed.read(record, values),
            Self::Ndjson(ndjson) => ndjson.read(record, values),
        }
    }

    /// Whether nothing stands in `record`, so that a caller may pass over it: no byte in a
    /// delimited one, nothing but blanks in one of fixed positions, nothing but JSON's white space
    /// in one of JSON.
    pub fn is_blank(&self, record: &[u8]) -> bool {
        match self {
            Self::Delimited(_) => record.is_empty(),
            Self::Fixed(_) => fixed::trimmed(record).is_empty(),
            Self::Ndjson(_) => record.iter().all(|byte| b" \t\n\r".contains(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::dialect::{Dialect, Format};

    #[test]
    fn a_record_is_blank_where_nothing_stands_in_it() {
        let csv = Delimited::new(&Dialect::new(Format::Csv), &[], Vec::new()).unwrap();
        let fixed = Fixed::new(Vec::new(), Unit::Bytes, false, Vec::new());
        let ndjson = Ndjson::new(Vec::new(), Extra::Fail, Absent::Fail);
        let layouts = [
            Layout::Delimited(csv),
            Layout::Fixed(fixed),
            Layout::Ndjson(ndjson),
        ];
        for (record, expected) in [
            ("", [true, true, true]),
            (" \t", [false, true, true]),
            (" \u{3000}", [false, true, false]),
            ("\r", [false, false, true]),
            ("x", [false, false, false]),
        ] {
            let found = layouts
                .each_ref()
                .map(|layout| layout.is_blank(record.as_bytes()));
            assert_eq!(found, expected, "{record:?}");
        }
    }
}
