//! A password or token as the configuration holds it: plain, or hashed with bcrypt.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::limits::BCRYPT_PASSWORD_BYTES_MAX;

/// A configured password or token. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    hashed: bool,
}

impl Secret {
    /// Takes what stands in the configuration; a value that looks like a bcrypt hash is one.
    pub fn new(text: impl Into<String>) -> Secret {
        let text = text.into();
        let hashed = looks_like_bcrypt(&text);
        Secret { text, hashed }
    }

    /// Whether comparing costs a bcrypt run (tens of milliseconds and more).
    pub fn is_hashed(&self) -> bool {
        self.hashed
    }

    /// Whether the configuration holds the secret itself. An empty one hides nothing, and nats-server
    /// does not warn about it either.
    pub fn is_plain_text(&self) -> bool {
        !self.hashed && !self.text.is_empty()
    }

    /// Whether `offered` is this secret. Takes the same time wherever the two differ.
    pub fn matches(&self, offered: &str) -> bool {
        if self.hashed {
            // A malformed hash matches nothing, as in nats-server.
            return offered.len() <= BCRYPT_PASSWORD_BYTES_MAX && bcrypt::verify(offered, &self.text).unwrap_or(false);
        }
        self.text.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.hashed { "Secret(bcrypt)" } else { "Secret(plain)" })
    }
}

/// nats-server's test: `^\$2[abxy]\$\d{2}\$.*` (auth.go, `validBcryptPrefix`).
fn looks_like_bcrypt(text: &str) -> bool {
    match text.as_bytes() {
        [b'$', b'2', variant, b'$', tens, ones, b'$', ..] => {
            matches!(variant, b'a' | b'b' | b'x' | b'y') && tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_secret_matches_only_itself() {
        let secret = Secret::new("s3cret");
        assert!(secret.matches("s3cret") && secret.is_plain_text());
        for other in ["", "s3cre", "s3cret ", "S3cret"] {
            assert!(!secret.matches(other), "{other:?}");
        }
    }

    #[test]
    fn a_bcrypt_hash_is_recognised_and_compared() {
        let hash = bcrypt::hash("s3cret", 4).unwrap();
        let secret = Secret::new(hash.clone());
        assert!(secret.is_hashed() && !secret.is_plain_text());
        assert!(secret.matches("s3cret"));
        assert!(!secret.matches("other") && !secret.matches(&hash));
        assert!(!secret.matches(&"x".repeat(BCRYPT_PASSWORD_BYTES_MAX + 1)));
    }

    #[test]
    fn a_broken_hash_matches_nothing() {
        let secret = Secret::new("$2a$11$short");
        assert!(secret.is_hashed() && !secret.matches("$2a$11$short"));
    }

    #[test]
    fn only_the_four_variants_with_a_two_digit_cost_are_hashes() {
        for hash in ["$2a$11$x", "$2b$04$", "$2x$12$y", "$2y$10$z"] {
            assert!(looks_like_bcrypt(hash), "{hash}");
        }
        for plain in ["", "$2c$11$x", "$2a$1$x", "$2a$111$", "2a$11$x", "$3a$11$x"] {
            assert!(!looks_like_bcrypt(plain), "{plain}");
        }
    }

    #[test]
    fn debug_never_shows_the_secret() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(plain)");
    }
}
