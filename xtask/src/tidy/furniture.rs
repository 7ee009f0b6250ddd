//! Every room has the same furniture: first lines, crate pages, honest names, no dead code, pure rooms kept pure.

use anyhow::Result;

use crate::tidy::Inspection;
use crate::tidy::source::Source;

/// Names that say nothing.
const JUNK_NAMES: &[&str] =
    &["utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "types", "stuff"];
/// What a crate's page tells, as headings or as the first words of its paragraphs.
const PAGE_HEADINGS: &[&str] = &["What", "Boundary", "Invariants", "Not here"];
/// Words that mark what is not done.
const UNDONE: &[&str] = &["todo!", "unimplemented!", "FIXME", "XXX"];
/// Rooms that decide in pure code: no sockets, no files, no threads, outside their `run/`.
const PURE: &[&str] = &[
    "core/protocol/",
    "core/subject/",
    "core/conf/",
    "core/api/",
    "core/auth/",
    "core/broker/",
    "core/links/",
    "core/jetstream/",
];
/// What a pure room does not name.
const IMPURE: &[&str] =
    &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "std::fs", "std::thread", "std::process"];
/// Rooms in which tokio may be named only under `run/`.
const TOKIO_UNDER_RUN: &[&str] =
    &["core/broker/", "core/links/", "core/jetstream/", "core/cluster/", "core/mqtt/", "plugins/host/"];

pub(super) fn check(inspection: &mut Inspection) -> Result<()> {
    let mut found = Vec::new();
    for source in &inspection.sources {
        let mut say = |line: Option<usize>, what: String| {
            let place = line.map_or_else(|| source.name.clone(), |line| format!("{}:{}", source.name, line + 1));
            found.push((place, what));
        };
        check_first_line(source, &mut say);
        check_page(source, &mut say);
        check_name(source, &mut say);
        check_lines(source, &mut say);
        check_purity(source, &mut say);
    }
    for (place, what) in found {
        inspection.find(&place, what);
    }
    Ok(())
}

type Say<'a> = dyn FnMut(Option<usize>, String) + 'a;

fn check_first_line(source: &Source, say: &mut Say<'_>) {
    // A compile-time attribute or a shebang may come first; the sentence has to come before any code.
    let first = source.lines.iter().find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        say(None, "begins without a `//!` line that says what it is for".into());
    }
}

fn check_page(source: &Source, say: &mut Say<'_>) {
    let is_crate_page = source.name.ends_with("/src/lib.rs")
        && ["core/", "plugins/host/", "sdk/src/", "sdk/macros/"].iter().any(|room| source.name.starts_with(room));
    if !is_crate_page {
        return;
    }
    let page: Vec<&str> = source.lines.iter().map_while(|line| line.strip_prefix("//!")).collect();
    for heading in PAGE_HEADINGS {
        let told = page.iter().any(|line| line.trim_start_matches(['#', ' ', '*', '_']).starts_with(heading));
        if !told {
            say(None, format!("its page has no heading \"{heading}\""));
        }
    }
}

fn check_name(source: &Source, say: &mut Say<'_>) {
    for part in source.name.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if JUNK_NAMES.contains(&stem) {
            say(None, format!("\"{stem}\" says nothing: name it after what it holds"));
        }
    }
}

fn check_lines(source: &Source, say: &mut Say<'_>) {
    let is_this_file = source.name.ends_with("tidy/furniture.rs");
    for (index, line) in source.lines.iter().enumerate() {
        if let Some(word) = UNDONE.iter().find(|word| line.contains(**word))
            && !is_this_file
        {
            say(Some(index), format!("{word}: finish it, refuse it with an error, or leave it out"));
        }
        if is_commented_out_code(line) {
            say(Some(index), "commented-out code: take it out, git remembers".into());
        }
    }
}

fn is_commented_out_code(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("// ") else { return false };
    let comment = comment.trim();
    let is_statement = comment.ends_with(';') && (comment.contains('(') || comment.contains(" = "));
    let opens_block = comment.ends_with('{')
        && ["fn ", "if ", "for ", "while ", "match ", "impl "].iter().any(|word| comment.starts_with(word));
    let begins_as_code = ["let ", "use ", "pub ", "return ", "self."].iter().any(|word| comment.starts_with(word));
    (is_statement && begins_as_code) || opens_block
}

fn check_purity(source: &Source, say: &mut Say<'_>) {
    let under_run = source.name.contains("/src/run/") || source.name.ends_with("/src/run.rs");
    let ships = source.name.contains("/src/");
    if under_run || !ships {
        return;
    }
    let is_pure = PURE.iter().any(|room| source.name.starts_with(room));
    let no_tokio = TOKIO_UNDER_RUN.iter().any(|room| source.name.starts_with(room));
    let clusterless = source.name.starts_with("core/")
        && !["core/cluster/", "core/server/"].iter().any(|room| source.name.starts_with(room));
    for (index, line) in source.shipped_code() {
        if let Some(word) = IMPURE.iter().find(|word| is_pure && line.contains(**word)) {
            say(Some(index), format!("{word} in a pure room: decide here, act in `run/` or in the server"));
        }
        if no_tokio && line.contains("tokio::") {
            say(Some(index), "tokio outside `run/`".into());
        }
        if clusterless && line.contains("is_clustered") {
            say(Some(index), "is_clustered outside cluster and server: replication is transport, not behaviour".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, text: &str) -> Vec<String> {
        let source = Source::parse(name, text);
        let mut all = Vec::new();
        let mut say = |_line: Option<usize>, what: String| all.push(what);
        check_first_line(&source, &mut say);
        check_page(&source, &mut say);
        check_name(&source, &mut say);
        check_lines(&source, &mut say);
        check_purity(&source, &mut say);
        all
    }

    #[test]
    fn a_good_file_is_left_alone() {
        let text = "//! What a purge takes away.\n\n// The floor moves first, because a reader may look; see ADR 3.\nfn purge() {}\n";
        assert_eq!(said("core/jetstream/src/stream/purge.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_its_sentence_is_found() {
        assert_eq!(said("core/api/src/a.rs", "use std::fmt;\n").len(), 1);
    }

    #[test]
    fn commented_out_code_is_found_and_prose_is_not() {
        assert!(is_commented_out_code("    // let x = compute(y);"));
        assert!(is_commented_out_code("// if x {"));
        assert!(!is_commented_out_code("// if x holds, the log (all of it) is kept;"));
        assert!(!is_commented_out_code("/// let x = compute(y);"));
    }

    #[test]
    fn pure_rooms_name_no_files_and_no_tokio() {
        assert_eq!(said("core/broker/src/a.rs", "//! x\nuse std::fs::File;\nuse tokio::sync::Mutex;\n").len(), 2);
        assert_eq!(said("core/broker/src/run/a.rs", "//! x\nuse tokio::sync::Mutex;\n").len(), 0);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(said("core/api/src/utils.rs", "//! x\n").len(), 1);
    }
}
