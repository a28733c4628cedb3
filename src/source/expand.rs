//! From the patterns of a job file to the files that are there.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::job::InputPattern;

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file; it may turn out to be missing.
    File(PathBuf),
}

impl Source {
    /// `length` bytes at `offset` of a plain file, read once more to explain an error. `None` where
    /// that cannot be done.
    pub fn reread(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let Self::File(path) = self else {
            return None;
        };
        let mut bytes = vec![0; length];
        File::open(path)
            .and_then(|file| file.read_exact_at(&mut bytes, offset))
            .ok()?;
        Some(bytes)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The inputs that `patterns` name, pattern by pattern, the matches of each in order of name; and
/// the patterns that name nothing.
///
/// # Errors
/// [`ErrorKind::Input`] for a pattern that cannot be read and a folder that cannot be listed.
pub fn expand(patterns: &[InputPattern]) -> Result<(Vec<Source>, Vec<PathBuf>)> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for pattern in patterns {
        match pattern {
            InputPattern::Stdin => found.push(Source::Stdin),
            InputPattern::Path(path) if may_be_there(path) => {
                found.push(Source::File(path.clone()));
            }
            InputPattern::Path(path) => {
                let matches = matches(path)?;
                if matches.is_empty() {
                    missing.push(path.clone());
                }
                found.extend(matches.into_iter().map(Source::File));
            }
        }
    }
    Ok((found, missing))
}

/// Whether `path` is a name to open: it is there, or only opening it tells why it is not (a folder
/// that may not be searched, a link that leads nowhere).
fn may_be_there(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    }
}

fn matches(path: &Path) -> Result<Vec<PathBuf>> {
    let Some(pattern) = pattern(path).filter(|text| text.contains(['*', '?', '['])) else {
        return Ok(Vec::new());
    };
    let unusable = |what: String| {
        Error::new(
            ErrorKind::Input,
            format!("cannot look for `{}`", path.display()),
        )
        .because(what)
    };
    // `*` does not cross folders, and a leading dot is matched by a dot only, as in a shell.
    let rules = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let mut found = Vec::new();
    for entry in glob::glob_with(&pattern, rules).map_err(|error| unusable(error.to_string()))? {
        let path = entry.map_err(|error| unusable(error.to_string()))?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// `path` as a pattern. A folder that is there by its whole name is no pattern, whatever its
/// letters are: the job file may stand in it.
fn pattern(path: &Path) -> Option<String> {
    let Some(folder) = path.ancestors().skip(1).find(|folder| folder.is_dir()) else {
        return path.to_str().map(str::to_owned);
    };
    let rest = path.strip_prefix(folder).ok()?.to_str()?;
    let folder = PathBuf::from(glob::Pattern::escape(folder.to_str()?));
    folder.join(rest).to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_files_in_order_and_a_plain_name_is_taken_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", ".c.csv", "[x].csv"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("d.csv")).unwrap();
        let pattern = |name: &str| InputPattern::Path(dir.path().join(name));
        let (found, missing) = expand(&[
            pattern("[ab].csv"),
            pattern("[x].csv"),
            pattern("none*"),
            InputPattern::Stdin,
        ])
        .unwrap();
        let file = |name: &str| Source::File(dir.path().join(name));
        assert_eq!(
            found,
            [file("a.csv"), file("b.csv"), file("[x].csv"), Source::Stdin]
        );
        assert_eq!(missing, [dir.path().join("none*")]);
    }

    #[test]
    fn the_name_of_a_folder_that_is_there_is_no_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("[prod] 2026?");
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join("a.csv"), "").unwrap();
        let (found, missing) = expand(&[
            InputPattern::Path(odd.join("*.csv")),
            InputPattern::Path(dir.path().join("[[]*/a.csv")),
        ])
        .unwrap();
        let file = Source::File(odd.join("a.csv"));
        assert_eq!(found, [file.clone(), file]);
        assert!(missing.is_empty());
    }
}
