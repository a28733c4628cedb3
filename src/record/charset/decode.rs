//! From the bytes of a file to UTF-8.

use std::fmt;

use encoding_rs::DecoderResult;

use super::{Charset, Kind, escape};

/// The control characters in which ISO 8859 and its `windows` relatives differ.
const C1: std::ops::RangeInclusive<u8> = 0x80..=0x9f;

/// Bytes that are kept to show them: a malformed sequence may have begun in an earlier read.
const KEPT: usize = 8;

/// Decodes a stream, part by part.
pub struct Decoder {
    charset: Charset,
    inner: encoding_rs::Decoder,
    /// Bytes taken.
    taken: u64,
    /// The last of them.
    recent: [u8; KEPT],
    /// Nothing has been written: a byte-order mark may come.
    at_start: bool,
}

/// How far decoding has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the input.
    pub read: usize,
    /// Bytes written to the output.
    pub written: usize,
    /// Why it went no further.
    pub halt: Halt,
}

/// Why decoding stops.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    /// The input is used up.
    Input,
    /// The output is full.
    Output,
    /// These bytes came, and are for the caller to deal with.
    Malformed(Malformed),
}

/// Bytes that are none of their encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    charset: Charset,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The byte behind them, where it belongs to what a server would show.
    next: Option<u8>,
    /// Where they begin in the encoded stream.
    pub offset: u64,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes.clone();
        bytes.extend(self.next);
        f.write_str(&self.charset.words(&bytes))
    }
}

impl std::error::Error for Malformed {}

impl Decoder {
    pub(super) fn new(charset: Charset) -> Self {
        Self {
            charset,
            inner: charset.table().new_decoder_without_bom_handling(),
            taken: 0,
            recent: [0; KEPT],
            at_start: true,
        }
    }

    /// Decodes from `raw` to `out`, which has room for 16 bytes or more. `last`: nothing comes after
    /// `raw`; when that is used up, the decoder must not be used again.
    pub fn decode(&mut self, raw: &[u8], out: &mut [u8], last: bool) -> Progress {
        let (result, read, written) = match self.charset.0 {
            Kind::Iso(_) => self.decode_iso(raw, out, last),
            _ => self
                .inner
                .decode_to_utf8_without_replacement(raw, out, last),
        };
        let halt = match result {
            DecoderResult::InputEmpty => Halt::Input,
            DecoderResult::OutputFull => Halt::Output,
            DecoderResult::Malformed(bad, after) => {
                self.at_start &= written > 0;
                Halt::Malformed(self.malformed(raw, read, usize::from(bad), usize::from(after)))
            }
        };
        self.take(&raw[..read]);
        Progress {
            read,
            written: self.without_mark(out, written),
            halt,
        }
    }

    /// ISO 8859: control characters are themselves, everything else is as in the table.
    fn decode_iso(
        &mut self,
        raw: &[u8],
        out: &mut [u8],
        last: bool,
    ) -> (DecoderResult, usize, usize) {
        let (mut read, mut written) = (0, 0);
        loop {
            let rest = &raw[read..];
            let control = first_control(rest);
            let plain = &rest[..control.unwrap_or(rest.len())];
            let room = &mut out[written..];
            let (result, taken, put) = self.inner.decode_to_utf8_without_replacement(
                plain,
                room,
                last && control.is_none(),
            );
            read += taken;
            written += put;
            match (result, control) {
                (DecoderResult::InputEmpty, Some(_)) if out.len() - written >= 2 => {
                    out[written] = 0xc2;
                    out[written + 1] = raw[read];
                    read += 1;
                    written += 2;
                }
                (DecoderResult::InputEmpty, Some(_)) => {
                    return (DecoderResult::OutputFull, read, written);
                }
                (result, _) => return (result, read, written),
            }
        }
    }

    /// The malformed sequence of `bad` bytes that was followed by `after` more, up to `read` of
    /// `raw`.
    fn malformed(&self, raw: &[u8], read: usize, bad: usize, after: usize) -> Malformed {
        let seen = [&self.recent[..], &raw[..read]].concat();
        let end = seen.len() - after;
        let bytes = seen[end - bad..end].to_vec();
        let next = seen.get(end).or(raw.get(read)).copied();
        let shown = bytes.len() < self.charset.shown();
        Malformed {
            charset: self.charset,
            next: next.filter(|next| shown && escape::is_shown(*next)),
            offset: self.taken + read as u64 - (bad + after) as u64,
            bytes,
        }
    }

    fn take(&mut self, raw: &[u8]) {
        self.taken += raw.len() as u64;
        let raw = &raw[raw.len().saturating_sub(KEPT)..];
        self.recent.rotate_left(raw.len());
        self.recent[KEPT - raw.len()..].copy_from_slice(raw);
    }

    /// Takes a byte-order mark off the beginning of all output. Returns what is left of `written`.
    fn without_mark(&mut self, out: &mut [u8], written: usize) -> usize {
        const MARK: &str = "\u{feff}";
        if !self.at_start || written == 0 {
            return written;
        }
        self.at_start = false;
        if !out[..written].starts_with(MARK.as_bytes()) {
            return written;
        }
        out.copy_within(MARK.len()..written, 0);
        written - MARK.len()
    }
}

/// Where the first control character of ISO 8859 is.
fn first_control(bytes: &[u8]) -> Option<usize> {
    // Rare as they are, whole chunks are looked at, many bytes at once.
    let chunk = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(false, |any, byte| any | C1.contains(byte))
    };
    let start = 64 * bytes.chunks(64).position(chunk)?;
    let within = bytes[start..].iter().position(|byte| C1.contains(byte))?;
    Some(start + within)
}
