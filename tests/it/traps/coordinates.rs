//! The place of an error: record, line and byte of the source.
