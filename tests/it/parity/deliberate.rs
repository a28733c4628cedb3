//! What dwsload does otherwise than psycopg2, on purpose: the whole list, with what each side does.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::case::Case;
use super::peer::{Arena, Outcome, text};

const TABLE: &str = "CREATE TABLE t (a text)";

/// One difference.
struct Difference {
    case: Case,
    theirs: Side,
    ours: Side,
    /// From this version of PostgreSQL on, the server itself does what dwsload does.
    settled: Option<u32>,
}

/// What one side does.
enum Side {
    /// Succeeds, and these are the lines of `t` as COPY writes them.
    Loads(&'static str),
    /// Leaves `t` empty and fails; its message holds this.
    Says(&'static str),
}

fn differences() -> Vec<Difference> {
    let mut differences = markers();
    differences.extend(by_hand());
    differences.extend(arguments());
    // COPY knows one byte; dwsload makes such records anew.
    for sep in [",,", "é", "😀"] {
        let two = "CREATE TABLE t (a text, b text)";
        differences.push(Difference {
            case: Case::from(format!("sep: {sep}"), two, format!("x{sep}y\n")).sep(sep),
            theirs: Side::Says("delimiter must be a single one-byte character"),
            ours: Side::Loads("x\ty\n"),
            settled: None,
        });
    }
    differences.push(Difference {
        case: Case::from("a file that is compressed", TABLE, gzip("a\n")),
        theirs: Side::Says("invalid byte sequence"),
        ours: Side::Loads("a\n"),
        settled: None,
    });
    differences
}

/// The server reports success and drops what follows a marker.
fn markers() -> Vec<Difference> {
    let dropped = |name, data, settled| Difference {
        case: Case::from(name, TABLE, data),
        theirs: Side::Loads("a\n"),
        ours: Side::Says("would drop what follows"),
        settled,
    };
    vec![
        dropped("rows after the marker", "a\n\\.\nb\n", None),
        dropped("rows after the marker, CRLF", "a\r\n\\.\r\nb\r\n", None),
        dropped("rows after the marker, CR", "a\r\\.\rb\r", None),
        dropped("bytes after the marker", "a\n\\.\n\0\u{fffd}", None),
        dropped("two markers", "a\n\\.\n\\.\n", None),
        dropped("a marker behind data", "a\\.\nb\n", Some(18)),
        dropped(
            "a marker behind data at the end of the file",
            "a\\.\n",
            Some(18),
        ),
    ]
}

/// The same in a COPY by hand, and binary data that is cut between two rows.
fn by_hand() -> Vec<Difference> {
    let copy = |name, sql, data: &[u8], theirs, ours, settled| Difference {
        case: Case::expert_in(name, TABLE, sql, data),
        theirs: Side::Loads(theirs),
        ours: Side::Says(ours),
        settled,
    };
    let text = "COPY t FROM STDIN";
    let drops = "would drop what follows";
    vec![
        copy(
            "rows after the marker, by hand",
            text,
            b"a\n\\.\nb\n",
            "a\n",
            drops,
            None,
        ),
        copy(
            "a marker behind data, by hand",
            text,
            b"a\\.\nb\n",
            "a\n",
            drops,
            Some(18),
        ),
        copy(
            "binary data without a trailer",
            "COPY t FROM STDIN BINARY",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01a",
            "a\n",
            "is cut short",
            None,
        ),
    ]
}

/// Arguments that psycopg2 passes on, and that can only be a mistake.
fn arguments() -> Vec<Difference> {
    let refused = |case, theirs, ours| Difference {
        case,
        theirs,
        ours: Side::Says(ours),
        settled: None,
    };
    let from = |name| Case::from(name, TABLE, "a\n");
    vec![
        refused(from("a size of 0").size(0), Side::Loads(""), "size"),
        refused(
            from("no columns in the list").columns(&[]),
            Side::Says("syntax error"),
            "columns",
        ),
        refused(
            from("an empty table name").table(""),
            Side::Says("zero-length delimited identifier"),
            "table",
        ),
        refused(
            from("an empty column name").columns(&[""]),
            Side::Says("zero-length delimited identifier"),
            "columns",
        ),
    ]
}

#[test]
fn what_differs_differs_on_purpose_and_says_so() {
    let mut arena = Arena::new();
    let version = arena.version();
    for difference in differences() {
        let (theirs, ours) = arena.run(&difference.case);
        let name = &difference.case.name;
        if difference.settled.is_some_and(|since| version >= since) {
            assert!(!theirs.ok, "{name}: psycopg2: {}", theirs.shown());
        } else {
            difference
                .theirs
                .check(&theirs, &format!("{name}: psycopg2"));
        }
        difference.ours.check(&ours, &format!("{name}: dwsload"));
    }
}

/// psycopg2 2.9.13 is not asked: it never returns.
#[test]
fn a_second_load_in_the_sql_of_one_step_is_refused() {
    let case = Case::expert_in(
        "two loads, one file",
        TABLE,
        "COPY t FROM STDIN; COPY t FROM STDIN",
        "a\n",
    );
    Side::Says("a second COPY").check(&Arena::new().dwsload(&case), "dwsload");
}

/// psycopg2 takes it for one name.
#[test]
fn a_schema_and_a_table_are_two_names() {
    let mut arena = Arena::new();
    let case = Case::from("schema.table", TABLE, "a\n").table_as_written("public.t");
    Side::Says("relation \"public.t\" does not exist").check(&arena.psycopg2(&case), "psycopg2");
    Side::Loads("a\n").check(&arena.dwsload(&case), "dwsload");
}

/// psycopg2 takes the file for what the database is in. dwsload says what the file is in.
#[test]
fn a_file_is_utf_8_whatever_the_database_is_in() {
    let mut arena = Arena::with("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    let case = Case::from("utf-8 into Latin-1", TABLE, "é\n");
    Side::Loads("Ã©\n").check(&arena.psycopg2(&case), "psycopg2");
    Side::Loads("é\n").check(&arena.dwsload(&case), "dwsload");
}

impl Side {
    fn check(&self, outcome: &Outcome, who: &str) {
        let (ok, rows, says) = match self {
            Self::Loads(rows) => (true, *rows, ""),
            Self::Says(says) => (false, "", *says),
        };
        let shown = outcome.shown();
        assert_eq!(outcome.ok, ok, "{who}: {shown}");
        assert_eq!(
            outcome.content["t"],
            text(rows.as_bytes()),
            "{who}: {shown}"
        );
        assert!(outcome.said.contains(says), "{who}: {shown}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(text.as_bytes()).expect("memory takes it");
    file.finish().expect("memory takes it")
}
