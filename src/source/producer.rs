//! One input, read block by block: byte-order mark, header, data, end.

mod batch;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::content::Content;
use super::decode::{Decoded, OnMalformed, Wrong};
use super::nul::without_nul;
use super::open::{Opened, open, read_full};
use super::preamble::{BOM, Preamble};
use super::{Source, Stamp};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Compression, Header, Nul};
use crate::record::charset::Charset;
use crate::record::cut::Cut;
use crate::record::position::Position;
use crate::record::splitter::{Ends, LineEnd, Splitter};
use crate::record::utf16;

/// Bytes in a block where the job names no size: it stays in the processor's cache from the read
/// over the splitter to the socket.
const BLOCK: usize = 64 * 1024;
/// The sizes a job can have, in bytes: smaller ones cost a message each, larger ones memory.
const BLOCK_RANGE: (usize, usize) = (4 * 1024, 1024 * 1024);

/// How an input is to be read.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a wish of its own, independent of the others"
)]
pub struct Reading {
    /// Where records end; `None` leaves the bytes alone.
    pub cut: Option<Cut>,
    /// Lines before the header, or before the first record where there is none.
    pub skip_lines: u64,
    /// What the first record is.
    pub header: Header,
    /// What compresses the input.
    pub compression: Compression,
    /// What its text is in.
    pub charset: Charset,
    /// What is done about bytes that are none of it.
    pub on_malformed: OnMalformed,
    /// What is done about zero bytes.
    pub nul: Nul,
    /// Bytes in a block; `None` for the default.
    pub size: Option<usize>,
    /// Whether a UTF-8 byte-order mark is taken off.
    pub strip_bom: bool,
    /// Whether `\.` ends the data.
    pub markers: bool,
    /// Whether the end of each record is listed, also where records could be counted.
    pub listed: bool,
    /// Whether an input in UTF-16 is refused before anything is done with it.
    pub utf8: bool,
    /// What the file held when it was looked at before: other bytes are an error at their end.
    pub content: Option<Content>,
    /// What the file was when it was found to be complete: another is an error at its end.
    pub stamp: Option<Stamp>,
    /// Bytes of a batch, where the input is cut into batches; never 0.
    pub batch: Option<u64>,
}

/// What comes out of an input, in this order: `Begin`, blocks, `End`; of one in batches blocks and an
/// `End` for each of them.
#[derive(Debug)]
pub enum Fed {
    /// The input is open.
    Begin(Begin),
    /// Bytes of it.
    Block(Block),
    /// It is over.
    End(End),
}

/// An input that has been opened, or a batch of it that begins.
#[derive(Debug, Clone, Default)]
pub struct Begin {
    /// The names in the header, where one was asked for; `None` in an empty file. Where records
    /// have no fields to be cut, all of it is one name.
    pub header: Option<Vec<String>>,
    /// Its bytes, with the line end, behind those of the lines that are skipped.
    pub header_bytes: Vec<u8>,
    /// Where the data begins: bytes of all that, and of a byte-order mark in UTF-8.
    pub offset: u64,
    /// Lines that are skipped, and of the header.
    pub lines: u64,
    /// Records before the batch; 0 at the start of the data.
    pub records: u64,
    /// What ends records, as far as that is known.
    pub line_end: LineEnd,
    /// Size on disk in bytes, where there is one.
    pub size: Option<u64>,
    /// Its bytes are not those on disk: they are decompressed, or decoded.
    pub packed: bool,
    /// What its text was in. All bytes here are in UTF-8.
    pub charset: Charset,
    /// What ends each record, where the job says it.
    pub eol: Option<Vec<u8>>,
    /// The encoding that it is in, where that is plainly not UTF-8.
    pub utf16: Option<&'static str>,
    /// A byte-order mark is the first thing in the data: it was not to be taken off.
    pub bom_kept: bool,
}

impl Begin {
    /// The same for the batch that begins with the record at `at`.
    #[must_use]
    pub fn behind(&self, at: Position, line_end: LineEnd) -> Self {
        Self {
            offset: at.offset,
            lines: at.line - 1,
            records: at.record - 1,
            line_end,
            ..self.clone()
        }
    }
}

/// A part of an input.
#[derive(Debug, Default)]
pub struct Block {
    /// Always as long as a block can be, so that reading into it need not clear it first.
    room: Vec<u8>,
    length: usize,
    /// The records that end in it.
    pub found: Ends,
}

impl Block {
    /// Its bytes, decompressed and in UTF-8.
    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.length]
    }
}

/// How an input ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// A last record had no line end.
    pub open_record: bool,
    /// The input ended inside quotes.
    pub in_quote: bool,
    /// Binary data that ended before its trailer.
    pub cut_short: Option<CutShort>,
    /// An end-of-data marker came first.
    pub marker: Option<EndMarker>,
    /// Zero bytes that were taken out, or replaced.
    pub nuls: u64,
    /// It is the end of a batch, and another one follows.
    pub more: bool,
}

/// Where binary data ends that has no trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutShort {
    /// Between two records, so that a server takes it for the end.
    Between,
    /// Inside a record.
    Inside,
}

/// An end-of-data marker, and what came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndMarker {
    /// It had a line for itself.
    pub alone: bool,
    /// Something other than blanks and line ends followed.
    pub followed: bool,
}

/// An input that is read step by step. Each step blocks for one read at most.
pub(super) struct Producer {
    source: Source,
    reading: Reading,
    input: Opened,
    charset: Charset,
    /// Zero bytes so far.
    nuls: Arc<AtomicU64>,
    splitter: Option<Splitter>,
    /// The same, which has not seen anything yet.
    unused: Option<Splitter>,
    /// Offset of the next block.
    offset: u64,
    /// The batch ends with the first record that ends at or behind this offset.
    limit: Option<u64>,
    state: State,
}

enum State {
    /// Nothing has been read.
    Start,
    /// The header is off; these bytes were read along with it.
    Data(Vec<u8>),
    /// Behind the last record of a batch; the rest of its block.
    Edge(Vec<u8>),
    /// Behind an end-of-data marker; the rest of its block.
    Marker {
        alone: bool,
        rest: Vec<u8>,
    },
    Over,
}

impl Producer {
    /// Opens `source`. `taken` counts the bytes read of it, as they are on disk.
    pub(super) fn open(source: Source, reading: Reading, taken: Arc<AtomicU64>) -> Result<Self> {
        let checked = reading.content.is_some();
        let input = open(&source, reading.compression, taken, checked)?;
        let (mut input, charset) = decoded(input, &source, &reading)?;
        let (reader, nuls) = without_nul(input.reader, reading.nul);
        input.reader = reader;
        // Neither are its offsets those of the file, nor is it read without work.
        input.plain_file &= charset.is_utf8() && reading.nul == Nul::Error;
        let splitter = reading.cut.as_ref().map(|cut| {
            let mut splitter = cut.splitter();
            if !reading.markers {
                splitter = splitter.without_markers();
            }
            if input.plain_file && !reading.listed {
                splitter = splitter.counting();
            }
            splitter
        });
        Ok(Self {
            source,
            reading,
            input,
            charset,
            nuls,
            unused: splitter.clone(),
            splitter,
            offset: 0,
            limit: None,
            state: State::Start,
        })
    }

    /// Whether reads come from a plain file. They wait for a disk at most; where the file system is
    /// a network's (NFS) or a program's (FUSE), for that, too.
    pub(super) fn is_plain_file(&self) -> bool {
        self.input.plain_file
    }

    /// What comes next; `None` after the end. `free` gives back a block that is done with.
    pub(super) fn next(&mut self, free: Option<Block>) -> Option<Result<Fed>> {
        let state = std::mem::replace(&mut self.state, State::Over);
        match state {
            State::Start => Some(self.begin().map(Fed::Begin)),
            State::Data(first) => {
                let fed = self.data(first, free.unwrap_or_default());
                Some(fed.and_then(|fed| self.checked(fed)))
            }
            State::Edge(rest) => Some(self.edge(rest).and_then(|fed| self.checked(fed))),
            State::Marker { alone, rest } => {
                let followed = self.anything_in(rest);
                Some(followed.and_then(|followed| {
                    self.checked(Fed::End(End {
                        marker: Some(EndMarker { alone, followed }),
                        nuls: self.nuls.load(Ordering::Relaxed),
                        ..End::default()
                    }))
                }))
            }
            State::Over => None,
        }
    }

    /// Nothing ends that is not what it was.
    fn checked(&mut self, fed: Fed) -> Result<Fed> {
        // What follows a marker is an error of its own.
        let over = matches!(&fed, Fed::End(end) if !end.more && end.marker.is_none_or(|marker| !marker.followed));
        let stamp = self.reading.stamp.as_ref().filter(|_| over);
        if stamp.is_some_and(|stamp| !self.source.is_still(stamp)) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("`{}` changed while it was loaded, or after it was found to be ready", self.source),
            )
            .hint("let it be complete before the job begins: write it under another name and rename it"));
        }
        let Some(before) = self.reading.content.filter(|_| over) else {
            return Ok(fed);
        };
        // Where more follows than was looked at, that is a change as well.
        let mut rest = [0; 1024];
        while self.read(&mut rest)? > 0 {}
        match self.input.content() {
            Some(now) if now != before => Err(Error::new(
                ErrorKind::Data,
                format!("`{}` changed while it was loaded", self.source),
            )
            .line("before", format!("{} bytes, {before}", before.size))
            .line("now", format!("{} bytes, {now}", now.size))
            .hint("let it be complete before the job begins: write it under another name and rename it")),
            _ => Ok(fed),
        }
    }

    fn block_size(&self) -> usize {
        self.reading
            .size
            .unwrap_or(BLOCK)
            .clamp(BLOCK_RANGE.0, BLOCK_RANGE.1)
    }

    /// Reads up to `size` more bytes behind those in `data`; `false` at the end of the input.
    fn read_on(&mut self, data: &mut Vec<u8>, size: usize) -> Result<bool> {
        let from = data.len();
        data.resize(from + size, 0);
        let read = self.read(&mut data[from..])?;
        data.truncate(from + read);
        Ok(read > 0)
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        read_full(&mut self.input.reader, room)
            .map_err(|cause| unreadable(cause, &self.source, self.input.packed))
    }

    /// Reads what comes before the data.
    fn begin(&mut self) -> Result<Begin> {
        let mut data = Vec::new();
        self.read_on(&mut data, self.block_size())?;
        let utf16 = utf16::recognise(&data).filter(|_| self.charset.is_utf8());
        if let Some(found) = utf16.filter(|_| self.reading.utf8) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("`{}` looks like {found}, and must be UTF-8", self.source),
            )
            .hint(format!("`encoding: {}` reads it", found.to_lowercase())));
        }
        let has_bom = data.starts_with(BOM);
        let bom = if has_bom && self.reading.strip_bom {
            BOM.len()
        } else {
            0
        };
        data.drain(..bom);
        let size = self.block_size();
        let (reading, source) = (self.reading.clone(), self.source.clone());
        let preamble = Preamble::take(&mut data, &reading, &source, |data| {
            self.read_on(data, size)
        })?;
        self.state = State::Data(data);
        self.go_to((bom + preamble.bytes.len()) as u64);
        Ok(Begin {
            offset: self.offset,
            header: preamble.header,
            header_bytes: preamble.bytes,
            lines: preamble.lines,
            records: 0,
            line_end: LineEnd::Unknown,
            size: self.input.size,
            packed: self.input.packed || !self.charset.is_utf8(),
            utf16,
            charset: self.charset,
            bom_kept: has_bom && bom == 0 && reading.skip_lines == 0,
            eol: reading.cut.and_then(Cut::into_eol),
        })
    }

    /// The next block, or the end.
    fn data(&mut self, mut first: Vec<u8>, mut block: Block) -> Result<Fed> {
        let size = self.block_size();
        if first.is_empty() {
            block.room.resize(size, 0);
            block.length = self.read(&mut block.room)?;
        } else {
            let missing = size.saturating_sub(first.len());
            if missing > 0 {
                self.read_on(&mut first, missing)?;
            }
            block = Block {
                length: first.len(),
                room: first,
                found: block.found,
            };
        }
        if block.length == 0 {
            return Ok(Fed::End(self.end()));
        }
        self.state = match (self.cut(&mut block), block.found.marker) {
            (Some(rest), _) => State::Edge(rest),
            (None, None) => State::Data(Vec::new()),
            (None, Some(marker)) => {
                let rest = block.bytes()[marker.end..].to_vec();
                block.length = marker.end;
                State::Marker {
                    alone: marker.alone,
                    rest,
                }
            }
        };
        self.offset += block.length as u64;
        Ok(Fed::Block(block))
    }

    fn end(&mut self) -> End {
        let in_quote = self.splitter.as_ref().is_some_and(Splitter::in_quote);
        let cut_short = match &self.splitter {
            Some(splitter) if splitter.seems_whole() => Some(CutShort::Between),
            Some(splitter) if !splitter.whole() => Some(CutShort::Inside),
            _ => None,
        };
        let open_record = self.splitter.as_mut().is_some_and(Splitter::finish);
        End {
            open_record,
            in_quote,
            cut_short,
            marker: None,
            nuls: self.nuls.load(Ordering::Relaxed),
            more: false,
        }
    }

    /// Whether anything but blanks is in `rest` or comes after it.
    fn anything_in(&mut self, rest: Vec<u8>) -> Result<bool> {
        let mut data = rest;
        loop {
            if data.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(true);
            }
            data.clear();
            if !self.read_on(&mut data, self.block_size())? {
                return Ok(false);
            }
        }
    }
}

/// An input that gives UTF-8, and what it is in.
fn decoded(mut input: Opened, source: &Source, reading: &Reading) -> Result<(Opened, Charset)> {
    if reading.charset.is_utf8() {
        return Ok((input, Charset::UTF8));
    }
    let packed = input.packed;
    let reader = Decoded::new(input.reader, reading.charset, reading.on_malformed)
        .map_err(|cause| unreadable(cause, source, packed))?;
    let charset = reader.charset();
    input.reader = Box::new(reader);
    Ok((input, charset))
}

/// What to say of an input that cannot be read on.
fn unreadable(cause: io::Error, source: &Source, packed: bool) -> Error {
    let cause = match cause.downcast::<Wrong>() {
        Ok(wrong) => {
            let what = format!("`{source}`, line {}: {wrong}", wrong.line);
            return Error::new(ErrorKind::Data, what)
                .line("byte", wrong.malformed.offset.to_string())
                .hint("is it in another encoding? With `on_error: reject`, records with such bytes are set aside");
        }
        Err(cause) => cause,
    };
    let error = Error::new(ErrorKind::Data, format!("cannot read on in `{source}`"));
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => error
            .because("the compressed data ends in the middle")
            .hint("the file was cut short, or is still being written"),
        _ if packed => error
            .because(cause)
            .hint("the compressed data is damaged, or something else follows it"),
        _ => error.because(cause),
    }
}

#[cfg(test)]
mod tests;
