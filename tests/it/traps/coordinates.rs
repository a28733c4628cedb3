//! The place of an error, against files whose every place is known: record, line and byte of the
//! source, whatever stands before it.

use std::io::Write;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// Everything that a server can complain of at a record. Without the trigger, rows are inserted many
/// at once, and an index complains later.
const TABLES: &str = "
    CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.code = 'no' THEN EXECUTE E'SELECT\\n\\n1 / 0 -- line 9'; END IF; RETURN NEW; END $$;
    CREATE TABLE t (
      id int PRIMARY KEY, number int CHECK (number >= 0), day date NOT NULL, code varchar(4),
      two even, what json, note text);
    CREATE TABLE guarded (LIKE t INCLUDING ALL);
    CREATE TRIGGER refuse BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE TABLE \"COPY t, line 5: \"\"x\"\"\" (LIKE t INCLUDING ALL);";

const NAMES: [&str; 3] = ["t", "guarded", "\"COPY t, line 5: \"\"x\"\"\""];

/// What is wrong with a record, and what the server calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Letter,
    Day,
    Null,
    Check,
    Long,
    Odd,
    Json,
    Trigger,
    Twice,
    Few,
    Many,
    Encoding,
    Nul,
    LineEnd,
}

impl Fault {
    const ALL: [Self; 14] = [
        Self::Letter,
        Self::Day,
        Self::Null,
        Self::Check,
        Self::Long,
        Self::Odd,
        Self::Json,
        Self::Trigger,
        Self::Twice,
        Self::Few,
        Self::Many,
        Self::Encoding,
        Self::Nul,
        Self::LineEnd,
    ];

    fn sqlstate(self) -> &'static str {
        match self {
            Self::Letter | Self::Json => "22P02",
            Self::Day => "22008",
            Self::Null => "23502",
            Self::Check | Self::Odd => "23514",
            Self::Long => "22001",
            Self::Trigger => "22012",
            Self::Twice => "23505",
            Self::Few | Self::Many | Self::LineEnd => "22P04",
            Self::Encoding | Self::Nul => "22021",
        }
    }
}

/// Files with one bad record among them.
#[derive(Debug)]
struct Case {
    csv: bool,
    newline: &'static str,
    header: bool,
    packing: usize,
    size: usize,
    table: usize,
    fault: Fault,
    /// For each file, what the last field of each of its records looks like.
    files: Vec<Vec<usize>>,
    bad: prop::sample::Index,
    ends: bool,
}

fn cases(csv: bool) -> impl Strategy<Value = Case> {
    let file = prop_oneof![
        4 => prop::collection::vec(0..8_usize, 1..40),
        1 => prop::collection::vec(0..8_usize, 500..1500),
    ];
    (
        (
            prop::sample::select(vec!["\n", "\r\n", "\r"]),
            any::<bool>(),
        ),
        0..6_usize,
        prop::sample::select(vec![4096, 5000, 65_536]),
        0..NAMES.len(),
        prop::sample::select(Fault::ALL.to_vec()),
        prop::collection::vec(file, 1..4),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(
            move |((newline, header), packing, size, table, fault, files, bad, ends)| Case {
                csv,
                newline,
                header,
                packing,
                size,
                table,
                fault,
                files,
                bad,
                ends,
            },
        )
}

/// A place, and how many records there are beside it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Truth {
    file: usize,
    record: u64,
    line: u64,
    byte: u64,
    others: usize,
}

/// The files, and the place of the bad record.
fn written(case: &Case) -> (Vec<Vec<u8>>, Truth) {
    let count: usize = case.files.iter().map(Vec::len).sum();
    let bad = case.bad.index(count);
    let (mut files, mut truth, mut id) = (Vec::new(), Truth::default(), 0);
    for (number, kinds) in case.files.iter().enumerate() {
        let mut data = Vec::new();
        let mut line = 1;
        if case.header {
            let names = ["id", "number", "day", "code", "two", "what", "note"];
            data.extend_from_slice(names.join(case.sep()).as_bytes());
            data.extend_from_slice(case.newline.as_bytes());
            line += 1;
        }
        for (index, kind) in kinds.iter().enumerate() {
            let (note, inner) = case.note(*kind);
            let fault = (id == bad).then_some(case.fault);
            if fault.is_some() {
                truth = Truth {
                    file: number,
                    record: index as u64 + 1,
                    line,
                    byte: data.len() as u64,
                    others: count - 1,
                };
            }
            data.extend(case.record(id, &note, fault));
            if index + 1 < kinds.len() || case.ends {
                data.extend_from_slice(case.newline.as_bytes());
            }
            line += 1 + inner;
            id += 1;
        }
        files.push(data);
    }
    (files, truth)
}

impl Case {
    fn sep(&self) -> &'static str {
        if self.csv { "," } else { "\t" }
    }

    /// A last field, and the line ends in it.
    fn note(&self, kind: usize) -> (String, u64) {
        let end = self.newline;
        match (self.csv, kind) {
            (true, 0) => (format!("\"x{end}{end}y\"\"z\""), 2),
            (true, 1) => ("\"q,uoted\"".into(), 0),
            (true, 2) => ("\"\\.\"".into(), 0),
            (true, 3) => (format!("\"{end}COPY t, line 3{end}\""), 2),
            // A backslash takes the CR of a CRLF alone; the LF would end the record.
            (false, 0) if end != "\r\n" => (format!("x\\{end}y"), 1),
            (false, 1) => ("\\N".into(), 0),
            (false, 2) => ("a\\\\.".into(), 0),
            (false, 3) => (r"a\nb\r\tc".into(), 0),
            (_, 4) => ("é订单😀".into(), 0),
            (_, 5) => ("x".repeat(300), 0),
            _ => ("plain".into(), 0),
        }
    }

    /// A record without what ends it.
    fn record(&self, id: usize, note: &str, fault: Option<Fault>) -> Vec<u8> {
        let null = if self.csv { "" } else { "\\N" };
        let json = if self.csv {
            "\"{\"\"a\"\": [1]}\""
        } else {
            "{\"a\": [1]}"
        };
        let id = id.to_string();
        let mut fields: Vec<Vec<u8>> = [id.as_str(), "7", "2024-02-29", "code", "2", json, note]
            .map(|field| field.as_bytes().to_vec())
            .into();
        let mut set = |index: usize, value: &[u8]| fields[index] = value.to_vec();
        match fault {
            None => {}
            Some(Fault::Letter) => set(1, b"1O"),
            Some(Fault::Day) => set(2, b"2023-02-29"),
            Some(Fault::Null) => set(2, null.as_bytes()),
            Some(Fault::Check) => set(1, b"-1"),
            Some(Fault::Long) => set(3, b"codes"),
            Some(Fault::Odd) => set(4, b"3"),
            Some(Fault::Json) => set(5, b"[}"),
            Some(Fault::Trigger) => set(3, b"no"),
            Some(Fault::Twice) => set(0, b"-1"),
            Some(Fault::Encoding) => set(3, b"\xe9"),
            Some(Fault::Nul) => set(3, b"\0"),
            Some(Fault::LineEnd) => set(
                3,
                if self.newline == "\r" {
                    b"a\nb"
                } else {
                    b"a\rb"
                },
            ),
            Some(Fault::Few) => drop(fields.pop()),
            Some(Fault::Many) => fields.push(b"more".to_vec()),
        }
        fields.join(self.sep().as_bytes())
    }
}

fn packed(data: &[u8], packing: usize) -> Vec<u8> {
    match packing {
        0 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(data).unwrap();
            gzip.finish().unwrap()
        }
        1 => zstd::encode_all(data, 1).unwrap(),
        _ => data.to_vec(),
    }
}

/// Asserts that dwsload names the place of the bad record, in both ways, and loads the others.
fn check(scene: &Scene, case: &Case) -> Result<(), TestCaseError> {
    let (files, truth) = written(case);
    let names: Vec<String> = (0..files.len())
        .map(|number| format!("f{number}"))
        .collect();
    for (name, data) in names.iter().zip(&files) {
        scene.file(name, packed(data, case.packing));
    }
    let table = NAMES[case.table];
    let name = quoted(table);
    let load = |on_error: &str| {
        // One row is there already.
        scene.run(&format!(
            "- sql: {clean}\n- copy_from: {{file: [{files}], table: {name}, format: {format}, header: {header}, size: {size}, on_error: {on_error}}}\n- expect: {expect}",
            clean = quoted(&format!("TRUNCATE {table}; INSERT INTO {table} VALUES (-1, 1, '2024-01-01', 'a', 2, '1')")),
            files = names.join(", "),
            format = if case.csv { "csv" } else { "text" },
            header = case.header,
            size = case.size,
            expect = quoted(&format!("SELECT count(*) = {} FROM {table}", truth.others + 1)),
        ))
    };
    let ran = load("stop");
    prop_assert_eq!(
        ran.sqlstate(),
        Some(case.fault.sqlstate()),
        "{}",
        ran.stderr
    );
    let place = (truth.record, truth.line, truth.byte);
    prop_assert_eq!(said(&ran), Some(place), "{}", ran.stderr);
    let file = format!("/{}` into ", names[truth.file]);
    prop_assert!(ran.stderr.contains(&file), "{}", ran.stderr);
    let _ = fs::remove_dir_all(scene.place.path("rejects"));
    // It may be the only one.
    let ran = load("reject, max_rejects: 100%");
    prop_assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let reasons = reasons(scene);
    prop_assert_eq!(reasons.len(), 1, "{:?}", reasons);
    let reason = &reasons[0];
    let number = |key: &str| reason[key].as_u64().unwrap();
    prop_assert_eq!(&reason["code"], case.fault.sqlstate(), "{}", reason);
    let found = (number("record"), number("line"), number("offset"));
    prop_assert_eq!(found, place, "{}", reason);
    let file = format!("/{}", names[truth.file]);
    prop_assert!(
        reason["file"].as_str().unwrap().ends_with(&file),
        "{}",
        reason
    );
    Ok(())
}

fn are_true(csv: bool) {
    let scene = Scene::new(TABLES);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&cases(csv), |case| {
        // Only one of the tables has the trigger.
        prop_assume!(case.fault != Fault::Trigger || NAMES[case.table] == "guarded");
        // The first line end of a file decides for all of it.
        let (_, truth) = written(&case);
        prop_assume!(case.fault != Fault::LineEnd || truth.record > 1);
        check(&scene, &case)
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn of_one_fault_among_csv_records_are_true() {
    are_true(true);
}

#[test]
fn of_one_fault_among_text_records_are_true() {
    are_true(false);
}

#[test]
fn are_true_far_into_a_large_file() {
    let value = format!("\"{}\n{}\"", "x".repeat(2000), "y".repeat(2000));
    let records = 17_000;
    let mut data = String::new();
    for n in 0..records {
        data.push_str(&format!("{n},{value}\n"));
    }
    let place = (records + 1, 2 * records + 1, data.len() as u64);
    assert!(data.len() > 64 * 1024 * 1024);
    are_found(&data, 2, place);
}

#[test]
fn are_true_behind_more_records_than_are_remembered() {
    let records = 1_200_000;
    let mut data = String::from("0,\"x\n\"\n");
    for n in 1..records {
        data.push_str(&format!("{n},x\n"));
    }
    let place = (records + 1, records + 2, data.len() as u64);
    are_found(&data, 1, place);
}

/// A fault behind `data` is found at `place`.
fn are_found(data: &str, packing: usize, place: (u64, u64, u64)) {
    let scene = Scene::new("CREATE TABLE two (a int, b text)");
    let data = format!("{data}z,x\n1,x\n");
    scene.file("f", packed(data.as_bytes(), packing));
    let ran = scene.load("file: f, table: two, format: csv");
    assert_eq!(ran.sqlstate(), Some("22P02"), "{}", ran.stderr);
    assert_eq!(said(&ran), Some(place), "{}", ran.stderr);
}
