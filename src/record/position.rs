//! From a line number of the server to a place in a file.
//!
//! The server's `line N` counts records, plus some of the line ends inside quotes: it is neither a
//! record nor a line of the file. The blocks sent last are remembered by the ends of their records,
//! which is enough to say which record the server means.

use std::collections::VecDeque;
use std::fmt;

use super::splitter::Ends;

/// Record ends remembered, over all blocks. 4 bytes each; the server lags behind by its receive
/// buffer only, a few MiB.
const ENDS_KEPT: usize = 1 << 20;

/// A place in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Record number, 1 for the first after the header.
    pub record: u64,
    /// Line of the file on which the record begins, 1 for the first of the file.
    pub line: u64,
    /// Byte offset of the record in the decompressed file.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}, line {}", self.record, self.line)
    }
}

/// Counts over the records that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    records: u64,
    lines: u64,
    /// What the server's counter stands at.
    server_lines: u64,
    /// Where the next record begins.
    offset: u64,
    /// Extra lines of the record under way.
    open_lines: u64,
    open_server_lines: u64,
}

#[derive(Debug)]
struct Mark {
    before: Counts,
    /// Offset of the block.
    offset: u64,
    found: Ends,
}

/// Where the records sent so far came from.
#[derive(Debug)]
pub struct Positions {
    marks: VecDeque<Mark>,
    kept: usize,
    now: Counts,
    /// Offset behind the last block.
    end: u64,
}

impl Positions {
    /// For a file whose data begins at `offset`, after `lines` lines of header.
    pub fn new(offset: u64, lines: u64) -> Self {
        let now = Counts {
            records: 0,
            lines,
            server_lines: 0,
            offset,
            open_lines: 0,
            open_server_lines: 0,
        };
        Self {
            marks: VecDeque::new(),
            kept: 0,
            now,
            end: offset,
        }
    }

    /// Records that have ended.
    pub fn records(&self) -> u64 {
        self.now.records
    }

    /// The record under way, or the one that would come next.
    pub fn open_record(&self) -> Position {
        self.now.next()
    }

    /// Takes note of a block of `length` bytes and the record ends found in it. Returns the room of
    /// an old note for reuse.
    pub fn push(&mut self, length: usize, found: Ends) -> Option<Ends> {
        let before = self.now;
        self.now.pass(self.end, &found);
        self.kept += found.ends.len();
        self.marks.push_back(Mark {
            before,
            offset: self.end,
            found,
        });
        self.end += length as u64;
        if self.kept > ENDS_KEPT && self.marks.len() > 1 {
            let old = self.marks.pop_front()?.found;
            self.kept -= old.ends.len();
            return Some(old);
        }
        None
    }

    /// The last record, without a line end, is over.
    pub fn end_last(&mut self) {
        self.now.end_record(self.end, 0, 0);
    }

    /// The record the server means by `line`; `None` when it is too long ago.
    pub fn find(&self, line: u64) -> Option<Position> {
        let mark = self
            .marks
            .iter()
            .rev()
            .find(|mark| mark.before.server_lines < line)?;
        let mut counts = mark.before;
        let mut hit = None;
        counts.walk(mark.offset, &mark.found, |start, server_lines| {
            if server_lines >= line {
                hit = Some(start);
            }
            hit.is_some()
        });
        Some(hit.unwrap_or_else(|| counts.next()))
    }
}

impl Counts {
    fn next(&self) -> Position {
        Position {
            record: self.records + 1,
            line: self.lines + 1,
            offset: self.offset,
        }
    }

    /// Counts the records that end in a block at `offset`.
    fn pass(&mut self, offset: u64, found: &Ends) {
        let plain = found.tall.is_empty() && self.open_lines == 0 && self.open_server_lines == 0;
        match found.ends.last() {
            Some(&last) if plain => {
                let records = found.ends.len() as u64;
                self.records += records;
                self.lines += records;
                self.server_lines += records;
                self.offset = offset + u64::from(last);
            }
            _ => self.walk(offset, found, |_, _| false),
        }
    }

    /// Goes over the records that end in a block at `offset`. `stop` gets the place of each record
    /// and the server's counter at its end; `true` ends the walk before that record is counted.
    fn walk(&mut self, offset: u64, found: &Ends, mut stop: impl FnMut(Position, u64) -> bool) {
        let mut tall = found.tall.iter().peekable();
        for (index, &end) in found.ends.iter().enumerate() {
            let (lines, server_lines) = match tall.next_if(|(record, ..)| *record as usize == index)
            {
                Some(&(_, lines, server_lines)) => (u64::from(lines), u64::from(server_lines)),
                None => (0, 0),
            };
            if stop(
                self.next(),
                self.server_lines + 1 + self.open_server_lines + server_lines,
            ) {
                return;
            }
            self.end_record(offset + u64::from(end), lines, server_lines);
        }
        if let Some(&(_, lines, server_lines)) = tall.next() {
            self.open_lines += u64::from(lines);
            self.open_server_lines += u64::from(server_lines);
        }
    }

    fn end_record(&mut self, offset: u64, lines: u64, server_lines: u64) {
        self.records += 1;
        self.lines += 1 + self.open_lines + lines;
        self.server_lines += 1 + self.open_server_lines + server_lines;
        self.offset = offset;
        self.open_lines = 0;
        self.open_server_lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::dialect::{Dialect, Format};
    use crate::record::splitter::Splitter;

    fn positions(input: &str, block: usize) -> Positions {
        let mut splitter = Splitter::new(&Dialect::new(Format::Csv));
        let mut positions = Positions::new(100, 1);
        for part in input.as_bytes().chunks(block) {
            let mut found = Ends::default();
            splitter.push(part, &mut found);
            positions.push(part.len(), found);
        }
        positions
    }

    #[test]
    fn the_servers_line_leads_to_record_and_line_whatever_the_blocks() {
        let input = "a\n\"b\nb\"\nc\n\"d\n\nd\"\ne\n";
        // Records a, b, c, d, e are at lines 2, 3, 5, 6, 9 of the file; the server counts 1, 3, 4, 7, 8.
        for block in 1..30 {
            let positions = positions(input, block);
            for (server, record, line, offset) in [
                (1, 1, 2, 100),
                (3, 2, 3, 102),
                (4, 3, 5, 108),
                (7, 4, 6, 110),
                (8, 5, 9, 117),
            ] {
                assert_eq!(
                    positions.find(server),
                    Some(Position {
                        record,
                        line,
                        offset
                    }),
                    "block {block}, line {server}"
                );
            }
            assert_eq!(positions.find(9).map(|place| place.record), Some(6));
            assert_eq!(positions.records(), 5);
        }
    }

    #[test]
    fn what_is_too_long_ago_is_not_guessed() {
        let mut positions = Positions::new(0, 0);
        for _ in 0..3 {
            let ends = (1..=u32::try_from(ENDS_KEPT).unwrap()).collect();
            positions.push(
                ENDS_KEPT,
                Ends {
                    ends,
                    ..Ends::default()
                },
            );
        }
        assert_eq!(positions.find(5), None);
        assert_eq!(
            positions
                .find(2 * ENDS_KEPT as u64 + 7)
                .map(|place| place.record),
            Some(2 * ENDS_KEPT as u64 + 7)
        );
    }
}
