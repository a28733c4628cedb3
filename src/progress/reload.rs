//! The command that loads rejected records once they are corrected, ready to be pasted.

use crate::job::Job;
use crate::sink::Rejected;

/// `program` is how this one was called.
pub(super) fn command(program: &str, job: &Job, rejected: &Rejected<'_>) -> String {
    let mut words = vec![program.to_owned(), job.file.display().to_string()];
    for (name, value) in &job.given {
        words.extend(["--var".to_owned(), format!("{name}={value}")]);
    }
    if job.step_count > 1 {
        words.extend(["--only".to_owned(), step(job, rejected.step)]);
    }
    words.extend(["--input".to_owned(), rejected.path.display().to_string()]);
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// The step as `--only` takes it: by its name, where that is no other's.
fn step(job: &Job, number: usize) -> String {
    let named = |name: &str| {
        let same = job
            .steps
            .iter()
            .filter(|step| step.name.as_deref() == Some(name));
        // Those that are not run this time may be called so too.
        job.steps.len() == job.step_count && same.count() == 1 && name.parse::<usize>().is_err()
    };
    let step = job.steps.iter().find(|step| step.number == number);
    let name = step.and_then(|step| step.name.clone());
    name.filter(|name| named(name))
        .unwrap_or_else(|| number.to_string())
}

/// A word as a shell takes it, in single quotes where that is needed.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_each_word_as_it_is() {
        for (word, expected) in [
            ("jobs/orders.yaml", "jobs/orders.yaml"),
            ("day=2026-01-31", "day=2026-01-31"),
            ("größe", "größe"),
            ("a b", "'a b'"),
            ("it's $HOME", "'it'\\''s $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
