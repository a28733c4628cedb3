use super::*;
use crate::record::charset::{Charset, escape};
use crate::record::splitter::LineEnd;

fn begin(header: &[u8], charset: &str) -> Begin {
    Begin {
        header: None,
        header_bytes: header.to_vec(),
        offset: header.len() as u64,
        lines: 1,
        records: 0,
        line_end: LineEnd::Unknown,
        size: None,
        packed: false,
        utf16: None,
        charset: Charset::named(charset).unwrap_or_default(),
        eol: None,
        bom_kept: false,
    }
}

fn reject(record: u64, bytes: &[u8]) -> Reject<'_> {
    Reject {
        at: Position {
            record,
            line: record + 1,
            offset: 10 * record,
        },
        bytes,
        column: Some("amount"),
        code: "22P02",
        reason: "invalid input syntax for type integer: \"x\"",
        detail: None,
        constraint: None,
    }
}

#[test]
fn records_are_kept_as_they_are_with_their_header_and_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let mut rejects = Rejects::new("a/b", "run");
    let source = |path: &str| Source::File(path.into());
    for (path, record) in [("x/o.csv.gz", 1), ("x/o.csv.gz", 2), ("y/o.csv", 1)] {
        let reject = reject(record, b"1,\"a\r\nb\"");
        rejects
            .keep(
                dir.path(),
                &source(path),
                &begin(b"id,note\r\n", "utf-8"),
                &reject,
            )
            .unwrap();
    }
    rejects.sync().unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join("a_b-run").join(name)).unwrap();
    assert_eq!(read("o.csv"), "id,note\r\n1,\"a\r\nb\"\r\n1,\"a\r\nb\"\r\n");
    assert_eq!(read("2-o.csv"), "id,note\r\n1,\"a\r\nb\"\r\n");
    assert_eq!(
        read("2-o.csv.jsonl"),
        "{\"code\":\"22P02\",\"column\":\"amount\",\"file\":\"y/o.csv\",\"line\":2,\"offset\":10,\
         \"reason\":\"invalid input syntax for type integer: \\\"x\\\"\",\"record\":1}\n"
    );
    let files: Vec<u64> = rejects.files().map(|file| file.count).collect();
    assert_eq!((files, rejects.count()), (vec![2, 1], 3));
}

#[test]
fn two_steps_that_read_one_file_have_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut rejects = Rejects::new("job", "run");
    let source = Source::File("o.csv".into());
    for step in [2, 3] {
        rejects.of_step(step);
        rejects
            .keep(
                dir.path(),
                &source,
                &begin(b"", "utf-8"),
                &reject(1, b"x\n"),
            )
            .unwrap();
    }
    let files: Vec<_> = rejects
        .files()
        .map(|file| (file.step, file.path.file_name().unwrap().to_owned()))
        .collect();
    assert_eq!(files, [(2, "o.csv".into()), (3, "2-o.csv".into())]);
}

#[test]
fn what_is_counted_is_not_written() {
    let mut rejects = Rejects::counted(2);
    let source = Source::File("o.csv".into());
    for record in 1..=5 {
        let other = Reject {
            column: None,
            code: "23505",
            constraint: Some("o_pkey"),
            ..reject(record, b"x")
        };
        let reject = if record == 4 {
            other
        } else {
            reject(record, b"x")
        };
        rejects
            .keep(Path::new("/none"), &source, &begin(b"", "utf-8"), &reject)
            .unwrap();
    }
    rejects.sync().unwrap();
    let file = rejects.files().next().unwrap();
    assert_eq!((file.count, file.first.len(), file.others), (5, 2, 0));
    let kinds: Vec<(u64, &str)> = file
        .kinds
        .iter()
        .map(|kind| (kind.count, kind.code.as_str()))
        .collect();
    assert_eq!(kinds, [(4, "22P02"), (1, "23505")]);
    // What is found later may stand before.
    rejects.count_in(&source, &reject(1, b"x"));
    let file = rejects.files().next().unwrap();
    let ones = file
        .first
        .iter()
        .filter(|reason| reason.starts_with("record 1, "));
    assert_eq!((file.count, ones.count()), (6, 2));
}

#[test]
fn what_is_done_again_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut rejects = Rejects::new("job", "run");
    let (a, b) = (Source::File("a".into()), Source::File("b".into()));
    let keep = |rejects: &mut Rejects, source: &Source, record| {
        rejects
            .keep(
                dir.path(),
                source,
                &begin(b"", "utf-8"),
                &reject(record, b"x\n"),
            )
            .unwrap();
    };
    keep(&mut rejects, &a, 1);
    rejects.sync().unwrap();
    rejects.commit();
    keep(&mut rejects, &a, 2);
    keep(&mut rejects, &b, 1);
    rejects.discard();
    assert_eq!(rejects.count(), 1);
    keep(&mut rejects, &a, 2);
    rejects.sync().unwrap();
    let folder = dir.path().join("job-run");
    assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "x\nx\n");
    let reasons = fs::read_to_string(folder.join("a.jsonl")).unwrap();
    assert_eq!(reasons.lines().count(), 2);
    assert!(!folder.join("b").exists());
}

#[test]
fn records_are_kept_in_the_encoding_of_their_source() {
    let dir = tempfile::tempdir().unwrap();
    let mut malformed = "中".as_bytes().to_vec();
    escape(b"\x81", &mut malformed);
    for (name, kept) in [
        ("gbk", &b"\xc3\xfb\r\n\xd6\xd0\x81\r\n\xd6\xd0\r\n"[..]),
        ("big5", b"\xa6\x57\r\n\xa4\xa4\x81\r\n\xa4\xa4\r\n"),
        (
            "utf-16be",
            b"\xfe\xff\x54\x0d\0\r\0\n\x4e\x2d\x81\0\r\0\n\x4e\x2d\0\r\0\n",
        ),
    ] {
        let mut rejects = Rejects::new(name, "run");
        let source = Source::File(name.into());
        let begin = begin("名\r\n".as_bytes(), name);
        for record in [[&malformed[..], b"\r\n"].concat(), "中".into()] {
            let reject = reject(1, &record);
            rejects.keep(dir.path(), &source, &begin, &reject).unwrap();
        }
        rejects.sync().unwrap();
        let path = dir.path().join(format!("{name}-run")).join(name);
        assert_eq!(fs::read(path).unwrap(), kept, "{name}");
    }
}

#[test]
fn the_last_record_gets_the_end_that_the_others_have() {
    let dir = tempfile::tempdir().unwrap();
    for (name, header, eol, records, kept) in [
        ("lf", "", None, ["a\n", "b"], "a\nb\n"),
        ("cr", "", None, ["a\r", "b"], "a\rb\r"),
        ("header", "id\r\n", None, ["a", "b"], "id\r\na\r\nb\r\n"),
        ("eol", "", Some("|\n"), ["a\n|\n", "b\n"], "a\n|\nb\n|\n"),
    ] {
        let mut rejects = Rejects::new(name, "run");
        let begin = Begin {
            eol: eol.map(Vec::from),
            ..begin(header.as_bytes(), "utf-8")
        };
        for record in records {
            let reject = reject(1, record.as_bytes());
            let source = Source::File(name.into());
            rejects.keep(dir.path(), &source, &begin, &reject).unwrap();
        }
        rejects.sync().unwrap();
        let path = dir.path().join(format!("{name}-run")).join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), kept, "{name}");
    }
}
