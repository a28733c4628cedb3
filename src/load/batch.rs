//! The records of one COPY, and how many they are.

use std::ops::Range;

use super::sieve::{Sieved, Sifted};
use crate::record::dialect::Dialect;
use crate::record::splitter::{Ends, Splitter};

/// How many records one COPY takes.
///
/// Those before a bad one are sent twice, and each COPY has a price of its own. Where one of `n`
/// records is bad, and a COPY costs as much as `c` records, the least work is in COPYs of the root
/// of `2 n c` records.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pace {
    /// Records from one bad one to the next, of late; `None` while there was none.
    gap: Option<f64>,
    /// Records since the last bad one.
    since: u64,
}

impl Pace {
    /// Records of a batch while none is bad.
    const MOST: usize = 1 << 16;
    /// Records of a batch where many are.
    const FEWEST: usize = 16;
    /// What a COPY costs, in records: about 0.2 ms, measured on PostgreSQL 15.
    const PRICE: f64 = 50.0;

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is an estimate"
    )]
    pub(super) fn size(self) -> usize {
        let Some(gap) = self.gap else {
            return Self::MOST;
        };
        let gap = gap.max(self.since as f64);
        ((2.0 * gap * Self::PRICE).sqrt() as usize).clamp(Self::FEWEST, Self::MOST)
    }

    pub(super) fn succeeded(&mut self, records: u64) {
        self.since += records;
    }

    /// A bad record came behind so many good ones of its COPY.
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    pub(super) fn failed_by(&mut self, good: usize) {
        let gap = (self.since + good as u64) as f64;
        self.gap = Some(self.gap.map_or(gap, |before| 0.75 * before + 0.25 * gap));
        self.since = 0;
    }
}

/// Bytes of a batch: kept until the server has taken it. A COPY of so many takes some 25 ms, a
/// hundred times its price.
pub(super) const BATCH: usize = 1024 * 1024;
/// Records whose places are remembered where nothing else of them is: the server lags behind by its
/// receive buffer only, a few MiB.
const REMEMBERED: usize = 1 << 18;

/// Records that are loaded by one COPY, kept until the server has taken them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    raw: Vec<u8>,
    /// What is sent of them, where that is not what they are.
    shaped: Option<Vec<u8>>,
    pub(super) records: Vec<Sieved>,
    /// Records of the COPY before those, of which nothing is kept.
    forgotten: u64,
}

impl Batch {
    /// For records that are sent as they are, or `shaped`.
    pub(super) fn new(shaped: bool) -> Self {
        Self {
            shaped: shaped.then(Vec::new),
            ..Self::default()
        }
    }

    /// Takes a record of `sifted`.
    pub(super) fn push(&mut self, record: &Sieved, sifted: &Sifted) {
        let mut kept = *record;
        kept.start = self.raw.len();
        self.raw
            .extend_from_slice(&sifted.bytes[record.start..record.start + record.length]);
        if let Some(shaped) = &mut self.shaped {
            let (start, length) = record.sent;
            kept.sent.0 = shaped.len();
            shaped.extend_from_slice(&sifted.shaped[start..start + length]);
        }
        self.records.push(kept);
    }

    /// Whether it holds as many bytes as it should.
    pub(super) fn is_large(&self) -> bool {
        self.raw.len() >= BATCH || self.bytes() >= BATCH
    }

    /// Bytes to send.
    pub(super) fn bytes(&self) -> usize {
        self.shaped.as_ref().unwrap_or(&self.raw).len()
    }

    /// What is sent from the byte `from` on.
    pub(super) fn sent_from(&self, from: usize) -> &[u8] {
        &self.shaped.as_ref().unwrap_or(&self.raw)[from..]
    }

    /// The records as they stand in the file.
    pub(super) fn raw(&self, range: Range<usize>) -> &[u8] {
        self.slice(&self.raw, range, |record| (record.start, record.length))
    }

    /// What is sent of the records.
    pub(super) fn sent(&self, range: Range<usize>) -> &[u8] {
        match &self.shaped {
            None => self.raw(range),
            Some(shaped) => self.slice(shaped, range, |record| record.sent),
        }
    }

    fn slice<'a>(
        &self,
        bytes: &'a [u8],
        range: Range<usize>,
        of: impl Fn(&Sieved) -> (usize, usize),
    ) -> &'a [u8] {
        match &self.records[range] {
            [] => &[],
            records @ [first, ..] => {
                let (last, length) = of(records.last().unwrap_or(first));
                &bytes[of(first).0..last + length]
            }
        }
    }

    /// Keeps no more of the records than where they came from.
    pub(super) fn forget(&mut self) {
        self.raw.clear();
        if let Some(shaped) = &mut self.shaped {
            shaped.clear();
        }
        if self.records.len() > REMEMBERED {
            let old = self.records.len() / 2;
            self.records.drain(..old);
            self.forgotten += old as u64;
        }
    }

    /// The record that the server calls line `line` of a COPY of `range`, which goes to the table as
    /// `dialect`.
    pub(super) fn find(&self, range: Range<usize>, line: u64, dialect: &Dialect) -> Option<usize> {
        let first = range.start;
        // Each record that is shaped is a line.
        let line = line.checked_sub(self.forgotten)?;
        let mut lines = 0;
        range.into_iter().find(|&index| {
            lines += if index == first && self.shaped.is_none() {
                server_lines(self.raw(index..index + 1), dialect)
            } else {
                self.records[index].server_lines
            };
            lines >= line
        })
    }
}

/// What a server counts a record as that is the first of a COPY, where it does not know yet what
/// ends a line.
fn server_lines(record: &[u8], dialect: &Dialect) -> u64 {
    let mut found = Ends::default();
    Splitter::new(dialect).push(record, &mut found);
    let more = found
        .tall
        .first()
        .map_or(0, |(.., server_lines)| *server_lines);
    1 + u64::from(more)
}
