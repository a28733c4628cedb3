//! Rejected records: found, corrected, and loaded by the command that the summary names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

const TABLE: &str = "CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, note text, amount numeric(8,2) CHECK (amount > 0))";

/// Records of a file whose header is not in the table's order, with mistakes in it or without.
fn file(dirty: bool) -> String {
    let mut text = String::from("amount,id,note,day\r\n");
    for id in 1..=500 {
        let mut fields = [
            format!("{id}.50"),
            id.to_string(),
            format!("\"note, {id}\r\nof two lines\""),
            "2024-02-29".into(),
        ];
        if dirty {
            match id {
                17 => fields[0] = "1O.5".into(),
                42 => fields[3] = "2024-02-30".into(),
                43 => fields[0] = "-1".into(),
                99 => fields[3] = String::new(),
                500 => fields[1] = "1".into(),
                _ => {}
            }
        }
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    text
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// A job in a folder of its own, run from another one, with a step beside the load.
fn job(scene: &Scene) -> PathBuf {
    scene.file(
        "jobs/orders.yaml",
        format!(
            "connection: {}
vars: {{file: none}}
steps:
- {{name: tables, sql: SELECT 1}}
- name: load
  copy_from: {{file: '${{{{ vars.file }}}}', table: orders, format: csv, header: map, compression: gzip, on_error: reject, max_rejects: 100%}}
",
            quoted(&scene.database.url())
        ),
    );
    "jobs/orders.yaml".into()
}

/// The command that a run names for its rejected records, as it stands there.
fn command(ran: &Ran) -> String {
    let mut lines = ran.stderr.lines();
    let command = lines.find_map(|line| line.strip_prefix("  and run "));
    command
        .unwrap_or_else(|| panic!("{}", ran.stderr))
        .to_owned()
}

fn shell(scene: &Scene, command: &str) -> Ran {
    let mut shell = scene.place.at_home("/bin/sh".as_ref());
    Ran::of(shell.args(["-c", command]).output().unwrap())
}

/// The file that a command loads.
fn input(command: &str) -> String {
    command.rsplit_once("--input ").unwrap().1.to_owned()
}

#[test]
fn rejected_records_load_by_the_command_of_the_summary_once_they_are_corrected() {
    let clean = Scene::new(TABLE);
    clean.file("jobs/clean.csv.gz", packed(&file(false)));
    clean
        .place
        .run_file(&job(&clean), &["--var", "file=clean.csv.gz"])
        .ok();

    let scene = Scene::new(TABLE);
    scene.file("jobs/dirty orders.csv.gz", packed(&file(true)));
    let ran = scene
        .place
        .run_file(&job(&scene), &["--var", "file=dirty orders.csv.gz"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let command = command(&ran);
    let rejects = input(&command).trim_matches('\'').to_owned();
    let steady = scene
        .said(&ran)
        .replace(&rejects, "REJECTS/dirty orders.csv");
    let steady = steady.replace(env!("CARGO_BIN_EXE_dwsload"), "dwsload");
    let (_, summary) = steady.split_once("warning: ").unwrap();
    insta::assert_snapshot!(summary.lines().take(7).collect::<Vec<_>>().join("\n"), @r#"
    jobs/dirty orders.csv.gz: 5 records were rejected
      record 17, line 34, column amount: invalid input syntax for type numeric: "1O.5" (SQLSTATE 22P02)
      record 42, line 84, column day: date/time field value out of range: "2024-02-30" (SQLSTATE 22008)
      record 43, line 86: new row for relation "orders" violates check constraint "orders_amount_check" (SQLSTATE 23514)
      and 2 more, in REJECTS/dirty orders.csv.jsonl
      to load them, correct REJECTS/dirty orders.csv
      and run dwsload jobs/orders.yaml --var 'file=dirty orders.csv.gz' --only load --input 'REJECTS/dirty orders.csv'
    "#);

    let before = scene.place.read(&rejects);
    let again = shell(&scene, &command);
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    let rejected_again = input(&self::command(&again));
    assert_eq!(scene.place.read(rejected_again.trim_matches('\'')), before);
    assert_eq!(scene.psql("SELECT count(*) FROM orders"), "495");

    let corrections = "s/1O.5/17.50/; s/2024-02-30/2024-02-29/; s/^-1,/43.50,/; s/,\\r$/,2024-02-29\\r/; s/^500.50,1,/500.50,500,/";
    let sed = Command::new("sed")
        .args(["-i", corrections])
        .arg(scene.place.path(&rejects))
        .status();
    assert!(sed.unwrap().success());
    shell(&scene, &command).ok();
    let rows = "SELECT * FROM orders ORDER BY id";
    assert_eq!(scene.psql(rows), clean.psql(rows));
}

#[test]
fn a_step_that_reads_what_is_given_is_named_where_there_are_several() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    let job =
        scene.job("- {name: a, copy_from: {file: a, table: t}}\n- copy_from: {file: b, table: t}");
    scene.file("given", "1\n");
    let ran = scene.place.run_file(&job, &["--input", "given"]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(scene.said(&ran), @r"
    error: `--input` is for one step, and 2 of the steps that are run load files
      steps: 1 (a), 2 (copy_from t)
      hint: name the step: `--only 1`
    ");
    let ran = scene
        .place
        .run_file(&job, &["--input", "given", "--only", "2"]);
    assert_eq!(ran.ok().code, Some(0));
    let ran = scene
        .place
        .run_file(&job, &["--input", "none", "--only", "a"]);
    assert_eq!(ran.code, Some(6));
    insta::assert_snapshot!(scene.said(&ran), @r"
    error: no file `none`
      hint: the path of `--input` is relative to the current folder
    ");
}
