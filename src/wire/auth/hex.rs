//! Hexadecimal digits, as Gauss servers write salts, tokens and proofs.

/// The bytes that `digits` stand for; `None` where they are not exactly `2 * N` hex digits.
pub(super) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// `bytes` in lower case: the server misreads upper case.
pub(super) fn encode(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_whole_or_not_at_all() {
        assert_eq!(decode(b"00ffA1"), Some([0x00, 0xff, 0xa1]));
        for odd in [
            &b"00ff"[..],
            b"00ffa",
            b"00ffa12",
            b"00ffag",
            b"+1ffa1",
            b"",
        ] {
            assert_eq!(decode::<3>(odd), None, "{odd:?}");
        }
        assert_eq!(encode(&[0x00, 0xff, 0xa1]), "00ffa1");
    }
}
