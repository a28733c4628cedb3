//! What becomes of the bytes of a `copy_from` before their fields are looked at: `encoding`,
//! `nul`, `skip_lines` and `eol`.

use super::diagnose::nearest;
use super::reader::{At, Fields};
use crate::record::charset::{COMMON_NAMES, Charset};
use crate::record::cut::Cut;
use crate::record::dialect::{Dialect, Format};

/// How the bytes of a file become records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes {
    /// What the file is in.
    pub charset: Charset,
    /// What is done about zero bytes.
    pub nul: Nul,
    /// Lines before the header, or before the first record where there is none.
    pub skip_lines: u64,
    /// What ends a record.
    pub eol: Eol,
}

impl Bytes {
    /// Where records of `dialect` end.
    pub fn cut(&self, dialect: &Dialect) -> Cut {
        match &self.eol {
            Eol::Auto => Cut::Server(dialect.clone()),
            Eol::Exact(eol) => Cut::Exact(dialect.clone(), eol.clone()),
        }
    }

    /// Where records end that are lines, whatever is in them.
    pub fn cut_lines(&self) -> Cut {
        match &self.eol {
            Eol::Auto => Cut::Lines(None),
            Eol::Exact(eol) => Cut::Lines(Some(eol.clone())),
        }
    }
}

/// What is done about zero bytes in text, which no server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nul {
    /// They are sent, and the server refuses them.
    #[default]
    Error,
    /// They are taken out.
    Strip,
    /// Blanks are put in their place.
    Replace,
}

/// What ends a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Eol {
    /// LF, CR or CRLF: whatever ends the first, as the server has it.
    #[default]
    Auto,
    /// These bytes, 1 to 16, and nothing else.
    Exact(Vec<u8>),
}

/// The words of `eol`.
const EOLS: [(&str, &str); 4] = [("auto", ""), ("lf", "\n"), ("cr", "\r"), ("crlf", "\r\n")];

/// Why binary data has no `encoding`.
pub(super) const BINARY_TEXT: &str =
    "binary data is in the encoding of its session, which is UTF-8";

/// The longest `eol`, in bytes.
const LONGEST: usize = 16;

/// Reads these keys; `None` is a mistake.
pub(super) fn bytes(fields: &Fields<'_>, dialect: Option<&Dialect>) -> Option<Bytes> {
    let charset = charset(fields);
    let nul = match fields.get("nul") {
        Some(at) => nul(at),
        None => Some(Nul::Error),
    };
    let skip_lines = match fields.get("skip_lines") {
        Some(at) => at.parse(lines),
        None => Some(0),
    };
    let eol = match fields.get("eol") {
        Some(at) => eol(at, dialect),
        None => Some(Eol::Auto),
    };
    if dialect.is_some_and(|dialect| dialect.format == Format::Binary) {
        fields.refuse(&["encoding"], BINARY_TEXT);
        fields.refuse(&["skip_lines", "eol"], "binary data has no lines");
        fields.refuse(&["nul"], "binary data is full of NUL bytes");
    }
    if let (Some(Eol::Exact(eol)), Some(Nul::Strip | Nul::Replace)) = (&eol, nul) {
        if eol.contains(&0) {
            fields.refuse(&["nul"], "`eol` is made of such bytes");
        }
    }
    Some(Bytes {
        charset: charset?,
        nul: nul?,
        skip_lines: skip_lines?,
        eol: eol?,
    })
}

/// Reads `encoding`; `None` is a mistake.
pub(super) fn charset(fields: &Fields<'_>) -> Option<Charset> {
    match fields.get("encoding") {
        Some(at) => at.parse(charset_named),
        None => Some(Charset::UTF8),
    }
}

fn charset_named(name: &str) -> Result<Charset, String> {
    if let Some(charset) = Charset::named(name) {
        return Ok(charset);
    }
    let plain = name.to_ascii_lowercase();
    Err(match plain.as_str() {
        "unicode" => {
            format!("`{name}` is UTF-8 to some and UTF-16 to others; say `utf-8` or `utf-16`")
        }
        "iso-2022-jp" => format!(
            "`{name}` is not supported: what its bytes mean depends on those before; convert the file, for example with `iconv`"
        ),
        _ => {
            let near = nearest(&plain, COMMON_NAMES.iter().copied())
                .map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            format!("unknown encoding `{name}`{near}")
        }
    })
}

fn nul(at: &At<'_>) -> Option<Nul> {
    let words = [
        ("error", Nul::Error),
        ("strip", Nul::Strip),
        ("replace", Nul::Replace),
    ];
    at.choice(&words, &[])
}

fn lines(text: &str) -> Result<u64, String> {
    let wrong = |_| format!("expected a number of lines, found `{text}`");
    text.parse().map_err(wrong)
}

fn eol(at: &At<'_>, dialect: Option<&Dialect>) -> Option<Eol> {
    let eol = at.parse(named)?;
    let Eol::Exact(bytes) = &eol else {
        return Some(eol);
    };
    let csv = dialect.filter(|dialect| dialect.format == Format::Csv);
    let quote = csv.and_then(Dialect::quote_byte);
    if quote.is_some_and(|quote| bytes.contains(&quote)) {
        at.wrong("the quote of csv stands in it, and what is in quotes ends no record");
        return None;
    }
    Some(eol)
}

/// A word, or the bytes themselves.
fn named(text: &str) -> Result<Eol, String> {
    let word = text.to_ascii_lowercase();
    if let Some((_, eol)) = EOLS.iter().find(|(known, _)| *known == word) {
        return Ok(match eol.as_bytes() {
            [] => Eol::Auto,
            bytes => Eol::Exact(bytes.to_vec()),
        });
    }
    if text.contains('\\') {
        return Err(format!(
            "`{text}` holds a backslash; between double quotes, YAML takes `\\n`, `\\r` and `\\x1e` for the bytes that are meant"
        ));
    }
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if let Some(near) = nearest(text, EOLS.map(|(word, _)| word)).filter(|_| is_word) {
        return Err(format!("`{text}` is no line end; did you mean `{near}`?"));
    }
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!(
            "expected auto, lf, cr, crlf, or the 1 to {LONGEST} bytes that end a record, found {} bytes",
            text.len()
        ));
    }
    Ok(Eol::Exact(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_the_name_of_an_encoding_is_told() {
        assert_eq!(charset_named("GBK").map(Charset::name), Ok("GBK"));
        for (name, said) in [
            (
                "gb1803",
                "unknown encoding `gb1803`, did you mean `gb18030`?",
            ),
            ("Shift_JS", "did you mean `shift_jis`?"),
            ("unicode", "say `utf-8` or `utf-16`"),
            ("ISO-2022-JP", "not supported"),
            ("klingon", "unknown encoding `klingon`"),
        ] {
            let error = charset_named(name).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn an_eol_is_a_word_or_the_bytes_themselves() {
        for (text, expected) in [
            ("lf", "\n"),
            ("CRLF", "\r\n"),
            ("|\n", "|\n"),
            ("\u{1e}", "\u{1e}"),
            ("§", "§"),
            ("@@", "@@"),
        ] {
            assert_eq!(named(text), Ok(Eol::Exact(expected.into())), "{text:?}");
        }
        assert_eq!(named("auto"), Ok(Eol::Auto));
        for (text, said) in [
            ("crfl", "did you mean `crlf`?"),
            ("|\\n", "between double quotes"),
            ("", "found 0 bytes"),
            ("12345678901234567", "found 17 bytes"),
        ] {
            let error = named(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
