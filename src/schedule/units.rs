//! The lines to paste: of a crontab, and of a systemd service and its timer.

use std::path::PathBuf;
use std::time::Duration;

use super::calendar::calendars;
use super::expression::Expression;

/// What is to run, and when.
#[derive(Debug)]
pub struct Plan {
    /// The job's name.
    pub job: String,
    /// This program, absolute.
    pub program: PathBuf,
    /// The job file, absolute.
    pub file: PathBuf,
    /// More arguments.
    pub arguments: Vec<String>,
    /// When.
    pub at: Expression,
    /// A random wait before the start, at most this long.
    pub jitter: Option<Duration>,
    /// Whose crontab it is, and whom the service runs as; `None` for root.
    pub user: Option<String>,
}

impl Plan {
    /// The name of its units, without their ending.
    pub fn unit(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = self.job.chars().map(|c| if plain(c) { c } else { '-' });
        format!("dwsload-{}", name.collect::<String>())
    }

    /// Program and arguments.
    fn words(&self) -> Result<Vec<String>, String> {
        let mut words = Vec::new();
        for path in [&self.program, &self.file] {
            let text = path.to_str().ok_or_else(|| {
                format!("`{}` is not UTF-8, and cannot be pasted", path.display())
            })?;
            words.push(text.to_owned());
        }
        words.extend(self.arguments.iter().cloned());
        match words.iter().find(|word| word.chars().any(char::is_control)) {
            Some(word) => Err(format!(
                "{word:?} has a control character, and cannot be pasted"
            )),
            None => Ok(words),
        }
    }
}

/// The line of a crontab.
///
/// # Errors
/// A path or an argument cannot be written there.
pub fn crontab(plan: &Plan) -> Result<String, String> {
    let mut words = plan.words()?;
    if let Some(word) = words
        .iter()
        .find(|word| word.contains("\\\\") || word.contains("\\%"))
    {
        return Err(format!(
            "`{word}` cannot be written in a crontab: not every cron reads the backslash in it the same way"
        ));
    }
    if let Some(jitter) = plan.jitter {
        words.extend(["--jitter".to_owned(), short(jitter)]);
    }
    let words: Vec<String> = words.iter().map(|word| shell_quoted(word)).collect();
    // cron ends the command at a `%`, also between quotes.
    Ok(format!(
        "{} {}\n",
        plan.at,
        words.join(" ").replace('%', "\\%")
    ))
}

/// The service.
///
/// # Errors
/// A path or an argument cannot be written there.
pub fn service(plan: &Plan) -> Result<String, String> {
    let words = plan.words()?;
    // No variable is looked for in the name of the program.
    let words = words.iter().enumerate();
    let words: Vec<String> = words.map(|(at, word)| unit_quoted(word, at > 0)).collect();
    let user = match &plan.user {
        Some(user) => format!("User={}\n", user.replace('%', "%%")),
        None => String::new(),
    };
    Ok(format!(
        "[Unit]\nDescription=dwsload {}\nWants=network-online.target\nAfter=network-online.target\n\n\
         [Service]\nType=oneshot\n{user}ExecStart={}\n",
        plan.job.replace('%', "%%"),
        words.join(" ")
    ))
}

/// The timer.
pub fn timer(plan: &Plan) -> String {
    let mut times = String::new();
    for calendar in calendars(&plan.at) {
        times.push_str(&format!("OnCalendar={calendar}\n"));
    }
    let jitter = match plan.jitter {
        Some(jitter) if jitter.subsec_nanos() == 0 => {
            format!("RandomizedDelaySec={}\n", jitter.as_secs())
        }
        Some(jitter) => format!("RandomizedDelaySec={}ms\n", jitter.as_millis()),
        None => String::new(),
    };
    // Without it systemd may be a minute late.
    format!(
        "[Unit]\nDescription=dwsload {}, as cron's {}\n\n[Timer]\n{times}AccuracySec=1s\n{jitter}\n\
         [Install]\nWantedBy=timers.target\n",
        plan.job.replace('%', "%%"),
        plan.at
    )
}

/// A time without blanks: `1h30m`.
fn short(time: Duration) -> String {
    humantime::format_duration(time)
        .to_string()
        .replace(' ', "")
}

/// A word as a shell takes it.
fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A word as `ExecStart` takes it (systemd.service(5), "Command lines").
fn unit_quoted(word: &str, has_variables: bool) -> String {
    let word = word.replace('%', "%%");
    let word = if has_variables {
        word.replace('$', "$$")
    } else {
        word
    };
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,$".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(file: &str, arguments: &[&str]) -> Plan {
        Plan {
            job: "or ders".into(),
            program: "/usr/local/bin/dwsload".into(),
            file: file.into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            at: Expression::parse("5 2 1 * mon").unwrap(),
            jitter: Some(Duration::from_secs(90)),
            user: Some("etl".into()),
        }
    }

    #[test]
    fn what_a_shell_cron_or_systemd_would_read_otherwise_is_quoted() {
        let plan = plan(
            "/srv/it's 100%/a$b.yaml",
            &["--var", "d=%Y \"x\"", "--quiet"],
        );
        insta::assert_snapshot!(crontab(&plan).unwrap(), @r#"5 2 1 * 1 /usr/local/bin/dwsload '/srv/it'\''s 100\%/a$b.yaml' --var 'd=\%Y "x"' --quiet --jitter 1m30s"#);
        insta::assert_snapshot!(service(&plan).unwrap(), @r#"
        [Unit]
        Description=dwsload or ders
        Wants=network-online.target
        After=network-online.target

        [Service]
        Type=oneshot
        User=etl
        ExecStart=/usr/local/bin/dwsload "/srv/it's 100%%/a$$b.yaml" --var "d=%%Y \"x\"" --quiet
        "#);
        insta::assert_snapshot!(timer(&plan), @r"
        [Unit]
        Description=dwsload or ders, as cron's 5 2 1 * 1

        [Timer]
        OnCalendar=*-*-01 02:05:00
        OnCalendar=Mon *-*-* 02:05:00
        AccuracySec=1s
        RandomizedDelaySec=90

        [Install]
        WantedBy=timers.target
        ");
        assert_eq!(plan.unit(), "dwsload-or-ders");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        assert!(crontab(&plan("/a\nb.yaml", &[])).is_err());
        assert!(service(&plan("/a\nb.yaml", &[])).is_err());
        assert!(crontab(&plan("/a\\%b.yaml", &[])).is_err());
        assert!(crontab(&plan("/a\\b.yaml", &[])).is_ok());
    }
}
