//! What a splitter finds in a block.

use super::Splitter;

/// The record ends found in one block, and what else is needed to place them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// Offsets just behind the line end of each record that ends in the block; none where they
    /// are only counted.
    pub ends: Vec<u32>,
    /// The records of a block that was counted and not listed.
    pub counted: Option<Counted>,
    /// Records that hold more than one line: `(index into ends, lines, server lines)`, the extra
    /// lines only. An index equal to `ends.len()` is the record still open at the block's end.
    pub tall: Vec<(u32, u32, u32)>,
    /// The first end-of-data marker in the block.
    pub marker: Option<Marker>,
    /// What ends records, as far as that is known at the block's end, where the first line end
    /// decides.
    pub line_end: LineEnd,
}

impl Ends {
    /// Forgets what is found behind the record that ends at `end`, and which is listed.
    pub fn cut_off(&mut self, end: u32) {
        self.ends.retain(|other| *other <= end);
        let records = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.tall.retain(|(record, ..)| *record < records);
        self.marker = None;
    }
}

/// The records of a block as numbers, and how to find them in its bytes after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Records that end in the block.
    pub records: usize,
    /// Offset just behind the last of them; 0 where none ends.
    pub last: usize,
    /// Extra lines of these records, for people and for the server alike.
    pub lines: usize,
    /// Extra lines of the record still open at the block's end.
    pub open_lines: usize,
    /// The splitter as it was before the block.
    pub(super) before: Splitter,
}

impl Counted {
    /// Lists the records of the same block. `None` when these are other bytes.
    pub fn list(&self, block: &[u8]) -> Option<Ends> {
        let mut found = Ends::default();
        let mut splitter = self.before.clone();
        splitter.counting = false;
        splitter.push(block, &mut found);
        (found.ends.len() == self.records).then_some(found)
    }
}

/// A `\.` that ends the data for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Offset in the block just behind the marker and its line end.
    pub end: usize,
    /// It has a line for itself. Else it follows data on the same line: servers before
    /// PostgreSQL 18 load that data without the marker and drop everything after it.
    pub alone: bool,
}

/// What ends a record, by the first that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnd {
    /// None was seen.
    #[default]
    Unknown,
    /// A CR was the last byte seen and no line end is known: CR or CRLF.
    AfterCr,
    /// LF.
    Lf,
    /// CR.
    Cr,
    /// CR and LF.
    CrLf,
}

/// An offset in a block, which is far below 4 GiB.
pub(super) fn end_of(record: usize) -> u32 {
    u32::try_from(record).unwrap_or(u32::MAX)
}

/// Counts extra lines of the record that is open now.
pub(super) fn note_line(found: &mut Ends, people: u32, server: u32) {
    let index = u32::try_from(found.ends.len()).unwrap_or(u32::MAX);
    match found.tall.last_mut() {
        Some((last, lines, server_lines)) if *last == index => {
            *lines += people;
            *server_lines += server;
        }
        _ => found.tall.push((index, people, server)),
    }
}
