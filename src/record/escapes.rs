//! What quotes and escapes in a field mean.

use memchr::{memchr, memchr2};

/// Appends a csv field without its quotes. Whether the last of them was closed.
pub(super) fn unquote(raw: &[u8], quote: u8, escape: u8, value: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let Some(open) = memchr(quote, rest) {
        value.extend_from_slice(&rest[..open]);
        rest = &rest[open + 1..];
        loop {
            let Some(at) = memchr2(quote, escape, rest) else {
                value.extend_from_slice(rest);
                return false;
            };
            value.extend_from_slice(&rest[..at]);
            let byte = rest[at];
            rest = &rest[at + 1..];
            match rest {
                [next, after @ ..] if byte == escape && (*next == escape || *next == quote) => {
                    value.push(*next);
                    rest = after;
                }
                _ if byte == quote => break,
                _ => value.push(byte),
            }
        }
    }
    value.extend_from_slice(rest);
    true
}

/// Appends a text field without its escapes.
pub(super) fn unescape(raw: &[u8], value: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        value.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let (byte, after) = match rest {
            // A backslash at the end is nothing.
            [] => break,
            [b'0'..=b'7', ..] => number(rest, 8, 3),
            [b'x', digit, ..] if digit.is_ascii_hexdigit() => number(&rest[1..], 16, 2),
            [byte, after @ ..] => (single(*byte), after),
        };
        value.push(byte);
        rest = after;
    }
    value.extend_from_slice(rest);
}

/// The byte that up to `most` digits at the start of `text` say, and what follows them. As on the
/// server, `777` in octal is one byte.
fn number(text: &[u8], base: u32, most: usize) -> (u8, &[u8]) {
    let digit = |byte: &u8| char::from(*byte).to_digit(base);
    let digits = text.iter().take(most).map_while(digit);
    let length = digits.clone().count();
    let number = digits.fold(0, |number, digit| number * base + digit);
    (number.to_le_bytes()[0], &text[length..])
}

/// What a backslash and `byte` mean.
pub(super) fn single(byte: u8) -> u8 {
    match byte {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        other => other,
    }
}
