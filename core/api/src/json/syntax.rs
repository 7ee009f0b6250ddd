//! The syntax of JSON with Go's error texts: what `encoding/json`'s scanner says, and at which offset.

use std::ops::Range;

use super::DecodeError;
use super::quote::quote_character;
use crate::limits::JSON_DEPTH_MAX;

/// One value, and where in the body it was written.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

/// A JSON value; numbers are kept as they were written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Takes a field out of an object; see [`super::Document::take`].
    pub(super) fn take(&mut self, field: &str) -> Option<Self> {
        let Value::Object(entries) = &mut self.value else { return None };
        let mut found = None;
        entries.retain(|(key, node)| {
            let is_field = key.eq_ignore_ascii_case(field);
            if is_field {
                found = Some(node.clone());
            }
            !is_field
        });
        found
    }

    /// Go's word for the kind of the value.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }
}

/// Reads all values of a body as one: Go decodes them one after the other into the same variable.
pub(super) fn parse(body: &[u8]) -> Result<Node, DecodeError> {
    let mut scanner = Scanner { body, at: 0 };
    let mut root = Node { value: Value::Null, span: 0..0 };
    scanner.skip_space();
    while scanner.at < body.len() {
        let next = scanner.value(0)?;
        match (&mut root.value, next.value) {
            (_, Value::Null) => {}
            (Value::Object(entries), Value::Object(more)) => entries.extend(more),
            (Value::Null, value @ Value::Object(_)) => root = Node { value, span: next.span },
            // Anything else has the wrong type, and saying so comes before what follows it.
            (_, value) => return Ok(Node { value, span: next.span }),
        }
        scanner.skip_space();
    }
    Ok(root)
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The error for the character that stands here.
    fn unexpected<T>(&self, context: &str) -> Result<T, DecodeError> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let Some(chunk) = rest.utf8_chunks().next() else {
            return Err(DecodeError("unexpected EOF".into()));
        };
        let (name, len) = match chunk.valid().chars().next() {
            Some(character) => (quote_character(character), character.len_utf8()),
            None => (format!("'\\x{:02x}'", chunk.invalid().first().copied().unwrap_or_default()), 1),
        };
        Err(DecodeError(format!("invalid character {name} {context} at offset {}", self.at + len)))
    }

    fn value(&mut self, depth: usize) -> Result<Node, DecodeError> {
        if depth > JSON_DEPTH_MAX {
            return Err(DecodeError(format!("exceeded max depth at offset {}", self.at + 1)));
        }
        self.skip_space();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.literal("true", Value::Bool(true))?,
            Some(b'f') => self.literal("false", Value::Bool(false))?,
            Some(b'n') => self.literal("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => return self.unexpected("looking for beginning of value"),
        };
        Ok(Node { value, span: start..self.at })
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Value, DecodeError> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expected = quote_character(char::from(expected));
                return self.unexpected(&format!("in literal {word} (expecting {expected})"));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut entries = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(entries));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return self.unexpected("looking for beginning of object key string");
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.unexpected("after object key");
            }
            self.at += 1;
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.unexpected("after object key:value pair"),
            }
        }
        self.at += 1;
        Ok(Value::Object(entries))
    }

    fn array(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.unexpected("after array element"),
            }
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    fn number(&mut self) -> Result<String, DecodeError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.body.get(start..self.at).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.unexpected("in numeric literal");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            out.push_str(&String::from_utf8_lossy(self.body.get(start..self.at).unwrap_or_default()));
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => out.push(self.escape()?),
                _ => return self.unexpected("in string"),
            }
        }
        self.at += 1;
        Ok(out)
    }

    /// Reads one escape sequence; half a surrogate pair becomes U+FFFD, as in Go.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let start = self.at;
        self.at += 1;
        let Some(letter) = self.peek() else { return self.unexpected("in string") };
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4(start)?;
                self.surrogate_pair(first).or_else(|| char::from_u32(first)).unwrap_or('\u{fffd}')
            }
            _ => return self.bad_escape(start),
        })
    }

    fn bad_escape<T>(&self, start: usize) -> Result<T, DecodeError> {
        let sequence = String::from_utf8_lossy(self.body.get(start..self.at).unwrap_or_default());
        Err(DecodeError(format!("invalid escape sequence `{sequence}` in string at offset {}", self.at)))
    }

    fn hex4(&mut self, escape_start: usize) -> Result<u32, DecodeError> {
        let Some(digits) = self.body.get(self.at..self.at + 4) else {
            self.at = self.body.len();
            return self.unexpected("in string");
        };
        self.at += 4;
        let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match text.and_then(|text| u32::from_str_radix(text, 16).ok()) {
            Some(value) => Ok(value),
            None => self.bad_escape(escape_start),
        }
    }

    /// After a high surrogate: joins it with the low one that follows, if one does.
    fn surrogate_pair(&mut self, high: u32) -> Option<char> {
        if !(0xd800..0xdc00).contains(&high) || self.body.get(self.at..self.at + 2) != Some(b"\\u") {
            return None;
        }
        let digits = std::str::from_utf8(self.body.get(self.at + 2..self.at + 6)?).ok()?;
        let low = u32::from_str_radix(digits, 16).ok().filter(|low| (0xdc00..0xe000).contains(low))?;
        self.at += 6;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }
}
