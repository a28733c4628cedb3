//! The traps in which rows vanish or change without a word, and the test that guards each.
//!
//! What must hold in all of them: every record of the input is a row of the table, or there is an
//! error, a rejected record or a warning that names its place. Each trap is tried with `on_error: stop`
//! and with `on_error: reject` where both apply, and where records are made anew. "Server" is what a COPY by hand does.
//!
//! | trap | server | guarded by |
//! | --- | --- | --- |
//! | `\.` alone in text, or in csv before PostgreSQL 18 | drops the rest | [`markers`], `formats::end_of_data_markers` |
//! | `\.` at the end of a longer line of text | drops it and the rest | [`markers`] |
//! | `\.` as the last line, without a line end | refuses | [`markers`], `formats::end_of_data_markers` |
//! | `\.` in quotes, escaped, or as a part of a value | data | `formats::end_of_data_markers`, [`markers::in_quotes_is_data_wherever_blocks_end`] |
//! | `\.` where a block ends | as anywhere | [`markers::is_found_wherever_blocks_end`], `record::splitter` |
//! | `\.` in a COPY by hand | drops the rest | [`markers::in_a_copy_by_hand_is_found_too`], `parity::deliberate` |
//! | bytes behind the marker, a second marker | drops them | [`markers`], `parity::deliberate` |
//! | a lone backslash at the end of text | drops it | [`values::a_lone_backslash_at_the_end_is_told`] |
//! | `size: 0` | loads nothing (psycopg2) | `parity::deliberate`, `job::resolve` |
//! | blank lines in csv of one column | rows of NULL | [`lines::blank_lines_that_become_null_are_told`] |
//! | blank lines in csv of several columns | refuses | `formats::values`, [`lines::a_blank_line_among_several_columns_is_placed`] |
//! | a missing line end: two records run together | refuses, most times | [`lines::records_that_run_together_are_placed`] |
//! | a file without a last line end before another file | two records of one (`cat`) | [`lines::files_never_run_together`] |
//! | line ends of several kinds | refuses | [`lines::line_ends_of_another_kind_are_placed`] |
//! | a quote that is never closed | the rest of the file is one value, refused | [`quotes::never_closed_is_placed`], `formats::places_of_errors` |
//! | a quote left open and closed by another one | all between is one value | [`quotes::closed_by_another_one_is_told`] |
//! | a field too many, too few | refuses | [`lines::wrong_numbers_of_fields_are_placed`], `rejects` |
//! | `header: true` and no header in the file | drops a record | [`headers::a_record_taken_for_a_header_is_told`] |
//! | HEADER in each COPY of a file | drops a record of each | [`headers::is_taken_off_once_for_each_file`] |
//! | a header in another order than the table's columns | values in wrong columns | `formats::header` (`match`, `map`) |
//! | a byte-order mark in the first value or name | part of it | `formats::byte_order_marks`, [`values::a_mark_before_a_quoted_header_is_no_part_of_a_name`] |
//! | UTF-16 | refuses | [`values::utf_16_is_called_by_its_name`] |
//! | bytes that are not UTF-8, NUL | refuses | [`values::bytes_that_are_no_text_are_placed`] |
//! | characters that the database does not have | refuses | [`values::characters_that_the_database_lacks_are_placed`] |
//! | an empty string is NULL (Oracle-compatible Gauss) | changes it | `server::empty_strings_that_become_null_are_told_once_for_a_step` |
//! | text that is no number is 0 (MySQL-compatible Gauss) | changes it | `load::compatibility` |
//! | IGNORE_EXTRA_DATA, COMPATIBLE_ILLEGAL_CHARS, FILL_MISSING_FIELDS (Gauss) | change records | [`rows::options_that_change_records_are_never_sent`] |
//! | binary data cut short between records | a success | `formats::binary`, [`values::binary_data_cut_short_is_found_in_a_copy_by_hand_too`] |
//! | binary data of another shape | refuses | `formats::binary` |
//! | a compressed file cut short, or with garbage behind it | | `failures::inputs` |
//! | no source file, a link to none | | `failures::inputs`, `formats::files::a_missing_file_is_handled_as_the_job_says` |
//! | an empty source | no rows | `formats::files::an_empty_file_is_handled_as_the_job_says`, [`rows::an_empty_source_is_told`] |
//! | rows that a BEFORE trigger swallows | fewer rows | `formats::values`, [`rows::swallowed_by_a_trigger_are_told`] |
//! | fewer rows than records, and no trigger | | [`rows::that_nothing_accounts_for_undo_the_load`] |
//! | rows that a trigger or a partition puts elsewhere | | [`rows::routed_elsewhere_are_all_there`] |
//! | rules, which COPY does not fire | rows in the table itself | [`rows::rules_do_not_come_between`] |
//! | an unknown outcome when the connection falls in the COMMIT | | `wire::lost::a_connection_that_falls_in_the_commit_leaves_it_unknown`, `failover` |
//! | a run that is repeated after a failure | rows twice | `retry`, `failover` |
//! | the line number of an error, which is none of the file | | [`coordinates`], [`contexts`], `load::place` |
//! | an error of no line: foreign keys, AFTER triggers | | [`contexts::without_a_record_say_how_to_find_it`] |

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod contexts;
mod coordinates;
mod headers;
mod lines;
mod markers;
mod quotes;
mod rows;
mod values;

use std::fs;
use std::rc::Rc;

use serde_json::Value;

use crate::gate::Gate;
use crate::support::scene::Scene;
use crate::support::{Ran, quoted};

/// What becomes of records that cannot be loaded.
const BOTH: [&str; 2] = ["stop", "reject"];

/// The same, and on a server that loads no COPY that may fail, so that records are made anew.
const ALL: [&str; 3] = ["stop", "reject", ANEW];
const ANEW: &str = "reject anew";

thread_local! {
    /// One scene for each test, which runs on a thread of its own: tables of two columns and of one.
    static SCENE: Rc<Scene> = Rc::new(Scene::new(
        "CREATE TABLE two (a int, b text); CREATE TABLE one (b text)",
    ));
    /// A gate before it, to which an empty string is none but itself.
    static GATE: Gate = SCENE.with(|scene| {
        Gate::before(&scene.database).compatibility("PG").open()
    });
}

/// Loads `content` into an empty `table`.
fn load(table: &str, content: impl AsRef<[u8]>, keys: &str, on_error: &str) -> (Rc<Scene>, Ran) {
    let scene = SCENE.with(Rc::clone);
    scene.psql(&format!("TRUNCATE {table}"));
    let _ = fs::remove_dir_all(scene.place.path("rejects"));
    scene.file("f", content);
    let url = match on_error {
        ANEW => GATE.with(Gate::url),
        _ => scene.database.url(),
    };
    let on_error = on_error.trim_end_matches(" anew");
    let ran = scene.place.run(&format!(
        "connection: {}\nsteps:\n- copy_from: {{file: f, table: {table}, {keys}, on_error: {on_error}}}\n",
        quoted(&url)
    ));
    let ran = steady(&scene, ran);
    (scene, ran)
}

/// The same run, without the folder in what it said.
fn steady(scene: &Scene, ran: Ran) -> Ran {
    let stderr = scene.said(&ran);
    Ran { stderr, ..ran }
}

/// The rows of `table`, as COPY writes csv of them: nothing is NULL, and `""` the empty text.
fn rows(scene: &Scene, table: &str) -> String {
    // A last line, so that blank ones before it are kept.
    let said = scene.psql(&format!(
        "COPY {table} TO STDOUT (FORMAT csv); SELECT 'end'"
    ));
    let rows = said.strip_suffix("end").unwrap();
    rows.strip_suffix('\n').unwrap_or(rows).to_owned()
}

/// Asserts that all of `content` is loaded, that these are the rows, and which warnings there are.
#[track_caller]
fn gives(table: &str, content: impl AsRef<[u8]>, keys: &str, expected: &str, warnings: &[&str]) {
    for on_error in ALL {
        let (scene, ran) = load(table, &content, keys, on_error);
        let ran = ran.ok();
        assert_eq!(rows(&scene, table), expected, "{on_error}: {}", ran.stderr);
        assert_eq!(told(&ran), warnings, "{on_error}");
    }
}

/// Asserts that `content` is refused as a whole, and that the message has `part`.
#[track_caller]
fn refused(table: &str, content: impl AsRef<[u8]>, keys: &str, part: &str) {
    for on_error in ALL {
        let (scene, ran) = load(table, &content, keys, on_error);
        assert_eq!(ran.code, Some(1), "{on_error}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{on_error}: {}", ran.stderr);
        assert_eq!(rows(&scene, table), "", "{on_error}");
    }
}

/// Asserts that a record of `content` is bad: that it stops the load at `place`, which is
/// `record, line, byte`, for the reason `sqlstate`; and that it is rejected with the same words, and
/// the others are rows.
#[track_caller]
fn bad(
    table: &str,
    content: impl AsRef<[u8]>,
    keys: &str,
    sqlstate: &str,
    place: (u64, u64, u64),
    others: &str,
) {
    let (scene, ran) = load(table, &content, keys, "stop");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.sqlstate(), Some(sqlstate), "{}", ran.stderr);
    assert_eq!(said(&ran), Some(place), "{}", ran.stderr);
    assert_eq!(rows(&scene, table), "");
    for on_error in ["reject", ANEW] {
        let (scene, ran) = load(table, &content, keys, on_error);
        assert_eq!(ran.code, Some(3), "{on_error}: {}", ran.stderr);
        let reasons = reasons(&scene);
        let [reason] = reasons.as_slice() else {
            panic!("{on_error}: {reasons:?}");
        };
        assert_eq!(reason["code"], sqlstate, "{on_error}: {reason}");
        let number = |key: &str| reason[key].as_u64().unwrap();
        assert_eq!(
            (number("record"), number("line"), number("offset")),
            place,
            "{on_error}: {reason}"
        );
        assert_eq!(rows(&scene, table), others, "{on_error}: {}", ran.stderr);
    }
}

/// The warnings of a run, but for those of rejected records and of the gate's password.
fn told(ran: &Ran) -> Vec<&str> {
    let warnings = ran
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("warning: "));
    warnings
        .filter(|line| !line.contains(" rejected") && !line.contains("the password is written"))
        .collect()
}

/// Record, line and byte that an error names.
fn said(ran: &Ran) -> Option<(u64, u64, u64)> {
    let (place, byte) = ran.stderr.split_once("\n    byte: ")?;
    let (_, place) = place.rsplit_once(": record ")?;
    let (record, line) = place.split_once(", line ")?;
    let byte = byte.lines().next()?;
    Some((record.parse().ok()?, line.parse().ok()?, byte.parse().ok()?))
}

/// Why records were rejected, in the order in which they stand in all files.
fn reasons(scene: &Scene) -> Vec<Value> {
    let mut found = Vec::new();
    let Ok(runs) = fs::read_dir(scene.place.path("rejects")) else {
        return found;
    };
    for run in runs {
        let mut files: Vec<_> = fs::read_dir(run.unwrap().path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            found.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap()),
            );
        }
    }
    found
}
