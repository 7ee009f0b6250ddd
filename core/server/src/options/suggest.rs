//! "Did you mean …?": the known name nearest to what was typed.

/// The candidate that differs from `typed` by few enough edits, if one does.
pub fn closest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let allowed = match typed.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = edits(&typed, &candidate.to_ascii_lowercase());
        let near = distance <= allowed && distance < candidate.chars().count().max(typed.chars().count());
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many insertions, deletions, replacements and swaps of neighbours turn one into the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_char = None;
    for (row, from_char) in from.chars().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        for (column, &to_char) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (at(&last, column) + usize::from(from_char != to_char))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = column > 0 && to.get(column - 1) == Some(&from_char) && previous_char == Some(to_char);
            if swapped {
                cost = cost.min(at(&before_last, column - 1) + 1);
            }
            current.push(cost);
        }
        previous_char = Some(from_char);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_what_a_typist_does() {
        for (from, to, count) in
            [("", "", 0), ("abc", "abc", 0), ("max_paylod", "max_payload", 1), ("prot", "port", 1), ("a", "xyz", 3)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["listen", "limits", "log", "pid_file"];
        assert_eq!(closest("listne", names), Some("listen"));
        assert_eq!(closest("pidfile", names), Some("pid_file"));
        assert_eq!(closest("frobnicate", names), None);
        assert_eq!(closest("xy", names), None);
    }
}
