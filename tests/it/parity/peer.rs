//! The process that has psycopg2, and what a call came to on either side.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Map, Value, json};

use super::case::{Case, Verb};
use super::ours;
use crate::support::python::python;
use crate::support::server::{Database, Server};

/// What a call came to, and what is in the database afterwards.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// It succeeded and was committed.
    pub(crate) ok: bool,
    /// The server's SQLSTATE, where it refused.
    pub(crate) sqlstate: Option<String>,
    /// Rows, by the server's count; of a success alone.
    pub(crate) rows: Option<u64>,
    /// The bytes it wrote.
    pub(crate) output: Vec<u8>,
    /// Tables and sequences: name, content.
    pub(crate) content: BTreeMap<String, String>,
    /// What it said, for people.
    pub(crate) said: String,
}

impl Outcome {
    /// For people, and not too long.
    pub(crate) fn shown(&self) -> String {
        let end = match (self.ok, &self.sqlstate) {
            (true, _) => format!("{:?} rows", self.rows),
            (false, Some(code)) => format!("refused with {code}"),
            (false, None) => "failed without the server".into(),
        };
        let clipped = |text: String| text.chars().take(300).collect::<String>();
        format!(
            "{end}\n    tables: {}\n    output: {}\n    said: {}",
            clipped(format!("{:?}", self.content)),
            clipped(self.output.escape_ascii().to_string()),
            clipped(self.said.trim().replace('\n', "\n          "))
        )
    }
}

/// psycopg2, and a database for each side.
pub(crate) struct Arena {
    peer: Peer,
    theirs: Database,
    ours: Database,
}

impl Arena {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With options for CREATE DATABASE.
    pub(crate) fn with(options: &str) -> Self {
        let server = Server::shared();
        Self {
            peer: Peer::new(),
            theirs: server.database_with(options),
            ours: server.database_with(options),
        }
    }

    /// The server's major version.
    pub(crate) fn version(&self) -> u32 {
        let version = self.ours.psql("SHOW server_version_num");
        version.parse::<u32>().expect("a number") / 10_000
    }

    /// Runs a case on both sides: psycopg2's outcome, dwsload's outcome.
    pub(crate) fn run(&mut self, case: &Case) -> (Outcome, Outcome) {
        (self.psycopg2(case), self.dwsload(case))
    }

    /// Runs a case by psycopg2.
    pub(crate) fn psycopg2(&mut self, case: &Case) -> Outcome {
        self.peer.set_up(case, &self.theirs);
        let outcome = self.peer.call(case, &self.theirs);
        self.peer.with_content(outcome, &self.theirs)
    }

    /// Runs a case by dwsload.
    pub(crate) fn dwsload(&mut self, case: &Case) -> Outcome {
        self.peer.set_up(case, &self.ours);
        let outcome = ours::call(case, &self.ours);
        self.peer.with_content(outcome, &self.ours)
    }
}

/// The URL of a database for the user of a case.
pub(crate) fn url(case: &Case, database: &Database) -> String {
    match case.user {
        Some(user) => database.url_for(user),
        None => database.url(),
    }
}

struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn new() -> Self {
        let mut process = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peer.py"))
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        Self {
            requests: process.stdin.take().expect("it is piped"),
            answers: BufReader::new(process.stdout.take().expect("it is piped")),
            process,
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("peer.py reads");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("peer.py answers");
        serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("peer.py died of {}", clipped(request)))
    }

    fn set_up(&mut self, case: &Case, database: &Database) {
        let name = database.name();
        self.ask(&json!({
            "op": "setup",
            "dsn": database.url(),
            "sql": [
                format!("ALTER DATABASE {name} RESET ALL"),
                "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public; \
                 GRANT ALL ON SCHEMA public TO public",
                case.setup.replace("{database}", name),
            ],
        }));
    }

    /// The outcome, with what is in the database now.
    fn with_content(&mut self, mut outcome: Outcome, database: &Database) -> Outcome {
        let answer = self.ask(&json!({"op": "content", "dsn": database.url()}));
        outcome.content =
            serde_json::from_value(answer["content"].clone()).expect("names and contents");
        outcome
    }

    fn call(&mut self, case: &Case, database: &Database) -> Outcome {
        let answer = self.ask(&Value::Object(request(case, database)));
        let text = |key: &str| answer[key].as_str().map(String::from);
        Outcome {
            ok: answer["ok"] == true,
            sqlstate: text("pgcode"),
            rows: answer["rows"].as_u64(),
            output: bytes(answer["bytes"].as_str().unwrap_or_default()),
            content: BTreeMap::new(),
            said: text("message")
                .or(text("statusmessage"))
                .unwrap_or_default(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The request, without the arguments that the case leaves out.
fn request(case: &Case, database: &Database) -> Map<String, Value> {
    let call = &case.call;
    let mut request = Map::new();
    let mut put = |key: &str, value: Value| request.insert(key.into(), value);
    put("op", call.verb.name().into());
    put("dsn", dsn(case, database).into());
    put(
        "bytes",
        text(call.data.as_deref().unwrap_or_default()).into(),
    );
    if call.verb == Verb::Expert {
        put("sql", call.sql.as_str().into());
    } else {
        put("table", call.table.as_str().into());
    }
    for (key, value) in [("sep", &call.sep), ("null", &call.null)] {
        if let Some(value) = value {
            put(key, value.as_str().into());
        }
    }
    if let Some(size) = call.size {
        put("size", size.into());
    }
    if let Some(columns) = &call.columns {
        put("columns", columns.as_slice().into());
    }
    request
}

/// psycopg2 is given settings of the session the way libpq takes them.
fn dsn(case: &Case, database: &Database) -> String {
    let mut dsn = url(case, database);
    for (name, value) in &case.session {
        let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
        let option = format!("-c {name}={value}");
        dsn.push_str(if dsn.contains("&options=") {
            "%20"
        } else {
            "&options="
        });
        dsn.push_str(
            &option
                .replace('%', "%25")
                .replace(' ', "%20")
                .replace('=', "%3D"),
        );
    }
    dsn
}

/// Bytes as a string for JSON, one character each.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(c).expect("peer.py sends a character for a byte"))
        .collect()
}

fn clipped(request: &Value) -> String {
    request.to_string().chars().take(500).collect()
}
