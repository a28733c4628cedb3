//! What a server's `version()` says.

use super::Kind;

/// A version that can be compared: three numbers at most, the rest is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 3]);

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch])
    }

    /// Reads the numbers at the start of `text`: 15.18.0 of `15.18 (Debian 15.18-1)`, 6.0.0 of
    /// `6.0.0-RC1`, 19.0.0 of `19devel`. `None` where it begins with no digit.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = [0; 3];
        for (index, (part, text)) in parts.iter_mut().zip(text.split('.')).enumerate() {
            let end = text.find(|c: char| !c.is_ascii_digit());
            match text[..end.unwrap_or(text.len())].parse() {
                Ok(number) => *part = number,
                Err(_) if index == 0 => return None,
                Err(_) => break,
            }
            if end.is_some() {
                break;
            }
        }
        Some(Self(parts))
    }
}

/// What is in a `version()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The kind, where it is one that says so.
    pub(super) kind: Option<Kind>,
    /// The words between the parenthesis and the build: `GaussDB 8.2.1` of
    /// `PostgreSQL 9.2.4 (GaussDB 8.2.1 build 39137c2d) compiled at ...`.
    pub(super) product: Option<String>,
    /// The version among them, as it is written.
    pub(super) number: Option<String>,
    /// The same, to be compared.
    pub(super) version: Option<Version>,
}

impl Said {
    pub(super) fn read(text: &str) -> Self {
        let product = product(text);
        let number = product.as_deref().and_then(|product| {
            let mut words = product.split(' ');
            words.find(|word| Version::read(word).is_some())
        });
        let kind = product.as_deref().and_then(|product| kind(product, number));
        Self {
            version: number.and_then(Version::read),
            number: number.map(str::to_owned),
            kind,
            product,
        }
    }
}

/// The compiler may stand in parentheses too, further back.
fn product(text: &str) -> Option<String> {
    let (before, product) = text.split_once('(')?;
    if before.contains(" on ") || before.contains("compiled") {
        return None;
    }
    let (product, _) = product.split_once(')')?;
    let product = product.split(" build").next().unwrap_or_default().trim();
    (!product.is_empty()).then(|| product.to_owned())
}

/// The first that fits (the words are those of the vendors' drivers and manuals; Gauss200 and `LibrA`
/// are what DWS was called before).
fn kind(product: &str, number: Option<&str>) -> Option<Kind> {
    let has = |words: &[&str]| words.iter().any(|word| product.contains(word));
    if has(&["Greenplum", "Cloudberry", "Greengage", "WarehousePG"]) {
        Some(Kind::Greenplum)
    } else if has(&["openGauss"]) {
        Some(Kind::OpenGauss)
    } else if has(&["GaussDB Kernel"]) {
        Some(Kind::GaussDb)
    } else if has(&["Gauss200", "GaussDB 200", "LibrA"]) || (has(&["GaussDB"]) && number.is_some())
    {
        Some(Kind::Dws)
    } else {
        None
    }
}
