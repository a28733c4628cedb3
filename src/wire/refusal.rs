//! What a login that failed teaches: the reason in the server's words or ours, and what to do.

use std::error::Error as StdError;

use super::auth::AuthError;
use super::condition::Condition;
use super::error::ServerMessage;
use super::login::{LoginError, Proof};
use crate::error::{Error, ErrorKind};

/// The error of a login that failed; `proof` is what the server asked of the password.
pub(super) fn explain(error: LoginError, proof: Option<Proof>) -> Error {
    match error {
        LoginError::Refused(said) => refused(*said, proof),
        LoginError::Declined(reason) => declined(reason),
        LoginError::Failed(cause) => broken_off(&cause),
        LoginError::OtherVersion => Error::new(
            ErrorKind::Connect,
            "what answers speaks neither version 3.51 nor 3.0 of the PostgreSQL protocol",
        ),
    }
}

/// A refusal at login. A server that is starting, stopping or full may take us elsewhere or later;
/// anything else is about who we are.
pub(super) fn refused(said: ServerMessage, proof: Option<Proof>) -> Error {
    let kind = if matches!(said.class(), "57" | "53") {
        ErrorKind::Connect
    } else {
        ErrorKind::Login
    };
    let hint = match said.code.as_str() {
        "28P01" => Some(wrong_password(proof)),
        "28000" => Some(not_admitted(&said.message, proof)),
        "3D000" => Some("check the database name; without one, it is the user's name"),
        "57P03" if said.message.contains("listen ip and port") => Some(
            "this is the port on which the servers of a cluster talk among themselves; use the one for clients, 8000 on DWS",
        ),
        _ => None,
    };
    let error = said.into_error(kind);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What to do about a password that was refused. Nobody tries another: ten failures lock an
/// account on Gauss servers.
fn wrong_password(proof: Option<Proof>) -> &'static str {
    match proof {
        Some(Proof::Gauss(11)) => {
            "the server asks for MD5 but stores a SHA-256 password, and few passwords pass that way; ask for a `sha256` line in pg_hba.conf, and check the password"
        }
        Some(Proof::Gauss(13)) => {
            "check the user and the password; an SM3 login also fails when the server's pg_hba.conf says `sm3` and the password is stored in another form, or the reverse"
        }
        Some(Proof::Gauss(_)) => {
            "check the user and the password before you try again: ten failures lock the account; a password comes from the job file, PGPASSWORD or ~/.pgpass"
        }
        _ => {
            "check the user and the password; a password comes from the job file, PGPASSWORD or ~/.pgpass"
        }
    }
}

/// What to do about a user who is not let in. The code does not tell the cases apart, so the words
/// have to, where they are known; openGauss does not translate them.
fn not_admitted(message: &str, proof: Option<Proof>) -> &'static str {
    if message.contains("account has been locked") {
        "too many failed logins lock an account for a day, or as long as password_lock_time says; an administrator opens it with ALTER USER ... ACCOUNT UNLOCK"
    } else if message.contains("period of validity") {
        "the account is not valid yet or any more; an administrator sets VALID BEGIN and VALID UNTIL with ALTER USER"
    } else if message.contains("not permitted to log") {
        "the role is for rights alone; log in as a user, or ask for ALTER ROLE ... LOGIN"
    } else if message.contains("login denied") && proof.is_none() {
        "the server stores no password for this user, or knows none; an administrator sets one with ALTER USER ... PASSWORD"
    } else {
        "the server's rules (pg_hba.conf) do not admit this user, host, database and encryption"
    }
}

/// A request that we do not answer.
fn declined(reason: AuthError) -> Error {
    let (message, hint) = match reason {
        AuthError::Malformed(code) => (
            format!("the server asks for a login that makes no sense (authentication code {code})"),
            None,
        ),
        AuthError::Unsupported(14) => (
            "the server asks for an IAM token (authentication code 14), which is not supported"
                .into(),
            Some("log in as a database user with a password"),
        ),
        AuthError::Unsupported(code) => (
            format!(
                "the server asks for a login that is not supported (authentication code {code})"
            ),
            Some("ask for a `sha256` line in pg_hba.conf for this user and host"),
        ),
        AuthError::Unanswerable => (
            "the server asks for a proof that no password can give".into(),
            Some(
                "it stores this user's password in another form than its pg_hba.conf asks for; ask for a line that fits, such as `sm3` for an SM3 password",
            ),
        ),
        AuthError::Rounds(rounds) => (
            format!("the server asks for {rounds} rounds of password hashing"),
            Some(
                "less than 2048 would give the password away and more than 10000000 takes too long: this may be no real server; nothing was sent",
            ),
        ),
        AuthError::Unproven => (
            "the password is not the one that the server knows".into(),
            Some(
                "either it is wrong, or this is no real server, or one that hashes in more than 200000 rounds; nothing was sent, so no failed login is counted",
            ),
        ),
        AuthError::AskedTwice => (
            "the server asks for a second proof of the password".into(),
            Some("this may be no real server"),
        ),
        AuthError::Unbound => (
            "the server asks for a login without channel binding".into(),
            Some(
                "channel_binding=require asks for it, and only the SCRAM of PostgreSQL over TLS has it; DWS and openGauss do not",
            ),
        ),
        AuthError::NoPassword => (
            "the server asks for a password, and there is none".into(),
            Some("set PGPASSWORD, add a line to ~/.pgpass, or use a service file"),
        ),
    };
    let error = Error::new(ErrorKind::Login, message);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The socket fell, what answers is no PostgreSQL server, or tokio-postgres does not trust it.
fn broken_off(cause: &tokio_postgres::Error) -> Error {
    let source = StdError::source(cause);
    let text = source.map_or_else(|| cause.to_string(), ToString::to_string);
    if text.contains("received fatal alert") {
        // In TLS 1.3 the server looks at our certificate after the handshake.
        return Error::new(
            ErrorKind::Login,
            format!("the server refuses our side of TLS: {text}"),
        )
        .hint("check sslcert and sslkey: the server must trust who signed the certificate");
    }
    let fell = cause.is_closed() || source.is_some_and(<dyn StdError>::is::<std::io::Error>);
    let kind = if fell {
        ErrorKind::Connect
    } else {
        ErrorKind::Login
    };
    let condition = if fell {
        Condition::Connection
    } else {
        Condition::Lasting
    };
    Error::new(kind, format!("the login broke off: {text}")).under(condition)
}
