//! Who the server runs as: never root.

use std::fs;

use crate::error::{Error, ErrorKind, Result};

/// The system account that owns the server's files and runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether we are root and the server is not.
    pub(super) dropped: bool,
}

impl Account {
    /// Ourselves; for root, who may not run PostgreSQL, `postgres`, or `nobody` where there is no
    /// such user.
    ///
    /// # Errors
    /// Root on a machine that has neither.
    pub(super) fn of_server() -> Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Ok(Self {
                uid,
                gid: rustix::process::getegid().as_raw(),
                dropped: false,
            });
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| entry(&passwd, name))
            .map(|(uid, gid)| Self {
                uid,
                gid,
                dropped: true,
            })
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Connect,
                    "the embedded PostgreSQL cannot run as root, and there is no user `postgres` or `nobody`",
                )
                .hint("create one (`useradd --system postgres`), or run dwsload as an ordinary user")
            })
    }
}

/// User and group number of `name`, unless that is root again.
fn entry(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [user, _, uid, gid, ..] if user == name => {
                let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
                (uid != 0).then_some((uid, gid))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name_and_is_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\nxpostgres:x:7:7::/:/x\nbroken\n\
                      postgres:x:101:104:admin:/var/lib/postgresql:/bin/bash\nnobody:x:0:0:::\n";
        assert_eq!(entry(passwd, "postgres"), Some((101, 104)));
        assert_eq!(entry(passwd, "nobody"), None);
        assert_eq!(entry(passwd, "absent"), None);
    }
}
