//! Values at fixed positions.

use crate::record::charset::Charset;
use crate::record::check::Fault;
use crate::record::values::Values;

/// Where a value stands in each record: positions from 0, the one at `end` not included. A span that
/// ends where it begins, or before, is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first position.
    pub start: usize,
    /// The position behind its last; `None` where it reaches to the end of the record.
    pub end: Option<usize>,
}

/// What positions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Characters of UTF-8, a combining mark being one of its own.
    Characters,
    /// Bytes of what the file is in.
    Bytes,
}

/// Values at fixed positions, which may overlap and stand in any order. What no span covers is
/// passed over.
///
/// Editors and exports leave out the blanks at the end of a line, so a record may be shorter than
/// its spans. A span that the end of the record cuts short is taken as far as it goes. One that
/// begins at the end or behind it is a fault, but for two cases in which nothing can be lost:
///
/// - it reaches to the end of the record and begins just there: it is empty;
/// - values are trimmed, and the record does not end in a blank, so that all its last ones may have
///   been left out: what is missing is blank, and the value empty. A short record that does end in
///   a blank was cut off, not trimmed.
#[derive(Debug, Clone)]
pub struct Fixed {
    spans: Vec<Span>,
    unit: Unit,
    trim: bool,
    nulls: Vec<String>,
    charset: Charset,
}

impl Fixed {
    /// A value for each of `spans`, in this order. `trim` takes blanks off both ends of a value: the
    /// space, the tab, and the wide space U+3000, which pads Chinese and Japanese text. A value that
    /// is one of `nulls`, after trimming, is NULL.
    pub fn new(spans: Vec<Span>, unit: Unit, trim: bool, nulls: Vec<String>) -> Self {
        Self {
            spans,
            unit,
            trim,
            nulls,
            charset: Charset::UTF8,
        }
    }

    /// The same for a file that was in `charset`: positions in bytes count those of the file.
    #[must_use]
    pub fn in_charset(mut self, charset: Charset) -> Self {
        self.charset = charset;
        self
    }

    /// See [`Layout::read`](super::Layout::read).
    ///
    /// # Errors
    /// The record is too short, it is not UTF-8, or a span begins or ends inside a character.
    pub fn read(&self, record: &[u8], values: &mut Values) -> Result<(), Fault> {
        values.fill(record);
        let mut ruler = match self.unit {
            Unit::Characters if !record.is_ascii() => Ruler::of_text(record, Width::One)?,
            Unit::Bytes if !self.is_as_it_is(record) => {
                Ruler::of_text(record, Width::In(self.charset))?
            }
            Unit::Characters | Unit::Bytes => Ruler::of_bytes(record),
        };
        for (index, span) in self.spans.iter().enumerate() {
            let start = match ruler.offset(span.start)? {
                Some(start) if start < record.len() || span.end.is_none() => start,
                _ if self.trim && ends_in_text(record) => record.len(),
                _ => return Err(self.too_short(record, index, span)),
            };
            let end = match span.end {
                Some(end) => ruler.offset(end)?,
                None => None,
            };
            let end = end.unwrap_or(record.len()).max(start);
            if self.unit == Unit::Bytes {
                whole_characters(record, start, end)?;
            }
            self.pick(record, start, end, values);
        }
        Ok(())
    }

    /// Whether a record has the bytes that it has in the file.
    fn is_as_it_is(&self, record: &[u8]) -> bool {
        self.charset.is_utf8() || (record.is_ascii() && self.charset.width('a') == 1)
    }

    fn pick(&self, record: &[u8], mut start: usize, mut end: usize, values: &mut Values) {
        if self.trim {
            let value = &record[start..end];
            let cut = blanks_before(value);
            start += cut;
            end = start + trimmed(&value[cut..]).len();
        }
        let value = &record[start..end];
        if self.nulls.iter().any(|null| null.as_bytes() == value) {
            values.pick_null();
        } else {
            values.pick(start, end);
        }
    }

    fn too_short(&self, record: &[u8], index: usize, span: &Span) -> Fault {
        let (length, one, many) = match self.unit {
            Unit::Characters => (
                String::from_utf8_lossy(record).chars().count(),
                "character",
                "characters",
            ),
            Unit::Bytes => {
                let text = String::from_utf8_lossy(record);
                let widths = text.chars().map(|character| self.charset.width(character));
                let length = if self.is_as_it_is(record) {
                    record.len()
                } else {
                    widths.sum()
                };
                (length, "byte", "bytes")
            }
        };
        let units = if length == 1 { one } else { many };
        let (field, position) = (index + 1, span.start.saturating_add(1));
        Fault::new(
            "22P04",
            format!(
                "missing data for field {field}: it begins at {one} {position}, and the record has {length} {units}"
            ),
        )
    }
}

/// How many positions a character has.
#[derive(Debug, Clone, Copy)]
enum Width {
    One,
    /// As many as its bytes in an encoding.
    In(Charset),
}

/// Finds the byte at a position, quickly where positions rise.
struct Ruler<'a> {
    /// `None` where positions are bytes.
    text: Option<(&'a str, Width)>,
    /// In bytes.
    length: usize,
    /// The last position asked for, and the byte there.
    position: usize,
    byte: usize,
}

impl<'a> Ruler<'a> {
    fn of_bytes(record: &[u8]) -> Self {
        Self {
            text: None,
            length: record.len(),
            position: 0,
            byte: 0,
        }
    }

    fn of_text(record: &'a [u8], width: Width) -> Result<Self, Fault> {
        let text = std::str::from_utf8(record).map_err(|_| encoding(record))?;
        Ok(Self {
            text: Some((text, width)),
            ..Self::of_bytes(record)
        })
    }

    /// The byte at `position`, that just behind the record included.
    ///
    /// # Errors
    /// A character goes on there.
    fn offset(&mut self, position: usize) -> Result<Option<usize>, Fault> {
        let Some((text, width)) = self.text else {
            return Ok((position <= self.length).then_some(position));
        };
        if position < self.position {
            (self.position, self.byte) = (0, 0);
        }
        let mut rest = text[self.byte..].chars();
        while self.position < position {
            let Some(character) = rest.next() else {
                return Ok(None);
            };
            let next = match width {
                Width::One => self.position + 1,
                Width::In(charset) => self.position + charset.width(character),
            };
            if next > position {
                let first = self.position + 1;
                return Err(Fault::new(
                    "22021",
                    format!(
                        "`{character}` has bytes {first} to {next}, and a cut behind byte {position} goes through it"
                    ),
                ));
            }
            self.position = next;
            self.byte += character.len_utf8();
        }
        Ok(Some(self.byte))
    }
}

/// Checks that the bytes from `start` to before `end` are characters, and whole.
fn whole_characters(record: &[u8], start: usize, end: usize) -> Result<(), Fault> {
    let value = &record[start..end];
    if value.is_ascii() || std::str::from_utf8(value).is_ok() {
        return Ok(());
    }
    let mut fault = encoding(value);
    let inside = |at: usize| {
        record
            .get(at)
            .is_some_and(|byte| (0x80..0xc0).contains(byte))
    };
    if let Some(cut) = [start, end].into_iter().find(|at| inside(*at)) {
        let (before, after) = (cut, cut + 1);
        fault.reason.push_str(&format!(
            "; a cut between bytes {before} and {after} goes through a character"
        ));
    }
    Err(fault)
}

/// What is wrong with `bytes`, which are not UTF-8.
fn encoding(bytes: &[u8]) -> Fault {
    Fault::of_encoding(bytes)
        .unwrap_or_else(|| Fault::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

/// The bytes of the space, the tab and U+3000.
const BLANKS: [&[u8]; 3] = [b" ", b"\t", "\u{3000}".as_bytes()];

/// How many bytes of blanks `value` begins with.
fn blanks_before(value: &[u8]) -> usize {
    let mut rest = value;
    while let Some(after) = BLANKS.iter().find_map(|blank| rest.strip_prefix(*blank)) {
        rest = after;
    }
    value.len() - rest.len()
}

/// `value` without the blanks at its ends.
pub(super) fn trimmed(value: &[u8]) -> &[u8] {
    let mut rest = &value[blanks_before(value)..];
    while let Some(before) = BLANKS.iter().find_map(|blank| rest.strip_suffix(*blank)) {
        rest = before;
    }
    rest
}

/// Whether something stands in `record`, and no blank at its end.
fn ends_in_text(record: &[u8]) -> bool {
    !record.is_empty() && !BLANKS.iter().any(|blank| record.ends_with(blank))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixed(spans: &[(usize, Option<usize>)], unit: Unit, trim: bool) -> Fixed {
        let spans = spans.iter().map(|&(start, end)| Span { start, end });
        Fixed::new(
            spans.collect(),
            unit,
            trim,
            ["", "-"].map(String::from).to_vec(),
        )
    }

    /// What `record` is, with `~` for NULL.
    fn read(fixed: &Fixed, record: &[u8]) -> Result<String, Fault> {
        let mut values = Values::default();
        fixed.read(record, &mut values)?;
        let text =
            |value: Option<&[u8]>| String::from_utf8(value.unwrap_or(b"~").to_vec()).unwrap();
        Ok(values.iter().map(text).collect::<Vec<_>>().join("|"))
    }

    fn refused(fixed: &Fixed, record: &[u8]) -> String {
        let fault = read(fixed, record).unwrap_err();
        format!("{}: {}", fault.code, fault.reason)
    }

    const COLUMNS: &[(usize, Option<usize>)] =
        &[(0, Some(4)), (4, Some(8)), (10, None), (2, Some(5))];

    #[test]
    fn values_stand_where_they_stand() {
        let plain = fixed(COLUMNS, Unit::Characters, false);
        assert_eq!(
            read(&plain, b"ab  1 2 xxrest ").unwrap(),
            "ab  |1 2 |rest |  1"
        );
        assert_eq!(read(&plain, b"--  -   xx-").unwrap(), "--  |-   |~|  -");
        let trimmed = fixed(COLUMNS, Unit::Characters, true);
        assert_eq!(
            read(&trimmed, b"ab  1\t2 xx rest ").unwrap(),
            "ab|1\t2|rest|1"
        );
        assert_eq!(
            read(&trimmed, b"    -   xx-\t").unwrap(),
            "~|~|~|-".replace("|-", "|~")
        );
        let wide = "\u{3000}甲\u{3000} é乙 丙xx丁戊".as_bytes();
        assert_eq!(read(&trimmed, wide).unwrap(), "甲|é乙 丙|丁戊|é");
        assert_eq!(
            read(&plain, wide).unwrap(),
            "\u{3000}甲\u{3000} |é乙 丙|丁戊|\u{3000} é"
        );
    }

    #[test]
    fn bytes_are_counted_where_bytes_are_asked_for() {
        let bytes = fixed(&[(0, Some(3)), (3, Some(6)), (6, None)], Unit::Bytes, true);
        assert_eq!(read(&bytes, "甲é ok".as_bytes()).unwrap(), "甲|é|ok");
        assert_eq!(
            refused(&bytes, "ab甲xyz".as_bytes()),
            "22021: invalid byte sequence for encoding \"UTF8\": 0xe7; a cut between bytes 3 and 4 goes through a character"
        );
        assert_eq!(
            refused(&bytes, b"ab\xffxyz"),
            "22021: invalid byte sequence for encoding \"UTF8\": 0xff"
        );
        let characters = fixed(COLUMNS, Unit::Characters, true);
        assert_eq!(
            refused(&characters, b"ab\xe9xyz"),
            "22021: invalid byte sequence for encoding \"UTF8\": 0xe9 0x78 0x79"
        );
    }

    #[test]
    fn bytes_are_those_of_the_file() {
        for (name, spans) in [
            ("gbk", [2, 4, 6]),
            ("utf-16", [2, 4, 8]),
            ("euc-jp", [2, 4, 6]),
        ] {
            let [a, b, c] = spans;
            let spans = [(0, Some(a)), (a, Some(b)), (b, Some(c)), (c, None)];
            let charset = Charset::named(name).unwrap();
            let fixed = fixed(&spans, Unit::Bytes, false).in_charset(charset);
            assert_eq!(
                read(&fixed, "甲乙xyz".as_bytes()).unwrap(),
                "甲|乙|xy|z",
                "{name}"
            );
            if name == "gbk" {
                assert_eq!(
                    refused(&fixed, "甲x乙xyz".as_bytes()),
                    "22021: `乙` has bytes 4 to 5, and a cut behind byte 4 goes through it"
                );
                assert_eq!(
                    refused(&fixed, "甲x ".as_bytes()),
                    "22P04: missing data for field 3: it begins at byte 5, and the record has 4 bytes"
                );
            }
        }
    }

    #[test]
    fn a_short_record_lacks_blanks_or_is_a_fault() {
        let plain = fixed(
            &[(0, Some(4)), (4, Some(8)), (8, Some(9))],
            Unit::Characters,
            false,
        );
        let trimmed = Fixed {
            trim: true,
            ..plain.clone()
        };
        assert_eq!(read(&plain, b"a   b   c").unwrap(), "a   |b   |c");
        assert_eq!(
            refused(&plain, "a   é".as_bytes()),
            "22P04: missing data for field 3: it begins at character 9, and the record has 5 characters"
        );
        assert_eq!(read(&trimmed, "a   é".as_bytes()).unwrap(), "a|é|~");
        assert_eq!(read(&trimmed, b"a").unwrap(), "a|~|~");
        // These do not end as a trimmed line does.
        for record in ["", " ", "a   b ", "a   \u{3000}"] {
            assert!(
                refused(&trimmed, record.as_bytes()).starts_with("22P04"),
                "{record:?}"
            );
        }
        let last = fixed(&[(0, Some(2)), (2, Some(9))], Unit::Characters, false);
        assert_eq!(read(&last, b"abc ").unwrap(), "ab|c ");
        let rest = fixed(&[(0, Some(2)), (2, None)], Unit::Bytes, false);
        assert_eq!(read(&rest, b"ab").unwrap(), "ab|~");
        assert_eq!(
            refused(&rest, b"a"),
            "22P04: missing data for field 2: it begins at byte 3, and the record has 1 byte"
        );
    }

    #[test]
    fn odd_spans_do_no_harm() {
        let odd = fixed(
            &[
                (1, Some(1)),
                (2, Some(0)),
                (0, Some(usize::MAX)),
                (usize::MAX, Some(0)),
            ],
            Unit::Characters,
            true,
        );
        assert_eq!(read(&odd, "aé乙".as_bytes()).unwrap(), "~|~|aé乙|~");
        assert!(read(&odd, b"a ").is_err());
    }

    proptest! {
        #[test]
        fn padded_values_are_read_back(
            rows in prop::collection::vec("[a-z\u{e9}\u{7532}\u{1f600}]([a-z \u{3000}\u{301}]{0,4}[a-z\u{e9}])?", 1..6),
            stripped in any::<bool>(),
        ) {
            let width = 6;
            let mut record = String::new();
            let mut spans = Vec::new();
            for (index, value) in rows.iter().enumerate() {
                record.push_str(value);
                record.extend(std::iter::repeat_n(' ', width - value.chars().count()));
                spans.push((index * width, Some((index + 1) * width)));
            }
            let record = if stripped { record.trim_end() } else { &record };
            for back in [false, true] {
                let mut rows = rows.clone();
                if back {
                    spans.reverse();
                    rows.reverse();
                }
                let fixed = fixed(&spans, Unit::Characters, true);
                prop_assert_eq!(read(&fixed, record.as_bytes()).unwrap(), rows.join("|"));
            }
        }

        #[test]
        fn no_record_and_no_span_panics(
            record in prop::collection::vec(any::<u8>(), 0..20),
            text in "[ a\u{e9}\u{3000}\u{7532}]{0,10}",
            spans in prop::collection::vec((0..12_usize, prop::option::of(0..12_usize)), 0..5),
            bytes in any::<bool>(),
            trim in any::<bool>(),
        ) {
            let unit = if bytes { Unit::Bytes } else { Unit::Characters };
            let fixed = fixed(&spans, unit, trim);
            for record in [&record, text.as_bytes()] {
                let mut values = Values::default();
                if fixed.read(record, &mut values).is_ok() {
                    prop_assert_eq!(values.len(), spans.len());
                }
            }
        }
    }
}
