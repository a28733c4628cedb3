//! `mode` of `copy_from`: what the records do to the rows that are there.

mod concurrency;
mod keys;
mod one_by_one;
mod oracle;
mod refused;
mod rejects;
mod servers;
mod swap;
mod tables;

use crate::support::scene::Scene;

/// `orders` with a primary key `id`, rows 1 to 3, and columns `name` and `amount`.
const ORDERS: &str =
    "CREATE TABLE orders (id int PRIMARY KEY, name text NOT NULL, amount numeric(10,2));
     INSERT INTO orders VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)";

fn orders(scene: &Scene) -> String {
    scene
        .psql("SELECT * FROM orders ORDER BY id")
        .replace('\n', " ")
}

#[test]
fn an_upsert_inserts_what_is_new_updates_what_differs_and_leaves_the_rest() {
    let scene = Scene::new(ORDERS);
    scene.file(
        "in.csv",
        "id,amount,name\n2,2.00,two\n3,30,three\n4,4,four\n",
    );
    let before = scene.psql("SELECT xmin FROM orders WHERE id = 2");
    let ran = scene
        .load("file: in.csv, table: orders, format: csv, header: map, mode: upsert")
        .ok();
    insta::assert_snapshot!(scene.said(&ran), @r"
    1/1 copy_from orders: 3 rows, 31 B from 1 file: 1 inserted, 1 updated, 1 unchanged (TIME)
    job: done, 3 rows loaded in TIME
    ");
    assert_eq!(
        orders(&scene),
        "1|one|1.00 2|two|2.00 3|three|30.00 4|four|4.00"
    );
    // The row that was the same is not written again.
    assert_eq!(scene.psql("SELECT xmin FROM orders WHERE id = 2"), before);
    assert_eq!(
        scene.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'dwsload%'"),
        "0"
    );
}

#[test]
fn new_records_are_inserted_and_known_ones_left_alone() {
    let scene = Scene::new(ORDERS);
    scene.file("in.txt", "2\tzwei\t7\n4\tfour\t4\n");
    let ran = scene
        .load("file: in.txt, table: orders, mode: insert_new")
        .ok();
    assert!(
        ran.stderr.contains(": 1 inserted, 1 there already ("),
        "{}",
        ran.stderr
    );
    assert_eq!(
        orders(&scene),
        "1|one|1.00 2|two|2.00 3|three|3.00 4|four|4.00"
    );
}

#[test]
fn records_delete_the_rows_of_their_keys_whatever_else_they_have() {
    for (columns, data) in [
        ("[id]", "2\n9\n1\n"),
        ("[id, name]", "2\t\\N\n9\tx\n1\tx\n"),
    ] {
        let scene = Scene::new(ORDERS);
        scene.file("in.txt", data);
        let ran = scene
            .load(&format!(
                "file: in.txt, table: orders, columns: {columns}, mode: delete"
            ))
            .ok();
        assert!(
            ran.stderr.contains(": 2 deleted, 1 not there ("),
            "{}",
            ran.stderr
        );
        assert_eq!(orders(&scene), "3|three|3.00");
    }
}

#[test]
fn a_replacement_empties_the_table_in_the_transaction_that_fills_it() {
    let scene = Scene::new(ORDERS);
    scene.file("bad.txt", "7\tseven\t7\nx\n");
    let keys = "table: orders, mode: replace";
    let ran = scene.load(&format!("file: bad.txt, {keys}"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(orders(&scene), "1|one|1.00 2|two|2.00 3|three|3.00");
    scene.file("in.txt", "7\tseven\t7\n");
    scene.load(&format!("file: in.txt, {keys}")).ok();
    assert_eq!(orders(&scene), "7|seven|7.00");
    // An empty file would leave an empty table.
    scene.file("empty.txt", "");
    let ran = scene.load(&format!("file: empty.txt, {keys}"));
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert_eq!(orders(&scene), "7|seven|7.00");
    let ran = scene
        .load(&format!("file: none.txt, {keys}, on_missing: ok"))
        .ok();
    assert_eq!(orders(&scene), "7|seven|7.00", "{}", ran.stderr);
    scene
        .load(&format!("file: empty.txt, {keys}, on_empty: ok"))
        .ok();
    assert_eq!(orders(&scene), "");
}

#[test]
fn a_replacement_says_what_stands_in_its_way() {
    let scene = Scene::new(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int REFERENCES parent);
         CREATE VIEW v AS SELECT * FROM parent",
    );
    scene.file("in.txt", "1\n");
    let ran = scene.load("file: in.txt, table: parent, mode: replace");
    insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from parent) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot empty `parent` to replace its rows
        hint: rows of other tables point here: name the key and use `mode: upsert`, or drop the foreign keys for the load
      caused by: cannot truncate a table referenced in a foreign key constraint (SQLSTATE 0A000)
        detail: Table "child" references "parent".
        server hint: Truncate table "child" at the same time, or use TRUNCATE ... CASCADE.
    "#);
    let ran = scene.load("file: in.txt, table: v, mode: replace");
    insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from v) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot empty `v` to replace its rows
      caused by: "v" is not a table (SQLSTATE 42809)
    "#);
}

#[test]
fn every_mistake_of_the_keys_is_found_in_the_job_file() {
    let scene = Scene::new("");
    let job = scene.job(
        "- copy_from: {file: a, table: t, key: [a], duplicates: last, swap: true}\n\
         - copy_from: {file: a, table: t, mode: replace, key: a}\n\
         - copy_from: {file: a, table: t, mode: upsert, columns: [a, b], key: [a, c, a]}\n\
         - copy_from: {file: a, table: t, mode: delete, key: [], swap: true}\n\
         - copy_from: {file: a, table: t, mode: insert, duplicates: none}",
    );
    let ran = scene.place.run_file(&job, &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    insta::assert_snapshot!(scene.said(&ran), @r"
    error: `job.yaml` has 10 mistakes
      job.yaml:3:34: steps[1].copy_from.key: this key goes with `mode: upsert`, `insert_new` or `delete`
      job.yaml:3:44: steps[1].copy_from.duplicates: this key goes with `mode: upsert`, `insert_new` or `delete`
      job.yaml:3:62: steps[1].copy_from.swap: this key goes with `mode: replace`
      job.yaml:4:49: steps[2].copy_from.key: this key goes with `mode: upsert`, `insert_new` or `delete`
      job.yaml:5:74: steps[3].copy_from.key[2]: `c` is not among `columns`, so the records have no such key
      job.yaml:5:77: steps[3].copy_from.key[3]: `a` stands twice
      job.yaml:6:53: steps[4].copy_from.key: the list is empty; leave it out to take the table's primary key
      job.yaml:6:57: steps[4].copy_from.swap: this key goes with `mode: replace`
      job.yaml:7:40: steps[5].copy_from.mode: expected append, replace, upsert, insert_new, delete, found `insert`; did you mean `upsert`?
      job.yaml:7:60: steps[5].copy_from.duplicates: expected error, first, last, found `none`
      state: nothing was opened
    ");
}

#[test]
fn a_mode_of_several_statements_needs_a_transaction() {
    let scene = Scene::new(ORDERS);
    let url = crate::support::quoted(&scene.database.url());
    let ran = scene.place.run(&format!(
        "connection: {url}\ntransaction: none\nsteps:\n\
         - copy_from: {{file: a, table: t, mode: upsert}}\n\
         - copy_from: {{file: a, table: t, mode: replace}}\n\
         - copy_from: {{file: a, table: t, mode: append}}\n"
    ));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert_eq!(
        ran.stderr
            .matches("use `transaction: step` or `job`")
            .count(),
        2,
        "{}",
        ran.stderr
    );
}
