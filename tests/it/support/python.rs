//! The Python of the tests, with clients that are not ours.

use std::env;
use std::path::{Path, PathBuf};

/// A Python that has psycopg2, py-opengauss and async-gaussdb: of `make setup`, in the folder that
/// this binary was built in.
///
/// # Panics
/// There is none, and `DWSLOAD_TEST_PYTHON` does not name one.
pub(crate) fn python() -> PathBuf {
    if let Some(python) = env::var_os("DWSLOAD_TEST_PYTHON") {
        return python.into();
    }
    let built = Path::new(env!("CARGO_BIN_EXE_dwsload"));
    built
        .ancestors()
        .map(|folder| folder.join("venv/bin/python"))
        .find(|python| python.exists())
        .expect("these tests need Python with other clients: run `make setup`, or set DWSLOAD_TEST_PYTHON")
}
