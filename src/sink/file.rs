//! Output files under a working name.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Working names that are tried.
const NAMES: u32 = 1000;

/// A file being written under a working name, next to where it will be. Dropped, it is removed.
#[derive(Debug)]
pub struct Pending {
    target: PathBuf,
    /// `None` once published, and for what is no regular file (`/dev/null`, a named pipe), which is
    /// written directly.
    working: Option<PathBuf>,
}

impl Pending {
    /// Creates the working file, and the folder it is in. A file that replaces another takes over
    /// its permissions, and its owner and group where the system lets us. `None` in place of the file where
    /// `target` is something to write to directly: opening a named pipe waits for its reader, so
    /// that is left to whoever may wait.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when the place cannot be written.
    pub fn create(target: &Path) -> Result<(Self, Option<File>)> {
        let failed = |cause: io::Error| {
            Error::new(
                ErrorKind::Output,
                format!("cannot write `{}`", target.display()),
            )
            .because(cause)
        };
        let there = fs::metadata(target);
        match &there {
            Ok(there) if there.is_dir() => {
                return Err(failed(io::ErrorKind::IsADirectory.into()).hint("name a file in it"));
            }
            Ok(there) if !there.is_file() => {
                return Ok((
                    Self {
                        target: target.to_owned(),
                        working: None,
                    },
                    None,
                ));
            }
            _ => {}
        }
        if let Some(folder) = target
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        // A link is kept, and what it leads to is replaced.
        let target = &resolved(target);
        let (working, file) = working_file(target).map_err(failed)?;
        // Dropped, it takes the working file along.
        let pending = Self {
            target: target.clone(),
            working: Some(working),
        };
        if let Ok(there) = there {
            resemble(&file, &there).map_err(failed)?;
        }
        Ok((pending, Some(file)))
    }

    /// The final name, without links and `..`, so that a file has one name only.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether there is a file to publish, and no device or pipe.
    pub(super) fn is_file(&self) -> bool {
        self.working.is_some()
    }

    /// Gives the file its final name, replacing what was there.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when the name cannot be taken.
    pub fn publish(mut self) -> Result<()> {
        let Some(working) = &self.working else {
            return Ok(());
        };
        fs::rename(working, &self.target).map_err(|cause| {
            Error::new(
                ErrorKind::Output,
                format!("cannot give `{}` its final name", self.target.display()),
            )
            .because(cause)
        })?;
        self.working = None;
        // The name must survive a crash too.
        if let Some(folder) = self.target.parent() {
            sync_names(folder);
        }
        Ok(())
    }
}

/// Puts the names in a folder on disk. Where that cannot be done, its files are complete all the same.
pub(crate) fn sync_names(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(working) = &self.working {
            let _ = fs::remove_file(working);
        }
    }
}

/// Gives `file` the permissions of the file that it will replace, before anything is in it, and its
/// owner and group where we may: root may, and others within their groups.
fn resemble(file: &File, there: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (there.uid(), there.gid()) {
        let _ = fchown(file, Some(there.uid()), Some(there.gid()))
            .or_else(|_| fchown(file, None, Some(there.gid())));
    }
    let mode = there.mode() & 0o777;
    if now.mode() & 0o777 == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// `path` without links and `..`, where its folder is there; the file need not be.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let through_folder = || {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
    };
    fs::canonicalize(path)
        .ok()
        .or_else(through_folder)
        .unwrap_or_else(|| path.to_owned())
}

/// A new file beside `target`, hidden, so that patterns such as `*.csv` do not pick it up. Its name
/// has our process id; where that is taken (another container's, another step's, one left by a run
/// that was killed), a number more, so that no two runs write into one file.
fn working_file(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let id = std::process::id();
    let mut number = 0;
    loop {
        let more = if number == 0 {
            String::new()
        } else {
            format!(".{number}")
        };
        let working = target.with_file_name(format!(".{name}.{id}{more}.part"));
        match File::create_new(&working) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => {
                number += 1;
            }
            created => return created.map(|file| (working, file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_appears_when_published_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out/new.csv");
        let (pending, file) = Pending::create(&target).unwrap();
        file.unwrap().write_all(b"x").unwrap();
        assert!(!target.exists());
        pending.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"x");
        let (dropped, _file) = Pending::create(&target).unwrap();
        let (second, _file) = Pending::create(&target).unwrap();
        assert_ne!(dropped.working, second.working);
        drop((dropped, second));
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_kept_and_what_it_leads_to_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.csv"), dir.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let (pending, file) = Pending::create(&link).unwrap();
        file.unwrap().write_all(b"new").unwrap();
        pending.publish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_replaces_another_has_its_permissions_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        fs::write(&target, "old").unwrap();
        // Root may give a file away.
        if std::os::unix::fs::chown(&target, Some(65534), Some(65534)).is_err() {
            assert_ne!(fs::metadata(&target).unwrap().uid(), 0);
        }
        for mode in [0o600, 0o666, 0o440] {
            fs::set_permissions(&target, Permissions::from_mode(mode)).unwrap();
            let before = fs::metadata(&target).unwrap();
            let (pending, file) = Pending::create(&target).unwrap();
            file.unwrap().write_all(b"new").unwrap();
            pending.publish().unwrap();
            let after = fs::metadata(&target).unwrap();
            assert_eq!(after.mode() & 0o777, mode);
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
            assert_ne!(after.ino(), before.ino());
        }
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Pending::create(dir.path()).is_err());
    }
}
