//! Bytes that are zero, which no server takes in text.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::open::Reader;
use crate::job::Nul;

/// Takes zero bytes out as it is read, or puts blanks in their place.
pub(super) struct WithoutNul {
    inner: Reader,
    strip: bool,
    /// How many there were.
    found: Arc<AtomicU64>,
}

/// `inner` with what `nul` does to its zero bytes, and how many there have been.
pub(super) fn without_nul(inner: Reader, nul: Nul) -> (Reader, Arc<AtomicU64>) {
    let found = Arc::new(AtomicU64::new(0));
    let reader: Reader = match nul {
        Nul::Error => inner,
        Nul::Strip | Nul::Replace => Box::new(WithoutNul {
            inner,
            strip: nul == Nul::Strip,
            found: Arc::clone(&found),
        }),
    };
    (reader, found)
}

impl Read for WithoutNul {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(out)?;
            let kept = self.clean(&mut out[..read]);
            // Nothing is the end of the input.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

impl WithoutNul {
    /// Cleans `bytes`; how many are left.
    fn clean(&self, bytes: &mut [u8]) -> usize {
        let Some(first) = memchr::memchr(0, bytes) else {
            return bytes.len();
        };
        let (mut kept, mut found) = (first, 0);
        for at in first..bytes.len() {
            let is_nul = bytes[at] == 0;
            found += u64::from(is_nul);
            bytes[kept] = if is_nul { b' ' } else { bytes[at] };
            kept += usize::from(!(is_nul && self.strip));
        }
        self.found.fetch_add(found, Ordering::Relaxed);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn zero_bytes_are_taken_out_or_replaced_and_counted() {
        for (nul, expected, count) in [
            (Nul::Error, &b"\0a\0\0b\0"[..], 0),
            (Nul::Strip, b"ab", 4),
            (Nul::Replace, b" a  b ", 4),
        ] {
            for part in 1..8 {
                let inner = Cursor::new(b"\0a\0\0b\0".to_vec());
                let (mut reader, found) = without_nul(Box::new(inner), nul);
                let mut all = Vec::new();
                let mut out = vec![0; part];
                loop {
                    match reader.read(&mut out).unwrap() {
                        0 => break,
                        read => all.extend(&out[..read]),
                    }
                }
                assert_eq!(
                    (all.as_slice(), found.load(Ordering::Relaxed)),
                    (expected, count)
                );
            }
        }
    }
}
