//! Messages of the protocol: read from a socket, and written as bytes.

use std::io::{self, Read};

/// No message is longer, in bytes: COPY data of the tests comes in blocks of some MiB.
const LIMIT: usize = 256 * 1024 * 1024;

/// A message with a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    /// Builds one.
    pub(super) fn new(tag: u8, body: &[u8]) -> Self {
        let mut bytes = vec![tag];
        let length = u32::try_from(body.len() + 4).expect("a message is no longer than its limit");
        bytes.extend(length.to_be_bytes());
        bytes.extend(body);
        Self { bytes }
    }

    /// A simple query.
    pub(super) fn query(text: &[u8]) -> Self {
        Self::new(b'Q', &[text, &[0]].concat())
    }

    /// The end of a COPY FROM that the server is to fail, with this reason.
    pub(super) fn copy_fail(reason: &str) -> Self {
        Self::new(b'f', format!("{reason}\0").as_bytes())
    }

    pub(super) fn tag(&self) -> u8 {
        self.bytes[0]
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[5..]
    }

    /// All of it, as it is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The strings of the body, each of which ends with a NUL.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        texts(self.body())
    }
}

/// The strings of `bytes`, each of which ends with a NUL.
pub(super) fn texts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0)
}

/// Reads messages. An error of the socket, a time-out too, loses nothing: the next call goes on.
#[derive(Debug)]
pub(super) struct Frames<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The next message with a tag; `None` at the end of the stream.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        Ok(self.take(1)?.map(|bytes| Frame { bytes }))
    }

    /// The next message without a tag, such as one that starts a session.
    pub(super) fn next_start(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.take(0)
    }

    /// Whether a whole message waits: the next call does not block.
    pub(super) fn has_next(&self) -> bool {
        let waiting = &self.buffer[self.start..];
        let length = waiting.get(1..5).and_then(<[u8]>::first_chunk);
        length.is_some_and(|length| waiting.len() > u32::from_be_bytes(*length) as usize)
    }

    /// A message whose length stands behind `head` bytes.
    fn take(&mut self, head: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            let waiting = &self.buffer[self.start..];
            if let Some(length) = waiting.get(head..head + 4).and_then(<[u8]>::first_chunk) {
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if !(4..=LIMIT).contains(&length) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if let Some(message) = waiting.get(..head + length) {
                    let message = message.to_vec();
                    self.start += message.len();
                    return Ok(Some(message));
                }
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..std::mem::take(&mut self.start));
        let mut block = [0; 16 * 1024];
        let length = self.from.read(&mut block)?;
        self.buffer.extend(&block[..length]);
        Ok(length)
    }
}
