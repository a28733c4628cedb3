//! The thread that encodes, compresses and writes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::encode::{Encode, Unwritable};
use super::file::Pending;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Compression, Output};
use crate::source::{Content, Hasher};

/// Blocks that wait for the thread.
const WAITING: usize = 3;

/// An output under way.
#[derive(Debug)]
pub struct Drain {
    blocks: mpsc::Sender<Vec<u8>>,
    free: mpsc::UnboundedReceiver<Vec<u8>>,
    outcome: oneshot::Receiver<io::Result<Written>>,
    pending: Option<Pending>,
    name: String,
}

/// What has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Bytes before compression.
    pub bytes: u64,
    /// Whoever read standard output has gone; the rest was dropped.
    pub reader_gone: bool,
    /// What the file holds, as it is on disk; `None` for what is no file, or not hashed.
    pub content: Option<Content>,
}

/// Whether what is written to `output` can be taken back and written again: not to standard
/// output, a pipe or a device.
pub fn can_be_written_again(output: &Output) -> bool {
    match output {
        Output::Stdout => false,
        Output::Path(path) => std::fs::metadata(path).map_or(true, |about| about.is_file()),
    }
}

/// Opens `output` and starts its thread. Without `encode`, bytes go as they are. What a
/// file holds is told in the end where it is to be `hashed`.
///
/// # Errors
/// [`ErrorKind::Output`] when the place cannot be written.
pub fn drain(
    output: &Output,
    compression: Compression,
    encode: Option<Encode>,
    hashed: bool,
) -> Result<Drain> {
    let (pending, target, name) = match output {
        Output::Stdout => (None, Target::Stdout, "stdout".to_owned()),
        Output::Path(path) => {
            let (pending, file) = Pending::create(path)?;
            (
                Some(pending),
                file.map_or_else(|| Target::Device(path.clone()), Target::File),
                path.display().to_string(),
            )
        }
    };
    let compression = by_name(compression, output);
    let (send, blocks) = mpsc::channel(WAITING);
    let (give_back, free) = mpsc::unbounded_channel();
    let (tell, outcome) = oneshot::channel();
    let rows = Rows {
        blocks,
        give_back,
        encode,
    };
    thread::spawn(move || {
        let _ = tell.send(write(target, compression, hashed, rows));
    });
    Ok(Drain {
        blocks: send,
        free,
        outcome,
        pending,
        name,
    })
}

impl Drain {
    /// An empty block: one that has been written, or a new one.
    pub fn block(&mut self) -> Vec<u8> {
        self.free.try_recv().unwrap_or_default()
    }

    /// Hands a block over for writing; waits while the thread is behind.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when an earlier block could not be written, [`ErrorKind::Data`] when its
    /// text is not in the encoding.
    pub async fn write(&mut self, block: Vec<u8>) -> Result<()> {
        if self.blocks.send(block).await.is_ok() {
            return Ok(());
        }
        let error = match (&mut self.outcome).await {
            Ok(Err(cause)) => cause,
            _ => io::Error::other("the writing thread ended"),
        };
        Err(self.failed(error))
    }

    /// Waits until everything is written and on disk. The file is complete but has its working
    /// name still; publish it when what it holds is committed.
    ///
    /// # Errors
    /// As [`Drain::write`].
    pub async fn finish(self) -> Result<(Written, Option<Pending>)> {
        let Self {
            blocks,
            outcome,
            pending,
            name,
            ..
        } = self;
        drop(blocks);
        match outcome.await {
            Ok(Ok(written)) => Ok((written, pending)),
            Ok(Err(cause)) => Err(failed(&name, cause)),
            Err(_) => Err(failed(&name, io::Error::other("the writing thread ended"))),
        }
    }

    fn failed(&self, cause: io::Error) -> Error {
        failed(&self.name, cause)
    }
}

fn failed(name: &str, cause: io::Error) -> Error {
    let cause = match cause.downcast::<Unwritable>() {
        Ok(what) => {
            let charset = what.charset.name();
            let message = format!("cannot write `{name}` in {charset}: {what}");
            return Error::new(ErrorKind::Data, message)
                .hint("`encoding: gb18030` and `utf-8` have every character");
        }
        Err(cause) => cause,
    };
    let error = Error::new(ErrorKind::Output, format!("cannot write `{name}`"));
    let full = cause.kind() == io::ErrorKind::StorageFull;
    let error = error.because(cause);
    if full {
        error.hint("make room, then run the job again")
    } else {
        error
    }
}

/// `auto` goes by the name's ending.
fn by_name(compression: Compression, output: &Output) -> Compression {
    let Output::Path(path) = output else {
        return compression;
    };
    match (
        compression,
        path.extension().and_then(|ending| ending.to_str()),
    ) {
        (Compression::Auto, Some("gz" | "gzip")) => Compression::Gzip,
        (Compression::Auto, Some("zst" | "zstd")) => Compression::Zstd,
        (compression, _) => compression,
    }
}

enum Target {
    Stdout,
    File(File),
    /// A named pipe or a device; opening it may wait for its other end.
    Device(PathBuf),
}

/// Standard output, whose reader may have seen enough (`| head`): that is no failure of the job, so
/// the rest is dropped.
struct Stdout {
    inner: io::Stdout,
    gone: bool,
}

impl Stdout {
    fn forgive<T>(&mut self, outcome: io::Result<T>, instead: T) -> io::Result<T> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(instead)
            }
            outcome => outcome,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Ok(data.len());
        }
        let outcome = self.inner.write(data);
        self.forgive(outcome, data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        let outcome = self.inner.flush();
        self.forgive(outcome, ())
    }
}

/// A file, and what has been written into it, where somebody will ask.
struct Hashed {
    file: File,
    hasher: Option<Hasher>,
}

impl Write for Hashed {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.take(&data[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write(
    target: Target,
    compression: Compression,
    hashed: bool,
    rows: Rows,
) -> io::Result<Written> {
    match target {
        Target::Stdout => {
            let (stdout, bytes) = pack(
                Stdout {
                    inner: io::stdout(),
                    gone: false,
                },
                compression,
                rows,
            )?;
            Ok(Written {
                bytes,
                reader_gone: stdout.gone,
                content: None,
            })
        }
        Target::Device(path) => {
            let file = OpenOptions::new().write(true).open(path)?;
            let (_, bytes) = pack(file, compression, rows)?;
            Ok(Written {
                bytes,
                reader_gone: false,
                content: None,
            })
        }
        Target::File(file) => {
            let target = Hashed {
                file,
                hasher: hashed.then(Hasher::new),
            };
            let (Hashed { file, hasher }, bytes) = pack(target, compression, rows)?;
            // What is published must survive a crash.
            file.sync_all()?;
            Ok(Written {
                bytes,
                reader_gone: false,
                content: hasher.map(|hasher| hasher.content()),
            })
        }
    }
}

fn pack<W: Write>(target: W, compression: Compression, rows: Rows) -> io::Result<(W, u64)> {
    match compression {
        Compression::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(target, flate2::Compression::default());
            let bytes = rows.pump(&mut packer)?;
            Ok((packer.finish()?, bytes))
        }
        Compression::Zstd => {
            let mut packer =
                zstd::stream::write::Encoder::new(target, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            let bytes = rows.pump(&mut packer)?;
            Ok((packer.finish()?, bytes))
        }
        Compression::None | Compression::Auto => {
            let mut target = target;
            let bytes = rows.pump(&mut target)?;
            target.flush()?;
            Ok((target, bytes))
        }
    }
}

/// What is to be written.
struct Rows {
    blocks: mpsc::Receiver<Vec<u8>>,
    give_back: mpsc::UnboundedSender<Vec<u8>>,
    encode: Option<Encode>,
}

impl Rows {
    /// Writes all of it; how many bytes were.
    fn pump(mut self, target: &mut impl Write) -> io::Result<u64> {
        let (mut bytes, mut encoded) = (0, Vec::new());
        if let Some(encode) = &self.encode {
            target.write_all(encode.mark())?;
            bytes += encode.mark().len() as u64;
        }
        while let Some(mut block) = self.blocks.blocking_recv() {
            let data = match &mut self.encode {
                Some(encode) => {
                    encoded.clear();
                    encode.encode(&block, &mut encoded)?;
                    &encoded
                }
                None => &block,
            };
            target.write_all(data)?;
            bytes += data.len() as u64;
            block.clear();
            let _ = self.give_back.send(block);
        }
        if let Some(encode) = &self.encode {
            encode.finish()?;
        }
        Ok(bytes)
    }
}
