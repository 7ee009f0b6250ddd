//! Counting: what passed, failed and was skipped, read from the lines that test runners print.

/// The outcome of a stage, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// What a person should know: why something was skipped or failed.
    pub(crate) notes: Vec<String>,
}

impl Tally {
    /// A check that has no tests of its own: it counts as one.
    pub(crate) fn check(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed), ..Self::default() }
    }

    /// A stage that could not be carried out.
    pub(crate) fn broken(reason: String) -> Self {
        Self { failed: 1, notes: vec![reason], ..Self::default() }
    }

    /// Something that was left out, with the reason.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self { skipped: 1, notes: vec![reason.into()], ..Self::default() }
    }

    /// Adds another tally to this one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.notes.extend(other.notes.iter().cloned());
    }

    /// `N passed, N failed, N skipped`.
    pub(crate) fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// Reads a closing line of cargo test, of the conformance program or of the Python stories; whether it was one.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        let text = match line.split_once("test result: ") {
            Some((_, rest)) => rest.split_once(". ").map_or(rest, |(_, counts)| counts),
            None => match line.strip_prefix("conformance: ").or_else(|| line.strip_prefix("stories: ")) {
                Some(rest) => rest,
                None => return false,
            },
        };
        for part in text.split([',', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(word)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next()) else {
                continue;
            };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "skipped" | "ignored" => self.skipped += number,
                _ => {}
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_is_counted() {
        let mut tally = Tally::default();
        assert!(
            tally.read("test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.1s")
        );
        assert!(tally.read("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out"));
        assert_eq!(tally.line(), "13 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn our_own_closing_lines_are_counted() {
        let mut tally = Tally::default();
        assert!(tally.read("conformance: 240 passed, 1 failed, 2 skipped"));
        assert!(tally.read("stories: 9 passed, 0 failed, 0 skipped"));
        assert_eq!(tally.line(), "249 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn other_lines_are_left_alone() {
        let mut tally = Tally::default();
        assert!(!tally.read("running 12 tests"));
        assert_eq!(tally, Tally::default());
    }
}
