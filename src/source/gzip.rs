//! gzip: members one after another, as `gzip` itself reads them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The first bytes of a member (RFC 1952).
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads members up to the end of the input. Zeros may follow the last, as tapes and block devices
/// leave them; anything else is an error, never an end.
pub(super) struct Members<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    /// `raw` begins with a member.
    pub(super) fn new(raw: R) -> Self {
        Self {
            member: Some(GzDecoder::new(raw)),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            self.member = match self.member.take() {
                Some(done) => next(done.into_inner())?,
                None => None,
            };
        }
        Ok(0)
    }
}

/// The member that follows, if any.
fn next<R: BufRead>(mut raw: R) -> io::Result<Option<GzDecoder<R>>> {
    let mut padded = false;
    loop {
        let start = raw.fill_buf()?;
        match start {
            [] => return Ok(None),
            [0, ..] => {
                let zeros = start.iter().take_while(|&&byte| byte == 0).count();
                raw.consume(zeros);
                padded = true;
            }
            // A member whose first byte ends a read is told by its decoder.
            [first, second @ ..]
                if !padded
                    && *first == MAGIC[0]
                    && second.first().is_none_or(|&it| it == MAGIC[1]) =>
            {
                return Ok(Some(GzDecoder::new(raw)));
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "something that is not gzip follows the compressed data",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    fn member(text: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn read(input: &[u8]) -> io::Result<Vec<u8>> {
        // Reads of every size: a boundary may fall anywhere.
        let mut outcome = None;
        for size in 1..20 {
            let mut data = Vec::new();
            let now = Members::new(BufReader::with_capacity(size, input))
                .read_to_end(&mut data)
                .map(|_| data);
            if let (Some(Ok(before)), Ok(now)) = (&outcome, &now) {
                assert_eq!(before, now);
            }
            outcome = Some(now);
        }
        outcome.unwrap()
    }

    #[test]
    fn members_and_zeros_behind_them_are_one_file() {
        let two = [member(b"a\n"), member(b""), member(b"b\n")].concat();
        assert_eq!(read(&two).unwrap(), b"a\nb\n");
        assert_eq!(read(&[&two[..], &[0; 600]].concat()).unwrap(), b"a\nb\n");
    }

    #[test]
    fn anything_else_behind_them_is_an_error() {
        let one = member(b"a\n");
        for tail in [
            &b"x"[..],
            b"\x1f",
            b"\x1fx",
            b"\0\0x",
            &one[..one.len() - 1],
        ] {
            assert!(read(&[&one[..], tail].concat()).is_err(), "{tail:?}");
        }
    }
}
