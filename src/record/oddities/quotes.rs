//! The quotes and line ends of csv, looked at for what is odd: 64 bytes at a time, and quote by quote
//! where something is.

use memchr::{memchr_iter, memchr3_iter};
use wide::u8x16;

use super::{Blank, Swallowed};
use crate::record::lines::{WORD, mask, prefix_xor, words};

/// Quotes that are kept with their places; beyond that they are counted.
const KEPT: usize = 256;

/// What ends a record, by the first that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    /// A CR was the last byte seen: CR or CRLF.
    AfterCr,
    Lf,
    Cr,
    CrLf,
}

/// Line feeds and carriage returns, of which only one will be known to end lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Lines {
    lf: u64,
    cr: u64,
}

impl Lines {
    fn count(&mut self, byte: u8) {
        self.lf += u64::from(byte == b'\n');
        self.cr += u64::from(byte == b'\r');
    }

    fn of(self, line_end: LineEnd) -> u64 {
        match line_end {
            LineEnd::Cr | LineEnd::AfterCr => self.cr,
            LineEnd::Unknown | LineEnd::Lf | LineEnd::CrLf => self.lf,
        }
    }
}

/// What stands between an opening quote and the one that closes it, doubled quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Region {
    /// Offset at which its record begins.
    record: u64,
    /// Line ends before it, and before its end.
    before: Lines,
    behind: Lines,
    /// One of its quotes stands in the middle of a field.
    odd: bool,
}

impl Region {
    fn has_lines(&self) -> bool {
        self.before != self.behind
    }
}

/// The quotes and line ends of csv.
#[derive(Debug)]
pub struct Quotes {
    quote: u8,
    sep: u8,
    line_end: LineEnd,
    /// Lines before the data.
    first: u64,
    /// Offset of the next block.
    offset: u64,
    /// Line ends so far.
    seen: Lines,
    /// Offset at which the record under way begins.
    record: u64,
    /// The byte before.
    previous: u8,
    /// The quotes that are open.
    open: Option<Region>,
    /// Those that the byte before has closed, unless it doubles a quote.
    closed: Option<Region>,
    blank: u64,
    first_blank: Option<Lines>,
    found: Vec<Region>,
    count: u64,
}

/// A block, as far as words of bytes tell.
struct Glance {
    seen: Lines,
    /// Offset behind the last record that ends in it; 0 where none does.
    last: usize,
    blank: u64,
    first_blank: Option<usize>,
    /// It ends inside quotes.
    inside: bool,
    /// A quote is out of place.
    odd: bool,
    /// Line ends are inside quotes.
    inner: bool,
}

impl Quotes {
    pub(super) fn new(quote: u8, sep: u8, offset: u64, lines: u64) -> Self {
        Self {
            quote,
            sep,
            line_end: LineEnd::Unknown,
            first: lines + 1,
            offset,
            seen: Lines::default(),
            record: offset,
            previous: b'\n',
            open: None,
            closed: None,
            blank: 0,
            first_blank: None,
            found: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn blank(&self) -> Option<Blank> {
        Some(Blank {
            count: self.blank,
            line: self.first + self.first_blank?.of(self.line_end),
        })
    }

    pub(super) fn open_quote(&self) -> Option<(u64, u64)> {
        let region = self.open?;
        let seen = self.seen.of(self.line_end);
        let ended = matches!(self.previous, b'\n' | b'\r');
        Some((
            self.first + region.before.of(self.line_end),
            self.first + seen - u64::from(ended && seen > 0),
        ))
    }

    pub(super) fn swallowed(&self) -> (Vec<Swallowed>, u64) {
        let place = |region: &Region| Swallowed {
            record: region.record,
            line: self.first + region.before.of(self.line_end),
            last_line: self.first + region.behind.of(self.line_end),
        };
        (self.found.iter().map(place).collect(), self.count)
    }

    pub(super) fn look(&mut self, block: &[u8]) {
        let unknown = matches!(self.line_end, LineEnd::Unknown | LineEnd::AfterCr);
        let carried = self.open.iter().chain(&self.closed);
        let (odd, lines) = carried.fold((false, false), |(odd, lines), region| {
            (odd | region.odd, lines | region.has_lines())
        });
        let glance = (!unknown).then(|| self.glance(block));
        match glance {
            Some(glance) if !((odd | glance.odd) && (lines | glance.inner)) => {
                self.take(block, &glance);
            }
            _ => self.walk(block),
        }
        self.offset += block.len() as u64;
    }

    /// Looks at words of bytes, where it is known what ends a line.
    fn glance(&self, block: &[u8]) -> Glance {
        let [quote, sep, lf, cr] = [self.quote, self.sep, b'\n', b'\r'].map(u8x16::splat);
        let mut glance = Glance {
            seen: Lines::default(),
            last: 0,
            blank: 0,
            first_blank: None,
            inside: self.open.is_some(),
            odd: false,
            inner: false,
        };
        // What the word before says of the first byte of the next.
        let mut starts_here = u64::from(self.record == self.offset);
        let mut behind_cr = u64::from(self.previous == b'\r');
        let mut starts_with_cr = u64::from(behind_cr == 1 && self.record + 1 == self.offset);
        let mut behind_border = u64::from(self.is_border(self.previous));
        let mut behind_close = u64::from(self.closed.is_some());
        for (base, word) in words(block) {
            let [quotes, seps, lfs, crs] = [quote, sep, lf, cr].map(|byte| mask(&word, byte));
            let carried = if glance.inside { u64::MAX } else { 0 };
            let inside = prefix_xor(quotes) ^ carried;
            let length = (block.len() - base).min(WORD);
            let whole = u64::MAX >> (WORD - length);
            let top = length - 1;
            glance.inside = inside >> top & 1 == 1;
            let line_ends = match self.line_end {
                LineEnd::Cr => crs,
                LineEnd::CrLf => lfs & (crs << 1 | behind_cr),
                _ => lfs,
            };
            behind_cr = crs >> top & 1;
            let ends = line_ends & !inside;
            let starts = ends << 1 | starts_here;
            starts_here = ends >> top & 1;
            let blank = match self.line_end {
                LineEnd::CrLf => {
                    let blank = ends & ((starts & crs) << 1 | starts_with_cr);
                    starts_with_cr = (starts & crs) >> top & 1;
                    blank
                }
                _ => ends & starts,
            };
            let borders = quotes | seps | lfs | crs;
            let opens = quotes & inside & !(borders << 1 | behind_border);
            behind_border = borders >> top & 1;
            let closes = quotes & !inside;
            let closed = closes << 1 | behind_close;
            behind_close = closes >> top & 1;
            glance.odd |= opens | (closed & !borders & whole) != 0;
            glance.inner |= (lfs | crs) & inside != 0;
            glance.seen.lf += u64::from(lfs.count_ones());
            glance.seen.cr += u64::from(crs.count_ones());
            if ends != 0 {
                glance.last = base + ends.ilog2() as usize + 1;
            }
            if blank != 0 {
                glance.blank += u64::from(blank.count_ones());
                let first = base + blank.trailing_zeros() as usize;
                glance.first_blank.get_or_insert(first);
            }
        }
        glance
    }

    /// Takes a block in which nothing is odd; its last record is gone over where quotes are left
    /// open in it.
    fn take(&mut self, block: &[u8], glance: &Glance) {
        if let Some(first) = glance.first_blank {
            let mut before = self.seen;
            for byte in &block[..first] {
                before.count(*byte);
            }
            // The CR of a CRLF is before its LF.
            self.first_blank.get_or_insert(before);
        }
        self.blank += glance.blank;
        let rest = &block[glance.last..];
        let ends_with_quote = !glance.inside && block.last() == Some(&self.quote);
        if glance.last > 0 {
            (self.open, self.closed) = (None, None);
            self.record = self.offset + glance.last as u64;
            self.previous = block[glance.last - 1];
        }
        if glance.inside || ends_with_quote {
            self.seen.lf += glance.seen.lf - memchr_iter(b'\n', rest).count() as u64;
            self.seen.cr += glance.seen.cr - memchr_iter(b'\r', rest).count() as u64;
            let offset = self.offset;
            self.offset += glance.last as u64;
            self.walk(rest);
            self.offset = offset;
        } else {
            self.seen.lf += glance.seen.lf;
            self.seen.cr += glance.seen.cr;
            (self.open, self.closed) = (None, None);
            self.previous = block.last().copied().unwrap_or(self.previous);
        }
    }

    /// Goes over `part`, which is at the offset of the next block, quote by quote.
    pub(super) fn walk(&mut self, part: &[u8]) {
        let Some(&first) = part.first() else {
            return;
        };
        self.settle(first);
        for at in memchr3_iter(self.quote, b'\n', b'\r', part) {
            let previous = match at.checked_sub(1) {
                Some(before) => part[before],
                None => self.previous,
            };
            let next = part.get(at + 1).copied();
            if part[at] == self.quote {
                self.quote(previous, next);
            } else {
                self.line_end(part[at], self.offset + at as u64, previous, next);
            }
        }
        self.previous = part[part.len() - 1];
    }

    /// Settles what hung on the byte that is `first` of the next part.
    fn settle(&mut self, first: u8) {
        if first != self.quote {
            if let Some(region) = self.closed.take() {
                self.close(region, Some(first));
            }
        }
        if self.line_end == LineEnd::AfterCr && first != b'\n' {
            self.line_end = LineEnd::Cr;
            self.end_record(self.offset - 1);
        }
    }

    fn quote(&mut self, previous: u8, next: Option<u8>) {
        match self.open.take() {
            Some(mut region) => {
                region.behind = self.seen;
                if next.is_none_or(|next| next == self.quote) {
                    self.closed = Some(region);
                } else {
                    self.close(region, next);
                }
            }
            None => {
                self.open = self.closed.take().or(Some(Region {
                    record: self.record,
                    before: self.seen,
                    behind: self.seen,
                    odd: !self.is_border(previous),
                }));
            }
        }
    }

    fn close(&mut self, region: Region, next: Option<u8>) {
        let odd = region.odd || next.is_some_and(|next| !self.is_border(next));
        if odd && region.has_lines() {
            self.count += 1;
            if self.found.len() < KEPT {
                self.found.push(region);
            }
        }
    }

    fn line_end(&mut self, byte: u8, offset: u64, previous: u8, next: Option<u8>) {
        let before = self.seen;
        self.seen.count(byte);
        if let Some(region) = &mut self.open {
            region.behind = self.seen;
            return;
        }
        let ends = match (self.line_end, byte, next) {
            (LineEnd::Unknown, b'\n', _) => {
                self.line_end = LineEnd::Lf;
                true
            }
            (LineEnd::Unknown, _, None) => {
                self.line_end = LineEnd::AfterCr;
                false
            }
            (LineEnd::Unknown, _, Some(b'\n')) => {
                self.line_end = LineEnd::CrLf;
                false
            }
            (LineEnd::Unknown, ..) => {
                self.line_end = LineEnd::Cr;
                true
            }
            (LineEnd::AfterCr, ..) => {
                self.line_end = LineEnd::CrLf;
                true
            }
            (LineEnd::Lf, ..) => byte == b'\n',
            (LineEnd::Cr, ..) => byte == b'\r',
            (LineEnd::CrLf, ..) => byte == b'\n' && previous == b'\r',
        };
        if ends {
            self.end_line(offset, before);
        }
    }

    /// The record under way ends with the line end at `offset`.
    fn end_record(&mut self, offset: u64) {
        let before = Lines {
            lf: self.seen.lf,
            cr: self.seen.cr - 1,
        };
        self.end_line(offset, before);
    }

    fn end_line(&mut self, offset: u64, before: Lines) {
        let length = offset - self.record;
        if length == u64::from(self.line_end == LineEnd::CrLf) {
            self.blank += 1;
            self.first_blank.get_or_insert(before);
        }
        self.record = offset + 1;
    }

    /// Whether a quote beside `byte` is where it should be.
    fn is_border(&self, byte: u8) -> bool {
        [self.quote, self.sep, b'\n', b'\r'].contains(&byte)
    }
}
