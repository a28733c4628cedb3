//! One input, read on a thread of its own and handed over in blocks.
//!
//! A thread because files, pipes and decompressors block. A few blocks go round between the thread
//! and the lane, so memory does not depend on the input; a slow lane makes the thread wait.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as blocking;
use std::thread;

use tokio::sync::mpsc;

use super::Source;
use super::open::{Reader, open, read_full};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Compression, Header};
use crate::record::dialect::Dialect;
use crate::record::header::{self, BOM};
use crate::record::splitter::{Ends, Splitter};

/// Bytes in a block where the job names no size.
const BLOCK: usize = 256 * 1024;
/// The sizes a job can have, in bytes: smaller ones cost a message each, larger ones memory.
const BLOCK_RANGE: (usize, usize) = (4 * 1024, 1024 * 1024);
/// Blocks that wait for the lane.
const WAITING: usize = 3;
/// The longest header, in bytes. A longer one is a file that is not what the job says.
const HEADER_LIMIT: usize = 1024 * 1024;

/// How an input is to be read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// How records are cut; `None` leaves the bytes alone.
    pub dialect: Option<Dialect>,
    /// What the first record is.
    pub header: Header,
    /// What compresses the input.
    pub compression: Compression,
    /// Bytes in a block; `None` for the default.
    pub size: Option<usize>,
    /// Whether a UTF-8 byte-order mark is taken off.
    pub strip_bom: bool,
    /// Whether `\.` ends the data.
    pub markers: bool,
}

/// What comes out of an input, in this order: `Begin`, blocks, `End`.
#[derive(Debug)]
pub enum Fed {
    /// The input is open.
    Begin(Begin),
    /// Bytes of it.
    Block(Block),
    /// It is over.
    End(End),
}

/// An input that has been opened.
#[derive(Debug)]
pub struct Begin {
    /// The names in the header, where one was asked for; `None` in an empty file.
    pub header: Option<Vec<String>>,
    /// Where the data begins: bytes of byte-order mark and header.
    pub offset: u64,
    /// Lines of the header.
    pub lines: u64,
    /// Size on disk in bytes, where there is one.
    pub size: Option<u64>,
    /// A byte-order mark is the first thing in the data: it was not to be taken off.
    pub bom_kept: bool,
}

/// A part of an input.
#[derive(Debug, Default)]
pub struct Block {
    /// Its bytes, decompressed.
    pub data: Vec<u8>,
    /// The records that end in it.
    pub found: Ends,
}

/// How an input ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// A last record had no line end.
    pub open_record: bool,
    /// The input ended inside quotes.
    pub in_quote: bool,
    /// An end-of-data marker came first.
    pub marker: Option<EndMarker>,
}

/// An end-of-data marker, and what came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndMarker {
    /// It had a line for itself.
    pub alone: bool,
    /// Something other than blanks and line ends followed.
    pub followed: bool,
}

/// An input being read.
#[derive(Debug)]
pub struct Feed {
    fed: mpsc::Receiver<Result<Fed>>,
    free: blocking::Sender<Block>,
    taken: Arc<AtomicU64>,
}

impl Feed {
    /// What comes next; `None` after the end.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when the input cannot be opened, [`ErrorKind::Data`] when its bytes
    /// cannot be used. Nothing comes after an error.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Result<Fed>> {
        self.fed.recv().await
    }

    /// Gives a block back for reuse.
    pub fn give_back(&self, block: Block) {
        // The thread may be done already.
        let _ = self.free.send(block);
    }

    /// Bytes read so far, as they are on disk.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Starts to read `source`.
pub fn feed(source: Source, reading: Reading) -> Feed {
    let (send, fed) = mpsc::channel(WAITING);
    let (free, returned) = blocking::channel();
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    // Not joined: a read that blocks for ever, on a terminal say, must not keep the process.
    thread::spawn(move || {
        let mut thread = Thread {
            source,
            reading,
            send,
            returned,
        };
        if let Err(Stop::Failed(error)) = thread.run(counter) {
            let _ = thread.send.blocking_send(Err(error));
        }
    });
    Feed { fed, free, taken }
}

/// Why the thread ends early.
enum Stop {
    Failed(Error),
    /// Nobody listens any more.
    Unwanted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Thread {
    source: Source,
    reading: Reading,
    send: mpsc::Sender<Result<Fed>>,
    returned: blocking::Receiver<Block>,
}

impl Thread {
    fn run(&mut self, taken: Arc<AtomicU64>) -> Result<(), Stop> {
        let (mut reader, size) = open(&self.source, self.reading.compression, taken)?;
        let (begin, first) = self.begin(&mut reader, size)?;
        self.give(Fed::Begin(begin))?;
        let end = self.blocks(&mut reader, first)?;
        self.give(Fed::End(end))
    }

    fn give(&self, fed: Fed) -> Result<(), Stop> {
        self.send.blocking_send(Ok(fed)).map_err(|_| Stop::Unwanted)
    }

    fn block_size(&self) -> usize {
        self.reading
            .size
            .unwrap_or(BLOCK)
            .clamp(BLOCK_RANGE.0, BLOCK_RANGE.1)
    }

    /// Fills `data` up to a block's size; `false` at the end of the input.
    fn fill(&self, reader: &mut Reader, data: &mut Vec<u8>, size: usize) -> Result<bool> {
        let from = data.len();
        data.resize(from.max(size), 0);
        let read = read_full(reader, &mut data[from..]).map_err(|cause| self.unreadable(cause))?;
        data.truncate(from + read);
        Ok(read > 0 || from >= size)
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        let error = Error::new(
            ErrorKind::Data,
            format!("cannot read on in `{}`", self.source),
        );
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => error
                .because("the compressed data ends in the middle")
                .hint("the file was cut short, or is still being written"),
            _ => error.because(cause),
        }
    }

    /// Reads what comes before the data. Returns it with the data that was read along.
    fn begin(&self, reader: &mut Reader, size: Option<u64>) -> Result<(Begin, Block)> {
        let mut data = Vec::new();
        self.fill(reader, &mut data, self.block_size())?;
        let has_bom = data.starts_with(BOM);
        let bom = if has_bom && self.reading.strip_bom {
            BOM.len()
        } else {
            0
        };
        data.drain(..bom);
        let (header, length, lines) = self.header(reader, &mut data)?;
        data.drain(..length);
        let begin = Begin {
            header,
            offset: (bom + length) as u64,
            lines,
            size,
            bom_kept: has_bom && bom == 0,
        };
        Ok((
            begin,
            Block {
                data,
                found: Ends::default(),
            },
        ))
    }

    /// The names of the header at the start of `data`, its bytes and its lines. Reads on where the
    /// header is longer than a block.
    fn header(
        &self,
        reader: &mut Reader,
        data: &mut Vec<u8>,
    ) -> Result<(Option<Vec<String>>, usize, u64)> {
        let Some(dialect) = self
            .reading
            .dialect
            .as_ref()
            .filter(|_| self.reading.header != Header::None)
        else {
            return Ok((None, 0, 0));
        };
        if data.is_empty() {
            return Ok((None, 0, 0));
        }
        let length = loop {
            let mut found = Ends::default();
            Splitter::new(dialect)
                .without_markers()
                .push(data, &mut found);
            if let Some(&end) = found.ends.first() {
                break end as usize;
            }
            if data.len() > HEADER_LIMIT {
                return Err(Error::new(
                    ErrorKind::Data,
                    format!("`{}` begins with a header of more than 1 MiB", self.source),
                )
                .hint("is a quote left open in it, or is the file of another format?"));
            }
            let more = data.len() + self.block_size();
            if !self.fill(reader, data, more)? {
                break data.len();
            }
        };
        // A CR at a block's end may belong to a CRLF.
        let length = if data.get(length - 1..=length) == Some(b"\r\n") {
            length + 1
        } else {
            length
        };
        let lines = memchr::memchr_iter(b'\n', &data[..length]).count().max(1) as u64;
        let names = header::names(&data[..length], dialect)
            .map_err(|what| Error::new(ErrorKind::Data, format!("in `{}`, {what}", self.source)))?;
        Ok((Some(names), length, lines))
    }

    fn blocks(&self, reader: &mut Reader, first: Block) -> Result<End, Stop> {
        let mut splitter = self.reading.dialect.as_ref().map(|dialect| {
            let splitter = Splitter::new(dialect);
            if self.reading.markers {
                splitter
            } else {
                splitter.without_markers()
            }
        });
        let mut block = first;
        loop {
            let size = self.block_size();
            if block.data.len() < size {
                self.fill(reader, &mut block.data, size)?;
            }
            if block.data.is_empty() {
                let in_quote = splitter.as_ref().is_some_and(Splitter::in_quote);
                let open_record = splitter.is_some_and(|mut splitter| splitter.finish());
                return Ok(End {
                    open_record,
                    in_quote,
                    marker: None,
                });
            }
            if let Some(splitter) = &mut splitter {
                splitter.push(&block.data, &mut block.found);
            }
            if let Some(marker) = block.found.marker {
                let rest = block.data.split_off(marker.end);
                self.give(Fed::Block(block))?;
                let marker = EndMarker {
                    alone: marker.alone,
                    followed: self.anything_in(&rest, reader)?,
                };
                return Ok(End {
                    marker: Some(marker),
                    ..End::default()
                });
            }
            self.give(Fed::Block(block))?;
            block = self.returned.try_recv().unwrap_or_default();
            block.data.clear();
        }
    }

    /// Whether anything but blanks is in `rest` or comes after it.
    fn anything_in(&self, rest: &[u8], reader: &mut Reader) -> Result<bool> {
        let mut data = rest.to_vec();
        loop {
            if data.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(true);
            }
            data.clear();
            if !self.fill(reader, &mut data, self.block_size())? {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::dialect::Format;
    use std::io::Write;
    use std::path::Path;

    fn reading(format: Format, header: Header) -> Reading {
        Reading {
            dialect: Some(Dialect::new(format)),
            header,
            compression: Compression::Auto,
            size: None,
            strip_bom: true,
            markers: true,
        }
    }

    fn read(path: &Path, reading: Reading) -> Result<(Begin, Vec<u8>, End)> {
        let mut feed = feed(Source::File(path.to_owned()), reading);
        let (mut begin, mut data) = (None, Vec::new());
        while let Some(fed) = feed.fed.blocking_recv() {
            match fed? {
                Fed::Begin(it) => begin = Some(it),
                Fed::Block(block) => {
                    data.extend_from_slice(&block.data);
                    feed.give_back(block);
                }
                Fed::End(end) => return Ok((begin.unwrap(), data, end)),
            }
        }
        panic!("the feed ended without an end")
    }

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_header_and_a_byte_order_mark_are_taken_off() {
        let file = file(b"\xEF\xBB\xBFid,\"na\nme\"\r\n1,x\r\n2,y");
        let (begin, data, end) = read(file.path(), reading(Format::Csv, Header::Map)).unwrap();
        assert_eq!(begin.header.unwrap(), ["id", "na\nme"]);
        assert_eq!((begin.offset, begin.lines), (15, 2));
        assert_eq!(data, b"1,x\r\n2,y");
        assert!(end.open_record);
    }

    #[test]
    fn compressed_files_are_known_by_their_first_bytes() {
        let plain: Vec<u8> = (0..100_000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        // Members and frames one after another are one file.
        for packed in [
            [&gzip[..], &gzip[..]].concat(),
            [&zstd[..], &zstd[..]].concat(),
        ] {
            let file = file(&packed);
            let (_, data, _) = read(file.path(), reading(Format::Text, Header::None)).unwrap();
            assert!(data == [&plain[..], &plain[..]].concat());
        }
        for packed in [&gzip, &zstd] {
            let file = file(&packed[..packed.len() / 2]);
            let error = read(file.path(), reading(Format::Text, Header::None)).unwrap_err();
            assert!(
                crate::error::render(&error).contains("ends in the middle"),
                "{}",
                crate::error::render(&error)
            );
        }
    }

    #[test]
    fn nothing_is_read_past_a_marker_but_what_follows_is_noticed() {
        for (input, data, followed) in [
            ("a\n\\.\n \n\n", "a\n\\.\n", false),
            ("a\n\\.\nb\n", "a\n\\.\n", true),
        ] {
            let file = file(input.as_bytes());
            let (_, sent, end) = read(file.path(), reading(Format::Text, Header::None)).unwrap();
            assert_eq!(String::from_utf8(sent).unwrap(), data);
            assert_eq!(
                end.marker,
                Some(EndMarker {
                    alone: true,
                    followed
                })
            );
        }
    }
}
