//! When the files of a `copy_from` may be loaded, and what becomes of them: `ready`, `expect_files`,
//! `wait`, `after`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::InputPattern;
use super::reader::{At, Fields, Keys};
use super::resolve::{Folder, duration};

/// What is asked of files before they are loaded, and what is done with them when they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// A file whose size, time and place have not changed for so long is complete.
    pub stable_for: Option<Duration>,
    /// A file that has this marker is complete.
    pub marker: Option<Marker>,
    /// The file that lists the complete files: it alone says what is loaded.
    pub manifest: Option<PathBuf>,
    /// How many files there are to be.
    pub expected: Option<Expected>,
    /// How long files that are missing or not complete are waited for.
    pub wait: Option<Duration>,
    /// What becomes of the files once their records are committed.
    pub after: After,
}

impl Arrival {
    /// Whether it is asked of files that they are complete.
    pub(crate) fn is_ready_asked(&self) -> bool {
        self.stable_for.is_some() || self.marker.is_some() || self.manifest.is_some()
    }

    /// In words, each thing with the name of its kind.
    pub(crate) fn words(&self) -> Vec<(&'static str, String)> {
        let mut ready = Vec::new();
        if let Some(stable_for) = self.stable_for {
            let stable_for = humantime::format_duration(stable_for);
            ready.push(format!("files are unchanged for {stable_for}"));
        }
        if let Some(marker) = &self.marker {
            ready.push(format!("they have their marker {marker}"));
        }
        if let Some(manifest) = &self.manifest {
            ready.push(format!("they are as {} says", manifest.display()));
        }
        if let Some(expected) = self.expected {
            ready.push(format!("there are {expected} of them"));
        }
        let mut words = Vec::new();
        if !ready.is_empty() {
            words.push(("ready", format!("when {}", ready.join(", "))));
        }
        if let Some(wait) = self.wait {
            let wait = humantime::format_duration(wait);
            words.push((
                "wait",
                format!("up to {wait} for what is missing or not ready"),
            ));
        }
        match &self.after {
            After::Keep => {}
            After::Delete => words.push(("after", "files are deleted behind the COMMIT".into())),
            After::Archive(folder) => words.push((
                "after",
                format!("files are moved to {} behind the COMMIT", folder.display()),
            )),
        }
        words
    }
}

/// A file that says of others that they are complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Its name, with `$file` or `$stem` in it where each file has its own.
    name: String,
    /// Where it stands; `None`: beside the files.
    folder: Option<PathBuf>,
}

/// The word of a marker's name that stands for the name of a file.
const FILE: &str = "$file";
/// The word that stands for that name without its ending.
const STEM: &str = "$stem";

impl Marker {
    /// The marker of `file`.
    pub fn of(&self, file: &Path) -> PathBuf {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let named = self.name.replace(FILE, &name).replace(STEM, stem(&name));
        match &self.folder {
            Some(folder) => folder.join(named),
            None => file.with_file_name(named),
        }
    }

    /// Whether each file has a marker of its own.
    pub fn is_own(&self) -> bool {
        self.name.contains(FILE) || self.name.contains(STEM)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(folder) => write!(f, "{}", folder.join(&self.name).display()),
            None => f.write_str(&self.name),
        }
    }
}

/// A file's name without its ending, and without that of a compression behind it.
fn stem(name: &str) -> &str {
    let unpacked = [".gz", ".zst"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    match unpacked.rfind('.') {
        None | Some(0) => unpacked,
        Some(dot) => &unpacked[..dot],
    }
}

/// So many files, or between so many and so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The least.
    pub least: usize,
    /// The most; `None` for any number.
    pub most: Option<usize>,
}

impl Expected {
    /// `3`, `1-10` or `1-`.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("expected a number of files, `3`, or a range, `1-10` or `1-`, found `{text}`")
        };
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let (least, most) = match text.split_once('-') {
            None => {
                let exactly = number(text)?;
                (exactly, Some(exactly))
            }
            Some((least, most)) if most.trim().is_empty() => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        match most {
            Some(0) => Err("no file at all is nothing to load".into()),
            Some(most) if most < least => Err(format!("`{text}`: the least comes first")),
            _ => Ok(Self { least, most }),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            Some(most) if most == self.least => write!(f, "{most}"),
            Some(most) => write!(f, "{}-{most}", self.least),
            None => write!(f, "{}-", self.least),
        }
    }
}

/// What becomes of files whose records are committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
    /// They are moved into this folder.
    Archive(PathBuf),
}

const KEYS: [&str; 4] = ["ready", "expect_files", "wait", "after"];

const READY: Keys = Keys {
    known: &["stable_for", "marker", "manifest"],
    reserved: &[],
};

const AFTER: Keys = Keys {
    known: &["archive"],
    reserved: &[],
};

/// Reads these keys of a `copy_from`; `None` where none is there, or where there is a mistake.
pub(super) fn arrival(
    fields: &Fields<'_>,
    input: Option<&[InputPattern]>,
    folder: &Folder,
) -> Option<Box<Arrival>> {
    if fields.present(&KEYS).is_empty() {
        return None;
    }
    if input.is_some_and(|input| input.contains(&InputPattern::Stdin)) {
        fields.refuse(
            &KEYS,
            "standard input is no file: it cannot be looked at before it is read, or moved",
        );
    }
    let mut arrival = Arrival {
        stable_for: None,
        marker: None,
        manifest: None,
        expected: None,
        wait: None,
        after: After::Keep,
    };
    if let Some(at) = fields.get("ready") {
        ready(at, &mut arrival, folder)?;
    }
    if let Some(at) = fields.get("expect_files") {
        arrival.expected = Some(at.parse(Expected::parse)?);
    }
    if let Some(at) = fields.get("wait") {
        let wait = at.parse(duration)?;
        if let Some(stable_for) = arrival.stable_for.filter(|stable_for| *stable_for > wait) {
            at.wrong(format!(
                "no file can be ready so soon: `stable_for` is {}",
                humantime::format_duration(stable_for)
            ));
        }
        arrival.wait = Some(wait);
    }
    if let Some(at) = fields.get("after") {
        arrival.after = after(at, folder)?;
    }
    if folder.alone && arrival.after != After::Keep {
        fields.refuse(
            &["after"],
            "with `transaction: none` some files of a step may be in and others not when it fails; use `job` or `step`",
        );
    }
    Some(Box::new(arrival))
}

fn ready(at: &At<'_>, arrival: &mut Arrival, folder: &Folder) -> Option<()> {
    let fields = at.fields(READY)?;
    if fields.present(READY.known).is_empty() {
        at.wrong("expected one or more of stable_for, marker, manifest");
        return None;
    }
    if let Some(at) = fields.get("stable_for") {
        arrival.stable_for = Some(at.parse(duration)?);
    }
    if let Some(at) = fields.get("marker") {
        arrival.marker = Some(at.parse(|text| marker(text, folder))?);
    }
    if let Some(at) = fields.get("manifest") {
        if folder.alone {
            at.wrong_key(
                "with `transaction: none` a COPY commits before its rows can be compared with the manifest; use `job` or `step`",
            );
        }
        arrival.manifest = Some(folder.path(&at.text()?));
    }
    Some(())
}

/// A name without a slash is that of a file beside the data.
fn marker(text: &str, folder: &Folder) -> Result<Marker, String> {
    let (above, name) = match text.rsplit_once('/') {
        Some((above, name)) => (Some(above), name),
        None => (None, text),
    };
    if name.is_empty() || name == FILE && above.is_none() {
        return Err(format!(
            "expected the name of a marker, such as `{FILE}.done`, `{STEM}.ok` or `_SUCCESS`, found `{text}`"
        ));
    }
    if name.starts_with('.') && above.is_none() {
        return Err(format!(
            "`{text}` is one file for the whole folder; a marker for each file is `{FILE}{text}` or `{STEM}{text}`"
        ));
    }
    if name.contains(['*', '?', '[']) || above.is_some_and(|above| above.contains('$')) {
        return Err(format!(
            "a marker has one name: `{FILE}` in it stands for the name of the file, `{STEM}` for that without its ending"
        ));
    }
    let folder = match above {
        Some("") => Some(PathBuf::from("/")),
        Some(above) => Some(folder.path(above)),
        None => None,
    };
    Ok(Marker {
        name: name.to_owned(),
        folder,
    })
}

fn after(at: &At<'_>, folder: &Folder) -> Option<After> {
    if at.is_map() {
        let fields = at.fields(AFTER)?;
        let text = fields.require("archive")?.text()?;
        return Some(After::Archive(folder.path(&text)));
    }
    at.parse(|text| match text {
        "keep" => Ok(After::Keep),
        "delete" => Ok(After::Delete),
        "archive" => Err("say where: `after: {archive: done}`".into()),
        _ => Err(format!(
            "expected `keep`, `delete` or `{{archive: FOLDER}}`, found `{text}`"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_stands_beside_its_file_or_in_a_folder_of_its_own() {
        let marker = |name: &str, folder: Option<&str>| Marker {
            name: name.into(),
            folder: folder.map(PathBuf::from),
        };
        for (marker, file, expected) in [
            (marker("$file.done", None), "in/a.csv", "in/a.csv.done"),
            (marker("$stem.ok", None), "in/a-1.5.csv.gz", "in/a-1.5.ok"),
            (marker("$stem.ok", None), "in/a", "in/a.ok"),
            (marker("_SUCCESS", None), "in/a.csv", "in/_SUCCESS"),
            (marker("$file", Some("f")), "in/a.csv", "f/a.csv"),
        ] {
            assert_eq!(marker.of(Path::new(file)), Path::new(expected));
        }
    }

    #[test]
    fn a_number_of_files_is_exact_or_a_range() {
        for (text, least, most) in [
            ("3", 3, Some(3)),
            ("1-10", 1, Some(10)),
            ("0-2", 0, Some(2)),
            ("2-", 2, None),
        ] {
            assert_eq!(Expected::parse(text), Ok(Expected { least, most }));
            assert_eq!(Expected { least, most }.to_string(), text);
        }
        for text in ["", "0", "-3", "a", "5-2", "1-2-3", "1.5"] {
            assert!(Expected::parse(text).is_err(), "{text}");
        }
    }
}
