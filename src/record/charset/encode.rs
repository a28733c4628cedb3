//! From UTF-8 back to the encoding of a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use encoding_rs::{Encoder, EncoderResult, Encoding};

use super::escape::{MARK, unescape};
use super::{Charset, Kind};

/// A character that an encoding does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The character.
    pub character: char,
    /// Where it begins in the text, in bytes.
    pub offset: usize,
}

impl Charset {
    /// The bytes that `text`, decoded from this encoding, stands for, or others for the same
    /// characters where the encoding has several. Escapes become the bytes that they stand for.
    ///
    /// # Errors
    /// A character that the encoding does not have: `text` comes from somewhere else.
    pub fn encode_back(self, text: &[u8]) -> Result<Cow<'_, [u8]>, char> {
        if self.is_utf8() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = Vec::with_capacity(2 * text.len());
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((byte, after)) = unescape(rest) {
                out.push(byte);
                rest = after;
                continue;
            }
            let end = memchr::memchr(MARK, &rest[1..]).map_or(rest.len(), |at| at + 1);
            match std::str::from_utf8(&rest[..end]) {
                Ok(text) => self
                    .put(text, Extent::Read, &mut out)
                    .map_err(|missing| missing.character)?,
                // No decoder writes that.
                Err(_) => out.extend(&rest[..end]),
            }
            rest = &rest[end..];
        }
        Ok(Cow::Owned(out))
    }

    /// Appends any `text` to `out`, as everybody reads it who reads this encoding.
    ///
    /// # Errors
    /// The first character that the encoding does not have; what is before it has been appended.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), Missing> {
        self.put(text, Extent::Written, out)
    }

    /// How many bytes a character of a file has in it.
    pub fn width(self, character: char) -> usize {
        match self.0 {
            Kind::Utf8 => character.len_utf8(),
            Kind::Utf16 | Kind::Utf16Le | Kind::Utf16Be => 2 * character.len_utf16(),
            Kind::Iso(_) => 1,
            Kind::Standard(encoding) if character.is_ascii() || encoding.is_single_byte() => 1,
            Kind::Standard(_) => {
                let (mut text, mut bytes) = ([0; 4], Vec::new());
                // What comes from the file is in its encoding.
                let _ = self.put(character.encode_utf8(&mut text), Extent::Read, &mut bytes);
                bytes.len().max(1)
            }
        }
    }

    fn put(self, text: &str, extent: Extent, out: &mut Vec<u8>) -> Result<(), Missing> {
        match self.0 {
            Kind::Utf8 => out.extend(text.as_bytes()),
            Kind::Utf16 | Kind::Utf16Le => {
                out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            }
            Kind::Utf16Be => out.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Kind::Standard(encoding) => by_table(encoding, text, extent, out)?,
            Kind::Iso(encoding) => by_iso(encoding, text, out)?,
        }
        Ok(())
    }
}

/// Which characters an encoding has: the standard reads more than it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Read,
    Written,
}

/// By the table of an encoding, and by what it only reads.
fn by_table(
    encoding: &'static Encoding,
    text: &str,
    extent: Extent,
    out: &mut Vec<u8>,
) -> Result<(), Missing> {
    let mut encoder = encoding.new_encoder();
    let mut rest = text;
    loop {
        let room = encoder.max_buffer_length_from_utf8_without_replacement(rest.len());
        out.reserve(room.unwrap_or(4 * rest.len() + 16));
        let (result, read) = step(&mut encoder, rest, out);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return Ok(()),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(character) => {
                let bytes = match extent {
                    Extent::Read => readable(encoding, character, rest),
                    Extent::Written => None,
                };
                let Some((bytes, more)) = bytes else {
                    let offset = text.len() - rest.len() - character.len_utf8();
                    return Err(Missing { character, offset });
                };
                out.extend(&*bytes);
                rest = &rest[more..];
            }
        }
    }
}

fn step(encoder: &mut Encoder, text: &str, out: &mut Vec<u8>) -> (EncoderResult, usize) {
    encoder.encode_from_utf8_to_vec_without_replacement(text, out, true)
}

/// ISO 8859: control characters are themselves.
fn by_iso(encoding: &'static Encoding, text: &str, out: &mut Vec<u8>) -> Result<(), Missing> {
    for (offset, character) in text.char_indices() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) if byte < 0xa0 || encoding == encoding_rs::WINDOWS_1252 => out.push(byte),
            _ => {
                let from = out.len();
                let mut room = [0; 4];
                let text = character.encode_utf8(&mut room);
                let put = by_table(encoding, text, Extent::Written, out);
                // A letter or sign that only the relative has.
                if put.is_err() || out[from..].iter().any(|byte| *byte < 0xa0) {
                    out.truncate(from);
                    return Err(Missing { character, offset });
                }
            }
        }
    }
    Ok(())
}

/// The bytes of a character that the standard reads and never writes, and how many bytes of `rest`,
/// which follows it, they stand for as well: two in Big5 are a letter with an accent behind it.
fn readable(
    encoding: &'static Encoding,
    c: char,
    rest: &str,
) -> Option<(Cow<'static, [u8]>, usize)> {
    static BIG5: OnceLock<Readable> = OnceLock::new();
    static EUC_JP: OnceLock<Readable> = OnceLock::new();
    static EUC_KR: OnceLock<Readable> = OnceLock::new();
    static SHIFT_JIS: OnceLock<Readable> = OnceLock::new();
    let table = match encoding.name() {
        "Big5" => &BIG5,
        "EUC-JP" => &EUC_JP,
        "EUC-KR" => &EUC_KR,
        "Shift_JIS" => &SHIFT_JIS,
        // It reads all of its successor.
        "GBK" => return Some((by_successor(c)?.into(), 0)),
        _ => return None,
    };
    let table = table.get_or_init(|| all_readable(encoding));
    let mut pair = String::from(c);
    if let Some(next) = rest.chars().next() {
        pair.push(next);
        if let Some(bytes) = table.get(&pair) {
            return Some((bytes.into(), next.len_utf8()));
        }
        pair.pop();
    }
    Some((table.get(&pair)?.into(), 0))
}

fn by_successor(c: char) -> Option<Vec<u8>> {
    let mut text = [0; 4];
    let (bytes, _, failed) = encoding_rs::GB18030.encode(c.encode_utf8(&mut text));
    (!failed).then(|| bytes.into_owned())
}

type Readable = HashMap<String, Vec<u8>>;

/// Every character of an encoding that its encoder does not write.
fn all_readable(encoding: &'static Encoding) -> Readable {
    let mut found = Readable::new();
    for bytes in sequences() {
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(&bytes) {
            if encoding.encode(&text).2 {
                found.entry(text.into_owned()).or_insert(bytes);
            }
        }
    }
    found
}

/// The sequences of two bytes, and those of three in EUC-JP.
fn sequences() -> impl Iterator<Item = Vec<u8>> {
    let pairs = || (0x81..=0xff).flat_map(|one| (0x40..=0xff).map(move |two| vec![one, two]));
    let triples = pairs().map(|pair| [&[0x8f][..], &pair].concat());
    pairs().chain(triples)
}
