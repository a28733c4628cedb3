//! Logins of Gauss servers, as an openGauss 3.0.6 was recorded having them, played to our login.

mod player;
pub(crate) mod recording;

use std::net::SocketAddr;

use dwsload::error::{Error, ErrorKind, render};
use dwsload::secret::Secret;
use dwsload::wire::connect::connect;
use dwsload::wire::server::{Kind, identify};
use dwsload::wire::target::{Address, ChannelBinding, Host, HostOrder, SslMode, Target};

use crate::support::session::block_on;

use self::player::{Heard, Player, Turn, fatal, framed};
use self::recording::{LOGINS, Recording, names};

/// How a conversation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a session.
    In,
    /// The server refuses, with this SQLSTATE.
    Refused(&'static str),
    /// The server refuses as one that is full: others may be tried.
    Elsewhere(&'static str),
    /// We do not answer; a part of the reason.
    Declined(&'static str),
    /// The recording ends where the server's answer to ours would follow: the recorded client
    /// could not answer.
    Cut,
}

/// What we send to prove the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// What the recorded client sent.
    Same,
    /// It sent the right proof in upper case, on purpose.
    SameInLowerCase,
    /// It left the last character out, on purpose.
    OneMoreCharacter,
    /// It sent something else on purpose, or nothing; we send a proof of 64 characters.
    Another,
    /// Nothing.
    None,
}

use End::{Cut, Declined, Elsewhere, In, Refused};
use Proof::{Another, OneMoreCharacter, Same, SameInLowerCase};

const NO_PROOF: Proof = Proof::None;
const UNPROVEN: End = Declined("the password is not the one that the server knows");
const UNANSWERABLE: End = Declined("a proof that no password can give");

/// Every recorded login, and how it is to end.
const CONVERSATIONS: &[(&str, End, Proof)] = &[
    ("account-locked", Refused("28000"), Same),
    ("auth-code11-proto3.0", In, Same),
    ("auth-code11-proto3.50", In, Same),
    ("auth-code11-proto3.51", In, Same),
    ("auth-md5-proto3.0", In, Same),
    ("auth-md5-proto3.50", In, Same),
    ("auth-md5-proto3.51", In, Same),
    ("auth-md5hba-combined-proto3.0", In, Same),
    ("auth-md5hba-combined-proto3.50", In, Same),
    ("auth-md5hba-combined-proto3.51", In, Same),
    // The salt is a dummy; under 3.0 the server's signature gives that away.
    ("auth-mismatch-sha-sm3hba-proto3.0", UNPROVEN, NO_PROOF),
    ("auth-mismatch-sha-sm3hba-proto3.51", Refused("28P01"), Same),
    ("auth-mismatch-sm3-md5hba-proto3.0", UNANSWERABLE, NO_PROOF),
    ("auth-mismatch-sm3-md5hba-proto3.51", UNANSWERABLE, NO_PROOF),
    ("auth-mismatch-sm3-sha-proto3.0", UNPROVEN, NO_PROOF),
    ("auth-mismatch-sm3-sha-proto3.51", Refused("28P01"), Same),
    (
        "auth-no-password-stored-proto3.0",
        Refused("28000"),
        NO_PROOF,
    ),
    (
        "auth-no-password-stored-proto3.51",
        Refused("28000"),
        NO_PROOF,
    ),
    ("auth-response-63-chars", Refused("28P01"), OneMoreCharacter),
    ("auth-response-clear-password", Refused("28P01"), Another),
    ("auth-response-empty", Refused("28P01"), Another),
    (
        "auth-response-upper-case",
        Refused("28P01"),
        SameInLowerCase,
    ),
    ("auth-sha256-2048-rounds-proto3.0", In, Same),
    // Without rounds and signature only the default can be assumed.
    ("auth-sha256-2048-rounds-proto3.50", Refused("28P01"), Same),
    ("auth-sha256-2048-rounds-proto3.51", In, Same),
    ("auth-sha256-50000-rounds-proto3.0", In, Same),
    ("auth-sha256-50000-rounds-proto3.50", Refused("28P01"), Same),
    ("auth-sha256-50000-rounds-proto3.51", In, Same),
    ("auth-sha256-proto3.0", In, Same),
    ("auth-sha256-proto3.50", In, Same),
    ("auth-sha256-proto3.51", In, Same),
    ("auth-sha256md5-50000-rounds-proto3.51", In, Same),
    ("auth-sha256md5-proto3.0", In, Same),
    ("auth-sha256md5-proto3.50", In, Same),
    ("auth-sha256md5-proto3.51", In, Same),
    ("auth-sm3-proto3.0", In, Same),
    ("auth-sm3-proto3.50", In, Same),
    ("auth-sm3-proto3.51", In, Same),
    ("auth-unknown-user-proto3.0", Refused("28P01"), Same),
    ("auth-unknown-user-proto3.50", Refused("28P01"), Same),
    ("auth-unknown-user-proto3.51", Refused("28P01"), Same),
    // The recorded client asked the server; the signature tells us before anything is sent.
    ("auth-wrong-password-proto3.0", UNPROVEN, NO_PROOF),
    ("auth-wrong-password-proto3.51", Refused("28P01"), Same),
    ("client-async-gaussdb-comb", In, Same),
    ("client-async-gaussdb-copy", In, Same),
    ("client-async-gaussdb-md5", In, Same),
    ("client-async-gaussdb-sha", In, Same),
    ("client-async-gaussdb-sm3", Cut, Another),
    ("client-gsql-copy", In, Same),
    ("client-gsql-sslrequest", In, Same),
    ("client-py-opengauss-comb", In, Same),
    ("client-py-opengauss-md5", In, Same),
    ("client-py-opengauss-sha", In, Same),
    ("login-not-permitted", Refused("28000"), Same),
    ("password-expired", In, Same),
    (
        "sslrequest-accepted-then-plaintext-error",
        Elsewhere("F0000"),
        NO_PROOF,
    ),
    ("sslrequest-refused-then-login", In, Same),
    ("startup-application-name-gsql", In, Same),
    ("startup-bad-encoding", Refused("22023"), Same),
    ("startup-bad-guc-value", Refused("22023"), Same),
    ("startup-many-gucs", In, Same),
    ("startup-pq-option", In, Same),
    ("startup-unknown-database", Refused("3D000"), Same),
    ("startup-unknown-parameter", Refused("42704"), Same),
    ("startup-unsupported-proto3.1", Refused("0A000"), NO_PROOF),
    ("startup-unsupported-proto3.2", Refused("0A000"), NO_PROOF),
    ("startup-unsupported-proto3.49", Refused("0A000"), NO_PROOF),
    ("startup-unsupported-proto3.52", Refused("0A000"), NO_PROOF),
    (
        "startup-with-application_name-and-client_encoding",
        In,
        Same,
    ),
    ("startup-with-options", In, Same),
    ("startup-without-database", Refused("3D000"), Same),
    ("startup-without-user", Refused("28000"), NO_PROOF),
    ("too-many-connections", Elsewhere("53300"), Same),
];

#[test]
fn every_recorded_login_ends_as_it_should() {
    let listed: Vec<_> = CONVERSATIONS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(listed, names(LOGINS));
    for (name, end, proof) in CONVERSATIONS {
        let recording = Recording::read(name);
        let (outcome, heard) = replay(&recording);
        assert_end(name, outcome, *end);
        assert_starts(name, &recording, &heard);
        let proofs: Vec<_> = heard.iter().flat_map(Heard::proofs).collect();
        assert_proof(name, &proofs, recording.proof(), *proof);
    }
}

/// Plays the server's part up to the end of the login.
fn replay(recording: &Recording) -> (Result<(), Error>, Vec<Heard>) {
    let mut scripts = vec![Turn::of(recording.login())];
    if recording
        .messages
        .last()
        .is_some_and(|last| last.name.starts_with("Authentication"))
    {
        // The recorded client gave up; ours may have an answer.
        scripts[0].push(Turn::Hear);
    }
    let asks_for_tls = recording.messages[0].name == "SSLRequest";
    if recording.start.minor < 50 && !asks_for_tls {
        // It was recorded in another version than 3.51: this server does not know that one.
        scripts.insert(0, refused_version());
    } else if recording.start.minor > 51 {
        scripts.push(scripts[0].clone());
    }
    let player = Player::new(scripts);
    let mut target = target(player.addr, &recording.password);
    target.user = recording.start.get("user").unwrap_or("u_sha").into();
    target.dbname = recording.start.get("database").unwrap_or("u_sha").into();
    if asks_for_tls {
        target.tls.mode = match recording.messages[2].name.as_str() {
            "TLS ClientHello" => SslMode::Require,
            _ => SslMode::Prefer,
        };
    }
    let outcome = block_on(async {
        let mut session = connect(&target, "loader").await?;
        assert_eq!(session.parameter("server_version"), Some("9.2.4"));
        assert_eq!(session.take_warning(), None, "a loopback address is safe");
        session.close().await;
        Ok(())
    });
    (outcome, player.heard())
}

/// A server that refuses version 3.51.
fn refused_version() -> Vec<Turn> {
    let refusal = fatal("0A000", "unsupported frontend protocol 3.51.");
    vec![Turn::HearStart, Turn::Say(refusal)]
}

fn assert_end(name: &str, outcome: Result<(), Error>, expected: End) {
    let text = outcome.as_ref().map_or_else(render, |()| String::new());
    let kind = outcome.err().map(|error| error.kind());
    let (expected_kind, part) = match expected {
        In => (None, String::new()),
        Refused(code) => (Some(ErrorKind::Login), format!("(SQLSTATE {code})")),
        Elsewhere(code) => (Some(ErrorKind::Connect), format!("(SQLSTATE {code})")),
        Declined(part) => (Some(ErrorKind::Login), part.to_owned()),
        Cut => (Some(ErrorKind::Connect), "broke off".to_owned()),
    };
    assert_eq!(kind, expected_kind, "{name}: {text}");
    assert!(text.contains(&part), "{name}: {text}");
    assert!(!text.contains("Loader@20"), "{name}: {text}");
}

/// Each connection starts in the version, and for the user and database, that it should.
fn assert_starts(name: &str, recording: &Recording, heard: &[Heard]) {
    if recording.start.parameters.is_empty() {
        return;
    }
    for (heard, minor) in heard.iter().zip([51, 0]) {
        let start = heard.start();
        assert_eq!(start.minor, minor, "{name}");
        for parameter in ["user", "database"] {
            if let Some(expected) = recording.start.get(parameter) {
                assert_eq!(start.get(parameter), Some(expected), "{name}");
            }
        }
    }
}

fn assert_proof(name: &str, sent: &[&[u8]], recorded: Option<&[u8]>, expected: Proof) {
    if expected == NO_PROOF {
        assert_eq!(sent, [] as [&[u8]; 0], "{name}");
        return;
    }
    let [sent] = sent else {
        panic!("{name}: {} proofs", sent.len());
    };
    let recorded = recorded.unwrap_or_default();
    match expected {
        Same => assert_eq!(*sent, recorded, "{name}"),
        SameInLowerCase => assert_eq!(*sent, recorded.to_ascii_lowercase(), "{name}"),
        OneMoreCharacter => assert_eq!(sent[..63], *recorded, "{name}"),
        Another | Proof::None => assert_ne!(*sent, recorded, "{name}"),
    }
    if recorded.starts_with(b"md5") {
        assert_eq!(sent.len(), 35, "{name}");
    } else {
        assert_eq!(sent.len(), 64, "{name}");
    }
}

#[test]
fn an_expired_password_is_named_by_the_first_statement() {
    let recording = Recording::read("password-expired");
    let player = Player::new(vec![Turn::of(&recording.messages)]);
    let mut target = target(player.addr, &recording.password);
    target.user = "u_exp".into();
    let error = block_on(async {
        let mut session = connect(&target, "loader").await.unwrap();
        Error::from(session.run("SELECT 1").await.unwrap_err())
    });
    assert_eq!(error.kind(), ErrorKind::Login);
    insta::assert_snapshot!(render(&error), @r#"
    error: Please use "ALTER ROLE user_name IDENTIFIED BY 'password' REPLACE 'old password';" to modify the expired password of user u_exp before operation! (SQLSTATE 28P02)
      hint: the password has expired: set another one with ALTER ROLE in gsql, and give it to dwsload
    "#);
    player.heard();
}

#[test]
fn refusals_say_what_to_do() {
    let mut text = String::new();
    for name in [
        "account-locked",
        "auth-no-password-stored-proto3.51",
        "auth-mismatch-sha-sm3hba-proto3.51",
        "auth-mismatch-sm3-md5hba-proto3.51",
        "auth-wrong-password-proto3.0",
        "auth-wrong-password-proto3.51",
        "login-not-permitted",
        "sslrequest-accepted-then-plaintext-error",
        "startup-unknown-database",
        "startup-unsupported-proto3.52",
        "too-many-connections",
    ] {
        let (outcome, _) = replay(&Recording::read(name));
        text.push_str(&format!("--- {name}\n{}", render(&outcome.unwrap_err())));
    }
    insta::assert_snapshot!(without_ports(&text), @r#"
    --- account-locked
    error: cannot log in to 127.0.0.1:PORT as u_lock, database d_a
      caused by: The account has been locked. (SQLSTATE 28000)
        hint: too many failed logins lock an account for a day, or as long as password_lock_time says; an administrator opens it with ALTER USER ... ACCOUNT UNLOCK
    --- auth-no-password-stored-proto3.51
    error: cannot log in to 127.0.0.1:PORT as u_nopw, database d_a
      caused by: Invalid username/password,login denied. (SQLSTATE 28000)
        hint: the server stores no password for this user, or knows none; an administrator sets one with ALTER USER ... PASSWORD
    --- auth-mismatch-sha-sm3hba-proto3.51
    error: cannot log in to 127.0.0.1:PORT as u_sha_sm3hba, database d_a
      caused by: Invalid username/password,login denied. (SQLSTATE 28P01)
        hint: check the user and the password; an SM3 login also fails when the server's pg_hba.conf says `sm3` and the password is stored in another form, or the reverse
    --- auth-mismatch-sm3-md5hba-proto3.51
    error: cannot log in to 127.0.0.1:PORT as u_sm3_md5hba, database d_a
      caused by: the server asks for a proof that no password can give
        hint: it stores this user's password in another form than its pg_hba.conf asks for; ask for a line that fits, such as `sm3` for an SM3 password
    --- auth-wrong-password-proto3.0
    error: cannot log in to 127.0.0.1:PORT as u_sha, database d_a
      caused by: the password is not the one that the server knows
        hint: either it is wrong, or this is no real server, or one that hashes in more than 200000 rounds; nothing was sent, so no failed login is counted
    --- auth-wrong-password-proto3.51
    error: cannot log in to 127.0.0.1:PORT as u_sha, database d_a
      caused by: Invalid username/password,login denied. (SQLSTATE 28P01)
        hint: check the user and the password before you try again: ten failures lock the account; a password comes from the job file, PGPASSWORD or ~/.pgpass
    --- login-not-permitted
    error: cannot log in to 127.0.0.1:PORT as u_nologin, database d_a
      caused by: role "u_nologin" is not permitted to login (SQLSTATE 28000)
        hint: the role is for rights alone; log in as a user, or ask for ALTER ROLE ... LOGIN
    --- sslrequest-accepted-then-plaintext-error
    error: cannot connect to 127.0.0.1:PORT as u_sha, database u_sha
      caused by: TLS with `127.0.0.1` failed
        hint: the server says so in plain text; its TLS has to be put right where it runs
      caused by: ca certificate file "cacert.pem" has group or world access (SQLSTATE F0000)
        detail: Permissions should be u=rw (0600) or less.
    --- startup-unknown-database
    error: cannot log in to 127.0.0.1:PORT as u_sha, database nodb
      caused by: database "nodb" does not exist (SQLSTATE 3D000)
        hint: check the database name; without one, it is the user's name
    --- startup-unsupported-proto3.52
    error: cannot log in to 127.0.0.1:PORT as u_sha, database d_a
      caused by: unsupported frontend protocol 3.52. (SQLSTATE 0A000)
    --- too-many-connections
    error: cannot connect to 127.0.0.1:PORT as u_sha, database d_a
      caused by: Too many clients already, current: 60, max_connections/reserved: 60/3. (SQLSTATE 53300)
    "#);
}

/// `text` with each port of a player made the same.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("127.0.0.1:PORT");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

/// Challenges that the recordings do not have, each with what is to be said of it.
#[test]
fn challenges_that_are_not_to_be_answered_are_not() {
    let recorded = Recording::read("auth-sha256-proto3.51");
    let challenge = &recorded.messages[1].bytes;
    let with_rounds = |rounds: u32| {
        let mut changed = challenge.clone();
        let end = changed.len() - 4;
        changed[end..].copy_from_slice(&rounds.to_be_bytes());
        changed
    };
    let cases = [
        (with_rounds(2047), "asks for 2047 rounds"),
        (with_rounds(10_000_001), "asks for 10000001 rounds"),
        (
            framed(b'R', &[0, 0, 0, 12, 0, 0, 0, 2]),
            "authentication code 12",
        ),
        (framed(b'R', &[0, 0, 0, 14]), "IAM token"),
        (
            framed(b'R', &[0, 0, 0, 13, 1]),
            "makes no sense (authentication code 13)",
        ),
    ];
    for (challenge, part) in cases {
        let (error, heard) = refuse(vec![Turn::HearStart, Turn::Say(challenge)], |_| {});
        assert!(render(&error).contains(part), "{}", render(&error));
        assert_eq!(error.kind(), ErrorKind::Login, "{part}");
        assert_eq!(heard.proofs(), [] as [&[u8]; 0], "{part}");
    }
}

#[test]
fn no_proof_is_sent_where_it_should_be_bound_or_there_is_no_password() {
    for name in [
        "auth-sha256-proto3.51",
        "auth-md5-proto3.51",
        "auth-code11-proto3.51",
    ] {
        let script = || Turn::of(&Recording::read(name).messages[..2]);
        let (error, heard) = refuse(script(), |target| {
            target.channel_binding = ChannelBinding::Require;
        });
        assert!(
            render(&error).contains("without channel binding"),
            "{}",
            render(&error)
        );
        assert_eq!(heard.proofs(), [] as [&[u8]; 0]);
        let (error, _) = refuse(script(), |target| target.hosts[0].password = None);
        assert!(
            render(&error).contains("there is none"),
            "{}",
            render(&error)
        );
        assert_eq!(error.kind(), ErrorKind::Login);
    }
}

#[test]
fn a_second_proof_in_one_login_is_not_given() {
    let first = Recording::read("auth-sha256-proto3.51");
    let clear = framed(b'R', &[0, 0, 0, 3]);
    for second in [first.messages[1].bytes.clone(), clear] {
        let mut script = Turn::of(&first.messages[..3]);
        script.push(Turn::Say(second));
        let (error, heard) = refuse(script, |_| {});
        assert!(
            render(&error).contains("a second proof"),
            "{}",
            render(&error)
        );
        assert_eq!(heard.proofs(), [first.proof().unwrap()]);
    }
}

#[test]
fn a_refused_password_is_not_taken_to_the_next_host() {
    let recording = Recording::read("auth-wrong-password-proto3.51");
    let first = Player::new(vec![Turn::of(&recording.messages)]);
    let second = Player::new(vec![]);
    let mut target = target(first.addr, &recording.password);
    target.hosts.push(host(second.addr, &recording.password));
    target.order = HostOrder::Given;
    let error = block_on(connect(&target, "loader")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Login);
    assert_eq!(first.heard()[0].proofs().len(), 1);
    second.heard();
}

#[test]
fn a_full_server_sends_us_to_the_next_host() {
    let [full, free] = ["too-many-connections", "auth-sha256-proto3.51"].map(Recording::read);
    let players = [&full, &free].map(|recording| Player::new(vec![Turn::of(recording.login())]));
    let mut target = target(players[0].addr, &free.password);
    target.hosts.push(host(players[1].addr, &free.password));
    target.order = HostOrder::Given;
    block_on(async {
        let session = connect(&target, "loader").await.unwrap();
        assert_eq!(session.place(), target.place(&target.hosts[1]));
        session.close().await;
    });
    for player in players {
        player.heard();
    }
}

/// A login without a password in version 3.0.
fn welcome() -> Vec<Turn> {
    let messages = [
        framed(b'R', &[0; 4]),
        framed(b'S', b"server_version\09.2.4\0"),
        framed(b'K', &[0, 0, 0, 7, 1, 2, 3, 4]),
        framed(b'Z', b"I"),
    ];
    messages.map(Turn::Say).into()
}

#[test]
fn a_server_that_does_not_know_the_version_is_asked_again_in_the_plain_one() {
    let offer = framed(b'v', &[0, 3, 0, 3, 0, 0, 0, 0]);
    let breach = fatal("08P01", "unsupported protocol version");
    for first in [
        refused_version(),
        vec![Turn::HearStart, Turn::Say(breach)],
        // Hangs up without a word.
        vec![Turn::HearStart],
        // Offers a version that is not known here.
        vec![Turn::HearStart, Turn::Say(offer)],
    ] {
        let mut second = welcome();
        second.insert(0, Turn::HearStart);
        let player = Player::new(vec![first, second]);
        let target = target(player.addr, "x");
        block_on(async { connect(&target, "loader").await.unwrap().close().await });
        let minors: Vec<_> = player
            .heard()
            .iter()
            .map(|heard| heard.start().minor)
            .collect();
        assert_eq!(minors, [51, 0]);
    }
}

#[test]
fn a_refusal_for_another_reason_is_not_asked_again() {
    let player = Player::new(vec![vec![
        Turn::HearStart,
        Turn::Say(fatal(
            "57P03",
            "the local listen ip and port is not for the gsql client",
        )),
    ]]);
    let error = block_on(connect(&target(player.addr, "x"), "loader")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(
        render(&error).contains("the one for clients"),
        "{}",
        render(&error)
    );
    player.heard();
}

#[test]
fn a_server_of_version_3_2_gets_its_long_cancel_key_back() {
    let key: Vec<u8> = (0..32).collect();
    let mut script = welcome();
    script[2] = Turn::Say(framed(b'K', &[&[0, 0, 0, 7][..], &key].concat()));
    script.insert(0, Turn::HearStart);
    script.insert(1, Turn::Say(framed(b'v', &[0, 3, 0, 2, 0, 0, 0, 0])));
    let player = Player::new(vec![script, vec![Turn::HearStart]]);
    let target = target(player.addr, "x");
    block_on(async {
        let session = connect(&target, "loader").await.unwrap();
        let canceller = session.canceller();
        session.close().await;
        canceller.cancel().await.unwrap();
    });
    let heard = player.heard();
    let expected = [&[0, 0, 0, 44, 4, 210, 22, 46, 0, 0, 0, 7][..], &key].concat();
    assert_eq!(heard[1].messages, [expected]);
}

/// What a server sends for a query with these rows.
fn answer(rows: &[&[&str]]) -> Vec<Turn> {
    let columns = rows.first().map_or(1, |row| row.len());
    let count = |number: usize| u16::try_from(number).expect("a few").to_be_bytes();
    let column = [b"c\0".as_slice(), &[0; 18]].concat();
    let mut messages = vec![framed(
        b'T',
        &[&count(columns)[..], &column.repeat(columns)].concat(),
    )];
    for row in rows {
        let mut body = count(row.len()).to_vec();
        for field in *row {
            body.extend(
                u32::try_from(field.len())
                    .expect("a short field")
                    .to_be_bytes(),
            );
            body.extend(field.as_bytes());
        }
        messages.push(framed(b'D', &body));
    }
    messages.push(framed(b'C', b"SELECT 1\0"));
    messages.push(framed(b'Z', b"I"));
    messages.into_iter().map(Turn::Say).collect()
}

/// What a server sends to refuse a query.
fn refusal(code: &str) -> Vec<Turn> {
    let fields = format!("SERROR\0C{code}\0Mno\0\0");
    [framed(b'E', fields.as_bytes()), framed(b'Z', b"I")]
        .map(Turn::Say)
        .into()
}

/// A login, then an answer to each query, then the goodbye.
fn asked(gauss: bool, version: &str, answers: Vec<Vec<Turn>>) -> Player {
    let mut script = welcome();
    script.insert(0, Turn::HearStart);
    let reported = format!("server_version\0{version}\0");
    script.insert(3, Turn::Say(framed(b'S', reported.as_bytes())));
    if gauss {
        script.insert(2, Turn::Say(framed(b'S', b"is_sysadmin\0off\0")));
    }
    for answer in answers {
        script.push(Turn::Hear);
        script.extend(answer);
    }
    script.push(Turn::Hear);
    Player::new(vec![script])
}

/// What `identify` says of it, and the queries it took.
fn identified(player: Player, declared: Option<Kind>) -> (Result<String, Error>, Vec<String>) {
    let target = target(player.addr, "x");
    let said = block_on(async {
        let mut session = connect(&target, "loader").await.expect("a login");
        let said = identify(&mut session, declared).await;
        if let Ok(server) = &said {
            assert_eq!(server, session.server());
        }
        session.close().await;
        said
    });
    let heard = player.heard();
    let queries = heard[0].messages[1..]
        .iter()
        .filter(|said| said[0] == b'Q')
        .map(|said| String::from_utf8_lossy(&said[5..said.len() - 1]).into_owned());
    (
        said.map(|server| server.described()).map_err(Error::from),
        queries.collect(),
    )
}

const VERSION: &str = "SELECT pg_catalog.version()";
const MODE: &str = "SELECT datcompatibility FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
const NODES: &str = "SELECT node_type, count(*) FROM pg_catalog.pgxc_node GROUP BY node_type";

#[test]
fn a_server_says_what_it_is_and_a_newer_postgresql_is_not_asked() {
    let dws = "PostgreSQL 9.2.4 (GaussDB 8.2.1 build 39137c2d) compiled at 2022-09-23";
    let cluster: &[&[&str]] = &[&["C", "3"], &["D", "6"]];
    let (said, queries) = identified(
        asked(
            true,
            "9.2.4",
            vec![answer(&[&[dws]]), answer(&[&["ORA"]]), answer(cluster)],
        ),
        None,
    );
    assert_eq!(
        said.unwrap(),
        "GaussDB(DWS) 8.2.1, ORA-compatible, 3 coordinators, 6 data nodes"
    );
    assert_eq!(queries, [VERSION, MODE, NODES]);

    let (said, queries) = identified(asked(false, "15.18", vec![]), None);
    assert_eq!(said.unwrap(), "PostgreSQL 15.18");
    assert!(queries.is_empty(), "{queries:?}");

    let greenplum = "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:a) on x86_64";
    let (said, queries) = identified(asked(false, "12.12", vec![answer(&[&[greenplum]])]), None);
    assert_eq!(said.unwrap(), "Greenplum Database 7.1.0");
    assert_eq!(queries, [VERSION]);

    let (said, queries) = identified(asked(true, "9.2.4", vec![]), Some(Kind::PostgreSql));
    assert_eq!(said.unwrap(), "PostgreSQL 9.2.4");
    assert!(queries.is_empty(), "{queries:?}");
}

#[test]
fn a_catalog_that_is_not_there_leaves_a_gap_and_an_expired_password_is_told() {
    let opengauss = "(openGauss 3.0.6 build ) compiled at 2026-11-23 07:55:18 commit 0";
    let (said, queries) = identified(
        asked(
            true,
            "9.2.4",
            vec![answer(&[&[opengauss]]), refusal("42703"), refusal("42P01")],
        ),
        None,
    );
    assert_eq!(said.unwrap(), "openGauss 3.0.6");
    assert_eq!(queries, [VERSION, MODE, NODES]);

    let (said, _) = identified(asked(true, "9.2.4", vec![refusal("28P02")]), None);
    let error = said.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Login);
    assert!(render(&error).contains("the password has expired"));
    let (said, _) = identified(asked(true, "9.2.4", vec![refusal("57014")]), None);
    assert_eq!(said.unwrap_err().kind(), ErrorKind::Server);
}

/// Plays `script` to a target with the password of the recordings; the login is to fail.
fn refuse(script: Vec<Turn>, change: impl FnOnce(&mut Target)) -> (Error, Heard) {
    let player = Player::new(vec![script]);
    let mut target = target(player.addr, "Loader@2024");
    change(&mut target);
    let error = block_on(connect(&target, "loader")).expect_err("a refusal");
    let heard = player.heard().pop().expect("one connection");
    (error, heard)
}

fn host(addr: SocketAddr, password: &str) -> Host {
    Host {
        address: Address::Tcp {
            name: addr.ip().to_string(),
            addr: Some(addr.ip()),
        },
        port: addr.port(),
        password: Some(Secret::new(password)),
    }
}

fn target(addr: SocketAddr, password: &str) -> Target {
    Target::new(host(addr, password), "u_sha", "d_a")
}
