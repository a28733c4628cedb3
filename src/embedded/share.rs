//! Who uses the server: locks on two files, which the system releases whatever happens to us.
//!
//! - `lock`, exclusive: held while the server is started or stopped, never while it is used.
//! - `users`, shared: held while it is used. Whoever holds `lock` and can get `users`
//!   exclusively is alone, and nobody can join before `lock` is free.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::child::{Cancel, TICK};
use super::folder::trouble;
use crate::error::{Error, ErrorKind, Result};

/// The right to start and stop the server.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "closed by Drop, which releases it")] File);

/// One use of the server.
#[derive(Debug)]
pub(super) struct Usage(#[expect(dead_code, reason = "closed by Drop, which releases it")] File);

/// Waits for the right to start or stop the server of `instance`, `limit` long.
///
/// # Errors
/// Cancelled, or somebody else keeps it.
pub(super) fn take_turn(instance: &Path, limit: Duration, cancel: &Cancel) -> Result<Turn> {
    let path = instance.join("lock");
    let file = open(&path)?;
    let deadline = Instant::now() + limit;
    while !try_lock(&file, &path, FlockOperation::NonBlockingLockExclusive)? {
        cancel.check()?;
        if Instant::now() >= deadline {
            return Err(Error::new(
                ErrorKind::Connect,
                format!(
                    "another dwsload has been starting or stopping the embedded PostgreSQL for {} s",
                    limit.as_secs()
                ),
            )
            .line("lock", path.display().to_string()));
        }
        thread::sleep(TICK);
    }
    Ok(Turn(file))
}

/// Joins the users of the server. `_turn` proves that nobody is about to stop it.
///
/// # Errors
/// The file cannot be opened or locked.
pub(super) fn join(instance: &Path, _turn: &Turn) -> Result<Usage> {
    let path = instance.join("users");
    let file = open(&path)?;
    if try_lock(&file, &path, FlockOperation::NonBlockingLockShared)? {
        return Ok(Usage(file));
    }
    // dwsload takes it exclusively only in its turn, which is ours.
    Err(Error::new(
        ErrorKind::Connect,
        format!("another program has locked `{}`", path.display()),
    ))
}

/// Whether nobody uses the server. `_turn` proves that nobody is about to.
///
/// # Errors
/// The file cannot be opened or locked.
pub(super) fn unused(instance: &Path, _turn: &Turn) -> Result<bool> {
    let path = instance.join("users");
    try_lock(
        &open(&path)?,
        &path,
        FlockOperation::NonBlockingLockExclusive,
    )
}

/// The processes that use the server, where the system tells (Linux): a guess for people.
pub(super) fn users(instance: &Path) -> Vec<u32> {
    let Ok(found) = fs::metadata(instance.join("users")) else {
        return Vec::new();
    };
    holders(
        &fs::read_to_string("/proc/locks").unwrap_or_default(),
        found.ino(),
    )
}

/// From lines such as `3: FLOCK  ADVISORY  READ 10294 fe:00:10133507 0 EOF`. The device is not
/// compared: some file systems show another one than `stat` does. 0 is a process of another
/// container.
fn holders(locks: &str, inode: u64) -> Vec<u32> {
    let mut pids: Vec<u32> = locks
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, "FLOCK", _, "READ", pid, file, ..] = fields[..] else {
                return None;
            };
            let same = file.rsplit(':').next()?.parse() == Ok(inode);
            pid.parse().ok().filter(|pid| same && *pid != 0)
        })
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|cause| trouble("open", path, cause.into()))
}

fn try_lock(file: &File, path: &Path, operation: FlockOperation) -> Result<bool> {
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(cause) => return Err(trouble("lock", path, cause.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_is_alone_and_the_first_of_two_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        let turn = take_turn(dir.path(), Duration::ZERO, &cancel).unwrap();
        let one = join(dir.path(), &turn).unwrap();
        let two = join(dir.path(), &turn).unwrap();
        drop(one);
        assert!(!unused(dir.path(), &turn).unwrap());
        drop(two);
        assert!(unused(dir.path(), &turn).unwrap());
        assert!(take_turn(dir.path(), Duration::ZERO, &cancel).is_err());
        drop(turn);
        take_turn(dir.path(), Duration::ZERO, &cancel).unwrap();
    }

    #[test]
    fn holders_are_the_readers_of_this_file() {
        let locks = "1: FLOCK  ADVISORY  READ 10 fe:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  READ 12 fe:00:78 0 EOF\n\
                     3: FLOCK  ADVISORY  READ 0 fe:00:77 0 EOF\n\
                     4: -> FLOCK  ADVISORY  READ 13 fe:00:77 0 EOF\n\
                     5: POSIX  ADVISORY  READ 14 fe:00:77 0 EOF\n";
        assert_eq!(holders(locks, 77), [10]);
    }
}
