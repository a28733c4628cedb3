//! Finds where records end, as the server will.
//!
//! The rules are those of `CopyReadLineText` in PostgreSQL's `copyfromparse.c`: the first line end
//! decides between LF, CR and CRLF; in csv a line end inside quotes is data; in text a line end
//! after a backslash is. What the server counts as a line inside a csv record is counted the same
//! way, so that the line number of its errors can be traced back to a record.

use memchr::{memchr2, memchr3};

use super::binary::Tuples;
use super::dialect::{Dialect, Format};
use super::lines;

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
    before: Splitter,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    /// A CR was the last byte seen and no line end is known: CR or CRLF.
    AfterCr,
    Lf,
    Cr,
    CrLf,
}

/// What the bytes since the record's start look like, as far as a marker can be in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nothing of interest.
    None,
    /// An unescaped backslash.
    Backslash,
    /// `\.`
    Marker,
    /// `\.` and CR, where CRLF ends a line.
    MarkerCr,
}

/// Cuts a stream of blocks into records. Holds positions, never bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact about the bytes seen, independent of the others"
)]
pub struct Splitter {
    format: Format,
    quote: u8,
    /// The escape, where it differs from the quote.
    escape: Option<u8>,
    line_end: LineEnd,
    in_quote: bool,
    after_escape: bool,
    tail: Tail,
    /// The tail began at the record's start.
    tail_alone: bool,
    /// Bytes of the record under way have been seen.
    open: bool,
    /// Whether `\.` ends the data.
    markers: bool,
    /// Whether blocks of plain lines are counted only.
    counting: bool,
    /// Binary data has its own rules.
    tuples: Option<Tuples>,
}

impl Splitter {
    /// A splitter at the start of a file.
    ///
    /// A quote or escape of more than one byte is the server's to refuse; here it counts as the
    /// default.
    pub fn new(dialect: &Dialect) -> Self {
        let quote = dialect.quote_byte().unwrap_or(b'"');
        Self {
            format: dialect.format,
            quote,
            escape: dialect.escape_byte().filter(|&escape| escape != quote),
            line_end: LineEnd::Unknown,
            in_quote: false,
            after_escape: false,
            tail: Tail::None,
            tail_alone: false,
            open: false,
            markers: true,
            counting: false,
            tuples: (dialect.format == Format::Binary).then(Tuples::new),
        }
    }

    /// The same, for input that can be read again: where it can be, records are counted, which
    /// costs a fraction of listing where each of them ends. The place of one that the server
    /// complains of is then found in bytes read once more.
    #[must_use]
    pub fn counting(mut self) -> Self {
        self.counting = true;
        self
    }

    /// The same for a server to which `\.` is data: csv from PostgreSQL 18 on.
    #[must_use]
    pub fn without_markers(mut self) -> Self {
        self.markers = false;
        self
    }

    /// Whether the data ends inside quotes.
    pub fn in_quote(&self) -> bool {
        self.in_quote
    }

    /// Whether the data may end here. Binary data ends with a trailer; what ends before is cut
    /// short.
    pub fn whole(&self) -> bool {
        self.tuples.as_ref().is_none_or(Tuples::whole)
    }

    /// Takes the next `block`; appends what ends in it to `found`, which is cleared first.
    ///
    /// Stops behind an end-of-data marker: bytes after it belong to no record.
    pub fn push(&mut self, block: &[u8], found: &mut Ends) {
        found.ends.clear();
        found.tall.clear();
        found.marker = None;
        found.counted = None;
        if let Some(tuples) = &mut self.tuples {
            tuples.push(block, found);
            return;
        }
        found.counted = self.count(block);
        if found.counted.is_some() {
            return;
        }
        let mut at = 0;
        while at < block.len() && found.marker.is_none() {
            at = if self.careful(block, at) {
                self.step(block[at], at, found);
                at + 1
            } else {
                self.skim(block, at, found)
            };
        }
    }

    /// Counts the records of `block`, if it may be and can be.
    fn count(&mut self, block: &[u8]) -> Option<Counted> {
        let known = !matches!(self.line_end, LineEnd::Unknown | LineEnd::AfterCr);
        if !self.counting || !known || self.after_escape || self.tail != Tail::None {
            return None;
        }
        let newline = self.newline();
        let count = match self.format {
            Format::Csv => lines::csv(
                block,
                lines::Csv {
                    newline,
                    quote: self.quote,
                    // Between CRLF lines, the server counts other line ends than people do.
                    simple_quotes: self.escape.is_none() && self.line_end != LineEnd::CrLf,
                    markers: self.markers,
                    in_quote: self.in_quote,
                    open: self.open,
                },
            ),
            Format::Text | Format::Binary => lines::text(block, newline),
        }?;
        let before = self.clone();
        self.in_quote = count.in_quote;
        self.open = count.last < block.len() || (self.open && count.last == 0);
        Some(Counted {
            records: count.records,
            last: count.last,
            lines: count.inner,
            open_lines: count.open,
            before,
        })
    }

    /// Ends the input. `true` when a last record without a line end was under way.
    pub fn finish(&mut self) -> bool {
        // Without its line end, `\.` is no marker: data in csv, an error in text.
        let after_cr = self.line_end == LineEnd::AfterCr;
        let marker = self.markers && self.tail == Tail::Marker && self.tail_alone && after_cr;
        let record = (self.open || after_cr) && !marker;
        self.open = false;
        record
    }

    /// Whether the byte at `at` must be looked at by itself: until the line end is known, after a
    /// backslash that may begin a marker, and at the start of a csv record that begins with one.
    fn careful(&self, block: &[u8], at: usize) -> bool {
        matches!(self.line_end, LineEnd::Unknown | LineEnd::AfterCr)
            || self.after_escape
            || self.tail != Tail::None
            || (self.format == Format::Csv && self.markers && !self.open && block[at] == b'\\')
    }

    /// Runs over plain bytes at memory speed; returns where to go on.
    fn skim(&mut self, block: &[u8], from: usize, found: &mut Ends) -> usize {
        match self.format {
            Format::Csv => self.skim_csv(block, from, found),
            Format::Text | Format::Binary => self.skim_text(block, from, found),
        }
    }

    fn skim_text(&mut self, block: &[u8], from: usize, found: &mut Ends) -> usize {
        let newline = self.newline();
        let mut at = from;
        while let Some(hit) = memchr2(newline, b'\\', &block[at..]) {
            let hit = at + hit;
            self.open |= hit > at;
            at = hit + 1;
            if block[hit] == newline {
                self.end_record(at, found);
                continue;
            }
            match block.get(at) {
                // The common escapes, without leaving the fast path.
                Some(&next) if next != b'.' && next != b'\n' && next != b'\r' => {
                    self.open = true;
                    at += 1;
                }
                _ => {
                    self.step(b'\\', hit, found);
                    return at;
                }
            }
        }
        self.open |= at < block.len();
        block.len()
    }

    fn skim_csv(&mut self, block: &[u8], from: usize, found: &mut Ends) -> usize {
        if self.escape.is_some() || self.line_end == LineEnd::CrLf {
            return self.skim_csv_rare(block, from, found);
        }
        let (newline, quote) = (self.newline(), self.quote);
        let mut at = from;
        for hit in memchr::memchr2_iter(newline, quote, &block[from..]) {
            let hit = from + hit;
            if block[hit] == quote {
                self.in_quote = !self.in_quote;
            } else if self.in_quote {
                note_line(found, 1, 1);
            } else {
                self.end_record(hit + 1, found);
                at = hit + 1;
                if self.markers && block.get(at) == Some(&b'\\') {
                    return at;
                }
            }
        }
        self.open |= at < block.len();
        block.len()
    }

    /// csv with an escape of its own, or with CRLF: more bytes are of interest.
    fn skim_csv_rare(&mut self, block: &[u8], from: usize, found: &mut Ends) -> usize {
        let (newline, quote, rest) = (self.newline(), self.quote, &block[from..]);
        let hit = match self.escape {
            None => memchr3(newline, quote, b'\r', rest),
            Some(escape) if self.line_end != LineEnd::CrLf => memchr3(newline, quote, escape, rest),
            Some(escape) => rest
                .iter()
                .position(|byte| [newline, quote, escape, b'\r'].contains(byte)),
        };
        let Some(hit) = hit else {
            self.open = true;
            return block.len();
        };
        self.open |= hit > 0;
        self.step(block[from + hit], from + hit, found);
        from + hit + 1
    }

    /// Takes one byte by the full rules.
    fn step(&mut self, byte: u8, at: usize, found: &mut Ends) {
        if self.line_end == LineEnd::AfterCr {
            let is_marker = self.tail == Tail::Marker;
            if byte == b'\n' {
                self.line_end = LineEnd::CrLf;
                return self.finish_line(at + 1, is_marker, found);
            }
            // The CR before this byte was a line end by itself.
            self.line_end = LineEnd::Cr;
            self.finish_line(at, is_marker, found);
            if found.marker.is_some() {
                return;
            }
        }
        match self.format {
            Format::Csv => self.step_csv(byte, at, found),
            Format::Text | Format::Binary => self.step_text(byte, at, found),
        }
    }

    fn step_text(&mut self, byte: u8, at: usize, found: &mut Ends) {
        if self.after_escape {
            self.after_escape = false;
            self.tail = if byte == b'.' {
                Tail::Marker
            } else {
                Tail::None
            };
            if byte == self.newline() {
                note_line(found, 1, 0);
            }
        } else if byte == b'\\' {
            self.after_escape = true;
            self.tail = Tail::Backslash;
            self.tail_alone = !self.open;
        } else if self.ends_line(byte, at, found) {
            return;
        } else if byte != b'\r' {
            self.tail = Tail::None;
        }
        self.open = true;
    }

    fn step_csv(&mut self, byte: u8, at: usize, found: &mut Ends) {
        if self.in_quote {
            self.count_quoted_line(byte, found);
        }
        let escaped = self.after_escape;
        self.after_escape = self.in_quote && self.escape == Some(byte) && !escaped;
        if byte == self.quote && !escaped {
            self.in_quote = !self.in_quote;
            self.tail = Tail::None;
        } else if !self.in_quote {
            self.step_csv_marker(byte);
            if self.ends_line(byte, at, found) {
                return;
            }
        }
        self.open = true;
    }

    /// csv knows a marker only as a whole line.
    fn step_csv_marker(&mut self, byte: u8) {
        self.tail = match (self.tail, byte) {
            (Tail::None, b'\\') if !self.open => Tail::Backslash,
            (Tail::Backslash, b'.') => Tail::Marker,
            (tail @ (Tail::Marker | Tail::MarkerCr), b'\r' | b'\n') => tail,
            _ => Tail::None,
        };
        self.tail_alone = true;
    }

    /// Handles a byte that may be a line end or part of one; `true` when it was.
    fn ends_line(&mut self, byte: u8, at: usize, found: &mut Ends) -> bool {
        match (self.line_end, byte) {
            (LineEnd::Unknown, b'\n') => self.line_end = LineEnd::Lf,
            (LineEnd::Unknown, b'\r') => {
                self.line_end = LineEnd::AfterCr;
                return true;
            }
            (LineEnd::CrLf, b'\r') => {
                self.tail = if self.tail == Tail::Marker {
                    Tail::MarkerCr
                } else {
                    Tail::None
                };
                return false;
            }
            (LineEnd::Lf | LineEnd::CrLf, b'\n') | (LineEnd::Cr, b'\r') => {}
            (_, b'\r' | b'\n') => {
                self.tail = Tail::None;
                return false;
            }
            _ => return false,
        }
        let marker = if self.line_end == LineEnd::CrLf {
            Tail::MarkerCr
        } else {
            Tail::Marker
        };
        self.finish_line(at + 1, self.tail == marker, found);
        true
    }

    fn finish_line(&mut self, end: usize, is_marker: bool, found: &mut Ends) {
        if is_marker && self.markers {
            found.marker = Some(Marker {
                end,
                alone: self.tail_alone,
            });
            self.tail = Tail::None;
            self.open = false;
        } else {
            self.end_record(end, found);
        }
    }

    fn end_record(&mut self, end: usize, found: &mut Ends) {
        self.tail = Tail::None;
        self.open = false;
        // A block is far below 4 GiB.
        found.ends.push(u32::try_from(end).unwrap_or(u32::MAX));
    }

    /// Line ends inside quotes, as people and as the server count them.
    fn count_quoted_line(&self, byte: u8, found: &mut Ends) {
        let people = u32::from(
            byte == if self.line_end == LineEnd::Cr {
                b'\r'
            } else {
                b'\n'
            },
        );
        let server = u32::from(
            byte == if self.line_end == LineEnd::Lf {
                b'\n'
            } else {
                b'\r'
            },
        );
        if people + server > 0 {
            note_line(found, people, server);
        }
    }

    fn newline(&self) -> u8 {
        if self.line_end == LineEnd::Cr {
            b'\r'
        } else {
            b'\n'
        }
    }
}

/// Counts extra lines of the record that is open now.
fn note_line(found: &mut Ends, people: u32, server: u32) {
    let index = u32::try_from(found.ends.len()).unwrap_or(u32::MAX);
    match found.tall.last_mut() {
        Some((last, lines, server_lines)) if *last == index => {
            *lines += people;
            *server_lines += server;
        }
        _ => found.tall.push((index, people, server)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn csv() -> Dialect {
        Dialect::new(Format::Csv)
    }

    fn text() -> Dialect {
        Dialect::new(Format::Text)
    }

    /// Absolute record ends, extra lines by record, the marker, and whether a last record is open.
    type Found = (
        Vec<usize>,
        Vec<(usize, u32, u32)>,
        Option<(usize, bool)>,
        bool,
    );

    /// What is found in `input`, cut into blocks.
    fn split(dialect: &Dialect, input: &[u8], block: usize) -> Found {
        let mut splitter = Splitter::new(dialect);
        let (mut ends, mut tall, mut found) =
            (Vec::new(), Vec::<(usize, u32, u32)>::new(), Ends::default());
        for (index, part) in input.chunks(block).enumerate() {
            let before = ends.len();
            splitter.push(part, &mut found);
            ends.extend(found.ends.iter().map(|&end| index * block + end as usize));
            for &(record, lines, server) in &found.tall {
                let record = before + record as usize;
                match tall.last_mut() {
                    Some(last) if last.0 == record => {
                        last.1 += lines;
                        last.2 += server;
                    }
                    _ => tall.push((record, lines, server)),
                }
            }
            if let Some(marker) = found.marker {
                return (
                    ends,
                    tall,
                    Some((index * block + marker.end, marker.alone)),
                    false,
                );
            }
        }
        let last = splitter.finish();
        (ends, tall, None, last)
    }

    fn ends(dialect: &Dialect, input: &str) -> Vec<usize> {
        split(dialect, input.as_bytes(), usize::MAX).0
    }

    #[test]
    fn a_line_end_inside_quotes_is_data() {
        assert_eq!(ends(&csv(), "a,\"b\nc\"\nd,e\n"), [8, 12]);
        assert_eq!(ends(&csv(), "a,\"b\"\"\nc\"\nd\n"), [10, 12]);
    }

    #[test]
    fn a_line_end_after_a_backslash_is_data_in_text_only() {
        assert_eq!(ends(&text(), "a\\\nb\nc\n"), [5, 7]);
        assert_eq!(ends(&csv(), "a\\\nb\n"), [3, 5]);
    }

    #[test]
    fn the_first_line_end_decides_for_the_file() {
        assert_eq!(ends(&text(), "a\r\nb\r\n"), [3, 6]);
        assert_eq!(
            split(&text(), b"a\rb\rc", 100),
            (vec![2, 4], vec![], None, true)
        );
        assert_eq!(ends(&csv(), "\"a\r\nb\"\r\nc\r\n"), [8, 11]);
    }

    #[test]
    fn an_escape_of_its_own_keeps_the_quote_inside() {
        let mut dialect = csv();
        dialect.escape = Some("\\".into());
        assert_eq!(ends(&dialect, "\"a\\\"\nb\"\nc\n"), [8, 10]);
        // Outside quotes the escape means nothing.
        assert_eq!(ends(&dialect, "\\\"a\nb\"\nc\n"), [7, 9]);
    }

    #[test]
    fn a_marker_is_found_wherever_the_server_would_stop() {
        let marker =
            |dialect: &Dialect, input: &str| split(dialect, input.as_bytes(), usize::MAX).2;
        assert_eq!(marker(&text(), "a\n\\.\nb\n"), Some((5, true)));
        assert_eq!(marker(&text(), "\\.\nb\n"), Some((3, true)));
        assert_eq!(marker(&text(), "a\r\n\\.\r\nb"), Some((7, true)));
        assert_eq!(marker(&text(), "a\nabc\\.\nb\n"), Some((8, false)));
        assert_eq!(marker(&text(), "a\n\\\\.\nb\n"), None);
        assert_eq!(marker(&text(), "a\n\\.x\nb\n"), None);
        assert_eq!(marker(&csv(), "a\n\\.\nb\n"), Some((5, true)));
        assert_eq!(marker(&csv(), "a\n\"\\.\"\nb\n"), None);
        assert_eq!(marker(&csv(), "a\nb\\.\nb\n"), None);
        assert_eq!(marker(&csv(), "a\n\"b\n\\.\n\"\n"), None);
    }

    #[test]
    fn a_marker_without_its_line_end_is_data() {
        for input in ["\\.", "a\n\\.", "a\r\n\\."] {
            let (_, _, marker, last) = split(&csv(), input.as_bytes(), 100);
            assert_eq!((marker, last), (None, true), "{input:?}");
        }
    }

    #[test]
    fn lines_inside_a_record_are_counted_for_people_and_for_the_server() {
        // The server does not know the line end while it reads the first record, and then counts CRs.
        let (_, tall, ..) = split(&csv(), b"\"a\nb\"\n\"c\nd\n\"\n", 100);
        assert_eq!(tall, [(0, 1, 0), (1, 2, 2)]);
        let (_, tall, ..) = split(&csv(), b"x\r\n\"c\nd\r\n\"\r\n", 100);
        assert_eq!(tall, [(1, 2, 1)]);
        let mut escaped = csv();
        escaped.escape = Some("\\".into());
        let (_, tall, ..) = split(&escaped, b"x\r\n\"c\r\nd\"\r\n", 100);
        assert_eq!(tall, [(1, 1, 1)]);
    }

    /// The records of `input` by the letter of `CopyReadLineText` (PostgreSQL 17): their ends and the
    /// server's line counter at each, up to what the server would refuse.
    fn read_as_the_server_does(dialect: &Dialect, input: &[u8]) -> Vec<(usize, u64)> {
        let csv = dialect.format == Format::Csv;
        let escape = dialect.escape_byte().filter(|&escape| escape != b'"');
        let (mut eol, mut at, mut line, mut records) = (None, 0, 0, Vec::new());
        while at < input.len() {
            let (mut in_quote, mut last_was_escape, mut first) = (false, false, true);
            line += 1;
            loop {
                let Some(&byte) = input.get(at) else {
                    return records;
                };
                at += 1;
                let next = input.get(at).copied();
                if csv {
                    if in_quote && Some(byte) == escape {
                        last_was_escape = !last_was_escape;
                    }
                    if byte == b'"' && !last_was_escape {
                        in_quote = !in_quote;
                    }
                    if Some(byte) != escape {
                        last_was_escape = false;
                    }
                    let counted = if eol == Some(LineEnd::Lf) {
                        b'\n'
                    } else {
                        b'\r'
                    };
                    line += u64::from(in_quote && byte == counted);
                }
                match (byte, eol) {
                    (b'\r', None | Some(LineEnd::CrLf)) if !in_quote && next == Some(b'\n') => {
                        (at, eol) = (at + 1, Some(LineEnd::CrLf));
                        break;
                    }
                    (b'\r', None | Some(LineEnd::Cr)) if !in_quote => {
                        eol = Some(LineEnd::Cr);
                        break;
                    }
                    (b'\n', None | Some(LineEnd::Lf)) if !in_quote => {
                        eol = Some(LineEnd::Lf);
                        break;
                    }
                    (b'\r' | b'\n', _) if !in_quote => return records,
                    (b'\\', _) if !csv || first => match next {
                        // A marker, or what looks like one: other tests look at these.
                        Some(b'.') => return records,
                        Some(_) if !csv => at += 1,
                        _ => {}
                    },
                    _ => {}
                }
                first = false;
            }
            records.push((at, line));
        }
        records
    }

    proptest! {
        #[test]
        fn records_and_lines_are_those_of_the_server(
            parts in proptest::collection::vec("a|b|,|\"|\\\\|\\.|\n|\r|\r\n|\"a\r\nb\"", 0..25),
            line_end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
            block in 1usize..9,
            escape in any::<bool>(),
            csv_format in any::<bool>(),
        ) {
            let mut dialect = if csv_format { csv() } else { text() };
            if csv_format && escape {
                dialect.escape = Some("\\".into());
            }
            // The line end of the file comes first, so that most inputs are more than one record.
            let input = format!("x{line_end}{}{line_end}", parts.concat());
            let expected = read_as_the_server_does(&dialect, input.as_bytes());
            let (ends, tall, ..) = split(&dialect, input.as_bytes(), block);
            let mut line = 0;
            for (index, &(end, server_line)) in expected.iter().enumerate() {
                let extra = tall.iter().find(|tall| tall.0 == index).map_or(0, |tall| tall.2);
                line += 1 + u64::from(extra);
                prop_assert_eq!((ends.get(index), line), (Some(&end), server_line), "{:?}", input);
            }
        }

        #[test]
        fn blocks_never_change_the_records(input in "[a,\"\\\\.\r\n]{0,60}", block in 1usize..9, escape in any::<bool>()) {
            let mut dialect = csv();
            if escape {
                dialect.escape = Some("\\".into());
            }
            for dialect in [dialect, text()] {
                prop_assert_eq!(split(&dialect, input.as_bytes(), block), split(&dialect, input.as_bytes(), 1000));
            }
        }
    }
}
