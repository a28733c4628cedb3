//! What a connection takes from around the process: PG* variables, home folder, user, folders.
//!
//! Under cron and systemd HOME, USER and LOGNAME may be missing, so home and user come from the
//! system's list of users where the variables are silent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Where PostgreSQL's packages put their sockets: those of Linux distributions first, then
/// PostgreSQL's own default.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
/// The folder of `pg_service.conf` for all users, where PGSYSCONFDIR names none.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";
const USERS: &str = "/etc/passwd";

/// What a connection takes from around the process. Tests make their own.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    home: Option<PathBuf>,
    user: Option<String>,
    pub(super) socket_folders: Vec<PathBuf>,
    pub(super) system_folder: PathBuf,
}

impl Environment {
    /// That of this process.
    ///
    /// The user is the one the process runs as (its effective user id), whatever USER says, as
    /// libpq. USER and LOGNAME help out where the system's list does not have the id.
    pub fn of_process() -> Self {
        let users = std::fs::read(USERS).unwrap_or_default();
        let users = String::from_utf8_lossy(&users);
        let entry = entry_of(&users, rustix::process::geteuid().as_raw());
        Self::assembled(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))),
            entry,
        )
    }

    /// One with just these variables, home folder and user.
    pub fn new<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        home: Option<PathBuf>,
        user: Option<String>,
    ) -> Self {
        Self {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
            home,
            user,
            socket_folders: SOCKET_FOLDERS.map(PathBuf::from).to_vec(),
            system_folder: SYSTEM_FOLDER.into(),
        }
    }

    fn assembled(
        variables: impl Iterator<Item = (String, OsString)>,
        entry: Option<UserEntry>,
    ) -> Self {
        let mut all: BTreeMap<String, OsString> = variables.collect();
        let mut filled = |name| all.remove(name).filter(|value| !value.is_empty());
        let (home, user, logname) = (filled("HOME"), filled("USER"), filled("LOGNAME"));
        let (entry_name, entry_home) = entry.map_or((None, None), |entry| {
            (Some(entry.name), Some(PathBuf::from(entry.home)))
        });
        all.retain(|name, _| name.starts_with("PG"));
        let mut environment = Self::new([], None, None);
        environment.variables = all;
        environment.home = home.map(PathBuf::from).or(entry_home);
        environment.user = entry_name.or_else(|| logname.or(user)?.into_string().ok());
        environment
    }

    /// The value of a PG* variable, where it is set. An empty one is set.
    ///
    /// # Errors
    /// The value is not UTF-8.
    pub fn variable(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.variables.get(name) else {
            return Ok(None);
        };
        match value.to_str() {
            Some(text) => Ok(Some(text)),
            None => Err(Error::new(
                ErrorKind::Usage,
                format!("the environment variable `{name}` is not UTF-8"),
            )),
        }
    }

    /// The home folder, where the user has one.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The name of the user the process runs as, where it is known.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// `path` with a leading `~/` replaced by the home folder.
    pub(super) fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => path.into(),
        }
    }
}

impl std::fmt::Debug for Environment {
    /// Names of variables only: one may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// One user of the system's list.
#[derive(Debug, PartialEq, Eq)]
struct UserEntry {
    name: String,
    home: String,
}

/// The first entry with this id in `/etc/passwd`: `name:password:id:group:comment:home:shell`.
fn entry_of(users: &str, id: u32) -> Option<UserEntry> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, user_id, _, _, home, ..] = fields.as_slice() else {
            return None;
        };
        let found = user_id.parse() == Ok(id) && !name.is_empty();
        found.then(|| UserEntry {
            name: name.to_owned(),
            home: home.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n# comment\nbroken\n\
        loader:x:1001:1001:Loader,,,:/srv/loader:/bin/sh\nother:x:1001:1001::/srv/other:/bin/sh\n";

    fn assembled(variables: &[(&str, &str)], id: u32) -> Environment {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
        Environment::assembled(variables, entry_of(PASSWD, id))
    }

    #[test]
    fn without_home_and_user_the_system_is_asked() {
        let environment = assembled(&[("PATH", "/bin")], 1001);
        assert_eq!(environment.user(), Some("loader"));
        assert_eq!(environment.home(), Some(Path::new("/srv/loader")));
    }

    #[test]
    fn home_follows_the_variable_and_the_user_does_not() {
        let variables = [("HOME", "/tmp/h"), ("USER", "me"), ("LOGNAME", "me")];
        let environment = assembled(&variables, 0);
        assert_eq!(environment.user(), Some("root"));
        assert_eq!(environment.home(), Some(Path::new("/tmp/h")));
        assert_eq!(
            assembled(&[("HOME", "")], 0).home(),
            Some(Path::new("/root"))
        );
    }

    #[test]
    fn a_user_the_list_does_not_have_is_named_by_the_variables() {
        let environment = assembled(&[("USER", "a"), ("LOGNAME", "b")], 7);
        assert_eq!(environment.user(), Some("b"));
        assert_eq!(assembled(&[("USER", "a")], 7).user(), Some("a"));
        assert_eq!(assembled(&[], 7).user(), None);
        assert_eq!(assembled(&[], 7).home(), None);
    }

    #[test]
    fn this_process_has_a_user() {
        assert!(Environment::of_process().user().is_some());
    }

    #[test]
    fn a_variable_that_is_not_utf8_is_an_error_and_is_not_shown() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(b"hunter2\xff".to_vec());
        let environment =
            Environment::assembled([("PGPASSWORD".to_owned(), value)].into_iter(), None);
        let error = environment.variable("PGPASSWORD").unwrap_err();
        insta::assert_snapshot!(error, @"the environment variable `PGPASSWORD` is not UTF-8");
        assert!(!format!("{environment:?}").contains("hunter2"));
    }

    #[test]
    fn a_tilde_is_the_home_folder_only_in_front() {
        let environment = Environment::new([], Some("/h".into()), None);
        for (path, expected) in [
            ("~/a", "/h/a"),
            ("~", "~"),
            ("~x/a", "~x/a"),
            ("a/~/b", "a/~/b"),
            ("/a", "/a"),
        ] {
            assert_eq!(environment.expand(path), Path::new(expected), "{path}");
        }
        let homeless = Environment::new([], None, None);
        assert_eq!(homeless.expand("~/a"), Path::new("~/a"));
    }
}
