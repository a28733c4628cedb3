//! `skip_lines`: what stands before the data, and before its header.

use super::{assert_says, in_short, rejects};
use crate::support::scene::Scene;

const TABLE: &str = "CREATE TABLE t (id int, name text)";

#[test]
fn a_header_is_read_behind_the_lines_that_are_skipped() {
    let scene = Scene::new(TABLE);
    // Neither a quote nor a backslash means anything there, and any line end ends a line.
    scene.file(
        "f.csv",
        "Report \"of today\r\\.\r\n\nname,id\n\"a\nb\",1\nc,2\n",
    );
    for (keys, code, rows) in [
        ("skip_lines: 3, header: map", 0, "1:a\nb 2:c"),
        (
            "skip_lines: 3, header: match, columns: [name, id]",
            0,
            "1:a\nb 2:c",
        ),
        ("skip_lines: 4, columns: [name, id]", 0, "1:a\nb 2:c"),
        ("skip_lines: 6, columns: [name, id]", 0, "2:c"),
        ("skip_lines: 3, header: match", 1, ""),
        ("skip_lines: 2, header: map", 1, ""),
    ] {
        scene.psql("TRUNCATE t");
        let ran = scene.load(&format!("file: f.csv, table: t, format: csv, {keys}"));
        assert_eq!(ran.code, Some(code), "{keys}: {}", ran.stderr);
        let found = scene.psql("SELECT string_agg(id || ':' || name, ' ' ORDER BY id) FROM t");
        assert_eq!(found, rows, "{keys}");
    }
}

#[test]
fn places_count_what_is_skipped() {
    let scene = Scene::new(TABLE);
    scene.file("f.txt", "one\ntwo\n1\ta\nx\tb\n");
    let ran = scene.load("file: f.txt, table: t, skip_lines: 2");
    assert_says(&ran, 1, "record 2, line 4\n");
    assert_says(&ran, 1, "byte: 12\n");
}

#[test]
fn a_file_of_fewer_lines_holds_no_record() {
    let scene = Scene::new(TABLE);
    for content in ["", "one\ntwo\n", "one\ntwo\nthree", "one\ntwo\nthree\n"] {
        scene.file("f", content);
        for header in ["false", "map"] {
            let keys = format!("file: f, table: t, skip_lines: 3, header: {header}");
            assert_says(&scene.load(&keys), 0, "holds no record");
            assert_says(
                &scene.load(&format!("{keys}, on_empty: fail")),
                6,
                "holds no record",
            );
        }
    }
    for (lines, said) in [
        ("-1", "expected a number of lines"),
        ("1, format: binary", "binary data has no lines"),
    ] {
        let ran = scene.load(&format!("file: f, table: t, skip_lines: {lines}"));
        assert_says(&ran, 2, said);
    }
}

#[test]
fn rejects_stand_behind_the_skipped_lines_again() {
    let scene = Scene::new(TABLE);
    let job = scene.job(
        "- copy_from: {file: '${{ vars.file }}', table: t, format: csv, header: map, skip_lines: 2, encoding: gbk, on_error: reject}",
    );
    let start = b"\xb1\xa8\xb8\xe6\r\n\r\nname,id\r\n";
    scene.file("f.csv", [start, &b"a,1\r\nb,x\r\nc,3\r\n"[..]].concat());
    let ran = scene.place.run_file(&job, &["--var", "file=f.csv"]);
    assert_says(&ran, 3, "1 rejected");
    let (path, bytes, reasons) = rejects(&scene);
    assert_eq!(bytes, [start, &b"b,x\r\n"[..]].concat());
    assert!(
        in_short(&reasons)[0].starts_with("2 5 24 22P02"),
        "{reasons:?}"
    );
    std::fs::write(&path, [start, &b"b,2\r\n"[..]].concat()).unwrap();
    let file = format!("file={}", path.display());
    assert_says(&scene.place.run_file(&job, &["--var", &file]), 0, "1 row");
    let rows = scene.psql("SELECT string_agg(id || name, ' ' ORDER BY id) FROM t");
    assert_eq!(rows, "1a 2b 3c");
}

#[test]
fn records_with_an_end_of_their_own_are_rejected_with_it() {
    for (eol, end, other) in [
        ("\"|\\n\"", "|\n", "a\n|b"),
        ("crlf", "\r\n", "a\n\rb"),
        ("cr", "\r", "a\nb"),
        ("\"\\x1e\"", "\u{1e}", "a\r\nb"),
        ("§¶", "§¶", "§a¶"),
    ] {
        let scene = Scene::new(TABLE);
        let job = scene.job(&format!(
            "- copy_from: {{file: '${{{{ vars.file }}}}', table: t, sep: '|', header: map, eol: {eol}, encoding: latin1, skip_lines: 1, on_error: reject}}"
        ));
        let other = other.replace('|', "\\|");
        let records = ["name|id", &format!("{other}|1"), "é|x", "é|3|4", "é|5"];
        let text = format!("preamble\n{}", records.join(end));
        let latin1: Vec<u8> = text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        scene.file("f", latin1);
        let ran = scene.place.run_file(&job, &["--var", "file=f"]);
        assert_says(&ran, 3, "2 rejected");
        let rows = scene.psql("SELECT string_agg(id || name, ' ' ORDER BY id) FROM t");
        assert_eq!(rows, format!("1{} 5é", other.replace('\\', "")), "{eol}");
        let (path, bytes, reasons) = rejects(&scene);
        let kept: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(
            kept,
            format!("preamble\nname|id{end}é|x{end}é|3|4{end}"),
            "{eol}"
        );
        let reasons = in_short(&reasons);
        assert!(
            reasons[0].contains("22P02") && reasons[1].contains("22P04"),
            "{reasons:?}"
        );
        std::fs::write(
            &path,
            kept.replace("|x", "|2")
                .replace("|3|4", "|3")
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect::<Vec<u8>>(),
        )
        .unwrap();
        let file = format!("file={}", path.display());
        assert_says(&scene.place.run_file(&job, &["--var", &file]), 0, "2 rows");
    }
}
