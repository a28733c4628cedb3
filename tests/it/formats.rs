//! What files may look like, and what becomes of them: formats, headers, compression, patterns, and
//! the traps in which rows vanish.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::rc::Rc;

use crate::support::Ran;
use crate::support::scene::Scene;

/// A table of two columns.
const AB: &str = "CREATE TABLE t (a int, b text)";
/// Its rows, NULL made visible.
const ROWS: &str = "SELECT a, coalesce(b, '(null)') FROM t ORDER BY a, b";

thread_local! {
    /// One scene for each test, which runs on a thread of its own.
    static SCENE: Rc<Scene> = Rc::new(Scene::new(AB));
}

/// Loads `content` with one `copy_from` of `keys` into an empty table of two columns.
fn loaded(content: impl AsRef<[u8]>, keys: &str) -> (Rc<Scene>, Ran) {
    let scene = SCENE.with(Rc::clone);
    scene.psql("TRUNCATE t");
    scene.file("f", content);
    let ran = scene.load(&format!("file: f, table: t, {keys}"));
    (scene, ran)
}

/// Asserts that `content` gives `rows`.
#[track_caller]
fn gives(content: impl AsRef<[u8]>, keys: &str, rows: &str) -> (Rc<Scene>, Ran) {
    let (scene, ran) = loaded(content, keys);
    let ran = ran.ok();
    assert_eq!(scene.psql(ROWS), rows);
    (scene, ran)
}

/// Asserts that `content` is refused with exit code `code` and a message that has `part`, and that
/// nothing of it is in the table.
#[track_caller]
fn refused(content: impl AsRef<[u8]>, keys: &str, code: i32, part: &str) -> (Rc<Scene>, Ran) {
    let (scene, ran) = loaded(content, keys);
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    (scene, ran)
}

mod header {
    use super::*;

    #[test]
    fn true_skips_the_first_record_unread() {
        gives("x,y,z\n1,a\n", "format: csv, header: true", "1|a");
        gives("\"x\ny\"\n1,a\n", "format: csv, header: true", "1|a");
        gives("x\ty\n1\ta\n", "header: true", "1|a");
    }

    #[test]
    fn match_wants_every_column_of_the_table_in_its_order() {
        gives("a,b\n1,x\n", "format: csv, header: match", "1|x");
        gives("a\tb\n1\tx\n", "header: match", "1|x");
        gives(
            "b,a\nx,1\n",
            "format: csv, header: match, columns: [b, a]",
            "1|x",
        );
        for (header, part) in [
            ("b,a", "field 1 is `b`, expected `a`"),
            ("a", "it has 1 fields, expected 2"),
            ("a,b,c", "it has 3 fields, expected 2"),
            ("A,b", "field 1 is `A`, expected `a`"),
        ] {
            let content = format!("{header}\n1,x\n");
            refused(content, "format: csv, header: match", 1, part);
        }
    }

    #[test]
    fn match_leaves_generated_and_dropped_columns_out() {
        let scene = Scene::new(
            "CREATE TABLE t (gone int, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, b text); \
             ALTER TABLE t DROP COLUMN gone",
        );
        scene.file("f", "a,b\n1,x\n");
        scene
            .load("file: f, table: t, format: csv, header: match")
            .ok();
        assert_eq!(scene.psql("SELECT a, twice, b FROM t"), "1|2|x");
    }

    #[test]
    fn map_loads_each_field_into_the_column_of_its_name() {
        gives("b,a\nx,1\n", "format: csv, header: map", "1|x");
        gives("b\ta\nx\t1\n", "header: map", "1|x");
        gives("a\n1\n", "format: csv, header: map", "1|(null)");
        gives(
            "b;a\r\nx;1\r\n",
            "format: csv, header: map, sep: ';'",
            "1|x",
        );
    }

    #[test]
    fn map_takes_names_as_they_are() {
        let scene = Scene::new(
            r#"CREATE TABLE t ("Two Words" int, "line
break" text, "Ä""q" text)"#,
        );
        scene.file("f", "\"line\nbreak\",\"Ä\"\"q\",Two Words\nx,y,1\n");
        scene
            .load("file: f, table: t, format: csv, header: map")
            .ok();
        assert_eq!(scene.psql("SELECT * FROM t"), "1|x|y");
    }

    #[test]
    fn map_refuses_names_that_are_no_columns() {
        let (_, ran) = refused("a,c\n1,x\n", "format: csv, header: map", 1, "\"c\"");
        assert_eq!(ran.sqlstate(), Some("42703"));
        let (_, ran) = refused("A,b\n1,x\n", "format: csv, header: map", 1, "\"A\"");
        assert_eq!(ran.sqlstate(), Some("42703"));
        refused(
            "a,a\n1,2\n",
            "format: csv, header: map",
            1,
            "`a` stands twice",
        );
        refused(
            "a,\n1,2\n",
            "format: csv, header: map",
            1,
            "field 2 has no name",
        );
        // By place, the fields would fit.
        for content in ["\n1,x\n", "\r\n1,x\r\n"] {
            refused(content, "format: csv, header: map", 1, "is a blank line");
        }
        refused(
            "a,b\n1,x,y\n",
            "format: csv, header: map",
            1,
            "record 1, line 2",
        );
    }

    #[test]
    fn a_file_of_a_header_alone_holds_no_record() {
        for header in ["true", "match", "map"] {
            let keys = format!("format: csv, header: {header}");
            let (_, ran) = gives("a,b\n", &keys, "");
            assert!(ran.stderr.contains("holds no record"), "{}", ran.stderr);
            gives("a,b", &format!("{keys}, on_empty: ok"), "");
            refused(
                "a,b\n",
                &format!("{keys}, on_empty: fail"),
                6,
                "holds no record",
            );
        }
    }
}

mod values {
    use super::*;

    #[test]
    fn separators_quotes_and_escapes_are_the_jobs() {
        gives(
            "1|'x|''y'\n",
            "format: csv, sep: '|', quote: \"'\"",
            "1|x|'y",
        );
        gives("1,\"x\\\"y\"\n", r#"format: csv, escape: "\\""#, "1|x\"y");
        gives("1\u{1}x\n", r#"sep: "\x01""#, "1|x");
        gives("1,x\\,y\n", "sep: ','", "1|x,y");
        gives(
            "1;NULL\n2;\n",
            "format: csv, sep: ';', 'null': 'NULL'",
            "1|(null)\n2|",
        );
    }

    #[test]
    fn a_separator_copy_cannot_take_is_refused_by_the_server() {
        let (_, ran) = refused("1\tx\n", "sep: ''", 1, "delimiter");
        assert_eq!(ran.sqlstate(), Some("0A000"));
        let (_, ran) = refused("1\tx\n", "sep: a", 1, "delimiter");
        assert_eq!(ran.sqlstate(), Some("22023"));
    }

    #[test]
    fn null_and_the_empty_text_are_told_apart() {
        gives("1,\n2,\"\"\n", "format: csv", "1|(null)\n2|");
        gives(
            "1,\n2,\"\"\n",
            "format: csv, force_null: [b]",
            "1|(null)\n2|(null)",
        );
        gives("1,\n2,\"\"\n", "format: csv, force_not_null: [b]", "1|\n2|");
        gives("1\t\\N\n2\t\n", "format: text", "1|(null)\n2|");
    }

    #[test]
    fn named_columns_take_the_fields_in_their_order() {
        gives("x,1\n", "format: csv, columns: [b, a]", "1|x");
        gives("1\n", "columns: [a]", "1|(null)");
        let (_, ran) = refused("1\n", "columns: [nope]", 1, "nope");
        assert_eq!(ran.sqlstate(), Some("42703"));
    }

    #[test]
    fn line_ends_of_every_kind_end_records() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("1,x{end}2,\"y\"{end}3,z");
            gives(&text, "format: csv", "1|x\n2|y\n3|z");
            gives(
                text.replace(',', "\t").replace('"', ""),
                "format: text",
                "1|x\n2|y\n3|z",
            );
            let header = format!("b,a{end}x,1{end}");
            gives(&header, "format: csv, header: map", "1|x");
        }
        gives("1,\"x\r\ny\"\n", "format: csv", "1|x\r\ny");
        let (_, ran) = refused("1,x\n2,y\r\n", "format: csv", 1, "record 2, line 2");
        assert_eq!(ran.sqlstate(), Some("22P04"));
    }

    #[test]
    fn blank_lines_are_the_servers_business() {
        let (_, ran) = refused("1,x\n\n2,y\n", "format: csv", 1, "record 2, line 2");
        assert_eq!(ran.sqlstate(), Some("22P04"));
        let scene = Scene::new("CREATE TABLE one (b text)");
        scene.file("f", "x\n\n");
        scene.load("file: f, table: one, format: csv").ok();
        assert_eq!(
            scene.psql("SELECT coalesce(b, '(null)') FROM one ORDER BY b"),
            "x\n(null)"
        );
    }

    #[test]
    fn a_value_of_a_megabyte_passes() {
        let value = "x\"\"\n,".repeat(250_000);
        let (scene, _) = loaded(format!("1,\"{value}\"\n2,y\n"), "format: csv");
        assert_eq!(
            scene.psql("SELECT a, length(b) FROM t ORDER BY a"),
            "1|1000000\n2|1"
        );
    }

    #[test]
    fn rows_that_a_trigger_swallows_are_missed() {
        let scene = Scene::new(AB);
        scene.psql(
            "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.a % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION odd()",
        );
        scene.file("f", "1,x\n2,y\n3,z\n");
        let ran = scene.load("file: f, table: t, format: csv").ok();
        assert!(
            scene
                .said(&ran)
                .contains("`f` has 3 records, and the server counts 2 rows"),
            "{}",
            ran.stderr
        );
    }
}

mod byte_order_marks {
    use super::*;

    #[test]
    fn are_taken_off_csv_and_whatever_has_a_header() {
        gives("\u{feff}1,x\n", "format: csv", "1|x");
        gives("\u{feff}\"1\",x\n", "format: csv", "1|x");
        gives("\u{feff}b,a\nx,1\n", "format: csv, header: map", "1|x");
        gives("\u{feff}\"b\",a\nx,1\n", "format: csv, header: map", "1|x");
        gives("\u{feff}b\ta\nx\t1\n", "header: map", "1|x");
        gives("\u{feff}a\tb\n1\tx\n", "header: match", "1|x");
    }

    #[test]
    fn stay_in_text_as_psycopg2_leaves_them_and_are_warned_of() {
        let (scene, ran) = loaded("\u{feff}x\t1\n", "columns: [b, a]");
        let ran = ran.ok();
        assert_eq!(scene.psql("SELECT length(b) FROM t"), "2");
        assert!(
            ran.stderr.contains("begins with a byte-order mark"),
            "{}",
            ran.stderr
        );
        let (_, ran) = refused("\u{feff}1\tx\n", "format: text", 1, "record 1, line 1");
        assert_eq!(ran.sqlstate(), Some("22P02"));
        assert!(
            ran.stderr.contains("begins with a byte-order mark"),
            "{}",
            ran.stderr
        );
    }

    #[test]
    fn alone_hold_no_record() {
        let (_, ran) = gives("\u{feff}", "format: csv", "");
        assert!(ran.stderr.contains("holds no record"), "{}", ran.stderr);
    }
}

mod files {
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(data).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn compression_is_known_by_content_not_by_name() {
        let members = |pack: &dyn Fn(&[u8]) -> Vec<u8>| [pack(b"1,x\n2,"), pack(b"y\n")].concat();
        let zstd = |data: &[u8]| zstd::encode_all(data, 1).unwrap();
        for packed in [members(&gzip), members(&zstd)] {
            gives(packed, "format: csv", "1|x\n2|y");
        }
        let scene = Scene::new(AB);
        scene.file("plain.csv.gz", "1,x\n");
        scene.load("file: plain.csv.gz, table: t, format: csv").ok();
        assert_eq!(scene.psql(ROWS), "1|x");
        refused("1,x\n", "format: csv, compression: gzip", 1, "is not gzip");
        refused(
            gzip(b"1,x\n"),
            "format: csv, compression: none",
            1,
            "record 1, line 1",
        );
    }

    #[test]
    fn an_empty_file_is_handled_as_the_job_says() {
        for content in [Vec::new(), gzip(b""), b"\\.\n".to_vec()] {
            let (_, ran) = gives(&content, "format: text", "");
            assert!(ran.stderr.contains("holds no record"), "{}", ran.stderr);
            let (_, ran) = gives(&content, "format: text, on_empty: ok", "");
            assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
            refused(
                &content,
                "format: text, on_empty: fail",
                6,
                "holds no record",
            );
        }
        gives("", "format: binary", "");
    }

    #[test]
    fn a_missing_file_is_handled_as_the_job_says() {
        let scene = Scene::new(AB);
        for name in ["gone.csv", "gone-*.csv"] {
            let ran = scene.load(&format!("file: '{name}', table: t"));
            assert_eq!(ran.code, Some(6), "{}", ran.stderr);
            let ran = scene
                .load(&format!("file: '{name}', table: t, on_missing: warn"))
                .ok();
            assert!(ran.stderr.contains("warning: no file"), "{}", ran.stderr);
            let ran = scene
                .load(&format!("file: '{name}', table: t, on_missing: ok"))
                .ok();
            assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        }
    }

    #[test]
    fn a_pattern_takes_its_files_in_order_and_no_folders() {
        let scene = Scene::new("CREATE TABLE t (n serial, b text)");
        for name in [
            "b-2.txt",
            "b-10.txt",
            "b-1.txt",
            ".b-0.txt",
            "c.txt",
            "b-9.txt/x",
        ] {
            scene.file(name, format!("{name}\n"));
        }
        scene
            .load("file: ['c.txt', 'b-*.txt', 'none-*'], table: t, columns: [b], on_missing: ok")
            .ok();
        assert_eq!(
            scene.psql("SELECT b FROM t ORDER BY n"),
            "c.txt\nb-1.txt\nb-10.txt\nb-2.txt"
        );
    }

    #[test]
    fn a_job_in_a_folder_with_odd_letters_finds_its_files() {
        let scene = Scene::new(AB);
        let job = scene.job("- copy_from: {file: '*.csv', table: t, format: csv}");
        let text = fs::read(job).unwrap();
        let job = scene.file("[prod] {1}*/job.yaml", text);
        scene.file("[prod] {1}*/a.csv", "1,x\n");
        scene.place.run_file(&job, &[]).ok();
        assert_eq!(scene.psql(ROWS), "1|x");
    }

    #[test]
    fn standard_input_is_a_file() {
        let scene = Scene::new(AB);
        for content in [b"b,a\nx,1\n".to_vec(), gzip(b"b,a\ny,2\n")] {
            let mut child = scene
                .dwsload("- copy_from: {file: '-', table: t, format: csv, header: map}")
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(&content).unwrap();
            Ran::of(child.wait_with_output().unwrap()).ok();
        }
        assert_eq!(scene.psql(ROWS), "1|x\n2|y");
    }

    #[test]
    fn a_named_pipe_is_a_file() {
        let scene = Scene::new(AB);
        let pipe = scene.place.path("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let child = scene
            .dwsload("- copy_from: {file: pipe, table: t, format: csv}")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        fs::write(&pipe, "1,x\n").unwrap();
        Ran::of(child.wait_with_output().unwrap()).ok();
        assert_eq!(scene.psql(ROWS), "1|x");
    }
}

mod binary {
    use super::*;

    /// Rows whose last field is NULL, so that a cut between them looks like the end.
    const TABLE: &str = "CREATE TABLE t (a int, b text); \
                         INSERT INTO t SELECT n, nullif('x' || n % 2, 'x0') FROM generate_series(1, 1000) n";

    #[test]
    fn what_is_unloaded_loads_again() {
        let scene = Scene::new(TABLE);
        scene.unload("table: t, file: t.bin, format: binary").ok();
        scene.psql("CREATE TABLE u (LIKE t)");
        let ran = scene.load("file: t.bin, table: u, format: binary").ok();
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        assert_eq!(
            scene.psql("SELECT count(*) FROM (TABLE t EXCEPT ALL TABLE u) d"),
            "0"
        );
        assert_eq!(scene.psql("SELECT count(*) FROM u"), "1000");
    }

    #[test]
    fn a_file_without_its_trailer_is_cut_short_wherever_it_ends() {
        let scene = Scene::new(TABLE);
        scene
            .unload("query: 'SELECT a, b FROM t WHERE b IS NULL', file: t.bin, format: binary")
            .ok();
        let whole = scene.place.read("t.bin");
        scene.psql("TRUNCATE t");
        // Behind the second record, whose last bytes are those of the trailer.
        let record = 2 + 4 + 4 + 4;
        for length in [
            whole.len() - 2,
            whole.len() - 1,
            19 + 2 * record,
            19 + 2 * record + 5,
            20,
        ] {
            scene.file("cut.bin", &whole[..length]);
            let ran = scene.load("file: cut.bin, table: t, format: binary");
            assert_eq!(ran.code, Some(1), "{length}: {}", ran.stderr);
            assert!(ran.stderr.contains("is cut short"), "{}", ran.stderr);
        }
        scene.file("long.bin", [&whole[..], b"x"].concat());
        let ran = scene.load("file: long.bin, table: t, format: binary");
        assert_eq!(ran.sqlstate(), Some("22P04"), "{}", ran.stderr);
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    }

    #[test]
    fn an_error_names_the_record() {
        let scene = Scene::new(TABLE);
        scene.unload("table: t, file: t.bin, format: binary").ok();
        scene.psql("TRUNCATE t; ALTER TABLE t ADD CHECK (a <> 700)");
        let ran = scene.load("file: t.bin, table: t, format: binary");
        assert!(
            ran.stderr.contains("into t: record 700\n"),
            "{}",
            ran.stderr
        );
        let ran = scene.load("file: job.yaml, table: t, format: binary");
        assert_eq!(ran.sqlstate(), Some("22P04"), "{}", ran.stderr);
    }
}

mod end_of_data_markers {
    use super::*;

    #[test]
    fn at_the_end_are_the_end() {
        gives("1\tx\n\\.\n", "format: text", "1|x");
        gives("1\tx\r\n\\.\r\n\r\n \n", "format: text", "1|x");
    }

    #[test]
    fn with_data_behind_them_fail_the_load() {
        let part = "goes on after the end-of-data marker `\\.` on line 2";
        refused("1\tx\n\\.\n2\ty\n", "format: text", 1, part);
        refused("1,x\n\\.\n2,y\n", "format: csv", 1, part);
        refused(
            "a,b\n1,x\n\\.\n2,y\n",
            "format: csv, header: true",
            1,
            "on line 3",
        );
        refused("1\tx\n2\tabc\\.\n3\ty\n", "format: text", 1, "line 2 of");
        // Without a line end the server itself refuses them.
        for content in ["1\tx\n\\.", "1\tx\n2\tabc\\."] {
            let (_, ran) = refused(content, "format: text", 1, "record 2, line 2");
            assert_eq!(ran.sqlstate(), Some("22P04"));
        }
    }

    #[test]
    fn in_quotes_or_escaped_are_data() {
        gives(
            "1,\"\\.\"\n2,\"x\n\\.\n\"\n",
            "format: csv",
            "1|\\.\n2|x\n\\.",
        );
        gives("1\t\\\\.\n2\tx\\\\.\n", "format: text", "1|\\.\n2|x\\.");
        gives("1,\\.\n2,y\n", "format: csv", "1|\\.\n2|y");
    }

    #[test]
    fn without_their_line_end_are_data_in_csv() {
        let scene = Scene::new("CREATE TABLE t (a text)");
        for (content, rows) in [("\\.", "\\."), ("x\n\\.", "x\n\\.")] {
            scene.psql("TRUNCATE t");
            scene.file("f", content);
            let ran = scene
                .load("file: f, table: t, format: csv, on_empty: fail")
                .ok();
            assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
            assert_eq!(scene.psql("SELECT a FROM t"), rows);
        }
    }

    #[test]
    fn at_the_end_of_csv_are_warned_of() {
        let (_, ran) = gives("1,x\n\\.\n", "format: csv", "1|x");
        assert!(
            ran.stderr.contains("ends with a line `\\.`"),
            "{}",
            ran.stderr
        );
    }
}

mod places_of_errors {
    use super::*;

    /// The message about the load, without its causes.
    fn place(ran: &Ran) -> &str {
        let (_, after) = ran
            .stderr
            .split_once(" into t: ")
            .unwrap_or_else(|| panic!("{}", ran.stderr));
        after.lines().next().unwrap()
    }

    #[test]
    fn count_records_and_lines_of_the_file_whatever_is_in_them() {
        for (content, keys, expected) in [
            ("1,x\nz,y\n", "format: csv", "record 2, line 2"),
            (
                "1,\"x\n\n\"\n2,\"y\ny\"\nz,\n",
                "format: csv",
                "record 3, line 6",
            ),
            (
                "a,b\n1,\"x\ny\"\nz,\n",
                "format: csv, header: true",
                "record 2, line 4",
            ),
            (
                "\"a\n\",b\n1,x\nz,\n",
                "format: csv, header: true",
                "record 2, line 4",
            ),
            (
                "\u{feff}a,b\r\n1,\"x\ny\"\r\nz,\r\n",
                "format: csv, header: match",
                "record 2, line 4",
            ),
            ("1\tx\\\ny\nz\t\n", "format: text", "record 2, line 3"),
            ("a\tb\n1\tx\nz\ty\n", "header: true", "record 2, line 3"),
            ("1,x\n2\n", "format: csv", "record 2, line 2"),
            ("1,x\n2,y,z\n", "format: csv", "record 2, line 2"),
            ("1,x\nz,y", "format: csv", "record 2, line 2"),
        ] {
            let (_, ran) = loaded(content, keys);
            assert_eq!(ran.code, Some(1), "{content:?}");
            assert_eq!(place(&ran), expected, "{content:?}\n{}", ran.stderr);
        }
    }

    #[test]
    fn are_right_far_into_a_compressed_file() {
        let mut content = String::new();
        for n in 1..=200_000 {
            content.push_str(&format!("{n},\"x\ny\"\n"));
        }
        content.push_str("z,\n");
        let (_, ran) = loaded(
            zstd::encode_all(content.as_bytes(), 1).unwrap(),
            "format: csv",
        );
        assert_eq!(place(&ran), "record 200001, line 400001");
        let offset = content.len() - 3;
        assert!(
            ran.stderr.contains(&format!("byte: {offset}\n")),
            "{}",
            ran.stderr
        );
    }

    #[test]
    fn name_the_file_of_a_pattern() {
        let scene = Scene::new(AB);
        scene.file("a.csv", "1,x\n2,y\n");
        scene.file("b.csv", "3,x\nz,y\n");
        let ran = scene.load("file: '*.csv', table: t, format: csv");
        insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from t) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot load `b.csv` into t: record 2, line 2
        byte: 4
      caused by: invalid input syntax for type integer: "z" (SQLSTATE 22P02)
        context: COPY t, line 2, column a: "z"
    "#);
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    }

    #[test]
    fn are_found_behind_other_context() {
        let scene = Scene::new("CREATE TABLE t (a int, b json)");
        scene.file("f", "1\t{}\n2\t{\"COPY t, line 9\": [}\n");
        let ran = scene.load("file: f, table: t");
        assert_eq!(place(&ran), "record 2, line 2");
        scene.file("f", "1,{}\n2,\"{\"\"x\"\": [\nCOPY t, line 9}\"\n");
        let ran = scene.load("file: f, table: t, format: csv");
        assert_eq!(place(&ran), "record 2, line 2");
        scene.psql(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE 'no' USING ERRCODE = 'P0001'; END $$; \
             CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.a = 3) EXECUTE FUNCTION f()",
        );
        scene.file("f", "1,{}\n2,{}\n3,{}\n");
        let ran = scene.load("file: f, table: t, format: csv");
        assert_eq!(place(&ran), "record 3, line 3");
    }

    #[test]
    fn tell_the_key_of_a_duplicate() {
        let scene = Scene::new("CREATE TABLE t (a int PRIMARY KEY, b text)");
        scene.file("f", "1,x\n2,y\n1,z\n");
        let ran = scene.load("file: f, table: t, format: csv");
        insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from t) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot load `f` into t: record 3, line 3
        byte: 8
      caused by: duplicate key value violates unique constraint "t_pkey" (SQLSTATE 23505)
        detail: Key (a)=(1) already exists.
        context: COPY t, line 3
    "#);
    }

    #[test]
    fn name_the_line_on_which_an_unclosed_quote_was_opened() {
        let (scene, ran) = loaded("1,x\n2,\"y\n3,z\n4,z\n", "format: csv");
        assert_eq!(ran.code, Some(1));
        insta::assert_snapshot!(scene.said(&ran), @r#"
        error: step 1 (copy_from t) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot load `f` into t: record 2, line 2
            byte: 4
            hint: the quote that is opened on line 2 is never closed: all to the end of the file, line 4, is one value; close it, or double it where it is data
          caused by: unterminated CSV quoted field (SQLSTATE 22P04)
            context: COPY t, line 5: "2,"y
              3,z
              4,z
              "
        "#);
    }

    #[test]
    fn clip_a_long_value() {
        let (scene, ran) = loaded(format!("1,x\n{},y\n", "z".repeat(1_000_000)), "format: csv");
        assert_eq!(ran.code, Some(1));
        let said = scene.said(&ran).replace(&"z".repeat(25), "Z");
        insta::assert_snapshot!(said, @r#"
        error: step 1 (copy_from t) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot load `f` into t: record 2, line 2
            byte: 4
          caused by: invalid input syntax for type integer: "ZZZZZZZZZZZZZZZZZZzzzzzzzzzz ... [1000058 characters] ... ZZZZzzzzzzz" (SQLSTATE 22P02)
            context: COPY t, line 2, column a: "ZZZZ..."
        "#);
    }

    #[test]
    fn say_that_a_csv_file_is_read_as_text() {
        let scene = Scene::new(AB);
        scene.file("f.csv", "1,x\n");
        let ran = scene.load("file: f.csv, table: t");
        insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from t) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot load `f.csv` into t: record 1, line 1
        byte: 0
        hint: the file looks like csv, and the job reads it as text: add `format: csv`
      caused by: invalid input syntax for type integer: "1,x" (SQLSTATE 22P02)
        context: COPY t, line 1, column a: "1,x"
    "#);
    }

    /// The hint of a load that is refused.
    #[track_caller]
    fn hint(scene: &Scene, content: &str, keys: &str) -> Option<String> {
        scene.file("f", content);
        let ran = scene.load(&format!("file: f, table: t, {keys}"));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let (_, after) = ran.stderr.split_once("hint: ")?;
        Some(after.lines().next()?.to_owned())
    }

    #[test]
    fn say_that_the_first_line_looks_like_a_header() {
        let scene = Scene::new("CREATE TABLE t (name text, id int, \"Born on\" date)");
        let header = Some(
            "the first line looks like a header: `header: true` skips it, `header: map` loads by its names"
                .to_owned(),
        );
        let csv = "Name,ID,born on\nx,1,2026-01-31\n";
        assert_eq!(hint(&scene, csv, "format: csv"), header);
        assert_eq!(hint(&scene, "name\tid\n", "columns: [name, id]"), header);
        let keys = "format: csv, columns: [name, 'Born on']";
        assert_eq!(hint(&scene, "x,Born on\n", keys), header);
        // Other values are no header, and later lines neither.
        assert_eq!(hint(&scene, "name,no id,x\n", "format: csv"), None);
        assert_eq!(hint(&scene, "x,1,\nx,id,\n", "format: csv"), None);
        let second = "name,id,born\nx,id,\n";
        assert_eq!(hint(&scene, second, "format: csv, header: true"), None);
    }

    #[test]
    fn say_that_another_character_separates_the_fields() {
        let scene = Scene::new("CREATE TABLE t (a numeric, b text, c text)");
        let separates = |what: &str| {
            Some(format!(
                "{what} seems to separate the fields: add {}",
                match what {
                    "`;`" => "`sep: \";\"`",
                    "`|`" => "`sep: \"|\"`",
                    "a tab" => "`sep: \"\\t\"`",
                    _ => "`format: csv`",
                }
            ))
        };
        assert_eq!(hint(&scene, "1;x;y\n", "format: csv"), separates("`;`"));
        assert_eq!(
            hint(&scene, "a;b;c\n1;x;y\n", "format: csv, header: map"),
            separates("`;`")
        );
        assert_eq!(hint(&scene, "1\tx\ty\n", "format: csv"), separates("a tab"));
        assert_eq!(hint(&scene, "1|x|y\n", ""), separates("`|`"));
        assert_eq!(hint(&scene, "1,x,y\n", ""), separates("`,`"));
        // A decimal comma is not one, nor is a `;` where a `,` is, or in a later record.
        assert_eq!(hint(&scene, "1,5\tx\ty\n", ""), None);
        assert_eq!(hint(&scene, "1,x;y\n", "format: csv"), None);
        assert_eq!(hint(&scene, "1,x,y\n2;x;y\n", "format: csv"), None);
        assert_eq!(hint(&scene, "1;x\n", "format: csv, sep: '|'"), None);
    }

    #[test]
    fn say_how_a_separator_is_written_that_is_no_text() {
        let scene = Scene::new(AB);
        let tab = "a tab is written `sep: \"\\t\"`, in double quotes";
        let escape = "YAML reads an escape such as `\"\\x1f\"` in double quotes only";
        for (sep, said) in [(r"\t", tab), ("tab", tab), (r"\x1f", escape)] {
            scene.file("f", "1\tx\n");
            let ran = scene.load(&format!("file: f, table: t, sep: {sep}"));
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
        }
    }

    #[test]
    fn say_that_a_csv_file_with_quotes_is_read_as_text_with_commas() {
        let scene = Scene::new("CREATE TABLE t (a text, b int)");
        let loaded = |content: &str| {
            scene.file("f.csv", content);
            scene.load("file: f.csv, table: t, sep: ','").stderr
        };
        let quoted = loaded("x,1\n\"x\",\"2\"\n");
        assert!(quoted.contains("hint: the file looks like csv"), "{quoted}");
        let bare = loaded("x,1\nx,two\n");
        assert!(!bare.contains("hint:"), "{bare}");
    }

    #[test]
    fn say_where_bytes_are_not_utf8() {
        let (scene, ran) = loaded(b"1,x\n2,caf\xe9\n", "format: csv");
        insta::assert_snapshot!(scene.said(&ran), @r#"
    error: step 1 (copy_from t) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot load `f` into t: record 2, line 2
        byte: 4
        hint: the file is not in UTF-8; `encoding` says what it is in, such as `gb18030` or `latin1`
      caused by: invalid byte sequence for encoding "UTF8": 0xe9 0x0a (SQLSTATE 22021)
        context: COPY t, line 2
    "#);
    }

    #[test]
    fn lead_a_hand_written_copy_to_its_record_too() {
        let scene = Scene::new(AB);
        scene.file("f", "a,b\n1,\"x\ny\"\nz,\n");
        let ran = scene
            .run("- copy_expert: {sql: 'COPY t FROM STDIN WITH (FORMAT csv, HEADER)', file: f}");
        let said = scene.said(&ran);
        assert!(said.contains("`f`: record 2, line 4"), "{said}");
        scene.psql("CREATE TABLE \"a, b 1\" (a int, \"c, d 2\" int)");
        scene.file("g", "1\t1\n2\t2\n3\t3\n4\tz\n");
        let ran = scene.run("- copy_expert: {sql: 'COPY public.\"a, b 1\" FROM STDIN', file: g}");
        let said = scene.said(&ran);
        assert!(said.contains("`g`: record 4, line 4"), "{said}");
    }

    #[test]
    fn lead_a_hand_written_copy_to_its_record_far_into_a_file() {
        let scene = Scene::new(AB);
        let rows: Vec<String> = (1..=50_000).map(|n| format!("{n},\"x\ny\"\n")).collect();
        scene.file("f", format!("{}z,x\n", rows.concat()));
        let ran = scene.run("- copy_expert: {sql: COPY t FROM STDIN (FORMAT csv), file: f}");
        let said = scene.said(&ran);
        assert!(said.contains("`f`: record 50001, line 100001"), "{said}");
    }

    #[test]
    fn are_not_guessed_in_a_hand_written_copy_of_binary_data() {
        let scene = Scene::new(AB);
        scene.psql("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 9) n");
        scene.unload("table: t, file: f, format: binary").ok();
        scene.psql("TRUNCATE t; ALTER TABLE t ADD CHECK (a <> 7)");
        let ran = scene.run("- copy_expert: {sql: COPY t FROM STDIN (FORMAT binary), file: f}");
        assert_eq!(ran.sqlstate(), Some("23514"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("record 1"), "{}", ran.stderr);
    }

    #[test]
    fn are_right_behind_quoted_line_ends_and_an_escape_of_its_own() {
        let (_, ran) = refused(
            "1,\"x\"\r\n2,\"x\r\ny\"\r\n3,\"x\"\r\nz,\"x\"\r\n5,\"x\"\r\n",
            r"format: csv, escape: '\'",
            1,
            "record 4, line 5",
        );
        assert_eq!(ran.sqlstate(), Some("22P02"));
    }
}

mod unload {
    use super::*;

    #[test]
    fn of_two_copies_into_one_file_is_refused() {
        let scene = Scene::new("");
        let ran = scene.run(
            "- copy_expert: {sql: 'COPY (SELECT 1) TO STDOUT; COPY (SELECT 2) TO STDOUT', file: f}",
        );
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("the SQL holds a second COPY"),
            "{}",
            ran.stderr
        );
        assert!(!scene.place.path("f").exists());
    }

    const TABLE: &str = "CREATE TABLE t (a int, b text); \
                         INSERT INTO t VALUES (1, 'x,y'), (2, NULL), (3, 'q\"'), (4, E'\\t')";

    #[test]
    fn writes_the_formats_of_copy() {
        let scene = Scene::new(TABLE);
        for (keys, expected) in [
            ("table: t", "1\tx,y\n2\t\\N\n3\tq\"\n4\t\\t\n"),
            (
                "table: t, format: csv, header: true",
                "a,b\n1,\"x,y\"\n2,\n3,\"q\"\"\"\n4,\t\n",
            ),
            (
                "table: t, columns: [b, a], sep: '|'",
                "x,y|1\n\\N|2\nq\"|3\n\\t|4\n",
            ),
            (
                "table: t, format: csv, force_quote: '*', 'null': '-'",
                "\"1\",\"x,y\"\n\"2\",-\n\"3\",\"q\"\"\"\n\"4\",\"\t\"\n",
            ),
            (
                "table: t, format: csv, force_quote: [a], sep: ';'",
                "\"1\";x,y\n\"2\";\n\"3\";\"q\"\"\"\n\"4\";\t\n",
            ),
            (
                "query: 'SELECT a FROM t WHERE a < 2; -- first', header: true",
                "a\n1\n",
            ),
            (
                "query: \"SELECT a FROM t WHERE a < 2 -- first\\n;\\n\"",
                "1\n",
            ),
            ("query: 'SELECT 1 WHERE false'", ""),
        ] {
            scene.unload(&format!("{keys}, file: out/new/t")).ok();
            assert_eq!(
                String::from_utf8(scene.place.read("out/new/t")).unwrap(),
                expected,
                "{keys}"
            );
        }
        assert_eq!(
            fs::read_dir(scene.place.path("out/new")).unwrap().count(),
            1
        );
    }

    #[test]
    fn packs_by_the_name_of_the_file() {
        let scene = Scene::new(TABLE);
        scene.unload("table: t, file: t.csv.gz, format: csv").ok();
        scene.unload("table: t, file: t.csv.zst, format: csv").ok();
        scene.unload("table: t, file: t.csv, format: csv").ok();
        let plain = scene.place.read("t.csv");
        let mut unpacked = Vec::new();
        let packed = scene.place.read("t.csv.gz");
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);
        assert_eq!(
            zstd::decode_all(&scene.place.read("t.csv.zst")[..]).unwrap(),
            plain
        );
    }

    #[test]
    fn to_standard_output_leaves_nothing_else_there() {
        let scene = Scene::new(TABLE);
        let ran = scene.unload("query: SELECT 1, file: '-'").ok();
        assert_eq!(ran.stdout, b"1\n");
        let ran = scene.unload("query: SELECT 1, file: /dev/null").ok();
        assert_eq!(ran.stdout, b"");
    }

    #[test]
    fn is_content_when_the_reader_of_standard_output_has_seen_enough() {
        let scene = Scene::new("");
        let mut child = scene
            .dwsload("- copy_to: {query: 'SELECT repeat(n::text, 100) FROM generate_series(1, 20000) n', file: '-'}")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap()).ok();
        assert!(
            ran.stderr.contains("nobody reads stdout any more"),
            "{}",
            ran.stderr
        );
    }

    #[test]
    fn into_a_folder_is_refused() {
        let scene = Scene::new(TABLE);
        fs::create_dir(scene.place.path("out")).unwrap();
        let ran = scene.unload("table: t, file: out");
        assert_eq!(ran.code, Some(1));
        insta::assert_snapshot!(scene.said(&ran), @r"
    error: step 1 (copy_to out) failed, job.yaml:3
      state: rolled back; nothing of this run is in the database
      caused by: cannot write `out`
        hint: name a file in it
      caused by: is a directory
    ");
    }

    #[test]
    fn into_a_place_that_cannot_be_written_is_refused() {
        let scene = Scene::new(TABLE);
        scene.file("file", "");
        for file in ["file/t.csv", "/proc/t.csv", "/dev/full"] {
            let ran = scene.unload(&format!("table: t, file: {file}"));
            assert_eq!(ran.code, Some(1), "{}", ran.stderr);
            assert!(ran.stderr.contains("cannot write `"), "{}", ran.stderr);
        }
    }

    #[test]
    fn of_a_view_says_how_to_do_it() {
        let scene = Scene::new("CREATE VIEW v AS SELECT 1");
        let ran = scene.unload("table: v, file: v.csv");
        assert_eq!(
            (ran.code, ran.sqlstate()),
            (Some(1), Some("42809")),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("use `query: SELECT * FROM ...`"),
            "{}",
            ran.stderr
        );
        assert!(!scene.place.path("v.csv").exists());
    }
}
