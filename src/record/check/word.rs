//! Truth values, identifiers, bytes and documents.

use super::{Fault, Verdict, is_blank, trimmed};

/// `boolean`.
pub(super) fn boolean(value: &[u8]) -> Verdict {
    let text = trimmed(value).to_ascii_lowercase();
    let begins = |word: &str, least: usize| {
        text.len() >= least && word.as_bytes().starts_with(text.as_slice())
    };
    let known = matches!(text.as_slice(), b"0" | b"1")
        || ["true", "false", "yes", "no"]
            .iter()
            .any(|word| begins(word, 1))
        || ["on", "off"].iter().any(|word| begins(word, 2));
    if known {
        Verdict::Fine
    } else {
        Verdict::Bad(Fault::syntax("22P02", "boolean", value))
    }
}

/// `uuid`. Hyphens may stand in places that versions see differently.
pub(super) fn uuid(value: &[u8]) -> Verdict {
    let digits = value.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b"-{}".contains(byte);
    if digits != 32 || !value.iter().all(is_part) {
        return Verdict::Bad(Fault::syntax("22P02", "uuid", value));
    }
    let hyphens = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let canonical = value.len() == 36
        && value
            .iter()
            .enumerate()
            .all(|(at, byte)| hyphens(at) == (*byte == b'-'));
    if canonical || value.len() == 32 {
        Verdict::Fine
    } else {
        Verdict::Unsure
    }
}

/// `bytea`, in either of its forms.
pub(super) fn bytea(value: &[u8]) -> Verdict {
    match value.strip_prefix(b"\\x") {
        Some(hex) => hexadecimal(hex),
        None => escaped(value),
    }
}

fn hexadecimal(hex: &[u8]) -> Verdict {
    let Some(wrong) = hex.iter().position(|byte| !byte.is_ascii_hexdigit()) else {
        if hex.len() % 2 == 0 {
            return Verdict::Fine;
        }
        let reason = "invalid hexadecimal data: odd number of digits";
        return Verdict::Bad(Fault::new("22023", reason));
    };
    // Blanks may stand between two bytes, and of characters outside of ASCII some versions show
    // the first byte alone.
    if is_blank(hex[wrong]) || !hex[wrong].is_ascii() {
        return Verdict::Unsure;
    }
    let digit = char::from(hex[wrong]);
    let reason = format!("invalid hexadecimal digit: \"{digit}\"");
    Verdict::Bad(Fault::new("22023", reason))
}

fn escaped(value: &[u8]) -> Verdict {
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        rest = match &rest[at + 1..] {
            [b'\\', rest @ ..] | [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', rest @ ..] => rest,
            _ => {
                let reason = "invalid input syntax for type bytea";
                return Verdict::Bad(Fault::new("22P02", reason));
            }
        };
    }
    Verdict::Fine
}

/// `json` and `jsonb`: only what has nothing in it is known.
pub(super) fn json(value: &[u8]) -> Verdict {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    if value.iter().all(blank) {
        Verdict::Bad(Fault::new("22P02", "invalid input syntax for type json"))
    } else {
        Verdict::Unsure
    }
}
