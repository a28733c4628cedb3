//! Whether what should be UTF-8 is UTF-16: half of its bytes are NUL then, and no server would take
//! a single record of it.

/// Bytes that are looked at.
const LOOKED_AT: usize = 1024;

/// What `start`, the first bytes of a file, is in, if it is in UTF-16.
///
/// A byte-order mark says so: its bytes never occur in UTF-8. Without one, NUL does, where it is
/// every second byte again and again and never the other one.
pub fn recognise(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xFF, 0xFE, ..] => return Some("UTF-16LE"),
        [0xFE, 0xFF, ..] => return Some("UTF-16BE"),
        _ => {}
    }
    let pairs = start[..start.len().min(LOOKED_AT)].chunks_exact(2);
    let count = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair[0] == 0);
        second += usize::from(pair[1] == 0);
    }
    // Chinese text has NUL in its separators, digits and line ends alone.
    let enough = |nul: usize| nul >= 2 && nul * 8 >= count;
    match (first, second) {
        (0, nul) if enough(nul) => Some("UTF-16LE"),
        (nul, 0) if enough(nul) => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf16_is_recognised_with_and_without_a_mark() {
        for text in [
            "id,name\n1,x\n",
            "\u{feff}",
            "\u{feff}id\n",
            "1,订单号码甲\n2,订单号码乙\n",
        ] {
            let little = utf16(text, u16::to_le_bytes);
            assert_eq!(recognise(&little), Some("UTF-16LE"), "{text:?}");
            let big = utf16(text, u16::to_be_bytes);
            assert_eq!(recognise(&big), Some("UTF-16BE"), "{text:?}");
        }
        for bytes in [
            &b""[..],
            b"\xFF",
            b"id,name\n1,x\n",
            b"\xEF\xBB\xBFid\n",
            b"1,caf\xe9\n",
            // A NUL here and there is another fault, of its record.
            b"1,x\0\n2,y\n",
            b"\0\0\0\0",
            b"1,\0\0\0\0\n",
        ] {
            assert_eq!(recognise(bytes), None, "{bytes:?}");
        }
    }
}
