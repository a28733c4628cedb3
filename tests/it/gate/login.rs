//! The challenge that an account gets, and the check of its answer.

use super::accounts::{
    Hash, Hba, Legacy, Verifier, draw, hex, legacy_md5_answer, md5_answer, stable_salt,
};
use super::frames::Frame;

/// Numbers that a server draws, where a test needs certain ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drawn {
    /// The token of codes 10 and 13, and the salt of codes 5 and 11.
    pub(super) token: Option<[u8; 4]>,
    /// The salt of a challenge that no password answers.
    pub(super) fake_salt: Option<[u8; 32]>,
}

/// A request for a proof of the password, and what makes one.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) frame: Frame,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    Proof {
        verifier: Verifier,
        token: [u8; 4],
    },
    Answer(String),
    /// No answer is right.
    Nothing,
}

/// What an account is asked in its login.
pub(super) struct Asked<'a> {
    pub(super) user: &'a str,
    /// None for a user who is not there.
    pub(super) verifier: Option<&'a Verifier>,
    pub(super) hba: Hba,
    pub(super) legacy: Option<Legacy>,
    /// The minor version of the start-up message.
    pub(super) minor: u16,
    pub(super) drawn: Drawn,
}

impl Challenge {
    /// The challenge of a password login; `None` where the server keeps no password, and so does
    /// not ask. As `sendAuthRequest` of openGauss decides, and as it was recorded.
    pub(super) fn new(asked: &Asked<'_>) -> Option<Self> {
        let token = asked.drawn.token.unwrap_or_else(draw);
        let new = asked.minor >= 50;
        let fake = |hash| Verifier::fake(fake_salt(asked), hash);
        let Some(verifier) = asked.verifier else {
            return Some(if new {
                Self::proof(fake(Hash::Sha256), asked.minor, token)
            } else {
                Self::md5(None, token)
            });
        };
        let hash = verifier.hashed.as_ref().map(|hashed| hashed.hash);
        let md5 = verifier.md5.as_deref();
        if let (Some(Legacy::Md5), Some(kept)) = (asked.legacy, md5) {
            return Some(Self::legacy_md5(kept, token));
        }
        Some(match (asked.hba, hash, md5) {
            (_, None, None) => return None,
            (Hba::Sha256, Some(Hash::Sha256), md5) if new || md5.is_none() => {
                let challenge = Self::proof(verifier.clone(), asked.minor, token);
                match asked.legacy {
                    Some(Legacy::Plain) => challenge.with_method(0),
                    _ => challenge,
                }
            }
            (Hba::Sha256 | Hba::Md5, _, Some(kept)) => Self::md5(Some(kept), token),
            (Hba::Md5, Some(Hash::Sha256), None) => Self::md5_of_sha256(verifier, token),
            (Hba::Sm3, Some(Hash::Sm3), _) => Self::proof(verifier.clone(), asked.minor, token),
            // The token field is left empty, as recorded.
            (Hba::Md5, _, _) => Self::proof(fake(Hash::Sm3), asked.minor, token).with_empty_token(),
            (Hba::Sha256 | Hba::Sm3, _, _) => Self::proof(fake(Hash::Sm3), asked.minor, token),
        })
    }

    /// Codes 10 and 13: rounds for 3.51, a signature for versions before 3.50.
    fn proof(verifier: Verifier, minor: u16, token: [u8; 4]) -> Self {
        let hashed = verifier.hashed.as_ref().expect("a salted password");
        let (code, method) = match hashed.hash {
            Hash::Sha256 => (10, 2),
            Hash::Sm3 => (13, 3),
        };
        let mut body = [i32::to_be_bytes(code), i32::to_be_bytes(method)].concat();
        body.extend(hex(&hashed.salt).bytes());
        body.extend(hex(&token).bytes());
        if minor < 50 {
            body.extend(hex(&hashed.signature(token)).bytes());
        } else if minor > 50 {
            body.extend(hashed.rounds.to_be_bytes());
        }
        Self {
            frame: Frame::new(b'R', &body),
            expected: Expected::Proof { verifier, token },
        }
    }

    fn with_method(mut self, method: i32) -> Self {
        let mut body = self.frame.body().to_vec();
        body[4..8].copy_from_slice(&method.to_be_bytes());
        self.frame = Frame::new(b'R', &body);
        self
    }

    fn with_empty_token(mut self) -> Self {
        let mut body = self.frame.body().to_vec();
        body[72..80].fill(0);
        self.frame = Frame::new(b'R', &body);
        self
    }

    /// Code 5; an answer is right for a password that is kept.
    fn md5(kept: Option<&str>, salt: [u8; 4]) -> Self {
        Self {
            frame: Frame::new(b'R', &[&5i32.to_be_bytes()[..], &salt].concat()),
            expected: kept.map_or(Expected::Nothing, |kept| {
                Expected::Answer(md5_answer(kept, salt))
            }),
        }
    }

    /// Code 11: the rounds are not stated, so no client can know others than the usual ones.
    fn md5_of_sha256(verifier: &Verifier, md5_salt: [u8; 4]) -> Self {
        let hashed = verifier.hashed.as_ref().expect("a salted password");
        let salt = hex(&hashed.salt);
        let body = [&11i32.to_be_bytes()[..], salt.as_bytes(), &md5_salt].concat();
        Self {
            frame: Frame::new(b'R', &body),
            expected: Expected::Answer(hashed.md5_answer(md5_salt)),
        }
    }

    /// Code 10, method 1.
    fn legacy_md5(kept: &str, salt: [u8; 4]) -> Self {
        let codes = [i32::to_be_bytes(10), i32::to_be_bytes(1)].concat();
        Self {
            frame: Frame::new(b'R', &[&codes[..], &salt].concat()),
            expected: Expected::Answer(legacy_md5_answer(kept, salt)),
        }
    }

    /// Whether the text of a password message proves the password.
    pub(super) fn is_answered_by(&self, answer: &[u8]) -> bool {
        match &self.expected {
            Expected::Proof { verifier, token } => verifier
                .hashed
                .as_ref()
                .is_some_and(|hashed| hashed.is_proven(*token, answer)),
            Expected::Answer(expected) => expected.as_bytes() == answer,
            Expected::Nothing => false,
        }
    }
}

fn fake_salt(asked: &Asked<'_>) -> [u8; 32] {
    let drawn = asked.drawn.fake_salt;
    drawn.unwrap_or_else(|| stable_salt(asked.user))
}
