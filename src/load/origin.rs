//! Where a record came from, in one number, which goes into a staging table beside its values.

use crate::name::Identifier;

/// The number of a record's file in the step and its own number in the file. The numbers of a step's
/// records are in the order of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(u64);

/// Bits of a record's own number. Those above it are for more files than a step can name.
const RECORD_BITS: u32 = 40;

impl Origin {
    /// Record `record`, 1 for the first, of file `file`, 0 for the first.
    pub(super) fn new(file: usize, record: u64) -> Self {
        Self(((file as u64) << RECORD_BITS) | record)
    }

    /// The origin of this number.
    pub(super) fn of(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// The file, 0 for the first.
    pub(super) fn file(self) -> usize {
        usize::try_from(self.0 >> RECORD_BITS).unwrap_or(usize::MAX)
    }

    /// The record, 1 for the first of its file.
    pub(super) fn record(self) -> u64 {
        self.0 & ((1 << RECORD_BITS) - 1)
    }
}

/// How the records of a file are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbering {
    /// The column of the numbers.
    pub(super) column: Identifier,
    /// The number of the file, 0 for the first of the step.
    pub(super) file: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_the_input_and_lead_back_to_it() {
        let input = [(0, 1), (0, 2), (0, (1 << 40) - 1), (1, 1), (4_000_000, 7)];
        let origins = input.map(|(file, record)| Origin::new(file, record));
        assert!(origins.is_sorted());
        for (origin, (file, record)) in origins.into_iter().zip(input) {
            let back = Origin::of(origin.number());
            assert_eq!((back.file(), back.record()), (file, record));
        }
    }
}
