//! Documents that speak of the code are held against it: named paths exist, links lead somewhere, hashes are fresh.

use anyhow::Result;

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
/// The byte layout on disk is described in the one and implemented in the other; the first carries the second's hash.
const FORMAT_DOCUMENT: &str = "docs/design/store-format.md";
const FORMAT_SOURCE: &str = "core/store/src/log/format.rs";

pub(super) fn check(inspection: &mut Inspection) -> Result<()> {
    for document in PATHS_CHECKED {
        check_paths(inspection, document)?;
    }
    for path in inspection.checkout.files("docs", ".md")? {
        let name = inspection.checkout.name(&path);
        check_links(inspection, &name)?;
    }
    for document in ["README.md", "CONTRIBUTING.md", "dashboards/README.md"] {
        check_links(inspection, document)?;
    }
    check_format_hash(inspection)
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

fn check_format_hash(inspection: &mut Inspection) -> Result<()> {
    let (Some(document), Some(source)) = (read(inspection, FORMAT_DOCUMENT), read(inspection, FORMAT_SOURCE)) else {
        return Ok(());
    };
    let hash = fnv(&source);
    if !document.contains(&hash) {
        let what = format!(
            "the layout in {FORMAT_SOURCE} changed: bring the drawing up to date, then write its hash `{hash}` there"
        );
        inspection.find(FORMAT_DOCUMENT, what);
    }
    Ok(())
}

/// FNV-1a over the text, 64 bits in hex: it only has to notice a change.
fn fnv(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
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
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv("a"), "af63dc4c8601ec8c");
    }
}
