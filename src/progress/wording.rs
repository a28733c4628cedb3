//! Numbers and outcomes as people read them, the same on a terminal and in a log.

use std::time::Duration;

use super::event::{Changes, Outcome};
use crate::error::indented;
use crate::run::Totals;
use crate::sink::Rejected;
use crate::wire::error::ServerMessage;

/// `36000` as `36,000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(number: u64) -> String {
    format!(
        "{} row{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

/// `1 record`, `2 records`.
pub(crate) fn records(number: u64) -> String {
    format!(
        "{} record{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

/// Bytes in decimal units: `512 B`, `7.1 MB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.95 {
            return if unit == "B" {
                format!("{number} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// `4 ms`, `1.2 s`, `3 min 20 s`.
pub(crate) fn time(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match elapsed.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        1000..100_000 => format!("{:.1} s", elapsed.as_secs_f64()),
        _ if seconds < 3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `4 s`, `3 min 20 s`: for what is a guess.
pub(super) fn whole_time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// What a step did, and how long it took.
pub(super) fn outcome(outcome: &Outcome, elapsed: Duration) -> String {
    let took = time(elapsed);
    match outcome {
        Outcome::Sql(tags) if tags.is_empty() => format!("nothing to do ({took})"),
        Outcome::Sql(tags) => format!("{} ({took})", folded(tags)),
        Outcome::Holds(_) => format!("holds ({took})"),
        Outcome::Loaded {
            rows: number,
            bytes: size,
            files,
            before,
            rejected,
            filtered,
            changes: done,
        } => format!(
            "{}, {}{}{} from {} file{}{}{} ({took}{})",
            rows(*number),
            bytes(*size),
            set_aside(*rejected, "rejected"),
            set_aside(*filtered, "filtered"),
            count(*files as u64),
            if *files == 1 { "" } else { "s" },
            loaded_before(*before),
            done.map_or(String::new(), |done| format!(": {}", changes(&done))),
            speed(*size, elapsed)
        ),
        Outcome::Unloaded {
            rows: number,
            bytes: size,
            reader_gone,
        } => format!(
            "{}, {} ({took}{}){}",
            rows(*number),
            bytes(*size),
            speed(*size, elapsed),
            if *reader_gone {
                ", cut short: nobody reads stdout any more"
            } else {
                ""
            }
        ),
    }
}

/// `; 2 files were loaded before`; nothing where none was.
fn loaded_before(files: usize) -> String {
    match files {
        0 => String::new(),
        1 => "; 1 file was loaded before".into(),
        several => format!("; {} files were loaded before", count(several as u64)),
    }
}

/// `, 3 rejected`; nothing where none was.
fn set_aside(records: u64, what: &str) -> String {
    match records {
        0 => String::new(),
        _ => format!(", {} {what}", count(records)),
    }
}

/// Which records of a file are set aside, and what to do with them: `command` loads them again.
pub(super) fn rejected(file: &Rejected<'_>, command: &str) -> String {
    let (path, reasons) = (file.path.display(), file.reasons.display());
    let (records, them) = match file.count {
        1 => ("1 record was".to_owned(), "it"),
        several => (format!("{} records were", count(several)), "them"),
    };
    let mut text = format!("{}: {records} rejected", file.source);
    for reason in file.first {
        text.push_str(&format!("\n{reason}"));
    }
    let more = file.count - file.first.len() as u64;
    if more > 0 {
        text.push_str(&format!("\nand {} more, in {reasons}", count(more)));
    }
    text.push_str(&format!(
        "\nto load {them}, correct {path}\nand run {command}"
    ));
    text
}

/// `3 inserted, 2 updated, 5 unchanged, 1 duplicate left out`.
fn changes(done: &Changes) -> String {
    let mut parts = Vec::new();
    for (number, what) in [
        (done.inserted, "inserted"),
        (done.updated, "updated"),
        (done.deleted, "deleted"),
    ] {
        parts.extend(number.map(|number| format!("{} {what}", count(number))));
    }
    let rest = match done {
        Changes {
            deleted: Some(_), ..
        } => "not there",
        Changes { updated: None, .. } => "there already",
        _ => "unchanged",
    };
    parts.push(format!("{} {rest}", count(done.unchanged)));
    match done.duplicates {
        0 => {}
        1 => parts.push("1 duplicate left out".into()),
        several => parts.push(format!("{} duplicates left out", count(several))),
    }
    parts.join(", ")
}

/// Command tags, equal neighbours counted: `INSERT 0 1 x 3, SELECT 3`.
fn folded(tags: &[String]) -> String {
    let groups: Vec<String> = tags
        .chunk_by(|a, b| a == b)
        .map(|group| match group {
            [tag] => tag.clone(),
            group => format!("{} x {}", group[0], group.len()),
        })
        .collect();
    groups.join(", ")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "three digits are shown"
)]
fn speed(size: u64, elapsed: Duration) -> String {
    // Below that the figure is noise.
    if elapsed < Duration::from_millis(100) || size < 1_000_000 {
        return String::new();
    }
    format!(
        ", {}/s",
        bytes((size as f64 / elapsed.as_secs_f64()) as u64)
    )
}

/// What is waited for, and how long at most.
pub(super) fn waiting(what: &str, most: Duration) -> String {
    format!("waiting up to {} for {}", whole(most), one_line(what))
}

/// A time that is still to come, in whole seconds: `1h 2m 3s`.
pub(crate) fn whole(time: Duration) -> String {
    let more = u64::from(time.subsec_nanos() > 0);
    humantime::format_duration(Duration::from_secs(time.as_secs() + more)).to_string()
}

/// The last line of a job.
pub(super) fn done(job: &str, totals: Totals, elapsed: Duration) -> String {
    let Totals {
        loaded,
        unloaded,
        rejected,
        unmoved,
    } = totals;
    let mut what = Vec::new();
    if loaded > 0 {
        what.push(format!("{} loaded", rows(loaded)));
    }
    if unloaded > 0 {
        what.push(format!("{} unloaded", rows(unloaded)));
    }
    if rejected > 0 {
        what.push(format!("{} rejected", count(rejected)));
    }
    if unmoved > 0 {
        what.push(format!(
            "{} file{} not moved",
            count(unmoved),
            if unmoved == 1 { "" } else { "s" }
        ));
    }
    let what = if what.is_empty() {
        String::new()
    } else {
        format!(", {}", what.join(", "))
    };
    format!("{job}: done{what} in {}", time(elapsed))
}

/// A name on one line: table and file names may hold line feeds and worse.
pub(crate) fn one_line(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// `line` cut between words so that no piece is wider than `width`, as far as words allow.
pub(crate) fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            if used > 0 {
                piece.push(' ');
                used += 1;
            }
            piece.push_str(word);
            used += length;
        }
    }
    pieces
}

/// A notice of the server, with its detail and hint.
pub(super) fn notice(said: &ServerMessage) -> String {
    let message = indented(&said.message, "  ");
    let mut text = format!("{}: {message}", said.severity.to_lowercase());
    for (label, more) in [("detail", &said.detail), ("hint", &said.hint)] {
        if let Some(more) = more {
            text.push_str(&format!("\n  {label}: {}", indented(more, "    ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rows(1), "1 row");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(7_140_000), "7.1 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(time(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(time(Duration::from_secs(3720)), "1 h 2 min");
    }

    #[test]
    fn control_characters_of_names_and_notices_are_made_visible() {
        assert_eq!(one_line("a\nb\u{1b}[2Jé"), "a\\nb\\u{1b}[2Jé");
        let said = ServerMessage {
            severity: "NOTICE".into(),
            message: "two\nlines\u{7}".into(),
            detail: Some("a\rb".into()),
            ..ServerMessage::default()
        };
        assert_eq!(notice(&said), "notice: two\n  lines\\u{7}\n  detail: a\\rb");
    }

    #[test]
    fn equal_tags_are_counted() {
        let tags = ["INSERT 0 1", "INSERT 0 1", "SELECT 2"]
            .map(String::from)
            .to_vec();
        assert_eq!(
            outcome(&Outcome::Sql(tags), Duration::from_millis(3)),
            "INSERT 0 1 x 2, SELECT 2 (3 ms)"
        );
    }

    #[test]
    fn a_long_line_is_wrapped_between_words() {
        assert_eq!(wrapped("a bb ccc dddd", 5), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrapped("abcdefgh ij", 5), ["abcdefgh", "ij"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("a  b", 5), ["a  b"]);
    }
}
