//! Bytes of values: those that change, and those that no database takes.

use super::*;
use crate::support::Workplace;
use crate::support::server::Server;

#[test]
fn a_lone_backslash_at_the_end_is_told() {
    let told = "`f` ends with a backslash that escapes nothing, and the server drops it";
    gives("two", "1\tx\n2\ty\\", "format: text", "1,x\n2,y", &[told]);
    gives("one", "x\n\\", "format: text", "x\n\"\"", &[told]);
    gives("two", "1\tx\n2\ty\\\\", "format: text", "1,x\n2,y\\", &[]);
    gives("two", "1,x\n2,y\\", "format: csv", "1,x\n2,y\\", &[]);
}

#[test]
fn a_mark_before_a_quoted_header_is_no_part_of_a_name() {
    for header in ["true", "match", "map"] {
        let keys = format!("format: csv, header: {header}");
        gives("two", "\u{feff}\"a\",\"b\"\n1,x\n", &keys, "1,x", &[]);
    }
    gives(
        "two",
        "\u{feff}\"1\",\"x\"\n2,y\n",
        "format: csv",
        "1,x\n2,y",
        &[],
    );
}

#[test]
fn utf_16_is_called_by_its_name() {
    let file = "a,b\n1,x\n2,订单\n";
    for (encode, name) in [
        (u16::to_le_bytes as fn(u16) -> [u8; 2], "UTF-16LE"),
        (u16::to_be_bytes, "UTF-16BE"),
    ] {
        for mark in ["\u{feff}", ""] {
            let text = format!("{mark}{file}");
            let content: Vec<u8> = text.encode_utf16().flat_map(encode).collect();
            for header in ["false", "true", "match", "map"] {
                let keys = format!("format: csv, header: {header}");
                let part = format!("`encoding: {}` reads it", name.to_lowercase());
                refused("two", &content, &keys, &part);
                refused(
                    "two",
                    zstd::encode_all(&content[..], 1).unwrap(),
                    &keys,
                    &part,
                );
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    for (format, sep) in [("csv", b','), ("text", b'\t')] {
        let keys = format!("format: {format}");
        for bytes in [
            &b"\xff"[..],
            b"\xe9",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc0\x80",
            b"\0",
        ] {
            let record =
                |number: u8, value: &[u8]| [&[b'0' + number, sep][..], value, b"\n"].concat();
            let content = [record(1, b"x"), record(2, bytes), record(3, b"z")].concat();
            bad("two", content, &keys, "22021", (2, 2, 4), "1,x\n3,z");
        }
    }
    // Written as escapes, only the server finds them.
    for escape in [r"\xff", r"\000", r"\0"] {
        let content = format!("1\tx\n2\t{escape}\n3\tz\n");
        bad(
            "two",
            content,
            "format: text",
            "22021",
            (2, 2, 4),
            "1,x\n3,z",
        );
    }
    // The last bytes of the file, in the middle of a character.
    bad(
        "two",
        b"1,x\n2,caf\xc3",
        "format: csv",
        "22021",
        (2, 2, 4),
        "1,x",
    );
}

#[test]
fn characters_that_the_database_lacks_are_placed() {
    let server = Server::shared();
    let scene = Scene {
        database: server.database_with("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"),
        place: Workplace::new(),
    };
    scene.psql("CREATE TABLE two (a int, b text)");
    scene.file("f", "1,\"é\n\"\n2,€\n3,z\n");
    let ran = scene.load("file: f, table: two, format: csv");
    assert_eq!(ran.sqlstate(), Some("22P05"), "{}", ran.stderr);
    assert_eq!(said(&ran), Some((2, 3, 8)), "{}", ran.stderr);
    let ran = scene.load("file: f, table: two, format: csv, on_error: reject");
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(reasons(&scene)[0]["code"], "22P05");
    assert_eq!(scene.psql("SELECT a, length(b) FROM two"), "1|2\n3|1");
}

#[test]
fn binary_data_cut_short_is_found_in_a_copy_by_hand_too() {
    let scene = Scene::new("CREATE TABLE two (a int, b text)");
    scene.psql("INSERT INTO two SELECT n, 'x' FROM generate_series(1, 100) n");
    scene.unload("table: two, file: whole, format: binary").ok();
    let whole = scene.place.read("whole");
    scene.psql("TRUNCATE two");
    scene.file("f", &whole[..whole.len() - 2]);
    for options in ["(FORMAT binary)", "WITH BINARY"] {
        let ran = scene.run(&format!(
            "- copy_expert: {{sql: 'COPY two FROM STDIN {options}', file: f}}"
        ));
        let ran = steady(&scene, ran);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("`f` is cut short"), "{}", ran.stderr);
        assert_eq!(scene.psql("SELECT count(*) FROM two"), "0");
        scene
            .run(&format!(
                "- copy_expert: {{sql: 'COPY two FROM STDIN {options}', file: whole}}"
            ))
            .ok();
        assert_eq!(scene.psql("SELECT count(*) FROM two"), "100");
        scene.psql("TRUNCATE two");
    }
}
