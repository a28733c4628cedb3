//! Who may log in, how the server keeps each password, and how it checks an answer.
//!
//! All of it is worked out here from the published algorithm and with library hashes alone: this
//! is what the loader's login is checked against.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sm3::Sm3;

/// The rounds of a password hash, where a server was not told otherwise.
pub(super) const USUAL_ROUNDS: u32 = 10_000;

/// The form in which a server keeps a password (`password_encryption_type` when it was set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// SHA-256 alone.
    Sha256,
    /// SHA-256 and MD5.
    Combined,
    /// MD5 alone.
    Md5,
    /// SM3.
    Sm3,
    /// Not at all: PASSWORD DISABLE.
    Nothing,
}

/// The method of the line of `pg_hba.conf` that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hba {
    Sha256,
    Md5,
    Sm3,
}

/// What older servers asked for under code 10; today's never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legacy {
    /// Method 0, with the layout of method 2.
    Plain,
    /// Method 1: SHA-256 over an MD5 password and a salt of four bytes.
    Md5,
}

/// An account of the gate.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(super) name: String,
    pub(super) password: String,
    stored: Stored,
    pub(super) hba: Hba,
    pub(super) legacy: Option<Legacy>,
    rounds: u32,
    salt: Option<[u8; 32]>,
    pub(super) may_log_in: bool,
    pub(super) expired: bool,
    pub(super) administrator: bool,
    pub(super) role: Option<String>,
}

impl Account {
    /// An ordinary user, whose password is kept as SHA-256 in 10000 rounds, and is asked for so.
    pub(crate) fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            stored: Stored::Sha256,
            hba: Hba::Sha256,
            legacy: None,
            rounds: USUAL_ROUNDS,
            salt: None,
            may_log_in: true,
            expired: false,
            administrator: false,
            role: None,
        }
    }

    /// Keeps the password in this form.
    #[must_use]
    pub(crate) fn stored(mut self, stored: Stored) -> Self {
        self.stored = stored;
        self
    }

    /// Is asked by this method of `pg_hba.conf`.
    #[must_use]
    pub(crate) fn hba(mut self, hba: Hba) -> Self {
        self.hba = hba;
        self
    }

    /// Is asked as older servers did.
    #[must_use]
    pub(crate) fn legacy(mut self, legacy: Legacy) -> Self {
        self.legacy = Some(legacy);
        self
    }

    /// Hashes the password in so many rounds (`auth_iteration_count` when it was set).
    #[must_use]
    pub(crate) fn rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds;
        self
    }

    /// Hashes it with this salt. By default the salt is drawn.
    #[must_use]
    pub(crate) fn salt(mut self, salt: [u8; 32]) -> Self {
        self.salt = Some(salt);
        self
    }

    /// May not log in: a role for rights alone.
    #[must_use]
    pub(crate) fn nologin(mut self) -> Self {
        self.may_log_in = false;
        self
    }

    /// Has a password that expired: it logs in, and every statement is refused.
    #[must_use]
    pub(crate) fn expired(mut self) -> Self {
        self.expired = true;
        self
    }

    /// May set what an ordinary user may not, such as `lockwait_timeout`.
    #[must_use]
    pub(crate) fn administrator(mut self) -> Self {
        self.administrator = true;
        self
    }

    /// Works behind the gate as this role of the PostgreSQL there; by default as the user who owns
    /// every database.
    #[must_use]
    pub(crate) fn role(mut self, role: &str) -> Self {
        self.role = Some(role.to_owned());
        self
    }

    /// What the server keeps.
    pub(super) fn verifier(&self) -> Verifier {
        let md5 = || format!("{}{}", self.password, self.name);
        let hashed = |hash| {
            Hashed::new(
                &self.password,
                self.salt.unwrap_or_else(draw),
                self.rounds,
                hash,
            )
        };
        let (hashed, md5) = match self.stored {
            Stored::Sha256 => (Some(hashed(Hash::Sha256)), None),
            Stored::Combined => (Some(hashed(Hash::Sha256)), Some(md5())),
            Stored::Md5 => (None, Some(md5())),
            Stored::Sm3 => (Some(hashed(Hash::Sm3)), None),
            Stored::Nothing => (None, None),
        };
        Verifier {
            hashed,
            md5: md5.map(|text| hex(&Md5::digest(text))),
        }
    }
}

/// What a server keeps of a password; never the password.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    pub(super) hashed: Option<Hashed>,
    /// `hex(MD5(password + user))`, without the word `md5` before it.
    pub(super) md5: Option<String>,
}

impl Verifier {
    /// One that no password fits, with a given salt.
    pub(super) fn fake(salt: [u8; 32], hash: Hash) -> Self {
        Self {
            hashed: Some(Hashed {
                hash,
                salt,
                server_key: draw(),
                stored_key: draw(),
                rounds: USUAL_ROUNDS,
            }),
            md5: None,
        }
    }
}

/// The hash by which a server knows the client's key again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sm3,
}

impl Hash {
    fn of(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Self::Sha256 => Sha256::digest(bytes).into(),
            Self::Sm3 => Sm3::digest(bytes).into(),
        }
    }
}

/// A salted, stretched password, as the server keeps it.
#[derive(Debug, Clone)]
pub(super) struct Hashed {
    pub(super) hash: Hash,
    pub(super) salt: [u8; 32],
    server_key: [u8; 32],
    stored_key: [u8; 32],
    pub(super) rounds: u32,
}

impl Hashed {
    fn new(password: &str, salt: [u8; 32], rounds: u32, hash: Hash) -> Self {
        let stretched = pbkdf2::pbkdf2_hmac_array::<Sha1, 32>(password.as_bytes(), &salt, rounds);
        // The missing `r` is part of the protocol.
        let label: &[u8] = match hash {
            Hash::Sha256 => b"Sever Key",
            Hash::Sm3 => b"Server Key",
        };
        Self {
            hash,
            salt,
            server_key: keyed(&stretched, label),
            stored_key: hash.of(&keyed(&stretched, b"Client Key")),
            rounds,
        }
    }

    /// What the server signs a token with, for a client that was not told the rounds.
    pub(super) fn signature(&self, token: [u8; 4]) -> [u8; 32] {
        keyed(&self.server_key, &token)
    }

    /// Whether `answer`, 64 hex digits, is a proof of the password for `token`. Digits are taken as
    /// the server takes them: its decoder knows small letters alone.
    pub(super) fn is_proven(&self, token: [u8; 4], answer: &[u8]) -> bool {
        let Some(proof) = unhex(answer).and_then(|proof| <[u8; 32]>::try_from(proof).ok()) else {
            return false;
        };
        let mask = keyed(&self.stored_key, &token);
        let client_key: Vec<u8> = proof.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        self.hash.of(&client_key) == self.stored_key
    }

    /// What is to come as an answer to code 11: a digest of all that is kept, its rounds too.
    pub(super) fn md5_answer(&self, salt: [u8; 4]) -> String {
        let kept = format!(
            "{}{}{}{}",
            hex(&self.salt),
            hex(&self.server_key),
            hex(&self.stored_key),
            kept_rounds(self.rounds)
        );
        let digest = Md5::new().chain_update(kept).chain_update(salt).finalize();
        format!("md5{}", hex(&digest))
    }
}

/// A number of rounds as it is kept: eleven letters, each of a fixed word and moved on by a decimal
/// digit, the lowest digit first.
fn kept_rounds(rounds: u32) -> String {
    let digits = format!("{rounds:011}");
    "ecdfdcefade"
        .bytes()
        .zip(digits.bytes().rev())
        .map(|(letter, digit)| char::from(letter + digit - b'0'))
        .collect()
}

/// The answer to code 5, over what the server keeps.
pub(super) fn md5_answer(kept: &str, salt: [u8; 4]) -> String {
    let digest = Md5::new().chain_update(kept).chain_update(salt).finalize();
    format!("md5{}", hex(&digest))
}

/// The answer to code 10 with method 1, over what the server keeps.
pub(super) fn legacy_md5_answer(kept: &str, salt: [u8; 4]) -> String {
    let digest = Sha256::new()
        .chain_update(kept)
        .chain_update(salt)
        .finalize();
    format!("sha256{}", hex(&digest))
}

/// The salt of a user who is not there: always the same for the same name.
pub(super) fn stable_salt(user: &str) -> [u8; 32] {
    Sha256::digest(format!("salt of {user}")).into()
}

fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Bytes that nobody guesses: `RandomState` is seeded by the system.
pub(super) fn draw<const N: usize>() -> [u8; N] {
    use std::hash::{BuildHasher, RandomState};
    std::array::from_fn(|_| RandomState::new().hash_one(0).to_be_bytes()[0])
}

/// Small hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("a hex digit");
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(digits).collect()
}

/// The bytes of small hex digits.
pub(super) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?))
        .collect()
}
