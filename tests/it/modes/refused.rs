//! Records that only the merge refuses: each is set aside with its reason, and the rest is merged.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::gate::{Gate, Product};
use crate::rejects::{rejects, summary};
use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

/// Everything that can go wrong with a row of `orders` only when it is one.
const ORDERS: &str = "
    CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1), (2);
    CREATE TABLE orders (
      id int PRIMARY KEY, code text UNIQUE, customer int REFERENCES customer, amount int,
      state text DEFAULT 'new', twice int GENERATED ALWAYS AS (amount * 2) STORED,
      note text, CONSTRAINT closed CHECK (state <> 'closed' OR amount < 10));
    INSERT INTO orders VALUES (1, 'a', 1, 1), (2, 'b', 1, 2), (3, 'c', 2, 3);
    UPDATE orders SET state = 'closed' WHERE id = 3;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.note = TG_WHEN THEN RAISE EXCEPTION 'not %', lower(TG_OP); END IF; RETURN NEW; END $$;
    CREATE TRIGGER before BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE PROCEDURE refuse();
    CREATE TRIGGER after AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE PROCEDURE refuse();";

const KEYS: &str = "table: orders, format: csv, header: map, on_error: reject";

fn load(scene: &Scene, url: &str, keys: &str) -> Ran {
    scene.place.run(&format!(
        "connection: {}\nretry: none\nsteps:\n- copy_from: {{{keys}}}\n",
        quoted(url)
    ))
}

/// A test on PostgreSQL, and through servers that merge in another way.
fn on_each_server(sql: &str, test: impl Fn(&Scene, &str)) {
    let scene = Scene::new(sql);
    test(&scene, &scene.database.url());
    for product in [Product::OpenGauss, Product::Dws] {
        let scene = Scene::new(sql);
        let gate = Gate::before(&scene.database).playing(product).open();
        test(&scene, &gate.url());
        assert_eq!(gate.refused(), [] as [&str; 0]);
    }
}

/// A summary of reasons, with the constraints put in that a Gauss server does not name apart.
fn known(url: &str, scene: &Scene, reasons: &[Value]) -> Vec<String> {
    let lines = summary(reasons).into_iter().zip(reasons);
    let named = lines.map(|(line, reason)| {
        let text = reason["reason"].as_str().unwrap_or_default();
        let quoted: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        let is_gauss = url != scene.database.url();
        match (line.strip_suffix(" - -"), quoted.as_slice()) {
            (Some(start), [column, ..]) if is_gauss && line.contains(" 23502 ") => {
                format!("{start} {column} -")
            }
            (Some(start), [constraint]) if is_gauss => format!("{start} - {constraint}"),
            (Some(start), [_, constraint, ..]) if is_gauss => format!("{start} - {constraint}"),
            _ => line,
        }
    });
    named.collect()
}

fn rows(scene: &Scene, columns: &str) -> String {
    scene
        .psql(&format!("SELECT {columns} FROM orders ORDER BY id"))
        .replace('\n', " ")
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, part: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
}

const DIRTY: &str = "id,code,customer,amount,note\n\
    1,a,2,10,good\n\
    4,d,9,1,no customer\n\
    5,a,1,1,code of another\n\
    3,c,2,30,too much for what is closed\n\
    6,f,1,1,BEFORE\n\
    7,g,1,1,AFTER\n\
    2,b,1,2,AFTER\n\
    8,h,1,2000000000,too much twice\n\
    9,i,x,1,not even a record\n\
    10,j,1,1,good\n";

#[test]
fn every_kind_of_record_that_a_merge_refuses_is_set_aside() {
    on_each_server(ORDERS, |scene, url| {
        scene.file("in.csv", DIRTY);
        let ran = load(scene, url, &format!("file: in.csv, {KEYS}, mode: upsert"));
        assert_says(
            &ran,
            3,
            "8 rejected from 1 file: 1 inserted, 1 updated, 0 unchanged (",
        );
        assert_eq!(
            rows(scene, "id, code, customer, amount"),
            "1|a|2|10 2|b|1|2 3|c|2|3 10|j|1|1"
        );
        let found = rejects(scene);
        let [(name, bytes, reasons)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(name, "in.csv");
        // What is no record for the columns is found first.
        let lines: Vec<&str> = DIRTY.lines().collect();
        let expected = [0, 9, 2, 3, 4, 5, 6, 7, 8].map(|line| lines[line]);
        assert_eq!(String::from_utf8_lossy(bytes), expected.join("\n") + "\n");
        assert_eq!(
            known(url, scene, reasons),
            [
                "9 10 22P02 customer -",
                "2 3 23503 - orders_customer_fkey",
                "3 4 23505 - orders_code_key",
                "4 5 23514 - closed",
                "5 6 P0001 - -",
                "6 7 P0001 - -",
                "7 8 P0001 - -",
                "8 9 22003 - -",
            ]
        );
        let text = format!("{reasons:?}");
        assert!(!text.contains("staging"), "{text}");
        assert!(text.contains("not update"), "{text}");
    });
}

#[test]
fn new_records_are_set_aside_and_known_ones_left_alone() {
    on_each_server(ORDERS, |scene, url| {
        scene.file("in.csv", DIRTY);
        let ran = load(
            scene,
            url,
            &format!("file: in.csv, {KEYS}, mode: insert_new"),
        );
        assert_says(&ran, 3, ": 1 inserted, 3 there already (");
        let found = rejects(scene);
        let numbers: Vec<String> = summary(&found[0].2)
            .iter()
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(numbers, ["9", "2", "3", "5", "6", "8"]);
    });
}

#[test]
fn rows_that_others_point_at_are_not_deleted() {
    let sql = format!(
        "{ORDERS}; CREATE TABLE item (orders int REFERENCES orders); INSERT INTO item VALUES (2), (2)"
    );
    on_each_server(&sql, |scene, url| {
        scene.file("in.csv", "id\n1\n2\n3\n99\n");
        let ran = load(scene, url, &format!("file: in.csv, {KEYS}, mode: delete"));
        assert_says(&ran, 3, "1 rejected from 1 file: 2 deleted, 1 not there (");
        assert_eq!(rows(scene, "id"), "2");
        let found = rejects(scene);
        assert_eq!(found[0].1, b"id\n2\n");
        assert_eq!(
            known(url, scene, &found[0].2),
            ["2 3 23503 - item_orders_fkey"]
        );
    });
}

#[test]
fn columns_that_are_not_loaded_may_be_what_is_wrong() {
    let sql =
        "CREATE TABLE orders (id int PRIMARY KEY, name text, kind text NOT NULL, span int4range,
                 EXCLUDE USING gist (span WITH &&));
               INSERT INTO orders VALUES (1, 'one', 'k', '[1,5)')";
    on_each_server(sql, |scene, url| {
        scene.file("a.txt", "1\tuno\n2\tdos\n");
        let keys = "table: orders, on_error: reject, mode: upsert, rejects: rejects";
        let ran = load(
            scene,
            url,
            &format!("file: a.txt, columns: [id, name], {keys}"),
        );
        assert_says(&ran, 3, ": 0 inserted, 1 updated, 0 unchanged (");
        scene.file("b.txt", "3\tk\t[4,9)\n4\tk\t[5,9)\n5\tk\t[8,9)\n");
        let ran = load(
            scene,
            url,
            &format!("file: b.txt, columns: [id, kind, span], {keys}"),
        );
        assert_says(&ran, 3, ": 1 inserted, 0 updated, 0 unchanged (");
        assert_eq!(rows(scene, "id, name"), "1|uno 4|");
        let mut reasons: Vec<String> = Vec::new();
        for (.., found) in rejects(scene) {
            reasons.extend(known(url, scene, &found));
        }
        reasons.sort();
        assert_eq!(
            reasons,
            [
                "1 1 23P01 - orders_span_excl",
                "2 2 23502 kind -",
                "3 3 23P01 - orders_span_excl",
            ]
        );
    });
}

#[test]
fn a_record_without_a_partition_is_set_aside() {
    on_each_server(
        "CREATE TABLE orders (id int, day int, name text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (10);
         INSERT INTO orders VALUES (1, 1, 'one')",
        |scene, url| {
            scene.file("in.txt", "1\t1\tuno\n1\t11\tx\n2\t2\ttwo\n");
            let ran = load(
                scene,
                url,
                "file: in.txt, table: orders, on_error: reject, mode: upsert",
            );
            assert_says(&ran, 3, ": 1 inserted, 1 updated, 0 unchanged (");
            assert_eq!(rejects(scene)[0].1, b"1\t11\tx\n");
        },
    );
}

#[test]
fn records_that_need_each_other_are_taken_whatever_their_order() {
    let sql =
        "CREATE TABLE orders (id int PRIMARY KEY, parent int REFERENCES orders, code int UNIQUE);
               INSERT INTO orders VALUES (1, NULL, 1), (2, NULL, 2)";
    on_each_server(sql, |scene, url| {
        // Children before their parents, a code that a later record gives up, and one bad record.
        let children: Vec<String> = (11..60)
            .map(|id| format!("{id},{},{id}\n", id + 1))
            .collect();
        let mut text = children.concat();
        text.push_str("3,77,3\n4,,1\n1,,100\n60,1,60\n");
        scene.file("in.csv", text);
        let keys = "table: orders, format: csv, on_error: reject";
        let ran = load(scene, url, &format!("file: in.csv, {keys}, mode: upsert"));
        assert_says(&ran, 3, ": 51 inserted, 1 updated, 0 unchanged (");
        assert_eq!(rejects(scene)[0].1, b"3,77,3\n");
        assert_eq!(scene.psql("SELECT id FROM orders WHERE code = 1"), "4");
        // And parents before their children, where rows go.
        scene
            .psql("CREATE TABLE item (orders int REFERENCES orders); INSERT INTO item VALUES (20)");
        scene.file("out.csv", "1\n60\n59\n2\n58\n20\n4\n");
        let ran = load(
            scene,
            url,
            &format!("file: out.csv, {keys}, columns: [id], mode: delete, rejects: bad"),
        );
        assert_says(&ran, 3, ": 2 deleted, 0 not there (");
    });
}

#[test]
fn bad_records_are_found_in_every_file_and_kept_as_they_stand_there() {
    let scene = Scene::new(ORDERS);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let content = "code,id,customer,note\r\nx1,11,1,\"two\r\nlines\"\r\nx2,12,9,\"two\r\nlines\"\r\nx3,13,9,last";
    packed.write_all(content.as_bytes()).expect("it packs");
    scene.file("a/in.csv.gz", packed.finish().expect("it packs"));
    scene.file("b/in.csv", "id,code,customer,note\n21,y1,1,\n22,y2,8,\n");
    scene.file("c.csv", "id,code,customer,note\n31,z1,1,\n");
    scene.file("d.csv", "id,code,customer,note\n41,v1,1,\n42,y1,1,\n");
    let ran = load(
        &scene,
        &scene.database.url(),
        &format!("file: [a/in.csv.gz, b/in.csv, c.csv, d.csv], {KEYS}, mode: upsert"),
    );
    assert_says(&ran, 3, "4 rejected from 4 files: 4 inserted,");
    let found = rejects(&scene);
    let kept: Vec<(&str, String)> = found
        .iter()
        .map(|(name, bytes, _)| (name.as_str(), String::from_utf8_lossy(bytes).into_owned()))
        .collect();
    assert_eq!(
        kept,
        [
            ("2-in.csv", "id,code,customer,note\n22,y2,8,\n".to_owned()),
            ("d.csv", "id,code,customer,note\n42,y1,1,\n".to_owned()),
            (
                "in.csv",
                "code,id,customer,note\r\nx2,12,9,\"two\r\nlines\"\r\nx3,13,9,last\r\n".to_owned()
            ),
        ]
    );
    assert_eq!(
        summary(&found[2].2),
        [
            "2 4 23503 - orders_customer_fkey",
            "3 6 23503 - orders_customer_fkey"
        ]
    );
    assert_eq!(rows(&scene, "id"), "1 2 3 11 21 31 41");
}

#[test]
fn limits_count_what_the_merge_refuses() {
    for (limit, code, says) in [
        (
            "max_rejects: 7",
            1,
            "more than 7 records were rejected (`max_rejects`)",
        ),
        (
            "max_rejects: 79%",
            1,
            "8 of 10 records were rejected, more than 79% (`max_rejects`)",
        ),
        ("max_rejects: 8", 3, "8 rejected"),
        ("max_rejects: 80%", 3, "8 rejected"),
    ] {
        let scene = Scene::new(ORDERS);
        scene.file("in.csv", DIRTY);
        let ran = load(
            &scene,
            &scene.database.url(),
            &format!("file: in.csv, {KEYS}, mode: upsert, {limit}"),
        );
        assert_says(&ran, code, says);
        if code == 1 {
            assert_says(&ran, 1, "in.csv`, record ");
            assert_says(&ran, 1, "rejects: ");
            assert_eq!(rows(&scene, "id"), "1 2 3");
        }
        assert!(!rejects(&scene).is_empty());
    }
    let scene = Scene::new(ORDERS);
    scene.file("in.csv", "id,customer\n7,9\n8,9\n");
    let keys = format!("file: in.csv, {KEYS}, mode: insert_new");
    let ran = load(&scene, &scene.database.url(), &keys);
    assert_says(&ran, 1, "all 2 records were rejected");
    let keys = format!("{keys}, max_rejects: 100%");
    let ran = load(&scene, &scene.database.url(), &keys);
    assert_says(
        &ran,
        3,
        "2 rejected from 1 file: 0 inserted, 0 there already (",
    );
}

#[test]
fn what_is_read_only_once_cannot_be_kept() {
    let scene = Scene::new(ORDERS);
    let mut dwsload = scene.dwsload(&format!(
        "- copy_from: {{file: \"-\", {KEYS}, mode: upsert}}"
    ));
    let mut child = dwsload
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = child.stdin.take().expect("its input is a pipe");
    input
        .write_all(b"id,customer\n7,1\nx,y\n8,9\n")
        .expect("it reads");
    drop(input);
    let ran = Ran::of(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from orders) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: record 3 of `stdin` cannot be merged into `orders`, and not be kept either: it has been read, and can be read only once
        hint: load it from a file: then such records are rejected, and the rest is merged
      caused by: insert or update on table "orders" violates foreign key constraint "orders_customer_fkey" (SQLSTATE 23503)
        detail: Key (customer)=(9) is not present in table "customer".
    "#);
    assert_eq!(rows(&scene, "id"), "1 2 3");
}

#[test]
fn what_is_no_fault_of_the_data_stops_the_merge() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int PRIMARY KEY, name text);
         CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1 FROM nowhere; RETURN NEW; END';
         CREATE TRIGGER gone BEFORE INSERT ON orders FOR EACH ROW EXECUTE PROCEDURE gone();",
    );
    scene.file("in.txt", "1\ta\n2\tb\n");
    let ran = load(
        &scene,
        &scene.database.url(),
        "file: in.txt, table: orders, on_error: reject, mode: upsert",
    );
    assert_says(&ran, 1, "cannot merge the records into `orders`");
    assert_says(
        &ran,
        1,
        "relation \"nowhere\" does not exist (SQLSTATE 42P01)",
    );
}
