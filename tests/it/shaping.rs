//! Records made anew on their way: other separators, null markers, constants, SQL expressions,
//! conditions, dates, fixed places, JSON.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod keys;
mod sql;

use crate::support::Ran;
use crate::support::scene::Scene;

/// What is in `t`, as text.
const ROWS: &str =
    "COPY (SELECT * FROM t ORDER BY 1) TO STDOUT WITH (DELIMITER '|', NULL '(null)')";

/// Loads `content` into `t` by these keys; what is in it then, a row a line.
#[track_caller]
fn gives(tables: &str, content: impl AsRef<[u8]>, keys: &str, rows: &str) -> Ran {
    let scene = Scene::new(tables);
    scene.file("f", content);
    let ran = scene.load(&format!("file: f, table: t, {keys}"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(scene.psql(ROWS), rows, "{keys}");
    ran
}

/// The same, which is refused: nothing is in the table, and the error says this.
#[track_caller]
fn refused(tables: &str, content: impl AsRef<[u8]>, keys: &str, code: i32, says: &str) {
    let scene = Scene::new(tables);
    scene.file("f", content);
    let ran = scene.load(&format!("file: f, table: t, {keys}"));
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
}
