//! What the server asks, read from an authentication request.

use super::keys::Hash;
use super::{AuthError, FEWEST_ROUNDS, MOST_ROUNDS, hex};

/// A Gauss server's request for a proof of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wire) enum Challenge {
    /// Code 10 over a SHA-256 password, and code 13 over an SM3 password.
    Proof {
        hash: Hash,
        salt: [u8; 32],
        token: [u8; 4],
        rounds: Rounds,
    },
    /// Code 11: an MD5 digest of what the server keeps of a SHA-256 password. The salt is digested
    /// as it is written.
    Md5OfSha256 { salt: [u8; 64], md5_salt: [u8; 4] },
    /// Code 10 over an MD5 password, by older servers.
    Sha256OfMd5 { salt: [u8; 4] },
}

/// How often the password is hashed, as far as the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) enum Rounds {
    /// Stated: to a client that started with protocol 3.51.
    Stated(u32),
    /// Not stated, but the server signs the token: to a client that started with 3.0.
    Signed([u8; 32]),
    /// Neither: to a client that started with 3.50.
    Unsaid,
}

/// Codes of the authentication request.
const SHA256: i32 = 10;
const MD5_SHA256: i32 = 11;
const SHA256_RFC: i32 = 12;
const SM3: i32 = 13;
const IAM_TOKEN: i32 = 14;

/// How the server keeps the password, as it says in codes 10 and 13.
const KEPT_PLAIN: i32 = 0;
const KEPT_AS_MD5: i32 = 1;
const KEPT_AS_SHA256: i32 = 2;
const KEPT_AS_SM3: i32 = 3;

impl Challenge {
    /// Reads an authentication request that opens a login; `body` is what follows the code.
    ///
    /// `None`: the request is PostgreSQL's own. Of codes that both use, 10 is SASL when a mechanism's
    /// name follows, which begins with a letter; 11 and 12 belong to SASL only once that has begun,
    /// and then this function is not to be asked.
    ///
    /// # Errors
    /// It is a Gauss server's request that cannot be answered, or that should not be.
    pub(in crate::wire) fn read(code: i32, body: &[u8]) -> Result<Option<Self>, AuthError> {
        match code {
            SHA256 if body.len() < 4 || body[0] != 0 => Ok(None),
            SHA256 | SM3 => Self::read_proof(code, body).map(Some),
            MD5_SHA256 => Self::read_md5(body)
                .map(Some)
                .ok_or(AuthError::Malformed(code)),
            SHA256_RFC | IAM_TOKEN => Err(AuthError::Unsupported(code)),
            _ => Ok(None),
        }
    }

    fn read_proof(code: i32, body: &[u8]) -> Result<Self, AuthError> {
        let malformed = AuthError::Malformed(code);
        let (&kept, body) = body.split_first_chunk().ok_or(malformed)?;
        let hash = match (code, i32::from_be_bytes(kept)) {
            (SHA256, KEPT_AS_MD5) => {
                let salt = body.try_into().map_err(|_| malformed)?;
                return Ok(Self::Sha256OfMd5 { salt });
            }
            (SHA256, KEPT_PLAIN | KEPT_AS_SHA256) => Hash::Sha256,
            (SM3, KEPT_AS_SM3) => Hash::Sm3,
            _ => return Err(malformed),
        };
        let (salt, body) = body.split_first_chunk::<64>().ok_or(malformed)?;
        let (token, rest) = body.split_first_chunk::<8>().ok_or(malformed)?;
        if token == &[0; 8] {
            // What openGauss sends for an SM3 password under an `md5` line of pg_hba.conf.
            return Err(AuthError::Unanswerable);
        }
        Ok(Self::Proof {
            hash,
            salt: hex::decode(salt).ok_or(malformed)?,
            token: hex::decode(token).ok_or(malformed)?,
            rounds: Rounds::read(rest)?.ok_or(malformed)?,
        })
    }

    fn read_md5(body: &[u8]) -> Option<Self> {
        let (&salt, md5_salt) = body.split_first_chunk::<64>()?;
        hex::decode::<32>(&salt)?;
        Some(Self::Md5OfSha256 {
            salt,
            md5_salt: md5_salt.try_into().ok()?,
        })
    }
}

impl Rounds {
    /// Reads what follows the token.
    fn read(rest: &[u8]) -> Result<Option<Self>, AuthError> {
        match *rest {
            [] => Ok(Some(Self::Unsaid)),
            [a, b, c, d] => {
                // Signed on the wire; a negative number is refused as a large one.
                let rounds = u32::from_be_bytes([a, b, c, d]);
                if !(FEWEST_ROUNDS..=MOST_ROUNDS).contains(&rounds) {
                    return Err(AuthError::Rounds(rounds));
                }
                Ok(Some(Self::Stated(rounds)))
            }
            _ => Ok(hex::decode(rest).map(Self::Signed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body of a code 10 request over a SHA-256 password.
    fn body(rest: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 2];
        body.extend([b'a'; 64]);
        body.extend(b"01020304");
        body.extend(rest);
        body
    }

    #[test]
    fn sasl_is_left_to_others() {
        for body in [&b"SCRAM-SHA-256\0\0"[..], b"\0", b""] {
            assert_eq!(Challenge::read(10, body), Ok(None), "{body:?}");
        }
        for code in [0, 2, 3, 5, 7, 8, 9] {
            assert_eq!(Challenge::read(code, &[0, 1, 2, 3]), Ok(None), "{code}");
        }
    }

    #[test]
    fn rounds_that_serve_an_attacker_are_refused() {
        for (rounds, fair) in [
            (0, false),
            (1, false),
            (2047, false),
            (2048, true),
            (10_000_000, true),
            (10_000_001, false),
            (u32::MAX, false),
        ] {
            let read = Challenge::read(10, &body(&rounds.to_be_bytes()));
            match read {
                Ok(Some(_)) => assert!(fair, "{rounds}"),
                Err(AuthError::Rounds(named)) => assert!(!fair && named == rounds, "{rounds}"),
                other => panic!("{rounds}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_request_of_another_layout_is_malformed() {
        let whole = body(&10_000_u32.to_be_bytes());
        for length in (4..whole.len()).filter(|length| *length != 76) {
            let read = Challenge::read(10, &whole[..length]);
            assert_eq!(read, Err(AuthError::Malformed(10)), "{length} bytes");
        }
        let mut other_method = whole.clone();
        other_method[3] = 3;
        assert_eq!(
            Challenge::read(10, &other_method),
            Err(AuthError::Malformed(10))
        );
        assert_eq!(Challenge::read(13, &whole), Err(AuthError::Malformed(13)));
        assert_eq!(
            Challenge::read(11, &whole[4..]),
            Err(AuthError::Malformed(11))
        );
    }

    #[test]
    fn methods_that_are_not_known_are_named() {
        for code in [12, 14] {
            let read = Challenge::read(code, &body(&[]));
            assert_eq!(read, Err(AuthError::Unsupported(code)));
        }
    }

    proptest! {
        #[test]
        fn no_request_stops_the_program(
            code in 0..20,
            random in prop::collection::vec(any::<u8>(), 0..160),
            flipped in (0..80_usize, any::<u8>()),
        ) {
            let _ = Challenge::read(code, &random);
            let mut likely = body(&10_000_u32.to_be_bytes());
            likely[flipped.0] = flipped.1;
            let _ = Challenge::read(code, &likely);
        }
    }
}
