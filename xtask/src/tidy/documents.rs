//! Documents that speak of the code are held against it: named paths exist, links lead somewhere, hashes are fresh.

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::tidy::Inspection;

/// The documents whose backticked paths have to exist.
const PATHS_CHECKED: &[&str] = &["docs/ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"];
/// A word in backticks that begins with one of these is a path from the root.
const ROOTS: &[&str] = &[
    "core/",
    "plugins/",
    "sdk/",
    "examples/",
    "config/",
    "dashboards/",
    "docs/",
    "tests/",
    "xtask/",
    ".ci/",
    "changelog.d/",
];
pub(super) fn check(inspection: &mut Inspection) -> Result<()> {
    for document in PATHS_CHECKED {
        check_paths(inspection, document)?;
    }
    for path in inspection.checkout.files("docs", ".md")? {
        let name = inspection.checkout.name(&path);
        check_links(inspection, &name)?;
        check_hashes(inspection, &name);
    }
    for document in ["README.md", "CONTRIBUTING.md", "dashboards/README.md"] {
        check_links(inspection, document)?;
    }
    Ok(())
}

fn read(inspection: &Inspection, name: &str) -> Option<String> {
    std::fs::read_to_string(inspection.checkout.path(name)).ok()
}

fn check_paths(inspection: &mut Inspection, document: &str) -> Result<()> {
    let Some(text) = read(inspection, document) else {
        inspection.find(document, "is missing");
        return Ok(());
    };
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in backticked(line).filter(|word| ROOTS.iter().any(|root| word.starts_with(root))) {
            if word.contains(['*', '<', ' ', '{', '…']) {
                continue;
            }
            let path = word.split("::").next().unwrap_or(word);
            if !inspection.checkout.path(path).exists() {
                found.push((format!("{document}:{}", index + 1), format!("`{word}` does not exist")));
            }
        }
    }
    for (place, what) in found {
        inspection.find(&place, what);
    }
    Ok(())
}

fn backticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn check_links(inspection: &mut Inspection, document: &str) -> Result<()> {
    let Some(text) = read(inspection, document) else { return Ok(()) };
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for target in links(line) {
            let path = target.split('#').next().unwrap_or(target);
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let path = if folder.is_empty() { path.to_string() } else { format!("{folder}/{path}") };
            if !inspection.checkout.path(&path).exists() {
                found.push((format!("{document}:{}", index + 1), format!("the link to {target} leads nowhere")));
            }
        }
    }
    for (place, what) in found {
        inspection.find(&place, what);
    }
    Ok(())
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// A document that draws what a source file implements (a byte layout, an ABI) carries the file's hash, as
/// `<!-- path sha256 -->`: whoever changes the file looks at the drawing, and then writes the new hash.
fn check_hashes(inspection: &mut Inspection, document: &str) {
    let Some(text) = read(inspection, document) else { return };
    for (path, stated) in text.lines().filter_map(stated_hash) {
        let Ok(bytes) = std::fs::read(inspection.checkout.path(path)) else {
            inspection.find(document, format!("{path}, whose hash it carries, does not exist"));
            continue;
        };
        let actual = format!("{:x}", Sha256::digest(bytes));
        if actual != stated {
            inspection
                .find(document, format!("{path} changed: bring the page up to date, then write its hash {actual}"));
        }
    }
}

fn stated_hash(line: &str) -> Option<(&str, &str)> {
    let (path, hash) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(' ')?;
    (hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some((path, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_backticks_are_found() {
        assert_eq!(backticked("a `core/x.rs` and `y`").collect::<Vec<_>>(), ["core/x.rs", "y"]);
    }

    #[test]
    fn links_are_found() {
        assert_eq!(links("see [a](b.md) and [c](d/e.md#f).").collect::<Vec<_>>(), ["b.md", "d/e.md#f"]);
    }

    #[test]
    fn a_hash_is_told_from_any_other_comment() {
        let hash = "0".repeat(64);
        assert_eq!(stated_hash(&format!("<!-- a/b.rs {hash} -->")), Some(("a/b.rs", hash.as_str())));
        assert_eq!(stated_hash("<!-- checked by xtask: sha256 -->"), None);
    }
}
