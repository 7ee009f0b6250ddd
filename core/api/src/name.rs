//! Names of streams and consumers.

/// True for a name that a stream or consumer may have (nats-server `isValidAssetName`): not empty, and without space,
/// tab, line ends, form feed, `.`, `*`, `>`, `/` and `\`. The length is checked by who gives the error for it.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.bytes().any(|byte| b" \t\r\n\x0c.*>\\/".contains(&byte))
}

/// True for a name with a path separator, which has an error of its own.
#[must_use]
pub fn has_path_separator(name: &str) -> bool {
    name.contains(['\\', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_characters_with_a_meaning_in_subjects_or_paths() {
        for name in ["A", "a-b_c", "\u{e9}t\u{e9}", "$KV", "a,b"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in ["", "a b", "a.b", "a*", ">", "a/b", "a\\b", "a\tb", "a\nb"] {
            assert!(!is_valid_name(name), "{name}");
        }
    }
}
