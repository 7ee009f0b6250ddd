//! Splitting subjects into tokens.

/// What separates tokens.
pub const SEPARATOR: u8 = b'.';
/// Matches one token.
pub const WILDCARD: &[u8] = b"*";
/// Matches one or more tokens at the end.
pub const FULL_WILDCARD: &[u8] = b">";

/// The tokens of a subject or filter, in order; an empty subject has one empty token.
#[inline]
pub fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|byte| *byte == SEPARATOR)
}

/// True if some token is empty.
#[inline]
pub fn has_empty_token(subject: &[u8]) -> bool {
    let mut after_separator = true;
    for byte in subject {
        let separator = *byte == SEPARATOR;
        if separator && after_separator {
            return true;
        }
        after_separator = separator;
    }
    after_separator
}

/// The first token.
#[inline]
pub fn first_token(subject: &[u8]) -> &[u8] {
    match memchr::memchr(SEPARATOR, subject) {
        Some(at) => &subject[..at],
        None => subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_empty_ones() {
        assert_eq!(tokens(b"a..b").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(tokens(b"").count(), 1);
        assert_eq!(first_token(b"a.b"), b"a");
        assert_eq!(first_token(b"a"), b"a");
        for (subject, empty) in [("a", false), ("a.b", false), ("", true), (".a", true), ("a.", true), ("a..b", true)] {
            assert_eq!(has_empty_token(subject.as_bytes()), empty, "{subject}");
        }
    }
}
