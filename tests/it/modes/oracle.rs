//! Random tables, keys and inputs: the table and the counts are those of a merge done record by record.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::gate::{Gate, Product};
use crate::support::quoted;
use crate::support::scene::Scene;

/// A row of `t (a int, b text, c int, d numeric DEFAULT 7)`; `None` is NULL. Key columns have no NULL.
type Cells = [Option<String>; 4];

/// A case: what the table is like, what is in it, and what comes.
#[derive(Debug, Clone)]
struct Case {
    index: Index,
    trigger: bool,
    rows: Vec<Cells>,
    /// Columns of the key, by their places.
    key: Vec<usize>,
    /// Columns of the files, in order.
    columns: Vec<usize>,
    mode: &'static str,
    duplicates: &'static str,
    /// Files of records; a record has all four cells, of which some are written.
    files: Vec<Vec<Cells>>,
    csv: bool,
    /// Through a server that has no ON CONFLICT.
    gauss: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Index {
    None,
    Primary,
    Unique,
    Deferrable,
    Partial,
    Wider,
}

/// What a merge came to.
#[derive(Debug, PartialEq, Default)]
struct Counts {
    inserted: usize,
    updated: usize,
    deleted: usize,
    unchanged: usize,
    left_out: usize,
}

fn cells() -> impl Strategy<Value = Cells> {
    let key =
        || prop_oneof![Just("1"), Just("2"), Just("3")].prop_map(|text| Some(text.to_owned()));
    let text = prop_oneof![
        Just(Some("x")),
        Just(Some("y\nz")),
        Just(Some("")),
        Just(Some("\\"))
    ];
    let last = prop_oneof![
        Just(None),
        Just(Some("1.0")),
        Just(Some("1.00")),
        Just(Some("2"))
    ];
    (key(), text, key(), last)
        .prop_map(|(a, b, c, d)| [a, b.map(str::to_owned), c, d.map(str::to_owned)])
}

fn case() -> impl Strategy<Value = Case> {
    let keys = prop_oneof![
        Just(vec![0]),
        Just(vec![0, 1]),
        Just(vec![2, 0]),
        Just(vec![0, 1, 2])
    ];
    let index = prop_oneof![
        Just(Index::None),
        Just(Index::Primary),
        Just(Index::Unique),
        Just(Index::Deferrable),
        Just(Index::Partial),
        Just(Index::Wider),
    ];
    let rows = proptest::collection::vec(cells(), 0..8);
    let files = proptest::collection::vec(proptest::collection::vec(cells(), 0..6), 1..4);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let modes = prop_oneof![Just("upsert"), Just("insert_new"), Just("delete")];
    let duplicates = prop_oneof![Just("error"), Just("first"), Just("last")];
    let columns = Just(vec![0, 1, 2, 3]).prop_shuffle();
    let shape = (keys, index, columns, 0..4_usize);
    (shape, rows, files, flags, modes, duplicates).prop_map(
        |((key, index, mut columns, fewer), rows, files, flags, mode, duplicates)| {
            let (trigger, csv, gauss) = flags;
            // A file may leave out what is not of the key; a new row gets the defaults then.
            for _ in 0..fewer {
                if let Some(at) = columns.iter().position(|column| !key.contains(column)) {
                    columns.remove(at);
                }
            }
            let duplicates = if gauss { "error" } else { duplicates };
            let rows = unique_rows(rows, &key, index);
            Case {
                index,
                trigger,
                rows,
                key,
                columns,
                mode,
                duplicates,
                files,
                csv,
                gauss,
            }
        },
    )
}

fn key_of(case_key: &[usize], cells: &Cells) -> Vec<Option<String>> {
    case_key.iter().map(|at| cells[*at].clone()).collect()
}

/// As many of `rows` as the index allows.
fn unique_rows(rows: Vec<Cells>, key: &[usize], index: Index) -> Vec<Cells> {
    if matches!(index, Index::None | Index::Partial | Index::Wider) {
        return rows;
    }
    let unique: BTreeMap<_, _> = rows
        .into_iter()
        .map(|cells| (key_of(key, &cells), cells))
        .collect();
    unique.into_values().collect()
}

/// The merge, record by record. `None`: a key stands twice, and that is a mistake.
fn expected(case: &Case) -> Option<(Vec<Cells>, Counts)> {
    let records: Vec<&Cells> = case.files.iter().flatten().collect();
    let mut counts = Counts::default();
    let mut chosen: Vec<&Cells> = Vec::new();
    for cells in records {
        let key = key_of(&case.key, cells);
        match chosen
            .iter()
            .position(|other| key_of(&case.key, other) == key)
        {
            None => chosen.push(cells),
            Some(at) => {
                counts.left_out += 1;
                match case.duplicates {
                    "error" => return None,
                    "last" => chosen[at] = cells,
                    _ => {}
                }
            }
        }
    }
    let mut rows = case.rows.clone();
    for record in chosen {
        let key = key_of(&case.key, record);
        let found: Vec<usize> = (0..rows.len())
            .filter(|at| key_of(&case.key, &rows[*at]) == key)
            .collect();
        match (case.mode, found.is_empty()) {
            ("delete", true) | ("insert_new", false) => counts.unchanged += 1,
            ("delete", false) => {
                counts.deleted += found.len();
                rows.retain(|cells| key_of(&case.key, cells) != key);
            }
            (_, true) => {
                counts.inserted += 1;
                let mut new: Cells = [None, None, None, Some("7".into())];
                for at in &case.columns {
                    new[*at].clone_from(&record[*at]);
                }
                rows.push(new);
            }
            (_, false) => {
                let mut changed = 0;
                for row in found {
                    let before = rows[row].clone();
                    for at in &case.columns {
                        rows[row][*at].clone_from(&record[*at]);
                    }
                    changed += usize::from(rows[row] != before);
                }
                counts.updated += changed;
                counts.unchanged += usize::from(changed == 0);
            }
        }
    }
    rows.sort();
    Some((rows, counts))
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn names(columns: &[usize]) -> String {
    let names: Vec<&str> = columns.iter().map(|at| NAMES[*at]).collect();
    names.join(", ")
}

fn definition(case: &Case) -> String {
    let key = names(&case.key);
    let unique = match case.index {
        Index::None => String::new(),
        Index::Primary => format!("ALTER TABLE t ADD PRIMARY KEY ({key});"),
        Index::Unique => format!("CREATE UNIQUE INDEX ON t ({key}) INCLUDE (d);"),
        Index::Deferrable => format!("ALTER TABLE t ADD UNIQUE ({key}) DEFERRABLE;"),
        Index::Partial => format!("CREATE UNIQUE INDEX ON t ({key}) WHERE a > 1000;"),
        Index::Wider => format!("CREATE UNIQUE INDEX ON t ({key}, (a + 0), ctid_free);"),
    };
    let trigger = if case.trigger {
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER g BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
    } else {
        ""
    };
    let extra = if case.index == Index::Wider {
        ", ctid_free serial"
    } else {
        ""
    };
    let literal = |cell: &Option<String>| match cell {
        Some(text) => format!("'{text}'"),
        None => "NULL".into(),
    };
    let rows: Vec<String> = case
        .rows
        .iter()
        .map(|cells| {
            format!(
                "INSERT INTO t VALUES ({});",
                cells.each_ref().map(literal).join(", ")
            )
        })
        .collect();
    format!(
        "DROP TABLE IF EXISTS t; DROP FUNCTION IF EXISTS f;
         CREATE TABLE t (a int, b text, c int, d numeric DEFAULT 7{extra}); {} {unique} {trigger}",
        rows.concat()
    )
}

fn file(case: &Case, records: &[Cells], columns: &[usize]) -> String {
    let mut text = String::new();
    if case.csv {
        text.push_str(&names(columns).replace(", ", ","));
        text.push('\n');
    }
    for cells in records {
        let fields: Vec<String> = columns
            .iter()
            .map(|at| match &cells[*at] {
                None if case.csv => String::new(),
                Some(value) if case.csv => format!("\"{value}\""),
                None => "\\N".into(),
                Some(value) => value.replace('\\', "\\\\").replace('\n', "\\n"),
            })
            .collect();
        text.push_str(&fields.join(if case.csv { "," } else { "\t" }));
        text.push('\n');
    }
    text
}

fn table(scene: &Scene) -> Vec<Cells> {
    let text = scene.psql(
        "SELECT coalesce(json_agg(json_build_array(a::text, b, c::text, d::text)), '[]') FROM t",
    );
    let mut rows: Vec<Cells> = serde_json::from_str(&text).expect("rows");
    rows.sort();
    rows
}

fn said(case: &Case, counts: &Counts) -> String {
    let Counts {
        inserted,
        updated,
        deleted,
        unchanged,
        left_out,
    } = counts;
    let did = match case.mode {
        "upsert" => format!("{inserted} inserted, {updated} updated, {unchanged} unchanged"),
        "insert_new" => format!("{inserted} inserted, {unchanged} there already"),
        _ => format!("{deleted} deleted, {unchanged} not there"),
    };
    match left_out {
        0 => format!(": {did} ("),
        1 => format!(": {did}, 1 duplicate left out ("),
        several => format!(": {did}, {several} duplicates left out ("),
    }
}

fn check(scene: &Scene, gate: &Gate, case: &Case) {
    scene.psql(&definition(case));
    let url = if case.gauss {
        gate.url()
    } else {
        scene.database.url()
    };
    let mut files = Vec::new();
    for (number, records) in case.files.iter().enumerate() {
        // With a header, each file has an order of its own.
        let mut columns = case.columns.clone();
        if case.csv {
            let length = columns.len();
            columns.rotate_left(number % length);
        }
        let name = format!("{number}.txt");
        scene.file(&name, file(case, records, &columns));
        files.push(name);
    }
    let format = if case.csv {
        "format: csv, header: map".to_owned()
    } else {
        format!("columns: [{}]", names(&case.columns))
    };
    let ran = scene.place.run(&format!(
        "connection: {}\nsteps:\n- copy_from: {{file: [{}], table: t, mode: {}, key: [{}], duplicates: {}, on_empty: ok, {format}}}\n",
        quoted(&url),
        files.join(", "),
        case.mode,
        names(&case.key),
        case.duplicates,
    ));
    match expected(case) {
        None => {
            assert_eq!(ran.code, Some(1), "{}", ran.stderr);
            assert!(
                ran.stderr.contains("the key of record")
                    || case.gauss && ran.stderr.contains("have the same key"),
                "{}",
                ran.stderr
            );
            let mut before = case.rows.clone();
            before.sort();
            assert_eq!(table(scene), before);
        }
        Some((rows, counts)) => {
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            assert_eq!(table(scene), rows);
            assert!(
                ran.stderr.contains(&said(case, &counts)),
                "{counts:?}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn a_merge_is_what_it_would_be_record_by_record() {
    let scene = Scene::new("");
    let gate = Gate::before(&scene.database)
        .playing(Product::OpenGauss)
        .open();
    let config = Config {
        cases: 120,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&case(), |case| {
            check(&scene, &gate, &case);
            Ok(())
        })
        .expect("every case is right");
}
