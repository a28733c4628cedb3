//! Where the installed PostgreSQL is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, ErrorKind, Result};

/// The oldest major version that tells its state in `postmaster.pid`.
const OLDEST: u32 = 10;

/// Where packages put the server's programs when they leave them out of PATH: Debian and Ubuntu,
/// Red Hat's, a build from source, Homebrew.
const PLACES: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
];

/// A folder with `initdb`, `pg_ctl` and `postgres` of one version.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    /// The major version, such as 15.
    pub(super) major: u32,
}

impl Binaries {
    /// The server's programs: those on PATH, then the newest in the usual places.
    ///
    /// # Errors
    /// There are none; says what to install.
    pub(super) fn find() -> Result<Self> {
        let mut usual: Vec<Self> = PLACES
            .iter()
            .filter_map(|pattern| glob::glob(pattern).ok())
            .flat_map(|folders| folders.filter_map(std::result::Result::ok))
            .filter_map(|folder| Self::in_folder(&folder))
            .collect();
        usual.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        on_path("postgres")
            .chain(on_path("pg_ctl"))
            .find_map(|program| Self::in_folder(program.parent()?))
            .or_else(|| usual.into_iter().next())
            .ok_or_else(not_installed)
    }

    /// The programs in `folder`, if they are all there and new enough.
    fn in_folder(folder: &Path) -> Option<Self> {
        let found = ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file());
        let version = found.then(|| version(&folder.join("postgres"))).flatten()?;
        (version >= OLDEST).then(|| Self {
            folder: folder.to_owned(),
            major: version,
        })
    }

    /// The path of one of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// `psql`, best the one that belongs to the server.
///
/// # Errors
/// There is none; says what to install.
pub(super) fn psql(binaries: &Binaries) -> Result<PathBuf> {
    let beside = binaries.program("psql");
    if beside.is_file() {
        return Ok(beside);
    }
    on_path("psql").next().ok_or_else(|| {
        Error::new(ErrorKind::Connect, "psql is not installed")
            .hint("`apt-get install postgresql-client`, `dnf install postgresql`, or `brew install libpq`")
    })
}

/// Every file `name` on PATH, behind its links: a link to one program says where the others are.
fn on_path(name: &'static str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders
        .into_iter()
        .filter_map(move |folder| fs::canonicalize(folder.join(name)).ok())
        .filter(|file| file.is_file())
}

/// The major version that `postgres --version` says, the one question root may ask it.
fn version(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    major(&String::from_utf8_lossy(&output.stdout))
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; 17 of `... 17beta1`.
fn major(said: &str) -> Option<u32> {
    let (_, version) = said.split_once("(PostgreSQL) ")?;
    let end = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    version[..end].parse().ok()
}

fn not_installed() -> Error {
    Error::new(
        ErrorKind::Connect,
        "`connection: embedded` needs an installed PostgreSQL (initdb, pg_ctl, postgres), and there is none on PATH or in the usual places",
    )
    .hint("`apt-get install postgresql`, `dnf install postgresql-server`, or `brew install postgresql`; or name a server in `connection`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("gaussdb (GaussDB 8.1.3)"), None);
    }

    #[test]
    fn the_installed_server_is_found_with_its_initdb_beside_it() {
        let binaries = Binaries::find().unwrap();
        assert!(binaries.program("initdb").is_file());
        assert!(binaries.major >= OLDEST);
    }
}
