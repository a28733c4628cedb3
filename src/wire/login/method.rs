//! How a server asks for the password.

use std::fmt;

use crate::wire::auth::{Challenge, Rounds};

/// What the server asked for to see that we know the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The password itself.
    Clear,
    /// PostgreSQL's MD5 digest.
    Md5,
    /// A Gauss server's method, by the code of its request.
    Gauss(i32),
    /// SASL, which gives nothing away.
    Sasl,
}

/// How the server asked for the password, and how it was answered. `Display` has the names of the
/// manuals: `SCRAM-SHA-256-PLUS`, `SHA256, 10000 rounds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// What it asked for.
    pub proof: Proof,
    /// How often the password is hashed, where the server says so.
    pub rounds: Option<u32>,
    /// The answer is bound to the TLS connection.
    pub bound: bool,
    /// The server keeps the password as an MD5 digest, and asks for SHA-256 over it.
    pub over_md5: bool,
}

impl Method {
    pub(super) fn new(proof: Proof, challenge: Option<&Challenge>) -> Self {
        let rounds = match challenge {
            Some(Challenge::Proof {
                rounds: Rounds::Stated(rounds),
                ..
            }) => Some(*rounds),
            _ => None,
        };
        Self {
            proof,
            rounds,
            bound: false,
            over_md5: matches!(challenge, Some(Challenge::Sha256OfMd5 { .. })),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.proof {
            Proof::Clear => "the password itself",
            Proof::Md5 => "MD5",
            Proof::Gauss(10) if self.over_md5 => "SHA256 over an MD5 password",
            Proof::Gauss(10) => "SHA256",
            Proof::Gauss(11) => "MD5 over a SHA256 password",
            Proof::Gauss(_) => "SM3",
            Proof::Sasl if self.bound => "SCRAM-SHA-256-PLUS",
            Proof::Sasl => "SCRAM-SHA-256",
        })?;
        match self.rounds {
            Some(rounds) => write!(f, ", {rounds} rounds"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(code: i32, body: &[u8]) -> String {
        let challenge = Challenge::read(code, body).unwrap();
        Method::new(Proof::Gauss(code), challenge.as_ref()).to_string()
    }

    #[test]
    fn the_methods_of_gauss_servers_have_their_names() {
        let salt = [b'a'; 64];
        let proof =
            |kept: u8, rest: &[u8]| [&[0, 0, 0, kept], &salt[..], &b"01020304"[..], rest].concat();
        let rounds = 10_000_u32.to_be_bytes();
        assert_eq!(method(10, &proof(2, &rounds)), "SHA256, 10000 rounds");
        assert_eq!(method(10, &proof(2, &[])), "SHA256");
        assert_eq!(method(13, &proof(3, &rounds)), "SM3, 10000 rounds");
        assert_eq!(
            method(10, &[0, 0, 0, 1, 1, 2, 3, 4]),
            "SHA256 over an MD5 password"
        );
        assert_eq!(
            method(11, &[&salt[..], &[1, 2, 3, 4]].concat()),
            "MD5 over a SHA256 password"
        );
    }
}
