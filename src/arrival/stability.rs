//! Whether files have stopped changing.
//!
//! Two clocks are asked. Ours, which only goes forward, for files that change or are new: such a file
//! is watched for as long as the job says. The clock of the wall for old files: one whose times are
//! older than that by an hour more is not watched. That hour is for clocks that are set and for those
//! of file servers, which are wrong by minutes at times and hardly by an hour.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::source::Stamp;

/// How much older than asked a file must be that is not watched.
const MARGIN: Duration = Duration::from_secs(3600);

/// The files that are watched, each with what it was when it was first seen so.
#[derive(Debug, Default)]
pub(super) struct Stability {
    seen: HashMap<PathBuf, (Stamp, Instant)>,
}

impl Stability {
    /// Looks at a file, which is now as `stamp` says: how long it is still to be watched until it has not
    /// changed `for_long`. `None`: it has not.
    pub(super) fn look(
        &mut self,
        path: &Path,
        stamp: &Stamp,
        for_long: Duration,
    ) -> Option<Duration> {
        let seen = self.seen.get(path).filter(|(before, _)| before == stamp);
        let since = match seen {
            Some((_, since)) => *since,
            None => {
                let now = Instant::now();
                self.seen.insert(path.to_owned(), (stamp.clone(), now));
                now
            }
        };
        let left = for_long.saturating_sub(since.elapsed());
        if left.is_zero() || age(path).is_some_and(|age| age > for_long + MARGIN) {
            return None;
        }
        Some(left)
    }
}

/// Has the server of a network file system asked anew: what it is to tell of a file may be a minute
/// old until the file is opened.
pub(super) fn refresh(path: &Path) {
    let _ = File::open(path);
}

/// How long ago a file was changed, by the clock of the wall: its bytes, or its name, its owner, its
/// times. Programs that copy files set the former as they like, but not the latter. `None` where that
/// is in the future.
fn age(path: &Path) -> Option<Duration> {
    let about = fs::metadata(path).ok()?;
    let changed = u64::try_from(about.ctime()).ok()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
    let latest = about.modified().ok()?.max(changed);
    SystemTime::now().duration_since(latest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn a_file_is_watched_from_its_last_change_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let source = Source::File(path.clone());
        let mut stability = Stability::default();
        let mut look = |text: &str, for_long| {
            if !text.is_empty() {
                fs::write(&path, text).unwrap();
            }
            let stamp = source.stamp().unwrap();
            stability.look(&path, &stamp, for_long)
        };
        let long = Duration::from_secs(100);
        assert!(look("a", long).is_some());
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(look("", Duration::from_millis(50)), None);
        assert!(look("ab", Duration::from_millis(50)).is_some());
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(look("", Duration::from_millis(50)), None);
        assert!(look("", long).unwrap() < long);
    }

    #[test]
    fn times_that_a_program_has_set_do_not_make_a_file_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(age(&path).unwrap() < Duration::from_secs(60));
        file.set_modified(SystemTime::now() + MARGIN).unwrap();
        assert_eq!(age(&path), None);
    }
}
