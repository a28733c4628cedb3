//! Files that are not in UTF-8. Where PostgreSQL knows the encoding, it reads the same file.

use std::io::Write;

use super::{assert_says, in_short, rejects};
use crate::support::scene::Scene;

const TABLE: &str = "CREATE TABLE t (id int, name text, note text)";

/// Letters of many scripts, and characters whose second byte is a backslash, a pipe, a letter or a
/// bracket in one of the encodings.
const TEXTS: &[(&str, &str, &str)] = &[
    ("gbk", "GBK", "誠乗縗 東萤 中文 漢字 ｛｝"),
    ("gb18030", "GB18030", "誠乗縗 東萤 中文 漢字€ 𠀀 ñ"),
    ("EUC_CN", "EUC_CN", "中文字符"),
    ("big5", "BIG5", "許功蓋 育四帆 漢字 （）"),
    ("shift_jis", "SJIS", "表ソ予十 ポ竹 漢字 ｶﾀｶﾅ"),
    ("euc-jp", "EUC_JP", "表ソ予十 ポ竹 漢字 ｶﾀｶﾅ"),
    ("euc-kr", "EUC_KR", "한국어 漢字"),
    ("UHC", "UHC", "한국어 똠방각하 漢字"),
    ("latin1", "LATIN1", "naïve café ÿ\u{80}\u{93}\u{9f} §"),
    ("latin5", "LATIN5", "ğışİ\u{80}"),
    ("windows-1252", "WIN1252", "naïve café “€”"),
    ("windows-1251", "WIN1251", "Привет"),
    ("koi8-r", "KOI8R", "Привет"),
];

/// `text` in an encoding of the standard.
fn encoded(name: &str, text: &str) -> Vec<u8> {
    match name {
        "latin1" => text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect(),
        "latin5" => {
            let byte = |c: char| match u8::try_from(u32::from(c)) {
                Ok(byte) if byte < 0xa0 => vec![byte],
                _ => encoded("windows-1254", &c.to_string()),
            };
            text.chars().flat_map(byte).collect()
        }
        _ => {
            let label = name
                .to_lowercase()
                .replace("euc_cn", "gbk")
                .replace("gbk", "gb18030")
                .replace("uhc", "euc-kr");
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, _, failed) = encoding.encode(text);
            assert!(!failed, "{name}: {text}");
            bytes.into_owned()
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn a_file_becomes_the_rows_that_postgresql_makes_of_it() {
    let scene = Scene::new(&format!("{TABLE}; CREATE TABLE theirs (LIKE t)"));
    for (ours, theirs, text) in TEXTS {
        for (format, file, errors) in [("csv", "f.gz", "stop"), ("text", "f", "reject")] {
            let escaped = if format == "csv" {
                "\"a\"\"|,b\nc\""
            } else {
                "a\\\\\\|b\\nc"
            };
            let records: Vec<String> = (1..2000)
                .map(|id| format!("{id}|{text}|{text}{escaped}\n"))
                .collect();
            let records = encoded(ours, &records.concat());
            let plain = scene.file("f", &records);
            scene.file("f.gz", gzip(&records));
            scene.psql("TRUNCATE t, theirs");
            scene.psql(&format!(
                "\\copy theirs from '{}' with (format {format}, delimiter '|', encoding '{theirs}')",
                plain.display()
            ));
            let ran = scene.load(&format!(
                "file: {file}, table: t, format: {format}, sep: '|', encoding: {ours}, on_error: {errors}"
            ));
            assert_says(&ran, 0, "1,999 rows");
            let found = scene.psql(
                "SELECT (SELECT count(*) FROM (TABLE t EXCEPT TABLE theirs) AS more),
                   (SELECT string_agg(DISTINCT name, ' and ') FROM t)",
            );
            assert_eq!(found, format!("0|{text}"), "{ours}");
        }
    }
}

#[test]
fn utf16_is_read_with_and_without_a_byte_order_mark() {
    let scene = Scene::new(TABLE);
    let text = "id\tname\tnote\r\n1\t中文 𠀀\t|\\\\\r\n2\té\t\\N\r\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (encoding, bytes) in [
        ("utf-16", [b"\xff\xfe", &little[..]].concat()),
        ("utf-16", [b"\xfe\xff", &big[..]].concat()),
        ("utf-16", little.clone()),
        ("utf-16le", little.clone()),
        ("utf-16le", [b"\xff\xfe", &little[..]].concat()),
        ("UTF16BE", big.clone()),
    ] {
        scene.psql("TRUNCATE t");
        scene.file("f", &bytes);
        scene
            .load(&format!(
                "file: f, table: t, encoding: {encoding}, header: map"
            ))
            .ok();
        let rows = scene.psql("SELECT * FROM t ORDER BY id");
        assert_eq!(rows, "1|中文 𠀀||\\\n2|é|", "{encoding}");
    }
}

#[test]
fn a_byte_that_is_none_of_the_encoding_stops_the_job_with_its_place() {
    let scene = Scene::new(TABLE);
    let records = encoded("gbk", "id,name,note\r\n1,中文,\"a\nb\"\r\n2,");
    let at = records.len();
    scene.file("f.csv", [&records[..], b"\x81 x,y\r\n"].concat());
    let ran = scene.load("file: f.csv, table: t, format: csv, header: match, encoding: GBK");
    assert_says(
        &ran,
        1,
        "f.csv`, line 4: invalid byte sequence for encoding \"GBK\": 0x81 0x20",
    );
    assert_says(&ran, 1, &format!("byte: {at}\n"));
    assert_says(
        &ran,
        1,
        "hint: is it in another encoding? With `on_error: reject`",
    );
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    scene.file("f.csv", b"id,name,n\xffte\n");
    let ran = scene
        .load("file: f.csv, table: t, format: csv, header: match, encoding: GBK, on_error: reject");
    assert_says(
        &ran,
        1,
        "f.csv`, the header is wrong: invalid byte sequence for encoding \"GBK\": 0xff 0x74",
    );
}

#[test]
fn rejects_are_in_the_encoding_of_the_file_and_load_again() {
    for (encoding, bad, words) in [
        ("gbk", &b"\x81 "[..], "\"GBK\": 0x81 0x20"),
        ("GB18030", b"\x81\x30,", "\"gb18030\": 0x81 0x30"),
        ("big5", b"\xff", "\"Big5\": 0xff"),
        ("shift_jis", b"\x82,", "\"Shift_JIS\": 0x82 0x2c"),
        ("windows-1253", b"\xd2", "\"windows-1253\": 0xd2"),
        ("utf-16le", b"\x00\xd8", "\"UTF-16LE\": 0x00 0xd8"),
        ("utf-16be", b"\xdc\x00", "\"UTF-16BE\": 0xdc 0x00"),
    ] {
        let scene = Scene::new(TABLE);
        let word = if encoding == "windows-1253" {
            "αβγ"
        } else {
            "文字"
        };
        let code = |text: &str| match encoding {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            other => encoded(other, text),
        };
        let header = code("name,id,note\r\n");
        let malformed = [
            code("x"),
            bad.to_vec(),
            code(&format!("{word},2,\"a\r\nb\"\r\n")),
        ]
        .concat();
        let wrong = code(&format!("{word},three,{word}\r\n"));
        let good = |id: u32| code(&format!("{word},{id},{word}\r\n"));
        let file = [
            header.clone(),
            good(1),
            malformed.clone(),
            wrong.clone(),
            good(4),
        ]
        .concat();
        scene.file("f.csv", &file);
        let job = scene.job(&format!(
            "- copy_from: {{file: '${{{{ vars.file }}}}', table: t, format: csv, header: map, encoding: {encoding}, on_error: reject}}"
        ));
        let ran = scene.place.run_file(&job, &["--var", "file=f.csv"]);
        assert_says(&ran, 3, "2 rejected");
        assert_eq!(
            scene.psql("SELECT id, name FROM t ORDER BY id"),
            format!("1|{word}\n4|{word}")
        );
        let (path, bytes, reasons) = rejects(&scene);
        let mark: &[u8] = match encoding {
            "utf-16le" => b"\xff\xfe",
            "utf-16be" => b"\xfe\xff",
            _ => b"",
        };
        assert_eq!(
            bytes,
            [mark, &header, &malformed, &wrong].concat(),
            "{encoding}"
        );
        let reasons = in_short(&reasons);
        // Offsets are those of the text in UTF-8.
        let offset = 14 + 5 + 2 * word.len();
        assert_eq!(
            reasons[0],
            format!("2 3 {offset} 22021 invalid byte sequence for encoding {words}")
        );
        assert!(reasons[1].starts_with("3 5 "), "{reasons:?}");
        // What is not corrected is rejected again, and stays what it is.
        let again = scene
            .place
            .run_file(&job, &["--var", &format!("file={}", path.display())]);
        assert_says(&again, 1, "all 2 records were rejected");
        // What is corrected is loaded.
        let at = bytes
            .windows(bad.len())
            .position(|part| part == bad)
            .unwrap();
        let mut corrected = [&bytes[..at], &bytes[at + bad.len()..]].concat();
        if bad.ends_with(b",") {
            corrected.splice(at..at, code(","));
        }
        let three = code("three");
        let at = corrected
            .windows(three.len())
            .position(|part| part == three)
            .unwrap();
        corrected.splice(at..at + three.len(), code("3"));
        std::fs::write(&path, corrected).unwrap();
        let rest = if bad.ends_with(b",") { 3 } else { 0 };
        let ran = scene
            .place
            .run_file(&job, &["--var", &format!("file={}", path.display())]);
        assert_eq!(ran.code, Some(rest), "{encoding}: {}", ran.stderr);
    }
}

#[test]
fn names_of_encodings_are_checked_with_the_job() {
    let scene = Scene::new(TABLE);
    scene.file("f", "1\ta\tb\n");
    for (keys, said) in [
        (
            "encoding: gb1803",
            "steps[1].copy_from.encoding: unknown encoding `gb1803`, did you mean `gb18030`?",
        ),
        ("encoding: unicode", "say `utf-8` or `utf-16`"),
        (
            "encoding: gbk, format: binary",
            "the encoding of its session",
        ),
    ] {
        let ran = scene.load(&format!("file: f, table: t, {keys}"));
        assert_says(&ran, 2, said);
    }
}

/// How many codes stand for another character than in PostgreSQL: its Big5 has signs and additions of
/// another vendor, its GB18030 is that of the year 2000.
#[test]
fn characters_of_two_bytes_are_those_of_postgresql_but_for_a_few() {
    let scene = Scene::new(
        "CREATE TABLE c (hex text, c text);
         CREATE FUNCTION theirs(hex text, name text) RETURNS text LANGUAGE plpgsql AS
         $$ BEGIN RETURN convert_from(decode(hex, 'hex'), name);
            EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$",
    );
    for (ours, theirs, same, others) in [
        ("gbk", "GBK", 21791, 0),
        ("big5", "BIG5", 13000, 270),
        ("shift_jis", "SJIS", 15000, 0),
        ("euc-jp", "EUC_JP", 7000, 0),
        ("euc-kr", "UHC", 17048, 0),
        ("gb18030", "GB18030", 23900, 40),
    ] {
        let mut file = Vec::new();
        for lead in 0x81..=0xfe_u8 {
            for trail in 0x40..=0xfe_u8 {
                file.extend(format!("{lead:02x}{trail:02x},").bytes());
                file.extend([lead, trail, b'\n']);
            }
        }
        scene.file("f", &file);
        scene.psql("TRUNCATE c");
        let keys = format!("file: f, table: c, format: csv, encoding: {ours}, on_error: reject");
        assert_eq!(scene.load(&keys).code, Some(3));
        let count = |which: &str| -> u32 {
            let count = format!("SELECT count(*) FROM c WHERE {which} theirs(hex, '{theirs}')");
            scene.psql(&count).parse().unwrap()
        };
        let found = (count("c ="), count("c <>"));
        assert!(found.0 >= same && found.1 <= others, "{ours}: {found:?}");
    }
}

#[test]
fn rows_are_written_in_an_encoding_and_read_again() {
    let scene = Scene::new(&format!("{TABLE}; CREATE TABLE again (LIKE t)"));
    for (ours, theirs, text) in TEXTS {
        // PostgreSQL's GBK has no euro.
        let text = text.replace('€', "");
        scene.psql(&format!(
            "TRUNCATE t, again; INSERT INTO t SELECT id, '{text}', E'a\"|\\n' || id FROM generate_series(1, 5000) AS id"
        ));
        let keys = format!("file: out.gz, format: csv, sep: '|', encoding: {ours}");
        scene
            .unload(&format!("query: TABLE t, {keys}, header: true"))
            .ok();
        scene
            .load(&format!("table: again, {keys}, header: match"))
            .ok();
        let differences = "SELECT count(*) FROM (TABLE t EXCEPT TABLE again) AS more";
        assert_eq!(scene.psql(differences), "0", "{ours}");
        scene.psql("TRUNCATE again");
        scene
            .unload(&format!("query: TABLE t, file: out.txt, encoding: {ours}"))
            .ok();
        scene.psql(&format!(
            "\\copy again from '{}' with (encoding '{theirs}')",
            scene.place.path("out.txt").display()
        ));
        assert_eq!(scene.psql(differences), "0", "{ours}");
    }
    scene
        .unload("query: SELECT '中', file: out, encoding: utf-16")
        .ok();
    assert_eq!(scene.place.read("out"), b"\xff\xfe\x2d\x4e\n\0");
}

#[test]
fn a_character_that_the_encoding_does_not_have_is_told_with_its_row() {
    let scene = Scene::new(
        "CREATE TABLE t (id int, note text); INSERT INTO t SELECT id, E'a\n' FROM generate_series(1, 9999) AS id; INSERT INTO t VALUES (10000, '5 €')",
    );
    let ran = scene.unload("query: SELECT * FROM t ORDER BY id, file: out.csv, format: csv, header: true, encoding: latin1");
    assert_says(
        &ran,
        1,
        "out.csv` in ISO-8859-1: row 10000 has `€` (U+20AC), which is not in it",
    );
    assert_says(
        &ran,
        1,
        "hint: `encoding: gb18030` and `utf-8` have every character",
    );
    assert!(!scene.place.path("out.csv").exists());
    let ran = scene.unload("table: t, file: out, format: binary, encoding: gbk");
    assert_says(&ran, 2, "the encoding of its session");
}

#[test]
fn positions_in_bytes_are_those_of_the_file() {
    let scene = Scene::new(TABLE);
    scene.file(
        "f",
        encoded("gbk", "01中文  ab\r\n02中文字é\r\n0312345中\r\n"),
    );
    let keys = "file: f, table: t, format: fixed, positions_in: bytes, encoding: gbk, on_error: reject, positions: {id: 1-2, name: 3-8, note: 9-10}";
    assert_says(&scene.load(keys), 3, "1 rejected");
    let rows = scene.psql("SELECT * FROM t ORDER BY id");
    assert_eq!(rows, "1|中文|ab\n2|中文字|é");
    let (_, bytes, reasons) = rejects(&scene);
    assert_eq!(bytes, encoded("gbk", "0312345中\r\n"));
    let reason = "`中` has bytes 8 to 9, and a cut behind byte 8 goes through it";
    assert_eq!(in_short(&reasons), [format!("3 3 29 22021 {reason}")]);
}
