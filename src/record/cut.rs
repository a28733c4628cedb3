//! What the bytes of an input are cut by into records.

use memchr::{memchr2, memmem};

use super::dialect::{Dialect, Format};
use super::splitter::{LineEnd, Splitter};

/// Where records end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// Where they do for a server that gets the bytes as they are: the first line end decides
    /// between LF, CR and CRLF.
    Server(Dialect),
    /// Behind these bytes, and nowhere else: all other line ends are data. In the quotes of csv and
    /// behind a backslash of text these bytes are data, too.
    Exact(Dialect, Vec<u8>),
    /// Behind these bytes, or behind LF or CRLF, whatever else is in the record.
    Lines(Option<Vec<u8>>),
}

impl Cut {
    /// What cuts so, at the start of a file.
    pub fn splitter(&self) -> Splitter {
        match self {
            Self::Server(dialect) => Splitter::new(dialect),
            Self::Exact(dialect, eol) => Splitter::exact(dialect, eol),
            Self::Lines(eol) => Splitter::lines(eol.as_deref()),
        }
    }

    /// How fields are cut, where records have fields.
    pub fn dialect(&self) -> Option<&Dialect> {
        match self {
            Self::Server(dialect) | Self::Exact(dialect, _) => Some(dialect),
            Self::Lines(_) => None,
        }
    }

    /// What ends each record, where that is known beforehand.
    pub fn into_eol(self) -> Option<Vec<u8>> {
        match self {
            Self::Server(_) => None,
            Self::Exact(_, eol) => Some(eol),
            Self::Lines(eol) => eol,
        }
    }

    /// A `record` without what ends it; all of it where nothing does, as it may be at the end of a
    /// file. `line_end` is what the splitter found, in [`Ends::line_end`](super::splitter::Ends) of
    /// the block in which the record ends, or of the last block.
    pub fn without_end<'a>(&self, record: &'a [u8], line_end: LineEnd) -> &'a [u8] {
        let end = match (self, line_end) {
            (Self::Exact(_, eol) | Self::Lines(Some(eol)), _) => eol,
            (Self::Lines(None), _) => {
                let line = record.strip_suffix(b"\n");
                return line.map_or(record, |line| line.strip_suffix(b"\r").unwrap_or(line));
            }
            (Self::Server(_), LineEnd::Unknown) => return record,
            (Self::Server(_), LineEnd::Lf) => &b"\n"[..],
            (Self::Server(_), LineEnd::Cr | LineEnd::AfterCr) => b"\r",
            (Self::Server(_), LineEnd::CrLf) => b"\r\n",
        };
        match record.strip_suffix(end) {
            Some(rest) if !self.is_escaped(rest) => rest,
            _ => record,
        }
    }

    /// The first CR or LF in a `record` that is neither its end nor data: one outside quotes, or
    /// behind no backslash. A server refuses it, once it has seen another kind of line end; where the
    /// record is the first of a COPY, it would take it for the kind that it is. `line_end` is that of
    /// [`Self::without_end`].
    pub fn stray_line_end(&self, record: &[u8], line_end: LineEnd) -> Option<u8> {
        let Self::Server(dialect) = self else {
            return None;
        };
        if matches!(line_end, LineEnd::Unknown | LineEnd::AfterCr) {
            return None;
        }
        let record = self.without_end(record, line_end);
        memchr2(b'\r', b'\n', record)?;
        match dialect.format {
            Format::Csv => stray_in_csv(record, dialect),
            Format::Text => stray_in_text(record),
            Format::Binary => None,
        }
    }

    /// Whether an end-of-data marker of text stands in a `record`, with data on its line. A server
    /// refuses that, where it does not drop what follows.
    pub fn has_stray_marker(&self, record: &[u8]) -> bool {
        let Self::Server(dialect) = self else {
            return false;
        };
        if dialect.format != Format::Text || memmem::find(record, br"\.").is_none() {
            return false;
        }
        let mut bytes = record.iter();
        while let Some(&byte) = bytes.next() {
            if byte == b'\\' && bytes.next() == Some(&b'.') {
                return true;
            }
        }
        false
    }

    /// Whether what comes after `bytes` of a record is data, because of a backslash.
    fn is_escaped(&self, bytes: &[u8]) -> bool {
        let text = self
            .dialect()
            .is_some_and(|dialect| dialect.format == Format::Text);
        let backslashes = bytes.iter().rev().take_while(|byte| **byte == b'\\');
        text && backslashes.count() % 2 == 1
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn stray_in_csv(record: &[u8], dialect: &Dialect) -> Option<u8> {
    let quote = dialect.quote_byte()?;
    let escape = dialect.escape_byte().filter(|escape| *escape != quote);
    let (mut in_quote, mut escaped) = (false, false);
    for &byte in record {
        if !in_quote && is_line_end(byte) {
            return Some(byte);
        }
        in_quote ^= byte == quote && !escaped;
        escaped = in_quote && escape == Some(byte) && !escaped;
    }
    None
}

fn stray_in_text(record: &[u8]) -> Option<u8> {
    let mut bytes = record.iter();
    while let Some(&byte) = bytes.next() {
        if is_line_end(byte) {
            return Some(byte);
        }
        if byte == b'\\' {
            bytes.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::splitter::Ends;

    /// The records of `input` without their ends.
    fn records(cut: &Cut, input: &str) -> Vec<String> {
        let (mut splitter, mut found) = (cut.splitter(), Ends::default());
        splitter.push(input.as_bytes(), &mut found);
        let mut ends: Vec<usize> = found.ends.iter().map(|end| *end as usize).collect();
        if splitter.finish() {
            ends.push(input.len());
        }
        let mut from = 0;
        let record = |end| {
            let record = &input.as_bytes()[std::mem::replace(&mut from, end)..end];
            String::from_utf8(cut.without_end(record, found.line_end).to_vec()).unwrap()
        };
        ends.into_iter().map(record).collect()
    }

    #[test]
    fn a_record_goes_without_its_end() {
        let text = || Dialect::new(Format::Text);
        let csv = || Dialect::new(Format::Csv);
        let exact = |eol: &str| Cut::Exact(text(), eol.into());
        let server = Cut::Server(text());
        for (cut, input, expected) in [
            (server.clone(), "a\nb", vec!["a", "b"]),
            (server.clone(), "a\r\nb\r\n", vec!["a", "b"]),
            (server.clone(), "a\rb\r", vec!["a", "b"]),
            (server.clone(), "a\r", vec!["a"]),
            // A last record whose line end is data.
            (server.clone(), "a\nb\\\n", vec!["a", "b\\\n"]),
            (server, "a\nb\\\\\n", vec!["a", "b\\\\"]),
            (Cut::Server(csv()), "\"a\n\"\nb\\\n", vec!["\"a\n\"", "b\\"]),
            (exact("\n"), "a\r\nb\\\nc\n", vec!["a\r", "b\\\nc"]),
            (exact("|\n"), "a|b|\nc\n|", vec!["a|b", "c\n|"]),
            (exact("ab"), "1ab2\\ab", vec!["1", "2\\ab"]),
            (
                Cut::Exact(csv(), b"\r".into()),
                "\"a\r\"\rb\n\r",
                vec!["\"a\r\"", "b\n"],
            ),
            (
                Cut::Lines(None),
                "\"a\r\n\\\n\r\nb",
                vec!["\"a", "\\", "", "b"],
            ),
            (Cut::Lines(Some(b"\r".into())), "a\n\rb", vec!["a\n", "b"]),
        ] {
            assert_eq!(records(&cut, input), expected, "{cut:?} of {input:?}");
        }
    }

    #[test]
    fn a_marker_with_data_on_its_line_is_found_behind_no_backslash() {
        for (record, expected) in [
            (r"a.b", false),
            (r"\.", true),
            (r"\.a", true),
            (r"a\.b", true),
            (r"a\\.b", false),
            (r"a\\\.b", true),
        ] {
            let found =
                |format| Cut::Server(Dialect::new(format)).has_stray_marker(record.as_bytes());
            assert_eq!(found(Format::Text), expected, "{record}");
            assert!(!found(Format::Csv), "{record}");
        }
    }

    #[test]
    fn line_ends_of_another_kind_are_found_outside_quotes_and_escapes() {
        let csv = Dialect::new(Format::Csv);
        let escaping = Dialect {
            escape: Some("\\".into()),
            ..csv.clone()
        };
        let text = Dialect::new(Format::Text);
        for (dialect, record, line_end, expected) in [
            (&csv, "a,b\n", LineEnd::Lf, None),
            (&csv, "a,b\r\n", LineEnd::Lf, Some(b'\r')),
            (&csv, "a,b\rc\n", LineEnd::Lf, Some(b'\r')),
            (&csv, "a,\"b\r\"\"\r\n\"\n", LineEnd::Lf, None),
            (&csv, "a,\"b\r\"\r\n", LineEnd::Lf, Some(b'\r')),
            (&csv, "a,b\r\n", LineEnd::CrLf, None),
            (&csv, "a,b\n", LineEnd::CrLf, Some(b'\n')),
            (&csv, "a\r,b\r\n", LineEnd::CrLf, Some(b'\r')),
            (&csv, "a,b\r", LineEnd::Cr, None),
            (&csv, "a\n,b\r", LineEnd::Cr, Some(b'\n')),
            (&csv, "a,b\r", LineEnd::Unknown, None),
            (&escaping, "a,\"\\\"\r\"\n", LineEnd::Lf, None),
            (&escaping, "a,\"\\\\\"\r\n", LineEnd::Lf, Some(b'\r')),
            (&escaping, "a,\\\"\r\"\n", LineEnd::Lf, None),
            (&text, "a\\\r\n", LineEnd::Lf, None),
            (&text, "a\\\\\r\n", LineEnd::Lf, Some(b'\r')),
            (&text, "a\\\nb\n", LineEnd::Lf, None),
            // The backslash takes the CR alone.
            (&text, "a\\\r\n", LineEnd::CrLf, Some(b'\n')),
        ] {
            let cut = Cut::Server(dialect.clone());
            let found = cut.stray_line_end(record.as_bytes(), line_end);
            assert_eq!(found, expected, "{record:?} with {line_end:?}");
        }
        let exact = Cut::Exact(csv, b"|".into());
        assert_eq!(exact.stray_line_end(b"a\r\nb|", LineEnd::Lf), None);
    }
}
