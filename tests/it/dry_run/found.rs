//! What a check finds, and how it says so.

use super::{check, page};
use crate::support::scene::Scene;

const TABLES: &str = "
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
    CREATE TABLE orders (
      id int PRIMARY KEY, parent int REFERENCES parent, amount int NOT NULL CHECK (amount > 0),
      code varchar(3) UNIQUE, two even, day date, note xml);
    CREATE TABLE few (id int, note text)";

#[test]
fn the_plan_comes_first_then_what_is_wrong_then_the_verdict() {
    let scene = Scene::new(TABLES);
    scene.file(
        "orders-1.csv",
        "id,parent,amount,code,two,day,note\n1,1,5,abc,2,2024-01-31,\n2,1,x,abcd,2,,\n3,1,,abc,2,,\n",
    );
    scene.file(
        "orders-2.csv",
        "id,amount,day\n4,5,2024-02-30\n5,5,\"two\nlines\"\n6,7,\n",
    );
    scene.file("orders-3.csv", "id,amuont\n");
    let steps = "
- name: load
  copy_from: {file: orders-*.csv, table: orders, format: csv, header: map}
- copy_from: {file: few.csv, table: few, on_error: reject, max_rejects: 1%}
- expect: SELECT count(*) FROM orders
- copy_to: {query: SELECT nothing FROM orders, file: out/orders.csv}
- copy_to: {table: few, file: out/few.csv}
- sql: [DROP TABLE few, SELECT 1]";
    let ran = check(&scene, steps, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!(page(&scene, &ran), @r#"
    job          job, job.yaml
    server       SERVER at SOCKET:5432/DB
    transaction  job: every step commits together, or none

    step 1       load: copy_from into orders
      mode       append; the first bad record stops the job
      way        COPY straight into it
      unchecked  values of two (even), note (xml); 1 value of day; CHECK orders_amount_check; foreign key orders_parent_fkey; unique orders_code_key, orders_pkey (`--load` checks them)
      file       orders-1.csv   87 B  3 records  2 bad
      file       orders-2.csv   50 B  3 records  1 bad
      file       orders-3.csv                    fails
                 3 files                              137 B  6 records  3 bad
    step 2       copy_from into few
      mode       append; bad records are set aside, at most 1%, in rejects
      way        COPY straight into it; in batches, each behind a savepoint
    step 3       expect, prepared, not run
    step 4       copy_to out/orders.csv from a query, not run
    step 5       copy_to out/few.csv from few, not run
    step 6       sql, 2 statements, not run

    step 1 (load), job.yaml:4: the header of `orders-3.csv` does not fit: `orders` has no column `amuont`
      hint: is `amount` meant?
    step 1 (load), job.yaml:4: 3 of 6 records cannot be loaded
    step 1, orders-1.csv: 2 records cannot be loaded
      record 2, line 3, column amount: invalid input syntax for type integer: "x" (SQLSTATE 22P02)
      record 3, line 4, column amount: null value in column "amount" of relation "orders" violates not-null constraint (SQLSTATE 23502)
    step 1, orders-2.csv: 1 record cannot be loaded
      record 1, line 2, column day: date/time field value out of range: "2024-02-30" (SQLSTATE 22008)
    step 2 (copy_from few), job.yaml:6: no file `few.csv`
      hint: paths are relative to the job file; `on_missing: ok` or `warn` lets the job go on
    step 3 (expect), job.yaml:7: the expectation does not hold: its first column, `count`, is not a boolean
      query: SELECT count(*) FROM orders
      hint: write a comparison, for example `SELECT count(*) > 0 FROM t`
    step 4 (copy_to out/orders.csv), job.yaml:8: column "nothing" does not exist (SQLSTATE 42703)
      query: line 1
        SELECT nothing FROM orders
               ^

    job: would fail at step 1 (load): the header of `orders-3.csv` does not fit, and 4 more things are wrong
    "#);
}

/// Checks and loads the same, and expects this exit code of both.
#[track_caller]
fn same(keys: &str, code: i32, part: &str) {
    let scene = Scene::new(TABLES);
    scene.file("good.csv", "1,a\n2,b\n");
    scene.file("bad.csv", "1,a\nx,b\n3\n4,d\n");
    scene.file("empty.csv", "");
    scene.file("open.csv", "1,a\n2,\"b\n");
    scene.file("marked.csv", "1,a\n\\.\n2,b\n");
    scene.file("named.csv", "note,id\na,1\n");
    scene.file("packed.csv.gz", "1,a\n");
    let steps = format!("- copy_from: {{table: few, format: csv, {keys}}}");
    let ran = check(&scene, &steps, &[]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(code), "{keys}: {said}");
    assert!(said.contains(part), "{keys}: {said}");
    let loaded = scene.run(&steps);
    assert_eq!(loaded.code, Some(code), "{keys}: {}", loaded.stderr);
}

#[test]
fn the_exit_code_is_that_of_a_run() {
    let reject = "file: bad.csv, on_error: reject";
    same(
        "file: good.csv",
        0,
        "job: nothing is wrong, 2 records in 1 file\n",
    );
    same(
        "file: bad.csv",
        1,
        "job: would fail at step 1 (copy_from few): 2 of 4 records cannot be loaded\n",
    );
    same(
        reject,
        3,
        "job: would load 2 records and reject 2, as `max_rejects` allows; 4 records in 1 file\n",
    );
    same(&format!("{reject}, max_rejects: 2"), 3, "at most 2");
    same(
        &format!("{reject}, max_rejects: 1"),
        1,
        "2 of 4 records would be rejected, and `max_rejects` is 1\n",
    );
    same(
        &format!("{reject}, max_rejects: 49%"),
        1,
        "`max_rejects` is 49%\n",
    );
    same("file: none.csv", 6, "no file `none.csv`");
    same(
        "file: none.csv, on_missing: warn",
        0,
        "warning: no file `none.csv`",
    );
    same("file: empty.csv", 0, "warning: `empty.csv` holds no record");
    same(
        "file: empty.csv, on_empty: fail",
        6,
        "`empty.csv` holds no record",
    );
    same(
        "file: open.csv",
        1,
        "`open.csv` ends inside a quote that is opened in record 2, line 2",
    );
    same(
        "file: marked.csv",
        1,
        "`marked.csv` goes on after the end-of-data marker",
    );
    same(
        "file: named.csv, header: match",
        1,
        "the header of `named.csv` does not match",
    );
    same("file: named.csv, header: map", 0, "1 record\n");
    same("file: packed.csv.gz, compression: gzip", 1, "is not gzip");
    same(
        "file: good.csv, columns: [id, none]",
        1,
        "`few` has no column `none`",
    );
    same(
        "file: good.csv, mode: upsert",
        1,
        "needs a key, and `few` has no primary key",
    );
    same(
        "file: [good.csv, bad.csv], mode: delete, key: id",
        1,
        "bad.csv",
    );
}

#[test]
fn what_is_missing_on_the_server_is_found() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, note text);
         CREATE TABLE child (id int REFERENCES t);
         CREATE VIEW v AS SELECT * FROM t;
         DO $$BEGIN CREATE ROLE dry_run_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$;
         ALTER ROLE dry_run_reader LOGIN; GRANT SELECT ON t TO dry_run_reader",
    );
    scene.file("f.txt", "1\ta\n");
    let of = |steps: &str, part: &str| {
        let ran = check(&scene, steps, &[]);
        let said = page(&scene, &ran);
        assert_eq!(ran.code, Some(1), "{said}");
        assert!(said.contains(part), "{said}");
    };
    of(
        "- copy_from: {file: f.txt, table: tt}",
        "there is no table `tt`\n  hint: is `t` meant?",
    );
    of("- copy_from: {file: f.txt, table: v}", "`v` is a view");
    of(
        "- copy_from: {file: f.txt, table: t, mode: replace}",
        "cannot empty `t` to replace its rows: the foreign key child_id_fkey of child points at it",
    );
    of(
        "- copy_from: {file: f.txt, table: t, mode: replace, swap: true}",
        "in the way: constraint child_id_fkey on table child",
    );
    of("- expect: SELECT true FROM", "syntax error");
    of(
        "- copy_to: {table: none, file: out.csv}",
        "there is no table `none`",
    );
    let url = scene.database.url_for("dry_run_reader");
    let job = scene.file(
        "reader.yaml",
        format!(
            "connection: {}\nsteps:\n- copy_from: {{file: f.txt, table: t}}\n- copy_from: {{file: f.txt, table: t, mode: upsert}}\n",
            crate::support::quoted(&url)
        ),
    );
    let ran = super::check_file(&scene, &job, &[]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(said.contains("no INSERT on `t`"), "{said}");
    assert!(
        said.contains("needs rights that `dry_run_reader` does not have: INSERT, UPDATE"),
        "{said}"
    );
}

#[test]
fn what_an_earlier_step_makes_is_not_there_yet() {
    let scene = Scene::new("");
    scene.file("f.csv", "id,note\n1,a\n2\n");
    let steps = "
- sql: CREATE TABLE made (id int, note text)
- copy_from: {file: f.csv, table: made, format: csv, header: map, on_error: reject}
- expect: SELECT count(*) > 0 FROM made
- copy_to: {table: made, file: out.csv, format: csv}
- copy_from: {file: out.csv, table: made, format: csv, on_missing: ok}";
    let ran = check(&scene, steps, &[]);
    assert_eq!(ran.code, Some(3), "{}", page(&scene, &ran));
    insta::assert_snapshot!(page(&scene, &ran), @r#"
    job          job, job.yaml
    server       SERVER at SOCKET:5432/DB
    transaction  job: every step commits together, or none

    step 1       sql, not run
    step 2       copy_from into made
      mode       append; bad records are set aside, any number but not all, in rejects
      unchecked  `made` is not there yet, step 1 makes it: no value is checked
      file       f.csv  14 B  2 records  1 bad
    step 3       expect, not run
      unchecked  its query, as long as step 1 has not run: relation "made" does not exist
    step 4       copy_to out.csv from made, not run
      unchecked  `made` is not there yet, step 1 makes it
    step 5       copy_from into made
      mode       append; the first bad record stops the job
      unchecked  `made` is not there yet, step 1 makes it: no value is checked

    step 2, f.csv: 1 record cannot be loaded
      record 2, line 3, column note: missing data for column "note" (SQLSTATE 22P04)

    job: would load 1 record and reject 1, as `max_rejects` allows; 2 records in 1 file
    "#);
}

#[test]
fn shaped_records_are_judged_as_they_would_be_sent() {
    let scene = Scene::new("CREATE TABLE t (id int, day date, source text, twice int)");
    scene.file(
        "f.csv",
        "id;day\n1;31.01.2024\n2;30.02.2024\nx;01.02.2024\n",
    );
    let keys = "file: f.csv, table: t, format: csv, sep: ';', header: map, on_error: reject, \
        date_format: {day: DD.MM.YYYY}, set: {source: $file}";
    let ran = check(&scene, &format!("- copy_from: {{{keys}}}"), &[]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(3), "{said}");
    assert!(said.contains("record 2, line 3, column day: "), "{said}");
    assert!(said.contains("record 3, line 4, column id: "), "{said}");
    let wrong = format!("- copy_from: {{{keys}, select: {{twice: 'id::int * none'}}}}");
    let ran = check(&scene, &wrong, &[]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(said.contains("column \"none\" does not exist"), "{said}");
    let right = format!("- copy_from: {{{keys}, select: {{twice: 'id::int * 2'}}}}");
    let ran = check(&scene, &right, &[]);
    let said = page(&scene, &ran);
    assert!(said.contains("as text into a temporary table"), "{said}");
}

#[test]
fn quiet_is_quiet_and_verbose_shows_every_record() {
    let scene = Scene::new(TABLES);
    scene.file("good.txt", "1\ta\n");
    scene.file("bad.txt", "x\ta\n".repeat(25) + "1\n");
    let good = "- copy_from: {file: good.txt, table: few}";
    let bad = "- copy_from: {file: bad.txt, table: few}";
    let ran = check(&scene, good, &["--quiet"]);
    assert_eq!((ran.code, ran.stdout.as_slice()), (Some(0), &b""[..]));
    let ran = check(&scene, bad, &["--quiet"]);
    let quiet = page(&scene, &ran);
    assert!(
        quiet
            .starts_with("step 1 (copy_from few), job.yaml:3: 26 of 26 records cannot be loaded\n"),
        "{quiet}"
    );
    assert_eq!(quiet.matches("SQLSTATE").count(), 10, "{quiet}");
    assert!(
        quiet
            .contains("  and 16 more (--verbose shows all)\n  in all:\n    25  22P02, column id: "),
        "{quiet}"
    );
    assert!(
        quiet.contains("     1  22P04, column note: missing data"),
        "{quiet}"
    );
    let verbose = page(&scene, &check(&scene, bad, &["--verbose"]));
    assert_eq!(verbose.matches("SQLSTATE").count(), 26, "{verbose}");
    let job = scene.job(bad);
    let dry = scene.place.run_file(&job, &["--dry-run", "--quiet"]);
    assert_eq!((dry.code, page(&scene, &dry)), (Some(1), quiet));
}

#[test]
fn stdin_is_read_and_a_pipe_of_the_job_is_not() {
    use std::io::Write;
    use std::process::Stdio;

    let scene = Scene::new(TABLES);
    let pipe = scene.place.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let job =
        scene.job("- copy_from: {file: '-', table: few}\n- copy_from: {file: pipe, table: few}");
    let mut command = scene.place.dwsload();
    command
        .arg("check")
        .arg(&job)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"1\ta\nx\tb\n")
        .unwrap();
    let ran = crate::support::Ran::of(child.wait_with_output().unwrap());
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(
        said.contains("  file       stdin  8 B  2 records  1 bad\n"),
        "{said}"
    );
    assert!(
        said.contains("  file       pipe      not read, which would use it up\n"),
        "{said}"
    );
}

#[test]
fn a_ledger_is_said_not_to_be_asked() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    scene.file("t.csv", "1\n");
    let steps = "- copy_from: {file: t.csv, table: t, format: csv}\nexactly_once: true";
    let ran = super::check(&scene, steps, &[]).ok();
    let page = super::page(&scene, &ran);
    assert!(
        page.contains("  ledger     a run skips files that are in; here all are read\n"),
        "{page}"
    );
}
