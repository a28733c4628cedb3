//! `after`: files go when their records are committed, to where nothing is lost.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::{assert_says, count, scene};
use crate::support::quoted;
use crate::support::running::{Running, gone};
use crate::support::scene::Scene;

/// The files below a folder, in order.
fn files(scene: &Scene, folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(scene.place.path(folder)) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// A job of one step, with a ledger.
fn once(scene: &Scene, keys: &str) -> String {
    let url = quoted(&scene.database.url());
    format!(
        "job: moves\nconnection: {url}\nexactly_once: true\nsteps:\n- copy_from: {{file: 'in/*.txt', table: t, {keys}}}\n"
    )
}

#[test]
fn files_go_with_their_markers_and_replace_nothing() {
    let scene = scene();
    let keys = "file: 'in/*.txt', table: t, ready: {marker: $file.done}, after: {archive: done/x}";
    for (text, expected) in [
        ("1\n", vec!["a.txt", "a.txt.done"]),
        (
            "2\n",
            vec!["2-a.txt", "2-a.txt.done", "a.txt", "a.txt.done"],
        ),
    ] {
        scene.file("in/a.txt", text);
        scene.file("in/a.txt.done", "");
        let ran = scene.load(keys).ok();
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        assert_eq!(files(&scene, "done/x"), expected);
        assert!(files(&scene, "in").is_empty());
    }
    // What is there by another name is told.
    scene.file("in/a.txt", "1\n");
    scene.file("in/a.txt.done", "");
    let ran = scene.load(keys);
    assert_says(&ran, 0, &["it was delivered twice, and is kept as"]);
    assert_eq!(scene.place.read("done/x/3-a.txt"), b"1\n");
    let keys = "file: 'in/*.txt', table: t, ready: {marker: _OK}, after: delete";
    scene.file("in/a.txt", "1\n");
    scene.file("in/b.txt", "1\n");
    scene.file("in/_OK", "");
    scene.load(keys).ok();
    assert!(files(&scene, "in").is_empty());
    assert_eq!(count(&scene), "5");
}

#[test]
fn files_stay_where_nothing_is_committed() {
    let scene = scene();
    scene.file("in/a.txt", "1\nx\n");
    scene.file("in/b.txt", "2\n");
    for (keys, code) in [
        ("after: delete", 1),
        ("after: {archive: done}", 1),
        ("after: delete, on_error: reject, max_rejects: 0", 1),
        ("after: delete, ready: {marker: $file.ok}", 6),
    ] {
        let ran = scene.load(&format!("file: 'in/*.txt', table: t, {keys}"));
        assert_eq!(ran.code, Some(code), "{keys}: {}", ran.stderr);
        assert_eq!(files(&scene, "in"), ["a.txt", "b.txt"], "{keys}");
    }
    let steps = "- copy_from: {file: in/b.txt, table: t, after: delete}\n- expect: SELECT false";
    assert_eq!(scene.run(steps).code, Some(1));
    assert_eq!(files(&scene, "in"), ["a.txt", "b.txt"]);
    // A rejected record is kept before its file goes.
    let ran = scene.load("file: 'in/*.txt', table: t, after: delete, on_error: reject");
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(files(&scene, "in").is_empty());
    let rejects = files(&scene, "rejects");
    let newest = rejects.last().unwrap();
    assert_eq!(scene.place.read(&format!("rejects/{newest}/a.txt")), b"x\n");
}

#[test]
fn a_file_that_cannot_go_is_loaded_all_the_same_and_told() {
    let scene = scene();
    scene.file("in/a.txt", "1\n");
    // A file stands where the folder would be.
    scene.file("done", "");
    let job = once(&scene, "after: {archive: done}");
    let ran = scene.place.run(&job);
    assert_says(
        &ran,
        8,
        &[
            "a.txt` is loaded and committed, but cannot be moved to",
            "the next run finds it in the ledger and tries again",
            "done, 1 row loaded, 1 file not moved",
        ],
    );
    assert_eq!(count(&scene), "1");
    // It is in the ledger: the next run moves it, and does not load it.
    fs::remove_file(scene.place.path("done")).unwrap();
    let ran = scene.place.run(&job);
    assert_says(&ran, 0, &["1 file was loaded before"]);
    assert_eq!(files(&scene, "done"), ["a.txt"]);
    assert_eq!(count(&scene), "1");
    assert!(files(&scene, "in").is_empty());
}

#[test]
fn what_an_earlier_run_has_loaded_goes_too() {
    let scene = scene();
    for n in 1..=3 {
        scene.file(&format!("in/{n}.txt"), format!("{n}\n"));
    }
    // As if that run had been killed behind its COMMIT.
    scene.place.run(&once(&scene, "after: keep")).ok();
    scene.file("in/4.txt", "4\n");
    let ran = scene.place.run(&once(&scene, "after: {archive: done}"));
    assert_says(&ran, 0, &["1 row", "3 files were loaded before"]);
    assert_eq!(files(&scene, "done"), ["1.txt", "2.txt", "3.txt", "4.txt"]);
    assert_eq!(count(&scene), "4");
}

#[test]
fn an_archive_is_not_loaded_from() {
    let scene = scene();
    scene.file("in/a.txt", "1\n");
    scene
        .load("file: 'in/*.txt', table: t, after: {archive: in/done}")
        .ok();
    let ran = scene.load("file: 'in/**/*.txt', table: t, after: {archive: in/done}");
    assert_says(&ran, 6, &["is in the archive already"]);
    // A file of the command line is nobody's delivery.
    let job =
        scene.job("- copy_from: {file: 'in/*.txt', table: t, expect_files: 7, after: delete}");
    let input = scene.place.path("in/done/a.txt");
    scene
        .place
        .run_file(&job, &["--input", input.to_str().unwrap()])
        .ok();
    assert!(input.exists());
    assert_eq!(count(&scene), "2");
}

#[test]
fn a_manifest_goes_behind_its_files() {
    let scene = scene();
    scene.file("in/a.txt", "1\n");
    scene.file("in/b.txt", "2\n");
    let list = r#"[{"file": "a.txt", "size": 2, "rows": 1}, {"file": "b.txt", "size": 2}]"#;
    scene.file("in/list.json", list);
    scene
        .load("file: 'in/*.txt', table: t, ready: {manifest: in/list.json}, after: {archive: done}")
        .ok();
    assert!(files(&scene, "in").is_empty());
    assert_eq!(files(&scene, "done"), ["a.txt", "b.txt", "list.json"]);
}

#[test]
fn killed_at_any_moment_or_started_twice_each_file_is_loaded_and_archived_once() {
    let scene = scene();
    // On another file system too, where moving takes longer.
    let shm = tempfile::tempdir_in("/dev/shm").ok();
    let shm = shm.as_ref().map(|dir| dir.path().join("done"));
    let done = scene.place.path("done");
    let (mut files_before, mut rows) = (0, 0);
    for round in 0..8 {
        let archive = shm.as_ref().filter(|_| round % 2 == 1).unwrap_or(&done);
        let keys = format!(
            "on_missing: ok, ready: {{marker: $file.ok}}, after: {{archive: {}}}",
            quoted(archive.to_str().unwrap())
        );
        for n in 0..30 {
            let name = format!("in/{round}-{n}.txt");
            let lines: Vec<String> = (0..100).map(|line| format!("{}\n", rows + line)).collect();
            rows += 100;
            scene.file(&name, lines.concat());
            scene.file(&format!("{name}.ok"), "");
        }
        let yaml = once(&scene, &keys);
        let run = Running::start(&scene.place, "killed", &yaml);
        sleep(Duration::from_millis(rand::random_range(20..250)));
        run.signal(Signal::KILL);
        let _ = run.end();
        gone(&scene.database, "moves");
        let runs = ["one", "two"].map(|name| Running::start(&scene.place, name, &yaml));
        let said = runs.map(Running::end);
        // One may find that the other has taken a file since it looked.
        assert!(said.iter().any(|ran| ran.code == Some(0)), "{said:#?}");
        let left: Vec<String> = files(&scene, "in")
            .into_iter()
            .filter(|name| !name.contains(".ok"))
            .collect();
        assert!(left.is_empty(), "round {round}: {left:?}\n{said:#?}");
        let expected = format!("{rows}|{rows}");
        assert_eq!(
            scene.psql("SELECT count(*), count(DISTINCT n) FROM t"),
            expected
        );
        let archived = archives(&[Some(&done), shm.as_ref()]);
        files_before += 30;
        assert_eq!(archived, files_before, "round {round}");
    }
}

/// Data files in these folders that hold something.
fn archives(folders: &[Option<&std::path::PathBuf>]) -> usize {
    let files = folders
        .iter()
        .flatten()
        .filter_map(|path| fs::read_dir(path).ok());
    files
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .filter(|path| fs::metadata(path).is_ok_and(|about| about.len() > 0))
        .count()
}
