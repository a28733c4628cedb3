//! `exactly_once: true`: whatever happens to runs and files, each record of each file is in once.

mod batches;
mod doubt;
mod kills;
mod shards;

use rustix::process::Signal;

use crate::support::running::{Running, backend};
use crate::support::server::{Database, Server};
use crate::support::{Ran, Workplace, quoted};

/// A database with empty tables, and a folder with files `n1.txt` to `n3.txt` of 1,000 numbers each.
fn scene() -> (Database, Workplace) {
    let database = Server::shared().database();
    database.psql("CREATE TABLE t (n int); CREATE TABLE log (n int); CREATE TABLE k (n int PRIMARY KEY, v text)");
    let place = Workplace::new();
    numbers(&place, 3, 1000);
    (database, place)
}

/// Writes so many files of so many numbers each, none of them twice.
fn numbers(place: &Workplace, files: usize, each: usize) {
    for file in 1..=files {
        let first = (file - 1) * each;
        let lines: Vec<String> = (first..first + each).map(|n| format!("{n}\n")).collect();
        place.file(&format!("n{file}.txt"), lines.concat());
    }
}

fn job(url: &str, lines: &str) -> String {
    format!(
        "job: loads\nconnection: {}\nexactly_once: true\n{lines}",
        quoted(url)
    )
}

const LOAD: &str = "steps:\n- copy_from: {file: 'n*.txt', table: t}\n";

fn rows(database: &Database) -> String {
    database.psql("SELECT count(*), count(DISTINCT n) FROM t")
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
}

#[test]
fn what_is_in_is_skipped_and_what_is_new_or_changed_is_loaded() {
    for transaction in ["job", "step"] {
        let (database, place) = scene();
        let job = job(
            &database.url(),
            &format!("transaction: {transaction}\n{LOAD}"),
        );
        let ran = place.run(&job).ok();
        assert!(
            ran.stderr.contains("3,000 rows, 13.9 kB from 3 files ("),
            "{}",
            ran.stderr
        );
        let ran = place.run(&job).ok();
        assert!(
            ran.stderr
                .contains("0 rows, 0 B from 0 files; 3 files were loaded before ("),
            "{}",
            ran.stderr
        );
        assert_eq!(rows(&database), "3000|3000");
        numbers(&place, 4, 1000);
        place.file("n2.txt", "-1\n-2\n");
        let ran = place.run(&job).ok();
        assert!(
            ran.stderr
                .contains("from 2 files; 2 files were loaded before"),
            "{}",
            ran.stderr
        );
        assert_eq!(rows(&database), "4002|4002");
        // Nothing is left but the files.
        let ledger = database.psql(
            "SELECT kind, source, start_offset, end_offset, bytes, loaded, rejected, filtered, step, target, loaded_at >= began
             FROM dwsload_ledger ORDER BY source, loaded_at",
        );
        insta::allow_duplicates! {
        insta::assert_snapshot!(ledger, @r"
        file|n1.txt|0|3890|3890|1000|0|0|1|public.t|t
        file|n2.txt|0|5000|5000|1000|0|0|1|public.t|t
        file|n2.txt|0|6|6|2|0|0|1|public.t|t
        file|n3.txt|0|5000|5000|1000|0|0|1|public.t|t
        file|n4.txt|0|5000|5000|1000|0|0|1|public.t|t
        ");
        }
    }
}

#[test]
fn a_file_is_the_same_from_every_folder_and_for_its_job_and_table_alone() {
    let (database, place) = scene();
    let yaml = job(&database.url(), LOAD);
    place.run(&yaml).ok();
    let elsewhere = |arguments: &[&str], folder: &str| {
        let output = place.dwsload().args(arguments).current_dir(folder).output();
        Ran::of(output.unwrap()).ok()
    };
    let path = place.path("job.yaml");
    let path = path.to_str().unwrap();
    elsewhere(&[path], "/");
    let n1 = place.path("n1.txt");
    elsewhere(&[path, "--input", n1.to_str().unwrap()], "/");
    assert_eq!(rows(&database), "3000|3000");
    // Another job, and another table, have not had it.
    let other = yaml.replace("job: loads", "job: other");
    place.run(&other).ok();
    assert_eq!(rows(&database), "6000|3000");
    place.run(&yaml.replace("table: t", "table: log")).ok();
    assert_eq!(database.psql("SELECT count(*) FROM log"), "3000");
}

#[test]
fn compressed_shaped_and_rejected_records_are_counted() {
    let (database, place) = scene();
    place.file("a.csv", "n,v\n1,x\n2,y\nx,z\n3,skip\n");
    let lines = "steps:
- copy_from: {file: a.csv, table: k, format: csv, header: map, on_error: reject, where: v <> 'skip'}
";
    let ran = place.run(&job(&database.url(), lines));
    assert_says(&ran, 3, "2 rows");
    let ran = place.run(&job(&database.url(), lines));
    assert_says(&ran, 0, "1 file was loaded before");
    let ledger = "SELECT end_offset, bytes, loaded, rejected, filtered FROM dwsload_ledger";
    assert_eq!(database.psql(ledger), "23|23|2|1|1");
    assert_eq!(database.psql("SELECT count(*) FROM k"), "2");
}

#[test]
fn records_that_only_a_merge_refuses_are_counted_as_rejected() {
    let (database, place) = scene();
    database.psql("ALTER TABLE k ADD UNIQUE (v)");
    place.file("a.txt", "1\ta\nx\tx\n2\tb\n");
    place.file("b.txt", "3\ta\n4\tb\n5\te\n");
    let lines =
        "steps:\n- copy_from: {file: [a.txt, b.txt], table: k, mode: upsert, on_error: reject}\n";
    let ran = place.run(&job(&database.url(), lines));
    assert_says(&ran, 3, "3 rejected from 2 files: 3 inserted");
    let ledger = "SELECT loaded, rejected FROM dwsload_ledger WHERE kind = 'file' ORDER BY source";
    assert_eq!(database.psql(ledger), "2|1\n1|2");
    let ran = place.run(&job(&database.url(), lines));
    assert_says(&ran, 0, "2 files were loaded before");
}

#[test]
fn a_file_that_changes_while_it_is_loaded_rolls_back() {
    let (database, place) = scene();
    // Its first block is read before the COPY begins, which the lock holds back; the others behind it.
    numbers(&place, 1, 300_000);
    let lines =
        "steps:\n- sql: INSERT INTO log VALUES (1)\n- copy_from: {file: n1.txt, table: t}\n";
    let holder = Running::start(
        &place,
        "holder",
        &format!(
            "connection: {}\nsteps:\n- sql: [LOCK t, SELECT pg_sleep(600)]\n",
            quoted(&database.url())
        ),
    );
    backend(&database, "holder", "SELECT pg_sleep");
    let yaml = job(&database.url(), lines).replace("job: loads", "job: changing");
    let running = Running::start(&place, "changing", &yaml);
    backend(&database, "changing", "COPY");
    place.file("n1.txt", "5\n");
    holder.signal(Signal::TERM);
    let _ = holder.end();
    let ran = running.end();
    assert_says(&ran, 1, "n1.txt` changed while it was loaded");
    assert_says(&ran, 1, "before: 1988890 bytes, xxh3-128:");
    assert_eq!(database.psql("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM log), (SELECT count(*) FROM dwsload_ledger)"), "0|0|0");
}

#[test]
fn replaced_tables_are_left_alone_only_by_the_files_that_are_in_them() {
    for swap in ["false", "true"] {
        let (database, place) = scene();
        let load = |file: &str| {
            let lines = format!(
                "steps:\n- copy_from: {{file: '{file}', table: t, mode: replace, swap: {swap}}}\n"
            );
            place.run(&job(&database.url(), &lines)).ok()
        };
        let what = |ran: &Ran| ran.stderr.contains("before");
        assert!(!what(&load("n1.txt")));
        assert!(what(&load("n1.txt")));
        assert!(!what(&load("n[12].txt")));
        assert_eq!(rows(&database), "2000|2000");
        assert!(what(&load("n[12].txt")));
        // The first is in the ledger, and not alone in the table.
        assert!(!what(&load("n1.txt")));
        assert_eq!(rows(&database), "1000|1000");
        assert_eq!(
            database.psql("SELECT count(*) FROM dwsload_ledger WHERE kind = 'file'"),
            "2"
        );
    }
}

#[test]
fn what_goes_by_a_key_is_merged_once() {
    let (database, place) = scene();
    place.file("a.txt", "1\ta\n2\tb\n");
    let lines = "steps:\n- copy_from: {file: '[ab].txt', table: k, mode: upsert}\n";
    place.run(&job(&database.url(), lines)).ok();
    database.psql("UPDATE k SET v = 'changed' WHERE n = 1");
    place.file("b.txt", "2\tc\n3\td\n");
    place.run(&job(&database.url(), lines)).ok();
    let ran = place.run(&job(&database.url(), lines)).ok();
    assert!(
        ran.stderr.contains("2 files were loaded before"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        database.psql("SELECT string_agg(n || v, ' ' ORDER BY n) FROM k"),
        "1changed 2c 3d"
    );
}

#[test]
fn again_loads_on_purpose_and_says_so() {
    let (database, place) = scene();
    let yaml = job(&database.url(), LOAD);
    let path = place.file("job.yaml", &yaml);
    place.run_file(&path, &[]).ok();
    place.file("n4.txt", "-1\n");
    let ran = place.run_file(&path, &["--again"]).ok();
    assert!(
        ran.stderr
            .contains("n1.txt` is loaded again: 1,000 rows came of it at 2"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        ran.stderr.matches("is loaded again").count(),
        3,
        "{}",
        ran.stderr
    );
    assert_eq!(rows(&database), "6001|3001");
    place.run_file(&path, &[]).ok();
    assert_eq!(rows(&database), "6001|3001");
    assert_eq!(database.psql("SELECT count(*) FROM dwsload_ledger"), "4");
    let plain = place.file("plain.yaml", yaml.replace("exactly_once: true\n", ""));
    assert_says(
        &place.run_file(&plain, &["--again"]),
        2,
        "the job is not `exactly_once`",
    );
}

#[test]
fn what_cannot_be_read_twice_needs_a_name() {
    let (database, place) = scene();
    let lines = "steps:\n- copy_from: {file: '-', table: t, source_id: 'day ${{ vars.day }}'}\nvars: {day: 1}\n";
    let run = |day: &str| {
        let yaml = job(&database.url(), lines).replace("day: 1", &format!("day: {day}"));
        let mut running = Running::start(&place, "stdin", &yaml);
        running.feed(b"1\n2\n");
        running.closed().ok()
    };
    run("1");
    assert!(run("1").stderr.contains("1 file was loaded before"));
    run("2");
    assert_eq!(rows(&database), "4|2");
    let ledger =
        "SELECT string_agg(source, ',' ORDER BY source), count(content) FROM dwsload_ledger";
    assert_eq!(database.psql(ledger), "day 1,day 2|0");

    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        place.path("pipe"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    let lines = "steps:\n- copy_from: {file: pipe, table: t}\n";
    let ran = place.run(&job(&database.url(), lines));
    assert_says(&ran, 6, "pipe` can be read only once");
    let lines = "steps:\n- copy_from: {file: 'n*.txt', table: t, source_id: x}\n";
    assert_says(
        &place.run(&job(&database.url(), lines)),
        6,
        "is for one file",
    );
}

#[test]
fn mistakes_in_the_job_file_are_said() {
    let place = Workplace::new();
    for (lines, what) in [
        (
            "transaction: none\nexactly_once: true\nsteps:\n- sql: SELECT 1\n",
            "exactly_once: with `transaction: none`",
        ),
        (
            "ledger: a.b\nsteps:\n- sql: SELECT 1\n",
            "ledger: there is no ledger without",
        ),
        (
            "steps:\n- copy_from: {file: a, table: t, source_id: x}\n",
            "source_id: nothing asks for it",
        ),
        (
            "exactly_once: true\nsteps:\n- copy_from: {file: '-', table: t}\n",
            "file: standard input cannot be told",
        ),
        (
            "exactly_once: true\nsteps:\n- copy_from: {file: [a, b], table: t, source_id: x}\n",
            "source_id: it identifies one input",
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
fn the_ledger_stands_where_it_is_found_and_is_refused_where_it_is_another() {
    let (database, place) = scene();
    database.psql("CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c");
    let with = |lines: &str| job(&database.url(), &format!("{lines}\n{LOAD}"));
    let ledgers = "SELECT string_agg(relnamespace::regnamespace || '.' || relname, ' ' ORDER BY 1) FROM (SELECT * FROM pg_class WHERE relname ~ 'ledger$') c";
    place
        .run(&with("session: {search_path: 'a, b, public'}"))
        .ok();
    place
        .run(&with("session: {search_path: 'b, a, public'}"))
        .ok();
    assert_eq!(database.psql(ledgers), "a.dwsload_ledger");
    assert_eq!(rows(&database), "3000|3000");
    place.run(&with("ledger: c.our_ledger")).ok();
    assert_eq!(database.psql(ledgers), "a.dwsload_ledger c.our_ledger");
    let ran =
        place.run(&with("session: {search_path: nowhere}").replace("table: t", "table: public.t"));
    assert_says(&ran, 1, "no schema of the search path is there");
    let ran = place.run(&with("ledger: public.t"));
    assert_says(&ran, 1, "`public.t` is no ledger of dwsload");
    database.psql("COMMENT ON TABLE a.dwsload_ledger IS 'dwsload ledger, format 3'");
    let ran = place.run(&with("session: {search_path: 'a, public'}"));
    assert_says(
        &ran,
        1,
        "the ledger `a.dwsload_ledger` is of format 3, and this dwsload knows 2",
    );
}

#[test]
fn a_loader_without_rights_is_told_which() {
    let (database, place) = scene();
    let role = "ledger_loader";
    database.psql(&format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM public; GRANT INSERT ON t TO {role}"
    ));
    let url = database.url().replace(
        &format!("//{}@", database.server().user()),
        &format!("//{role}@"),
    );
    let ran = place.run(&job(&url, LOAD));
    assert_says(&ran, 1, "permission denied for schema public");
    assert_says(&ran, 1, "it is made once");
    place
        .run(&job(&database.url(), "steps:\n- sql: SELECT 1\n"))
        .ok();
    let ran = place.run(&job(&url, LOAD));
    assert_says(&ran, 1, "GRANT SELECT, INSERT, UPDATE, DELETE ON");
    database.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON dwsload_ledger TO {role}"
    ));
    place.run(&job(&url, LOAD)).ok();
    database.psql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(rows(&database), "3000|3000");
}

#[test]
fn a_temporary_table_is_filled_with_what_is_made_of_it() {
    let (database, place) = scene();
    let lines = "
- sql: CREATE TEMP TABLE raw (n int)
- copy_from: {file: 'n*.txt', table: raw}
- sql: INSERT INTO t SELECT n FROM raw
";
    for _ in 0..2 {
        place
            .run(&job(&database.url(), &format!("steps:{lines}")))
            .ok();
        assert_eq!(rows(&database), "3000|3000");
    }
    let ran = place.run(&job(
        &database.url(),
        &format!("transaction: step\nsteps:{lines}"),
    ));
    assert_says(&ran, 1, "`raw` is a temporary table");
}

#[test]
fn a_rerun_of_a_thousand_files_takes_less_than_two_seconds() {
    let (database, place) = scene();
    numbers(&place, 1000, 50);
    let yaml = job(&database.url(), LOAD);
    place.run(&yaml).ok();
    let began = std::time::Instant::now();
    let ran = place.run(&yaml).ok();
    let took = began.elapsed();
    assert!(
        ran.stderr.contains("1,000 files were loaded before"),
        "{}",
        ran.stderr
    );
    assert!(took.as_secs() < 2, "{took:?}");
    assert_eq!(rows(&database), "50000|50000");
}

#[test]
fn the_history_of_a_job_and_of_a_database() {
    let (database, place) = scene();
    let job_file = place.file("job.yaml", job(&database.url(), LOAD));
    let history = |arguments: &[&str]| {
        let output = place
            .dwsload()
            .arg("history")
            .env("TZ", "UTC")
            .args(arguments)
            .output();
        Ran::of(output.unwrap())
    };
    let job_file = job_file.to_str().unwrap();
    assert_says(
        &history(&[job_file]),
        1,
        "there is no ledger in this database",
    );
    place.run_file(job_file.as_ref(), &[]).ok();
    let other = job(&database.url(), LOAD).replace("job: loads", "job: other");
    place.run(&other).ok();
    place.file("job.yaml", job(&database.url(), LOAD));
    database.psql(
        "UPDATE dwsload_ledger SET host = 'etl1', os_user = 'cron', run_id = 'r1', pid = 7, loaded_at = '2026-01-31 02:15:00+00'::timestamptz
         + (job = 'other')::int * interval '1 day' + right(left(source, 2), 1)::int * interval '1 s'",
    );
    let shown = |ran: Ran| String::from_utf8(ran.ok().stdout).unwrap();
    insta::assert_snapshot!(shown(history(&[job_file])).replace(" \n", "\n"), @r"
     file     table      rows   rejected   when                  run   host   user
    ───────────────────────────────────────────────────────────────────────────────
     n1.txt   public.t   1000          0   2026-01-31 02:15:01   r1    etl1   cron
     n2.txt   public.t   1000          0   2026-01-31 02:15:02   r1    etl1   cron
     n3.txt   public.t   1000          0   2026-01-31 02:15:03   r1    etl1   cron
    (3 rows)
    ");
    let url = database.url();
    let all = shown(history(&[&url, "--limit", "4", "--json"]));
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 4, "{all}");
    let first: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(
        (
            &first["job"],
            &first["file"],
            &first["size"],
            &first["rows"],
            &first["loaded_at"]
        ),
        (
            &"loads".into(),
            &"n3.txt".into(),
            &5000.into(),
            &1000.into(),
            &"2026-01-31T02:15:03Z".into()
        )
    );
    assert!(first["hash"].as_str().unwrap().starts_with("xxh3-128:"));
    database
        .psql("UPDATE dwsload_ledger SET loaded_at = clock_timestamp() WHERE source = 'n1.txt'");
    let ran = history(&[job_file, "--forget", "30d"]).ok();
    assert!(
        ran.stderr.contains("2 files loaded more than 30days ago"),
        "{}",
        ran.stderr
    );
    let left = "SELECT string_agg(job || source, ' ' ORDER BY job, source) FROM dwsload_ledger";
    assert_eq!(
        database.psql(left),
        "loadsn1.txt othern1.txt othern2.txt othern3.txt"
    );
}
