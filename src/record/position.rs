//! From a line number of the server to a place in a file.
//!
//! The server's `line N` counts records, plus some of the line ends inside quotes: it is neither a
//! record nor a line of the file. The blocks sent last are remembered by the ends of their records,
//! which is enough to say which record the server means.

use std::collections::VecDeque;
use std::fmt;

use super::splitter::Ends;

/// Records remembered, over all blocks; at most 4 bytes each. The server lags behind by its receive
/// buffer only, a few MiB.
const RECORDS_KEPT: usize = 1 << 20;
/// Blocks remembered, where they hold few records.
const BLOCKS_KEPT: usize = 1 << 12;

/// A place in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Record number, 1 for the first after the header.
    pub record: u64,
    /// Line of the file on which the record begins, 1 for the first of the file.
    pub line: u64,
    /// Byte offset of the record in the file, decompressed and in UTF-8.
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
    /// Its bytes.
    length: usize,
    found: Ends,
}

/// Records that end in a block.
fn records_in(found: &Ends) -> usize {
    let counted = found.counted.as_ref();
    counted.map_or(found.ends.len(), |counted| counted.records)
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

    /// The same, behind so many records of the file.
    #[must_use]
    pub fn behind(mut self, records: u64) -> Self {
        self.now.records = records;
        self
    }

    /// Records of the file that have ended.
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
        self.kept += records_in(&found);
        self.marks.push_back(Mark {
            before,
            offset: self.end,
            length,
            found,
        });
        self.end += length as u64;
        let much = self.kept > RECORDS_KEPT || self.marks.len() > BLOCKS_KEPT;
        if much && self.marks.len() > 1 {
            let old = self.marks.pop_front()?.found;
            self.kept -= records_in(&old);
            return Some(old);
        }
        None
    }

    /// The last record, without a line end, is over.
    pub fn end_last(&mut self) {
        self.now.end_record(self.end, 0, 0);
    }

    /// The record the server means by `line`; `None` when it is too long ago. `reread` gives bytes
    /// of the input once more, by offset and length, where a block was only counted.
    pub fn find(
        &self,
        line: u64,
        reread: impl FnOnce(u64, usize) -> Option<Vec<u8>>,
    ) -> Option<Position> {
        let mark = self
            .marks
            .iter()
            .rev()
            .find(|mark| mark.before.server_lines < line)?;
        let listed = match &mark.found.counted {
            Some(counted) => &counted.list(&reread(mark.offset, mark.length)?)?,
            None => &mark.found,
        };
        let mut counts = mark.before;
        let mut hit = None;
        counts.walk(mark.offset, listed, |start, server_lines| {
            if server_lines >= line {
                hit = Some(start);
            }
            hit.is_some()
        });
        Some(hit.unwrap_or_else(|| counts.next()))
    }
}

impl Positions {
    /// The line of the file on which the record at `at` ends, or the last line that is known of it.
    /// `reread` is that of [`Self::find`].
    pub fn last_line(
        &self,
        at: Position,
        reread: impl FnOnce(u64, usize) -> Option<Vec<u8>>,
    ) -> Option<u64> {
        if self.now.records < at.record {
            return Some(at.line + self.now.open_lines);
        }
        let before = |mark: &&Mark| mark.before.records < at.record;
        let mark = self.marks.iter().rev().find(before)?;
        let listed = match &mark.found.counted {
            Some(counted) => &counted.list(&reread(mark.offset, mark.length)?)?,
            None => &mark.found,
        };
        let mut counts = mark.before;
        let mut next = None;
        counts.walk(mark.offset, listed, |start, _| {
            next = (start.record > at.record).then_some(start);
            next.is_some()
        });
        Some(next.unwrap_or_else(|| counts.next()).line - 1)
    }
}

/// A record that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it begins.
    pub at: Position,
    /// Its bytes, with the line end where it has one.
    pub bytes: &'a [u8],
    /// What the server counts it as: 1, and more where it counts line ends inside.
    pub server_lines: u64,
}

/// Cuts blocks into records, each with its bytes in one piece and its place. Holds the bytes of the
/// record under way.
#[derive(Debug)]
pub struct Records {
    now: Counts,
    open: Vec<u8>,
    end: u64,
}

impl Records {
    /// For a file whose data begins at `offset`, after `lines` lines of header.
    pub fn new(offset: u64, lines: u64) -> Self {
        Self {
            now: Positions::new(offset, lines).now,
            open: Vec::new(),
            end: offset,
        }
    }

    /// The same, behind so many records of the file.
    #[must_use]
    pub fn behind(mut self, records: u64) -> Self {
        self.now.records = records;
        self
    }

    /// Bytes of the record under way.
    pub fn open_bytes(&self) -> usize {
        self.open.len()
    }

    /// The record under way, or the one that would come next.
    pub fn open_record(&self) -> Position {
        self.now.next()
    }

    /// Records of the file that have ended.
    pub fn count(&self) -> u64 {
        self.now.records
    }

    /// Takes the next `block` and the record ends listed for it; `each` gets the records that end
    /// in it, in order.
    pub fn push(&mut self, block: &[u8], found: &Ends, mut each: impl FnMut(Record<'_>)) {
        let (base, before) = (self.end, self.now.server_lines);
        let mut from = 0;
        let (open, mut ends, mut counted) = (&mut self.open, found.ends.iter(), before);
        self.now.walk(base, found, |at, server_lines| {
            let end = ends.next().map_or(from, |end| *end as usize);
            let here = &block[from..end];
            let bytes = if open.is_empty() {
                here
            } else {
                open.extend_from_slice(here);
                open.as_slice()
            };
            each(Record {
                at,
                bytes,
                server_lines: server_lines - counted,
            });
            counted = server_lines;
            open.clear();
            from = end;
            false
        });
        self.open.extend_from_slice(&block[from..]);
        self.end += block.len() as u64;
    }

    /// Ends the input; `each` gets the last record, where that has no line end.
    pub fn finish(&mut self, each: impl FnOnce(Record<'_>)) {
        if self.open.is_empty() {
            return;
        }
        each(Record {
            at: self.now.next(),
            bytes: &self.open,
            server_lines: 1 + self.now.open_server_lines,
        });
        self.now.end_record(self.end, 0, 0);
        self.open.clear();
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
        let Some(counted) = &found.counted else {
            return self.walk(offset, found, |_, _| false);
        };
        if counted.records > 0 {
            let (records, lines) = (counted.records as u64, counted.lines as u64);
            self.end_record(offset + counted.last as u64, lines, lines);
            self.records += records - 1;
            self.lines += records - 1;
            self.server_lines += records - 1;
        }
        self.open_lines += counted.open_lines as u64;
        self.open_server_lines += counted.open_lines as u64;
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
    use proptest::prelude::*;

    use crate::record::dialect::{Dialect, Format};
    use crate::record::splitter::Splitter;

    fn positions(input: &str, block: usize) -> Positions {
        positions_by(Splitter::new(&Dialect::new(Format::Csv)), input, block)
    }

    fn positions_by(mut splitter: Splitter, input: &str, block: usize) -> Positions {
        let mut positions = Positions::new(100, 1);
        for part in input.as_bytes().chunks(block) {
            let mut found = Ends::default();
            splitter.push(part, &mut found);
            positions.push(part.len(), found);
        }
        positions
    }

    #[test]
    fn the_last_line_of_a_record_is_known_whatever_the_blocks() {
        let input = "1,x\n2,\"y\n\ny\"\n3,z\n4,\"w\nw\",\"v\nv";
        for block in [1, 2, 3, 7, 100] {
            for counting in [false, true] {
                let mut splitter = Splitter::new(&Dialect::new(Format::Csv));
                if counting {
                    splitter = splitter.counting();
                }
                let positions = positions_by(splitter, input, block);
                let mut last_lines = Vec::new();
                for (record, line) in [(1, 2), (2, 3), (3, 6), (4, 7)] {
                    let at = Position {
                        record,
                        line,
                        offset: 0,
                    };
                    // `positions` begins at byte 100, behind a line.
                    last_lines.push(positions.last_line(at, |offset, length| {
                        let from = usize::try_from(offset).unwrap() - 100;
                        Some(input.as_bytes()[from..from + length].to_vec())
                    }));
                }
                assert_eq!(last_lines, [Some(2), Some(5), Some(6), Some(9)], "{block}");
            }
        }
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
                    positions.find(server, |_, _| None),
                    Some(Position {
                        record,
                        line,
                        offset
                    }),
                    "block {block}, line {server}"
                );
            }
            assert_eq!(
                positions.find(9, |_, _| None).map(|place| place.record),
                Some(6)
            );
            assert_eq!(positions.records(), 5);
        }
    }

    #[test]
    fn records_come_in_one_piece_whatever_the_blocks() {
        let input = "a\n\"b\nb\"\nc\n\"d\n\nd\"\ne";
        for block in 1..30 {
            let mut records = Records::new(100, 1);
            let mut splitter = Splitter::new(&Dialect::new(Format::Csv));
            let mut seen = Vec::new();
            let mut note = |record: Record<'_>| {
                let text = String::from_utf8(record.bytes.to_vec()).unwrap();
                let Position {
                    record: number,
                    line,
                    offset,
                } = record.at;
                seen.push((text, number, line, offset, record.server_lines));
            };
            for part in input.as_bytes().chunks(block) {
                let mut found = Ends::default();
                splitter.push(part, &mut found);
                records.push(part, &found, &mut note);
            }
            records.finish(&mut note);
            let expected = [
                ("a\n", 1, 2, 100, 1),
                ("\"b\nb\"\n", 2, 3, 102, 2),
                ("c\n", 3, 5, 108, 1),
                ("\"d\n\nd\"\n", 4, 6, 110, 3),
                ("e", 5, 9, 117, 1),
            ]
            .map(|(text, a, b, c, d)| (text.to_owned(), a, b, c, d));
            assert_eq!(seen, expected, "block {block}");
            assert_eq!(records.count(), 5);
        }
    }

    #[test]
    fn what_is_too_long_ago_is_not_guessed() {
        let mut positions = Positions::new(0, 0);
        for _ in 0..3 {
            let ends = (1..=u32::try_from(RECORDS_KEPT).unwrap()).collect();
            positions.push(
                RECORDS_KEPT,
                Ends {
                    ends,
                    ..Ends::default()
                },
            );
        }
        assert_eq!(positions.find(5, |_, _| None), None);
        assert_eq!(
            positions
                .find(2 * RECORDS_KEPT as u64 + 7, |_, _| None)
                .map(|place| place.record),
            Some(2 * RECORDS_KEPT as u64 + 7)
        );
    }

    #[test]
    fn blocks_of_no_record_are_forgotten_too() {
        let mut positions = Positions::new(0, 0);
        for _ in 0..2 * BLOCKS_KEPT {
            positions.push(65_536, Ends::default());
        }
        assert_eq!(positions.marks.len(), BLOCKS_KEPT);
    }

    proptest! {
        #[test]
        fn counting_leads_to_the_same_places_as_listing(
            input in "(a\n|a\r|a\r\n)(a|b\n|\r|\r\n|\"c\nd\"|,|\\\\){0,40}",
            block in 1usize..12,
            csv in any::<bool>(),
        ) {
            let dialect = Dialect::new(if csv { Format::Csv } else { Format::Text });
            let splitter = Splitter::new(&dialect).without_markers();
            let listed = positions_by(splitter.clone(), &input, block);
            let counted = positions_by(splitter.counting(), &input, block);
            prop_assert_eq!(listed.now, counted.now);
            let reread = |offset: u64, length| {
                let start = usize::try_from(offset).unwrap() - 100;
                Some(input.as_bytes()[start..start + length].to_vec())
            };
            for line in 1..60 {
                prop_assert_eq!(listed.find(line, |_, _| None), counted.find(line, reread), "line {}", line);
            }
        }
    }
}
