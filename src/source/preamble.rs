//! What comes before the data of an input: lines to skip, and its header.

use super::Source;
use super::producer::Reading;
use crate::error::{Error, ErrorKind, Result};
use crate::job::Header;
use crate::record::cut::Cut;
use crate::record::header;
use crate::record::splitter::Ends;

/// The UTF-8 byte-order mark.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The most bytes of the lines to skip, and the most of the header. More is a file that is not what
/// the job says; and all of it is kept, for rejected records stand behind it again.
const LIMIT: usize = 1024 * 1024;

/// What comes before the data.
#[derive(Debug, Default)]
pub(super) struct Preamble {
    /// The names in the header, where one was asked for and is there.
    pub(super) header: Option<Vec<String>>,
    /// All of its bytes.
    pub(super) bytes: Vec<u8>,
    /// Its lines.
    pub(super) lines: u64,
}

impl Preamble {
    /// Takes it off the start of `data`. `more` reads on behind that, and says whether anything came.
    pub(super) fn take(
        data: &mut Vec<u8>,
        reading: &Reading,
        source: &Source,
        mut more: impl FnMut(&mut Vec<u8>) -> Result<bool>,
    ) -> Result<Self> {
        let mut preamble = Self::default();
        preamble.skip(data, reading.skip_lines, source, &mut more)?;
        let Some(cut) = reading
            .cut
            .as_ref()
            .filter(|_| reading.header != Header::None)
        else {
            return Ok(preamble);
        };
        if data.is_empty() && !more(data)? {
            return Ok(preamble);
        }
        let (length, found) = header_length(data, cut, source, &mut more)?;
        let extra = found.tall.first().filter(|(record, ..)| *record == 0);
        preamble.lines += 1 + extra.map_or(0, |(_, lines, _)| u64::from(*lines));
        let line = cut.without_end(&data[..length], found.line_end);
        let names = match (reading.charset.fault(line), cut.dialect()) {
            (Some(what), _) => Err(format!("the header is wrong: {what}")),
            (None, Some(dialect)) => header::names(line, dialect),
            (None, None) => Ok(vec![String::from_utf8_lossy(line).into_owned()]),
        };
        let names =
            names.map_err(|what| Error::new(ErrorKind::Data, format!("in `{source}`, {what}")))?;
        preamble.header = Some(names);
        preamble.bytes.extend(data.drain(..length));
        Ok(preamble)
    }

    /// Takes so many lines off the start of `data`, as far as there are so many. LF, CRLF and CR each
    /// end a line there, whatever ends one in the data.
    fn skip(
        &mut self,
        data: &mut Vec<u8>,
        lines: u64,
        source: &Source,
        more: &mut impl FnMut(&mut Vec<u8>) -> Result<bool>,
    ) -> Result<()> {
        let mut length = 0;
        while self.lines < lines {
            match line_length(&data[length..]) {
                Some(line) => length += line,
                None if data.len() > LIMIT => {
                    return Err(Error::new(
                        ErrorKind::Data,
                        format!("the first {lines} lines of `{source}` are more than 1 MiB"),
                    )
                    .hint("`skip_lines` is for what stands before the data; all of it is kept for rejected records"));
                }
                None if more(data)? => continue,
                None if length == data.len() => break,
                // The last line has no end.
                None => length = data.len(),
            }
            self.lines += 1;
        }
        self.bytes.extend(data.drain(..length));
        Ok(())
    }
}

/// The bytes of the line at the start of `data`, with its end; `None` where more of it may come.
fn line_length(data: &[u8]) -> Option<usize> {
    let end = memchr::memchr2(b'\n', b'\r', data)?;
    match (data[end], data.get(end + 1)) {
        (b'\r', None) => None,
        (b'\r', Some(b'\n')) => Some(end + 2),
        _ => Some(end + 1),
    }
}

/// The bytes of the header at the start of `data`, and what was found there. Reads on where it is
/// longer than `data`.
fn header_length(
    data: &mut Vec<u8>,
    cut: &Cut,
    source: &Source,
    more: &mut impl FnMut(&mut Vec<u8>) -> Result<bool>,
) -> Result<(usize, Ends)> {
    let mut found = Ends::default();
    loop {
        cut.splitter().without_markers().push(data, &mut found);
        if let Some(&end) = found.ends.first() {
            return Ok((end as usize, found));
        }
        if data.len() > LIMIT {
            return Err(Error::new(
                ErrorKind::Data,
                format!("`{source}` begins with a header of more than 1 MiB"),
            )
            .hint("is a quote left open in it, or is the file of another format?"));
        }
        if !more(data)? {
            return Ok((data.len(), found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines, bytes and the rest where so many lines are skipped, read in parts of so many bytes.
    fn skip(input: &str, lines: u64, part: usize) -> (u64, String, String) {
        let mut parts = input.as_bytes().chunks(part);
        let mut data = Vec::new();
        let mut more = |data: &mut Vec<u8>| {
            let next = parts.next();
            data.extend(next.unwrap_or_default());
            Ok(next.is_some())
        };
        let mut preamble = Preamble::default();
        preamble
            .skip(&mut data, lines, &Source::Stdin, &mut more)
            .unwrap();
        while more(&mut data).unwrap() {}
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (preamble.lines, text(preamble.bytes), text(data))
    }

    #[test]
    fn lines_are_skipped_whatever_ends_them() {
        for part in 1..12 {
            for (input, lines, expected) in [
                ("a\nb\nc", 0, (0, "", "a\nb\nc")),
                ("a\nb\nc", 1, (1, "a\n", "b\nc")),
                ("a\r\n\r\nc\r\n", 2, (2, "a\r\n\r\n", "c\r\n")),
                ("a\r\rc", 2, (2, "a\r\r", "c")),
                ("a\n\"b\nc", 2, (2, "a\n\"b\n", "c")),
                ("a\nb", 2, (2, "a\nb", "")),
                ("a\r", 1, (1, "a\r", "")),
                ("a\nb\n", 5, (2, "a\nb\n", "")),
                ("", 5, (0, "", "")),
            ] {
                let (lines, bytes, rest) = skip(input, lines, part);
                assert_eq!((lines, bytes.as_str(), rest.as_str()), expected, "{part}");
            }
        }
    }

    #[test]
    fn more_than_can_be_kept_is_not_skipped() {
        let mut data = vec![b'x'; LIMIT + 1];
        let error = Preamble::default()
            .skip(&mut data, 3, &Source::Stdin, &mut |_| Ok(true))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the first 3 lines of `stdin` are more than 1 MiB")
        );
        let mut preamble = Preamble::default();
        let many = preamble.skip(&mut Vec::new(), u64::MAX, &Source::Stdin, &mut |data| {
            data.extend(b"\n\n\n\n");
            Ok(true)
        });
        assert!(many.is_err());
    }
}
