//! What COPY takes without a word, and what is rarely meant.
//!
//! In csv, a blank line: a record of one NULL, where the table has one column. And a quote that is
//! left open and closed by the next one, far below: whatever stands between the two is one value,
//! records and all. Such a quote opens in the middle of a field, or text follows the one that closes
//! it, and there is a line end between them; in csv as programs write it neither occurs. In text, a
//! backslash that is the last byte of all.

mod quotes;

use super::dialect::{Dialect, Format};
use quotes::Quotes;

/// Quotes with line ends between them, of which one is out of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swallowed {
    /// Byte offset in the file at which the record begins that holds them.
    pub record: u64,
    /// Line of the file on which the first stands.
    pub line: u64,
    /// Line of the file on which the last stands.
    pub last_line: u64,
}

/// Blank lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blank {
    /// How many.
    pub count: u64,
    /// Line of the file of the first.
    pub line: u64,
}

/// Looks at the data of one file, block by block. Holds no bytes of it.
#[derive(Debug)]
pub enum Oddities {
    /// Of csv.
    Csv(Box<Quotes>),
    /// Of text.
    Text {
        /// The data seen so far ends with a backslash that escapes what comes next.
        escapes: bool,
    },
}

impl Oddities {
    /// For data that begins at `offset` of its file, behind `lines` lines. `None` for data in which
    /// nothing is known to be odd: binary, and csv with an escape of its own.
    pub fn new(dialect: &Dialect, offset: u64, lines: u64) -> Option<Self> {
        match dialect.format {
            Format::Binary => None,
            Format::Text => Some(Self::Text { escapes: false }),
            Format::Csv => {
                let quote = dialect.quote_byte()?;
                let plain = dialect.escape_byte()? == quote;
                let quotes = Quotes::new(quote, dialect.sep_byte()?, offset, lines);
                plain.then(|| Self::Csv(Box::new(quotes)))
            }
        }
    }

    /// Takes the next block.
    pub fn look(&mut self, block: &[u8]) {
        match self {
            Self::Csv(quotes) => quotes.look(block),
            Self::Text { escapes } => {
                let run = block.iter().rev().take_while(|byte| **byte == b'\\');
                let run = run.count();
                *escapes = (run % 2 == 1) != (run == block.len() && *escapes);
            }
        }
    }

    /// The blank lines.
    pub fn blank(&self) -> Option<Blank> {
        match self {
            Self::Csv(quotes) => quotes.blank(),
            Self::Text { .. } => None,
        }
    }

    /// The first quotes that are out of place, with what they swallow, and how many there are.
    pub fn swallowed(&self) -> (Vec<Swallowed>, u64) {
        match self {
            Self::Csv(quotes) => quotes.swallowed(),
            Self::Text { .. } => (Vec::new(), 0),
        }
    }

    /// The quote that is open at the end of what has been seen: its line, and the last one seen.
    pub fn open_quote(&self) -> Option<(u64, u64)> {
        match self {
            Self::Csv(quotes) => quotes.open_quote(),
            Self::Text { .. } => None,
        }
    }

    /// Whether text ends, as far as it has been seen, with a backslash that escapes nothing.
    pub fn ends_with_backslash(&self) -> bool {
        matches!(self, Self::Text { escapes: true })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn looked(format: Format, data: &str, block: usize) -> Oddities {
        let mut oddities = Oddities::new(&Dialect::new(format), 100, 1).unwrap();
        for part in data.as_bytes().chunks(block) {
            oddities.look(part);
        }
        oddities
    }

    /// Lines and blocks of csv, and what is swallowed: the lines of the quotes, and the offset of
    /// the record.
    #[test]
    fn quotes_that_reach_over_lines_and_are_out_of_place_are_found() {
        for (data, expected) in [
            // As programs write it.
            ("1,\"x\n\"\"y\"\"\n\"\n2,\"\"\n\"a\n\",b\n\"\n\"", &[][..]),
            ("1,\"x\r\ny\",z\r\n2,\"\r\n\"\r\n", &[]),
            // Odd, and on one line.
            ("1,5\" disk, 3\" disk\n2,\"a\"b\n", &[]),
            ("1,5\" disk\n2,x\n3,3\" disk\n4,y\n", &[(2, 4, 100)]),
            (
                "0,x\n1,\"y\n2,z\n3,\"w\",v\n4,u\"\n",
                &[(3, 5, 104), (5, 6, 104)],
            ),
            ("0,x\r\n1,5\"\r\n2,6\"\r\n3,\r\n", &[(3, 4, 105)]),
            ("0,x\r1,5\"\r2,6\"\r3,\r", &[(3, 4, 104)]),
            // A doubled quote in between closes nothing.
            ("1,5\" and \"\"\n\"\" 3\"\n", &[(2, 3, 100)]),
            ("1,5\"\n2,5\"\n3,5\"\n4,5\"\n", &[(2, 3, 100), (4, 5, 110)]),
            // Not closed: that is for the server to say.
            ("1,5\"\n2,x\n", &[]),
        ] {
            for block in [1, 2, 3, 5, 64, 100] {
                let oddities = looked(Format::Csv, data, block);
                let (found, count) = oddities.swallowed();
                let places: Vec<_> = found
                    .iter()
                    .map(|one| (one.line, one.last_line, one.record))
                    .collect();
                assert_eq!(places, expected, "{data:?} by {block}");
                assert_eq!(count, expected.len() as u64);
            }
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_is_found() {
        for (data, expected) in [
            ("1,\"x\"\n", None),
            ("1,\"x\"", None),
            ("1,x\n2,\"y\n3,z\n4,z\n", Some((3, 5))),
            ("1,\"a\nb\"\r\n2,\"y\r\n3,\"\"z", Some((4, 5))),
            ("1,x\r2,\"y\r3,z\r", Some((3, 4))),
        ] {
            for block in [1, 2, 3, 5, 64, 100] {
                let found = looked(Format::Csv, data, block).open_quote();
                assert_eq!(found, expected, "{data:?} by {block}");
            }
        }
    }

    #[test]
    fn blank_lines_are_counted_outside_quotes() {
        for (data, expected) in [
            ("x\ny\n", None),
            ("x\n\ny\n\n\n", Some((3, 3))),
            ("\n\nx", Some((2, 2))),
            ("x\r\n\r\ny\r\n", Some((1, 3))),
            ("\r\n\r\nx\r\n", Some((2, 2))),
            ("x\r\ry\r", Some((1, 3))),
            ("\"x\n\ny\"\n\n", Some((1, 5))),
            ("\"\"\n \n\t\n", None),
        ] {
            for block in [1, 2, 3, 5, 64, 100] {
                let blank = looked(Format::Csv, data, block).blank();
                let found = blank.map(|blank| (blank.count, blank.line));
                assert_eq!(found, expected, "{data:?} by {block}");
            }
        }
    }

    #[test]
    fn a_backslash_at_the_end_of_text_escapes_nothing() {
        for (data, expected) in [
            ("x\n", false),
            ("x\\", true),
            ("x\\\\", false),
            ("\\\\\\", true),
            ("\\", true),
            ("x\\\n", false),
        ] {
            for block in [1, 2, 100] {
                let found = looked(Format::Text, data, block).ends_with_backslash();
                assert_eq!(found, expected, "{data:?} by {block}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_find_what_a_walk_finds(
            parts in proptest::collection::vec(
                prop_oneof![
                    20 => Just("abcdefgh"), 6 => Just("x"), 6 => Just(","), 3 => Just("\""), 1 => Just("\"\""),
                    4 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\r"),
                ],
                0..200,
            ),
            block in 1..200_usize,
        ) {
            let data = parts.concat();
            let by_words = looked(Format::Csv, &data, block);
            let mut quotes = Quotes::new(b'"', b',', 100, 1);
            quotes.walk(data.as_bytes());
            prop_assert_eq!(by_words.swallowed(), quotes.swallowed());
            prop_assert_eq!(by_words.blank(), quotes.blank());
        }
    }
}
