//! What comes before the data of an input: its header.

use super::Source;
use super::producer::Reading;
use crate::error::{Error, ErrorKind, Result};
use crate::job::Header;
use crate::record::cut::Cut;
use crate::record::header;
use crate::record::splitter::Ends;

/// The UTF-8 byte-order mark.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The longest header, in bytes. A longer one is a file that is not what the job says.
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
        let cut = reading.cut.as_ref();
        if let Some(cut) = cut.filter(|_| reading.header != Header::None && !data.is_empty()) {
            let (length, found) = header_length(data, cut, source, &mut more)?;
            let extra = found.tall.first().filter(|(record, ..)| *record == 0);
            preamble.lines += 1 + extra.map_or(0, |(_, lines, _)| u64::from(*lines));
            let line = cut.without_end(&data[..length], found.line_end);
            let names = match (reading.charset.fault(line), cut.dialect()) {
                (Some(what), _) => Err(format!("the header is wrong: {what}")),
                (None, Some(dialect)) => header::names(line, dialect),
                (None, None) => Ok(vec![String::from_utf8_lossy(line).into_owned()]),
            };
            let names = names
                .map_err(|what| Error::new(ErrorKind::Data, format!("in `{source}`, {what}")))?;
            preamble.header = Some(names);
            preamble.bytes.extend(data.drain(..length));
        }
        Ok(preamble)
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
