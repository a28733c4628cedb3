//! PBKDF2 (RFC 8018) with HMAC-SHA-1, one round after the other, so that the key of each number of
//! rounds can be looked at on the way.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::{Zeroize, Zeroizing};

/// Length of an HMAC-SHA-1, in bytes.
const BLOCK: usize = 20;

/// A password on its way to a key of 32 bytes: the two blocks that make it up.
pub(super) struct Stretch {
    mac: Hmac<Sha1>,
    last: [[u8; BLOCK]; 2],
    sums: [[u8; BLOCK]; 2],
    rounds: u32,
}

impl Stretch {
    /// After the first round.
    pub(super) fn new(password: &[u8], salt: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(password).expect("HMAC takes a key of any length");
        let first = |number: u32| {
            let mut mac: Hmac<Sha1> = mac.clone();
            mac.update(salt);
            mac.update(&number.to_be_bytes());
            mac.finalize().into_bytes().into()
        };
        let blocks = [first(1), first(2)];
        Self {
            mac,
            last: blocks,
            sums: blocks,
            rounds: 1,
        }
    }

    /// One more round.
    pub(super) fn turn(&mut self) {
        for (last, sum) in self.last.iter_mut().zip(&mut self.sums) {
            let mut mac = self.mac.clone();
            mac.update(last);
            *last = mac.finalize().into_bytes().into();
            for (sum, byte) in sum.iter_mut().zip(last) {
                *sum ^= *byte;
            }
        }
        self.rounds += 1;
    }

    /// How many rounds were done.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The key after these rounds.
    pub(super) fn key(&self) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let (first, second) = key.split_at_mut(BLOCK);
        first.copy_from_slice(&self.sums[0]);
        second.copy_from_slice(&self.sums[1][..second.len()]);
        key
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        self.last.zeroize();
        self.sums.zeroize();
    }
}
