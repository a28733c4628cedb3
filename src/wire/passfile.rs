//! The password file (`PostgreSQL` manual, "The Password File"):
//! `host:port:database:user:password`, one a line, the first that fits.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::secret::Secret;

/// Reads a password file. `None`, with a warning where people should know, when there is none or
/// others may read it: libpq then does without, too.
pub(super) fn read(path: &Path, named: bool, warnings: &mut Vec<String>) -> Option<PasswordFile> {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(cause) => {
            if named || cause.kind() != io::ErrorKind::NotFound {
                warnings.push(format!(
                    "the password file `{shown}` cannot be read: {cause}"
                ));
            }
            return None;
        }
    };
    if !metadata.is_file() {
        // `/dev/null` is how a password file is switched off.
        if path != Path::new("/dev/null") {
            warnings.push(format!(
                "the password file `{shown}` is left out: it is not a plain file"
            ));
        }
        return None;
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        warnings.push(format!(
            "the password file `{shown}` is left out: group or others may read it; run `chmod 600 {shown}`"
        ));
        return None;
    }
    match std::fs::read(path) {
        Ok(bytes) => Some(PasswordFile(bytes)),
        Err(cause) => {
            warnings.push(format!(
                "the password file `{shown}` cannot be read: {cause}"
            ));
            None
        }
    }
}

/// The text of a password file.
pub(super) struct PasswordFile(Vec<u8>);

impl PasswordFile {
    /// The password for this login, if there is one. `host` is `localhost` for a default socket.
    pub(super) fn password(
        &self,
        host: &str,
        port: u16,
        dbname: &str,
        user: &str,
    ) -> Option<Secret> {
        let port = port.to_string();
        let rest = self
            .0
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"#"))
            .map(without_line_end)
            .find_map(|line| {
                [host, &port, dbname, user]
                    .iter()
                    .try_fold(line, |rest, wanted| after_field(rest, wanted.as_bytes()))
            })?;
        let password = String::from_utf8(unescaped(rest)).ok()?;
        (!password.is_empty()).then(|| Secret::new(password))
    }
}

/// Takes off the carriage returns of a line end, as libpq, and no blank: it may be of the password.
fn without_line_end(mut line: &[u8]) -> &[u8] {
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}

/// What follows the first field of `line` and its colon, if that field is `*` or is `wanted`. In a
/// field, a backslash takes away the meaning of the byte behind it.
fn after_field<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut wanted = wanted.iter();
    let mut bytes = line.iter();
    loop {
        let byte = match bytes.next()? {
            b':' => return wanted.next().is_none().then_some(bytes.as_slice()),
            b'\\' => bytes.next()?,
            byte => byte,
        };
        if wanted.next() != Some(byte) {
            return None;
        }
    }
}

/// The last field without its escapes; it ends at a colon, as in libpq.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => out.push(bytes.next().copied().unwrap_or(byte)),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str, port: u16, dbname: &str, user: &str) -> Option<String> {
        PasswordFile(text.as_bytes().to_vec())
            .password(host, port, dbname, user)
            .map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn lines_match_as_in_libpq() {
        let cases = [
            ("h:5432:d:u:secret", Some("secret")),
            ("h:5432:d:u:secret\r\n", Some("secret")),
            ("*:*:*:*:any", Some("any")),
            ("h:*:d:*:some", Some("some")),
            ("# h:5432:d:u:no\n\nh:5432:d:u:yes\n", Some("yes")),
            (
                "h:5432:d:x:no\nh:5432:d:u:first\n*:*:*:*:second",
                Some("first"),
            ),
            (r"h:5432:d:u:a\:b\\c", Some(r"a:b\c")),
            (r"h:5432:d:u:a\", Some(r"a\")),
            (r"\h:5432:d:u:escaped", Some("escaped")),
            ("h:5432:d:u: blanks ", Some(" blanks ")),
            ("h:5432:d:u:before:after", Some("before")),
            ("h:5432:d:u:pass#word", Some("pass#word")),
            ("h:5432:d:u:ä", Some("ä")),
            // No match.
            ("", None),
            ("h:5432:d:u", None),
            ("h:5432:d:u:", None),
            ("h:5432", None),
            ("hh:5432:d:u:no", None),
            ("*h:5432:d:u:no", None),
            (r"\*:5432:d:u:no", None),
            (" h:5432:d:u:no", None),
            ("H:5432:d:u:no", None),
            ("h:543:d:u:no", None),
            (r"h\", None),
            (":5432:d:u:no", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                found(text, "h", 5432, "d", "u").as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn names_with_colons_and_backslashes_are_escaped_in_the_file() {
        let text = r"\:\:1:5432:a\\b:u\:v:secret";
        assert_eq!(
            found(text, "::1", 5432, r"a\b", "u:v").as_deref(),
            Some("secret")
        );
        assert_eq!(found("::1:5432:d:u:no", "::1", 5432, "d", "u"), None);
    }

    #[test]
    fn bytes_that_are_not_utf8_hurt_only_their_own_line() {
        let file = PasswordFile(b"\xff:1:d:u:x\nh:1:d:u:ok\nh:2:d:u:\xff".to_vec());
        assert_eq!(file.password("h", 1, "d", "u"), Some(Secret::new("ok")));
        assert_eq!(file.password("h", 2, "d", "u"), None);
    }

    /// What reading a file of this mode says: whether it was taken, and the warnings.
    fn reading(mode: u32) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "*:*:*:*:hunter2").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut warnings = Vec::new();
        let taken = read(&path, false, &mut warnings).is_some();
        let warnings = warnings.join("\n");
        assert!(!warnings.contains("hunter2"));
        (
            taken,
            warnings.replace(folder.path().to_str().unwrap(), "FOLDER"),
        )
    }

    #[test]
    fn a_file_that_others_may_read_is_left_out_with_a_warning() {
        assert_eq!(reading(0o600), (true, String::new()));
        assert_eq!(reading(0o400), (true, String::new()));
        for mode in [0o640, 0o604, 0o610, 0o644] {
            let (taken, warning) = reading(mode);
            assert!(!taken, "{mode:o}");
            insta::allow_duplicates! {
                insta::assert_snapshot!(warning, @"the password file `FOLDER/pgpass` is left out: group or others may read it; run `chmod 600 FOLDER/pgpass`");
            }
        }
    }

    #[test]
    fn a_missing_file_is_worth_a_warning_only_when_it_was_named() {
        let mut warnings = Vec::new();
        let path = Path::new("/nonexistent/pgpass");
        assert!(read(path, false, &mut warnings).is_none());
        assert!(warnings.is_empty());
        assert!(read(path, true, &mut warnings).is_none());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn dev_null_switches_the_file_off_silently_and_a_folder_does_not() {
        let mut warnings = Vec::new();
        assert!(read(Path::new("/dev/null"), true, &mut warnings).is_none());
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(read(Path::new("/"), true, &mut warnings).is_none());
        assert_eq!(warnings.len(), 1);
    }
}
