//! `nul`: zero bytes in text.

use super::{assert_says, in_short, rejects};
use crate::support::scene::Scene;

const TABLE: &str = "CREATE TABLE t (id int, name text)";

#[test]
fn zero_bytes_are_refused_taken_out_or_replaced() {
    let scene = Scene::new(TABLE);
    scene.file("f", b"1\ta\0b\n2\t\0\0c\n\x003\td\n");
    for keys in ["", ", nul: error"] {
        let ran = scene.load(&format!("file: f, table: t{keys}"));
        assert_says(&ran, 1, "invalid byte sequence for encoding \"UTF8\": 0x00");
        assert_says(
            &ran,
            1,
            "hint: no server takes NUL bytes: `nul: strip` takes",
        );
    }
    for (nul, said, rows) in [
        ("strip", "were taken out", "1:ab 2:c 3:d"),
        ("replace", "were replaced by blanks", "1:a b 2:  c 3:d"),
    ] {
        for errors in ["stop", "reject"] {
            scene.psql("TRUNCATE t");
            let ran = scene.load(&format!(
                "file: f, table: t, nul: {nul}, on_error: {errors}"
            ));
            assert_says(&ran, 0, "warning: 4 NUL bytes of `");
            assert_says(&ran, 0, said);
            assert_eq!(ran.stderr.matches("NUL").count(), 1, "{}", ran.stderr);
            let found = scene.psql("SELECT string_agg(id || ':' || name, ' ' ORDER BY id) FROM t");
            assert_eq!(found, rows);
        }
    }
    // A file without any says nothing.
    scene.file("f", b"1\ta\n");
    let ran = scene.load("file: f, table: t, nul: strip");
    assert!(!ran.stderr.contains("NUL"), "{}", ran.stderr);
    for (keys, said) in [
        ("nul: drop", "expected error, strip, replace, found `drop`"),
        (
            "nul: strip, format: binary",
            "binary data is full of NUL bytes",
        ),
    ] {
        assert_says(&scene.load(&format!("file: f, table: t, {keys}")), 2, said);
    }
}

#[test]
fn zero_bytes_are_those_of_the_text_and_not_of_its_encoding() {
    let scene = Scene::new(TABLE);
    let text = "id,name\n1,a\0\u{100}\nx,\0b\n3,c\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    scene.file("f.csv", bytes);
    let ran = scene.load(
        "file: f.csv, table: t, format: csv, header: map, encoding: utf-16be, nul: strip, on_error: reject",
    );
    assert_says(&ran, 3, "warning: 2 NUL bytes of `");
    assert_eq!(scene.psql("SELECT * FROM t ORDER BY id"), "1|aĀ\n3|c");
    let (_, kept, reasons) = rejects(&scene);
    let expected: Vec<u8> = "\u{feff}id,name\nx,b\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(kept, expected);
    assert!(
        in_short(&reasons)[0].starts_with("2 3 14 22P02"),
        "{reasons:?}"
    );
}
