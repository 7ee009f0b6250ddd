//! `xtask/tidy_allow.toml`: what exceeds a budget today. A row may only shrink, and one that is not needed has to go.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::checkout::Checkout;

/// The file.
pub(crate) const FILE: &str = "xtask/tidy_allow.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    #[serde(default)]
    file: BTreeMap<String, usize>,
    #[serde(default)]
    function: BTreeMap<String, usize>,
}

/// The rows, by file or by `file::function`.
pub(crate) struct Allowed {
    pub(crate) files: BTreeMap<String, usize>,
    pub(crate) functions: BTreeMap<String, usize>,
}

impl Allowed {
    /// Reads the file; a missing one allows nothing.
    pub(crate) fn read(checkout: &Checkout) -> Result<Self> {
        let path = checkout.path(FILE);
        let text = if path.is_file() { std::fs::read_to_string(&path)? } else { String::new() };
        let rows: Rows = toml::from_str(&text).with_context(|| format!("in {FILE}"))?;
        Ok(Self { files: rows.file, functions: rows.function })
    }
}

/// Holds a measured size against its budget and its row; what is wrong, if anything is.
pub(crate) fn judge(size: usize, budget: usize, row: Option<usize>) -> Option<String> {
    match row {
        None if size > budget => Some(format!("{size} lines, the budget is {budget}: split it by what it is about")),
        Some(row) if size > row => Some(format!("{size} lines, and its row in {FILE} allows {row}: rows only shrink")),
        Some(_) if size <= budget => Some(format!("{size} lines are within the budget: take its row out of {FILE}")),
        Some(row) if size < row => Some(format!("it shrank to {size} lines: lower its row in {FILE} from {row}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn within_the_budget_nothing_is_said() {
        assert_eq!(judge(70, 70, None), None);
    }

    #[test]
    fn a_row_holds_at_its_exact_size_only() {
        assert_eq!(judge(90, 70, Some(90)), None);
        assert!(judge(91, 70, Some(90)).is_some());
        assert!(judge(89, 70, Some(90)).is_some());
        assert!(judge(60, 70, Some(90)).is_some());
    }
}
