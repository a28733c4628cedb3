//! Bytes of values: those that change, and those that no database takes.

use super::*;
use crate::gate::Product;
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

/// One record for each of these, behind its number.
fn of_each(characters: &[char]) -> String {
    // Some are characters only together with another.
    let before = ["a", "カ", "ㇷ", "æ"];
    let records = characters.iter().enumerate();
    let records = records
        .map(|(number, one)| format!("{},{}{one}z\n", number + 1, before[number % before.len()]));
    records.collect()
}

#[test]
fn characters_that_the_database_lacks_are_rejected_where_a_copy_cannot_fail() {
    // Half of Japanese, and what is written otherwise by tables that are not PostgreSQL's.
    let several: Vec<char> = "a\u{80}\u{a0}éÿŒ€\u{2014}\u{2015}\u{2016}\u{2225}\u{2212}\u{ff0d}\u{301c}\u{ff5e}\u{ffe0}¢\u{203e}¥\\ｱ表\u{4e00}\u{9fa5}\u{20000}😀\u{10ffff}"
        .chars()
        .chain(['\u{300}', '\u{301}', '\u{309a}'].repeat(5))
        .chain('\u{3040}'..'\u{3100}')
        .chain((0x4e00..0x9fff).step_by(97).filter_map(char::from_u32))
        .collect();
    // What text cannot be in csv, or is an escape there, is none of this.
    let several: Vec<char> = several.into_iter().filter(|one| *one != '\\').collect();
    for encoding in ["LATIN1", "EUC_JP", "EUC_JIS_2004", "SQL_ASCII", "UTF8"] {
        let options = format!("ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'");
        let scene = || {
            let scene = Scene {
                database: Server::shared().database_with(&options),
                place: Workplace::new(),
            };
            scene.psql("CREATE TABLE two (a int, b text)");
            // Behind kana it takes that one for something.
            let odd = |one: &char| encoding == "EUC_JIS_2004" && *one == '\u{80}';
            let several: Vec<char> = several.iter().copied().filter(|one| !odd(one)).collect();
            scene.file("f", of_each(&several));
            scene
        };
        let loaded = |scene: &Scene, url: &str, keys: &str| {
            let ran = scene.place.run(&format!(
                "connection: {}\nretry: none\n{keys}\n",
                quoted(url)
            ));
            let reasons: Vec<String> = if scene.place.path("rejects").exists() {
                let reasons = reasons(scene);
                std::fs::remove_dir_all(scene.place.path("rejects")).unwrap();
                reasons
                    .iter()
                    .map(|one| format!("{}: {} {}", one["record"], one["code"], one["reason"]))
                    .collect()
            } else {
                Vec::new()
            };
            let table = scene.psql("SELECT a, octet_length(b) FROM two ORDER BY a; TRUNCATE two");
            (ran.code, ran.stderr, reasons, table)
        };
        let step = "steps:\n- copy_from: {file: f, table: two, format: csv, on_error: reject, max_rejects: 100%";
        let plain = scene();
        let expected = loaded(&plain, &plain.database.url(), &format!("{step}}}"));
        let is_all = matches!(encoding, "SQL_ASCII" | "UTF8");
        assert_eq!(
            expected.0,
            Some(if is_all { 0 } else { 3 }),
            "{}",
            expected.1
        );
        assert_eq!(expected.2.is_empty(), is_all, "{encoding}");
        // By SQL, as text.
        let by_sql = format!("{step}, columns: [a, c], select: {{b: c}}}}");
        let found = loaded(&plain, &plain.database.url(), &by_sql);
        assert_eq!(
            (&found.2, &found.3),
            (&expected.2, &expected.3),
            "{encoding}: {}",
            found.1
        );
        for product in [Product::Dws, Product::OpenGauss] {
            let scene = scene();
            let gate = Gate::before(&scene.database).playing(product).open();
            for transaction in ["job", "none"] {
                let keys = format!("transaction: {transaction}\n{step}}}");
                let found = loaded(&scene, &gate.url(), &keys);
                assert_eq!(found.2, expected.2, "{encoding} {product:?}: {}", found.1);
                assert_eq!(found.3, expected.3, "{encoding} {product:?}: {}", found.1);
            }
            assert_eq!(gate.refused(), [] as [&str; 0]);
        }
    }
}

#[test]
fn a_character_that_the_database_lacks_stops_a_job_with_its_record() {
    let scene = Scene {
        database: Server::shared().database_with("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"),
        place: Workplace::new(),
    };
    scene.psql("CREATE TABLE two (a int, b text)");
    scene.file("f", "1,\"é\n\"\n2,€\n3,z\n");
    let keys = "file: f, table: two, format: csv, columns: [a, c], select: {b: c}";
    let ran = scene.load(keys);
    assert_eq!(ran.sqlstate(), Some("22P05"), "{}", ran.stderr);
    assert!(ran.stderr.contains("record 2, line 3"), "{}", ran.stderr);
    assert_eq!(scene.psql("SELECT count(*) FROM two"), "0");
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
