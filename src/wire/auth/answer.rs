//! The answer to a challenge, worked out piece by piece.

use md5::{Digest, Md5};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::challenge::{Challenge, Rounds};
use super::keys::{Hash, Keys};
use super::stretch::Stretch;
use super::{AuthError, FEWEST_ROUNDS, SEARCHED_ROUNDS, USUAL_ROUNDS, hex};

/// Rounds done in one go: some milliseconds.
const SLICE: u32 = 10_000;

/// An answer in the making. The password is hashed thousands of times, so the work is cut into
/// slices, and other work of the program can be done between them.
pub(in crate::wire) struct Answering {
    challenge: Challenge,
    work: Work,
}

enum Work {
    Done(String),
    Stretching(Stretch),
}

impl Challenge {
    /// Begins the answer: what [`Answering::advance`] gives is the text of a password message.
    pub(in crate::wire) fn answer(self, user: &str, password: &str) -> Answering {
        let work = match &self {
            Self::Proof { salt, .. } => Work::Stretching(Stretch::new(password.as_bytes(), salt)),
            Self::Md5OfSha256 { salt, .. } => {
                let salt = hex::decode::<32>(salt).expect("read() has checked the salt");
                Work::Stretching(Stretch::new(password.as_bytes(), &salt))
            }
            Self::Sha256OfMd5 { salt } => Work::Done(sha256_of_md5(user, password, *salt)),
        };
        Answering {
            challenge: self,
            work,
        }
    }
}

impl Answering {
    /// Works for some milliseconds; the answer, once it is there.
    ///
    /// # Errors
    /// [`AuthError::Unproven`]: the server's signature is none for this password.
    pub(in crate::wire) fn advance(&mut self) -> Result<Option<String>, AuthError> {
        let stretch = match &mut self.work {
            Work::Done(answer) => return Ok(Some(std::mem::take(answer))),
            Work::Stretching(stretch) => stretch,
        };
        for _ in 0..SLICE {
            stretch.turn();
            if let Some(answer) = self.challenge.answer_by(stretch)? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}

impl Challenge {
    /// The answer after the rounds that `stretch` has done, if these are the right number.
    fn answer_by(&self, stretch: &Stretch) -> Result<Option<String>, AuthError> {
        match self {
            Self::Proof {
                hash,
                token,
                rounds,
                ..
            } => {
                let keys = || Keys::new(*hash, stretch.key());
                let enough = match rounds {
                    Rounds::Stated(rounds) => stretch.rounds() == *rounds,
                    Rounds::Unsaid => stretch.rounds() == USUAL_ROUNDS,
                    Rounds::Signed(signature) => {
                        if stretch.rounds() > SEARCHED_ROUNDS {
                            return Err(AuthError::Unproven);
                        }
                        stretch.rounds() >= FEWEST_ROUNDS && keys().signed(*token, signature)
                    }
                };
                Ok(enough.then(|| hex::encode(&keys().proof(*token))))
            }
            Self::Md5OfSha256 { salt, md5_salt } => {
                let keys = || Keys::new(Hash::Sha256, stretch.key());
                let enough = stretch.rounds() == USUAL_ROUNDS;
                Ok(enough.then(|| md5_of_sha256(salt, &keys(), USUAL_ROUNDS, *md5_salt)))
            }
            Self::Sha256OfMd5 { .. } => Ok(None),
        }
    }
}

/// The answer to code 11: a digest of all that the server keeps of the password, which ends with
/// the number of rounds. The clients of the vendor leave that end out, and are refused.
fn md5_of_sha256(salt: &[u8; 64], keys: &Keys, rounds: u32, md5_salt: [u8; 4]) -> String {
    let kept = |key: Zeroizing<[u8; 32]>| Zeroizing::new(hex::encode(key.as_slice()));
    let digest = Md5::new()
        .chain_update(salt)
        .chain_update(kept(keys.server_key()).as_bytes())
        .chain_update(kept(keys.stored_key()).as_bytes())
        .chain_update(kept_rounds(rounds))
        .chain_update(md5_salt)
        .finalize();
    format!("md5{}", hex::encode(&digest))
}

/// A number of rounds as the server keeps it: decimal digits, the lowest first, each added to a
/// letter of a fixed word. 10000 is `ecdfecefade`.
fn kept_rounds(rounds: u32) -> [u8; 11] {
    let mut word = *b"ecdfdcefade";
    let mut rest = rounds;
    for letter in &mut word {
        *letter += u8::try_from(rest % 10).expect("a digit is below 10");
        rest /= 10;
    }
    word
}

/// The answer to code 10 over an MD5 password, as the server and libpq have it.
fn sha256_of_md5(user: &str, password: &str, salt: [u8; 4]) -> String {
    let kept = Md5::new()
        .chain_update(password)
        .chain_update(user)
        .finalize();
    let kept = Zeroizing::new(hex::encode(&kept));
    let digest = Sha256::new()
        .chain_update(kept.as_bytes())
        .chain_update(salt)
        .finalize();
    format!("sha256{}", hex::encode(&digest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every vector of the file, as JSON.
    fn vectors() -> Vec<serde_json::Value> {
        let text = include_str!("../../../tests/data/gauss/auth-vectors.json");
        let mut file: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(file["vectors"].take()).unwrap()
    }

    fn bytes(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        pairs.map(|pair| byte(pair).unwrap()).collect()
    }

    /// Reads a whole `R` message.
    fn read(message: &[u8]) -> Result<Option<Challenge>, AuthError> {
        let code = i32::from_be_bytes(*message[5..].first_chunk().unwrap());
        Challenge::read(code, &message[9..])
    }

    fn finish(mut answering: Answering) -> Result<String, AuthError> {
        loop {
            if let Some(answer) = answering.advance()? {
                return Ok(answer);
            }
        }
    }

    #[test]
    fn every_vector_is_answered_as_published() {
        let mut count = [0; 14];
        for vector in vectors() {
            let id = &vector["id"];
            let text = |name: &str| {
                vector[name]
                    .as_str()
                    .unwrap_or_else(|| panic!("{id} {name}"))
            };
            let rounds = vector["iteration"].as_u64().unwrap_or(10_000);
            let expected = text("client_response");
            let answered = |form: &str| {
                let request = bytes(vector["wire"][form].as_str().unwrap());
                let challenge = read(&request)?.expect("a Gauss challenge");
                finish(challenge.answer(text("user"), text("password")))
            };
            let code = vector["auth_code"].as_u64().unwrap();
            match (code, &vector["stored_method"]) {
                (10 | 13, method) if method != 1 => {
                    assert_eq!(own_proof(&vector), expected, "{id}");
                    let fair = rounds >= u64::from(FEWEST_ROUNDS);
                    let forms = [("request_minor_51", fair), ("request_minor_0", fair)];
                    for (form, accepted) in forms {
                        let answer = answered(form);
                        assert_eq!(answer.is_ok(), accepted, "{id} {form} {answer:?}");
                        if let Ok(answer) = answer {
                            assert_eq!(answer, expected, "{id} {form}");
                        }
                    }
                    if rounds == 10_000 && code == 10 {
                        assert_eq!(answered("request_minor_50").unwrap(), expected, "{id}");
                    }
                }
                (10, _) => assert_eq!(answered("request").unwrap(), expected, "{id}"),
                (11, _) => {
                    // The server's own digest, and not the form without the rounds.
                    let server_expects = text("server_head_expects");
                    assert_eq!(own_md5(&vector), server_expects, "{id}");
                    if rounds == 10_000 {
                        assert_eq!(answered("request").unwrap(), server_expects, "{id}");
                    }
                }
                (5, _) => {
                    // PostgreSQL's, which tokio-postgres answers by this function.
                    let salt: [u8; 4] = bytes(text("md5_salt")).try_into().unwrap();
                    let (user, password) = (text("user"), text("password").as_bytes());
                    let answer = postgres_protocol::authentication::md5_hash(
                        user.as_bytes(),
                        password,
                        salt,
                    );
                    assert_eq!(answer, expected, "{id}");
                }
                other => panic!("{id}: {other:?}"),
            }
            count[usize::try_from(code).unwrap()] += 1;
        }
        assert_eq!((count[5], count[10], count[11], count[13]), (2, 10, 3, 2));
    }

    /// The keys of a vector, without the guards, each compared with the published one.
    fn own_keys(vector: &serde_json::Value, hash: Hash) -> Keys {
        let text = |name: &str| vector[name].as_str().unwrap();
        let salt = bytes(text("random64code"));
        let mut stretch = Stretch::new(text("password").as_bytes(), &salt);
        while u64::from(stretch.rounds()) < vector["iteration"].as_u64().unwrap() {
            stretch.turn();
        }
        let keys = Keys::new(hash, stretch.key());
        for (name, key) in [
            ("k", stretch.key()),
            ("server_key", keys.server_key()),
            ("stored_key", keys.stored_key()),
        ] {
            if let Some(published) = vector["intermediates"][name].as_str() {
                assert_eq!(
                    hex::encode(key.as_slice()),
                    published,
                    "{} {name}",
                    vector["id"]
                );
            }
        }
        keys
    }

    fn own_proof(vector: &serde_json::Value) -> String {
        let hash = match vector["auth_code"].as_u64() {
            Some(13) => Hash::Sm3,
            _ => Hash::Sha256,
        };
        let keys = own_keys(vector, hash);
        let token: [u8; 4] = hex::decode(vector["token"].as_str().unwrap().as_bytes()).unwrap();
        let signature = vector["server_signature"].as_str().unwrap();
        let signature = hex::decode(signature.as_bytes()).unwrap();
        assert!(keys.signed(token, &signature), "{}", vector["id"]);
        let mut other = signature;
        other[31] ^= 1;
        assert!(!keys.signed(token, &other), "{}", vector["id"]);
        hex::encode(&keys.proof(token))
    }

    fn own_md5(vector: &serde_json::Value) -> String {
        let keys = own_keys(vector, Hash::Sha256);
        let salt = vector["random64code"].as_str().unwrap().as_bytes();
        let rounds = u32::try_from(vector["iteration"].as_u64().unwrap()).unwrap();
        let md5_salt = bytes(vector["md5_salt"].as_str().unwrap());
        md5_of_sha256(
            salt.try_into().unwrap(),
            &keys,
            rounds,
            md5_salt.try_into().unwrap(),
        )
    }

    #[test]
    fn rounds_are_kept_as_the_server_does() {
        for vector in vectors() {
            let Some(verifier) = vector["stored_verifier"].as_str() else {
                continue;
            };
            let rounds = u32::try_from(vector["iteration"].as_u64().unwrap()).unwrap();
            let kept = kept_rounds(rounds);
            let kept = std::str::from_utf8(&kept).unwrap();
            assert!(verifier.ends_with(kept), "{} {kept}", vector["id"]);
        }
        assert_eq!(&kept_rounds(10_000), b"ecdfecefade");
    }

    #[test]
    fn a_server_that_does_not_know_the_password_gets_no_proof() {
        let vectors = vectors();
        let known = |vector: &&serde_json::Value| vector["id"] == "sha256-legacy-2048";
        let vector = vectors.iter().find(known).unwrap();
        let mut request = bytes(vector["wire"]["request_minor_0"].as_str().unwrap());
        let password = vector["password"].as_str().unwrap();
        let begin =
            |request: &[u8], password| read(request).unwrap().unwrap().answer("u", password);
        assert!(finish(begin(&request, password)).is_ok());
        assert_eq!(finish(begin(&request, "another")), Err(AuthError::Unproven));
        // Another token than the one that was signed.
        request[5 + 8 + 64] ^= 1;
        assert_eq!(finish(begin(&request, password)), Err(AuthError::Unproven));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn any_password_is_answered(
            password in any::<String>(),
            salt in any::<[u8; 32]>(),
            token in any::<[u8; 4]>(),
        ) {
            let proof = |hash, password: &str| Challenge::Proof {
                hash, salt, token, rounds: Rounds::Stated(FEWEST_ROUNDS),
            }.answer("u", password);
            for hash in [Hash::Sha256, Hash::Sm3] {
                let answer = finish(proof(hash, &password)).unwrap();
                prop_assert!(hex::decode::<32>(answer.as_bytes()).is_some());
                let mut other = password.clone();
                other.push('x');
                prop_assert_ne!(finish(proof(hash, &other)).unwrap(), answer);
            }
        }
    }
}
