//! Random files with bad records: in the table is what the server takes record by record, and
//! everything else is rejected, nothing more and nothing less.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{TABLES, rejects};
use crate::gate::{Gate, Product};
use crate::support::quoted;
use crate::support::scene::Scene;

/// Files in one run of the tests; `DWSLOAD_DIRTY_FILES` asks for more.
const FILES: u32 = 60;

/// One record as csv, with its line end. Some are good, most are nearly so.
fn record() -> impl Strategy<Value = String> {
    let of = |values: &'static [&'static str]| prop::sample::select(values);
    let id = prop_oneof![
        8 => (1..40u32).prop_map(|id| id.to_string()),
        1 => of(&["", "x", " 7 ", "99999999999", "1.0", "\"8\"", "-0"]).prop_map(str::to_owned),
    ];
    let fields = (
        id,
        of(&["1", "2", "1", "2", "9", "", "\"1\""]),
        of(&["5", "5", "5", "7", "0", "-3", "", "x", "5e0"]),
        of(&["abc", "ab", "abc", "abcd", "ab  ", "", "äöü", "\"a\"\"b\""]),
        of(&["2", "4", "2", "3", "", "x"]),
        of(&[
            "2024-01-31",
            "2024-02-29",
            "2024-02-30",
            "",
            "today",
            "1/2/2024",
            "x",
        ]),
        of(&[
            "good",
            "",
            "\"two\nlines\"",
            "\"a,b\"",
            "refuse",
            "\"\"",
            "\"\\.\"",
            "back\\slash",
            "good",
            "\"q\"\"q\"",
        ]),
    );
    let shape = of(&["", "", "", "", "", "", "", "", "", "", ",more", "cut"]);
    (fields, shape).prop_map(|((a, b, c, d, e, f, g), shape)| {
        let mut fields = vec![a.as_str(), b, c, d, e, f, g];
        if shape == "cut" {
            fields.truncate(5);
        }
        let more = if shape == ",more" { shape } else { "" };
        format!("{}{more}\n", fields.join(","))
    })
}

/// The table after each record was loaded by a COPY of its own, as psql does it.
fn one_by_one(scene: &Scene, records: &[String]) {
    let mut script = String::from("\\set ON_ERROR_ROLLBACK on\nBEGIN;\n");
    for record in records {
        script.push_str(&format!("COPY t FROM stdin CSV;\n{record}\\.\n"));
    }
    script.push_str("COMMIT;\n");
    let mut psql = Command::new("psql")
        .args(["-XAtq", "-d", &scene.database.url()])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql runs");
    let mut stdin = psql.stdin.take().expect("its input is a pipe");
    stdin.write_all(script.as_bytes()).expect("it reads");
    drop(stdin);
    assert!(psql.wait().expect("psql ends").success());
}

#[test]
fn what_a_server_takes_one_by_one_is_in_and_the_rest_is_rejected() {
    let files = std::env::var("DWSLOAD_DIRTY_FILES").map_or(FILES, |text| {
        text.parse().expect("DWSLOAD_DIRTY_FILES is a number")
    });
    let oracle = Scene::new(TABLES);
    let plain = Scene::new(TABLES);
    let gated = [Product::OpenGauss, Product::Dws].map(|product| {
        let scene = Scene::new(TABLES);
        let gate = Gate::before(&scene.database).playing(product).open();
        (scene, gate)
    });
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(record(), 1..60);
    let table = "SELECT * FROM t ORDER BY id; TRUNCATE t";
    for file in 0..files {
        let records = strategy.new_tree(&mut runner).expect("a file").current();
        one_by_one(&oracle, &records);
        // Sent as they are, made anew, and on servers that differ in what a failure costs.
        let (scene, url, keys) = match file % 4 {
            0 => (&plain, plain.database.url(), ""),
            1 => (&plain, plain.database.url(), ", 'null': ['']"),
            2 => (&gated[0].0, gated[0].1.url(), ""),
            _ => (&gated[1].0, gated[1].1.url(), ""),
        };
        scene.file("dirty.csv", records.concat());
        let ran = scene.place.run(&format!(
            "connection: {}
steps:
- copy_from: {{file: dirty.csv, table: t, format: csv, on_error: reject, max_rejects: 100%{keys}}}
",
            quoted(&url)
        ));
        let mut found = rejects(scene);
        let _ = std::fs::remove_dir_all(scene.place.path("rejects"));
        let rejected = found.pop().map_or(Vec::new(), |(_, bytes, _)| bytes);
        let code = if rejected.is_empty() { 0 } else { 3 };
        assert_eq!(ran.code, Some(code), "{}\n{}", records.concat(), ran.stderr);
        let (expected, got) = (oracle.psql(table), scene.psql(table));
        assert_eq!(
            got,
            expected,
            "file {file}:\n{}\n{}",
            records.concat(),
            ran.stderr
        );
        // Every record is in one place: those that are not rejected are as many as the rows.
        let rejected = String::from_utf8(rejected).expect("UTF-8");
        let mut rest = rejected.as_str();
        let mut loaded = 0;
        for record in &records {
            match rest.strip_prefix(record.as_str()) {
                Some(behind) => rest = behind,
                None => loaded += 1,
            }
        }
        assert_eq!(rest, "", "rejects are no records, in order:\n{rejected}");
        let rows = expected.matches('\n').count() + usize::from(!expected.is_empty());
        let inner = expected.matches("two\nlines").count();
        assert_eq!(loaded, rows - inner, "{}", records.concat());
    }
}
