//! Random records, some of which cannot be merged: what a server takes record by record is in the table,
//! and everything else is rejected, nothing more and nothing less.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::gate::{Gate, Product};
use crate::rejects::rejects;
use crate::support::quoted;
use crate::support::scene::Scene;

/// Files in one run of the tests; `DWSLOAD_DIRTY_FILES` asks for more.
const FILES: u32 = 40;

/// A table in which rows depend on each other, on rows of other tables and on what is not loaded; and a
/// merge of records one by one, each with its own savepoint.
const TABLES: &str = "
    CREATE TABLE owner (id int PRIMARY KEY); INSERT INTO owner VALUES (1), (2);
    CREATE TABLE t (
      id int PRIMARY KEY, parent int REFERENCES t, owner int REFERENCES owner, code text UNIQUE,
      amount int NOT NULL, note text, state text DEFAULT 'new', CHECK (amount > 0));
    CREATE TABLE item (t int REFERENCES t);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.note = 'refuse' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE PROCEDURE refuse();
    CREATE TABLE input (n int, id text, parent text, owner text, code text, amount text, note text, said text);
    CREATE FUNCTION again(is_checked bool) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN
        TRUNCATE t, item, input;
        ALTER TABLE t DROP CONSTRAINT IF EXISTS closed;
        INSERT INTO t (id, owner, code, amount, note) VALUES (5, 1, 'a', 1, NULL), (6, 1, 'b', 1, 'x'), (8, NULL, NULL, 3, NULL);
        INSERT INTO t VALUES (7, 5, 2, 'c', 2, NULL, 'new'), (9, 6, 1, 'd', 4, NULL, 'closed'), (10, NULL, 2, 'e', 5, NULL, 'closed');
        INSERT INTO item VALUES (6), (10);
        IF is_checked THEN
          ALTER TABLE t ADD CONSTRAINT closed CHECK (state <> 'closed' OR amount < 10);
        END IF;
      END $$;
    CREATE FUNCTION one(mode text, r input) RETURNS text LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM r.parent::int, r.owner::int, r.amount::int;
        IF mode = 'delete' THEN
          DELETE FROM t WHERE id = r.id::int;
          RETURN CASE WHEN FOUND THEN 'deleted' ELSE 'unchanged' END;
        END IF;
        IF NOT EXISTS (SELECT 1 FROM t WHERE id = r.id::int) THEN
          INSERT INTO t (id, parent, owner, code, amount, note)
            VALUES (r.id::int, r.parent::int, r.owner::int, r.code, r.amount::int, r.note);
          RETURN 'inserted';
        END IF;
        IF mode = 'insert_new' THEN
          RETURN 'unchanged';
        END IF;
        UPDATE t SET parent = r.parent::int, owner = r.owner::int, code = r.code, amount = r.amount::int, note = r.note
          WHERE id = r.id::int AND ROW(parent, owner, code, amount, note)
            IS DISTINCT FROM ROW(r.parent::int, r.owner::int, r.code, r.amount::int, r.note);
        RETURN CASE WHEN FOUND THEN 'updated' ELSE 'unchanged' END;
      EXCEPTION WHEN OTHERS THEN
        RETURN SQLSTATE;
      END $$;
    CREATE FUNCTION one_by_one(mode text) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE r input; answer text; some_taken bool;
      BEGIN
        LOOP
          some_taken := false;
          FOR r IN SELECT * FROM input WHERE said IS NULL OR said ~ '^[0-9A-Z]{5}$' ORDER BY n LOOP
            answer := one(mode, r);
            UPDATE input SET said = answer WHERE n = r.n;
            some_taken := some_taken OR answer !~ '^[0-9A-Z]{5}$';
          END LOOP;
          EXIT WHEN NOT some_taken;
        END LOOP;
      END $$";

type Record = [String; 6];

/// A case.
#[derive(Debug)]
struct Case {
    mode: &'static str,
    /// A column that is not loaded has a say. Then no server merges by ON CONFLICT.
    is_checked: bool,
    /// In order, by their numbers.
    records: BTreeMap<u64, Record>,
}

fn case() -> impl Strategy<Value = Case> {
    let of = |values: &'static [&'static str]| prop::sample::select(values);
    let fields = (
        0..6_u32,
        of(&["1", "2", "1", "2", "1", "", "9"]),
        of(&[
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "", "", "", "", "",
        ]),
        of(&["1", "2", "3", "5", "7", "20", "", "x", "0"]),
        of(&["", "", "x", "y", "z", "refuse"]),
        any::<bool>(),
    );
    let modes = of(&["upsert", "upsert", "insert_new", "delete"]);
    let ids = Just((1..46_u32).collect::<Vec<_>>()).prop_shuffle();
    let flags = (any::<bool>(), any::<bool>());
    (modes, ids, prop::collection::vec(fields, 1..45), flags).prop_map(
        |(mode, ids, fields, (parents, is_checked))| {
            let records = ids.into_iter().zip(fields).zip(1..).map(
                |((id, (step, owner, code, amount, note, has_parent)), number)| {
                    // Never in a circle: of that, one by one, no server takes any.
                    let parent = if parents && has_parent && step > 0 {
                        (id + step).to_string()
                    } else {
                        String::new()
                    };
                    let [owner, code, amount, note] = [owner, code, amount, note].map(String::from);
                    (number, [id.to_string(), parent, owner, code, amount, note])
                },
            );
            Case {
                mode,
                is_checked,
                records: records.collect(),
            }
        },
    )
}

/// What becomes of records one by one, by their numbers, in this database.
fn one_by_one<'a>(
    scene: &Scene,
    mode: &str,
    records: impl Iterator<Item = (&'a u64, &'a Record)>,
) -> BTreeMap<u64, String> {
    let mut sql = String::from("TRUNCATE input;");
    for (number, record) in records {
        let fields = record
            .each_ref()
            .map(|field| format!("nullif('{field}', '')"));
        write!(
            sql,
            "INSERT INTO input VALUES ({number}, {});",
            fields.join(", ")
        )
        .expect("it is text");
    }
    scene.psql(&format!("{sql} SELECT one_by_one('{mode}')"));
    let said = scene.psql("SELECT n, said FROM input ORDER BY n");
    let lines = said.lines().filter_map(|line| line.split_once('|'));
    lines
        .map(|(number, said)| (number.parse().expect("a number"), said.to_owned()))
        .collect()
}

fn is_code(said: &str) -> bool {
    said.len() == 5
}

/// What the step's line says where so much was done.
fn in_words(mode: &str, said: &BTreeMap<u64, String>) -> String {
    let count = |what: &str| said.values().filter(|said| *said == what).count();
    let unchanged = count("unchanged");
    match mode {
        "upsert" => format!(
            ": {} inserted, {} updated, {unchanged} unchanged (",
            count("inserted"),
            count("updated")
        ),
        "insert_new" => format!(
            ": {} inserted, {unchanged} there already (",
            count("inserted")
        ),
        _ => format!(": {} deleted, {unchanged} not there (", count("deleted")),
    }
}

/// The records that a run has rejected, and why; what was kept of them is what stands in the file.
fn rejected(scene: &Scene, case: &Case) -> BTreeMap<u64, String> {
    let mut rejected = BTreeMap::new();
    let found = rejects(scene);
    let _ = std::fs::remove_dir_all(scene.place.path("rejects"));
    for (_, bytes, reasons) in found {
        let kept = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(kept.lines().count(), reasons.len());
        for (line, reason) in kept.lines().zip(reasons) {
            let number = reason["record"].as_u64().expect("a number");
            assert_eq!(line, case.records[&number].join(","));
            let code = reason["code"].as_str().expect("a code").to_owned();
            assert_eq!(rejected.insert(number, code), None, "rejected twice");
        }
    }
    rejected
}

#[test]
fn what_a_server_merges_one_by_one_is_in_and_the_rest_is_rejected() {
    let files = std::env::var("DWSLOAD_DIRTY_FILES").map_or(FILES, |text| {
        text.parse().expect("DWSLOAD_DIRTY_FILES is a number")
    });
    let oracle = Scene::new(TABLES);
    // What a server says of itself is the database's.
    let scenes = [(); 3].map(|()| Scene::new(TABLES));
    let gate = |scene: &Scene, product| Gate::before(&scene.database).playing(product).open();
    let gates = [
        gate(&scenes[1], Product::OpenGauss),
        gate(&scenes[2], Product::Dws),
    ];
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = case();
    let table = "SELECT * FROM t ORDER BY id";
    for file in 0..files {
        let case = strategy.new_tree(&mut runner).expect("a file").current();
        let text: String = case
            .records
            .values()
            .map(|record| record.join(",") + "\n")
            .collect();
        let again = format!("SELECT again({})", case.is_checked);
        let (scene, url, keys) = match file % 4 {
            0 => (&scenes[0], scenes[0].database.url(), ""),
            1 => (&scenes[0], scenes[0].database.url(), ", 'null': ['']"),
            2 => (&scenes[1], gates[0].url(), ""),
            _ => (&scenes[2], gates[1].url(), ""),
        };
        scene.file("dirty.csv", &text);
        scene.psql(&again);
        let ran = scene.place.run(&format!(
            "connection: {}\nretry: none\nsteps:\n- copy_from: {{file: dirty.csv, table: t, format: csv, mode: {}, \
             columns: [id, parent, owner, code, amount, note], on_error: reject, max_rejects: 100%{keys}}}\n",
            quoted(&url),
            case.mode
        ));
        let rejected = rejected(scene, &case);
        let shown = format!("file {file}, {}:\n{text}\n{}", case.mode, ran.stderr);
        let code = if rejected.is_empty() { 0 } else { 3 };
        assert_eq!(ran.code, Some(code), "{shown}");

        // What is in can be merged one by one, and gives this table.
        oracle.psql(&again);
        let accepted = case
            .records
            .iter()
            .filter(|(number, _)| !rejected.contains_key(number));
        let said = one_by_one(&oracle, case.mode, accepted);
        assert!(said.values().all(|said| !is_code(said)), "{said:?} {shown}");
        assert_eq!(oracle.psql(table), scene.psql(table), "{shown}");
        assert!(
            ran.stderr.contains(&in_words(case.mode, &said)),
            "{said:?} {shown}"
        );
        // And nothing of the rest goes with it.
        let others = case
            .records
            .iter()
            .filter(|(number, _)| rejected.contains_key(number));
        let said = one_by_one(&oracle, case.mode, others);
        assert!(said.values().all(|said| is_code(said)), "{said:?} {shown}");
        assert_eq!(said, rejected, "{shown}");

        // Where the server merges in the order of the records, these are the same that it takes one by
        // one from the start. Others may have taken a record with its parent, or a code that was given up
        // in the same statement.
        let has_parents = case.records.values().any(|record| !record[1].is_empty());
        if file % 4 < 2 && !case.is_checked && !has_parents {
            oracle.psql(&again);
            let mut said = one_by_one(&oracle, case.mode, case.records.iter());
            said.retain(|_, said| is_code(said));
            assert_eq!(said, rejected, "{shown}");
            assert_eq!(oracle.psql(table), scene.psql(table), "{shown}");
        }
    }
}
