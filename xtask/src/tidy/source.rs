//! A Rust file as the checks see it: its text, its code without comments and strings, its functions, its test lines.

use std::path::Path;

use anyhow::{Context, Result};

use crate::checkout::Checkout;

/// A file.
pub(crate) struct Source {
    /// Its name relative to the root.
    pub(crate) name: String,
    /// Its lines as they are.
    pub(crate) lines: Vec<String>,
    /// Its lines with comments and the insides of strings blanked.
    pub(crate) code: Vec<String>,
    /// Its functions that have a body.
    pub(crate) functions: Vec<Function>,
    /// For each line, whether it belongs to tests.
    test: Vec<bool>,
}

/// A function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The index of the line that names it.
    pub(crate) first: usize,
    /// The index of the line of its closing brace.
    pub(crate) last: usize,
}

impl Function {
    /// How many lines it takes.
    pub(crate) fn lines(&self) -> usize {
        self.last - self.first + 1
    }
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(checkout: &Checkout, path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self::parse(&checkout.name(path), &text))
    }

    /// Takes a text apart.
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let blanked = blank(text);
        let code: Vec<String> = blanked.lines().map(str::to_string).collect();
        let test = if is_test_file(name) { vec![true; code.len()] } else { test_lines(&blanked, code.len()) };
        Self {
            name: name.to_string(),
            lines: text.lines().map(str::to_string).collect(),
            functions: functions(&blanked),
            test,
            code,
        }
    }

    /// Whether a line belongs to tests.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.test.get(line).copied().unwrap_or(false)
    }

    /// How many lines do not belong to tests.
    pub(crate) fn length(&self) -> usize {
        self.test.iter().filter(|test| !**test).count()
    }

    /// The code lines that do not belong to tests, with their indices.
    pub(crate) fn shipped_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.is_test(*index))
            .map(|(index, line)| (index, line.as_str()))
    }
}

fn is_test_file(name: &str) -> bool {
    let folders: Vec<&str> = name.split('/').collect();
    let inner = folders.iter().skip(1).any(|folder| ["tests", "benches", "examples"].contains(folder));
    inner || name.starts_with("tests/clients") || name.ends_with("/tests.rs") || name.ends_with("_tests.rs")
}

/// Replaces comments and what stands in strings and character literals by blanks; lines and columns stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if is_word_start(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'b' if is_word_start(bytes, at) && bytes.get(at + 1) == Some(&b'r') => {
                raw_string_end(bytes, at + 1).unwrap_or(at)
            }
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_word_start(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
            (b'*', b'/') => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#` and so on, from the `r`; `None` if it is something else, such as a raw identifier.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    let length = bytes[open + 1..].windows(close.len()).position(|window| window == close.as_slice());
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// A character literal; `None` if the quote begins a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(at + 3 + close + 1);
    }
    let rest = std::str::from_utf8(bytes.get(at + 1..(at + 6).min(bytes.len()))?).ok().or_else(|| {
        // The window may cut a character in two; a shorter one then holds it whole.
        std::str::from_utf8(bytes.get(at + 1..at + 4)?).ok()
    })?;
    let mut letters = rest.chars();
    let first = letters.next()?;
    (letters.next()? == '\'').then(|| at + 1 + first.len_utf8() + 1)
}

fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if !is_word_start(bytes, at) {
            continue;
        }
        let name: String =
            code[at + 3..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = body_start(bytes, at).filter(|_| !name.is_empty()) else { continue };
        let close = matching_brace(bytes, open);
        found.push(Function { name, first: line_of(bytes, at), last: line_of(bytes, close) });
    }
    found
}

/// The opening brace of a function's body; `None` if it has none (a trait's method, a function type).
fn body_start(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (offset, byte) in bytes[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at + offset),
            b';' | b'}' | b',' | b'=' if depth < 0 => return None,
            b';' if depth == 0 => return None,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

fn matching_brace(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0i32;
    for (offset, byte) in bytes[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset;
        }
    }
    bytes.len().saturating_sub(1)
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Marks the lines of items under `#[cfg(test)]`.
fn test_lines(code: &str, count: usize) -> Vec<bool> {
    let bytes = code.as_bytes();
    let mut test = vec![false; count];
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let Some(offset) = bytes[at..].iter().position(|byte| matches!(byte, b'{' | b';')) else { continue };
        let end = if bytes[at + offset] == b'{' { matching_brace(bytes, at + offset) } else { at + offset };
        for line in line_of(bytes, at)..=line_of(bytes, end) {
            if let Some(mark) = test.get_mut(line) {
                *mark = true;
            }
        }
    }
    test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_hide_braces() {
        let source = Source::parse(
            "core/x/src/a.rs",
            "fn a() {\n  let x = \"}\"; // }\n  let y = '}';\n  r#\"}\"#;\n}\nfn b() {}\n",
        );
        let spans: Vec<_> = source.functions.iter().map(|f| (f.name.as_str(), f.first, f.last)).collect();
        assert_eq!(spans, [("a", 0, 4), ("b", 5, 5)]);
    }

    #[test]
    fn lifetimes_are_no_character_literals() {
        let source = Source::parse("core/x/src/a.rs", "fn a<'x>(x: &'x str) -> &'x str {\n  x\n}\n");
        assert_eq!(source.functions[0].lines(), 3);
    }

    #[test]
    fn a_method_without_a_body_is_no_function() {
        let source = Source::parse("core/x/src/a.rs", "trait T { fn a(&self);\n fn b(f: fn(u8) -> u8) { }\n}\n");
        assert_eq!(source.functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn test_modules_do_not_count() {
        let source = Source::parse("core/x/src/a.rs", "//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n");
        assert_eq!(source.length(), 2);
    }

    #[test]
    fn test_files_do_not_count() {
        assert_eq!(Source::parse("core/x/tests/it/main.rs", "fn a() {}\n").length(), 0);
        assert_eq!(Source::parse("core/x/src/a/tests.rs", "fn a() {}\n").length(), 0);
        assert_eq!(Source::parse("tests/conformance/src/main.rs", "fn a() {}\n").length(), 1);
    }
}
