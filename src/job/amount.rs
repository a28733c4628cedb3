//! Amounts of bytes, as people write them: `64MiB`.

/// The units, in capitals, and the bytes of each.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

/// The bytes that `text` says; at least 1.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected an amount of bytes, such as `64MiB` or `1GB`, found `{text}`");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let (_, each) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(*each) {
        Some(0) => Err("an amount of 0 would never get to an end".into()),
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_or_are_bytes() {
        for (text, amount) in [
            ("1", 1),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            ("2GB", 2_000_000_000),
            ("7kB", 7000),
        ] {
            assert_eq!(bytes(text), Ok(amount), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.5GB",
            "1 parsec",
            "0",
            "9999999TiB",
            "99999999999999999999",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
