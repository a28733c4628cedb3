//! Headers: one too many, one too few.

use super::*;

#[test]
fn a_record_taken_for_a_header_is_told() {
    let told = |line: &str| {
        format!(
            "the first line of `f` is skipped as its header, and looks like a record: {line:?} names no column of two; leave `header` out where the file has none"
        )
    };
    gives(
        "two",
        "1,x\n2,y\n",
        "format: csv, header: true",
        "2,y",
        &[&told("1,x")],
    );
    gives(
        "two",
        "1\tx\n2\ty\n",
        "header: true",
        "2,y",
        &[&told("1\tx")],
    );
    gives(
        "two",
        "\u{feff}\"-1\",\"x\ny\"\n2,y\n",
        "format: csv, header: true",
        "2,y",
        &[&told("\"-1\",\"x\ny\"")],
    );
    gives(
        "two",
        "x,1\ny,2\n",
        "format: csv, header: true, columns: [b, a]",
        "2,y",
        &[&told("x,1")],
    );
}

#[test]
fn a_header_is_not_taken_for_a_record() {
    let keys = "format: csv, header: true";
    for header in [
        "a,b",
        "Number,Text",
        // Another number of fields, or one that is no value, or a column's name among them.
        "1,x,y",
        "1",
        "1st,2nd",
        "2026,b",
        "2026,B ",
    ] {
        gives("two", format!("{header}\n2,y\n"), keys, "2,y", &[]);
    }
    // Of a table of text alone nobody can tell.
    gives("one", "1\nx\n", keys, "x", &[]);
    // What people call a column is not always its name.
    let scene = Scene::new("CREATE TABLE t (\"_2026_01\" int, \"2026-02\" int)");
    scene.file("f", "2026 01,x2\n1,2\n");
    let ran = scene.load(&format!("file: f, table: t, {keys}")).ok();
    assert_eq!(told(&ran), [] as [&str; 0]);
}

#[test]
fn the_strict_ways_refuse_a_record_for_a_header() {
    refused(
        "two",
        "1,x\n2,y\n",
        "format: csv, header: match",
        "field 1 is `1`, expected `a`",
    );
    for on_error in ALL {
        let (scene, ran) = load("two", "1,x\n2,y\n", "format: csv, header: map", on_error);
        assert_eq!(ran.code, Some(1), "{on_error}: {}", ran.stderr);
        assert_eq!(rows(&scene, "two"), "");
    }
}

#[test]
fn is_taken_off_once_for_each_file() {
    // Three files, each of many blocks, and with `reject` of many batches.
    let rows: Vec<String> = (0..70_000).map(|n| format!("{n},x\n")).collect();
    for header in ["true", "match", "map"] {
        for on_error in BOTH {
            let scene = Scene::new("CREATE TABLE two (a int PRIMARY KEY, b text)");
            for (name, part) in ["1.csv", "2.csv", "3.csv"].iter().zip(rows.chunks(30_000)) {
                scene.file(name, format!("a,b\n{}", part.concat()));
            }
            scene
                .load(&format!(
                    "file: '*.csv', table: two, format: csv, size: 4096, header: {header}, on_error: {on_error}"
                ))
                .ok();
            assert_eq!(
                scene.psql("SELECT count(*), min(a), max(a) FROM two"),
                "70000|0|69999",
                "{header} {on_error}"
            );
        }
    }
}
