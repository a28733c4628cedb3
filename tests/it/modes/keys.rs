//! Keys: where they come from, what they must be, and what one that stands twice means.

use super::{ORDERS, orders};
use crate::support::scene::Scene;

#[test]
fn a_key_that_stands_twice_names_both_records() {
    let scene = Scene::new(ORDERS);
    scene.file("a.csv", "id,name\n7,\"se\nven\"\n8,eight\n");
    scene.file("b.csv", "name,id\n\"ni\nne\",9\nacht,8\nsieben,7\n");
    let keys = "file: [a.csv, b.csv], table: orders, format: csv, header: map, mode: upsert";
    let ran = scene.load(keys);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(scene.said(&ran), @r"
    error: step 1 (copy_from orders) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot do `mode: upsert` on `orders`
      caused by: record 2, line 4 of `b.csv` has the key of record 2, line 4 of `a.csv`
        key: id = 8
        in all: 2 keys stand more than once
        hint: `duplicates: last` takes the last record of each key, `first` the first
    ");
    assert_eq!(orders(&scene), "1|one|1.00 2|two|2.00 3|three|3.00");
}

#[test]
fn the_first_or_the_last_of_equal_keys_counts_over_all_files() {
    for (duplicates, expected) in [
        ("first", "7|seven 8|eight 9|nine"),
        ("last", "7|sieben 8|acht 9|nine"),
    ] {
        let scene = Scene::new("CREATE TABLE orders (id int PRIMARY KEY, name text)");
        scene.file("b.txt", "7\tseven\n8\teight\n");
        scene.file("a.txt", "9\tnine\n8\tocho\n8\tacht\n7\tsieben\n");
        let ran = scene
            .load(&format!(
                "file: [b.txt, a.txt], table: orders, mode: upsert, duplicates: {duplicates}"
            ))
            .ok();
        assert_eq!(orders(&scene), expected);
        assert!(
            ran.stderr.contains("6 rows, 46 B from 2 files: 3 inserted, 0 updated, 0 unchanged, 3 duplicates left out"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_key_with_null_is_refused_at_its_record() {
    let scene = Scene::new(ORDERS);
    scene.file("in.csv", "id,name\n7,seven\n,eight\n");
    for mode in ["upsert", "insert_new", "delete"] {
        let ran = scene.load(&format!(
            "file: in.csv, table: orders, format: csv, header: map, mode: {mode}"
        ));
        assert_eq!(ran.code, Some(1));
        let said = scene.said(&ran);
        assert!(
            said.contains("cannot load `in.csv` into orders: record 2, line 3"),
            "{said}"
        );
        assert!(said.contains("COPY orders, line 2"), "{said}");
        assert!(
            said.contains("hint: the key is (id), and NULL in it is the key of no row"),
            "{said}"
        );
        assert!(!said.contains("staging"), "{said}");
    }
}

#[test]
fn the_place_of_a_key_is_right_far_into_a_compressed_file() {
    let scene = Scene::new("CREATE TABLE orders (id int PRIMARY KEY, name text)");
    let mut text = String::from("id,name\n");
    for id in 1..=200_000 {
        let name = if id % 3 == 0 { "\"two\nlines\"" } else { "one" };
        text.push_str(&format!(
            "{},{name}\n",
            if id == 180_000 { 150_001 } else { id }
        ));
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).expect("it packs");
    scene.file("in.csv.gz", packed.finish().expect("it packs"));
    scene.file("in.csv", &text);
    for file in ["in.csv.gz", "in.csv"] {
        let ran = scene.load(&format!(
            "file: {file}, table: orders, format: csv, header: true, mode: upsert"
        ));
        let said = scene.said(&ran);
        // A header, and one more line for each third record before.
        let places = format!(
            "record 180000, line {} of `{file}` has the key of record 150001, line {} of `{file}`",
            180_000 + 1 + 59_999,
            150_001 + 1 + 50_000
        );
        assert!(said.contains(&places), "{said}");
    }
}

#[test]
fn stdin_and_binary_files_name_records() {
    let scene = Scene::new("CREATE TABLE orders (id int PRIMARY KEY)");
    scene
        .unload("query: 'SELECT n % 5 FROM generate_series(1, 7) n', file: in.bin, format: binary")
        .ok();
    let ran = scene.load("file: in.bin, table: orders, format: binary, mode: upsert");
    let said = scene.said(&ran);
    assert!(
        said.contains("record 6 of `in.bin` has the key of record 1 of `in.bin`"),
        "{said}"
    );
    let ran = scene
        .load("file: in.bin, table: orders, format: binary, mode: upsert, duplicates: last")
        .ok();
    assert!(
        ran.stderr.contains("7 rows, 91 B from 1 file: 5 inserted"),
        "{}",
        ran.stderr
    );
    let mut dwsload = scene.dwsload("- copy_from: {file: \"-\", table: orders, mode: delete}");
    let input = scene.file("stdin", "1\n2\n1\n");
    dwsload.stdin(std::fs::File::open(input).expect("it is there"));
    let ran = crate::support::Ran::of(dwsload.output().expect("it runs"));
    assert!(
        ran.stderr
            .contains("record 3 of `stdin` has the key of record 1 of `stdin`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_key_comes_from_the_job_or_is_the_primary_key() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int, day date, name text, UNIQUE (id, day));
         CREATE TABLE other (name text, b int, a int, PRIMARY KEY (a, b));
         INSERT INTO other VALUES ('x', 2, 1)",
    );
    scene.file("in.txt", "y\t2\t1\nz\t1\t2\n");
    let ran = scene.load("file: in.txt, table: other, mode: upsert").ok();
    assert!(
        ran.stderr.contains(": 1 inserted, 1 updated"),
        "{}",
        ran.stderr
    );
    assert_eq!(scene.psql("SELECT * FROM other ORDER BY a"), "y|2|1\nz|1|2");
    for (keys, message) in [
        (
            "table: orders, mode: upsert",
            "`mode: upsert` needs a key, and `orders` has no primary key",
        ),
        (
            "table: other, mode: upsert, key: x",
            "`key` names a column `x`, which `other` does not have",
        ),
        (
            "table: other, mode: delete, columns: [a, name]",
            "the records for `other` have no `b`, a column of the primary key",
        ),
        (
            "table: other, mode: delete, columns: [a, z]",
            "`columns` names a column `z`, which `other` does not have",
        ),
        (
            "table: none, mode: delete",
            "relation \"none\" does not exist",
        ),
        (
            "table: pg_stats, mode: upsert",
            "`pg_stats` is a view, and this mode needs a table",
        ),
    ] {
        let ran = scene.load(&format!("file: in.txt, {keys}"));
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(message), "{keys}: {}", ran.stderr);
    }
    // The second file has the column, the first one has not.
    scene.file("a.csv", "a,name\n1,x\n");
    let ran = scene.load("file: a.csv, table: other, format: csv, header: map, mode: upsert");
    assert!(ran.stderr.contains("have no `b`"), "{}", ran.stderr);
    scene.file("b.csv", "a,b,c\n1,2,3\n");
    let ran = scene.load("file: b.csv, table: other, format: csv, header: map, mode: upsert");
    assert!(
        scene
            .said(&ran)
            .contains("the header of `b.csv` names a column `c`, which `other` does not have"),
        "{}",
        ran.stderr
    );
    scene.file("c.csv", "name,a,b\nx,5,5\n");
    scene.file("d.csv", "a,b\n6,6\n");
    let ran =
        scene.load("file: [c.csv, d.csv], table: other, format: csv, header: map, mode: upsert");
    assert!(
        scene
            .said(&ran)
            .contains("the header of `d.csv` names other columns than that of `c.csv`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_key_without_a_unique_index_has_its_price_and_works() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int, name text); INSERT INTO orders VALUES (1, 'a'), (1, 'b'), (2, 'c')",
    );
    scene.file("in.txt", "1\tb\n3\td\n2\tc\n");
    let keys = "file: in.txt, table: orders, key: id";
    let ran = scene.load(&format!("{keys}, mode: upsert")).ok();
    insta::assert_snapshot!(scene.said(&ran), @r"
    warning: `orders` has no unique index on (id), so others cannot write into it while the records are merged, and every row that has a record's key is updated
    1/1 copy_from orders: 3 rows, 12 B from 1 file: 1 inserted, 1 updated, 1 unchanged (TIME)
    job: done, 3 rows loaded in TIME
    ");
    assert_eq!(
        scene.psql("SELECT * FROM orders ORDER BY 1, 2"),
        "1|b\n1|b\n2|c\n3|d"
    );
    scene.file("in.txt", "1\t\\N\n5\t\\N\n");
    let ran = scene.load(&format!("{keys}, mode: insert_new")).ok();
    assert!(
        ran.stderr.contains(": 1 inserted, 1 there already"),
        "{}",
        ran.stderr
    );
    let ran = scene.load(&format!("{keys}, mode: delete")).ok();
    assert!(
        ran.stderr.contains(": 3 deleted, 0 not there"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn a_file_without_a_header_has_no_say_in_the_columns() {
    let scene = Scene::new("CREATE TABLE orders (id int PRIMARY KEY, name text, n int DEFAULT 7)");
    scene.file("empty.csv", "");
    scene.file("header.csv", "n,id\n");
    scene.file("b.csv", "name,id\nx,1\n");
    for files in [
        "[empty.csv, b.csv]",
        "[b.csv, empty.csv]",
        "[header.csv, empty.csv, b.csv]",
        "empty.csv",
    ] {
        let ran = scene
            .load(&format!(
                "file: {files}, table: orders, format: csv, header: map, mode: upsert, on_empty: ok"
            ))
            .ok();
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    }
    assert_eq!(scene.psql("SELECT * FROM orders"), "1|x|7");
    let ran = scene.load("file: [b.csv, header.csv], table: orders, format: csv, header: map, mode: upsert, on_empty: ok");
    assert!(
        ran.stderr.contains("names other columns than that of"),
        "{}",
        ran.stderr
    );
}
