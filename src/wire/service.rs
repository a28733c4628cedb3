//! Connection service files (`PostgreSQL` manual, "The Connection Service File"): named groups of
//! settings.

use std::io;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::settings::{Settings, is_dispensable};
use crate::error::{Error, ErrorKind, Result};

/// Adds the settings of service `name` to `settings`, where these are silent.
///
/// The file is the setting `servicefile`, else PGSERVICEFILE, else `~/.pg_service.conf`; a service
/// that the last one does not have is looked up in `pg_service.conf` of the system's folder.
/// Settings of libpq that change nothing here are left out and said so in `warnings`.
///
/// # Errors
/// The service is nowhere, a file cannot be read, or the group has a line that makes no sense.
pub(super) fn add(
    name: &str,
    settings: &mut Settings,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let mut seen = Vec::new();
    for (path, must_exist) in files(settings, environment)? {
        let Some(text) = read(&path, must_exist)? else {
            continue;
        };
        let entries = entries(&text, name).map_err(|problem| problem.within(&path, name))?;
        if let Some(entries) = entries {
            return merge(entries, settings, warnings)
                .map_err(|problem| problem.within(&path, name));
        }
        seen.push(path);
    }
    Err(not_found(name, &seen))
}

/// The files to look into, in order, and whether each must be there.
fn files(settings: &Settings, environment: &Environment) -> Result<Vec<(PathBuf, bool)>> {
    let named = match settings.filled("servicefile") {
        Some(path) => Some(environment.expand(path)),
        None => environment
            .variable("PGSERVICEFILE")?
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
    };
    let own = match named {
        Some(path) => Some((path, true)),
        None => environment
            .home()
            .map(|home| (home.join(".pg_service.conf"), false)),
    };
    let folder = environment
        .variable("PGSYSCONFDIR")?
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| environment.system_folder.clone(), PathBuf::from);
    Ok(own
        .into_iter()
        .chain([(folder.join("pg_service.conf"), false)])
        .collect())
}

fn read(path: &Path, must_exist: bool) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(cause) => Err(Error::new(
            ErrorKind::Usage,
            format!("cannot read the service file `{}`", path.display()),
        )
        .because(cause)),
    }
}

fn not_found(name: &str, seen: &[PathBuf]) -> Error {
    let error = Error::new(
        ErrorKind::Usage,
        format!("there is no connection service `{name}`"),
    );
    if seen.is_empty() {
        return error.hint(format!(
            "there is no service file; write `[{name}]` and lines such as `host=...` into ~/.pg_service.conf, or name a file in PGSERVICEFILE"
        ));
    }
    let files: Vec<String> = seen
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    error.hint(format!(
        "looked for a line `[{name}]` in {}",
        files.join(" and ")
    ))
}

/// A line of a service file that makes no sense. Never repeats the line: it may be a password.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    line: usize,
    message: String,
}

impl Problem {
    fn within(self, path: &Path, name: &str) -> Error {
        Error::new(
            ErrorKind::Usage,
            format!(
                "line {} of the service file `{}`, in service `{name}`: {}",
                self.line,
                path.display(),
                self.message
            ),
        )
    }
}

/// One setting of a group.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    line: usize,
    keyword: &'a str,
    value: &'a str,
}

/// The settings of the first group called `name`; `None` where there is no such group.
///
/// As libpq: blanks around a line, empty lines and lines that begin with `#` do not count; blanks
/// around the `=` do; other groups are not looked at.
fn entries<'a>(text: &'a str, name: &str) -> Result<Option<Vec<Entry<'a>>>, Problem> {
    let mut found: Option<Vec<Entry<'a>>> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(group) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if group
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(']'))
            {
                found = Some(Vec::new());
            }
        } else if let Some(found) = &mut found {
            found.push(entry(index + 1, line)?);
        }
    }
    Ok(found)
}

fn entry(number: usize, line: &str) -> Result<Entry<'_>, Problem> {
    let problem = |message: &str| Problem {
        line: number,
        message: message.into(),
    };
    if line.starts_with("ldap") && line.contains("://") {
        return Err(problem("settings from an LDAP server are not supported"));
    }
    let Some((keyword, value)) = line.split_once('=') else {
        return Err(problem("it must be `keyword=value`"));
    };
    if keyword.ends_with(char::is_whitespace) {
        return Err(problem("there may be no blank before the `=`"));
    }
    if matches!(keyword, "service" | "servicefile") {
        return Err(problem("a service cannot refer to another service"));
    }
    Ok(Entry {
        line: number,
        keyword,
        value,
    })
}

fn merge(
    entries: Vec<Entry<'_>>,
    settings: &mut Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Problem> {
    for Entry {
        line,
        keyword,
        value,
    } in entries
    {
        if is_dispensable(keyword, value) {
            warnings.push(format!(
                "the setting `{keyword}` of the service file is left out: dwsload does not know it"
            ));
            continue;
        }
        settings
            .set_default(keyword, value)
            .map_err(|message| Problem { line, message })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    const FILE: &str = "\
# of the department
host=nowhere
[sales-old]
host=old

  [sales]   \n  # comment = x
host=dw.example.com\r
port=8000
password= a=b #c

[other]
nonsense
[sales]
user=second
";

    fn keyword_and_value<'a>(text: &'a str, name: &str) -> Option<Vec<(&'a str, &'a str)>> {
        entries(text, name).unwrap().map(|found| {
            found
                .iter()
                .map(|entry| (entry.keyword, entry.value))
                .collect()
        })
    }

    #[test]
    fn a_group_is_read_to_the_next_one_and_only_the_first_of_its_name() {
        let sales = [
            ("host", "dw.example.com"),
            ("port", "8000"),
            ("password", " a=b #c"),
        ];
        assert_eq!(keyword_and_value(FILE, "sales"), Some(sales.to_vec()));
        assert_eq!(
            keyword_and_value(FILE, "sales-old"),
            Some(vec![("host", "old")])
        );
        assert_eq!(keyword_and_value(FILE, "sale"), None);
        assert_eq!(keyword_and_value("[a]\n[b]\nhost=b", "a"), Some(vec![]));
        assert_eq!(keyword_and_value("", "a"), None);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_by_its_number_and_not_repeated() {
        for (line, expected) in [
            ("hunter2", "`keyword=value`"),
            ("host = hunter2", "blank"),
            ("service=hunter2", "another service"),
            ("ldap://hunter2/x", "LDAP"),
        ] {
            let text = format!("[s]\n\n{line}\n");
            let problem = entries(&text, "s").unwrap_err();
            assert_eq!(problem.line, 3, "{line}");
            assert!(problem.message.contains(expected), "{}", problem.message);
            assert!(!problem.message.contains("hunter2"), "{}", problem.message);
        }
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
            Self(folder)
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        /// Looks `name` up with this folder as home, as system folder, and with these variables.
        fn add(&self, name: &str, settings: &mut Settings, variables: &[(&str, &str)]) -> String {
            let home = Some(self.0.path().to_owned());
            let mut environment = Environment::new(variables.iter().copied(), home, None);
            environment.system_folder = self.0.path().join("none");
            let mut warnings = Vec::new();
            match add(name, settings, &environment, &mut warnings) {
                Ok(()) => warnings.join("\n"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Usage);
                    render(&error).replace(self.0.path().to_str().unwrap(), "FOLDER")
                }
            }
        }
    }

    #[test]
    fn the_users_file_comes_before_the_systems_and_a_named_one_replaces_it() {
        let folder = Folder::new(&[
            (".pg_service.conf", "[a]\ndbname=own\n"),
            (
                "pg_service.conf",
                "[a]\ndbname=system\n[b]\ndbname=system\n",
            ),
            ("named", "[a]\ndbname=named\n"),
            ("set", "[a]\ndbname=set\n"),
        ]);
        let system = folder.path("");
        let (named, set) = (folder.path("named"), folder.path("set"));
        let system = ("PGSYSCONFDIR", system.as_str());
        let named = ("PGSERVICEFILE", named.as_str());
        for (name, variables, servicefile, expected) in [
            ("a", vec![system], None, "own"),
            ("b", vec![system], None, "system"),
            ("a", vec![system, named], None, "named"),
            ("b", vec![system, named], None, "system"),
            ("a", vec![named], Some(set.as_str()), "set"),
            ("a", vec![named], Some("~/set"), "set"),
        ] {
            let mut settings = Settings::default();
            if let Some(path) = servicefile {
                settings.set("servicefile", path).unwrap();
            }
            assert_eq!(folder.add(name, &mut settings, &variables), "");
            assert_eq!(
                settings.get("dbname"),
                Some(expected),
                "{name} {variables:?}"
            );
        }
    }

    #[test]
    fn a_service_fills_in_and_does_not_overrule() {
        let folder = Folder::new(&[(".pg_service.conf", FILE)]);
        let mut settings = Settings::default();
        settings.set("port", "1").unwrap();
        settings.set("password", "").unwrap();
        folder.add("sales", &mut settings, &[]);
        assert_eq!(settings.get("host"), Some("dw.example.com"));
        assert_eq!(settings.get("port"), Some("1"));
        assert_eq!(settings.get("password"), Some(""));
    }

    #[test]
    fn a_service_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for() {
        let folder = Folder::new(&[(".pg_service.conf", FILE)]);
        insta::assert_snapshot!(folder.add("sale", &mut Settings::default(), &[]), @r"
        error: there is no connection service `sale`
          hint: looked for a line `[sale]` in `FOLDER/.pg_service.conf`
        ");
        let empty = Folder::new(&[]);
        insta::assert_snapshot!(empty.add("sale", &mut Settings::default(), &[]), @r"
        error: there is no connection service `sale`
          hint: there is no service file; write `[sale]` and lines such as `host=...` into ~/.pg_service.conf, or name a file in PGSERVICEFILE
        ");
        let missing = empty.path("missing");
        insta::assert_snapshot!(empty.add("a", &mut Settings::default(), &[("PGSERVICEFILE", &missing)]), @r"
        error: cannot read the service file `FOLDER/missing`
          caused by: No such file or directory (os error 2)
        ");
    }

    #[test]
    fn settings_of_libpq_that_change_nothing_are_left_out_and_the_others_refused() {
        let text = "[a]\ntcp_user_timeout=5\nhost=dw\n[b]\nhost=dw\nrequire_auth=none\n[c]\nhots=x\n[d]\nport=x\n";
        let folder = Folder::new(&[(".pg_service.conf", text)]);
        let mut settings = Settings::default();
        insta::assert_snapshot!(folder.add("a", &mut settings, &[]), @"the setting `tcp_user_timeout` of the service file is left out: dwsload does not know it");
        assert_eq!(settings.get("host"), Some("dw"));
        insta::assert_snapshot!(folder.add("b", &mut Settings::default(), &[]), @"error: line 6 of the service file `FOLDER/.pg_service.conf`, in service `b`: `require_auth` is a connection setting of libpq that dwsload does not support");
        insta::assert_snapshot!(folder.add("c", &mut Settings::default(), &[]), @"error: line 8 of the service file `FOLDER/.pg_service.conf`, in service `c`: `hots` is not a connection setting");
        insta::assert_snapshot!(folder.add("d", &mut Settings::default(), &[]), @"error: line 10 of the service file `FOLDER/.pg_service.conf`, in service `d`: `port` must be a number from 1 to 65535, not `x`");
    }
}
