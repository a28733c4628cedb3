//! `check --load` finds the records that a load rejects, no more and no less, for the same reasons.

use std::fs;
use std::path::Path;

use super::{check, check_file, page};
use crate::support::quoted;
use crate::support::scene::Scene;

/// A table with everything that a record may violate, rows in it, and no trigger.
pub(super) const TABLES: &str = "
    CREATE TABLE parent (id int PRIMARY KEY, region text, UNIQUE (region, id)); INSERT INTO parent VALUES (1, 'a'), (2, 'b');
    CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
    CREATE TABLE t (
      id int PRIMARY KEY, n serial NOT NULL, parent int REFERENCES parent, region text, amount int NOT NULL CHECK (amount > 0),
      code varchar(3), two even, day date, boss int REFERENCES t, note text DEFAULT 'none' CHECK (note <> 'bad'),
      FOREIGN KEY (region, parent) REFERENCES parent (region, id) MATCH FULL,
      UNIQUE (code, two));
    CREATE UNIQUE INDEX lower ON t (lower(code)) WHERE amount > 90;
    INSERT INTO t (id, parent, region, amount, code, two, note) VALUES (1, 1, 'a', 5, 'one', 2, 'x'), (2, NULL, NULL, 95, 'two', 4, 'y')";

pub(super) const COLUMNS: &str = "id,parent,region,amount,code,two,day,boss,note";

/// Which records a job rejects, where and why, and its exit code.
pub(super) fn loaded(scene: &Scene, job: &Path) -> (Vec<String>, Option<i32>) {
    let ran = scene.place.run_file(job, &[]);
    let mut found = Vec::new();
    let folder = scene.place.path("rejects");
    if let Ok(runs) = fs::read_dir(&folder) {
        for run in runs {
            let mut files: Vec<_> = fs::read_dir(run.unwrap().path()).unwrap().collect();
            files.sort_by_key(|file| file.as_ref().unwrap().file_name());
            for file in files {
                let path = file.unwrap().path();
                if path.extension().is_none_or(|ending| ending != "jsonl") {
                    continue;
                }
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                for line in fs::read_to_string(&path).unwrap().lines() {
                    let reason: serde_json::Value = serde_json::from_str(line).unwrap();
                    found.push(format!(
                        "{name}: record {}, line {}: {} {}",
                        reason["record"],
                        reason["line"],
                        reason["reason"].as_str().unwrap(),
                        reason["code"].as_str().unwrap()
                    ));
                }
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }
    (found, ran.code)
}

/// The same of what `check --load` finds.
pub(super) fn rehearsed(scene: &Scene, job: &Path) -> (Vec<String>, Option<i32>) {
    let ran = check_file(scene, job, &["--load", "--verbose"]);
    let page = page(scene, &ran);
    let mut found = Vec::new();
    let mut name = "";
    for line in page.lines() {
        if let Some(file) = line.strip_prefix("step 1, ") {
            name = file.split_once(": ").unwrap().0;
        }
        if let Some(record) = line.strip_prefix("  record ") {
            let (place, reason) = record.split_once(": ").unwrap();
            let place = place.split(", column ").next().unwrap();
            let (reason, code) = reason.rsplit_once(" (SQLSTATE ").unwrap();
            found.push(format!("{name}: record {place}: {reason} {}", &code[..5]));
        }
    }
    (found, ran.code)
}

#[test]
fn each_kind_of_bad_record_is_found() {
    let scene = Scene::new(TABLES);
    let records = [
        "11,1,a,5,abc,2,2024-01-31,,good",
        "12,1,a,x,abd,2,2024-01-31,,a word for a number",
        "13,1,a,5,abd,2,2024-02-31,,no such day",
        "14,1,a,,abd,2,,,null where none may be",
        "15,1,a,-5,abd,2,,,check",
        "16,1,a,5,abd,2,,,bad",
        "11,1,a,5,abe,2,,,a key of the file",
        "1,1,a,5,abf,2,,,a key of the table",
        "17,9,a,5,abg,2,,,no parent",
        "17,1,a,5,abg,2,,,and again with one",
        "18,1,b,5,abh,2,,,no such pair",
        "19,1,,5,abi,2,,,a pair and a half",
        "20,1,a,5,abcd,2,,,too long",
        "21,1,a,5,abj,3,,,odd",
        "22,1,a,5,abc,2,,,another key of the file",
        "23,1,a,5,one,2,,,another key of the table",
        "24,1,a,95,OVR,2,,,good",
        "25,1,a,96,ovr,4,,,an index of an expression",
        "26,1,a,5,abk,2,,99,nobody's boss",
        "27,1,a,5,abl,2,,24,the boss is another",
        "28,1,a,5,abm,2,,1,the boss is there",
        "29,1,a,5",
        "30,1,a,5,abn,2,,,too,many",
        "31,1,a,5,abn,2,,26,the boss was refused",
    ];
    let mut file = format!("{COLUMNS}\n").into_bytes();
    for (index, record) in records.iter().enumerate() {
        file.extend_from_slice(record.as_bytes());
        if index == 3 {
            file.extend_from_slice(b"\n40,1,a,5,abz,2,,,\"two\nlines\"");
        }
        file.push(b'\n');
    }
    file.extend_from_slice(b"32,1,a,5,abo,2,,,bad \xff byte\n");
    scene.file("dirty.csv", file);
    let job = scene.job(&format!(
        "- copy_from: {{file: dirty.csv, table: t, columns: [{COLUMNS}], format: csv, header: match, on_error: reject}}"
    ));
    let found = rehearsed(&scene, &job);
    let rejected = loaded(&scene, &job);
    assert_eq!(found, rejected);
    assert_eq!(found.0.len(), 20);
}

/// Checks what a step finds in `file` for the tables of `sql`, and that a load rejects just that.
fn same_of(sql: &str, file: &str, how: &str, expected: &[&str]) {
    let scene = Scene::new(sql);
    scene.file("f.txt", file);
    let job = scene.job(&format!(
        "- copy_from: {{file: f.txt, table: t, on_error: reject, max_rejects: 100%{how}}}"
    ));
    let found = rehearsed(&scene, &job);
    assert_eq!(found, loaded(&scene, &job), "{sql}");
    assert_eq!(found.0, expected, "{sql}");
}

#[test]
fn rows_are_kept_apart_by_more_than_columns() {
    same_of(
        "CREATE TABLE t (a text, b int); CREATE UNIQUE INDEX u ON t (lower(a), (b % 10)) WHERE b > 0; INSERT INTO t VALUES ('X', 3), ('y', -1)",
        "x\t13\nx\t-3\ny\t9\nY\t19\nz\t1\nZ\t11\nz\t-1\n",
        "",
        &[
            "f.txt: record 1, line 1: duplicate key value violates unique constraint \"u\" 23505",
            "f.txt: record 4, line 4: duplicate key value violates unique constraint \"u\" 23505",
            "f.txt: record 6, line 6: duplicate key value violates unique constraint \"u\" 23505",
        ],
    );
    same_of(
        "CREATE TABLE t (a int, b int, UNIQUE NULLS NOT DISTINCT (a, b)); INSERT INTO t VALUES (1, NULL)",
        "1\t\\N\n2\t\\N\n2\t\\N\n\\N\t\\N\n\\N\t\\N\n",
        "",
        &[
            "f.txt: record 1, line 1: duplicate key value violates unique constraint \"t_a_b_key\" 23505",
            "f.txt: record 3, line 3: duplicate key value violates unique constraint \"t_a_b_key\" 23505",
            "f.txt: record 5, line 5: duplicate key value violates unique constraint \"t_a_b_key\" 23505",
        ],
    );
    same_of(
        "CREATE TABLE t (r int4range, kept bool, EXCLUDE USING gist (r WITH &&) WHERE (kept)); INSERT INTO t VALUES ('[1,5)', true), ('[20,30)', false)",
        "[4,6)\tt\n[4,6)\tf\n[5,7)\tt\n[6,8)\tt\n[7,9)\tt\n[20,21)\tt\n",
        "",
        &[
            "f.txt: record 1, line 1: conflicting key value violates exclusion constraint \"t_r_excl\" 23P01",
            "f.txt: record 4, line 4: conflicting key value violates exclusion constraint \"t_r_excl\" 23P01",
        ],
    );
}

#[test]
fn what_no_partition_takes_is_found() {
    let parted = "CREATE TABLE t (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE jan PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
        CREATE TABLE feb PARTITION OF t FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY HASH (id);
        CREATE TABLE feb0 PARTITION OF feb FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE feb1 PARTITION OF feb FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO t VALUES (1, '2024-02-01')";
    for how in ["", ", mode: upsert", ", mode: insert_new"] {
        let expected = [
            "f.txt: record 1, line 1: no partition of relation \"t\" found for row 23514",
            "f.txt: record 4, line 4: no partition of relation \"t\" found for row 23514",
        ];
        same_of(
            parted,
            "1\t2023-12-31\n1\t2024-01-31\n2\t2024-02-29\n1\t2024-03-01\n",
            how,
            &expected,
        );
    }
}

#[test]
fn what_is_looked_at_with_the_commit_is_told() {
    let scene = Scene::new(
        "CREATE TABLE other (id int PRIMARY KEY);
         CREATE TABLE t (id int UNIQUE INITIALLY DEFERRED, o int REFERENCES other INITIALLY DEFERRED)",
    );
    scene.file("f.txt", "1\t\\N\n1\t\\N\n2\t5\n");
    let ran = check(
        &scene,
        "- copy_from: {file: f.txt, table: t, on_error: reject}",
        &["--load"],
    );
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    for what in ["the key t_id_key", "the foreign key t_o_fkey"] {
        let what = format!("1 records for `t` violate {what}, which is looked at with the COMMIT");
        assert!(said.contains(&what), "{said}");
    }
}

#[test]
fn rows_that_an_earlier_step_writes_are_not_missed() {
    let scene = Scene::new(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES parent);
         INSERT INTO t VALUES (1, NULL)",
    );
    scene.file("parents.txt", "7\n");
    scene.file("f.txt", "2\t7\n1\t7\n");
    let parents = "- copy_from: {file: parents.txt, table: parent}\n";
    let children = "- copy_from: {file: f.txt, table: t}\n";
    for (before, unchecked, bad) in [
        (
            parents.to_owned(),
            "foreign key t_p_fkey, as step 1 writes into public.parent",
            true,
        ),
        (
            format!("- sql: TRUNCATE t\n{parents}"),
            "unique keys against the rows that step 1 changes in t; foreign key t_p_fkey, as step 2 writes into public.parent",
            false,
        ),
    ] {
        let ran = check(&scene, &format!("{before}{children}"), &["--load"]);
        let said = page(&scene, &ran);
        assert!(
            said.contains(&format!("  unchecked  {unchecked}\n")),
            "{said}"
        );
        assert_eq!(ran.code, Some(i32::from(bad)), "{said}");
        assert_eq!(
            said.contains("  record 2, line 2: duplicate key"),
            bad,
            "{said}"
        );
    }
    // A merge of rows that are changed before is not known, either.
    let merge = children.replace("table: t", "table: t, mode: upsert");
    let ran = check(&scene, &format!("{children}{merge}"), &["--load"]);
    let said = page(&scene, &ran);
    assert!(
        said.contains("the merge, as step 1 writes into t"),
        "{said}"
    );
}

#[test]
fn rows_that_others_refer_to_cannot_be_deleted() {
    same_of(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child (t int REFERENCES t, other int REFERENCES t ON DELETE CASCADE);
         INSERT INTO t VALUES (1), (2), (3); INSERT INTO child VALUES (2, NULL), (NULL, 3)",
        "1\n2\n3\n4\n",
        ", mode: delete",
        &["f.txt: record 2, line 2: update or delete on table \"t\" violates foreign key constraint \"child_t_fkey\" on table \"child\" 23503"],
    );
}

#[test]
fn other_rows_are_those_that_a_load_would_meet() {
    let scene = Scene::new(
        "CREATE SEQUENCE s; CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (7);
         CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s'), o int REFERENCES other);
         INSERT INTO t VALUES (100, 7)",
    );
    scene.file("f.txt", "7\n8\n\\N\n");
    let steps = "- copy_from: {file: f.txt, table: t, columns: [o], on_error: reject}";
    let ran = check(&scene, steps, &["--load"]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(3), "{said}");
    assert!(said.contains("  record 2, line 2: insert or update on table \"t\" violates foreign key constraint \"t_o_fkey\" (SQLSTATE 23503)\n"), "{said}");
    assert!(said.contains("  unchecked  the default of id\n"), "{said}");
    assert_eq!(scene.psql("SELECT last_value, is_called FROM s"), "1|f");
    // What is replaced is no rival.
    scene.file("f.txt", "100\t7\n100\t7\n");
    let steps = "- copy_from: {file: f.txt, table: t, on_error: reject";
    for (more, bad) in [("}", 2), (", mode: replace}", 1)] {
        let ran = check(&scene, &format!("{steps}{more}"), &["--load"]);
        let said = page(&scene, &ran);
        assert!(said.contains(&format!("{bad} bad")), "{said}");
    }
    // A key that stands twice stops a merge.
    scene.file("f.txt", "1\t7\n2\t9\n1\t7\n");
    let steps = "- copy_from: {file: f.txt, table: t, mode: upsert";
    let ran = check(&scene, &format!("{steps}}}"), &["--load"]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(
        said.contains("record 3, line 3 of `f.txt` has the key of record 1, line 1 of `f.txt`"),
        "{said}"
    );
    // What is left is merged: a foreign key has something against it, and a key of the table nothing.
    scene.file("f.txt", "1\t7\n2\t9\n1\t7\n100\t7\n");
    let ran = check(&scene, &format!("{steps}, duplicates: last}}"), &["--load"]);
    let said = page(&scene, &ran);
    assert!(said.contains("4 records  1 bad"), "{said}");
    assert!(
        said.contains("  record 2, line 2: insert or update"),
        "{said}"
    );
}

#[test]
fn what_sql_computes_is_loaded_unless_it_has_effects() {
    let scene = Scene::new(
        "CREATE SEQUENCE s; CREATE TABLE t (id int, twice int CHECK (twice < 100));
         CREATE FUNCTION sneaky() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT nextval(''s'')'",
    );
    scene.file("f.csv", "id\n1\n60\n-1\n");
    let checked = |twice: &str| {
        let steps = format!(
            "- copy_from: {{file: f.csv, table: t, format: csv, header: map, on_error: reject, select: {{twice: \"{twice}\"}}, where: id::int > 0}}"
        );
        let ran = check(&scene, &steps, &["--load"]);
        (ran.code, page(&scene, &ran))
    };
    let (code, said) = checked("id::int * 2");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("  record 2, line 3: new row for relation \"t\" violates check constraint \"t_twice_check\""), "{said}");
    let (_, said) = checked("nextval('s')");
    assert!(
        said.contains(
            "not loaded, since its SQL calls nextval(), which may have effects of its own"
        ),
        "{said}"
    );
    let (_, said) = checked("sneaky()");
    assert!(
        said.contains("cannot execute nextval() in a read-only transaction"),
        "{said}"
    );
    assert_eq!(scene.psql("SELECT is_called FROM s"), "f");
}

#[test]
fn what_the_double_needs_is_said() {
    let scene = Scene::new(
        "CREATE TABLE t (id int);
         DO $$BEGIN CREATE ROLE dry_run_writer; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$;
         ALTER ROLE dry_run_writer LOGIN; GRANT INSERT ON t TO dry_run_writer",
    );
    scene.file("f.txt", "1\nx\n");
    let job = scene.file(
        "writer.yaml",
        format!(
            "connection: {}\nsteps:\n- copy_from: {{file: f.txt, table: t, on_error: reject}}\n",
            quoted(&scene.database.url_for("dry_run_writer"))
        ),
    );
    let ran = check_file(&scene, &job, &["--load"]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(
        said.contains("cannot make a temporary double of `t`"),
        "{said}"
    );
    assert!(said.contains("this needs `GRANT SELECT ON"), "{said}");
    // The files are read all the same.
    assert!(said.contains("  record 2, line 2, column id: "), "{said}");
    let ran = check_file(&scene, &job, &[]);
    assert_eq!(ran.code, Some(3), "{}", page(&scene, &ran));
}

#[test]
fn binary_data_is_loaded_though_its_records_have_no_names() {
    let scene = Scene::new(
        "CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, o int REFERENCES other); INSERT INTO t VALUES (1)",
    );
    scene.psql(
        "CREATE TABLE source AS SELECT * FROM (VALUES (1, NULL), (2, 5), (3, NULL)) v(id, o)",
    );
    scene
        .unload("table: source, file: f.bin, format: binary")
        .ok();
    let steps = "- copy_from: {file: f.bin, table: t, format: binary}";
    let ran = check(&scene, steps, &["--load"]);
    let said = page(&scene, &ran);
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(said.contains("3 records"), "{said}");
    assert!(
        said.contains("violates foreign key constraint \"t_o_fkey\" (SQLSTATE 23503), records: 1"),
        "{said}"
    );
    assert!(
        said.contains("violates unique constraint \"t_pkey\" (SQLSTATE 23505), records: 1"),
        "{said}"
    );
}

#[test]
fn a_file_that_fails_as_a_whole_leaves_the_others() {
    let scene = Scene::new("CREATE TABLE t (id int PRIMARY KEY, note text)");
    scene.file("1.csv", "1,\"never closed\n2,two\n");
    scene.file("2.csv", "3,three\nx,four\n");
    for mode in ["append", "upsert"] {
        let steps = format!(
            "- copy_from: {{file: [1.csv, 2.csv], table: t, format: csv, on_error: reject, mode: {mode}}}"
        );
        let ran = check(&scene, &steps, &["--load"]);
        let said = page(&scene, &ran);
        assert_eq!(ran.code, Some(1), "{said}");
        assert!(said.contains("2.csv  15 B  2 records  1 bad\n"), "{said}");
        assert!(said.contains("  record 2, line 2, column id: "), "{said}");
        assert!(!said.contains("does not exist"), "{said}");
    }
}
