//! Tables of every kind that a mode may meet.

use crate::support::scene::Scene;

/// Loads `data` into `table` by `keys` and returns the step's line behind the files.
#[track_caller]
fn merged(scene: &Scene, table: &str, keys: &str, data: &str) -> String {
    scene.file("in.txt", data);
    let table = crate::support::quoted(table);
    let ran = scene
        .load(&format!("file: in.txt, table: {table}, {keys}"))
        .ok();
    let said = scene.said(&ran);
    let (_, after) = said.split_once("file: ").expect("the line of the step");
    after.split(" (TIME").next().unwrap_or_default().to_owned()
}

#[test]
fn names_are_quoted_wherever_they_stand() {
    let scene = Scene::new(
        r#"CREATE SCHEMA "S.x"; CREATE TABLE "S.x"."o""r, (d)ers" ("the ""key""" int PRIMARY KEY, "t.s" text, "select" int, "before" int, n int)"#,
    );
    let table = r#""S.x"."o""r, (d)ers""#;
    let upsert = "mode: upsert, duplicates: last";
    assert_eq!(
        merged(
            &scene,
            table,
            upsert,
            "1\ta\t1\t1\t1\n1\tb\t2\t2\t2\n2\tc\t\\N\t\\N\t\\N\n"
        ),
        "2 inserted, 0 updated, 0 unchanged, 1 duplicate left out"
    );
    assert_eq!(
        merged(&scene, table, "mode: upsert", "1\tb\t3\t2\t2\n"),
        "0 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(
        scene.psql(&format!("SELECT * FROM {table} ORDER BY 1")),
        "1|b|3|2|2\n2|c|||"
    );
    scene.file("in.txt", "7\t\\N\t\\N\t\\N\t1\n8\t\\N\t\\N\t\\N\tx\n");
    let table = crate::support::quoted(table);
    let ran = scene.load(&format!("file: in.txt, table: {table}, mode: delete"));
    let said = scene.said(&ran);
    assert!(said.contains("record 2, line 2"), "{said}");
    scene.file("in.txt", "7\t\\N\t\\N\t1\t1\n7\t\\N\t\\N\t1\t1\n");
    let ran = scene.load(&format!(
        r#"file: in.txt, table: {table}, mode: delete, key: [before, n, 'the "key"']"#
    ));
    let said = scene.said(&ran);
    assert!(
        said.contains(r#"key: before = 1, n = 1, the "key" = 7"#),
        "{said}"
    );
}

#[test]
fn columns_that_are_left_out_keep_their_values_and_get_their_defaults() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, name text, made text NOT NULL DEFAULT 'new',
             twice int GENERATED ALWAYS AS (id * 2) STORED, n serial);
         INSERT INTO t (id, name, made) VALUES (1, 'one', 'old')",
    );
    let keys = "mode: upsert, columns: [name, id]";
    assert_eq!(
        merged(&scene, "t", keys, "uno\t1\ndue\t2\n"),
        "1 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(
        scene.psql("SELECT id, name, made, twice FROM t ORDER BY id"),
        "1|uno|old|2\n2|due|new|4"
    );
    // Without a list, all columns but the generated one.
    assert_eq!(
        merged(&scene, "t", "mode: upsert", "3\tc\td\t33\n"),
        "1 inserted, 0 updated, 0 unchanged"
    );
    assert_eq!(scene.psql("SELECT * FROM t WHERE id = 3"), "3|c|d|6|33");
    let ran = scene.load("file: in.txt, table: t, mode: upsert, columns: [id, twice]");
    assert!(
        ran.stderr
            .contains("`columns` names a column `twice`, which `t` computes by itself"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_record_with_some_columns_changes_rows_though_it_could_not_be_one() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, name text, must text NOT NULL, lo int DEFAULT 9, hi int, CHECK (lo < hi));
         INSERT INTO t VALUES (1, 'a', 'x', 1, 20)",
    );
    let keys = "mode: upsert, columns: [id, name]";
    assert_eq!(
        merged(&scene, "t", keys, "1\tb\n"),
        "0 inserted, 1 updated, 0 unchanged"
    );
    let keys = "mode: upsert, columns: [id, hi]";
    assert_eq!(
        merged(&scene, "t", keys, "1\t5\n"),
        "0 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(scene.psql("SELECT * FROM t"), "1|b|x|1|5");
    scene.file("in.txt", "2\tc\n");
    let ran = scene.load("file: in.txt, table: t, mode: upsert, columns: [id, name]");
    assert_eq!(ran.sqlstate(), Some("23502"), "{}", ran.stderr);
}

#[test]
fn constraints_of_the_loaded_columns_name_the_record() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL, n int CONSTRAINT small CHECK (n < 10), other int)",
    );
    for (bad, constraint) in [
        ("2\t\\N\t1", "\"name\" of relation \"t\""),
        (
            "2\tb\t11",
            "relation \"t\" violates check constraint \"small\"",
        ),
    ] {
        scene.file("in.txt", format!("1\ta\t1\n{bad}\n"));
        let ran = scene.load("file: in.txt, table: t, columns: [id, name, n], mode: upsert");
        assert!(ran.stderr.contains("cannot load `"), "{}", ran.stderr);
        assert!(ran.stderr.contains("record 2, line 2"), "{}", ran.stderr);
        assert!(ran.stderr.contains(constraint), "{}", ran.stderr);
        // What is there already, and what is deleted, need not fulfil them.
        let rows = format!("1\ta\t1\n{bad}\n");
        scene.psql("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)");
        let keys = "columns: [id, name, n], mode: ";
        assert_eq!(
            merged(&scene, "t", &format!("{keys}insert_new"), &rows),
            "0 inserted, 2 there already"
        );
        assert_eq!(
            merged(&scene, "t", &format!("{keys}delete"), &rows),
            "2 deleted, 0 not there"
        );
    }
}

#[test]
fn triggers_fire_for_what_happens_to_a_row_and_for_nothing_else() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL, n int);
         CREATE TABLE log (what text);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO log VALUES (TG_OP || NEW.id); NEW.name = coalesce(NEW.name, 'none');
             RETURN CASE WHEN NEW.n < 0 THEN NULL ELSE NEW END; END $$;
         INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);
         CREATE TRIGGER g BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    // The trigger fills the NULL in, and swallows what is negative.
    let data = "1\t\\N\t5\n2\tb\t2\n3\t\\N\t3\n4\tx\t-1\n";
    assert_eq!(
        merged(&scene, "t", "mode: upsert", data),
        "1 inserted, 1 updated, 2 unchanged"
    );
    assert_eq!(
        scene.psql("SELECT * FROM t ORDER BY id"),
        "1|none|5\n2|b|2\n3|none|3"
    );
    assert_eq!(
        scene.psql("SELECT string_agg(what, ' ') FROM log"),
        "UPDATE1 INSERT3 INSERT4"
    );
}

#[test]
fn values_that_are_equal_and_not_the_same_are_a_change() {
    let scene = Scene::new(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE t (id int PRIMARY KEY, num numeric, b box, j json, p point, x xml, s text COLLATE loose, f float8, i interval);
         INSERT INTO t VALUES (1, 1.0, '(1,2),(0,0)', '{\"a\":1}', '(1,1)', '<a/>', 'abc', '0', '1 day')",
    );
    let same = "1\t1.0\t(1,2),(0,0)\t{\"a\":1}\t(1,1)\t<a/>\tabc\t0\t1 day\n";
    assert_eq!(
        merged(&scene, "t", "mode: upsert", same),
        "0 inserted, 0 updated, 1 unchanged"
    );
    let fields: Vec<&str> = same.trim_end().split('\t').collect();
    for (index, value) in [
        (1, "1.00"),
        (2, "(2,1),(0,0)"),
        (3, "{\"a\": 1}"),
        (4, "(1,2)"),
        (5, "<a></a>"),
        (6, "ABC"),
        (7, "-0"),
        (8, "24:00:00"),
        (1, "\\N"),
    ] {
        let mut fields = fields.clone();
        fields[index] = value;
        let data = format!("{}\n", fields.join("\t"));
        assert_eq!(
            merged(&scene, "t", "mode: upsert", &data),
            "0 inserted, 1 updated, 0 unchanged",
            "{value}"
        );
        assert_eq!(
            merged(&scene, "t", "mode: upsert", &data),
            "0 inserted, 0 updated, 1 unchanged",
            "{value}"
        );
        assert_eq!(
            merged(&scene, "t", "mode: upsert", same),
            "0 inserted, 1 updated, 0 unchanged",
            "{value}"
        );
    }
}

#[test]
fn a_key_of_a_type_without_equality_is_refused_before_loading() {
    let scene = Scene::new("CREATE TABLE t (j json, a int)");
    scene.file("in.txt", "this is no json\t1\n");
    let ran = scene.load("file: in.txt, table: t, mode: upsert, key: j");
    assert_eq!(ran.sqlstate(), Some("42883"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("the types of the columns do not allow this mode for `t`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn partitioned_tables_are_merged_as_one() {
    let scene = Scene::new(
        "CREATE TABLE t (id int, part int, name text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
         CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
         CREATE TABLE t2 (name text, dropped int, part int NOT NULL, id int NOT NULL);
         ALTER TABLE t2 DROP COLUMN dropped; ALTER TABLE t ATTACH PARTITION t2 FOR VALUES IN (2);
         INSERT INTO t VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 2, 'c')",
    );
    let data = "1\t1\ta\n1\t2\tB\n3\t1\td\n4\t2\te\n";
    assert_eq!(
        merged(&scene, "t", "mode: upsert", data),
        "2 inserted, 1 updated, 1 unchanged"
    );
    assert_eq!(
        merged(
            &scene,
            "t2",
            "mode: upsert, columns: [id, part, name]",
            "4\t2\tE\n5\t2\tf\n"
        ),
        "1 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(
        merged(
            &scene,
            "t",
            "mode: delete, columns: [id, part]",
            "1\t1\n4\t2\n9\t1\n"
        ),
        "2 deleted, 1 not there"
    );
    assert_eq!(
        scene.psql("SELECT * FROM t ORDER BY 1, 2"),
        "1|2|B\n2|2|c\n3|1|d\n5|2|f"
    );
    // By a key that no index holds, a row moves to another partition.
    assert_eq!(
        merged(&scene, "t", "mode: upsert, key: id", "3\t2\td\n"),
        "0 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(
        scene
            .psql("SELECT id FROM t2 ORDER BY id")
            .replace('\n', " "),
        "1 2 3 5"
    );
    merged_replace(&scene);
}

fn merged_replace(scene: &Scene) {
    scene.file("in.txt", "8\t1\th\n");
    scene.load("file: in.txt, table: t, mode: replace").ok();
    assert_eq!(scene.psql("SELECT * FROM t"), "8|1|h");
}

#[test]
fn an_inherited_row_is_found_in_its_child() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, name text); CREATE TABLE c () INHERITS (t);
         INSERT INTO c VALUES (1, 'a')",
    );
    assert_eq!(
        merged(&scene, "t", "mode: upsert", "1\tb\n2\tc\n"),
        "1 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(
        scene.psql("SELECT tableoid::regclass, * FROM t ORDER BY id"),
        "c|1|b\nt|2|c"
    );
}

#[test]
fn identity_columns_take_the_values_of_the_file() {
    let scene = Scene::new(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
         INSERT INTO t (name) VALUES ('a')",
    );
    assert_eq!(
        merged(&scene, "t", "mode: upsert", "1\tb\n7\tc\n"),
        "1 inserted, 1 updated, 0 unchanged"
    );
    assert_eq!(
        merged(
            &scene,
            "t",
            "mode: upsert, key: name, columns: [name]",
            "b\nd\n"
        ),
        "1 inserted, 0 updated, 1 unchanged"
    );
    assert_eq!(scene.psql("SELECT * FROM t ORDER BY id"), "1|b\n2|d\n7|c");
    let ran = scene.load("file: in.txt, table: t, mode: upsert, key: name");
    assert!(
        ran.stderr
            .contains("`id` of `t` is GENERATED ALWAYS AS IDENTITY, which no update can set"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_table_of_1600_columns_is_merged() {
    let columns: Vec<String> = (1..=1600).map(|n| format!("c{n} int")).collect();
    for key in ["PRIMARY KEY", ""] {
        let scene = Scene::new(&format!(
            "CREATE TABLE t ({}); ALTER TABLE t ALTER c1 SET NOT NULL; {}",
            columns.join(", "),
            if key.is_empty() {
                String::new()
            } else {
                format!("ALTER TABLE t ADD {key} (c1)")
            }
        ));
        let row = |first: u32, last: u32| {
            let mut fields: Vec<String> = (1..=1600).map(|n| (n % 10).to_string()).collect();
            fields[0] = first.to_string();
            fields[1599] = last.to_string();
            format!("{}\n", fields.join("\t"))
        };
        let keys = "mode: upsert, key: c1";
        assert_eq!(
            merged(&scene, "t", keys, &(row(1, 1) + &row(2, 2))),
            "2 inserted, 0 updated, 0 unchanged"
        );
        assert_eq!(
            merged(&scene, "t", keys, &(row(1, 9) + &row(2, 2) + &row(3, 3))),
            "1 inserted, 1 updated, 1 unchanged"
        );
        assert_eq!(
            scene.psql("SELECT c1, c1600 FROM t ORDER BY 1"),
            "1|9\n2|2\n3|3"
        );
    }
}

#[test]
fn rights_that_are_missing_are_named_before_loading() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a');
         DO $$ BEGIN CREATE ROLE dwsload_modes LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         GRANT INSERT ON t TO dwsload_modes",
    );
    scene.file("in.txt", "no number\n");
    let url = crate::support::quoted(&scene.database.url_for("dwsload_modes"));
    let run = |mode: &str| {
        let ran = scene.place.run(&format!(
            "connection: {url}\nsteps:\n- copy_from: {{file: in.txt, table: t, mode: {mode}}}\n"
        ));
        scene.said(&ran)
    };
    for (mode, grant) in [
        (
            "upsert",
            "`GRANT SELECT, UPDATE ON \"public\".\"t\" TO \"dwsload_modes\"`",
        ),
        (
            "insert_new",
            "`GRANT SELECT ON \"public\".\"t\" TO \"dwsload_modes\"`",
        ),
        (
            "delete",
            "`GRANT SELECT, DELETE ON \"public\".\"t\" TO \"dwsload_modes\"`",
        ),
        ("replace", "`GRANT TRUNCATE ON \"t\" TO ...`"),
    ] {
        let said = run(mode);
        assert!(said.contains(grant), "{mode}: {said}");
    }
    scene.psql("GRANT SELECT, UPDATE (name), DELETE ON t TO dwsload_modes");
    scene.file("in.txt", "1\tb\n2\tc\n");
    assert!(run("upsert").contains("1 inserted, 1 updated"));
    scene.psql(&format!(
        "REVOKE TEMP ON DATABASE {} FROM PUBLIC",
        scene.database.name()
    ));
    let said = run("delete");
    assert!(
        said.contains("`GRANT TEMP ON DATABASE \"DB\" TO \"dwsload_modes\"`"),
        "{said}"
    );
}

#[test]
fn a_table_with_rules_is_refused() {
    let scene = Scene::new(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
    );
    scene.file("in.txt", "1\n");
    let ran = scene.load("file: in.txt, table: t, mode: delete");
    assert!(
        ran.stderr
            .contains("`t` has rules, which would change what this mode does"),
        "{}",
        ran.stderr
    );
}
