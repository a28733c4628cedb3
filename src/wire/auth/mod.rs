//! The native login of Gauss servers (DWS, openGauss, GaussDB): challenges and answers as bytes.
//!
//! These servers number their own password methods among the authentication requests of
//! PostgreSQL: 10 (SHA-256), 11 (MD5 over a SHA-256 password) and 13 (SM3). [`Challenge::read`]
//! tells them from SASL, which PostgreSQL means by 10 to 12; [`Challenge::answer`] works out what
//! the client has to say. Facts from the openGauss source (`auth.cpp`, `sha2.cpp`,
//! `fe-auth.cpp`) and from conversations with an openGauss 3.0.6, which are test data here.
//!
//! The proof lets whoever asked for it try passwords offline, and the server proves itself only to
//! a client that starts with protocol 3.0. Hence the guards: see [`AuthError`].

mod answer;
mod challenge;
mod hex;
mod keys;
mod stretch;

pub(super) use answer::Answering;
pub(super) use challenge::{Challenge, Rounds};

/// Fewer rounds than any Gauss server allows (`auth_iteration_count`): whoever states them wants a
/// proof that is cheap to guess passwords from.
const FEWEST_ROUNDS: u32 = 2048;

/// More rounds take longer than a login may, several seconds: whoever states them wants us busy.
const MOST_ROUNDS: u32 = 10_000_000;

/// The server's default for `auth_iteration_count`.
const USUAL_ROUNDS: u32 = 10_000;

/// Rounds up to which a server's signature is tried, where the server does not state them.
const SEARCHED_ROUNDS: u32 = 200_000;

/// Why a challenge is not answered. Nothing that depends on the password was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthError {
    /// The request has this code and not its layout.
    Malformed(i32),
    /// A method that is not known here: 12 (SHA-256 of lite servers) or 14 (IAM token).
    Unsupported(i32),
    /// The challenge is a dummy: no password would be accepted.
    Unanswerable,
    /// The server states a number of rounds that is not reasonable.
    Rounds(u32),
    /// The server's signature fits this password with no number of rounds: one of the two is
    /// false.
    Unproven,
    /// The server asks for a second proof in one login.
    AskedTwice,
    /// The proof cannot be bound to the TLS connection, and should be.
    Unbound,
    /// There is no password.
    NoPassword,
}
