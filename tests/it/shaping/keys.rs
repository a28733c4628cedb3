//! What the client does to records by itself.

use super::{gives, refused};
use crate::support::scene::Scene;

const ABC: &str = "CREATE TABLE t (a int, b text, c text)";

#[test]
fn a_separator_may_have_several_characters() {
    gives(
        ABC,
        "1||x|y||z\n2||\\N||\n",
        "sep: '||'",
        "1|x\\|y|z\n2|(null)|",
    );
    gives(
        ABC,
        "1~|~\"x~|~\"\"y\n\"~|~z\n2~|~~|~\"\"\n",
        "format: csv, sep: '~|~'",
        "1|x~\\|~\"y\\n|z\n2|(null)|",
    );
    gives(
        ABC,
        "a§b§c\n1§x§y\n",
        "format: csv, sep: §, header: match",
        "1|x|y",
    );
    gives(
        ABC,
        "c||a||b\r\ny||1||x\r\n",
        "format: csv, sep: '||', header: map",
        "1|x|y",
    );
}

#[test]
fn records_may_end_in_anything() {
    gives(
        ABC,
        "1,x\ny,z@@2,\"@@\",@@",
        "format: csv, eol: '@@'",
        "1|x\\ny|z\n2|@@|(null)",
    );
    gives(ABC, "1\tx\r\ty\n2\t\\\n\t\n", "eol: lf", "1|x\\r|y\n2|\\n|");
    gives(
        ABC,
        "1,x,\ny\r\n2,,\r\n",
        "format: csv, eol: crlf",
        "1|x|\\ny\n2|(null)|(null)",
    );
}

#[test]
fn several_texts_may_be_null() {
    gives(
        ABC,
        "1,NULL,\n2,n/a,\"NULL\"\n3,NA,x\n",
        "format: csv, 'null': ['NULL', n/a, '']",
        "1|(null)|(null)\n2|(null)|NULL\n3|NA|x",
    );
    gives(
        ABC,
        "1\t\\N\t-\n",
        r"'null': ['\N', '-']",
        "1|(null)|(null)",
    );
}

#[test]
fn columns_are_filled_from_elsewhere() {
    let tables = "CREATE TABLE t (a int, b text, f text, r int, l int, run text, k int DEFAULT 7)";
    let scene = Scene::new(tables);
    scene.file("f.csv", "a,b\n1,\"x\ny\"\n2,$\n");
    let ran = scene.load(
        "file: f.csv, table: t, format: csv, header: map, set: {f: $file, r: $record, l: $line, run: $run_id, k: ~}",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let file = scene.place.path("f.csv").display().to_string();
    assert_eq!(
        scene.psql("SELECT a, b, f, r, l, k IS NULL, run ~ '^[0-9A-Za-z-]{8,}$' FROM t ORDER BY a"),
        format!("1|x\ny|{file}|1|2|t|t\n2|$|{file}|2|4|t|t")
    );
    gives(ABC, "1\tx\n2\ty\n", "set: {c: $$5}", "1|x|$5\n2|y|$5");
    // What is set takes the place of a field of that name.
    gives(
        ABC,
        "1,x,y\n",
        "format: csv, columns: [a, b, c], set: {c: z}",
        "1|x|z",
    );
    refused(ABC, "1\tx\n", "set: {c: $fiel}", 2, "did you mean `$file`?");
    refused(ABC, "1\tx\n", "set: {nope: 1}", 1, "has no column `nope`");
}

#[test]
fn names_that_are_no_columns_are_refused_or_left_out() {
    let keys = "format: csv, header: map";
    let content = "a,nope,b\n1,2,x\n";
    refused(
        ABC,
        content,
        &format!("{keys}, set: {{c: 1}}"),
        1,
        "no column for: nope",
    );
    gives(
        ABC,
        content,
        &format!("{keys}, on_extra_column: ok"),
        "1|x|(null)",
    );
    let ran = gives(
        ABC,
        content,
        &format!("{keys}, on_extra_column: warn"),
        "1|x|(null)",
    );
    assert!(ran.stderr.contains("no column for: nope"), "{}", ran.stderr);
    refused(
        ABC,
        "a,b\n1,x\n",
        &format!("{keys}, on_missing_column: fail"),
        1,
        "no field for these columns of `t`: c",
    );
}

#[test]
fn dates_are_read_by_their_format() {
    let tables = "CREATE TABLE t (a int, d date, at timestamptz)";
    gives(
        tables,
        "1,31.01.2026,20260131 235959\n2,,\n",
        "format: csv, date_format: {d: DD.MM.YYYY, at: YYYYMMDD HH24MISS}",
        "1|2026-01-31|2026-01-31 23:59:59+00\n2|(null)|(null)",
    );
    gives(
        tables,
        "1,31/Jan/26,1769900399\n",
        "format: csv, date_format: {d: '%d/%b/%y', at: epoch}",
        "1|2026-01-31|2026-01-31 22:59:59+00",
    );
    refused(
        tables,
        "1,31.01.2026,\n2,31.02.2026,\n",
        "format: csv, date_format: {d: DD.MM.YYYY}",
        1,
        "record 2, line 2",
    );
    refused(tables, "", "date_format: {d: QQ.NOPE}", 2, "date_format.d");
    refused(
        tables,
        "1\t\t\n",
        "date_format: {e: DD.MM.YYYY}",
        1,
        "which is no field of",
    );
}

#[test]
fn fields_may_stand_at_fixed_places() {
    gives(
        ABC,
        "  1Müller    x\n 22Zoë       \n",
        "format: fixed, positions: {a: 1-3, b: 4-13, c: 14-}",
        "1|Müller|x\n22|Zoë|(null)",
    );
    gives(
        ABC,
        "ID NAME      C\n001a         b\n\n",
        "format: fixed, header: true, trim: false, positions: {a: 1-3, b: 4-13, c: 14}",
        "1|a         |b",
    );
    refused(ABC, "1\n", "format: fixed", 2, "`positions` is missing");
    refused(
        ABC,
        "1\n",
        "format: fixed, positions: {a: 3-1}",
        2,
        "expected places such as",
    );
}

#[test]
fn a_line_may_be_a_json_object() {
    let tables = "CREATE TABLE t (a numeric, b text, c jsonb, d bool)";
    gives(
        tables,
        "{\"a\": 12345678901234567890.10, \"b\": \"x\\ty\\u00e9\", \"c\": {\"k\": [1, 2]}, \"d\": true}\n\
         \n\
         {\"b\": null, \"a\": 12345678901234567891}\n",
        "format: ndjson",
        "12345678901234567890.10|x\\ty\u{e9}|{\"k\": [1, 2]}|t\n12345678901234567891|(null)|(null)|(null)",
    );
    let extra = "{\"a\": 1, \"z\": 2}\n";
    refused(tables, extra, "format: ndjson", 1, "record 1, line 1");
    gives(
        tables,
        extra,
        "format: ndjson, on_extra_column: ok",
        "1|(null)|(null)|(null)",
    );
    refused(
        tables,
        "{\"a\": 1}\n",
        "format: ndjson, on_missing_column: fail",
        1,
        "record 1",
    );
    refused(
        tables,
        "{\"a\": 1}\n[2]\n",
        "format: ndjson",
        1,
        "record 2, line 2",
    );
}

#[test]
fn the_server_names_the_record_of_a_shaped_file() {
    let tables = "CREATE TABLE t (a int CHECK (a <> 7), b text)";
    let before = "1||\"two\nlines\"\n".repeat(5000);
    refused(
        tables,
        format!("{before}7||x\n{before}"),
        "format: csv, sep: '||'",
        1,
        "record 5001, line 10001",
    );
}

#[test]
fn records_that_are_shaped_can_be_rejected_and_loaded_again() {
    let scene = Scene::new("CREATE TABLE t (a int PRIMARY KEY, b date NOT NULL, src text)");
    scene.file(
        "f.csv",
        "b||a\n31.01.2026||1\n31.02.2026||2\n01.02.2026||x\n||4\n01.03.2026||1\n02.03.2026||5\n",
    );
    let keys = "table: t, format: csv, sep: '||', header: map, date_format: {b: DD.MM.YYYY}, set: {src: $record}, on_error: reject";
    let ran = scene.load(&format!("file: f.csv, {keys}"));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(
        scene.psql("SELECT * FROM t ORDER BY a"),
        "1|2026-01-31|1\n5|2026-03-02|6"
    );
    let rejects = crate::rejects::rejects(&scene);
    let [(_, bytes, reasons)] = rejects.as_slice() else {
        panic!("{rejects:?}");
    };
    assert_eq!(
        String::from_utf8_lossy(bytes),
        "b||a\n31.02.2026||2\n01.02.2026||x\n||4\n01.03.2026||1\n"
    );
    assert_eq!(
        crate::rejects::summary(reasons),
        [
            "2 3 22008 b -",
            "3 4 22P02 a -",
            "4 5 23502 b -",
            "5 6 23505 - t_pkey"
        ]
    );
}
