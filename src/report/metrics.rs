//! `--metrics`: the last run of each job in the text format of Prometheus, for the textfile collector
//! of its node exporter.
//!
//! The file that is there is read first: a run that fails leaves the time of the last success as it
//! is, and figures of jobs that are not in this run stay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{Record, StepRecord, StepState, write};
use crate::error::{Error, ErrorKind, Result};

const LAST_RUN: &str = "dwsload_last_run_timestamp_seconds";
const LAST_SUCCESS: &str = "dwsload_last_success_timestamp_seconds";

/// Every figure and what it is.
const METRICS: [(&str, &str); 11] = [
    (LAST_RUN, "When the last run of the job ended."),
    (
        LAST_SUCCESS,
        "When the last run of the job ended that did its work (exit code 0, 3 or 8).",
    ),
    ("dwsload_exit_code", "The exit code of the last run."),
    ("dwsload_duration_seconds", "How long the last run took."),
    (
        "dwsload_retries",
        "Attempts of the last run beyond its first.",
    ),
    (
        "dwsload_step_rows",
        "Rows that the step of the last run loaded or unloaded.",
    ),
    (
        "dwsload_step_rejected",
        "Records that the step of the last run set aside.",
    ),
    (
        "dwsload_step_filtered",
        "Records that a condition of the step left out.",
    ),
    (
        "dwsload_step_bytes",
        "Bytes that the step of the last run moved, decompressed.",
    ),
    (
        "dwsload_step_files",
        "Files that the step of the last run loaded.",
    ),
    (
        "dwsload_step_duration_seconds",
        "How long the step of the last run took.",
    ),
];

/// The longest file that is read: some hundred bytes a step.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Labels as they are written, in their order: name, value.
type Labels = Vec<(String, String)>;
/// Figures by name, then by labels: values as they are written.
type Samples = BTreeMap<String, BTreeMap<Labels, String>>;

/// Writes the figures of `records` into the file that has them.
///
/// # Errors
/// The file cannot be read or written.
pub fn metrics(path: &Path, records: &[Record]) -> Result<()> {
    let old = read(path).map_err(|cause| {
        Error::new(
            ErrorKind::Output,
            format!("cannot read the metrics in `{}`", path.display()),
        )
        .because(cause)
    })?;
    let mut samples = parsed(&old);
    for record in records {
        // One that was skipped or not run is no run of the job.
        if record.exit.is_some() && !record.is_skipped {
            update(&mut samples, record);
        }
    }
    write(path, &written(&samples))
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) if file.metadata()?.is_file() => {
            file.take(LIMIT).read_to_end(&mut bytes)?;
        }
        Ok(_) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Puts the figures of a run in the place of those of the run before.
fn update(samples: &mut Samples, record: &Record) {
    let file = ("file".to_owned(), record.file.display().to_string());
    // A job file that makes no sense does not tell its job's name; an earlier run did.
    let earlier = samples.get(LAST_RUN).and_then(|runs| {
        let mut runs = runs.keys();
        let labels = runs.find(|labels| labels.get(1) == Some(&file))?;
        Some(labels.first()?.1.clone()).filter(|_| record.run_id.is_none())
    });
    let job = earlier.unwrap_or_else(|| record.job.clone());
    let labels = vec![("job".to_owned(), job), file];
    for (name, of_name) in samples.iter_mut() {
        if name != LAST_SUCCESS {
            of_name.retain(|of, _| !of.starts_with(&labels));
        }
    }
    let ended = record.ended.unwrap_or_else(jiff::Timestamp::now);
    let ended = seconds(ended.as_millisecond());
    let mut set = |name: &str, labels: &Labels, value: String| {
        samples
            .entry(name.to_owned())
            .or_default()
            .insert(labels.clone(), value);
    };
    set(LAST_RUN, &labels, ended.clone());
    let exit = record.exit.unwrap_or_default();
    if record.is_done() {
        set(LAST_SUCCESS, &labels, ended);
    }
    set("dwsload_exit_code", &labels, exit.to_string());
    set(
        "dwsload_duration_seconds",
        &labels,
        record.seconds().unwrap_or_default().to_string(),
    );
    set("dwsload_retries", &labels, record.retries.to_string());
    for step in &record.steps {
        let mut labels = labels.clone();
        labels.push(("step".into(), step.number.to_string()));
        labels.extend(step.name.iter().map(|name| ("name".into(), name.clone())));
        for (name, value) in figures(record, step) {
            set(name, &labels, value);
        }
    }
}

/// The figures of a step. What was undone was not loaded.
fn figures(record: &Record, step: &StepRecord) -> Vec<(&'static str, String)> {
    let counts = |number: u64| match record.state(step) {
        StepState::Done => number.to_string(),
        _ => "0".into(),
    };
    let milliseconds = (step.seconds * 1000.0).round() / 1000.0;
    let mut figures = vec![("dwsload_step_duration_seconds", milliseconds.to_string())];
    if matches!(step.kind, "copy_from" | "copy_to" | "copy_expert") {
        figures.extend([
            ("dwsload_step_rows", counts(step.rows)),
            ("dwsload_step_bytes", counts(step.bytes)),
        ]);
    }
    if step.kind == "copy_from" {
        figures.extend([
            ("dwsload_step_rejected", counts(step.rejected)),
            ("dwsload_step_filtered", counts(step.filtered)),
            ("dwsload_step_files", counts(step.file_count as u64)),
        ]);
    }
    figures
}

/// Milliseconds as seconds: the number of a day has too many digits to be shown as a float.
fn seconds(milliseconds: i64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

fn written(samples: &Samples) -> String {
    let mut text = String::new();
    for (name, help) in METRICS {
        let Some(of_name) = samples.get(name).filter(|of_name| !of_name.is_empty()) else {
            continue;
        };
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in of_name {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
        }
    }
    text
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The samples of a file that we have written; lines of anything else are none.
fn parsed(text: &str) -> Samples {
    let known: BTreeSet<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    let mut samples = Samples::new();
    for line in text.lines() {
        if let Some((name, labels, value)) = sample(line).filter(|(name, ..)| known.contains(name))
        {
            let of_name = samples.entry(name.to_owned()).or_default();
            of_name.insert(labels, value.to_owned());
        }
    }
    samples
}

/// `name{label="value",...} value`
fn sample(line: &str) -> Option<(&str, Labels, &str)> {
    let (name, mut rest) = line.split_once('{')?;
    let mut labels = Labels::new();
    loop {
        let (label, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.push((label.to_owned(), value));
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                let value = after.strip_prefix("} ")?;
                value.parse::<f64>().ok()?;
                return Some((name, labels, value));
            }
        }
    }
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(job: &str, exit: u8, at: i64) -> Record {
        Record {
            exit: Some(exit),
            run_id: Some("r".into()),
            started: Some(jiff::Timestamp::from_millisecond(at - 1500).unwrap()),
            ended: Some(jiff::Timestamp::from_millisecond(at).unwrap()),
            steps: vec![StepRecord {
                number: 1,
                kind: "copy_from",
                is_begun: true,
                is_done: true,
                rows: 5,
                ..StepRecord::default()
            }],
            committed: usize::from(exit == 0),
            ..Record::of_file(Path::new("/jobs/a.yaml"), job)
        }
    }

    fn line<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
        text.lines()
            .filter(|line| line.starts_with(start))
            .collect()
    }

    #[test]
    fn a_failed_run_leaves_the_last_success_and_other_jobs_alone() {
        let mut samples = Samples::new();
        update(&mut samples, &record("a", 0, 1_000_500));
        update(&mut samples, &record("b", 0, 2_000_000));
        let mut samples = parsed(&written(&samples));
        update(&mut samples, &record("a", 1, 3_000_007));
        let text = written(&samples);
        assert_eq!(
            line(&text, LAST_SUCCESS),
            [
                "dwsload_last_success_timestamp_seconds{job=\"a\",file=\"/jobs/a.yaml\"} 1000.500",
                "dwsload_last_success_timestamp_seconds{job=\"b\",file=\"/jobs/a.yaml\"} 2000.000",
            ]
        );
        assert_eq!(
            line(&text, LAST_RUN)[0],
            "dwsload_last_run_timestamp_seconds{job=\"a\",file=\"/jobs/a.yaml\"} 3000.007"
        );
        assert_eq!(
            line(&text, "dwsload_step_rows"),
            [
                "dwsload_step_rows{job=\"a\",file=\"/jobs/a.yaml\",step=\"1\"} 0",
                "dwsload_step_rows{job=\"b\",file=\"/jobs/a.yaml\",step=\"1\"} 5",
            ]
        );
        assert_eq!(line(&text, "# TYPE dwsload_step_rows").len(), 1);
        assert!(text.contains("dwsload_duration_seconds{job=\"a\",file=\"/jobs/a.yaml\"} 1.5\n"));
    }

    #[test]
    fn what_is_no_sample_of_ours_is_left_out() {
        let text = "node_load1{job=\"a\"} 1\ndwsload_exit_code{job=\"a\" 1\ndwsload_exit_code 1\n\
                    dwsload_exit_code{job=\"a} 1\ndwsload_exit_code{job=\"a\"} x\n\\\n{\n";
        assert_eq!(parsed(text), Samples::new());
    }

    proptest! {
        #[test]
        fn labels_are_read_as_they_were_written(job in any::<String>(), name in any::<String>()) {
            let mut record = record(&job, 0, 1000);
            record.steps[0].name = Some(name);
            let mut samples = Samples::new();
            update(&mut samples, &record);
            prop_assert_eq!(parsed(&written(&samples)), samples);
        }
    }
}
