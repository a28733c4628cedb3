//! What becomes of the bytes of a file before they are fields: encodings, NUL bytes, lines before
//! the data.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod encodings;
mod lines;
mod nul;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Ran;
use crate::support::scene::Scene;

/// The one file of rejected records of the latest run: its path, its bytes, and the reasons.
fn rejects(scene: &Scene) -> (PathBuf, Vec<u8>, Vec<Value>) {
    let mut runs: Vec<PathBuf> = fs::read_dir(scene.place.path("rejects"))
        .unwrap()
        .map(|run| run.unwrap().path())
        .collect();
    runs.sort_by_key(|run| fs::metadata(run).unwrap().modified().unwrap());
    let mut files: Vec<PathBuf> = fs::read_dir(runs.last().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let [records, reasons] = files.as_slice() else {
        panic!("{files:?}");
    };
    let reasons = fs::read_to_string(reasons).unwrap();
    let reasons = reasons
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (
        records.clone(),
        fs::read(records).unwrap(),
        reasons.collect(),
    )
}

/// What there is to say of a reason: record, line, offset, code, reason.
fn in_short(reasons: &[Value]) -> Vec<String> {
    let text = |reason: &Value| {
        ["record", "line", "offset", "code", "reason"]
            .map(|key| match &reason[key] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .join(" ")
    };
    reasons.iter().map(text).collect()
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}
