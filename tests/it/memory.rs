//! Memory is bounded: it grows neither with a file nor with the records of it that are bad.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::scene::Scene;

/// What two runs may differ by, in KiB: blocks in flight, and batches that are not full.
const SLACK: u64 = 8 * 1024;

/// The most memory that a run of `steps` has at a time, in KiB; it ends with `exit`.
fn peak(scene: &Scene, steps: &str, exit: i32) -> u64 {
    peak_of(scene.dwsload(steps), steps, exit)
}

/// The same of any `command`, which is about `steps`.
fn peak_of(mut command: Command, steps: &str, exit: i32) -> u64 {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.spawn().unwrap();
    let status = format!("/proc/{}/status", run.id());
    let mut peak = 0;
    let ended = loop {
        let said = fs::read_to_string(&status).unwrap_or_default();
        let found = said.lines().find_map(|line| {
            let size = line.strip_prefix("VmHWM:")?;
            size.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        // One that has ended has none.
        peak = found.unwrap_or(0).max(peak);
        if let Some(ended) = run.try_wait().unwrap() {
            break ended;
        }
        sleep(Duration::from_millis(2));
    };
    assert_eq!(ended.code(), Some(exit), "{steps}");
    assert!(peak > 0, "no memory of the run is to be seen");
    peak
}

/// So many records, every third of which has a quantity that `bad` makes.
fn records(count: usize, bad: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 1..=count {
        let quantity = if number % 3 == 0 {
            bad(number)
        } else {
            number.to_string()
        };
        writeln!(
            text,
            "{number},{quantity},carefully final deposits detect slyly again"
        )
        .unwrap();
    }
    text
}

#[test]
fn it_grows_neither_with_rows_nor_with_rejects() {
    let scene =
        Scene::new("CREATE TABLE t (id int, quantity int CHECK (quantity > 0), comment text)");
    let good = |number: usize| number.to_string();
    let odd = |number: usize| format!("{number} or so");
    let below = |number: usize| format!("-{number}");
    // More than one batch, and many more; those that the server finds take a COPY each.
    for (file, count, fewer) in [("few", 20_000, 20_000), ("many", 200_000, 60_000)] {
        scene.file(&format!("{file}-good.csv"), records(count, good));
        scene.file(&format!("{file}-odd.csv"), records(count, odd));
        scene.file(&format!("{file}-below.csv"), records(fewer, below));
    }
    let reject = ", on_error: reject";
    for (what, file, keys, exit) in [
        ("records as they are", "good", "", 0),
        ("none is rejected", "good", reject, 0),
        ("rejects that the client finds", "odd", reject, 3),
        ("rejects that the server finds", "below", reject, 3),
        (
            "records made anew",
            "good",
            ", null: ['', none], on_error: reject",
            0,
        ),
    ] {
        let [few, many] = ["few", "many"].map(|count| {
            let keys = format!("{{file: {count}-{file}.csv, table: t, format: csv{keys}}}");
            peak(&scene, &format!("- copy_from: {keys}\n"), exit)
        });
        assert!(
            many < few + SLACK,
            "{what}: {few} KiB, and {many} KiB for many times the records"
        );
    }
}

#[test]
fn a_check_that_loads_needs_no_more_for_more_rejects() {
    let scene = Scene::new(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES parent)",
    );
    for (file, count) in [("few", 100_000), ("many", 300_000)] {
        let (mut double, mut orphans) = (String::new(), String::new());
        for number in 0..count {
            writeln!(double, "{},1", number % 10).unwrap();
            writeln!(orphans, "{number},2").unwrap();
        }
        scene.file(&format!("{file}-double.csv"), double);
        scene.file(&format!("{file}-orphans.csv"), orphans);
    }
    for (file, keys) in [
        ("double", ""),
        ("orphans", ""),
        ("orphans", ", mode: upsert"),
    ] {
        let [few, many] = ["few", "many"].map(|count| {
            let steps = format!(
                "- copy_from: {{file: {count}-{file}.csv, table: t, format: csv, on_error: reject, max_rejects: 100%{keys}}}\n"
            );
            let mut check = scene.place.dwsload();
            check.arg("check").arg(scene.job(&steps)).arg("--load");
            peak_of(check, &steps, 3)
        });
        assert!(
            many < few + SLACK,
            "{file}{keys}: {few} KiB, and {many} KiB for three times the records"
        );
    }
}
