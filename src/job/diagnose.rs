//! The mistakes of a job file: all of them, each with its place, as one error.

use std::fmt;
use std::path::Path as FilePath;

use super::raw::{Document, Lines, Place};
use crate::error::{Error, ErrorKind};

/// Mistakes that are shown; a file with more of them is of another kind.
const SHOWN: usize = 30;

/// Where a node is in the document: an index for each level, and the keys as people write them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path {
    indices: Vec<usize>,
    text: String,
}

impl Path {
    /// The value of the entry `index`, called `key`, of the map at this path.
    pub(super) fn key(&self, index: usize, key: &str) -> Self {
        let dot = if self.text.is_empty() { "" } else { "." };
        self.deeper(index, &format!("{dot}{key}"))
    }

    /// The item `index` of the list at this path. People count from 1.
    pub(super) fn item(&self, index: usize) -> Self {
        self.deeper(index, &format!("[{}]", index + 1))
    }

    fn deeper(&self, index: usize, text: &str) -> Self {
        let mut indices = self.indices.clone();
        indices.push(index);
        Self {
            indices,
            text: format!("{}{text}", self.text),
        }
    }

    /// Where it is in `document`.
    pub(super) fn place(&self, document: &Document, of_key: bool) -> Option<Place> {
        document.place(&self.indices, of_key)
    }

    /// The lines of the items of the list that is there.
    pub(super) fn lines(&self, document: &Document) -> Lines {
        document.lines(&self.indices)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<Mistake>);

#[derive(Debug)]
struct Mistake {
    place: Option<Place>,
    path: String,
    what: String,
}

impl Mistakes {
    /// Adds a mistake at `path`; `of_key` when the key itself is wrong.
    pub(super) fn add(&mut self, document: &Document, path: &Path, of_key: bool, what: String) {
        // Finding a place costs a pass over the document.
        let place = (self.0.len() < SHOWN)
            .then(|| path.place(document, of_key))
            .flatten();
        self.0.push(Mistake {
            place,
            path: path.to_string(),
            what,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as one error, in the order of the file.
    pub(super) fn into_error(mut self, file: &FilePath) -> Error {
        let found = self.0.len();
        self.0.truncate(SHOWN);
        self.0.sort_by_key(|mistake| mistake.place);
        let lines: Vec<String> = self.0.iter().map(|mistake| mistake.show(file)).collect();
        let error = match lines.as_slice() {
            [line] => Error::new(ErrorKind::Job, line.as_str()),
            _ => Error::new(
                ErrorKind::Job,
                format!(
                    "`{}` has {found} mistakes\n{}",
                    file.display(),
                    lines.join("\n")
                ),
            ),
        };
        let error = match found - lines.len() {
            0 => error,
            more => error.line("also", format!("{more} more mistakes, not shown")),
        };
        error.line("state", "nothing was opened")
    }
}

impl Mistake {
    /// `file:line:column: path: what`, which editors and terminals make clickable.
    fn show(&self, file: &FilePath) -> String {
        let mut text = file.display().to_string();
        if let Some(Place { line, column }) = self.place {
            text.push_str(&format!(":{line}:{column}"));
        }
        if !self.path.is_empty() {
            text.push_str(&format!(": {}", self.path));
        }
        format!("{text}: {}", self.what)
    }
}

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_one_that_could_be_a_slip() {
        let known = ["file", "format", "table", "sep"];
        assert_eq!(nearest("fromat", known), Some("format"));
        assert_eq!(nearest("File", known), Some("file"));
        assert_eq!(nearest("tabel", known), Some("table"));
        assert_eq!(nearest("quote", known), None);
    }
}
