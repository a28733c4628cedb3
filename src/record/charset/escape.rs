//! Bytes that are none of their encoding, in the midst of UTF-8.
//!
//! Such a byte is written as three: 0xFF, and each half of it behind the bits `1000`. None of these
//! is a separator, a quote or a line end, and 0xFF is in no UTF-8 text, so what stands there can
//! neither be taken for text nor reach a table.

use super::Charset;

/// What begins an escape.
pub(super) const MARK: u8 = 0xff;

/// Writes malformed `bytes` as escapes.
pub fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend([MARK, 0x80 | byte >> 4, 0x80 | byte & 0x0f]);
    }
}

/// The byte that `text` begins with as an escape, and what follows.
pub(super) fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [MARK, high @ 0x80..=0x8f, low @ 0x80..=0x8f, rest @ ..] => {
            Some(((high << 4) | (low & 0x0f), rest))
        }
        _ => None,
    }
}

impl Charset {
    /// What a server in this encoding would say of the first malformed bytes in decoded `text`;
    /// `None` where there are none.
    pub fn fault(self, text: &[u8]) -> Option<String> {
        if self.is_utf8() {
            return None;
        }
        let mut rest = &text[memchr::memchr(MARK, text)?..];
        let mut bytes = Vec::new();
        while let (true, Some((byte, after))) = (bytes.len() < self.shown(), unescape(rest)) {
            bytes.push(byte);
            rest = after;
        }
        // A server shows as many bytes as the first of them asks for.
        if let Some(next) = rest.first().filter(|next| is_shown(**next)) {
            if bytes.len() < self.shown() {
                bytes.push(*next);
            }
        }
        (!bytes.is_empty()).then(|| self.words(&bytes))
    }
}

/// Whether a byte behind a malformed one is told as part of it.
pub(super) fn is_shown(next: u8) -> bool {
    next.is_ascii() && !matches!(next, b'\n' | b'\r')
}
