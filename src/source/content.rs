//! What a file holds, told by a hash of its bytes as they are on disk.
//!
//! XXH3 of 128 bits: at memory speed, so that a file can be read for it once before it is loaded. It
//! tells files apart that differ by accident or by intent to change them; nobody is kept out by it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

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

/// Takes bytes in as they come.
pub(super) struct Hasher {
    state: XxHash3_128,
    size: u64,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self {
            state: XxHash3_128::new(),
            size: 0,
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.state.write(bytes);
        self.size += bytes.len() as u64;
    }

    pub(super) fn content(&self) -> Content {
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
    read(path).map_err(|cause| {
        Error::new(
            ErrorKind::Input,
            format!("cannot read `{}`", path.display()),
        )
        .because(cause)
    })
}

fn read(path: &Path) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut room = vec![0; READ];
    loop {
        match file.read(&mut room) {
            Ok(0) => return Ok(hasher.content()),
            Ok(read) => hasher.take(&room[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
