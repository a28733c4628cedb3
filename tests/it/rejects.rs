//! `on_error: reject`: what can be loaded is in the table, and every other record is kept with its
//! reason.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod dirty;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

/// The files of rejected records, by name, and their reasons.
pub(crate) fn rejects(scene: &Scene) -> Vec<(String, Vec<u8>, Vec<Value>)> {
    let mut found = Vec::new();
    let Ok(runs) = fs::read_dir(scene.place.path("rejects")) else {
        return found;
    };
    let mut runs: Vec<PathBuf> = runs.map(|run| run.unwrap().path()).collect();
    runs.sort();
    for run in runs {
        let mut files: Vec<PathBuf> = fs::read_dir(&run)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        for file in files
            .iter()
            .filter(|file| file.extension().is_none_or(|ending| ending != "jsonl"))
        {
            let mut reasons = file.clone().into_os_string();
            reasons.push(".jsonl");
            let reasons = fs::read_to_string(reasons).unwrap();
            let reasons = reasons
                .lines()
                .map(|line| serde_json::from_str(line).unwrap());
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read(file).unwrap(), reasons.collect()));
        }
    }
    found
}

/// `record line code column constraint` of each reason.
pub(crate) fn summary(reasons: &[Value]) -> Vec<String> {
    reasons
        .iter()
        .map(|reason| {
            let text = |key: &str| match &reason[key] {
                Value::String(text) => text.clone(),
                Value::Null => "-".into(),
                other => other.to_string(),
            };
            ["record", "line", "code", "column", "constraint"]
                .map(text)
                .join(" ")
        })
        .collect()
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}

const TABLES: &str = "
    CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
    CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.note = 'refuse' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
    CREATE TABLE t (
      id int PRIMARY KEY, parent int REFERENCES parent, amount int NOT NULL CHECK (amount > 0),
      code varchar(3), two even, day date, note text);
    CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE PROCEDURE refuse();";

const DIRTY: &[u8] = b"id,parent,amount,code,two,day,note\n\
    1,1,5,abc,2,2024-01-31,good\n\
    2,1,x,abc,2,2024-01-31,a word for a number\n\
    3,1,5,abc,2,2024-01-31,\"two\nlines\"\n\
    4,1,5,abc,2,2024-02-31,no such day\n\
    5,1,,abc,2,2024-01-31,null where none may be\n\
    6,1,-5,abc,2,2024-01-31,check\n\
    1,1,5,abc,2,2024-01-31,twice\n\
    7,9,5,abc,2,2024-01-31,no parent\n\
    8,1,5,abcd,2,2024-01-31,too long\n\
    9,1,5,abc,3,2024-01-31,odd\n\
    10,1,5,abc,2,2024-01-31,refuse\n\
    11,1,5,abc,2,2024-01-31\n\
    12,1,5,abc,2,2024-01-31,too,many\n\
    13,1,5,abc,2,2024-01-31,bad \xff byte\n\
    14,2,5,abc,2,2024-01-31,good";

fn load(scene: &Scene, file: &str, more: &str) -> Ran {
    scene.place.run(&format!(
        "connection: {}
steps:
- copy_from: {{file: {file}, table: t, format: csv, header: match, on_error: reject{more}}}
",
        quoted(&scene.database.url())
    ))
}

#[test]
fn every_kind_of_bad_record_is_set_aside_with_its_reason() {
    let scene = Scene::new(TABLES);
    scene.file("dirty.csv", DIRTY);
    let ran = load(&scene, "dirty.csv", "");
    assert_says(&ran, 3, "3 rows, ");
    assert_says(&ran, 3, "12 rejected");
    assert_says(
        &ran,
        3,
        "dirty.csv: 12 records were rejected\n  record 2, line 3, column amount: ",
    );
    assert_eq!(
        scene.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"),
        "1 3 14"
    );
    let found = rejects(&scene);
    let [(name, bytes, reasons)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(name, "dirty.csv");
    let lines: Vec<&[u8]> = DIRTY.split(|byte| *byte == b'\n').collect();
    // Line 4 and 5 are the record of two lines.
    let expected: Vec<&[u8]> = [0, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
        .iter()
        .map(|index| lines[*index])
        .collect();
    assert_eq!(*bytes, [expected.join(&b'\n'), b"\n".to_vec()].concat());
    assert_eq!(
        summary(reasons),
        [
            "2 3 22P02 amount -",
            "4 6 22008 day -",
            "5 7 23502 amount -",
            "6 8 23514 - t_amount_check",
            "7 9 23505 - t_pkey",
            "8 10 23503 - t_parent_fkey",
            "9 11 22001 code -",
            "10 12 23514 two even_check",
            "11 13 P0001 - -",
            "12 14 22P04 note -",
            "13 15 22P04 - -",
            "14 16 22021 - -",
        ]
    );
}

#[test]
fn rejected_records_are_rejected_again_and_load_when_corrected() {
    let scene = Scene::new(TABLES);
    scene.file("dirty.csv", DIRTY);
    load(&scene, "dirty.csv", "");
    let first = rejects(&scene).remove(0);
    fs::remove_dir_all(scene.place.path("rejects")).unwrap();
    scene.file("again/dirty.csv", &first.1);
    // All of a file may not be rejected without a word.
    let ran = load(&scene, "again/dirty.csv", ", max_rejects: 100%");
    assert_says(&ran, 3, "0 rows, ");
    let second = rejects(&scene).remove(0);
    assert_eq!(second.1, first.1);
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "3");

    // What is not UTF-8 is corrected along.
    let corrected = String::from_utf8_lossy(&second.1).replace("2,1,x,", "2,1,7,");
    scene.file("corrected.csv", corrected);
    let ran = load(&scene, "corrected.csv", "");
    assert_says(&ran, 3, "2 rows, ");
    assert_eq!(scene.psql("SELECT amount FROM t WHERE id = 2"), "7");
}

#[test]
fn limits_stop_the_job_and_roll_it_back() {
    for (limit, why) in [
        (
            ", max_rejects: 11",
            "more than 11 records were rejected (`max_rejects`)",
        ),
        (
            ", max_rejects: 79%",
            "12 of 15 records were rejected, more than 79% (`max_rejects`)",
        ),
        (", max_rejects: 0", "more than 0 records were rejected"),
    ] {
        let scene = Scene::new(TABLES);
        scene.file("dirty.csv", DIRTY);
        let ran = load(&scene, "dirty.csv", limit);
        assert_says(&ran, 1, why);
        assert_says(&ran, 1, "rejects: ");
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    }
    let scene = Scene::new(TABLES);
    scene.file("dirty.csv", DIRTY);
    assert_says(
        &load(&scene, "dirty.csv", ", max_rejects: 12"),
        3,
        "12 rejected",
    );
    let scene = Scene::new(TABLES);
    scene.file("dirty.csv", DIRTY);
    assert_says(
        &load(&scene, "dirty.csv", ", max_rejects: 80%"),
        3,
        "12 rejected",
    );

    let scene = Scene::new("CREATE TABLE t (id int)");
    scene.file("wrong.csv", "id\na\nb\n");
    assert_says(
        &load(&scene, "wrong.csv", ""),
        1,
        "all 2 records were rejected",
    );
}

#[test]
fn what_is_no_fault_of_the_data_stops_the_job() {
    let scene = Scene::new(TABLES);
    scene.file("dirty.csv", DIRTY);
    let run = |table: &str| {
        scene.place.run(&format!(
            "connection: {}\nsteps:\n- copy_from: {{file: dirty.csv, table: {table}, format: csv, header: match, on_error: reject}}\n",
            quoted(&scene.database.url())
        ))
    };
    assert_says(&run("none"), 1, "42P01");
    scene.file(
        "open.csv",
        "id,parent,amount,code,two,day,note\n1,1,5,abc,2,,good\n2,1,5,\"abc\n3,1\n",
    );
    let ran = load(&scene, "open.csv", "");
    assert_says(
        &ran,
        1,
        "ends inside a quote that is opened in record 2, line 3",
    );
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_clean_file_leaves_nothing_behind() {
    let scene = Scene::new(TABLES);
    scene.file(
        "clean.csv",
        "id,parent,amount,code,two,day,note\n1,1,5,abc,2,,good\n",
    );
    let ran = load(&scene, "clean.csv", "").ok();
    assert!(!ran.stderr.contains("reject"), "{}", ran.stderr);
    assert!(!scene.place.path("rejects").exists());
}

#[test]
fn files_one_after_the_other_have_one_limit_and_files_of_their_own() {
    let scene = Scene::new("CREATE TABLE t (id int)");
    for (name, content) in [
        ("a/x.csv", "id\n1\nb\n"),
        ("b/x.csv", "id\nc\n2\n"),
        ("b/y.csv", "id\n3\n"),
    ] {
        scene.file(name, content);
    }
    let files = "[a/x.csv, b/x.csv, b/y.csv]";
    assert_says(
        &load(&scene, files, ", max_rejects: 1"),
        1,
        "more than 1 records",
    );
    fs::remove_dir_all(scene.place.path("rejects")).unwrap();
    assert_says(&load(&scene, files, ""), 3, "2 rejected");
    let found = rejects(&scene);
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["2-x.csv", "x.csv"]);
    assert_eq!(found[0].1, b"id\nc\n");
    assert_eq!(found[1].1, b"id\nb\n");
}

#[test]
fn each_transaction_mode_keeps_its_promise() {
    for (transaction, rows) in [("job", "0"), ("step", "2"), ("none", "2")] {
        let scene = Scene::new("CREATE TABLE t (id int)");
        scene.file("f.txt", "1\nx\n2\n");
        let ran = scene.place.run(&format!(
            "connection: {}
transaction: {transaction}
steps:
- copy_from: {{file: f.txt, table: t, on_error: reject}}
- sql: SELECT 1 / 0
",
            quoted(&scene.database.url())
        ));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert_eq!(scene.psql("SELECT count(*) FROM t"), rows, "{transaction}");
    }
}

#[test]
fn records_are_rejected_on_their_way_to_a_merge_too() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'old')",
    );
    scene.file("f.csv", "id,note\n1,new\nx,bad\n2,more\n3\n");
    let ran = load(&scene, "f.csv", ", mode: upsert, key: id");
    assert_says(&ran, 3, "2 rejected");
    assert_says(&ran, 3, "1 inserted, 1 updated");
    assert_eq!(scene.psql("SELECT * FROM t ORDER BY id"), "1|new\n2|more");
    let found = rejects(&scene);
    assert_eq!(found[0].1, b"id,note\nx,bad\n3\n");
}
