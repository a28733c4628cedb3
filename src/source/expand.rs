//! From the patterns of a job file to the files that are there.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, ErrorKind, Result};
use crate::job::InputPattern;

/// `*` does not cross folders, and a leading dot is matched by a dot only, as in a shell.
const RULES: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file; it may turn out to be missing.
    File(PathBuf),
}

/// The state of a file: as long as it is the same, so are its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: SystemTime,
    file: (u64, u64),
}

impl Stamp {
    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// When it was last written.
    pub(crate) fn modified(&self) -> SystemTime {
        self.modified
    }
}

impl Source {
    /// Whether its bytes are there again when it is opened again: not those of standard input, a
    /// pipe or a device.
    pub fn can_be_read_again(&self) -> bool {
        match self {
            Self::Stdin => false,
            Self::File(path) => fs::metadata(path).map_or(true, |about| about.is_file()),
        }
    }

    /// What tells that its bytes have become others; `None` where nothing does.
    pub fn stamp(&self) -> Option<Stamp> {
        let Self::File(path) = self else {
            return None;
        };
        let about = fs::metadata(path).ok()?;
        Some(Stamp {
            length: about.len(),
            modified: about.modified().ok()?,
            file: (about.dev(), about.ino()),
        })
    }

    /// Whether it is still what it was when it had this stamp.
    pub(crate) fn is_still(&self, stamp: &Stamp) -> bool {
        self.stamp().as_ref() == Some(stamp)
    }

    /// Its size on disk in bytes, where it has one.
    pub fn size(&self) -> Option<u64> {
        self.stamp().map(|stamp| stamp.length)
    }

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
/// [`ErrorKind::Input`] for a pattern that cannot be read, a folder that cannot be listed, and a
/// file that two patterns name.
pub fn expand(patterns: &[InputPattern]) -> Result<(Vec<Source>, Vec<PathBuf>)> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let mut named = Named::default();
    for (number, pattern) in patterns.iter().enumerate() {
        let InputPattern::Path(pattern) = pattern else {
            found.push(Source::Stdin);
            continue;
        };
        let files = if may_be_there(pattern) {
            vec![pattern.clone()]
        } else {
            matches(pattern)?
        };
        if files.is_empty() {
            missing.push(pattern.clone());
        }
        for file in files {
            if patterns.len() > 1 {
                named.note(&file, number, pattern)?;
            }
            found.push(Source::File(file));
        }
    }
    Ok((found, missing))
}

/// The files that patterns have named so far, each with the first pattern that did and its number.
#[derive(Default)]
struct Named<'a>(HashMap<PathBuf, (usize, &'a Path)>);

impl<'a> Named<'a> {
    /// Takes note of a file; refuses one that another pattern has named, whatever names the two
    /// have for it: its rows would be in the table twice. A pipe may be read twice, and gives
    /// something else each time.
    fn note(&mut self, file: &Path, number: usize, pattern: &'a Path) -> Result<()> {
        if fs::metadata(file).is_ok_and(|about| !about.is_file()) {
            return Ok(());
        }
        let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let (first, before) = *self.0.entry(real).or_insert((number, pattern));
        if first == number {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Input,
            format!(
                "`{}` is named twice, by `{}` and by `{}`",
                file.display(),
                before.display(),
                pattern.display()
            ),
        )
        .hint("its rows would be loaded twice; let one pattern of the step name it"))
    }
}

/// Whether a file of this name, in whatever folder, could be one that `patterns` name.
pub(crate) fn could_name(patterns: &[InputPattern], file: &Path) -> bool {
    let Some(name) = file.file_name() else {
        return false;
    };
    patterns.iter().any(|pattern| {
        let InputPattern::Path(pattern) = pattern else {
            return false;
        };
        let Some(wanted) = pattern.file_name() else {
            return false;
        };
        let matches = |wanted: &str| {
            let pattern = glob::Pattern::new(wanted).ok();
            let name = name.to_string_lossy();
            pattern.is_some_and(|pattern| pattern.matches_with(&name, RULES))
        };
        wanted == name || wanted.to_str().is_some_and(matches)
    })
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
    let mut found = Vec::new();
    for entry in glob::glob_with(&pattern, RULES).map_err(|error| unusable(error.to_string()))? {
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

/// The name of a file from `folder`, where it is below it, so that the caller's folder does not matter,
/// and neither does where a tree of jobs and data stands; else its whole path.
pub(crate) fn name_in(folder: &Path, path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match whole.strip_prefix(folder) {
        Ok(name) => name.to_owned(),
        Err(_) => whole,
    }
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
        for pattern in [odd.join("*.csv"), dir.path().join("[[]*/a.csv")] {
            let (found, missing) = expand(&[InputPattern::Path(pattern)]).unwrap();
            assert_eq!(found, [Source::File(odd.join("a.csv"))]);
            assert!(missing.is_empty());
        }
    }

    #[test]
    fn a_file_that_two_patterns_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("x")).unwrap();
        for name in ["m.txt", "n.txt", "o.csv"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink("n.txt", path("link")).unwrap();
        let expand = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns
                .iter()
                .map(|name| InputPattern::Path(path(name)))
                .collect();
            expand(&patterns)
        };
        for (one, other, file) in [
            ("n.txt", "n*.txt", "n.txt"),
            ("?.txt", "n.txt", "n.txt"),
            ("n.txt", "n.txt", "n.txt"),
            ("n.txt", "x/../n.txt", "x/../n.txt"),
            ("n.txt", "link", "link"),
        ] {
            let error = expand(&["o.csv", one, other]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            let [one, other, file] =
                [one, other, file].map(|name| path(name).display().to_string());
            assert_eq!(
                error.to_string(),
                format!("`{file}` is named twice, by `{one}` and by `{other}`")
            );
        }
        assert_eq!(expand(&["*.txt", "*.csv"]).unwrap().0.len(), 3);
        let null = || InputPattern::Path("/dev/null".into());
        assert_eq!(super::expand(&[null(), null()]).unwrap().0.len(), 2);
    }

    #[test]
    fn a_file_has_its_name_from_the_job_files_folder() {
        let folder = Path::new("/srv/jobs");
        for (path, name) in [
            ("/srv/jobs/data/a.csv", "data/a.csv"),
            ("/srv/jobs/./data/a.csv", "data/a.csv"),
            ("/srv/jobs/../a.csv", "../a.csv"),
            ("/srv/a.csv", "/srv/a.csv"),
            ("/srv/jobs2/a.csv", "/srv/jobs2/a.csv"),
        ] {
            assert_eq!(name_in(folder, Path::new(path)), Path::new(name));
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(name_in(&here, Path::new("a.csv")), Path::new("a.csv"));
    }
}
