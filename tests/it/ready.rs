//! Files that are not there yet, or not complete: waited for, refused, never loaded by halves.

mod after;
mod manifests;
mod waiting;

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::Ran;
use crate::support::scene::Scene;

/// A database with a table `t (n int)`, and an empty folder.
fn scene() -> Scene {
    Scene::new("CREATE TABLE t (n int)")
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
    }
}

/// What a command that only looks prints of a job; it ends with `code`.
#[track_caller]
fn page_of(scene: &Scene, command: &str, job: &Path, code: i32) -> String {
    let ran = scene.place.dwsload().arg(command).arg(job).output();
    let ran = Ran::of(ran.expect("the binary runs"));
    let page = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.code, Some(code), "{page}\n{}", ran.stderr);
    page
}

/// Dates a file so many seconds from now.
fn date(path: &Path, seconds: i64) {
    let now = SystemTime::now();
    let by = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { now - by } else { now + by };
    let file = std::fs::File::options().append(true).open(path);
    let dated = file.and_then(|file| file.set_modified(time));
    dated.expect("a file of ours");
}

fn count(scene: &Scene) -> String {
    scene.psql("SELECT count(*) FROM t")
}

#[test]
fn a_file_needs_its_marker_and_a_newer_one_than_itself() {
    let scene = scene();
    scene.file("a.csv", "1\n");
    scene.file("b.csv.gz", "");
    let ran = scene.load("file: a.csv, table: t, ready: {marker: $file.done}");
    assert_says(
        &ran,
        6,
        &[
            "the files are not ready",
            "a.csv.done`",
            "there is no marker",
            "found: 1 file, 0 of them ready",
            "hint: `wait: 30m`",
        ],
    );
    // That of an earlier delivery.
    let marker = scene.file("a.csv.done", "");
    date(&marker, -10);
    let ran = scene.load("file: a.csv, table: t, ready: {marker: $file.done}");
    assert_says(&ran, 6, &["is older than it"]);
    assert_eq!(count(&scene), "0");
    for (marker, name) in [
        ("$file.done", "a.csv.done"),
        ("$stem.ok", "a.ok"),
        ("_SUCCESS", "_SUCCESS"),
        ("flags/$file", "flags/a.csv"),
    ] {
        let _ = std::fs::remove_file(scene.place.path("a.csv.done"));
        let keys = format!("file: a.csv, table: t, ready: {{marker: {marker}}}");
        let ran = scene.load(&keys);
        assert_eq!(ran.code, Some(6), "{marker}: {}", ran.stderr);
        scene.file(name, "");
        scene.load(&keys).ok();
    }
    assert_eq!(count(&scene), "4");
}

#[test]
fn so_many_files_are_expected_and_no_others() {
    let scene = scene();
    for name in ["a", "b", "c"] {
        scene.file(&format!("{name}.txt"), "1\n");
    }
    for (expected, code) in [
        ("3", 0),
        ("1-3", 0),
        ("2-", 0),
        ("4", 6),
        ("1-2", 6),
        ("4-", 6),
    ] {
        let ran = scene.load(&format!(
            "file: '*.txt', table: t, mode: replace, expect_files: {expected}"
        ));
        assert_eq!(ran.code, Some(code), "{expected}: {}", ran.stderr);
        if code == 6 {
            assert_says(&ran, 6, &["3 files, and `expect_files` is"]);
        }
        // Whatever is wrong, the table is as it was.
        assert_eq!(count(&scene), "3", "{expected}");
    }
}

#[test]
fn a_file_that_changes_once_it_was_ready_stops_the_load() {
    let scene = scene();
    scene.file("a.txt", "1\n");
    let path = scene.file("b.txt", "2\n");
    // The first file's row changes the second.
    scene.psql(&format!(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF new.n = 1 THEN COPY (SELECT 3 UNION ALL SELECT 4) TO PROGRAM 'cat > {}'; END IF; RETURN new; END $$; \
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        path.display()
    ));
    let readable = std::process::Command::new("chmod")
        .args(["a+rwx"])
        .arg(&path)
        .arg(path.parent().unwrap())
        .status();
    assert!(readable.unwrap().success());
    let ran = scene.load("file: ['a.txt', 'b.txt'], table: t, expect_files: 2");
    assert_says(
        &ran,
        1,
        &["b.txt` changed while it was loaded, or after it was found to be ready"],
    );
    assert_eq!(count(&scene), "0");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_opened() {
    let scene = scene();
    for (keys, part) in [
        ("file: '-', after: delete", "standard input is no file"),
        (
            "file: a, ready: {}",
            "expected one or more of stable_for, marker, manifest",
        ),
        ("file: a, ready: {marker: .done}", "`$file.done`"),
        (
            "file: a, ready: {marker: '*.done'}",
            "a marker has one name",
        ),
        (
            "file: a, ready: {stable_for: 60s}, wait: 10s",
            "`stable_for` is 1m",
        ),
        ("file: a, expect_files: 0", "no file at all"),
        ("file: a, expect_files: 3-1", "the least comes first"),
        (
            "file: a, after: archive",
            "say where: `after: {archive: done}`",
        ),
        (
            "file: a, after: move",
            "`keep`, `delete` or `{archive: FOLDER}`",
        ),
        ("file: a, wait: soon", "expected a time with its unit"),
    ] {
        let ran = scene.load(&format!("{keys}, table: t"));
        assert_says(&ran, 2, &[part]);
    }
    let url = crate::support::quoted(&scene.database.url());
    let ran = scene.place.run(&format!(
        "connection: {url}\ntransaction: none\nsteps:\n- copy_from: {{file: a, table: t, after: delete, ready: {{manifest: m}}}}\n"
    ));
    assert_says(
        &ran,
        2,
        &[
            "has 2 mistakes",
            "steps[1].copy_from.after",
            "steps[1].copy_from.ready.manifest",
        ],
    );
    let ran = scene.run("- copy_to: {table: t, file: '-', manifest: true}");
    assert_says(&ran, 2, &["standard output is no file"]);
}

#[test]
fn a_check_says_what_would_be_waited_for_and_changes_nothing() {
    let scene = scene();
    scene.file("a.txt", "1\n");
    let job = scene.job(
        "- copy_from: {file: '*.txt', table: t, expect_files: 2, wait: 5m, after: {archive: done}, ready: {marker: $file.done, stable_for: 1m}}",
    );
    let page = page_of(&scene, "check", &job, 0);
    for part in [
        "ready      when files are unchanged for 1m, they have their marker $file.done, there are 2 of them\n",
        "wait       up to 5m for what is missing or not ready\n",
        "done behind the COMMIT\n",
        "warning: not ready now, and a run would wait: not ready",
        "found 1 file, and `expect_files` is 2",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(scene.place.path("a.txt").exists() && !scene.place.path("done").exists());
    // A missing file is waited for, too; one that an earlier step writes is not there yet.
    let job = scene.job("- copy_from: {file: none.txt, table: t, wait: 5m}");
    let page = page_of(&scene, "check", &job, 0);
    assert!(page.contains("a run would wait: missing "), "{page}");
    page_of(&scene, "doctor", &job, 0);
    let url = crate::support::quoted(&scene.database.url());
    let job = scene.file(
        "steps.yaml",
        format!(
            "connection: {url}\ntransaction: step\nsteps:\n- copy_to: {{table: t, file: out.txt, manifest: true}}\n\
             - copy_from: {{file: out.txt, table: t, ready: {{manifest: out.txt.manifest.json}}}}\n"
        ),
    );
    let page = page_of(&scene, "check", &job, 0);
    assert!(page.contains("not there yet, step 1 writes it"), "{page}");
    // Without `wait` it is what a run would fail with.
    let job = scene.job("- copy_from: {file: '*.txt', table: t, expect_files: 2}");
    page_of(&scene, "check", &job, 6);
}
