//! The files that a run writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::file::{Pending, resolved};
use crate::error::{Error, ErrorKind, Result};

/// The files of a run: those that are complete and wait for the commit, and the names of all.
#[derive(Debug, Default)]
pub struct Outputs {
    pending: Vec<Pending>,
    /// Names taken, those of published files too.
    taken: BTreeSet<PathBuf>,
}

impl Outputs {
    /// Keeps a complete file until it is published. Devices and pipes are no files: every step may
    /// write to the same one.
    ///
    /// # Errors
    /// [`ErrorKind::Output`] when an earlier step of this run has written a file of this name,
    /// whatever its path was: the later one would replace it. The later one is removed.
    pub fn keep(&mut self, pending: Pending) -> Result<()> {
        if pending.is_file() && !self.taken.insert(pending.target().to_owned()) {
            return Err(Error::new(
                ErrorKind::Output,
                format!(
                    "an earlier step of this job writes `{}` too",
                    pending.target().display()
                ),
            )
            .hint("give each step a file of its own"));
        }
        self.pending.push(pending);
        Ok(())
    }

    /// Whether a file waits to appear as `path`.
    pub fn is_awaited(&self, path: &Path) -> bool {
        let path = resolved(path);
        self.pending.iter().any(|pending| pending.target() == path)
    }

    /// Removes what waits to be published; its names are free again.
    pub fn discard(&mut self) {
        for pending in self.pending.drain(..) {
            self.taken.remove(pending.target());
        }
    }

    /// Takes out what waits to be published.
    pub fn take(&mut self) -> Vec<Pending> {
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_written_once_whatever_its_path_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("x")).unwrap();
        std::os::unix::fs::symlink("x", path("link")).unwrap();
        let mut outputs = Outputs::default();
        let create = |name: &str| Pending::create(&path(name)).unwrap().0;
        outputs.keep(create("x/out")).unwrap();
        outputs.keep(create("out")).unwrap();
        assert!(outputs.is_awaited(&path("link/out")));
        for publish in [false, true] {
            if publish {
                for pending in outputs.take() {
                    pending.publish().unwrap();
                }
                assert!(!outputs.is_awaited(&path("x/out")));
            }
            for name in ["x/out", "x/../x/out", "link/out", "x/../out"] {
                let error = outputs.keep(create(name)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Output, "{name}");
            }
        }
        assert_eq!(fs::read_dir(path("x")).unwrap().count(), 1);
        for _ in 0..2 {
            let (device, _) = Pending::create(Path::new("/dev/null")).unwrap();
            outputs.keep(device).unwrap();
        }
    }
}
