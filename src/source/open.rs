//! Opening one input: what it is, how long, and what compresses it.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::content::{Content, Hasher};
use super::{Source, gzip};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Compression;

/// Bytes read from a compressed file at once.
const COMPRESSED_READ: usize = 128 * 1024;

/// Gives bytes of an input.
pub(super) type Reader = Box<dyn Read + Send>;

/// An input that has been opened.
pub(super) struct Opened {
    /// Gives decompressed bytes.
    pub(super) reader: Reader,
    /// Size on disk in bytes, where there is one.
    pub(super) size: Option<u64>,
    /// It is a regular file without compression.
    pub(super) plain_file: bool,
    /// Its bytes are decompressed.
    pub(super) packed: bool,
    /// What was read of it so far, where that is wanted.
    read: Option<Arc<Mutex<Hasher>>>,
    /// Bytes read of it, as they are on disk.
    taken: Arc<AtomicU64>,
}

impl Opened {
    /// Goes on at `offset` of the plain file at `path`. What it holds as a whole is not known then.
    pub(super) fn seek(&mut self, path: &Path, offset: u64) -> io::Result<()> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        self.taken.store(offset, Ordering::Relaxed);
        self.read = None;
        self.reader = Box::new(Counted {
            inner: Box::new(file),
            taken: Arc::clone(&self.taken),
            hasher: None,
        });
        Ok(())
    }

    /// What was read so far, where that is wanted.
    pub(super) fn content(&self) -> Option<Content> {
        let read = self.read.as_ref()?;
        let read = read.lock().unwrap_or_else(PoisonError::into_inner);
        Some(read.content())
    }
}

/// Opens `source`. `taken` counts the bytes read of it, as they are on disk; `hashed`: their content is
/// wanted, too.
///
/// # Errors
/// [`ErrorKind::Input`] when it is missing, may not be read, or is a folder; [`ErrorKind::Data`] when
/// it is not compressed as the job says.
pub(super) fn open(
    source: &Source,
    compression: Compression,
    taken: Arc<AtomicU64>,
    hashed: bool,
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
    let read = hashed.then(|| Arc::new(Mutex::new(Hasher::new())));
    let mut raw = Counted {
        inner: raw,
        taken: Arc::clone(&taken),
        hasher: read.clone(),
    };
    let mut start = [0; 4];
    let length = read_full(&mut raw, &mut start).map_err(failed)?;
    let start = &start[..length];
    let found = recognise(start);
    let compression = match compression {
        Compression::Auto => found,
        // Nothing, compressed or not, is nothing.
        _ if start.is_empty() => Compression::None,
        Compression::Gzip | Compression::Zstd if found != compression => {
            let name = if compression == Compression::Gzip {
                "gzip"
            } else {
                "zstd"
            };
            return Err(Error::new(
                ErrorKind::Data,
                format!("`{source}` is not {name}: its first bytes are others"),
            )
            .hint("`compression: auto`, the default, looks what a file is"));
        }
        asked => asked,
    };
    let whole = Cursor::new(start.to_vec()).chain(raw);
    let reader = decompressed(whole, compression).map_err(failed)?;
    Ok(Opened {
        reader,
        size,
        plain_file: size.is_some() && compression == Compression::None,
        packed: compression != Compression::None,
        read,
        taken,
    })
}

struct Counted {
    inner: Reader,
    taken: Arc<AtomicU64>,
    hasher: Option<Arc<Mutex<Hasher>>>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        if let Some(hasher) = &self.hasher {
            let mut hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
            hasher.take(&buf[..read]);
        }
        Ok(read)
    }
}

fn decompressed(raw: impl Read + Send + 'static, compression: Compression) -> io::Result<Reader> {
    let packed = |raw| BufReader::with_capacity(COMPRESSED_READ, raw);
    Ok(match compression {
        Compression::Gzip => Box::new(gzip::Members::new(packed(raw))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed(raw))?),
        Compression::None | Compression::Auto => Box::new(raw),
    })
}

/// The compression that the first bytes of a file show: RFC 1952; RFC 8878, where a skippable frame
/// may come first, as pzstd writes it.
fn recognise(start: &[u8]) -> Compression {
    match start {
        [first, second, ..] if [*first, *second] == gzip::MAGIC => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
        _ => Compression::None,
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
