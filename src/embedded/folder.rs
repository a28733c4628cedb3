//! The folders of the embedded server: where they are, whose they are.
//!
//! ```text
//! BASE/pg15/          ours; root's may be passed through by the server's user
//!   lock users keep   see `share`
//!   command.log       what initdb or pg_ctl said last
//!   server/           the server's user's, nobody else enters
//!     data/           made as data.new.PID and renamed: it is whole, or it is not there
//!     log
//!     .s.PGSQL.5432   unless the path is too long for a socket
//! ```

use std::env;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::account::Account;
use crate::error::{Error, ErrorKind, Result};

/// Names the folder of embedded servers.
pub(super) const VARIABLE: &str = "DWSLOAD_EMBEDDED_DIR";

/// The longest socket folder, in bytes: `/.s.PGSQL.5432` and a NUL follow, and the smallest
/// `sun_path` in use (macOS) has 104.
const SOCKET_FOLDER_MAX: usize = 88;

/// The folder of every embedded server of this user: `$DWSLOAD_EMBEDDED_DIR`; for root
/// `/var/lib/dwsload`; else `$XDG_DATA_HOME/dwsload` or `~/.local/share/dwsload`.
///
/// # Errors
/// No home folder is known.
pub(super) fn base() -> Result<PathBuf> {
    let named = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = named(VARIABLE) {
        return std::path::absolute(&folder).map_err(|cause| trouble("find", &folder, cause));
    }
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/dwsload".into());
    }
    // The XDG specification: a relative path is ignored.
    if let Some(data) = named("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
        return Ok(data.join("dwsload"));
    }
    // Asks the password database where HOME is missing, as under cron.
    match env::home_dir().filter(|home| home.is_absolute()) {
        Some(home) => Ok(home.join(".local/share/dwsload")),
        None => Err(Error::new(
            ErrorKind::Connect,
            "the embedded PostgreSQL has no place for its data: no home folder is known",
        )
        .hint(format!("set {VARIABLE} or HOME"))),
    }
}

/// Makes the folders for major version `major`, and checks those that are there.
///
/// Returns the version's folder, links resolved.
///
/// # Errors
/// One cannot be made, belongs to somebody else, or keeps the server's user out.
pub(super) fn prepare(base: &Path, major: u32, account: &Account) -> Result<PathBuf> {
    // Root's server has another user, who must get through to the folder that is his.
    let passage = if account.dropped { 0o711 } else { 0o700 };
    if let Some(parent) = base.parent() {
        fs::create_dir_all(parent).map_err(|cause| trouble("create", parent, cause))?;
    }
    make(base, passage)?;
    let base = fs::canonicalize(base).map_err(|cause| trouble("open", base, cause))?;
    let instance = base.join(format!("pg{major}"));
    let ours = rustix::process::geteuid().as_raw();
    make(&instance, passage)?;
    check(&instance, ours, 0o022)?;
    let server = instance.join("server");
    make_for(&server, account)?;
    if account.dropped {
        passable(&instance, account)?;
    }
    Ok(instance)
}

/// The folders of servers that were set up under `base`, of any version.
pub(super) fn existing(base: &Path) -> Vec<PathBuf> {
    let Ok(base) = fs::canonicalize(base) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(base) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("server/data/PG_VERSION").is_file())
        .collect();
    found.sort();
    found
}

/// A name for `instance`, the same in every process: it is in the server's command line.
pub(super) fn name(instance: &Path) -> String {
    let hash = Sha256::digest(instance.as_os_str().as_bytes());
    let mut name = String::from("dwsload-");
    for byte in &hash[..8] {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}

/// The folder of the socket: the server's own, or a short private one.
///
/// # Errors
/// The short one cannot be made, or is not the server's alone.
pub(super) fn socket(instance: &Path, account: &Account) -> Result<PathBuf> {
    let own = instance.join("server");
    if fits(&own) {
        return Ok(own);
    }
    let name = name(instance);
    let runtime = if account.dropped {
        PathBuf::from("/run")
    } else {
        PathBuf::from(format!("/run/user/{}", account.uid))
    };
    let place = if check(&runtime, rustix::process::geteuid().as_raw(), 0o022).is_ok() {
        runtime.join(name)
    } else {
        PathBuf::from("/tmp").join(format!("{name}-{}", account.uid))
    };
    make_for(&place, account)?;
    Ok(place)
}

/// Whether a socket's path fits, and passes `pg_ctl`'s shell and the server's list of folders as
/// it is.
fn fits(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    bytes.len() <= SOCKET_FOLDER_MAX
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte))
}

/// Makes `path` the server's alone.
fn make_for(path: &Path, account: &Account) -> Result<()> {
    let fresh = make(path, 0o700)?;
    if fresh && account.dropped {
        chown(path, Some(account.uid), Some(account.gid))
            .map_err(|cause| trouble("hand over", path, cause))?;
    }
    check(path, account.uid, 0o077)
}

/// Makes one folder; says whether it is new.
fn make(path: &Path, mode: u32) -> Result<bool> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            // Whatever the umask took away.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .map_err(|cause| trouble("open up", path, cause))?;
            Ok(true)
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(trouble("create", path, cause)),
    }
}

/// A folder (not a link to one) that belongs to `uid` and has none of the bits `forbidden`.
fn check(path: &Path, uid: u32, forbidden: u32) -> Result<()> {
    let found = fs::symlink_metadata(path).map_err(|cause| trouble("open", path, cause))?;
    let wrong = if !found.is_dir() {
        "is not a folder".to_owned()
    } else if found.uid() != uid {
        format!("belongs to user {}, not {uid}", found.uid())
    } else if found.mode() & forbidden != 0 {
        format!("is open to others (mode {:o})", found.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Connect,
        format!(
            "the embedded PostgreSQL cannot use `{}`: it {wrong}",
            path.display()
        ),
    )
    .hint(format!(
        "correct or remove it, or set {VARIABLE} to another folder"
    )))
}

/// Every folder above the server's must let its user through.
fn passable(instance: &Path, account: &Account) -> Result<()> {
    for folder in instance.ancestors() {
        let found = fs::metadata(folder).map_err(|cause| trouble("open", folder, cause))?;
        if !enters(&found, account) {
            return Err(Error::new(
                ErrorKind::Connect,
                format!(
                    "the embedded PostgreSQL does not run as root, and its user (number {}) cannot pass through `{}`",
                    account.uid,
                    folder.display()
                ),
            )
            .hint(format!("`chmod o+x` it, or set {VARIABLE} to another folder")));
        }
    }
    Ok(())
}

fn enters(folder: &Metadata, account: &Account) -> bool {
    let bit = if folder.uid() == account.uid {
        0o100
    } else if folder.gid() == account.gid {
        0o010
    } else {
        0o001
    };
    folder.mode() & bit != 0
}

/// Cannot `act` on `path`.
pub(super) fn trouble(act: &str, path: &Path, cause: io::Error) -> Error {
    Error::new(
        ErrorKind::Connect,
        format!("the embedded PostgreSQL cannot {act} `{}`", path.display()),
    )
    .because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_is_short_and_plain() {
        assert!(fits(Path::new("/var/lib/dwsload/pg15/server")));
        assert!(!fits(Path::new("/home/o'neil/server")));
        assert!(!fits(Path::new("/home/a,b/server")));
        assert!(!fits(Path::new(&format!(
            "/{}",
            "x".repeat(SOCKET_FOLDER_MAX)
        ))));
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let folder = dir.path().join("planted");
        make(&folder, 0o777).unwrap();
        let error = check(&folder, uid, 0o077).unwrap_err();
        assert!(error.to_string().contains("mode 777"), "{error}");
        let error = check(&folder, uid + 1, 0o077).unwrap_err();
        assert!(error.to_string().contains("belongs to user"), "{error}");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        assert!(check(&dir.path().join("link"), uid, 0).is_err());
    }
}
