//! Line ends: too many, too few, of another kind.

use super::*;

#[test]
fn blank_lines_that_become_null_are_told() {
    let one = "line 2 of `f` is blank, and is a record to COPY, with NULL in its column";
    gives("one", "x\n\ny\n", "format: csv", "x\n\ny", &[one]);
    gives("one", "x\r\n\r\n", "format: csv", "x\n", &[one]);
    gives(
        "one",
        "b\n\ny\n",
        "format: csv, header: true",
        "\ny",
        &[one],
    );
    let three = "3 lines of `f` are blank, the first of them line 3, and each is a record to COPY, with NULL in its column";
    gives(
        "one",
        "x\ny\n\n\nz\n\n",
        "format: csv",
        "x\ny\n\n\nz\n",
        &[three],
    );
    let empty =
        "line 2 of `f` is blank, and is a record to COPY, with an empty value in its column";
    gives(
        "one",
        "x\n\n",
        "format: csv, force_not_null: [b]",
        "x\n\"\"",
        &[empty],
    );
    gives(
        "one",
        "x\n\n",
        "format: csv, 'null': 'NULL'",
        "x\n\"\"",
        &[empty],
    );
    // What is meant for NULL or for nothing is written so.
    gives(
        "one",
        "x\n\"\"\n\"\n\n\"\n",
        "format: csv",
        "x\n\"\"\n\"\n\n\"",
        &[],
    );
    // In text a blank line is the empty string, as COPY writes it.
    gives("one", "x\n\ny\n", "format: text", "x\n\"\"\ny", &[]);
}

#[test]
fn a_blank_line_among_several_columns_is_placed() {
    for (format, sep) in [("csv", ','), ("text", '\t')] {
        let content = format!("x{sep}1\n\ny{sep}2\n");
        let keys = format!("format: {format}, columns: [b, a]");
        bad("two", content, &keys, "22P04", (2, 2, 4), "1,x\n2,y");
    }
    // At the end of the file, too.
    bad("two", "1,x\n\n", "format: csv", "22P04", (2, 2, 4), "1,x");
}

#[test]
fn records_that_run_together_are_placed() {
    bad(
        "two",
        "1,x\n2,y3,z\n4,w\n",
        "format: csv",
        "22P04",
        (2, 2, 4),
        "1,x\n4,w",
    );
    bad(
        "two",
        "1,x\n2,\"y\"3,\"z\"\n4,w\n",
        "format: csv",
        "22P04",
        (2, 2, 4),
        "1,x\n4,w",
    );
    bad(
        "two",
        "1\tx\n2\ty3\tz\n4\tw\n",
        "format: text",
        "22P04",
        (2, 2, 4),
        "1,x\n4,w",
    );
    // A backslash takes the line end for data.
    bad(
        "two",
        "1\tx\n2\ty\\\n3\tz\n4\tw\n",
        "format: text",
        "22P04",
        (2, 2, 4),
        "1,x\n4,w",
    );
    // Members of a compressed file are one file: the first had no last line end.
    let packed = [b"1,x\n2,y", b"3,z\n4,w"].map(|part| zstd::encode_all(&part[..], 1).unwrap());
    bad(
        "two",
        packed.concat(),
        "format: csv",
        "22P04",
        (2, 2, 4),
        "1,x\n4,w",
    );
}

#[test]
fn files_never_run_together() {
    for (format, sep) in [("csv", ','), ("text", '\t')] {
        for on_error in BOTH {
            let scene = Scene::new("CREATE TABLE two (a int, b text)");
            for n in 1..=3 {
                scene.file(&format!("{n}.in"), format!("{n}{sep}x\n{n}0{sep}y"));
            }
            let keys = format!("file: '*.in', table: two, format: {format}, on_error: {on_error}");
            scene.load(&keys).ok();
            assert_eq!(rows(&scene, "two"), "1,x\n10,y\n2,x\n20,y\n3,x\n30,y");
        }
    }
}

#[test]
fn line_ends_of_another_kind_are_placed() {
    for (content, byte, sqlstate) in [
        ("1,x\n2,y\r\n3,z\n", 4, "22P04"),
        ("1,x\n2,y\r3,z\n", 4, "22P04"),
        ("1,x\r\n2,y\n3,z\r\n", 5, "22P04"),
        ("1,x\r\n2,y\r3,z\r\n", 5, "22P04"),
        ("1,x\r2,y\n3,z\r", 4, "22P04"),
    ] {
        for (format, sep) in [("csv", ","), ("text", "\t")] {
            let others = match (format, content) {
                // Elsewhere, what is behind the strange line end is of the same record.
                (_, "1,x\n2,y\r\n3,z\n" | "1,x\r\n2,y\n3,z\r\n") => "1,x\n3,z",
                _ => "1,x",
            };
            let content = content.replace(',', sep);
            let keys = format!("format: {format}");
            bad("two", content, &keys, sqlstate, (2, 2, byte), others);
        }
    }
    // In quotes, every line end is data, byte for byte.
    gives(
        "two",
        "1,\"x\r\ny\"\n2,\"\r\"\n3,\"\n\"\n",
        "format: csv",
        "1,\"x\r\ny\"\n2,\"\r\"\n3,\"\n\"",
        &[],
    );
}

#[test]
fn wrong_numbers_of_fields_are_placed() {
    for (content, keys) in [
        ("1,x\n2,y,z\n3,w\n", "format: csv"),
        ("1,x\n2\n3,w\n", "format: csv"),
        ("1,x\n2,y,\n3,w\n", "format: csv"),
        ("1\tx\n2\ty\tz\n3\tw\n", "format: text"),
        ("1\tx\n2\n3\tw\n", "format: text"),
    ] {
        bad("two", content, keys, "22P04", (2, 2, 4), "1,x\n3,w");
    }
    // A header does not count, and its fields are not asked.
    bad(
        "two",
        "a,b,c\n1,x\n2\n",
        "format: csv, header: true",
        "22P04",
        (2, 3, 10),
        "1,x",
    );
}

#[test]
fn line_ends_that_are_data_are_not_odd() {
    for (content, keys, expected) in [
        ("x\n\ny;;z;;", "format: csv, eol: ';;'", "\"x\n\ny\"\nz"),
        (
            "x\n\n\"\n;;z;;",
            "format: text, eol: ';;'",
            "\"x\n\n\"\"\n\"\nz",
        ),
    ] {
        gives("one", content, keys, expected, &[]);
    }
}

/// Records with a line end of another kind are set aside, all of them and no others: the next COPY
/// would take such a line end for its own kind, and refuse the good ones.
#[test]
fn line_ends_of_another_kind_are_rejected_wherever_they_stand() {
    let scene = Scene::new("CREATE TABLE two (a int, b text, c text)");
    let gate = Gate::before(&scene.database).open();
    for (content, strange, good) in [
        (
            "1,x\n2,y\r\n3,z\r\n4,w\n5,v\r\n",
            &[2, 3, 5][..],
            "1,x\n4,w",
        ),
        ("1,x\r\n2,y\n3,z\n4,w\r\n5,v\n", &[2, 3, 5], "1,x\n4,w"),
        ("1,x\r2,y\n3,z\r4,w\r", &[2], "1,x\n4,w"),
        ("1,x\n2,y\rq\n3,\rz\n4,w\n5,v\r", &[2, 3, 5], "1,x\n4,w"),
    ] {
        for (format, sep) in [("csv", ","), ("text", "\t")] {
            scene.file("f", content.replace(',', sep));
            for (url, more) in [
                (scene.database.url(), ""),
                (scene.database.url(), ", set: {c: made}"),
                // This server loads no COPY that may fail: records are made anew.
                (gate.url(), ""),
            ] {
                scene.psql("TRUNCATE two");
                let _ = fs::remove_dir_all(scene.place.path("rejects"));
                let ran = scene.place.run(&format!(
                    "connection: {}\nsteps:\n- copy_from: {{file: f, table: two, columns: [a, b], format: {format}, on_error: reject{more}}}\n",
                    quoted(&url)
                ));
                assert_eq!(ran.code, Some(3), "{more} {content:?}: {}", ran.stderr);
                let found = reasons(&scene);
                let records: Vec<_> = found
                    .iter()
                    .filter_map(|reason| reason["record"].as_u64())
                    .collect();
                assert_eq!(records, strange, "{more} {content:?}");
                assert!(
                    found.iter().all(|reason| reason["code"] == "22P04"),
                    "{found:?}"
                );
                assert_eq!(
                    scene.psql("SELECT a || ',' || b FROM two"),
                    good,
                    "{more} {content:?}"
                );
            }
        }
    }
}
