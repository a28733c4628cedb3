//! `--shard`: runs that share the files of a job.

use super::{assert_says, job, numbers, rows, scene};
use crate::support::Workplace;

const FILES: &str =
    "SELECT count(*) FROM dwsload_ledger WHERE kind = 'file' AND end_offset IS NOT NULL";

#[test]
fn shards_load_each_record_once_and_each_its_own() {
    let (database, place) = scene();
    numbers(&place, 20, 1000);
    let one = Workplace::new();
    numbers(&one, 1, 20_000);
    for (place, lines, parts) in [
        (&place, "exactly_once: true\ntransaction: batch\n", 20),
        (&one, "exactly_once: true\ntransaction: batch\n", 1),
        (&place, "exactly_once: true\ntransaction: step\n", 20),
        (&place, "", 0),
    ] {
        database.psql("TRUNCATE t; DROP TABLE IF EXISTS dwsload_ledger");
        let batch = if lines.contains("batch") {
            ", batch: 10000"
        } else {
            ""
        };
        let yaml = job(
            &database.url(),
            &format!("steps:\n- copy_from: {{file: 'n*.txt', table: t{batch}}}\n"),
        );
        let yaml = yaml.replace("exactly_once: true\n", lines);
        let path = place.file("job.yaml", yaml);
        let mut counts = vec![0];
        for shard in ["2/3", "0/3", "1/3"] {
            place.run_file(&path, &["--shard", shard]).ok();
            let count: u64 = database.psql("SELECT count(*) FROM t").parse().unwrap();
            assert!(
                count > *counts.last().unwrap(),
                "{shard} has loaded nothing"
            );
            counts.push(count);
        }
        assert_eq!(rows(&database), "20000|20000", "{counts:?}");
        if parts > 0 {
            assert_eq!(database.psql(FILES), parts.to_string());
            // Without shards, all is in.
            place.run_file(&path, &[]).ok();
            assert_eq!(rows(&database), "20000|20000");
        }
    }
}

#[test]
fn what_cannot_be_shared_is_said() {
    let place = Workplace::new();
    let load = "- copy_from: {file: a, table: t}\n";
    for (steps, arguments, what) in [
        (
            load.to_owned(),
            ["--shard", "4/4"],
            "of 4 shares the first is 0/4, and the last 3/4",
        ),
        (
            load.to_owned(),
            ["--shard", "1/0"],
            "there is no share of none",
        ),
        (
            load.to_owned(),
            ["--shard", "1"],
            "expected a share and how many there are, such as 0/4",
        ),
        (
            format!("- sql: SELECT 1\n{load}"),
            ["--shard", "0/2"],
            "step 1 (sql) loads no files, and each shard would run it",
        ),
        (
            load.replace("table: t", "table: t, mode: replace"),
            ["--shard", "0/2"],
            "each shard would empty the table of the others",
        ),
        (
            load.replace("table: t", "table: t, after: delete"),
            ["--shard", "0/2"],
            "each shard would take those of the others",
        ),
        (
            load.replace("file: a", "file: '-'"),
            ["--shard", "0/2"],
            "reads standard input",
        ),
    ] {
        let path = place.file("job.yaml", format!("connection: embedded\nsteps:\n{steps}"));
        assert_says(&place.run_file(&path, &arguments), 2, what);
    }
    let path = place.file(
        "job.yaml",
        format!("connection: embedded\nexactly_once: true\nsteps:\n{load}"),
    );
    let ran = place.run_file(&path, &["--shard", "0/2", "--again"]);
    assert_says(&ran, 2, "`--again` would take out of the ledger");
}
