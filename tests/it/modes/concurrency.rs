//! Merges at the same time, into the same rows.

use crate::support::quoted;
use crate::support::running::{Running, backend, until};
use crate::support::scene::Scene;

/// The number before `word` in what a run said.
fn counted(said: &str, word: &str) -> u32 {
    let (_, outcome) = said.split_once("file: ").expect("the outcome");
    let (before, _) = outcome.split_once(&format!(" {word}")).expect("a count");
    let digits = before.rsplit(' ').next().unwrap_or_default();
    digits.replace(',', "").parse().expect("a number")
}

/// Jobs that upsert `1..=rows` at once, each in an order and with a value of its own.
fn upsert_at_once(table: &str, mode: &str, rows: u32) -> (Scene, Vec<String>) {
    let scene = Scene::new(table);
    let url = quoted(&scene.database.url());
    let running: Vec<Running> = (0..4_u32)
        .map(|job| {
            let ids: Vec<u32> = if job % 2 == 0 { (1..=rows).collect() } else { (1..=rows).rev().collect() };
            let lines: Vec<String> = ids.iter().map(|id| format!("{id}\t{job}\n")).collect();
            scene.file(&format!("{job}.txt"), lines.concat());
            let yaml = format!(
                "connection: {url}\nretry: none\nsteps:\n- copy_from: {{file: {job}.txt, table: t, mode: {mode}, key: id}}\n"
            );
            Running::start(&scene.place, &format!("job{job}"), &yaml)
        })
        .collect();
    let said = running
        .into_iter()
        .map(|running| running.closed().ok().stderr)
        .collect();
    (scene, said)
}

#[test]
fn upserts_of_the_same_keys_at_once_end_as_if_one_came_after_the_other() {
    for table in [
        "CREATE TABLE t (id int PRIMARY KEY, job int)",
        "CREATE TABLE t (id int, job int)",
        "CREATE TABLE t (id int PRIMARY KEY, job int) PARTITION BY RANGE (id);
         CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1500); CREATE TABLE t2 PARTITION OF t DEFAULT",
    ] {
        let (scene, said) = upsert_at_once(table, "upsert", 3000);
        assert_eq!(scene.psql("SELECT count(*), count(DISTINCT id), count(DISTINCT job) FROM t"), "3000|3000|1", "{table}");
        let inserted: u32 = said.iter().map(|said| counted(said, "inserted")).sum();
        let updated: u32 = said.iter().map(|said| counted(said, "updated")).sum();
        assert_eq!(inserted + updated, 12_000, "{said:?}");
        if !table.contains("PARTITION") {
            assert_eq!(inserted, 3000, "{said:?}");
        }
    }
}

#[test]
fn new_records_at_once_are_inserted_once() {
    for table in [
        "CREATE TABLE t (id int PRIMARY KEY, job int)",
        "CREATE TABLE t (id int, job int)",
    ] {
        let (scene, said) = upsert_at_once(table, "insert_new", 3000);
        assert_eq!(
            scene.psql("SELECT count(*), count(DISTINCT id) FROM t"),
            "3000|3000",
            "{table}"
        );
        let inserted: u32 = said.iter().map(|said| counted(said, "inserted")).sum();
        assert_eq!(inserted, 3000, "{said:?}");
    }
}

#[test]
fn a_merge_under_a_lock_waits_for_writers_and_sees_what_they_wrote() {
    let scene = Scene::new("CREATE TABLE t (id int, job int); CREATE TABLE gate (n int)");
    scene.file("in.txt", "1\t1\n");
    let url = quoted(&scene.database.url());
    // A writer that has inserted the same key and not committed.
    let writer = format!(
        "connection: {url}\nsteps:\n- sql: INSERT INTO t VALUES (1, 0)\n- copy_from: {{file: \"-\", table: gate}}\n"
    );
    let mut writer = Running::start(&scene.place, "writer", &writer);
    writer.feed(&b"1\n".repeat(64 * 1024));
    backend(&scene.database, "writer", "COPY");
    let merge = format!(
        "connection: {url}\nsteps:\n- copy_from: {{file: in.txt, table: t, mode: upsert, key: id}}\n"
    );
    let merge = Running::start(&scene.place, "merge", &merge);
    until("the merge to wait for its lock", || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock' AND relation = 't'::regclass";
        (scene.psql(waiting) == "1").then_some(())
    });
    writer.closed().ok();
    let ran = merge.closed().ok();
    assert!(
        ran.stderr.contains(": 0 inserted, 1 updated"),
        "{}",
        ran.stderr
    );
    assert_eq!(scene.psql("SELECT * FROM t"), "1|1");
}

#[test]
fn a_transaction_that_sees_the_past_is_not_merged_under_a_lock() {
    let scene = Scene::new(
        "CREATE TABLE t (id int, job int); CREATE TABLE u (id int PRIMARY KEY, job int)",
    );
    scene.file("in.txt", "1\t1\n");
    let url = quoted(&scene.database.url());
    let run = |table: &str| {
        scene.place.run(&format!(
            "connection: {url}\nsession: {{default_transaction_isolation: repeatable read}}\nsteps:\n\
             - copy_from: {{file: in.txt, table: {table}, mode: upsert, key: id}}\n"
        ))
    };
    let ran = run("t");
    assert!(ran.stderr.contains("needs the isolation level `read committed` on `t`, and the session has `repeatable read`"), "{}", ran.stderr);
    run("u").ok();
}

#[test]
fn steps_of_one_transaction_merge_one_after_the_other() {
    let scene = Scene::new("CREATE TABLE t (id int PRIMARY KEY, name text)");
    scene.file("a.txt", "1\ta\n2\tb\n");
    scene.file("b.txt", "2\tB\n3\tC\n");
    scene
        .run(
            "- copy_from: {file: a.txt, table: t, mode: upsert}\n\
             - copy_from: {file: b.txt, table: t, mode: upsert}\n\
             - copy_from: {file: a.txt, table: t, mode: delete, columns: [id, name], key: [id, name]}\n\
             - sql: INSERT INTO t VALUES (9, 'nine')\n\
             - copy_from: {file: b.txt, table: t, mode: insert_new}",
        )
        .ok();
    assert_eq!(
        scene.psql("SELECT * FROM t ORDER BY id"),
        "2|B\n3|C\n9|nine"
    );
}
