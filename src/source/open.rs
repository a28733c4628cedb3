//! Opening one input: what it is, how long, and what compresses it.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::job::Compression;

/// Bytes read from a compressed file at once.
const COMPRESSED_READ: usize = 128 * 1024;

type Reader = Box<dyn Read + Send>;

/// An input that has been opened.
pub(super) struct Opened {
    /// Gives decompressed bytes.
    pub(super) reader: Reader,
    /// Size on disk in bytes, where there is one.
    pub(super) size: Option<u64>,
    /// It is a regular file without compression.
    pub(super) plain_file: bool,
}

/// Opens `source`. `taken` counts the bytes read of it, as they are on disk.
///
/// # Errors
/// [`ErrorKind::Input`] when it is missing, may not be read, or is a folder.
pub(super) fn open(
    source: &Source,
    compression: Compression,
    taken: Arc<AtomicU64>,
) -> Result<Opened> {
    let failed = |cause: io::Error| {
        let error = Error::new(ErrorKind::Input, format!("cannot read `{source}`")).because(cause);
        match source {
            Source::File(path) if path.is_symlink() && !path.exists() => {
                error.hint("it is a link to a file that is not there")
            }
            _ => error,
        }
    };
    let (raw, size): (Reader, _) = match source {
        Source::Stdin => (Box::new(io::stdin()), None),
        Source::File(path) => {
            let file = File::open(path).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(
                    Error::new(ErrorKind::Input, format!("`{source}` is a folder")).hint(format!(
                        "name its files, for example `{}`",
                        path.join("*.csv").display()
                    )),
                );
            }
            (Box::new(file), about.is_file().then_some(about.len()))
        }
    };
    let counted = Counted { inner: raw, taken };
    let (reader, compression) = decompressed(counted, compression).map_err(failed)?;
    Ok(Opened {
        reader,
        size,
        plain_file: size.is_some() && compression == Compression::None,
    })
}

struct Counted {
    inner: Reader,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn decompressed(mut raw: Counted, compression: Compression) -> io::Result<(Reader, Compression)> {
    let mut start = [0; 4];
    let length = match compression {
        Compression::Auto => read_full(&mut raw, &mut start)?,
        _ => 0,
    };
    let start = &start[..length];
    let whole = Cursor::new(start.to_vec()).chain(raw);
    let packed = |raw| BufReader::with_capacity(COMPRESSED_READ, raw);
    let compression = recognise(compression, start);
    let reader: Reader = match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed(whole))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed(whole))?),
        Compression::None | Compression::Auto => Box::new(whole),
    };
    Ok((reader, compression))
}

/// The compression that the first bytes of a file show (RFC 1952, RFC 8878).
fn recognise(asked: Compression, start: &[u8]) -> Compression {
    match (asked, start) {
        (Compression::Auto, [0x1f, 0x8b, ..]) => Compression::Gzip,
        (Compression::Auto, [0x28, 0xb5, 0x2f, 0xfd]) => Compression::Zstd,
        (Compression::Auto, _) => Compression::None,
        (asked, _) => asked,
    }
}

/// Reads until `buf` is full or the input ends.
pub(super) fn read_full(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match reader.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
