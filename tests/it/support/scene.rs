//! A database and a folder of files: what most tests of the binary need.

use std::path::PathBuf;
use std::process::Command;

use super::server::{Database, Server};
use super::{Ran, Workplace, quoted};

/// An empty database on the shared server, and an empty folder with job files for it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) place: Workplace,
}

impl Scene {
    /// With what `sql` makes in the database.
    pub(crate) fn new(sql: &str) -> Self {
        let database = Server::shared().database();
        if !sql.is_empty() {
            database.psql(sql);
        }
        Self {
            database,
            place: Workplace::new(),
        }
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.place.file(name, content)
    }

    /// What `sql` prints.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.database.psql(sql)
    }

    /// Writes `job.yaml` with `steps`, a YAML block list without indentation.
    pub(crate) fn job(&self, steps: &str) -> PathBuf {
        let url = quoted(&self.database.url());
        self.file("job.yaml", format!("connection: {url}\nsteps:\n{steps}\n"))
    }

    /// Runs a job of `steps`.
    pub(crate) fn run(&self, steps: &str) -> Ran {
        self.place.run_file(&self.job(steps), &[])
    }

    /// Runs a job of one `copy_from` step with these keys, as in a YAML flow mapping.
    pub(crate) fn load(&self, keys: &str) -> Ran {
        self.run(&format!("- copy_from: {{{keys}}}"))
    }

    /// Runs a job of one `copy_to` step with these keys.
    pub(crate) fn unload(&self, keys: &str) -> Ran {
        self.run(&format!("- copy_to: {{{keys}}}"))
    }

    /// The binary on a job of `steps`, to be run by hand.
    pub(crate) fn dwsload(&self, steps: &str) -> Command {
        let job = self.job(steps);
        let mut command = self.place.dwsload();
        command.arg(job);
        command
    }

    /// `text` with what changes from run to run replaced: folders, the database, the user's server,
    /// and how long things took.
    pub(crate) fn steady(&self, text: &str) -> String {
        let folder = self.place.path("").display().to_string();
        let server = self.database.server();
        let text = text
            .replace(&folder, "")
            .replace(folder.trim_end_matches('/'), "DIR")
            .replace(self.database.name(), "DB")
            .replace(server.host(), "SOCKET");
        without_times(&text)
    }

    /// What a run wrote to stderr, steady.
    pub(crate) fn said(&self, ran: &Ran) -> String {
        self.steady(&ran.stderr)
    }
}

/// `12 ms` and `1.3 s` as `TIME`.
fn without_times(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut words = text.split_inclusive([' ', '\n']).peekable();
    while let Some(word) = words.next() {
        let number = word.trim_start_matches('(').trim_end();
        let is_number = !number.is_empty()
            && number
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let unit = words
            .peek()
            .map(|next| next.trim_end_matches(['\n', ' ', ')', ',', ';']));
        if is_number && matches!(unit, Some("ms" | "s")) {
            out.push_str(&word.replace(number, "TIME").replace(' ', ""));
            let unit = words.next().unwrap_or_default();
            out.push_str(unit.trim_start_matches("ms").trim_start_matches('s'));
        } else {
            out.push_str(word);
        }
    }
    out
}
