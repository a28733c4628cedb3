//! The gate against what an openGauss 3.0.6 was recorded saying: the recorded client's messages are
//! played to it, and its answers are compared with the recorded ones.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::accounts::{draw, unhex};
use super::{Account, Fault, Gate, Hba, Opening, Point, Product, ServerError, Stored};
use crate::gauss::recording::{LOGINS, Message, Recording, STATEMENTS, names};
use crate::support::server::{Database, Server};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tables that the recorded statements work on.
const TABLES: &str = "DROP TABLE IF EXISTS tr_t, tr2; \
                      CREATE TABLE tr_t (id int, name text, amount numeric(10,2), d date); \
                      CREATE TABLE tr2 (id int PRIMARY KEY, name text)";

/// Fields of errors that PostgreSQL has in another way, by recording: the server's own number and
/// module, which are not known of its errors; and a line number that openGauss gets wrong.
const OTHER_FIELDS: &[(&str, &str)] = &[
    ("startup-bad-encoding", "d"),
    ("startup-unknown-database", "c"),
    ("startup-without-database", "c"),
    ("copy-in-bad-integer-line3", "d"),
    ("copy-in-failure-inside-transaction", "d"),
    ("copy-in-savepoint-recovery", "W"),
];

#[test]
fn every_recorded_login_goes_as_recorded() {
    let database = Server::shared().database();
    for name in names(LOGINS) {
        let recording = Recording::read(&name);
        let opening = Gate::before(&database)
            .playing(Product::OpenGauss)
            .also_called("d_a")
            .also_called("d_pg");
        let gate = prepared(opening, &name, &recording).open();
        if name == "account-locked" {
            fail_ten_times(&gate, &recording);
        }
        let messages = match name.as_str() {
            "password-expired" => &recording.messages,
            _ => recording.login(),
        };
        Client::new(&gate).play(&name, messages);
    }
}

/// A gate with the account of a recording, which draws what was drawn there.
fn prepared(opening: Opening, name: &str, recording: &Recording) -> Opening {
    let mut opening = match name {
        "too-many-connections" => {
            let message = "Too many clients already, current: 60, max_connections/reserved: 60/3.";
            opening.fault(Fault::fatal(
                Point::Login,
                ServerError::new("53300", message),
            ))
        }
        "sslrequest-accepted-then-plaintext-error" => opening.tls_is_broken(),
        _ => opening,
    };
    let mut salt = draw();
    let asked = recording
        .messages
        .iter()
        .find(|message| message.bytes.first() == Some(&b'R'));
    if let Some(asked) = asked {
        let hex = |from: usize, to| unhex(asked.bytes.get(from..to)?);
        let (salt_at, token) = match asked.bytes[8] {
            5 => (0, asked.bytes[9..].to_vec()),
            11 => (9, asked.bytes[73..].to_vec()),
            _ => (13, hex(77, 85).unwrap_or_default()),
        };
        if salt_at > 0 {
            salt = hex(salt_at, salt_at + 64)
                .expect("a salt")
                .try_into()
                .expect("32 bytes");
        }
        // One token was not hex digits.
        opening = opening.token(token.try_into().unwrap_or_default());
    }
    opening = opening.fake_salt(salt);
    let user = recording.start.get("user").unwrap_or("u_sha");
    match account(user) {
        Some(account) => opening.account(account.salt(salt)),
        None => opening,
    }
}

/// The accounts of the recorded server, by what the recordings say of them.
fn account(user: &str) -> Option<Account> {
    let old = Account::new(user, "Loader@2024");
    let new = Account::new(user, "Loader@2025");
    Some(match user {
        "nosuch" => return None,
        "u_nopw" => old.stored(Stored::Nothing),
        "u_md5" => new.stored(Stored::Md5),
        "u_comb" => new.stored(Stored::Combined),
        "u_md5hba" => new.stored(Stored::Combined).hba(Hba::Md5),
        "u_sm3" => new.stored(Stored::Sm3).hba(Hba::Sm3),
        "u_sm3_sha" => old.stored(Stored::Sm3),
        "u_sm3_md5hba" => old.stored(Stored::Sm3).hba(Hba::Md5),
        "u_sha_sm3hba" => old.hba(Hba::Sm3),
        "u_sha_md5hba" => old.hba(Hba::Md5),
        "u_2048" => old.rounds(2048),
        "u_50000" => old.rounds(50_000),
        "u_50000c" => old.rounds(50_000).stored(Stored::Combined),
        "u_nologin" => old.nologin(),
        "u_exp" => old.expired(),
        "u_sha" | "u_lock" | "u_adm" => old,
        other => panic!("{other} is in no recording"),
    })
}

/// Fails ten logins of the recorded user.
fn fail_ten_times(gate: &Gate, recording: &Recording) {
    for _ in 0..10 {
        let mut client = Client::new(gate);
        client.say(&recording.messages[0].bytes);
        assert_eq!(client.hear().expect("a challenge")[0], b'R');
        client.say(b"p\0\0\0\x09no!\0\0");
        let refusal = shape(&client.hear().expect("a refusal"), "", false);
        assert!(refusal.contains("C=28P01"), "{refusal}");
    }
}

#[test]
fn recorded_statements_are_answered_as_recorded() {
    let database = Server::shared().database();
    for name in names(STATEMENTS) {
        database.psql(TABLES);
        let gate = Gate::before(&database)
            .playing(Product::OpenGauss)
            .account(Client::account());
        let gate = match name.as_str() {
            "session-timeout" => gate.session_timeout(Duration::from_millis(100)),
            _ => gate,
        };
        let gate = gate.open();
        let mut client = Client::logged_in(&gate, &database);
        client.play(&name, &Recording::of(STATEMENTS, &name).messages);
    }
}

/// Statements that the recorded server refused, and its words: SQLSTATE, message, DETAIL or HINT,
/// position, its own number.
const REFUSED: &[(&str, &str)] = &[
    (
        "discard all",
        "c=14851 M=DISCARD statement is not yet supported. C=0A000",
    ),
    (
        "unlisten *",
        "c=0 M=UNLISTEN statement is not yet supported. C=0A000",
    ),
    (
        "listen ch",
        "c=14847 M=LISTEN statement is not yet supported. C=0A000",
    ),
    (
        "notify ch, 'p'",
        "c=14846 M=NOFITY statement is not yet supported. C=0A000",
    ),
    (
        "set lock_timeout=1000",
        "c=0 M=unrecognized configuration parameter \"lock_timeout\" C=42704",
    ),
    (
        "set row_security=off",
        "c=0 M=unrecognized configuration parameter \"row_security\" C=42704",
    ),
    (
        "set enable_copy_server_files=on",
        "c=0 M=parameter \"enable_copy_server_files\" cannot be changed now C=55P02",
    ),
    (
        "truncate tr2 restart identity",
        "c=0 M=PGXC does not support RESTART IDENTITY yet C=0A000 D=The feature is not supported currently",
    ),
    (
        "create temp table tmp2(id int) on commit drop",
        "c=0 M=ON COMMIT only support PRESERVE ROWS or DELETE ROWS option C=42P16",
    ),
    (
        "merge into t using s on (t.id=s.id) when matched then delete",
        "c=0 M=syntax error at or near \"delete\" C=42601 P=55",
    ),
    (
        "insert into t values (1,'x',1) on conflict (id) do nothing",
        "c=0 M=syntax error at or near \"conflict\" C=42601 P=35",
    ),
    (
        "select count(*) filter (where id=2) from s",
        "c=0 M=syntax error at or near \"filter\" C=42601 P=17",
    ),
    (
        "create table k_id(a int generated by default as identity)",
        "c=0 M=syntax error at or near \"by\" C=42601 P=35",
    ),
    (
        "COPY ct FROM STDIN WITH (FORMAT csv, HEADER match)",
        "c=12667 M=header requires a Boolean value C=42601",
    ),
    (
        "COPY ct FROM STDIN WITH (FORMAT csv, FORCE_NULL (name))",
        "c=11072 M=option \"force_null\" not recognized C=42601",
    ),
    (
        "COPY ct FROM STDIN WITH (ON_ERROR 'stop')",
        "c=11072 M=option \"on_error\" not recognized C=42601",
    ),
    (
        "COPY ct FROM STDIN WITH (LOG_VERBOSITY verbose)",
        "c=0 M=syntax error at or near \"verbose\" C=42601 P=40",
    ),
    (
        "COPY ct FROM STDIN WITH (DEFAULT 'x')",
        "c=11072 M=option \"default\" not recognized C=42601",
    ),
    (
        "COPY ct FROM STDIN WITH (REJECT_LIMIT '5')",
        "c=0 M=Reject Limit must be used with LOG ERRORS or LOG ERRORS DATA. C=42601",
    ),
    (
        "COPY ct FROM STDIN WHERE id = 1",
        "c=0 M=syntax error at or near \"WHERE\" C=42601 P=20",
    ),
    (
        "COPY ct FROM PROGRAM 'cat'",
        "c=0 M=syntax error at or near \"PROGRAM\" C=42601 P=14",
    ),
    (
        "COPY ct TO STDOUT WITH (FORMAT binary)",
        "c=0 M=syntax error at or near \"binary\" C=42601 P=32",
    ),
    (
        "COPY ct FROM '/some/file.txt'",
        "c=0 M=COPY to or from a file is prohibited for security concerns C=42501 \
         H=Anyone can COPY to stdout or from stdin. gsql's \\copy command also works for anyone.",
    ),
];

#[test]
fn recorded_refusals_are_said_by_query_and_by_parse() {
    let database = Server::shared().database();
    database.psql("CREATE TABLE tr2 (id int PRIMARY KEY, name text)");
    let gate = Gate::before(&database)
        .playing(Product::OpenGauss)
        .account(Client::account())
        .open();
    let mut client = Client::logged_in(&gate, &database);
    for (statement, expected) in REFUSED {
        let parse = [b"\0", statement.as_bytes(), b"\0\0\0"].concat();
        for requests in [
            framed(b'Q', &[statement.as_bytes(), &[0]].concat()),
            [framed(b'P', &parse), framed(b'S', &[])].concat(),
        ] {
            client.say(&requests);
            let found = shape(&client.hear().expect("an error"), "", false);
            let (before, rest) = expected.split_once(" C=").expect("a SQLSTATE");
            let (code, rest) = rest.split_at(5);
            let expected = format!("E S=ERROR {before} C={code} d=BACKEND{rest}");
            assert_eq!(found, expected, "{statement}");
            assert_eq!(
                shape(&client.hear().expect("an end"), "", false),
                "Z I",
                "{statement}"
            );
        }
    }
    assert_eq!(gate.refused().len(), 2 * REFUSED.len());
}

fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[tag], &length[..], body].concat()
}

/// A client that has no idea of the protocol but where messages end.
struct Client {
    socket: TcpStream,
}

impl Client {
    fn new(gate: &Gate) -> Self {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, gate.port())).expect("a connection");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        Self { socket }
    }

    /// A user whose password is asked for in MD5 digests.
    fn account() -> Account {
        Account::new("loader", "secret").stored(Stored::Md5)
    }

    /// On a session of [`Self::account`].
    fn logged_in(gate: &Gate, database: &Database) -> Self {
        let mut client = Self::new(gate);
        let body = format!("user\0loader\0database\0{}\0\0", database.name());
        let start = [&[0, 3, 0, 51], body.as_bytes()].concat();
        let length = u32::try_from(start.len() + 4).expect("short").to_be_bytes();
        client.say(&[&length[..], &start].concat());
        let challenge = client.hear().expect("a challenge");
        assert_eq!(challenge[8], 5, "code 5");
        let salt = *challenge[9..].first_chunk().expect("a salt");
        let answer = postgres_protocol::authentication::md5_hash(b"loader", b"secret", salt);
        client.say(&framed(b'p', format!("{answer}\0").as_bytes()));
        while client.hear().expect("a session")[0] != b'Z' {}
        client
    }

    fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the gate listens");
    }

    /// The next message, or `None` at the end of the connection.
    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut message = vec![0; 5];
        if self
            .socket
            .read(&mut message[..1])
            .expect("an answer in time")
            == 0
        {
            return None;
        }
        self.socket
            .read_exact(&mut message[1..])
            .expect("a whole message");
        let length = u32::from_be_bytes(*message[1..].first_chunk().expect("5 bytes")) as usize;
        message.resize(1 + length, 0);
        self.socket
            .read_exact(&mut message[5..])
            .expect("a whole message");
        Some(message)
    }

    /// Says what the recorded client said; the gate is to answer as the recorded server did.
    fn play(&mut self, name: &str, messages: &[Message]) {
        let fake = name.starts_with("auth-mismatch");
        for message in messages {
            if message.from_client {
                self.say(&message.bytes);
                continue;
            }
            let (found, expected) = match message.name.as_str() {
                "SSLResponse" => {
                    let mut byte = vec![0];
                    self.socket.read_exact(&mut byte).expect("an answer");
                    (format!("{byte:?}"), format!("{:?}", message.bytes))
                }
                "ConnectionClosed" => (format!("{:?}", self.hear()), "None".to_owned()),
                _ => {
                    let found = self.hear().unwrap_or_default();
                    (shape(&found, name, fake), shape(&message.bytes, name, fake))
                }
            };
            assert_eq!(found, expected, "{name}");
        }
        let is_error = |message: &Message| message.bytes.first() == Some(&b'E');
        if messages.last().is_some_and(is_error) {
            assert_eq!(self.hear(), None, "{name}: the connection ends");
        }
    }
}

/// What is to be equal in two messages of a server: all of it but cancel keys, OIDs of tables, the
/// time zone of the machine, the signature under a challenge that has no password, and
/// [`OTHER_FIELDS`].
fn shape(message: &[u8], name: &str, fake: bool) -> String {
    let Some((&tag, rest)) = message.split_first() else {
        return "nothing".to_owned();
    };
    let body = &rest[4..];
    let mut shape = char::from(tag).to_string();
    match tag {
        b'E' | b'N' => {
            let other = OTHER_FIELDS
                .iter()
                .find(|(recording, _)| *recording == name);
            for field in body
                .split(|byte| *byte == 0)
                .filter(|field| !field.is_empty())
            {
                let letter = char::from(field[0]);
                let text = String::from_utf8_lossy(&field[1..]);
                if other.is_some_and(|(_, letters)| letters.contains(letter)) {
                    let _ = write!(shape, " {letter}");
                } else {
                    let _ = write!(shape, " {letter}={text}");
                }
            }
        }
        b'K' => {
            let _ = write!(shape, " {} bytes", body.len());
        }
        b'S' if body.starts_with(b"TimeZone\0") => shape.push_str(" TimeZone"),
        b'R' if fake && body.len() > 140 => {
            let _ = write!(shape, " {} and a signature", body[..80].escape_ascii());
        }
        b'T' => shape.push_str(&columns(body)),
        _ => {
            let _ = write!(shape, " {}", body.escape_ascii());
        }
    }
    shape
}

/// A `RowDescription` without the OIDs of tables.
fn columns(body: &[u8]) -> String {
    let mut columns = String::new();
    let mut rest = &body[2..];
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let (name, fields) = (&rest[..end], &rest[end + 5..end + 19]);
        let _ = write!(
            columns,
            " {}:{}",
            name.escape_ascii(),
            fields.escape_ascii()
        );
        rest = &rest[end + 19..];
    }
    columns
}
