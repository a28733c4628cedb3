//! What a file holds, told by a hash of its bytes as they are on disk.
//!
//! XXH3 of 128 bits: at memory speed, so that a file can be read for it once before it is loaded. It
//! tells files apart that differ by accident or by intent to change them; nobody is kept out by it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use crate::error::{Error, ErrorKind, Result};

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// The bytes of a file: how many, and their hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Bytes on disk.
    pub size: u64,
    hash: u128,
}

impl fmt::Display for Content {
    /// With the name of the hash, so that another can follow it one day.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xxh3-128:{:032x}", self.hash)
    }
}

/// A number that is the same for the same `name` everywhere and ever.
pub fn number_of(name: &[u8]) -> u64 {
    let [high, low] = [64, 0].map(|shift| XxHash3_128::oneshot(name) >> shift);
    #[expect(clippy::cast_possible_truncation, reason = "each half of it is meant")]
    let (high, low) = (high as u64, low as u64);
    high ^ low
}

/// Takes bytes in as they come.
pub(crate) struct Hasher {
    state: XxHash3_128,
    size: u64,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self {
            state: XxHash3_128::new(),
            size: 0,
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.state.write(bytes);
        self.size += bytes.len() as u64;
    }

    pub(crate) fn content(&self) -> Content {
        Content {
            size: self.size,
            hash: self.state.finish_128(),
        }
    }
}

/// Reads the file `path` for its content. It blocks for as long as that takes.
///
/// # Errors
/// [`ErrorKind::Input`] when it cannot be read.
pub fn content(path: &Path) -> Result<Content> {
    let mut hasher = Hasher::new();
    read(path, |bytes| hasher.take(bytes))?;
    Ok(hasher.content())
}

/// A hash of a file that somebody has made of it, by one way or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sum {
    /// XXH3 of 128 bits, as here.
    Xxh3(u128),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// The names of hashes, as they stand before one.
const NAMES: [(&str, usize); 2] = [("xxh3-128", 32), ("sha256", 64)];

impl Sum {
    /// `sha256:` or `xxh3-128:` and hexadecimal digits. `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, digits) = text.split_once(':')?;
        let (name, length) = NAMES.into_iter().find(|(known, _)| *known == name)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits.len() != length || !is_hex {
            return None;
        }
        if name == "xxh3-128" {
            return u128::from_str_radix(digits, 16).ok().map(Self::Xxh3);
        }
        let mut sum = [0; 32];
        for (index, byte) in sum.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self::Sha256(sum))
    }

    /// The hash of the file `path`, by the same way. It blocks for as long as that takes.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it cannot be read.
    pub(crate) fn of(&self, path: &Path) -> Result<Self> {
        match self {
            Self::Xxh3(_) => Ok(Self::Xxh3(content(path)?.hash)),
            Self::Sha256(_) => {
                let mut hash = Sha256::new();
                read(path, |bytes| hash.update(bytes))?;
                Ok(Self::Sha256(hash.finalize().into()))
            }
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xxh3(hash) => write!(f, "xxh3-128:{hash:032x}"),
            Self::Sha256(sum) => {
                f.write_str("sha256:")?;
                sum.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// Reads the file `path` to its end.
fn read(path: &Path, take: impl FnMut(&[u8])) -> Result<()> {
    pass(path, take).map_err(|cause| {
        Error::new(
            ErrorKind::Input,
            format!("cannot read `{}`", path.display()),
        )
        .because(cause)
    })
}

fn pass(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut room = vec![0; READ];
    loop {
        match file.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&room[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_by_its_name_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "").unwrap();
        // The reference values for no bytes.
        for text in [
            "xxh3-128:99aa06d3014798d86001c324468d497f",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            let sum = Sum::parse(text).unwrap();
            assert_eq!(sum.to_string(), text);
            assert_eq!(sum.of(&path).unwrap(), sum);
        }
        for text in [
            "",
            "sha256:",
            "sha256:e3",
            "md5:00",
            "xxh3-128:+9aa06d3014798d86001c324468d497f",
        ] {
            assert_eq!(Sum::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_number_of_a_name_stays_what_it_is() {
        // Runs of other versions share files with this one.
        assert_eq!(number_of(b"data/orders.csv"), number_of(b"data/orders.csv"));
        assert_ne!(
            number_of(b"data/orders.csv"),
            number_of(b"data/orders2.csv")
        );
        assert_eq!(
            number_of(b""),
            0x99aa_06d3_0147_98d8 ^ 0x6001_c324_468d_497f
        );
    }

    #[test]
    fn the_content_of_a_file_is_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let whole = content(&path).unwrap();
        assert_eq!(whole.size, 1_000_000);
        let mut hasher = Hasher::new();
        bytes.chunks(777).for_each(|chunk| hasher.take(chunk));
        assert_eq!(hasher.content(), whole);
        // The reference value of XXH3-128 for no bytes.
        std::fs::write(&path, "").unwrap();
        assert_eq!(
            content(&path).unwrap().to_string(),
            "xxh3-128:99aa06d3014798d86001c324468d497f"
        );
        assert!(content(dir.path()).is_err());
    }
}
