//! Which certificates and which key TLS uses ("SSL Support" of the `PostgreSQL` manual, chapter libpq).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::resolution::usage;
use super::settings::{self, Settings};
use super::target::{RootCerts, SslMode, TlsSettings};
use crate::error::Result;

/// What the settings say about TLS, with the files in `~/.postgresql` where they say nothing.
///
/// Files are looked at only where TLS may be used: not for Unix sockets, not with
/// `sslmode=disable`.
///
/// # Errors
/// Files that are set or needed and are not there, a key that others may read, and an `sslmode`
/// that contradicts `sslrootcert=system`.
pub(super) fn resolve(
    settings: &Settings,
    environment: &Environment,
    over_tcp: bool,
    warnings: &mut Vec<String>,
) -> Result<TlsSettings> {
    let wanted = settings
        .filled("sslmode")
        .map(settings::ssl_mode)
        .transpose()
        .map_err(usage)?;
    if settings.filled("sslrootcert") == Some("system") {
        return Ok(TlsSettings {
            mode: strongest(wanted)?,
            root: RootCerts::System,
            client: client(settings, environment, over_tcp)?,
        });
    }
    let mut mode = wanted.unwrap_or(SslMode::Prefer);
    if !over_tcp || mode == SslMode::Disable {
        return Ok(TlsSettings {
            mode,
            root: RootCerts::None,
            client: None,
        });
    }
    let root = root(settings, environment, mode)?;
    // As libpq: who has a root certificate wants it used.
    if mode == SslMode::Require && root != RootCerts::None {
        mode = SslMode::VerifyCa;
    }
    if mode >= SslMode::VerifyCa {
        warn_of_revocations(environment, warnings);
    }
    Ok(TlsSettings {
        mode,
        root,
        client: client(settings, environment, true)?,
    })
}

/// `sslrootcert=system` means verify-full: anybody can get some certificate of these.
fn strongest(wanted: Option<SslMode>) -> Result<SslMode> {
    match wanted {
        None | Some(SslMode::VerifyFull) => Ok(SslMode::VerifyFull),
        Some(_) => Err(usage(
            "a `sslmode` weaker than verify-full cannot be used with `sslrootcert` `system`",
        )
        .hint("leave `sslmode` out, or set it to verify-full")),
    }
}

fn root(settings: &Settings, environment: &Environment, mode: SslMode) -> Result<RootCerts> {
    let named = settings.filled("sslrootcert");
    let path = file(named, "root.crt", environment);
    match path {
        Some(path) if is_there(&path) => Ok(RootCerts::File(path)),
        // Encrypted or not, whoever answers: a root certificate has nothing to say.
        _ if mode < SslMode::Require => Ok(RootCerts::None),
        Some(path) if named.is_some() => Err(usage(format!(
            "the root certificates `{}` (sslrootcert) do not exist",
            path.display()
        ))),
        _ if mode == SslMode::Require => Ok(RootCerts::None),
        _ => Err(
            usage("`sslmode` asks to check the server, and there is no root certificate").hint(
                "set `sslrootcert` to a PEM file, or to `system` for the system's own list, or put the file at ~/.postgresql/root.crt",
            ),
        ),
    }
}

/// libpq heeds the list of revoked certificates in this file; dwsload does not.
fn warn_of_revocations(environment: &Environment, warnings: &mut Vec<String>) {
    if let Some(path) = file(None, "root.crl", environment).filter(|path| is_there(path)) {
        warnings.push(format!(
            "the revocation list `{}` is left out: dwsload does not look at revocations",
            path.display()
        ));
    }
}

/// Our certificate and its key.
fn client(
    settings: &Settings,
    environment: &Environment,
    over_tcp: bool,
) -> Result<Option<(PathBuf, PathBuf)>> {
    let named = settings.filled("sslcert");
    let Some(certificate) = file(named, "postgresql.crt", environment).filter(|_| over_tcp) else {
        return Ok(None);
    };
    if !is_there(&certificate) {
        return match named {
            None => Ok(None),
            Some(_) => Err(usage(format!(
                "the client certificate `{}` (sslcert) does not exist",
                certificate.display()
            ))),
        };
    }
    let Some(key) = file(settings.filled("sslkey"), "postgresql.key", environment) else {
        return Err(usage("there is a client certificate and no key for it").hint("set `sslkey`"));
    };
    check_key(&key)?;
    Ok(Some((certificate, key)))
}

/// The file that is set, else the default one in `~/.postgresql`.
fn file(named: Option<&str>, default: &str, environment: &Environment) -> Option<PathBuf> {
    match named {
        Some(path) => Some(environment.expand(path)),
        None => Some(environment.home()?.join(".postgresql").join(default)),
    }
}

/// Whether a file is there; one that cannot be looked at is.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// Refuses a key that others may read, by libpq's rule: the group may read one that root owns.
fn check_key(path: &Path) -> Result<()> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|cause| {
        usage(format!(
            "the key `{shown}` of the client certificate cannot be read (sslkey)"
        ))
        .because(cause)
    })?;
    if !metadata.is_file() {
        return Err(usage(format!("the key `{shown}` (sslkey) is not a file")));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(usage(format!(
            "the key `{shown}` (sslkey) can be read by others than its owner"
        ))
        .hint(format!("run `chmod 600 {shown}`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::error::{ErrorKind, render};

    /// A home folder with these files in `~/.postgresql`, each with its mode.
    fn home(files: &[(&str, u32)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".postgresql");
        std::fs::create_dir(&folder).unwrap();
        for (name, mode) in files {
            let path = folder.join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        home
    }

    fn resolve_in(
        home: &tempfile::TempDir,
        pairs: &[(&str, &str)],
        over_tcp: bool,
    ) -> Result<TlsSettings> {
        let mut settings = Settings::default();
        for (keyword, value) in pairs {
            settings.set(keyword, *value).unwrap();
        }
        let environment = Environment::new([], Some(home.path().to_owned()), None);
        resolve(&settings, &environment, over_tcp, &mut Vec::new())
    }

    fn refusal(home: &tempfile::TempDir, pairs: &[(&str, &str)]) -> String {
        let error = resolve_in(home, pairs, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        render(&error).replace(home.path().to_str().unwrap(), "HOME")
    }

    #[test]
    fn a_root_certificate_that_is_there_turns_require_into_verify_ca() {
        use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let (with, without) = (home(&[("root.crt", 0o644)]), home(&[]));
        let root = RootCerts::File(with.path().join(".postgresql/root.crt"));
        for (home, mode, expected, root) in [
            (&without, "", Prefer, &RootCerts::None),
            (&without, "require", Require, &RootCerts::None),
            (&with, "disable", Disable, &RootCerts::None),
            (&with, "require", VerifyCa, &root),
            (&with, "verify-ca", VerifyCa, &root),
            (&with, "verify-full", VerifyFull, &root),
        ] {
            let found = resolve_in(home, &[("sslmode", mode)], true).unwrap();
            assert_eq!((found.mode, &found.root), (expected, root), "{mode}");
        }
    }

    #[test]
    fn the_systems_roots_mean_verify_full() {
        let home = home(&[]);
        for mode in ["", "verify-full"] {
            let pairs = [("sslrootcert", "system"), ("sslmode", mode)];
            let found = resolve_in(&home, &pairs, true).unwrap();
            assert_eq!(found.mode, SslMode::VerifyFull);
            assert_eq!(found.root, RootCerts::System);
        }
        for mode in ["disable", "prefer", "require", "verify-ca"] {
            let message = refusal(&home, &[("sslrootcert", "system"), ("sslmode", mode)]);
            insta::allow_duplicates! {
                insta::assert_snapshot!(message, @r"
                error: a `sslmode` weaker than verify-full cannot be used with `sslrootcert` `system`
                  hint: leave `sslmode` out, or set it to verify-full
                ");
            }
        }
    }

    #[test]
    fn a_check_without_a_root_certificate_is_refused_before_anything_is_opened() {
        let home = home(&[]);
        insta::assert_snapshot!(refusal(&home, &[("sslmode", "verify-full")]), @r"
        error: `sslmode` asks to check the server, and there is no root certificate
          hint: set `sslrootcert` to a PEM file, or to `system` for the system's own list, or put the file at ~/.postgresql/root.crt
        ");
        // A path that was mistyped must not switch the check off.
        let pairs = [("sslmode", "require"), ("sslrootcert", "~/none.crt")];
        insta::assert_snapshot!(refusal(&home, &pairs), @"error: the root certificates `HOME/none.crt` (sslrootcert) do not exist");
        // Sockets are not encrypted, so there is nothing to check.
        assert!(resolve_in(&home, &[("sslmode", "verify-full")], false).is_ok());
    }

    #[test]
    fn a_client_certificate_needs_its_key() {
        let both = home(&[("postgresql.crt", 0o644), ("postgresql.key", 0o600)]);
        let folder = both.path().join(".postgresql");
        let found = resolve_in(&both, &[], true).unwrap();
        let expected = (folder.join("postgresql.crt"), folder.join("postgresql.key"));
        assert_eq!(found.client, Some(expected));
        assert_eq!(resolve_in(&both, &[], false).unwrap().client, None);
        let disabled = resolve_in(&both, &[("sslmode", "disable")], true).unwrap();
        assert_eq!(disabled.client, None);

        let certificate_only = home(&[("postgresql.crt", 0o644)]);
        assert!(refusal(&certificate_only, &[]).contains("postgresql.key` of the client"));
        let key_only = home(&[("postgresql.key", 0o644)]);
        assert_eq!(resolve_in(&key_only, &[], true).unwrap().client, None);
        let missing = refusal(&key_only, &[("sslcert", "/none/c.crt")]);
        insta::assert_snapshot!(missing, @"error: the client certificate `/none/c.crt` (sslcert) does not exist");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        for mode in [0o604, 0o644, 0o660, 0o610, 0o666] {
            let home = home(&[("postgresql.crt", 0o644), ("postgresql.key", mode)]);
            let message = refusal(&home, &[]);
            insta::allow_duplicates! {
                insta::assert_snapshot!(message, @r"
                error: the key `HOME/.postgresql/postgresql.key` (sslkey) can be read by others than its owner
                  hint: run `chmod 600 HOME/.postgresql/postgresql.key`
                ");
            }
        }
    }

    #[test]
    fn a_revocation_list_that_libpq_would_heed_is_worth_a_warning() {
        let home = home(&[("root.crt", 0o644), ("root.crl", 0o644)]);
        let environment = Environment::new([], Some(home.path().to_owned()), None);
        for (mode, count) in [("require", 1), ("prefer", 0)] {
            let mut settings = Settings::default();
            settings.set("sslmode", mode).unwrap();
            let mut warnings = Vec::new();
            resolve(&settings, &environment, true, &mut warnings).unwrap();
            assert_eq!(warnings.len(), count, "{warnings:?}");
        }
    }

    #[test]
    fn without_a_home_there_are_no_default_files() {
        let environment = Environment::new([], None, None);
        let found = resolve(&Settings::default(), &environment, true, &mut Vec::new()).unwrap();
        assert_eq!((found.root, found.client), (RootCerts::None, None));
    }
}
