//! Finds where records end, as the server will.
//!
//! The rules are those of `CopyReadLineText` in PostgreSQL's `copyfromparse.c`: the first line end
//! decides between LF, CR and CRLF; in csv a line end inside quotes is data; in text a line end
//! after a backslash is. What the server counts as a line inside a csv record is counted the same
//! way, so that the line number of its errors can be traced back to a record.

mod ends;
mod exact;

use memchr::{memchr2, memchr3};

use super::binary::Tuples;
use super::dialect::{Dialect, Format};
use super::lines;

pub use ends::{Counted, Ends, LineEnd, Marker};
use ends::{end_of, note_line};
use exact::Exact;

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

/// Line ends that are data of the first record, seen before it is known what ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Early {
    lf: u32,
    cr: u32,
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
    early: Early,
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
    /// The record under way is the first of a COPY, and not of its file: what ends a line is known here,
    /// and not to the server.
    joins: bool,
    /// Rules that are not those of text and csv for a server.
    own: Option<Own>,
}

/// How records are cut that a server would not cut so as text or csv.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Own {
    Binary(Tuples),
    Exact(Box<Exact>),
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
            early: Early::default(),
            in_quote: false,
            after_escape: false,
            tail: Tail::None,
            tail_alone: false,
            open: false,
            markers: true,
            counting: false,
            joins: false,
            own: (dialect.format == Format::Binary).then(|| Own::Binary(Tuples::new())),
        }
    }

    /// The same for records that end with `eol` (1 to 16 bytes) and nowhere else. An `eol` in the
    /// quotes of csv, or behind a backslash of text, is data; there are no end-of-data markers.
    ///
    /// A line of the file ends with an LF (with a CR, where `eol` is one) and with a record.
    pub fn exact(dialect: &Dialect, eol: &[u8]) -> Self {
        Self {
            own: Some(Own::Exact(Box::new(Exact::new(Some(dialect), eol)))),
            ..Self::new(dialect)
        }
    }

    /// The same for records that end with `eol`, or by default with LF or CRLF, whatever is in
    /// them: no byte is special.
    pub fn lines(eol: Option<&[u8]>) -> Self {
        Self {
            own: Some(Own::Exact(Box::new(Exact::new(None, eol.unwrap_or(b"\n"))))),
            ..Self::new(&Dialect::new(Format::Text))
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

    /// What ends records, as far as is known, where the first line end decides.
    pub fn line_end(&self) -> LineEnd {
        self.line_end
    }

    /// Whether it is known what ends records.
    pub fn is_settled(&self) -> bool {
        self.own.is_some() || !matches!(self.line_end, LineEnd::Unknown | LineEnd::AfterCr)
    }

    /// The same, which has not seen anything yet, for another COPY of the same file: it begins with a
    /// record that follows what ends with `line_end`.
    #[must_use]
    pub fn joining(mut self, line_end: LineEnd) -> Self {
        self.line_end = line_end;
        self.joins = self.own.is_none();
        self
    }

    /// Takes the next `block` as [`push`](Self::push) does, and lists where its records end in any case.
    pub fn list(&mut self, block: &[u8], found: &mut Ends) {
        let counting = std::mem::take(&mut self.counting);
        self.push(block, found);
        self.counting = counting;
    }

    /// Whether the data ends inside quotes.
    pub fn in_quote(&self) -> bool {
        match &self.own {
            Some(Own::Exact(exact)) => exact.in_quote(),
            Some(Own::Binary(_)) | None => self.in_quote,
        }
    }

    /// Whether the data may end here. Binary data ends with a trailer; what ends before is cut
    /// short.
    pub fn whole(&self) -> bool {
        match &self.own {
            Some(Own::Binary(tuples)) => tuples.whole(),
            Some(Own::Exact(_)) | None => true,
        }
    }

    /// Whether binary data ends without its trailer where a server misses nothing.
    pub fn seems_whole(&self) -> bool {
        match &self.own {
            Some(Own::Binary(tuples)) => tuples.seems_whole(),
            Some(Own::Exact(_)) | None => false,
        }
    }

    /// Takes the next `block`; appends what ends in it to `found`, which is cleared first.
    ///
    /// Stops behind an end-of-data marker: bytes after it belong to no record.
    pub fn push(&mut self, block: &[u8], found: &mut Ends) {
        found.ends.clear();
        found.tall.clear();
        found.marker = None;
        found.counted = None;
        match &mut self.own {
            Some(Own::Binary(tuples)) => tuples.push(block, found),
            Some(Own::Exact(exact)) => exact.push(block, found),
            None => {
                self.cut(block, found);
                found.line_end = self.line_end;
            }
        }
    }

    /// Cuts as a server cuts text and csv.
    fn cut(&mut self, block: &[u8], found: &mut Ends) {
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
        if !self.counting || !known || self.joins || self.after_escape || self.tail != Tail::None {
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
        if let Some(Own::Exact(exact)) = &mut self.own {
            return exact.finish();
        }
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
            || self.joins
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
            if self.is_inner_line_end(byte) {
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

    /// Whether `byte`, which is data, ends a line for people. In the first record that cannot be
    /// told yet: it is settled with the record's end.
    fn is_inner_line_end(&mut self, byte: u8) -> bool {
        if self.line_end == LineEnd::Unknown {
            self.early.lf += u32::from(byte == b'\n');
            self.early.cr += u32::from(byte == b'\r');
            return false;
        }
        byte == self.newline()
    }

    fn finish_line(&mut self, end: usize, is_marker: bool, found: &mut Ends) {
        let early = std::mem::take(&mut self.early);
        let lines = if self.line_end == LineEnd::Cr {
            early.cr
        } else {
            early.lf
        };
        if lines > 0 {
            note_line(found, lines, 0);
        }
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
        self.joins = false;
        found.ends.push(end_of(end));
    }

    /// Line ends inside quotes, as people and as the server count them.
    fn count_quoted_line(&mut self, byte: u8, found: &mut Ends) {
        let people = u32::from(self.is_inner_line_end(byte));
        let server = u32::from(
            byte == if self.line_end == LineEnd::Lf && !self.joins {
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

#[cfg(test)]
mod tests;
