//! Cuts text and csv data into fields, as the server will.
//!
//! The rules are those of `CopyReadAttributesText` and `CopyReadAttributesCSV` in PostgreSQL's
//! `copyfromparse.c`: which bytes are a field is told before anything is made of them, the null
//! marker is compared with the bytes as they stand in the file, and quotes may open and close
//! anywhere in a csv field. What the server refuses (a stray line end, an open quote) gives some
//! fields here or none; it is not judged.

use std::borrow::Cow;

use wide::u8x16;

use super::dialect::{Dialect, Format};
use super::escapes;
use super::lines::{mask, words};
use super::splitter::LineEnd;

/// Bytes kept of a field that lies in more than one block.
const KEPT: usize = 4096;

/// When the null marker of a column is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Where it stands without quotes.
    Plain,
    /// In quotes too: csv's FORCE NULL.
    Quoted,
    /// Never: csv's FORCE NOT NULL.
    Never,
}

/// How fields are cut and read.
#[derive(Debug, Clone)]
struct Rules {
    csv: bool,
    sep: u8,
    /// csv: the quote; text: the backslash.
    special: u8,
    /// csv: the escape, where it differs from the quote.
    escape: Option<u8>,
    null: Vec<u8>,
    /// A record `\.` ends the data.
    markers: bool,
}

/// One field of a record.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The record, 1 for the first.
    pub record: u64,
    /// The line on which the record begins, 1 for the first of the file.
    pub line: u64,
    /// The field's number in its record, 0 for the first.
    pub index: usize,
    /// It is the last of its record.
    pub last: bool,
    /// The bytes as they stand in the file, or the first of them.
    raw: &'a [u8],
    /// How many they are in all.
    length: u64,
    quoted: bool,
    nulls: Nulls,
    rules: &'a Rules,
}

impl<'a> Field<'a> {
    /// Whether [`value`](Self::value) is the whole of it. A field that lies in more than one block
    /// is kept up to 4096 bytes.
    pub fn is_whole(&self) -> bool {
        self.raw.len() as u64 == self.length
    }

    /// Whether the server takes it for NULL.
    pub fn is_null(&self) -> bool {
        let null = self.rules.null.as_slice();
        match self.nulls {
            Nulls::Quoted if self.quoted => self.is_whole() && self.value() == null,
            Nulls::Plain | Nulls::Quoted => {
                !self.quoted && self.raw.len() == null.len() && self.is_whole() && self.raw == null
            }
            Nulls::Never => false,
        }
    }

    /// Whether it is the empty text, and not NULL.
    pub fn is_empty(&self) -> bool {
        let may_be = match self.raw.first() {
            None => true,
            Some(&first) => first == self.rules.special && self.raw.len() < 8,
        };
        may_be && !self.is_null() && self.value().is_empty()
    }

    /// Its value, quotes and escapes undone; what is known of it where it is not whole.
    pub fn value(&self) -> Cow<'a, [u8]> {
        if !self.raw.contains(&self.rules.special) {
            return Cow::Borrowed(self.raw);
        }
        let mut value = Vec::with_capacity(self.raw.len());
        if self.rules.csv {
            let quote = self.rules.special;
            let escape = self.rules.escape.unwrap_or(quote);
            escapes::unquote(self.raw, quote, escape, &mut value);
        } else {
            escapes::unescape(self.raw, &mut value);
        }
        Cow::Owned(value)
    }
}

/// Cuts a stream of blocks into fields and shows those of the chosen columns.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact about the bytes seen, independent of the others"
)]
pub struct Fields {
    rules: Rules,
    columns: Vec<Option<Nulls>>,
    line_end: LineEnd,
    in_quote: bool,
    /// A quote has opened in the field under way.
    quoted: bool,
    /// Offset, from the start of the block under way, of a byte behind an escape: it is data.
    literal: Option<usize>,
    /// Offset of the field under way in the block under way.
    start: usize,
    /// What earlier blocks hold of that field: the first bytes, and how many in all.
    carry: Vec<u8>,
    carried: u64,
    index: usize,
    record: u64,
    line: u64,
    /// Line ends in the record under way that are data; in the first record LF and CR apart, for it
    /// is not known yet which of them ends a line.
    inner: [u64; 2],
    /// The end-of-data marker has passed.
    over: bool,
    /// The last field of a record is shown though it is not chosen.
    shows_last: bool,
}

impl Fields {
    /// At the start of data that follows `lines` lines of header. `columns` says for each field of
    /// a record, in order, whether it is shown and what is NULL in it. `markers`: a record `\.` ends
    /// the data.
    ///
    /// `None` for binary data, and where a separator, quote or escape is not one byte: a server
    /// refuses that, or has rules of its own.
    pub fn new(
        dialect: &Dialect,
        columns: Vec<Option<Nulls>>,
        markers: bool,
        lines: u64,
    ) -> Option<Self> {
        let csv = match dialect.format {
            Format::Csv => true,
            Format::Text => false,
            Format::Binary => return None,
        };
        let quote = dialect.quote_byte()?;
        let escape = dialect.escape_byte()?;
        let own_null = if csv { "" } else { "\\N" };
        let rules = Rules {
            csv,
            sep: dialect.sep_byte()?,
            special: if csv { quote } else { b'\\' },
            escape: (csv && escape != quote).then_some(escape),
            null: dialect.null.as_deref().unwrap_or(own_null).into(),
            markers,
        };
        Some(Self {
            rules,
            columns,
            line_end: LineEnd::Unknown,
            in_quote: false,
            quoted: false,
            literal: None,
            start: 0,
            carry: Vec::new(),
            carried: 0,
            index: 0,
            record: 1,
            line: lines + 1,
            inner: [0; 2],
            over: false,
            shows_last: false,
        })
    }

    /// The same, behind so many records of the file, whose lines end so.
    #[must_use]
    pub fn behind(mut self, records: u64, line_end: LineEnd) -> Self {
        self.record += records;
        self.line_end = line_end;
        self
    }

    /// The same, which shows the last field of each record too, whichever it is.
    #[must_use]
    pub fn with_last(mut self) -> Self {
        self.shows_last = true;
        self
    }

    /// Takes the next `block`; shows the chosen fields that end in it.
    pub fn push(&mut self, block: &[u8], mut show: impl FnMut(&Field<'_>)) {
        let mut at = 0;
        while at < block.len()
            && matches!(self.line_end, LineEnd::Unknown | LineEnd::AfterCr)
            && !self.over
        {
            self.first_record(block, at, &mut show);
            at += 1;
        }
        if at < block.len() && !self.over {
            self.scan(block, at, &mut show);
        }
        let rest = &block[self.start.min(block.len())..];
        let room = KEPT.saturating_sub(self.carry.len()).min(rest.len());
        self.carry.extend_from_slice(&rest[..room]);
        self.carried += rest.len() as u64;
        self.start = 0;
        self.literal = self
            .literal
            .and_then(|literal| literal.checked_sub(block.len()));
    }

    /// Ends the input: shows the chosen fields of a last record without a line end.
    pub fn finish(&mut self, mut show: impl FnMut(&Field<'_>)) {
        if !self.over && (self.carried > 0 || self.index > 0) {
            self.end_field(&[], 0, true, &mut show);
        }
    }

    /// Goes over the block from `from` on, word by word.
    fn scan(&mut self, block: &[u8], from: usize, show: &mut impl FnMut(&Field<'_>)) {
        let newline = self.newline();
        let rules = &self.rules;
        let watched = [
            rules.sep,
            rules.special,
            rules.escape.unwrap_or(newline),
            newline,
        ]
        .map(u8x16::splat);
        for (base, word) in words(&block[from..]) {
            let mut hits = watched
                .iter()
                .fold(0, |hits, byte| hits | mask(&word, *byte));
            while hits != 0 {
                let at = from + base + hits.trailing_zeros() as usize;
                hits &= hits - 1;
                // The last word is filled up with zeros, and a zero may be watched for.
                if at >= block.len() || self.over {
                    return;
                }
                self.byte(block, at, newline, show);
            }
        }
    }

    /// Takes a byte while it is not known what ends a line.
    fn first_record(&mut self, block: &[u8], at: usize, show: &mut impl FnMut(&Field<'_>)) {
        let byte = block[at];
        if self.line_end == LineEnd::AfterCr {
            let crlf = byte == b'\n';
            self.line_end = if crlf { LineEnd::CrLf } else { LineEnd::Cr };
            self.line += self.inner[usize::from(!crlf)];
            self.inner = [0; 2];
            if crlf {
                self.start = at + 1;
                return;
            }
            return self.byte(block, at, b'\r', show);
        }
        let is_data = self.in_quote || self.literal == Some(at);
        match byte {
            b'\n' | b'\r' if is_data => {
                self.inner[usize::from(byte == b'\r')] += 1;
            }
            b'\n' => {
                self.line_end = LineEnd::Lf;
                self.inner[1] = 0;
                self.end_field(block, at, true, show);
            }
            b'\r' => {
                self.line_end = LineEnd::AfterCr;
                let inner = std::mem::take(&mut self.inner);
                self.end_field(block, at, true, show);
                self.inner = inner;
            }
            _ => self.byte(block, at, b'\n', show),
        }
    }

    /// Takes a byte that may mean something.
    fn byte(&mut self, block: &[u8], at: usize, newline: u8, show: &mut impl FnMut(&Field<'_>)) {
        let byte = block[at];
        let rules = &self.rules;
        if self.literal == Some(at) || self.in_quote {
            self.inner[0] += u64::from(byte == newline);
            if self.literal == Some(at) || !rules.csv {
                return;
            }
            if rules.escape == Some(byte) {
                self.literal = Some(at + 1);
            } else if byte == rules.special {
                self.in_quote = false;
            }
        } else if byte == rules.special {
            if rules.csv {
                self.in_quote = true;
                self.quoted = true;
            } else {
                self.literal = Some(at + 1);
            }
        } else if byte == rules.sep {
            self.end_field(block, at, false, show);
        } else if byte == newline {
            self.end_field(block, at, true, show);
        }
    }

    /// Ends the field under way before the byte at `end`, and its record where that is a line end.
    fn end_field(
        &mut self,
        block: &[u8],
        end: usize,
        line_ends: bool,
        show: &mut impl FnMut(&Field<'_>),
    ) {
        let here = &block[self.start..end];
        let mut length = self.carried + here.len() as u64;
        let mut raw = if self.carried == 0 {
            here
        } else {
            let room = KEPT.saturating_sub(self.carry.len()).min(here.len());
            self.carry.extend_from_slice(&here[..room]);
            &self.carry
        };
        if line_ends && self.line_end == LineEnd::CrLf {
            let whole = raw.len() as u64 == length;
            let cut = if whole { raw.strip_suffix(b"\r") } else { None };
            // A byte that was not kept is the CR, or the server refuses the record.
            length -= u64::from(!whole || cut.is_some());
            raw = cut.unwrap_or(raw);
        }
        let marker = self.rules.markers && line_ends && self.index == 0 && raw == b"\\.";
        if marker {
            self.over = true;
        } else if let Some(nulls) = self.shown(line_ends) {
            show(&Field {
                record: self.record,
                line: self.line,
                index: self.index,
                last: line_ends,
                raw,
                length,
                quoted: self.quoted,
                nulls,
                rules: &self.rules,
            });
        }
        self.carry.clear();
        self.carried = 0;
        self.start = end + 1;
        self.quoted = false;
        self.index += 1;
        if line_ends {
            self.index = 0;
            self.record += 1;
            self.line += 1 + self.inner[0];
            self.inner = [0; 2];
        }
    }

    /// Whether the field under way is shown, and what is NULL in it.
    fn shown(&self, last: bool) -> Option<Nulls> {
        let chosen = self.columns.get(self.index).copied().flatten();
        chosen.or((last && self.shows_last).then_some(Nulls::Plain))
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
