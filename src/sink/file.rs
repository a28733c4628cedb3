//! Output files under a working name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// A file being written under a working name, next to where it will be. Dropped, it is removed.
#[derive(Debug)]
pub struct Pending {
    target: PathBuf,
    /// `None` once published, and for what is no regular file (`/dev/null`, a named pipe), which is
    /// written directly.
    working: Option<PathBuf>,
}

impl Pending {
    /// Creates the working file, and the folder it is in.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when the place cannot be written.
    pub fn create(target: &Path) -> Result<(Self, File)> {
        let failed = |cause: io::Error| {
            Error::new(
                ErrorKind::Output,
                format!("cannot write `{}`", target.display()),
            )
            .because(cause)
        };
        match fs::metadata(target) {
            Ok(there) if there.is_dir() => {
                return Err(failed(io::ErrorKind::IsADirectory.into()).hint("name a file in it"));
            }
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new()
                    .write(true)
                    .open(target)
                    .map_err(failed)?;
                return Ok((
                    Self {
                        target: target.to_owned(),
                        working: None,
                    },
                    file,
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
        let working = working_name(target);
        let file = File::create(&working).map_err(failed)?;
        Ok((
            Self {
                target: target.to_owned(),
                working: Some(working),
            },
            file,
        ))
    }

    /// The final name.
    pub fn target(&self) -> &Path {
        &self.target
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
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(working) = &self.working {
            let _ = fs::remove_file(working);
        }
    }
}

/// Hidden, so that patterns such as `*.csv` do not pick it up; with our process id, so that two
/// runs do not write into each other.
fn working_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_appears_when_published_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out/new.csv");
        let (pending, mut file) = Pending::create(&target).unwrap();
        file.write_all(b"x").unwrap();
        assert!(!target.exists());
        pending.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"x");
        let (dropped, _file) = Pending::create(&target).unwrap();
        drop(dropped);
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Pending::create(dir.path()).is_err());
    }
}
