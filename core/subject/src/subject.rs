//! What makes a subject or a filter valid (nats-server `sublist.go`: `IsValidSubject`, `IsValidLiteralSubject`).

use crate::token::{FULL_WILDCARD, WILDCARD, tokens};

fn has_space(token: &[u8]) -> bool {
    token.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c))
}

/// True for a filter one may subscribe to: tokens are not empty and hold no white space, `>` stands only at the end.
pub fn is_valid_filter(filter: &[u8]) -> bool {
    let mut full = false;
    for token in tokens(filter) {
        if full || token.is_empty() || has_space(token) {
            return false;
        }
        full = token == FULL_WILDCARD;
    }
    true
}

/// True for a subject one may publish to: like a filter, and no token is a wildcard.
pub fn is_valid_literal(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty() && token != WILDCARD && token != FULL_WILDCARD && !has_space(token))
}

/// True if no token is a wildcard. The subject need not be valid otherwise.
pub fn is_literal(subject: &[u8]) -> bool {
    if memchr::memchr2(b'*', b'>', subject).is_none() {
        return true;
    }
    tokens(subject).all(|token| token != WILDCARD && token != FULL_WILDCARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_follow_nats_rules() {
        for good in ["a", "a.b", "*", ">", "a.*", "a.>", "a.*.c", "a*.b", "a>b", "$SYS.x"] {
            assert!(is_valid_filter(good.as_bytes()), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", ">.a", "a.>.b", "a b", "a.\t"] {
            assert!(!is_valid_filter(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn literals_have_no_wildcard_tokens() {
        assert!(is_valid_literal(b"a.b*"));
        assert!(!is_valid_literal(b"a.*"));
        assert!(!is_valid_literal(b"a.>"));
        assert!(is_literal(b"a>b.c"));
        assert!(!is_literal(b"a.*"));
    }
}
