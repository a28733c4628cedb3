//! What the bytes of an input are cut by into records.

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

    /// Whether what comes after `bytes` of a record is data, because of a backslash.
    fn is_escaped(&self, bytes: &[u8]) -> bool {
        let text = self
            .dialect()
            .is_some_and(|dialect| dialect.format == Format::Text);
        let backslashes = bytes.iter().rev().take_while(|byte| **byte == b'\\');
        text && backslashes.count() % 2 == 1
    }
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
}
