//! What is said of data that a server takes, and that was hardly meant so.

use super::file::Here;
use crate::record::dialect::Dialect;
use crate::record::oddities::{Blank, Oddities, Swallowed};
use crate::record::position::Position;
use crate::run::Stage;

/// Lines of a record that make one wonder.
const TALL: u64 = 100;

impl Here<'_> {
    /// Warns of what is odd in a file that is loaded.
    pub(super) fn note_oddities(&self, oddities: &Oddities, stage: &Stage<'_>) {
        let source = self.source;
        if let Some(blank) = oddities.blank() {
            let value = of_blank_lines(&self.step.dialect);
            stage.warn(&format!("{}, with {value}", blank_lines(blank, source)));
        }
        let (swallowed, count) = oddities.swallowed();
        if let Some(first) = swallowed.first() {
            let more = match count - 1 {
                0 => String::new(),
                1 => "; there is 1 more".into(),
                more => format!("; there are {more} more"),
            };
            stage.warn(&format!("in `{source}`, {}{more}", left_open(*first)));
        }
        if oddities.ends_with_backslash() {
            stage.warn(&format!(
                "`{source}` ends with a backslash that escapes nothing, and the server drops it"
            ));
        }
    }
}

/// A hint for an error in the record at `at`, where that swallows others. `in_quote`: the file ends
/// inside quotes.
pub(super) fn hint(oddities: &Oddities, at: Position, in_quote: bool) -> Option<String> {
    if in_quote {
        return never_closed(oddities);
    }
    let (swallowed, _) = oddities.swallowed();
    let found = swallowed.iter().find(|one| one.record == at.offset)?;
    Some(left_open(*found))
}

/// A hint for an error in the record at `at`, which ends on line `last`, where that is far away.
pub(super) fn tall(at: Position, last: u64) -> Option<String> {
    let from = at.line;
    (last >= from + TALL).then(|| {
        format!("this record reaches from line {from} to line {last}; is a quote left open in it?")
    })
}

/// A hint for a file that is in UTF-16.
pub(super) fn utf16(found: &str) -> String {
    let name = found.to_lowercase();
    format!("the file looks like {found}: `encoding: {name}` reads it")
}

/// A hint for a file that ends inside quotes.
pub(super) fn never_closed(oddities: &Oddities) -> Option<String> {
    let (line, last) = oddities.open_quote()?;
    Some(format!(
        "the quote that is opened on line {line} is never closed: all to the end of the file, line {last}, is one value; close it, or double it where it is data"
    ))
}

fn left_open(swallowed: Swallowed) -> String {
    let Swallowed {
        line, last_line, ..
    } = swallowed;
    format!(
        "the quote that is opened on line {line} seems to have been left open: it is closed by one on line {last_line}, and all between is one value"
    )
}

fn blank_lines(blank: Blank, source: impl std::fmt::Display) -> String {
    let Blank { count, line } = blank;
    if count == 1 {
        format!("line {line} of `{source}` is blank, and is a record to COPY")
    } else {
        format!(
            "{count} lines of `{source}` are blank, the first of them line {line}, and each is a record to COPY"
        )
    }
}

/// What the one column of the table gets from a blank line.
fn of_blank_lines(dialect: &Dialect) -> &'static str {
    let is_null = dialect.null.as_deref().is_none_or(str::is_empty);
    if is_null && dialect.force_not_null.is_empty() {
        "NULL in its column"
    } else {
        "an empty value in its column"
    }
}
