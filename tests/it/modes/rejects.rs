//! Modes of a load that sets bad records aside.

use super::{ORDERS, orders};
use crate::support::scene::Scene;

const REJECTING: &str = "table: orders, on_error: reject, rejects: bad";

/// What was kept of the only run so far.
fn rejected(scene: &Scene, file: &str) -> String {
    let mut runs = std::fs::read_dir(scene.place.path("bad")).expect("the folder of rejects");
    let run = runs.next().expect("a run").expect("its folder");
    std::fs::read_to_string(run.path().join(file)).expect("text")
}

#[test]
fn what_a_merge_cannot_take_is_set_aside_with_its_reason() {
    let scene = Scene::new(&format!(
        "{ORDERS}; ALTER TABLE orders ADD CONSTRAINT small CHECK (amount < 100)"
    ));
    scene.file(
        "in.txt",
        "1\tuno\t1\n\\N\tnull\t1\nx\tword\t1\n4\tfour\t400\n5\tfive\t5\n6\t\\N\t6\n2\ttwo\t2.00\n",
    );
    let ran = scene.load(&format!("file: in.txt, {REJECTING}, mode: upsert"));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("3 rows"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("4 rejected from 1 file: 1 inserted, 1 updated, 1 unchanged ("),
        "{}",
        ran.stderr
    );
    assert_eq!(
        orders(&scene),
        "1|uno|1.00 2|two|2.00 3|three|3.00 5|five|5.00"
    );
    assert_eq!(
        rejected(&scene, "in.txt"),
        "\\N\tnull\t1\nx\tword\t1\n4\tfour\t400\n6\t\\N\t6\n"
    );
    let reasons = rejected(&scene, "in.txt.jsonl");
    assert!(!reasons.contains("staging"), "{reasons}");
    for (record, reason) in [
        (
            2,
            "null value in column \\\"id\\\" of relation \\\"orders\\\" violates not-null constraint",
        ),
        (
            4,
            "new row for relation \\\"orders\\\" violates check constraint \\\"small\\\"",
        ),
        (
            6,
            "null value in column \\\"name\\\" of relation \\\"orders\\\" violates not-null constraint",
        ),
    ] {
        let line = reasons
            .lines()
            .find(|line| line.contains(&format!("\"record\":{record}}}")));
        assert!(
            line.is_some_and(|line| line.contains(reason)),
            "{record}: {reasons}"
        );
    }
}

#[test]
fn a_delete_sets_aside_what_has_no_key_and_nothing_else() {
    let scene = Scene::new(ORDERS);
    scene.file("in.txt", "1\t\\N\n\\N\ttwo\n3\tx\n");
    let ran = scene.load(&format!(
        "file: in.txt, {REJECTING}, columns: [id, name], mode: delete"
    ));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("1 rejected from 1 file: 2 deleted, 0 not there ("),
        "{}",
        ran.stderr
    );
    assert_eq!(orders(&scene), "2|two|2.00");
}

#[test]
fn duplicates_are_counted_among_what_is_left() {
    let scene = Scene::new(ORDERS);
    scene.file("a.txt", "7\ta\t1\nbad\n7\tb\t2\nx\ty\tz\n7\tc\t3\n");
    scene.file("b.txt", "8\td\t1\n7\te\t9\n");
    let keys = format!("file: [a.txt, b.txt], {REJECTING}, mode: upsert");
    let ran = scene.load(&keys);
    assert_eq!(ran.code, Some(1));
    let said = scene.said(&ran);
    assert!(
        said.contains("record 3, line 3 of `a.txt` has the key of record 1, line 1 of `a.txt`"),
        "{said}"
    );
    let ran = scene.load(&format!("{keys}, duplicates: last"));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("2 inserted, 0 updated, 0 unchanged, 3 duplicates left out"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        scene.psql("SELECT * FROM orders WHERE id > 3 ORDER BY id"),
        "7|e|9.00\n8|d|1.00"
    );
}

#[test]
fn the_numbers_of_records_stay_out_of_the_way() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int PRIMARY KEY, dwsload_record text, gen int GENERATED ALWAYS AS (id + 1) STORED);
         INSERT INTO orders VALUES (1, 'one'), (2, 'two')",
    );
    // An empty file has not even a header.
    scene.file("a.csv", "");
    scene.file("b.csv", "dwsload_record,id\nuno,1\nx,y\ntwo,2\n");
    scene.file("c.csv", "");
    let ran = scene.load(&format!(
        "file: [a.csv, b.csv, c.csv], {REJECTING}, format: csv, header: map, on_empty: ok, mode: upsert"
    ));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains(": 0 inserted, 1 updated, 1 unchanged ("),
        "{}",
        ran.stderr
    );
    assert_eq!(orders(&scene), "1|uno|2 2|two|3");
}

#[test]
fn a_key_that_stands_twice_names_records_of_a_shaped_file_too() {
    let scene = Scene::new("CREATE TABLE orders (id int PRIMARY KEY, name text)");
    scene.file(
        "in.json",
        "\n{\"id\": 7}\n{\"id\": 8, \"name\": \"x\"}\n\n{\"id\": 9}\n{\"id\": 7}\n",
    );
    let keys = "file: in.json, table: orders, format: ndjson, mode: upsert";
    for more in ["", ", where: id <> '8'", ", on_error: reject"] {
        let said = scene.said(&scene.load(&format!("{keys}{more}")));
        assert!(
            said.contains(
                "record 6, line 6 of `in.json` has the key of record 2, line 2 of `in.json`"
            ),
            "{said}"
        );
    }
}

#[test]
fn a_replacement_sets_records_aside_too() {
    for swap in ["false", "true"] {
        let scene = Scene::new(ORDERS);
        scene.file("in.txt", "7\tseven\t7\n7\tagain\t7\nx\ty\t1\n8\teight\t8\n");
        let ran = scene.load(&format!(
            "file: in.txt, {REJECTING}, mode: replace, swap: {swap}"
        ));
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        assert_eq!(orders(&scene), "7|seven|7.00 8|eight|8.00");
        let reasons = rejected(&scene, "in.txt.jsonl");
        assert!(
            reasons.contains("violates unique constraint \\\"orders_pkey\\\""),
            "{reasons}"
        );
        assert!(!reasons.contains("dwsload_new"), "{reasons}");
    }
}
