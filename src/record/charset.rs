//! The encodings that files are in, by the names that people have for them.
//!
//! Everything behind the reader is UTF-8. What a file has instead is decoded by the tables of the
//! WHATWG Encoding Standard, which are those of browsers and of most other software. A byte that is
//! none of the encoding stays what it is: it is written as an escape that is no UTF-8 and no
//! separator, so that its record alone is found to be wrong, and the byte can be given back.

mod decode;
mod encode;
mod escape;
mod label;

use encoding_rs::Encoding;

pub use decode::{Decoder, Halt, Malformed, Progress};
pub use encode::Missing;
pub use escape::escape;
pub use label::COMMON as COMMON_NAMES;

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charset(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Utf8,
    /// As its byte-order mark says; without one, low byte first.
    Utf16,
    /// Low byte first.
    Utf16Le,
    /// High byte first.
    Utf16Be,
    /// One of the standard's.
    Standard(&'static Encoding),
    /// ISO 8859 as it is: the standard has a `windows` encoding in its place, which has letters and
    /// signs where this has control characters.
    Iso(&'static Encoding),
}

impl Charset {
    /// UTF-8: bytes go as they are.
    pub const UTF8: Self = Self(Kind::Utf8);

    /// The encoding that is called so: by the standard, by PostgreSQL, or by Oracle. `None` for one
    /// that is not known here, and for ISO-2022-JP, where a record by itself does not say in which of
    /// its states it begins.
    pub fn named(name: &str) -> Option<Self> {
        label::find(name)
    }

    /// Whether bytes go as they are.
    pub fn is_utf8(self) -> bool {
        self.0 == Kind::Utf8
    }

    /// Its name, as the standard writes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Utf8 => "UTF-8",
            Kind::Utf16 => "UTF-16",
            Kind::Utf16Le => "UTF-16LE",
            Kind::Utf16Be => "UTF-16BE",
            Kind::Standard(encoding) => encoding.name(),
            Kind::Iso(encoding) if encoding == encoding_rs::WINDOWS_1254 => "ISO-8859-9",
            Kind::Iso(encoding) if encoding == encoding_rs::WINDOWS_874 => "ISO-8859-11",
            Kind::Iso(_) => "ISO-8859-1",
        }
    }

    /// The encoding of a file with these first two bytes, where it is for them to say.
    #[must_use]
    pub fn of_file(self, start: [u8; 2]) -> Self {
        match (self.0, start) {
            (Kind::Utf16, [0xfe, 0xff]) => Self(Kind::Utf16Be),
            (Kind::Utf16, _) => Self(Kind::Utf16Le),
            _ => self,
        }
    }

    /// What a file of it begins with, so that any reader knows it.
    pub fn mark(self) -> &'static [u8] {
        match self.0 {
            Kind::Utf16 | Kind::Utf16Le => b"\xff\xfe",
            Kind::Utf16Be => b"\xfe\xff",
            Kind::Utf8 | Kind::Standard(_) | Kind::Iso(_) => b"",
        }
    }

    /// What decodes a file from its start.
    pub fn decoder(self) -> Decoder {
        Decoder::new(self)
    }

    /// Whose tables are used.
    fn table(self) -> &'static Encoding {
        match self.0 {
            Kind::Utf8 => encoding_rs::UTF_8,
            Kind::Utf16 | Kind::Utf16Le => encoding_rs::UTF_16LE,
            Kind::Utf16Be => encoding_rs::UTF_16BE,
            Kind::Standard(encoding) | Kind::Iso(encoding) => encoding,
        }
    }

    /// How many bytes of a malformed sequence are worth showing.
    fn shown(self) -> usize {
        if self.table().is_single_byte() { 1 } else { 2 }
    }

    /// What a server in this encoding says of malformed bytes.
    fn words(self, bytes: &[u8]) -> String {
        let mut words = format!("invalid byte sequence for encoding \"{}\":", self.name());
        for byte in bytes {
            words.push_str(&format!(" 0x{byte:02x}"));
        }
        words
    }
}

#[cfg(test)]
mod tests;
