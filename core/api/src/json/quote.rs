//! Go's `%q`: a text between quotes, which error texts use for names and raw values.

use std::fmt::Write as _;

/// Quotes bytes as Go's `strconv.Quote` does.
#[must_use]
pub fn go_quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_quoted(&mut out, character);
        }
        for byte in chunk.invalid() {
            push_hex(&mut out, "\\x", u32::from(*byte), 2);
        }
    }
    out.push('"');
    out
}

/// Names a character as Go's JSON scanner does in an error: between single quotes.
pub(super) fn quote_character(character: char) -> String {
    match character {
        '\'' => String::from("'\\''"),
        '"' => String::from("'\"'"),
        other => {
            let mut out = String::from("'");
            push_quoted(&mut out, other);
            out.push('\'');
            out
        }
    }
}

fn push_quoted(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if is_printable(c) => out.push(c),
        c if u32::from(c) < 0x80 => push_hex(out, "\\x", u32::from(c), 2),
        c if u32::from(c) < 0x1_0000 => push_hex(out, "\\u", u32::from(c), 4),
        c => push_hex(out, "\\U", u32::from(c), 8),
    }
}

fn push_hex(out: &mut String, prefix: &str, value: u32, digits: usize) {
    // Writing into a String does not fail.
    let _ = write!(out, "{prefix}{value:0digits$x}");
}

/// Close to Go's `unicode.IsPrint`: what is neither control, nor space other than ' ', nor an invisible mark.
fn is_printable(character: char) -> bool {
    let invisible =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character == ' ' || !(character.is_control() || character.is_whitespace() || invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        assert_eq!(go_quote(b"\"foo\""), "\"\\\"foo\\\"\"");
        assert_eq!(go_quote("a\n\u{1}\u{e9}\u{feff}".as_bytes()), "\"a\\n\\x01\u{e9}\\ufeff\"");
        assert_eq!(go_quote(b"a\xff"), "\"a\\xff\"");
        assert_eq!(quote_character('\''), "'\\''");
        assert_eq!(quote_character('}'), "'}'");
    }
}
