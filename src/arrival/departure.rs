//! Files whose records are committed: moved into an archive, or deleted.
//!
//! Nothing is replaced, and no file is taken away that is not the one that was loaded. A file goes
//! before its marker, and all files before what they share, so that a crash in between leaves no file
//! without what says that it is complete. The rest is found by the next run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Arrived;
use crate::job::After;
use crate::sink::sync_names;
use crate::source::{self, Source, Stamp};

/// What became of files.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What was moved or deleted, in words.
    pub(super) moved: Vec<String>,
    /// What people should know of it.
    pub(super) notes: Vec<String>,
    /// What stays where it was, though it should not.
    pub(super) problems: Vec<String>,
}

/// Takes the files of a step away, and what belongs to them.
pub(super) fn depart(arrived: &Arrived, after: &After) -> Report {
    let mut leave = Leave {
        after,
        report: Report::default(),
        folders: BTreeSet::new(),
    };
    for file in &arrived.files {
        if leave.take(&file.path, Some(&file.stamp)) {
            if let Some(marker) = &file.marker {
                leave.take(marker, None);
            }
        }
    }
    // Where a file stays, so does what says that it is complete.
    if leave.report.problems.is_empty() {
        for shared in &arrived.shared {
            leave.take(shared, None);
        }
    }
    for folder in &leave.folders {
        sync_names(folder);
    }
    leave.report
}

struct Leave<'a> {
    after: &'a After,
    report: Report,
    /// Folders whose names have changed.
    folders: BTreeSet<PathBuf>,
}

impl Leave<'_> {
    /// Takes one file away, if it is still as `stamp` says; whether it is gone.
    fn take(&mut self, path: &Path, stamp: Option<&Stamp>) -> bool {
        let name = path.display();
        // Another run, or its owner, has taken it: before, or while we were about to.
        if is_gone(path) {
            return true;
        }
        if !is_still(path, stamp) && !is_gone(path) {
            self.report.problems.push(format!(
                "`{name}` has changed since it was loaded, and stays where it is"
            ));
            return false;
        }
        let taken = match self.after {
            After::Keep => return true,
            After::Delete => fs::remove_file(path).map(|()| format!("deleted {name}")),
            After::Archive(folder) => self
                .archive(path, folder, stamp)
                .map(|to| format!("moved {name} to {}", to.display())),
        };
        match taken {
            Ok(what) => {
                self.report.moved.push(what);
                self.folders.extend(path.parent().map(Path::to_owned));
                true
            }
            Err(_) if is_gone(path) => true,
            Err(cause) => {
                let what = match self.after {
                    After::Archive(folder) => format!("be moved to `{}`", folder.display()),
                    After::Keep | After::Delete => "be deleted".into(),
                };
                self.report.problems.push(format!(
                    "`{name}` is loaded and committed, but cannot {what}: {cause}"
                ));
                false
            }
        }
    }

    /// Moves a file into `folder`, under its own name or, where that is taken, with a number before
    /// it. The name that it has got.
    fn archive(
        &mut self,
        path: &Path,
        folder: &Path,
        stamp: Option<&Stamp>,
    ) -> io::Result<PathBuf> {
        make(folder)?;
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let wanted = folder.join(name);
        let twin = stamp.is_some() && holds_the_same(path, &wanted);
        let target = reserve(folder, name)?;
        let moved = match fs::rename(path, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                carry(path, &target, stamp)
            }
            moved => moved,
        };
        if let Err(error) = moved {
            // It is empty: only its name was taken.
            let _ = fs::remove_file(&target);
            return Err(error);
        }
        self.folders.insert(folder.to_owned());
        if twin {
            self.report.notes.push(format!(
                "`{}` holds what `{}` holds: it was delivered twice, and is kept as `{}`",
                path.display(),
                wanted.display(),
                target.display()
            ));
        }
        Ok(target)
    }
}

fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn is_still(path: &Path, stamp: Option<&Stamp>) -> bool {
    stamp.is_none_or(|stamp| Source::File(path.to_owned()).is_still(stamp))
}

/// Makes a folder and those above it, so that they survive a crash.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    for above in folder.ancestors().skip(1).take(2) {
        sync_names(above);
    }
    Ok(())
}

/// Takes a name in `folder` that nobody has, with an empty file.
fn reserve(folder: &Path, name: &std::ffi::OsStr) -> io::Result<PathBuf> {
    let mut target = folder.join(name);
    let mut number = 2_u64;
    loop {
        match File::create_new(&target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut other = OsString::from(format!("{number}-"));
                other.push(name);
                target = folder.join(other);
                number += 1;
            }
            created => return created.map(|_| target),
        }
    }
}

/// Whether the two files have the same bytes.
fn holds_the_same(path: &Path, other: &Path) -> bool {
    let length = |path: &Path| {
        fs::metadata(path)
            .map(|about| (about.is_file(), about.len()))
            .ok()
    };
    if length(other).is_none() || length(path) != length(other) {
        return false;
    }
    matches!(
        (source::content(path), source::content(other)),
        (Ok(one), Ok(another)) if one == another
    )
}

/// Moves a file to another file system: copied under a hidden name, put on disk, and only then named
/// and taken away.
fn carry(path: &Path, target: &Path, stamp: Option<&Stamp>) -> io::Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let working = target.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let carried = copy(path, &working, stamp).and_then(|()| fs::rename(&working, target));
    if carried.is_err() {
        let _ = fs::remove_file(&working);
        return carried;
    }
    if let Some(folder) = target.parent() {
        sync_names(folder);
    }
    fs::remove_file(path)
        .map_err(|cause| {
            io::Error::other(format!("it is there, but cannot be deleted here: {cause}"))
        })
        .inspect_err(|_| {
            let _ = fs::remove_file(target);
        })
}

fn copy(path: &Path, working: &Path, stamp: Option<&Stamp>) -> io::Result<()> {
    let mut source = File::open(path)?;
    // One that is there was left by a process of our number, which is gone.
    let _ = fs::remove_file(working);
    let mut file = File::create_new(working)?;
    let copied = io::copy(&mut source, &mut file)?;
    let about = source.metadata()?;
    if copied != about.len() || !is_still(path, stamp) {
        return Err(io::Error::other("it changed while it was copied"));
    }
    // What may be done with it goes along, and when it was written.
    file.set_permissions(about.permissions())?;
    if let Ok(modified) = about.modified() {
        let _ = file.set_modified(modified);
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
