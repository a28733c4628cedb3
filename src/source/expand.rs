//! From the patterns of a job file to the files that are there.

use std::fmt;
use std::fs::File;
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
            InputPattern::Path(path) if path.exists() => found.push(Source::File(path.clone())),
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

fn matches(path: &Path) -> Result<Vec<PathBuf>> {
    let Some(pattern) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Ok(Vec::new());
    };
    let unusable = |what: String| {
        Error::new(ErrorKind::Input, format!("cannot look for `{pattern}`")).because(what)
    };
    // `*` does not cross folders, and a leading dot is matched by a dot only, as in a shell.
    let rules = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let mut found = Vec::new();
    for entry in glob::glob_with(pattern, rules).map_err(|error| unusable(error.to_string()))? {
        let path = entry.map_err(|error| unusable(error.to_string()))?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
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
}
