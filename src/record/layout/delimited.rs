//! Values with a separator between them.

use memchr::memmem::Finder;
use memchr::{memchr, memchr2};

use crate::record::check::Fault;
use crate::record::dialect::{Dialect, Format};
use crate::record::escapes;
use crate::record::fields::Nulls;
use crate::record::values::Values;

/// COPY's text and csv, with a separator of any length and any number of null markers.
///
/// With a separator of one byte the values are those that the server makes of it; see
/// [`fields`](crate::record::fields).
///
/// A longer one separates wherever it stands whole, the leftmost first: with `||`, `a|||b` is `a`
/// and `|b`. In text, a backslash makes data of the byte behind it, so no separator begins there:
/// with `||`, `a\||b` is one value, `a||b`.
#[derive(Debug, Clone)]
pub struct Delimited {
    csv: bool,
    /// In a box, for it is large beside the rest.
    sep: Box<Finder<'static>>,
    /// csv: the quote; text: the backslash.
    special: u8,
    /// csv: what makes data of a quote inside quotes.
    escape: u8,
    nulls: Vec<Vec<u8>>,
    per_field: Vec<Nulls>,
}

impl Delimited {
    /// Of text or csv with the separator, quote and escape of `dialect`. Every one of `nulls` is
    /// NULL, or the null marker of `dialect` where there is none of them; `per_field` says for the
    /// first fields of a record when it is, and [`Nulls::Plain`] holds for those beyond.
    ///
    /// `None` for binary data, where quote or escape is not one byte, and for a separator that
    /// cannot be told from data: an empty one, one with a line end, one with a quote (csv) or a
    /// backslash (text) in it.
    pub fn new(dialect: &Dialect, nulls: &[String], per_field: Vec<Nulls>) -> Option<Self> {
        let (csv, own_sep, own_null) = match dialect.format {
            Format::Csv => (true, ",", ""),
            Format::Text => (false, "\t", "\\N"),
            Format::Binary => return None,
        };
        let special = if csv { dialect.quote_byte()? } else { b'\\' };
        let escape = if csv { dialect.escape_byte()? } else { b'\\' };
        let sep = dialect.sep.as_deref().unwrap_or(own_sep).as_bytes();
        if sep.is_empty()
            || sep
                .iter()
                .any(|byte| [special, b'\n', b'\r'].contains(byte))
        {
            return None;
        }
        let null = dialect.null.as_deref().unwrap_or(own_null);
        let nulls = if nulls.is_empty() {
            vec![null.into()]
        } else {
            nulls.iter().map(|null| null.as_bytes().to_vec()).collect()
        };
        Some(Self {
            csv,
            sep: Box::new(Finder::new(sep).into_owned()),
            special,
            escape,
            nulls,
            per_field,
        })
    }

    /// See [`Layout::read`](super::Layout::read). An empty record is one empty value.
    ///
    /// # Errors
    /// A quote is left open.
    pub fn read(&self, record: &[u8], values: &mut Values) -> Result<(), Fault> {
        values.clear();
        if memchr(self.special, record).is_none() {
            self.read_plain(record, values);
            return Ok(());
        }
        let mut rest = record;
        loop {
            let cut = if self.csv {
                self.cut_csv(rest)
            } else {
                self.cut_text(rest)
            };
            self.push(cut, values)?;
            match cut.after {
                Some(after) => rest = after,
                None => return Ok(()),
            }
        }
    }

    /// Reads a record in which nothing is quoted or escaped.
    fn read_plain(&self, record: &[u8], values: &mut Values) {
        values.fill(record);
        let sep = self.sep.needle();
        let mut start = 0;
        loop {
            let rest = &record[start..];
            let found = match sep {
                [byte] => memchr(*byte, rest),
                _ => self.sep.find(rest),
            };
            let raw = &rest[..found.unwrap_or(rest.len())];
            if self.is_null(raw, false, values.len()) {
                values.pick_null();
            } else {
                values.pick(start, start + raw.len());
            }
            match found {
                Some(end) => start += end + sep.len(),
                None => return,
            }
        }
    }

    /// Cuts off the text field at the start of `rest`.
    fn cut_text<'a>(&self, rest: &'a [u8]) -> Cut<'a> {
        let sep = self.sep.needle();
        let (mut at, mut dress) = (0, Dress::Plain);
        while let Some(found) = rest.get(at..).and_then(|rest| memchr2(sep[0], b'\\', rest)) {
            at += found;
            if rest[at] == b'\\' {
                dress = Dress::Special;
                at += 2;
            } else if let Some(after) = rest[at..].strip_prefix(sep) {
                return Cut::new(&rest[..at], dress, Some(after));
            } else {
                at += 1;
            }
        }
        Cut::new(rest, dress, None)
    }

    /// Cuts off the csv field at the start of `rest`.
    fn cut_csv<'a>(&self, rest: &'a [u8]) -> Cut<'a> {
        if let Some(cut) = self.cut_quoted(rest) {
            return cut;
        }
        let sep = self.sep.needle();
        let (mut at, mut dress) = (0, Dress::Plain);
        while let Some(found) = memchr2(sep[0], self.special, &rest[at..]) {
            at += found;
            if rest[at] == self.special {
                dress = Dress::Special;
                at = self.closed(rest, at + 1).unwrap_or(rest.len());
            } else if let Some(after) = rest[at..].strip_prefix(sep) {
                return Cut::new(&rest[..at], dress, Some(after));
            } else {
                at += 1;
            }
        }
        Cut::new(rest, dress, None)
    }

    /// Cuts off a field of the usual form: in quotes, and neither quote nor escape between them.
    fn cut_quoted<'a>(&self, rest: &'a [u8]) -> Option<Cut<'a>> {
        let (first, inner) = rest.split_first()?;
        if *first != self.special {
            return None;
        }
        let end = memchr2(self.special, self.escape, inner)?;
        let (value, rest) = inner.split_at(end);
        let (closing, rest) = rest.split_first()?;
        let after = rest.strip_prefix(self.sep.needle());
        let ends = *closing == self.special && (after.is_some() || rest.is_empty());
        ends.then(|| Cut::new(value, Dress::Quoted, after))
    }

    /// Just behind the quote that closes what was opened before `at`.
    fn closed(&self, rest: &[u8], mut at: usize) -> Option<usize> {
        let (quote, escape) = (self.special, self.escape);
        loop {
            at += memchr2(quote, escape, &rest[at..])?;
            let next = rest.get(at + 1);
            let escapes = |next: &u8| rest[at] == escape && (*next == escape || *next == quote);
            if next.is_some_and(escapes) {
                at += 2;
            } else if rest[at] == quote {
                return Some(at + 1);
            } else {
                at += 1;
            }
        }
    }

    /// Adds the value of a field.
    fn push(&self, cut: Cut<'_>, values: &mut Values) -> Result<(), Fault> {
        let is_null = match cut.dress {
            Dress::Special if self.csv => {
                let value = values.under_way();
                if !escapes::unquote(cut.raw, self.special, self.escape, value) {
                    return Err(Fault::new("22P04", "unterminated CSV quoted field"));
                }
                self.is_null(values.pending(), true, values.len())
            }
            Dress::Special => {
                escapes::unescape(cut.raw, values.under_way());
                self.is_null(cut.raw, false, values.len())
            }
            Dress::Plain | Dress::Quoted => {
                values.append(cut.raw);
                self.is_null(cut.raw, cut.dress == Dress::Quoted, values.len())
            }
        };
        if is_null {
            values.push_null();
        } else {
            values.end();
        }
        Ok(())
    }

    /// Whether a field is NULL. `text`: the value where it is `quoted`, else what stands in the
    /// file.
    fn is_null(&self, text: &[u8], quoted: bool, index: usize) -> bool {
        match self.per_field.get(index).copied().unwrap_or(Nulls::Plain) {
            Nulls::Plain if quoted => false,
            Nulls::Plain | Nulls::Quoted => self.nulls.iter().any(|null| null == text),
            Nulls::Never => false,
        }
    }
}

/// A field cut off a record.
#[derive(Debug, Clone, Copy)]
struct Cut<'a> {
    /// As it stands in the file; without its quotes where it is [`Dress::Quoted`].
    raw: &'a [u8],
    dress: Dress,
    /// What follows its separator; `None` where it is the last.
    after: Option<&'a [u8]>,
}

impl<'a> Cut<'a> {
    fn new(raw: &'a [u8], dress: Dress, after: Option<&'a [u8]>) -> Self {
        Self { raw, dress, after }
    }
}

/// What a value wears in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dress {
    /// Nothing.
    Plain,
    /// Quotes around it.
    Quoted,
    /// Quotes or escapes anywhere.
    Special,
}

#[cfg(test)]
mod tests;
