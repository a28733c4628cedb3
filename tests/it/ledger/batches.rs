//! `transaction: batch`: a file is in batch by batch, and each record once.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{assert_says, job, numbers, rows, scene};
use crate::gate::{Fault, Gate, Point, Product, ServerError};
use crate::support::proxy::{Manner, Proxy};
use crate::support::running::{Running, gone, until};
use crate::support::server::{Database, Server};
use crate::support::{Ran, Workplace};

/// A job of one load by batches of so many bytes; `keys` of the step come besides.
fn by_batch(url: &str, batch: &str, file: &str, table: &str, keys: &str) -> String {
    let step = format!(
        "transaction: batch\nsteps:\n- copy_from: {{file: '{file}', table: {table}, batch: {batch}{keys}}}\n"
    );
    job(url, &step)
}

/// Has the row `n` of `t` wait as long as `log` is empty.
fn hold(database: &Database, n: u32) {
    database.psql(&format!(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NOT EXISTS (SELECT FROM log) THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END$$;
         CREATE TRIGGER hold BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.n = {n}) EXECUTE FUNCTION hold()"
    ));
}

/// Waits until a load of `name` has come to the record that is held.
fn held(database: &Database, name: &str) -> String {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'dwsload:{name}' \
         AND datname = current_database() AND wait_event = 'PgSleep'"
    );
    until("a record to be held", || {
        Some(database.psql(&sql)).filter(|pid| !pid.is_empty())
    })
}

/// Ends what was held, and holds no more.
fn go(database: &Database, pid: &str) {
    database.psql(&format!("SELECT pg_terminate_backend({pid})"));
    gone(database, "loads");
    database.psql("DROP TRIGGER hold ON t; DROP FUNCTION hold()");
}

/// Kills a run at record `n` of a file of numbers.
fn killed_at(database: &Database, place: &Workplace, yaml: &str, n: u32) {
    hold(database, n);
    let run = Running::start(place, "killed", yaml);
    let pid = held(database, "loads");
    run.signal(Signal::KILL);
    let _ = run.end();
    go(database, &pid);
}

const BATCHES: &str = "SELECT count(*) FROM dwsload_ledger WHERE kind IN ('batch', 'last')";
const FILES: &str =
    "SELECT count(*) FROM dwsload_ledger WHERE kind = 'file' AND end_offset IS NOT NULL";

#[test]
fn a_run_that_is_killed_in_a_file_is_gone_on_with_behind_what_is_committed() {
    let (database, place) = scene();
    numbers(&place, 1, 200_000);
    let bytes = place.read("n1.txt").len() as u64;
    let yaml = by_batch(&database.url(), "64KiB", "n1.txt", "t", "");
    killed_at(&database, &place, &yaml, 140_000);
    let before: u64 = database
        .psql("SELECT max(end_offset) FROM dwsload_ledger WHERE kind = 'batch'")
        .parse()
        .unwrap();
    // Records below 140,000 have been sent.
    let sent: u64 = (0..140_000_u64)
        .map(|n| n.to_string().len() as u64 + 1)
        .sum();
    assert!(sent - before < 2 * 65_536, "{sent} {before}");
    let ran = place.run(&yaml).ok();
    let own = database.psql(
        "SELECT sum(end_offset - start_offset) FROM dwsload_ledger WHERE kind IN ('batch', 'last') \
         AND run_id <> (SELECT run_id FROM dwsload_ledger WHERE kind = 'file')",
    );
    assert_eq!(
        own.parse::<u64>().unwrap(),
        bytes - before,
        "{}",
        ran.stderr
    );
    assert_eq!(rows(&database), "200000|200000");
    let ledger = "SELECT end_offset, end_record, end_line, loaded, batch, batches FROM dwsload_ledger WHERE kind = 'file'";
    assert_eq!(
        database.psql(ledger),
        format!("{bytes}|200000|200000|200000|65536|20")
    );
    assert_eq!(database.psql(BATCHES), "20");
    let ran = place.run(&yaml).ok();
    assert!(
        ran.stderr.contains("1 file was loaded before"),
        "{}",
        ran.stderr
    );
    // By the step, too.
    let step = yaml.replace("transaction: batch", "transaction: step");
    let ran = place.run(&step.replace(", batch: 64KiB", "")).ok();
    assert!(
        ran.stderr.contains("1 file was loaded before"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_division_of_a_file_outlives_the_jobs() {
    let (database, place) = scene();
    numbers(&place, 1, 50_000);
    let yaml = by_batch(&database.url(), "10000", "n1.txt", "t", "");
    killed_at(&database, &place, &yaml, 30_000);
    // What is in in part is not loaded as one.
    let step = yaml.replace("transaction: batch", "transaction: step");
    let ran = place.run(&step.replace(", batch: 10000", ""));
    assert_says(&ran, 6, "is being loaded in batches of 10000 bytes");
    let other = yaml.replace("batch: 10000", "batch: 1GB");
    let ran = place.run(&other).ok();
    assert_eq!(rows(&database), "50000|50000", "{}", ran.stderr);
    let sizes = "SELECT count(*), max(end_offset - start_offset) < 10100 FROM dwsload_ledger WHERE kind IN ('batch', 'last')";
    assert_eq!(database.psql(sizes), "29|t");
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let (database, place) = scene();
    numbers(&place, 3, 20_000);
    place.file("n4.txt", "-1\n");
    let keys = ", on_error: reject";
    for (round, keys) in ["", "", "", keys, "", keys, "", keys, "", ""]
        .iter()
        .enumerate()
    {
        database.psql("TRUNCATE t; DROP TABLE IF EXISTS dwsload_ledger");
        let yaml = by_batch(&database.url(), "20000", "n*.txt", "t", keys);
        let run = Running::start(&place, "killed", &yaml);
        sleep(Duration::from_millis(
            30 * round as u64 + rand::random_range(0..60),
        ));
        run.signal(Signal::KILL);
        let _ = run.end();
        gone(&database, "loads");
        // Another division, as if by a job that was changed.
        let yaml = yaml.replace("batch: 20000", "batch: 7000");
        place.run(&yaml).ok();
        assert_eq!(rows(&database), "60001|60001", "round {round}");
        assert_eq!(database.psql(FILES), "4");
    }
}

#[test]
fn runs_share_one_file_and_many_and_take_over_what_others_leave() {
    let (database, place) = scene();
    for (files, each, batch, keys) in [
        (1, 200_000, "20kB", ""),
        (1, 60_000, "20kB", ", on_error: reject"),
        (200, 500, "1MB", ""),
        (
            60,
            500,
            "1kB",
            ", set: {n: $record}, columns: [x], where: x <> '5'",
        ),
    ] {
        database.psql("TRUNCATE t; DROP TABLE IF EXISTS dwsload_ledger");
        let _ = std::fs::remove_file(place.path("n2.txt"));
        let (database, place) = (&database, Workplace::new());
        numbers(&place, files, each);
        let yaml = by_batch(&database.url(), batch, "n*.txt", "t", keys);
        let runs = ["one", "two", "three", "four"].map(|name| Running::start(&place, name, &yaml));
        let some = format!("{BATCHES} AND end_offset IS NOT NULL");
        until("a part to be in", || {
            let there = database.psql("SELECT to_regclass('dwsload_ledger') IS NOT NULL") == "t";
            let whole = format!("({FILES}) + ({some})");
            (there && database.psql(&format!("SELECT {whole} > 3")) == "t").then_some(())
        });
        let mut said = Vec::new();
        for (index, run) in runs.into_iter().enumerate() {
            if index < 2 {
                run.signal(Signal::KILL);
                let _ = run.end();
            } else {
                said.push(run.end().ok().stderr);
            }
        }
        let all = (files * each).to_string();
        if keys.contains("where") {
            assert_eq!(
                database.psql("SELECT count(*) FROM t"),
                (files * each - 1).to_string()
            );
        } else {
            assert_eq!(rows(database), format!("{all}|{all}"), "{said:#?}");
        }
        assert_eq!(database.psql(FILES), files.to_string(), "{said:#?}");
    }
}

#[test]
fn a_batch_that_another_run_holds_is_gone_past_and_come_back_to() {
    let (database, place) = scene();
    numbers(&place, 1, 20_000);
    let yaml = by_batch(&database.url(), "10000", "n1.txt", "t", "");
    hold(&database, 0);
    let first = Running::start(&place, "first", &yaml);
    let pid = held(&database, "loads");
    let second = Running::start(&place, "second", &yaml);
    until("all other batches", || {
        (database.psql(BATCHES) == "10").then_some(())
    });
    first.signal(Signal::KILL);
    let _ = first.end();
    database.psql("INSERT INTO log VALUES (1)");
    database.psql(&format!("SELECT pg_terminate_backend({pid})"));
    second.end().ok();
    assert_eq!(rows(&database), "20000|20000");
    assert_eq!(database.psql(FILES), "1");
}

/// Records of every kind that is hard to cut.
fn oddities(line_end: &str) -> String {
    let mut text = format!("n,v{line_end}");
    for n in 0..150 {
        let value = match n % 7 {
            0 => "\"a\nb\"".into(),
            1 => format!("\"x{line_end}y\""),
            2 => "\"\"\"\"".into(),
            3 => "x".repeat(n % 90),
            4 => String::new(),
            5 => "\"a,b\"".into(),
            _ => "ä€".into(),
        };
        let number = if n % 31 == 30 {
            format!("x{n}")
        } else {
            n.to_string()
        };
        text.push_str(&format!("{number},{value}{line_end}"));
    }
    text
}

/// What a run with rejects comes to: rows, kept records and reasons.
fn outcome(database: &Database, place: &Workplace, yaml: &str) -> (String, Vec<u8>, String) {
    database.psql("TRUNCATE k; DROP TABLE IF EXISTS dwsload_ledger");
    let _ = std::fs::remove_dir_all(place.path("rejects"));
    let ran = place.run(yaml);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let mut folders = std::fs::read_dir(place.path("rejects")).expect("a folder of rejects");
    let folder = folders
        .next()
        .and_then(Result::ok)
        .expect("that of the run");
    let folder = format!("rejects/{}", folder.file_name().to_string_lossy());
    let reasons = place.read(&format!("{folder}/k.csv.jsonl"));
    (
        database.psql("SELECT md5(string_agg(k::text, ',' ORDER BY n)), count(*) FROM k"),
        place.read(&format!("{folder}/k.csv")),
        String::from_utf8_lossy(&reasons).into_owned(),
    )
}

#[test]
fn batches_come_to_the_same_as_a_file_at_once() {
    let (database, place) = scene();
    for line_end in ["\n", "\r\n"] {
        place.file("k.csv", oddities(line_end));
        for keys in [
            ", format: csv, header: map, on_error: reject",
            ", format: csv, header: true, on_error: reject, columns: [n, w], on_extra_column: ok, set: {v: $line}",
            ", format: csv, header: map, on_error: reject, select: {v: upper(v)}",
            ", format: csv, header: match, on_error: reject, mode: upsert",
        ] {
            let yaml = by_batch(&database.url(), "1000", "k.csv", "k", keys);
            let step = yaml.replace("transaction: batch", "transaction: step");
            let expected = outcome(&database, &place, &step.replace(", batch: 1000", ""));
            for batch in ["1", "500", "1MB"] {
                let yaml = yaml.replace("batch: 1000", &format!("batch: {batch}"));
                let found = outcome(&database, &place, &yaml);
                assert_eq!(found, expected, "{batch} {keys}");
            }
        }
    }
}

#[test]
fn the_place_of_a_bad_record_is_that_in_its_file() {
    let (database, place) = scene();
    for line_end in ["\n", "\r\n"] {
        // The last record is bad, and quotes with line ends stand before it in its batch.
        let good = oddities(line_end).replace(",x", ",y");
        let good: String = good
            .split_inclusive(line_end)
            .filter(|line| !line.starts_with('x'))
            .collect();
        database.psql("TRUNCATE k; DROP TABLE IF EXISTS dwsload_ledger");
        place.file("k.csv", format!("{good}\"5\n5\",z{line_end}"));
        let yaml = by_batch(
            &database.url(),
            "1",
            "k.csv",
            "k",
            ", format: csv, header: true",
        );
        let places = |ran: &Ran| -> String {
            let lines = ran.stderr.lines();
            let lines = lines.filter(|line| line.contains("record ") || line.contains("byte:"));
            lines.map(|line| line.to_owned() + "\n").collect()
        };
        let step = yaml.replace("transaction: batch", "transaction: step");
        let expected = place.run(&step.replace(", batch: 1", ""));
        assert_eq!(expected.code, Some(1), "{}", expected.stderr);
        for batch in ["1", "37", "500"] {
            database.psql("TRUNCATE k; DROP TABLE IF EXISTS dwsload_ledger");
            let ran = place.run(&yaml.replace("batch: 1", &format!("batch: {batch}")));
            assert_says(&ran, 1, "batches with ");
            assert_eq!(places(&ran), places(&expected), "{batch}");
            // It is the same when the batches before are skipped.
            let ran = place.run(&yaml);
            assert_eq!(places(&ran), places(&expected), "{batch}");
        }
    }
}

#[test]
fn compressed_files_and_pipes_are_gone_on_with_as_well() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let (database, place) = scene();
    let lines: Vec<String> = (0..50_000).map(|n| format!("{n}\n")).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines.concat().as_bytes()).unwrap();
    place.file("n.gz", packed.finish().unwrap());
    let yaml = by_batch(&database.url(), "20000", "n.gz", "t", "");
    killed_at(&database, &place, &yaml, 30_000);
    place.run(&yaml).ok();
    assert_eq!(rows(&database), "50000|50000");
    let ledger = "SELECT count(*), count(DISTINCT run_id) FROM dwsload_ledger WHERE kind IN ('batch', 'last')";
    assert_eq!(database.psql(ledger), "15|2");

    database.psql("TRUNCATE t");
    let yaml = by_batch(&database.url(), "20000", "-", "t", ", source_id: numbers");
    let feed = |lines: &[String]| {
        let input = place.file("input", lines.concat());
        let path = place.file("job.yaml", &yaml);
        let mut command = place.dwsload();
        command.arg(path).stdin(std::fs::File::open(input).unwrap());
        Ran::of(command.output().unwrap())
    };
    let cut = [&lines[..40_000], &["x\n".to_owned()]].concat();
    assert_says(
        &feed(&cut),
        1,
        "are committed; the batch under way is rolled back",
    );
    feed(&lines).ok();
    assert_eq!(rows(&database), "50000|50000");
    // What was loaded is not what comes.
    database.psql("DELETE FROM dwsload_ledger WHERE kind = 'last'; UPDATE dwsload_ledger SET end_offset = NULL WHERE kind = 'file'");
    let other: Vec<String> = (0..50_000).map(|n| format!("{n}.0\n")).collect();
    assert_says(&feed(&other), 1, "is not what a part of it was loaded from");
}

#[test]
fn a_file_that_changes_is_an_error() {
    let (database, place) = scene();
    numbers(&place, 1, 50_000);
    let yaml = by_batch(&database.url(), "10000", "n1.txt", "t", "");
    killed_at(&database, &place, &yaml, 30_000);
    let old = place.read("n1.txt");
    place.file("n1.txt", "5\n6\n");
    for transaction in ["batch", "step"] {
        let yaml = yaml.replace("transaction: batch", &format!("transaction: {transaction}"));
        let yaml = if transaction == "step" {
            yaml.replace(", batch: 10000", "")
        } else {
            yaml
        };
        let ran = place.run(&yaml);
        assert_says(&ran, 6, "has changed since");
    }
    place.file("n1.txt", old);
    // While it is loaded: its batches are in, and the one under way is not.
    database.psql("TRUNCATE t; DROP TABLE dwsload_ledger");
    hold(&database, 30_000);
    let run = Running::start(&place, "loads", &yaml);
    let pid = held(&database, "loads");
    place.file("n1.txt", "5\n");
    database.psql("INSERT INTO log VALUES (1)");
    database.psql(&format!("SELECT pg_cancel_backend({pid})"));
    assert_says(&run.end(), 1, "");
    let ran = place.run(&yaml);
    assert_says(&ran, 6, "has changed since");
    database.psql("TRUNCATE t");
    let path = place.path("job.yaml");
    place.run_file(&path, &["--again"]).ok();
    assert_eq!(rows(&database), "1|1");
}

#[test]
fn a_connection_that_falls_goes_on_behind_the_last_batch() {
    let (database, place) = scene();
    numbers(&place, 1, 20_000);
    // Its COMMITs: that of the division, and those of the batches.
    for manner in [
        Manner::CutAnswer(b"COMMIT\0"),
        Manner::CutBefore(b"COMMIT\0"),
    ] {
        database.psql("TRUNCATE t; DROP TABLE IF EXISTS dwsload_ledger");
        let url = Proxy::at_first(&database, manner).url(&database);
        let ran = place.run(&by_batch(&url, "10000", "n1.txt", "t", "")).ok();
        assert_eq!(rows(&database), "20000|20000", "{}", ran.stderr);
    }
}

#[test]
fn every_boundary_of_a_transaction_may_fall_on_gauss_servers() {
    for product in [Product::Dws, Product::OpenGauss] {
        let database = Server::shared().database();
        database.psql("CREATE TABLE t (n int)");
        let place = Workplace::new();
        numbers(&place, 2, 3000);
        place.file("n2.txt", "-1\n");
        let gate = Gate::before(&database).playing(product).open();
        let yaml = by_batch(&gate.url(), "4000", "n*.txt", "t", "");
        let yaml = yaml.replace("transaction:", "retry: {wait: 5ms}\ntransaction:");
        for nth in 1..=6 {
            for point in [
                Point::AfterCommit,
                Point::AtCommit,
                Point::AfterCopy,
                Point::DuringCopy(2000),
            ] {
                database.psql("TRUNCATE t; DROP TABLE IF EXISTS dwsload_ledger");
                gate.inject(Fault::cut(point).nth(nth));
                let ran = place.run(&yaml).ok();
                assert_eq!(
                    rows(&database),
                    "3001|3001",
                    "{product:?} {nth} {}",
                    ran.stderr
                );
                assert_eq!(database.psql(FILES), "2");
                assert!(
                    ran.stderr.contains("3,001 rows loaded in"),
                    "{}",
                    ran.stderr
                );
            }
        }
        let ran = place.run(&yaml).ok();
        assert!(
            ran.stderr.contains("2 files were loaded before"),
            "{}",
            ran.stderr
        );
        let error = ServerError::new("YY001", "connection reset by peer");
        database.psql("TRUNCATE t, dwsload_ledger");
        gate.inject(Fault::error(Point::AtCommit, error).nth(3));
        let ran = place.run(&yaml).ok();
        assert!(
            ran.stderr.contains("lost did not take place"),
            "{}",
            ran.stderr
        );
        assert_eq!(rows(&database), "3001|3001");
        // Runs share the work, and the first batch is another's.
        database.psql("TRUNCATE t, dwsload_ledger");
        let runs = ["one", "two", "three"].map(|name| Running::start(&place, name, &yaml));
        for run in runs {
            run.end().ok();
        }
        assert_eq!(rows(&database), "3001|3001");
        assert!(gate.refused().is_empty(), "{:?}", gate.refused());
    }
}

#[test]
fn rejects_are_counted_over_all_batches_and_runs() {
    let (database, place) = scene();
    let line = |n: u32| {
        if n % 1000 == 999 {
            "x\n".to_owned()
        } else {
            format!("{n}\n")
        }
    };
    let lines: Vec<String> = (0..10_000).map(line).collect();
    place.file("n1.txt", lines.concat());
    let keys = ", on_error: reject, max_rejects: 6";
    let yaml = by_batch(&database.url(), "5000", "n1.txt", "t", keys);
    let ran = place.run(&yaml);
    assert_says(&ran, 1, "more than 6 records were rejected");
    let first = rows(&database);
    let ran = place.run(&yaml);
    assert_says(&ran, 1, "more than 6 records were rejected");
    assert_eq!(rows(&database), first);
    let ran = place.run(&yaml.replace("max_rejects: 6", "max_rejects: 10"));
    assert_says(&ran, 3, "rejected");
    assert_eq!(rows(&database), "9990|9990");
    let ledger = "SELECT loaded, rejected FROM dwsload_ledger WHERE kind = 'file'";
    assert_eq!(database.psql(ledger), "9990|10");
}

#[test]
fn keys_are_merged_batch_by_batch() {
    let (database, place) = scene();
    let lines: Vec<String> = (0..3000).map(|n| format!("{n}\tv{n}\n")).collect();
    place.file("k.txt", lines.concat());
    database.psql("INSERT INTO k SELECT n, 'old' FROM generate_series(0, 99) n");
    let yaml = by_batch(&database.url(), "5000", "k.txt", "k", ", mode: upsert");
    let ran = place.run(&yaml).ok();
    assert!(
        ran.stderr.contains("2,900 inserted, 100 updated"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        database.psql("SELECT count(*), sum((v = 'v' || n)::int) FROM k"),
        "3000|3000"
    );
    // Within a batch a key that stands twice is found, with its place.
    place.file(
        "d.txt",
        [lines[1000..1900].concat(), lines[1899].clone()].concat(),
    );
    let ran = place.run(&by_batch(
        &database.url(),
        "5000",
        "d.txt",
        "k",
        ", mode: upsert",
    ));
    assert_says(&ran, 1, "record 901, line 901");
    let ran = place.run(&by_batch(
        &database.url(),
        "5000",
        "k.txt",
        "k",
        ", mode: delete",
    ));
    assert_says(&ran, 0, "1 file was loaded before");
    place.file("gone.txt", lines.concat());
    let ran = place.run(&by_batch(
        &database.url(),
        "5000",
        "gone.txt",
        "k",
        ", mode: delete",
    ));
    assert_says(&ran, 0, "3,000 deleted");
}

#[test]
fn mistakes_in_jobs_of_batches_are_said() {
    let place = Workplace::new();
    let load = |keys: &str| format!("- copy_from: {{file: a, table: t{keys}}}\n");
    let exactly = "exactly_once: true\ntransaction: batch\nsteps:\n";
    for (lines, what) in [
        (
            format!("transaction: batch\nsteps:\n{}", load("")),
            "transaction: `batch` commits a part of a file at a time",
        ),
        (
            format!("{exactly}{}", load(", mode: replace")),
            "mode: empties the table in the transaction that fills it",
        ),
        (
            format!("{exactly}{}", load(", mode: upsert, duplicates: last")),
            "duplicates: with `transaction: batch`, batches may come into the table in any order",
        ),
        (
            format!("{exactly}{}", load(", batch: 0")),
            "batch: an amount of 0",
        ),
        (
            format!("{exactly}{}", load(", batch: 5 apples")),
            "batch: expected an amount of bytes, such as `64MiB`",
        ),
        (
            format!("steps:\n{}", load(", batch: 64MiB")),
            "batch: a file is cut into batches with `transaction: batch`",
        ),
    ] {
        assert_says(
            &place.run(&format!("connection: embedded\n{lines}")),
            2,
            what,
        );
    }
}

#[test]
fn history_tells_how_many_batches_are_in_and_forgets_them_with_their_file() {
    let (database, place) = scene();
    numbers(&place, 1, 20_000);
    let yaml = by_batch(&database.url(), "30000", "n1.txt", "t", "");
    killed_at(&database, &place, &yaml, 14_000);
    let path = place.path("killed.yaml");
    let history = |arguments: &[&str]| {
        let output = place
            .dwsload()
            .arg("history")
            .arg(&path)
            .args(arguments)
            .output();
        String::from_utf8(Ran::of(output.unwrap()).ok().stdout).unwrap()
    };
    let shown = history(&[]);
    assert!(
        shown.contains("| 2 of 4 ") || shown.contains(" 2 of 4 "),
        "{shown}"
    );
    let json = history(&["--json"]);
    assert!(json.contains("\"batches\":2,\"batches_of\":4"), "{json}");
    assert!(json.contains("\"complete\":false"), "{json}");
    place.run(&yaml).ok();
    let json = history(&["--json"]);
    assert!(json.contains("\"complete\":true"), "{json}");
    assert!(json.contains("\"rows\":20000"), "{json}");
    history(&["--forget", "0s"]);
    assert_eq!(database.psql("SELECT count(*) FROM dwsload_ledger"), "0");
}

#[test]
fn a_ledger_of_an_earlier_format_is_brought_up_to_date() {
    let (database, place) = scene();
    place.run(&job(&database.url(), super::LOAD)).ok();
    database.psql(
        "ALTER TABLE dwsload_ledger DROP batch, DROP batches, DROP end_record, DROP end_line; \
         COMMENT ON TABLE dwsload_ledger IS 'dwsload ledger, format 1'",
    );
    let ran = place.run(&job(&database.url(), super::LOAD)).ok();
    assert!(
        ran.stderr.contains("3 files were loaded before"),
        "{}",
        ran.stderr
    );
    numbers(&place, 4, 1000);
    let yaml = by_batch(&database.url(), "1000", "n*.txt", "t", "");
    let ran = place.run(&yaml).ok();
    assert!(
        ran.stderr.contains("3 files were loaded before"),
        "{}",
        ran.stderr
    );
    assert_eq!(rows(&database), "4000|4000");
}

#[test]
fn a_job_of_many_files_that_are_in_is_done_at_once() {
    let (database, place) = scene();
    numbers(&place, 300, 10);
    let yaml = by_batch(&database.url(), "1MB", "n*.txt", "t", "");
    place.run(&yaml).ok();
    let began = Instant::now();
    place.run(&yaml).ok();
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(rows(&database), "3000|3000");
}
