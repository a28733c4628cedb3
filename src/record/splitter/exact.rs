//! Finds where records end when the job says what ends them: there, and nowhere else.
//!
//! Other line ends are data. So is the end itself inside the quotes of csv, and behind a backslash
//! of text. No record is an end-of-data marker.

use super::{Ends, end_of, note_line};
use crate::record::dialect::{Dialect, Format};

/// Cuts behind one sequence of bytes. Holds positions, never bytes of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    /// What ends a record; never empty.
    eol: Vec<u8>,
    /// Where a search goes on when so many bytes of `eol` were there, and the next was not: how many
    /// of the last ones begin it anew (Knuth, Morris and Pratt).
    fallback: Vec<usize>,
    special: Special,
    /// What people call a line ends with this.
    newline: u8,
    /// Bytes of `eol` that are there.
    matched: usize,
    in_quote: bool,
    after_escape: bool,
    /// Bytes of the record under way have been seen.
    open: bool,
    /// Line ends of that record that have not been told of: they may be part of what ends it.
    untold: usize,
}

/// What makes data of what would end a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Nothing,
    /// Of the next byte.
    Backslash,
    /// Of what is between two of them.
    Quote {
        quote: u8,
        /// The escape, where it differs from the quote.
        escape: Option<u8>,
    },
}

impl Special {
    fn of(dialect: Option<&Dialect>) -> Self {
        let Some(dialect) = dialect else {
            return Self::Nothing;
        };
        if dialect.format != Format::Csv {
            return Self::Backslash;
        }
        let quote = dialect.quote_byte().unwrap_or(b'"');
        let escape = dialect.escape_byte().filter(|&escape| escape != quote);
        Self::Quote { quote, escape }
    }
}

impl Exact {
    /// Cuts records of `dialect`, or plain bytes, behind `eol`. An empty one counts as LF.
    pub(super) fn new(dialect: Option<&Dialect>, eol: &[u8]) -> Self {
        let eol = if eol.is_empty() { b"\n" } else { eol };
        Self {
            fallback: fallback(eol),
            newline: if eol == b"\r" { b'\r' } else { b'\n' },
            eol: eol.to_vec(),
            special: Special::of(dialect),
            matched: 0,
            in_quote: false,
            after_escape: false,
            open: false,
            untold: 0,
        }
    }

    pub(super) fn in_quote(&self) -> bool {
        self.in_quote
    }

    /// Ends the input. `true` when a last record without its end was under way.
    pub(super) fn finish(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }

    /// Takes the next `block`.
    pub(super) fn push(&mut self, block: &[u8], found: &mut Ends) {
        let (mut from, mut at) = (0, 0);
        while let Some(next) = self.next(&block[at..]) {
            at += next + 1;
            if self.step(block[at - 1]) {
                self.tell_lines(&block[from..at], self.eol.len(), found);
                found.ends.push(end_of(at));
                self.open = false;
                from = at;
            }
        }
        self.tell_lines(&block[from..], self.matched, found);
        self.open |= from < block.len();
    }

    /// The next byte that must be looked at.
    fn next(&self, rest: &[u8]) -> Option<usize> {
        if self.matched > 0 || self.after_escape {
            return (!rest.is_empty()).then_some(0);
        }
        match (self.special, self.in_quote) {
            (Special::Nothing, _) => memchr::memchr(self.eol[0], rest),
            (Special::Backslash, _) => memchr::memchr2(self.eol[0], b'\\', rest),
            (Special::Quote { quote, .. }, false) => memchr::memchr2(self.eol[0], quote, rest),
            (Special::Quote { quote, escape }, true) => {
                memchr::memchr2(quote, escape.unwrap_or(quote), rest)
            }
        }
    }

    /// Takes a byte; `true` when a record ends with it.
    fn step(&mut self, byte: u8) -> bool {
        let escaped = std::mem::take(&mut self.after_escape);
        match self.special {
            Special::Quote { quote, escape } if self.in_quote => {
                self.after_escape = escape == Some(byte) && !escaped;
                self.in_quote = byte != quote || escaped;
                return false;
            }
            Special::Quote { quote, .. } if byte == quote => {
                self.in_quote = true;
                self.matched = 0;
                return false;
            }
            Special::Backslash if escaped => return false,
            Special::Backslash if byte == b'\\' => {
                self.after_escape = true;
                self.matched = 0;
                return false;
            }
            _ => {}
        }
        while self.matched > 0 && self.eol[self.matched] != byte {
            self.matched = self.fallback[self.matched - 1];
        }
        self.matched += usize::from(self.eol[self.matched] == byte);
        if self.matched < self.eol.len() {
            return false;
        }
        self.matched = 0;
        true
    }

    /// Counts the line ends in a `part` of the record under way as lines of their own, but not those
    /// among the last bytes, of which `matched` are, or may become, what ends the record: that ends
    /// one line, whatever is in it.
    fn tell_lines(&mut self, part: &[u8], matched: usize, found: &mut Ends) {
        if self.eol == [self.newline] && self.special == Special::Nothing {
            return;
        }
        let newlines = |bytes: &[u8]| memchr::memchr_iter(self.newline, bytes).count();
        let of_end = newlines(&self.eol[..matched]);
        let all = self.untold + newlines(part);
        let more = if matched == self.eol.len() {
            self.untold = 0;
            // A record ends a line by itself.
            all - of_end.min(1)
        } else {
            self.untold = of_end;
            all - of_end
        };
        if more > 0 {
            note_line(found, u32::try_from(more).unwrap_or(u32::MAX), 0);
        }
    }
}

/// For each number of bytes of `eol`, less one: how many of its first bytes are the last of these.
fn fallback(eol: &[u8]) -> Vec<usize> {
    let mut fallback = vec![0; eol.len()];
    let mut length = 0;
    for at in 1..eol.len() {
        while length > 0 && eol[length] != eol[at] {
            length = fallback[length - 1];
        }
        length += usize::from(eol[length] == eol[at]);
        fallback[at] = length;
    }
    fallback
}

#[cfg(test)]
mod tests;
