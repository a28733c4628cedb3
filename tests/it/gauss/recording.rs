//! A recorded conversation with an openGauss server.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folder of the recorded logins.
pub(crate) const LOGINS: &str = "transcripts";

/// The folder of the recorded statements, on sessions that were logged in.
pub(crate) const STATEMENTS: &str = "statements";

fn path(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/gauss")
        .join(folder)
}

/// The names of all recordings of a folder, sorted.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path(folder))
        .expect("the folder of the recordings")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a name in UTF-8"))
        .map(|name| name.trim_end_matches(".json").to_owned())
        .collect();
    names.sort();
    names
}

/// One message, or what stands for one (an answer to an SSLRequest, the start of TLS).
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) from_client: bool,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) password: String,
    /// What the recorded client asked for in its start-up message.
    pub(crate) start: Start,
    pub(crate) messages: Vec<Message>,
}

/// A start-up message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// Of version 3.
    pub(crate) minor: u16,
    pub(crate) parameters: HashMap<String, String>,
}

impl Start {
    /// Reads a start-up message.
    pub(crate) fn read(message: &[u8]) -> Self {
        assert_eq!(message[4..6], [0, 3], "a version 3");
        let mut words = message[8..]
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned());
        let mut parameters = HashMap::new();
        while let Some(name) = words.next().filter(|name| !name.is_empty()) {
            parameters.insert(name, words.next().expect("a value"));
        }
        Self {
            minor: u16::from_be_bytes([message[6], message[7]]),
            parameters,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

impl Recording {
    /// A recorded login.
    pub(crate) fn read(name: &str) -> Self {
        Self::of(LOGINS, name)
    }

    /// A recording of a folder.
    pub(crate) fn of(folder: &str, name: &str) -> Self {
        let path = path(folder).join(format!("{name}.json"));
        let text = std::fs::read_to_string(path).expect("a recording");
        let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let messages: Vec<Message> = file["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .map(|message| Message {
                from_client: message["dir"] == "F",
                name: message["message"].as_str().expect("a name").to_owned(),
                bytes: hex(message["hex"].as_str().expect("hex digits")),
            })
            .collect();
        let start = messages
            .iter()
            .find(|message| message.name == "StartupMessage")
            .map(|message| Start::read(&message.bytes))
            .unwrap_or_default();
        // Where a file names no password, it is that of the account, known from the other files.
        let password = file["password"]
            .as_str()
            .unwrap_or("Loader@2024")
            .to_owned();
        Self {
            password,
            start,
            messages,
        }
    }

    /// The messages up to the server's first ReadyForQuery, or all.
    pub(crate) fn login(&self) -> &[Message] {
        let ready = |message: &Message| message.name == "ReadyForQuery";
        match self.messages.iter().position(ready) {
            Some(end) => &self.messages[..=end],
            None => &self.messages,
        }
    }

    /// What the recorded client sent to prove its password: the text of that message.
    pub(crate) fn proof(&self) -> Option<&[u8]> {
        let sent = |message: &&Message| message.name == "PasswordMessage";
        let message = self.messages.iter().find(sent)?;
        // One of the clients leaves the closing NUL out.
        let text = &message.bytes[5..];
        Some(text.strip_suffix(&[0]).unwrap_or(text))
    }
}

pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("hex digits")).collect()
}
