//! One filter against one subject, or against another filter.

use crate::token::{FULL_WILDCARD, WILDCARD, tokens};

/// True if the literal `subject` is among those that `filter` names.
pub fn filter_matches(filter: &[u8], subject: &[u8]) -> bool {
    let mut subject_tokens = tokens(subject);
    for token in tokens(filter) {
        let Some(have) = subject_tokens.next() else { return false };
        if token == FULL_WILDCARD {
            return true;
        }
        if token != WILDCARD && token != have {
            return false;
        }
    }
    subject_tokens.next().is_none()
}

/// True if some subject matches both filters (nats-server `SubjectsCollide`).
pub fn filters_overlap(left: &[u8], right: &[u8]) -> bool {
    let (mut left, mut right) = (tokens(left), tokens(right));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
            (Some(l), Some(r)) => {
                if l == FULL_WILDCARD || r == FULL_WILDCARD {
                    return true;
                }
                if l != WILDCARD && r != WILDCARD && l != r {
                    return false;
                }
            }
        }
    }
}

/// True if each subject that `inner` names is named by `outer` too (nats-server `subjectIsSubsetMatch`).
pub fn is_subset_of(inner: &[u8], outer: &[u8]) -> bool {
    let mut inner = tokens(inner);
    for want in tokens(outer) {
        let Some(have) = inner.next() else { return false };
        if want == FULL_WILDCARD {
            return true;
        }
        if have == FULL_WILDCARD || (want != WILDCARD && want != have) {
            return false;
        }
    }
    inner.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_what_it_names() {
        assert!(filter_matches(b"a.*.c", b"a.b.c"));
        assert!(filter_matches(b"a.>", b"a.b.c"));
        assert!(!filter_matches(b"a.>", b"a"));
        assert!(!filter_matches(b"a.*", b"a.b.c"));
        assert!(filter_matches(b"a*.b", b"a*.b"));
    }

    #[test]
    fn overlap_is_symmetric_and_subset_is_not() {
        for (l, r, want) in [
            ("a.*", "*.b", true),
            ("a.>", "a.b.c", true),
            ("a.b", "a.c", false),
            (">", "x", true),
            ("a", "a.b", false),
            ("a.>", "a", false),
        ] {
            assert_eq!(filters_overlap(l.as_bytes(), r.as_bytes()), want, "{l} {r}");
            assert_eq!(filters_overlap(r.as_bytes(), l.as_bytes()), want, "{r} {l}");
        }
        assert!(is_subset_of(b"a.*", b"a.>"));
        assert!(!is_subset_of(b"a.>", b"a.*"));
        assert!(is_subset_of(b"a.b", b"*.b"));
        assert!(!is_subset_of(b"*.b", b"a.b"));
    }
}
