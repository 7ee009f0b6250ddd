//! What a hidden value becomes.

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// Bytes of the digest that are kept: 128 bits.
const BYTES: usize = 16;

/// SHA-256, or HMAC-SHA-256 where there is a key.
pub(crate) struct Hasher(Option<Hmac<Sha256>>);

impl Hasher {
    pub(crate) fn new(key: &[u8]) -> Self {
        // HMAC takes keys of any length; only an empty one means that there is none.
        Self(if key.is_empty() { None } else { Hmac::new_from_slice(key).ok() })
    }

    /// 32 hexadecimal digits.
    pub(crate) fn hash(&self, text: &str) -> String {
        let digest = match &self.0 {
            Some(keyed) => {
                let mut keyed = keyed.clone();
                keyed.update(text.as_bytes());
                keyed.finalize().into_bytes()
            }
            None => Sha256::digest(text.as_bytes()),
        };
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(2 * BYTES);
        for byte in digest.iter().take(BYTES) {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        // printf '' | sha256sum; RFC 4231 test case 2.
        assert_eq!(Hasher::new(b"").hash(""), "e3b0c44298fc1c149afbf4c8996fb924");
        assert_eq!(Hasher::new(b"Jefe").hash("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c7");
    }
}
