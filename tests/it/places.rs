//! The place of a bad value, in files of every kind: the server complains, dwsload says where.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::Write;

use proptest::prelude::*;

use crate::support::scene::Scene;

/// A file with one bad record.
#[derive(Debug)]
struct Case {
    csv: bool,
    newline: &'static str,
    header: bool,
    packed: bool,
    size: usize,
    /// Which value the second field of each record has, in order.
    kinds: Vec<usize>,
    bad: prop::sample::Index,
}

fn cases() -> impl Strategy<Value = Case> {
    (
        any::<bool>(),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::sample::select(vec![4096, 5000, 65_536]),
        prop::collection::vec(0..6_usize, 50..3000),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(csv, newline, header, packed, size, kinds, bad)| Case {
            csv,
            newline,
            header,
            packed,
            size,
            kinds,
            bad,
        })
}

/// The file, and the record, line and byte of its bad value.
fn written(case: &Case) -> (String, (usize, usize, usize)) {
    let end = case.newline;
    let sep = if case.csv { ',' } else { '\t' };
    let bad = case.bad.index(case.kinds.len());
    let mut data = String::new();
    let mut line = 1;
    if case.header {
        data.push_str(&format!("a{sep}b{end}"));
        line += 1;
    }
    let mut place = (0, 0, 0);
    for (index, kind) in case.kinds.iter().enumerate() {
        // A value, and the line ends in it.
        let (value, inner) = match (case.csv, kind) {
            (true, 0) => (format!("\"x{end}{end}y\"\"z\""), 2),
            (true, 1) => ("\"q,uoted\"".into(), 0),
            (true, 2) => ("a\\b".into(), 0),
            (true, 3) => ("\"\\.\"".into(), 0),
            // A backslash takes the CR of a CRLF alone; the LF would end the record.
            (false, 0) if end != "\r\n" => (format!("x\\{end}y"), 1),
            (false, 1) => ("\\N".into(), 0),
            (false, 2) => ("a\\\\".into(), 0),
            (false, 3) => ("d.t".into(), 0),
            _ => ("plain".into(), 0),
        };
        let number = if index == bad {
            place = (index + 1, line, data.len());
            "zz".into()
        } else {
            index.to_string()
        };
        data.push_str(&format!("{number}{sep}{value}{end}"));
        line += 1 + inner;
    }
    (data, place)
}

/// The number behind `word` in `text`.
fn number(text: &str, word: &str) -> usize {
    let after = text.split(word).nth(1).unwrap();
    let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    digits.parse().unwrap()
}

#[test]
fn of_a_bad_value_are_right_in_files_of_every_kind() {
    let scene = Scene::new("CREATE TABLE t (a int, b text)");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&cases(), |case| {
        let (data, place) = written(&case);
        if case.packed {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(data.as_bytes()).unwrap();
            scene.file("f", packed.finish().unwrap());
        } else {
            scene.file("f", &data);
        }
        let format = if case.csv { "csv" } else { "text" };
        let ran = scene.load(&format!(
            "file: f, table: t, format: {format}, header: {}, size: {}",
            case.header, case.size
        ));
        prop_assert_eq!(ran.sqlstate(), Some("22P02"), "{}", ran.stderr);
        let said = (
            number(&ran.stderr, "record "),
            number(&ran.stderr, ", line "),
            number(&ran.stderr, "byte: "),
        );
        prop_assert_eq!(said, place, "{}", ran.stderr);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
