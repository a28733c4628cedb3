//! Rows in another encoding than UTF-8.

use std::{fmt, io};

use crate::record::charset::{Charset, Missing};
use crate::record::dialect::Dialect;
use crate::record::splitter::{Ends, Splitter};

/// Encodes the rows of a COPY as they are written.
#[derive(Debug)]
pub struct Encode {
    charset: Charset,
    splitter: Splitter,
    found: Ends,
    /// Rows that have ended, header included.
    rows: u64,
    header: bool,
    /// The first bytes of a character that goes on in the next block.
    begun: Vec<u8>,
}

/// Something that cannot be written in an encoding.
#[derive(Debug)]
pub(super) struct Unwritable {
    pub(super) charset: Charset,
    /// The row, 1 for the first behind the header; 0 for the header.
    row: u64,
    /// The character; `None` where the bytes are none.
    character: Option<char>,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            0 => f.write_str("the header has ")?,
            row => write!(f, "row {row} has ")?,
        }
        match self.character {
            Some(c) => write!(f, "`{c}` (U+{:04X}), which is not in it", u32::from(c)),
            None => f.write_str("bytes that are no text"),
        }
    }
}

impl std::error::Error for Unwritable {}

impl Encode {
    /// Into `charset`, of rows in `dialect`, the first of which may be a `header`.
    pub fn new(charset: Charset, dialect: &Dialect, header: bool) -> Self {
        Self {
            charset,
            splitter: Splitter::new(dialect).without_markers(),
            found: Ends::default(),
            rows: 0,
            header,
            begun: Vec::new(),
        }
    }

    /// What the file begins with.
    pub(super) fn mark(&self) -> &'static [u8] {
        self.charset.mark()
    }

    /// Puts the next `block` into `out`, encoded.
    pub(super) fn encode(&mut self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let joined;
        let bytes = if self.begun.is_empty() {
            block
        } else {
            joined = [&self.begun, block].concat();
            joined.as_slice()
        };
        let (text, wrong) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = &bytes[..error.valid_up_to()];
                let text = std::str::from_utf8(valid).unwrap_or_default();
                (text, error.error_len().is_some())
            }
        };
        self.splitter.push(text.as_bytes(), &mut self.found);
        match self.charset.encode(text, out) {
            Ok(()) if wrong => return Err(self.unwritable(text.len(), None)),
            Ok(()) => {}
            Err(Missing { character, offset }) => {
                return Err(self.unwritable(offset, Some(character)));
            }
        }
        self.rows += self.found.ends.len() as u64;
        self.begun = bytes[text.len()..].to_vec();
        Ok(())
    }

    /// Ends the rows.
    pub(super) fn finish(&self) -> io::Result<()> {
        if self.begun.is_empty() {
            return Ok(());
        }
        Err(self.unwritable(0, None))
    }

    /// The error of what stands at `offset` of the text of a block.
    fn unwritable(&self, offset: usize, character: Option<char>) -> io::Error {
        let before = self
            .found
            .ends
            .partition_point(|end| *end as usize <= offset);
        let before = self.rows + before as u64;
        io::Error::other(Unwritable {
            charset: self.charset,
            row: if self.header { before } else { before + 1 },
            character,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::dialect::Format;

    /// `text` in `name`, block by block, or what is wrong with it.
    fn encode(name: &str, text: &[u8], block: usize, header: bool) -> Result<Vec<u8>, String> {
        let charset = Charset::named(name).unwrap_or_default();
        let mut encode = Encode::new(charset, &Dialect::new(Format::Csv), header);
        let mut out = encode.mark().to_vec();
        for block in text.chunks(block) {
            encode
                .encode(block, &mut out)
                .map_err(|error| error.to_string())?;
        }
        encode.finish().map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn blocks_may_end_within_a_character() {
        for block in 1..12 {
            let text = "中,é\n\"𠀀\n\"\n".as_bytes();
            assert_eq!(
                encode("gb18030", text, block, false).unwrap(),
                b"\xd6\xd0,\xa8\xa6\n\"\x95\x32\x82\x36\n\"\n"
            );
            let big = encode("utf-16be", "中\n".as_bytes(), block, false).unwrap();
            assert_eq!(big, b"\xfe\xff\x4e\x2d\0\n");
        }
    }

    #[test]
    fn what_cannot_be_written_is_told_with_its_row() {
        for block in 1..20 {
            for (text, header, said) in [
                (
                    &"a\n\"b\nb\"\n€\nd\n".into(),
                    false,
                    "row 3 has `€` (U+20AC), which is not in it",
                ),
                (
                    &"a\n\"b\nb\"\n€\nd\n".into(),
                    true,
                    "row 2 has `€` (U+20AC), which is not in it",
                ),
                (
                    &"€\nd\n".into(),
                    true,
                    "the header has `€` (U+20AC), which is not in it",
                ),
                (
                    &b"a\nb\xff\n".to_vec(),
                    false,
                    "row 2 has bytes that are no text",
                ),
                (
                    &b"a\nb\xe4".to_vec(),
                    false,
                    "row 2 has bytes that are no text",
                ),
            ] {
                let text: &Vec<u8> = text;
                assert_eq!(
                    encode("latin1", text, block, header).unwrap_err(),
                    said,
                    "{block}"
                );
            }
        }
    }
}
