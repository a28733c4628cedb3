//! The same of random records, with a load of them as the judge.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::exact::{COLUMNS, TABLES, loaded, rehearsed};
use crate::gate::{Gate, Product};
use crate::support::quoted;
use crate::support::scene::Scene;

/// One record, with its line end. Some are good, most are nearly so.
fn record() -> impl Strategy<Value = String> {
    let of = |values: &'static [&'static str]| prop::sample::select(values);
    let id = prop_oneof![
        12 => (1..60u32).prop_map(|id| id.to_string()),
        1 => of(&["", "x", "99999999999"]).prop_map(str::to_owned),
    ];
    // Not of the file: which records are sent together is not to be known.
    let boss = of(&["", "", "1", "2", "99"]).prop_map(str::to_owned);
    let fields = (
        id,
        of(&["1", "2", "1", "2", "9", ""]),
        of(&["a", "b", "a", "b", "", "c"]),
        of(&["5", "5", "95", "96", "0", "", "x"]),
        (
            of(&["", "a", "b", "c", "A", "B"]),
            of(&["", "x", "y", "xyz"]),
        ),
        of(&["2", "4", "6", "2", "3", ""]),
        of(&["2024-01-31", "", "2024-02-30", "infinity", "today"]),
        boss,
        of(&["good", "", "bad", "\"q,\"\"q\"", "\"two\nlines\""]),
    );
    let shape = of(&["", "", "", "", "", "", "", "", "", "", "", ",more", "cut"]);
    (fields, shape).prop_map(|((a, b, c, d, (e, f), g, h, i, j), shape)| {
        let code = format!("{e}{f}");
        let mut fields = vec![a.as_str(), b, c, d, &code, g, h, &i, j];
        if shape == "cut" {
            fields.truncate(5);
        }
        let more = if shape == ",more" { shape } else { "" };
        format!("{}{more}\n", fields.join(","))
    })
}

/// Checks and loads random files, as many as asked for by `DWSLOAD_DIRTY_FILES`, into `tables`, by a
/// step with these keys. What is merged has its foreign keys looked at first: another reason may be told
/// of a record that is refused for two.
fn same_of_random_files(tables: &str, files: u32, url: &str, how: &str, scene: &Scene) {
    let told = |(found, code): (Vec<String>, Option<i32>)| {
        let place = |record: &String| {
            record
                .splitn(3, ": ")
                .take(2)
                .collect::<Vec<_>>()
                .join(": ")
        };
        let found = match how {
            "" => found,
            // Those that only the merge refuses are kept last.
            _ => {
                let places: BTreeSet<String> = found.iter().map(place).collect();
                places.into_iter().collect()
            }
        };
        (found, code)
    };
    let files = std::env::var("DWSLOAD_DIRTY_FILES").map_or(files, |text| text.parse().unwrap());
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(record(), 1..40);
    for file in 0..files {
        for name in ["a.csv", "b.csv"] {
            let records = strategy.new_tree(&mut runner).unwrap().current();
            scene.file(name, records.concat());
        }
        let job = scene.file(
            "job.yaml",
            format!(
                "connection: {}\nsteps:\n- copy_from: {{file: [a.csv, b.csv], table: t, columns: [{COLUMNS}], format: csv, on_error: reject, max_rejects: 100%{how}}}\n",
                quoted(url)
            ),
        );
        let found = told(rehearsed(scene, &job));
        let rejected = told(loaded(scene, &job));
        let content = |name| String::from_utf8(scene.place.read(name)).unwrap();
        assert_eq!(
            found,
            rejected,
            "file {file}:\n{}---\n{}",
            content("a.csv"),
            content("b.csv")
        );
        scene.psql("DROP TABLE t, parent; DROP DOMAIN IF EXISTS even");
        scene.psql(tables);
    }
}

#[test]
fn random_records_are_found_as_they_are_rejected() {
    let scene = Scene::new(TABLES);
    same_of_random_files(TABLES, 40, &scene.database.url(), "", &scene);
}

/// The same for servers that compare key by key, and have no temporary READ ONLY.
const SIMPLE: &str = "
    CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
    CREATE TABLE t (
      id int PRIMARY KEY, n serial, parent int REFERENCES parent, region text, amount int NOT NULL CHECK (amount > 0),
      code varchar(3), two int, day date, boss int, note text DEFAULT 'none' CHECK (note <> 'bad'), UNIQUE (code, two));
    CREATE UNIQUE INDEX lower ON t (lower(code)) WHERE amount > 90;
    INSERT INTO t (id, parent, amount) VALUES (1, 1, 5), (2, NULL, 95)";

#[test]
fn random_records_are_found_on_gauss_servers() {
    for product in [Product::OpenGauss, Product::Dws] {
        let scene = Scene::new(SIMPLE);
        let gate = Gate::before(&scene.database).playing(product).open();
        same_of_random_files(SIMPLE, 8, &gate.url(), "", &scene);
        assert_eq!(gate.refused(), [] as [&str; 0]);
    }
}

#[test]
fn random_records_are_found_as_they_are_rejected_by_merges() {
    for mode in ["upsert", "insert_new", "delete"] {
        let scene = Scene::new(TABLES);
        let how = format!(", mode: {mode}, key: [id], duplicates: last");
        same_of_random_files(TABLES, 12, &scene.database.url(), &how, &scene);
    }
    let scene = Scene::new(SIMPLE);
    let gate = Gate::before(&scene.database)
        .playing(Product::OpenGauss)
        .open();
    let how = ", mode: upsert, key: [id], duplicates: first";
    same_of_random_files(SIMPLE, 6, &gate.url(), how, &scene);
    assert_eq!(gate.refused(), [] as [&str; 0]);
}
