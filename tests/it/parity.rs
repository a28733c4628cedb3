//! Real psycopg2 and dwsload, side by side against the same server.
//!
//! Each case makes the same tables in two databases and runs the same call, once by psycopg2 and
//! once by a job file. Compared are success or SQLSTATE, the number of rows, every table and
//! sequence afterwards, and the bytes of the output. What dwsload does otherwise on purpose is in
//! [`deliberate`], and tested there.

mod case;
mod deliberate;

mod ours;
mod peer;

mod binary;
mod bulk;
mod bytes;
mod constraints;
mod escapes;
mod expert_in;
mod expert_out;
mod line_ends;
mod names;
mod nulls;
mod separators;
mod session;
mod types;
mod unload;

use std::collections::BTreeSet;

use case::{Case, Expected};
use peer::{Arena, Outcome};

/// How many cases there are at least. It grows with the suite and never shrinks.
const AT_LEAST: usize = 597;

macro_rules! areas {
    ($($area:ident: $test:ident,)*) => {
        const AREAS: &[fn() -> Vec<Case>] = &[$($area::cases),*];

        $(
            #[test]
            fn $test() {
                compare($area::cases());
            }
        )*
    };
}

areas! {
    separators: separators_mean_the_same,
    nulls: null_markers_mean_the_same,
    names: tables_and_columns_are_named_alike,
    escapes: backslashes_mean_the_same,
    line_ends: lines_end_alike,
    bytes: bytes_that_are_no_text_are_refused_alike,
    types: values_of_every_type_arrive_alike,
    constraints: constraints_refuse_the_same_rows,
    bulk: sizes_do_not_matter,
    session: settings_of_session_and_database_mean_the_same,
    unload: files_are_written_byte_for_byte_alike,
    expert_in: copy_expert_reads_as_the_sql_says,
    expert_out: copy_expert_writes_as_the_sql_says,
    binary: binary_data_passes_through_untouched,
}

#[test]
fn the_suite_does_not_shrink() {
    let cases: Vec<Case> = AREAS.iter().flat_map(|cases| cases()).collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases share a name");
    assert!(cases.len() >= AT_LEAST, "{} cases", cases.len());
}

/// Runs every case and fails with all differences at once.
fn compare(cases: Vec<Case>) {
    let mut arena = Arena::new();
    let count = cases.len();
    let differences: Vec<String> = cases
        .into_iter()
        .filter_map(|case| difference(&case, &mut arena))
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {count} cases differ\n\n{}",
        differences.len(),
        differences.join("\n\n")
    );
}

/// What is not alike, or not as the case says it must be.
fn difference(case: &Case, arena: &mut Arena) -> Option<String> {
    let (theirs, ours) = arena.run(case);
    let mut wrong = Vec::new();
    match &case.expected {
        Expected::Ok if !theirs.ok => wrong.push("psycopg2 fails".to_owned()),
        Expected::Fails(code) if theirs.sqlstate.as_deref() != Some(code) => {
            wrong.push(format!("psycopg2 does not fail with {code}"));
        }
        Expected::Refused if theirs.ok => wrong.push("psycopg2 succeeds".to_owned()),
        Expected::Ok | Expected::Fails(_) | Expected::Refused => {}
    }
    let Outcome {
        ok,
        sqlstate,
        rows,
        output,
        content,
        said: _,
    } = &theirs;
    let alike = [
        ("success", *ok == ours.ok),
        ("SQLSTATE", *sqlstate == ours.sqlstate),
        ("number of rows", *rows == ours.rows),
        ("output", *output == ours.output),
        ("content of the tables", *content == ours.content),
    ];
    wrong.extend(
        alike
            .iter()
            .filter(|(_, alike)| !alike)
            .map(|(what, _)| format!("{what} differs")),
    );
    if wrong.is_empty() {
        return None;
    }
    Some(format!(
        "{}: {}\n  psycopg2: {}\n  dwsload:  {}",
        case.name,
        wrong.join(", "),
        theirs.shown(),
        ours.shown()
    ))
}
