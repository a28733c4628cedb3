//! `after`: files go when their records are committed, to where nothing is lost.

use std::fs;

use super::{assert_says, count, scene};
use crate::support::quoted;
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
