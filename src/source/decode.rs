//! Text of any encoding, read as UTF-8.

use std::fmt;
use std::io::{self, Cursor, Read};

use super::open::{Reader, read_full};
use crate::record::charset::{Charset, Decoder, Halt, Malformed, escape};

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// The least room to decode into: in less, a character may have none.
const ROOM: usize = 16;

/// What is done about bytes that are none of the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMalformed {
    /// They are an error.
    #[default]
    Stop,
    /// They become escapes, so that their record is found to be wrong.
    Escape,
}

/// An error of the input: malformed bytes, and their line.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) malformed: Malformed,
    /// 1 for the first.
    pub(super) line: u64,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.malformed.fmt(f)
    }
}

impl std::error::Error for Wrong {}

/// Decodes as it is read.
pub(super) struct Decoded {
    raw: Reader,
    charset: Charset,
    decoder: Decoder,
    on_malformed: OnMalformed,
    room: Vec<u8>,
    /// What of `room` is to be decoded.
    left: std::ops::Range<usize>,
    /// Nothing comes after that.
    last: bool,
    over: bool,
    /// Decoded bytes that found no room, or escapes.
    pending: Cursor<Vec<u8>>,
    /// What ended the reading, once everything before it is read.
    wrong: Option<Malformed>,
    lines: Lines,
}

impl Decoded {
    /// Reads `raw`, which is in `charset`, from its start.
    pub(super) fn new(
        mut raw: Reader,
        charset: Charset,
        on_malformed: OnMalformed,
    ) -> io::Result<Self> {
        let mut start = [0; 2];
        let length = read_full(&mut raw, &mut start)?;
        let charset = charset.of_file(start);
        Ok(Self {
            raw: Box::new(Cursor::new(start).take(length as u64).chain(raw)),
            charset,
            decoder: charset.decoder(),
            on_malformed,
            room: vec![0; READ],
            left: 0..0,
            last: false,
            over: false,
            pending: Cursor::default(),
            wrong: None,
            lines: Lines::default(),
        })
    }

    /// The encoding, where the file tells it more exactly.
    pub(super) fn charset(&self) -> Charset {
        self.charset
    }

    /// Decodes some of what there is into `out`; how many bytes of it.
    fn decode(&mut self, out: &mut [u8]) -> usize {
        let raw = &self.room[self.left.clone()];
        let progress = self.decoder.decode(raw, out, self.last);
        self.left.start += progress.read;
        self.lines.count(&out[..progress.written]);
        match progress.halt {
            Halt::Input => self.over = self.last,
            Halt::Output => {}
            Halt::Malformed(malformed) => match self.on_malformed {
                OnMalformed::Stop => self.wrong = Some(malformed),
                OnMalformed::Escape => escape(&malformed.bytes, self.pending.get_mut()),
            },
        }
        progress.written
    }

    /// The same for an `out` that may be too small.
    fn decode_aside(&mut self) {
        let mut aside = [0; ROOM];
        let written = self.decode(&mut aside);
        // Before what a malformed sequence became.
        let pending = self.pending.get_mut();
        pending.splice(0..0, aside[..written].iter().copied());
    }
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.pending.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            self.pending.get_mut().clear();
            self.pending.set_position(0);
            if let Some(malformed) = self.wrong.take() {
                self.over = true;
                let line = self.lines.now();
                return Err(io::Error::other(Wrong { malformed, line }));
            }
            if self.over {
                return Ok(0);
            }
            if self.left.is_empty() && !self.last {
                let read = self.raw.read(&mut self.room)?;
                self.left = 0..read;
                self.last = read == 0;
            }
            if out.len() < ROOM {
                self.decode_aside();
                continue;
            }
            let written = self.decode(out);
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

/// Counts lines by LF, or by CR in a file that has no LF.
#[derive(Debug, Default)]
struct Lines {
    lf: u64,
    cr: u64,
}

impl Lines {
    fn count(&mut self, text: &[u8]) {
        self.lf += memchr::memchr_iter(b'\n', text).count() as u64;
        if self.lf == 0 {
            self.cr += memchr::memchr_iter(b'\r', text).count() as u64;
        }
    }

    /// The line that comes now.
    fn now(&self) -> u64 {
        1 + if self.lf > 0 { self.lf } else { self.cr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives so many bytes at a time.
    struct Slow(Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(self.1);
            self.0.read(&mut out[..most])
        }
    }

    fn decoded(raw: &[u8], slow: usize, name: &str, on_malformed: OnMalformed) -> Decoded {
        let raw = Box::new(Slow(Cursor::new(raw.to_vec()), slow));
        Decoded::new(raw, Charset::named(name).unwrap(), on_malformed).unwrap()
    }

    #[test]
    fn utf16_is_read_by_its_byte_order_mark() {
        for slow in [1, 3, 100] {
            for (raw, name, expected) in [
                (&b"\xfe\xff\0a\x4e\x2d"[..], "utf-16", "UTF-16BE"),
                (b"\xff\xfea\0\x2d\x4e", "utf-16", "UTF-16LE"),
                (b"a\0\x2d\x4e", "utf-16", "UTF-16LE"),
                (b"\0a\x4e\x2d", "utf-16be", "UTF-16BE"),
            ] {
                let mut reader = decoded(raw, slow, name, OnMalformed::Stop);
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                assert_eq!((text.as_str(), reader.charset().name()), ("a中", expected));
            }
            for raw in [&b""[..], b"\xff\xfe"] {
                let mut reader = decoded(raw, slow, "utf-16", OnMalformed::Stop);
                assert_eq!(reader.read(&mut [0; 99]).unwrap(), 0);
            }
        }
    }

    #[test]
    fn malformed_bytes_are_an_error_behind_everything_before_them() {
        for room in [1, 7, 16, 100] {
            let mut reader = decoded(b"\xd6\xd0,1\r\nab\xff", 100, "gbk", OnMalformed::Stop);
            let mut text: Vec<u8> = Vec::new();
            let error = loop {
                let mut out = vec![0; room];
                match reader.read(&mut out) {
                    Ok(read) => text.extend(&out[..read]),
                    Err(error) => break error,
                }
            };
            assert_eq!(text, "中,1\r\nab".as_bytes());
            let wrong = error.downcast::<Wrong>().unwrap();
            assert_eq!((wrong.malformed.offset, wrong.line), (8, 2));
            assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
        }
    }

    proptest! {
        #[test]
        fn reads_of_any_size_give_the_same(
            raw in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), 0x81..=0xfe_u8], 0..80),
            slow in 1usize..20,
            room in 1usize..40,
            name in prop::sample::select(vec!["gbk", "latin1", "utf-16", "windows-874"]),
        ) {
            let mut expected = Vec::new();
            let mut whole = decoded(&raw, 1000, name, OnMalformed::Escape);
            whole.read_to_end(&mut expected).unwrap();
            let mut reader = decoded(&raw, slow, name, OnMalformed::Escape);
            let (mut text, mut out): (Vec<u8>, _) = (Vec::new(), vec![0; room]);
            loop {
                match reader.read(&mut out).unwrap() {
                    0 => break,
                    read => text.extend(&out[..read]),
                }
            }
            prop_assert_eq!(text, expected);
        }
    }
}
