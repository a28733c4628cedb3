//! The lock of a job on its host: a file that the system unlocks whatever happens to us.
//!
//! All runs have to find one file, cron's as well as those from a terminal. So its place depends on the
//! user alone: `XDG_RUNTIME_DIR` and HOME are not set under cron, and `/run/user/UID` comes and goes with
//! logins.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{TICK, Told, taken};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, Overlap};
use crate::progress::{Event, Observer};
use crate::run::Stop;

/// Names another folder for the locks.
const VARIABLE: &str = "DWSLOAD_LOCK_DIR";
/// Characters of the job's name in that of the file.
const NAME: usize = 60;
/// Bytes that are read of who holds a lock.
const HOLDER_LIMIT: u64 = 4096;

/// The lock, held as long as this is.
#[derive(Debug)]
pub(crate) struct HostLock(#[expect(dead_code, reason = "closed by Drop, which releases it")] File);

/// Takes the lock of `job` on this host; `None` where it has none.
///
/// # Errors
/// [`ErrorKind::Locked`] when another run has it; or the run is to stop; or there is no place for the
/// lock that the job asks for.
///
/// # Cancel safety
/// May be dropped at any time.
pub(crate) async fn take(
    job: &Job,
    observer: &dyn Observer,
    stop: &mut Stop,
) -> Result<Option<HostLock>> {
    if job.lock.overlap == Overlap::None {
        return Ok(None);
    }
    let path = match place(job) {
        Ok(path) => path,
        Err(error) if job.lock.is_explicit => return Err(error),
        Err(error) => {
            observer.observe(Event::Warning(&format!(
                "{}; runs of the job on this host are kept apart by the database alone",
                crate::error::chain(&error)
            )));
            return Ok(None);
        }
    };
    let mut told = Told::default();
    loop {
        if let Some(mut file) = try_lock(&path)? {
            // For people; a lock that says nothing is one all the same.
            let _ = sign(&mut file, job);
            return Ok(Some(HostLock(file)));
        }
        let holder = holder(&path);
        if job.lock.overlap != Overlap::Wait {
            return Err(taken(job, &holder)
                .line("lock", path.display().to_string())
                .line("state", "nothing was opened")
                .hint("`lock: wait` or `skip` in the job says what a second run does; `lock: none` lets both run"));
        }
        told.waiting(job, &holder, observer);
        tokio::select! {
            reason = stop.wait() => return Err(reason.error()),
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// The file of the job's lock. Its folder is made.
fn place(job: &Job) -> Result<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|value| !value.is_empty());
    let folder = match named {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            fs::create_dir_all(&folder).map_err(|cause| trouble(&folder, cause))?;
            folder
        }
        None => own_folder()?,
    };
    let file = fs::canonicalize(&job.file).unwrap_or_else(|_| job.file.clone());
    let mut hash = Sha256::new();
    hash.update(job.name.as_bytes());
    hash.update([0]);
    hash.update(file.as_os_str().as_bytes());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = job.name.chars().map(|c| if plain(c) { c } else { '_' });
    let mut name: String = words.take(NAME).collect();
    name.push('-');
    for byte in &hash.finalize()[..8] {
        name.push_str(&format!("{byte:02x}"));
    }
    name.push_str(".lock");
    Ok(folder.join(name))
}

/// The folder of this user's locks, which nobody else can write into.
fn own_folder() -> Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let folder = PathBuf::from(format!("/tmp/dwsload-{uid}"));
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            return Err(trouble(&folder, cause));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(&folder).map_err(|cause| trouble(&folder, cause))?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o022 != 0 {
        return Err(trouble(
            &folder,
            io::Error::other("it is no folder of this user alone"),
        ));
    }
    Ok(folder)
}

fn trouble(path: &Path, cause: io::Error) -> Error {
    Error::new(
        ErrorKind::Output,
        format!("cannot lock the job by `{}`", path.display()),
    )
    .because(cause)
    .hint(format!(
        "set {VARIABLE} to a folder that the runs of the job share"
    ))
}

/// The file, locked; `None` while another has it.
fn try_lock(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|cause| trouble(path, cause.into()))?;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(cause) => return Err(trouble(path, cause.into())),
        }
    }
}

/// Writes into the file who we are.
fn sign(file: &mut File, job: &Job) -> io::Result<()> {
    let system = rustix::system::uname();
    file.set_len(0)?;
    file.write_all(
        format!(
            "process {} on {}, since {}, run {}\n",
            std::process::id(),
            system.nodename().to_string_lossy(),
            Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC"),
            job.run_id
        )
        .as_bytes(),
    )
}

/// Who holds the lock, by what is in the file.
fn holder(path: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HOLDER_LIMIT).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    match text.strip_suffix('\n') {
        Some(line) if read.is_ok() && !line.is_empty() => line.to_owned(),
        // It has just been locked.
        _ => "a process that has not said who it is".into(),
    }
}
