//! Budgets for files and functions (STYLE §2.6).

use crate::tidy::Inspection;
use crate::tidy::allow::judge;
use crate::tidy::source::{Function, Source};

/// A file's lines without its tests.
const FILE_LINES_MAX: usize = 800;
/// A function's lines.
const FUNCTION_LINES_MAX: usize = 70;
/// The inline tests of a file; longer ones move to a file of their own.
const INLINE_TEST_LINES_MAX: usize = 250;
/// How many lines above a function its excuse may stand (attributes and docs lie between).
const EXCUSE_LINES: usize = 12;
/// A comment with this excuses a long function, and says why.
const EXCUSE: &str = "tidy: long";

pub(super) fn check(inspection: &mut Inspection) {
    let mut found = Vec::new();
    let mut met = Vec::new();
    for source in &inspection.sources {
        let row = inspection.allowed.files.get(&source.name).copied();
        if row.is_some() {
            met.push(source.name.clone());
        }
        if let Some(what) = judge(source.length(), FILE_LINES_MAX, row) {
            found.push((source.name.clone(), what));
        }
        let inline = inline_test_lines(source);
        if inline > INLINE_TEST_LINES_MAX {
            found.push((source.name.clone(), format!("{inline} lines of inline tests: move them to a tests.rs")));
        }
        for function in &source.functions {
            if source.is_test(function.first) || is_excused(source, function) {
                continue;
            }
            let key = format!("{}::{}", source.name, function.name);
            let row = inspection.allowed.functions.get(&key).copied();
            if row.is_some() {
                met.push(key.clone());
            }
            if let Some(what) = judge(function.lines(), FUNCTION_LINES_MAX, row) {
                found.push((key, what));
            }
        }
    }
    let rows = inspection.allowed.files.keys().chain(inspection.allowed.functions.keys());
    let gone: Vec<String> = rows.filter(|name| !met.contains(name)).cloned().collect();
    found.extend(gone.into_iter().map(|name| (name, "no such thing any more: take out its row".to_string())));
    for (place, what) in found {
        inspection.find(&place, what);
    }
}

fn inline_test_lines(source: &Source) -> usize {
    if source.length() == 0 { 0 } else { source.code.len() - source.length() }
}

fn is_excused(source: &Source, function: &Function) -> bool {
    let from = function.first.saturating_sub(EXCUSE_LINES);
    let to = (function.first + 2).min(source.lines.len());
    source.lines.get(from..to).is_some_and(|lines| lines.iter().any(|line| line.contains(EXCUSE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excuse_stands_near_the_function() {
        let source = Source::parse("core/x/src/a.rs", "// tidy: long — one table\nfn a() {\n}\n");
        assert!(is_excused(&source, &source.functions[0]));
        let source = Source::parse("core/x/src/a.rs", "fn a() {\n}\n");
        assert!(!is_excused(&source, &source.functions[0]));
    }
}
