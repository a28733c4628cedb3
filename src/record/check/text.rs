//! Encoding and length of text.

use super::{Fault, Verdict};

/// How much a text type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length {
    name: &'static str,
    /// Characters; `None` for no limit.
    most: Option<usize>,
}

impl Length {
    /// `text`.
    pub(super) const ANY: Self = Self {
        name: "text",
        most: None,
    };

    /// Of a type modifier, which is 4 more than the length.
    pub(super) fn new(name: &'static str, modifier: i32) -> Self {
        let length = modifier.checked_sub(4);
        let most = length.and_then(|length| usize::try_from(length).ok());
        Self { name, most }
    }

    #[inline]
    pub(super) fn is_plain(&self, value: &[u8]) -> bool {
        !value.is_empty() && self.fits_bytes(value) && is_plain_ascii(value)
    }

    /// Whether it fits, even where bytes are counted.
    pub(super) fn fits_bytes(&self, value: &[u8]) -> bool {
        self.most.is_none_or(|most| value.len() <= most)
    }

    /// `value` is in UTF-8, or ASCII.
    pub(super) fn judge(&self, value: &[u8]) -> Verdict {
        let Some(most) = self.most else {
            return Verdict::Fine;
        };
        if self.fits_bytes(value) {
            return Verdict::Fine;
        }
        // Every byte but the later ones of a character; and blanks beyond the length are cut.
        let first = |byte: &u8| !(0x80..0xc0).contains(byte);
        let mut beyond = value.iter().filter(|byte| first(byte)).skip(most);
        if beyond.all(|byte| *byte == b' ') {
            return Verdict::Fine;
        }
        let name = self.name;
        let reason = format!("value too long for type {name}({most})");
        Verdict::Bad(Fault::new("22001", reason))
    }
}

/// Whether it is ASCII without a NUL.
#[inline]
fn is_plain_ascii(value: &[u8]) -> bool {
    let Some(last) = value.last_chunk::<8>() else {
        return value
            .iter()
            .fold(true, |all, byte| all & (byte.wrapping_sub(1) < 0x7f));
    };
    let words = value.chunks_exact(8).map(|word| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        u64::from_ne_bytes(bytes)
    });
    // A byte above 127 has its highest bit set, and 1 less than a NUL has.
    let suspect = |word: u64| (word.wrapping_sub(u64::MAX / 255) | word) & (u64::MAX / 255 * 128);
    let start = suspect(u64::from_ne_bytes(*last));
    words.fold(start, |found, word| found | suspect(word)) == 0
}

/// Whether the database takes the bytes as text at all.
pub(super) fn encoding(value: &[u8], utf8: bool) -> Verdict {
    if is_plain_ascii(value) {
        return Verdict::Fine;
    }
    if !utf8 {
        return Verdict::Unsure;
    }
    let end = match std::str::from_utf8(value) {
        Ok(_) => value.len(),
        Err(error) => error.valid_up_to(),
    };
    let bad = memchr::memchr(0, &value[..end]).unwrap_or(end);
    if bad == value.len() {
        return Verdict::Fine;
    }
    let mut reason = String::from("invalid byte sequence for encoding \"UTF8\":");
    for byte in value[bad..].iter().take(character_length(value[bad])) {
        reason.push_str(&format!(" 0x{byte:02x}"));
    }
    Verdict::Bad(Fault::new("22021", reason))
}

/// How many bytes a character has that begins like this.
fn character_length(first: u8) -> usize {
    match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    }
}
