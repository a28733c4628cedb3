//! The keys that both sides make of a stretched password.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use zeroize::Zeroizing;

/// How a server keeps the client's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) enum Hash {
    Sha256,
    Sm3,
}

/// A secret of 32 bytes, wiped when dropped.
type Key = Zeroizing<[u8; 32]>;

/// The keys of one password, salt and number of rounds.
pub(super) struct Keys {
    hash: Hash,
    stretched: Key,
}

impl Keys {
    pub(super) fn new(hash: Hash, stretched: Key) -> Self {
        Self { hash, stretched }
    }

    /// What the server signs with. The label of SHA-256 lacks a letter, and has to.
    pub(super) fn server_key(&self) -> Key {
        let label: &[u8] = match self.hash {
            Hash::Sha256 => b"Sever Key",
            Hash::Sm3 => b"Server Key",
        };
        signature(self.stretched.as_slice(), label)
    }

    fn client_key(&self) -> Key {
        signature(self.stretched.as_slice(), b"Client Key")
    }

    /// What the server keeps to check a proof.
    pub(super) fn stored_key(&self) -> Key {
        let client_key = self.client_key();
        Zeroizing::new(match self.hash {
            Hash::Sha256 => Sha256::digest(client_key).into(),
            Hash::Sm3 => Sm3::digest(client_key).into(),
        })
    }

    /// The proof that we know the password: the client's key, under a signature that only its
    /// owner and the server can make.
    pub(super) fn proof(&self, token: [u8; 4]) -> [u8; 32] {
        let mask = signature(self.stored_key().as_slice(), &token);
        let mut proof = *self.client_key();
        for (byte, mask) in proof.iter_mut().zip(mask.iter()) {
            *byte ^= mask;
        }
        proof
    }

    /// Whether `signed` is the signature of a server that keeps this password. In constant time.
    pub(super) fn signed(&self, token: [u8; 4], signed: &[u8; 32]) -> bool {
        let server_key = self.server_key();
        keyed(server_key.as_slice(), &token)
            .verify_slice(signed)
            .is_ok()
    }
}

fn signature(key: &[u8], message: &[u8]) -> Key {
    Zeroizing::new(keyed(key, message).finalize().into_bytes().into())
}

fn keyed(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac
}
