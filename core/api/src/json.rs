//! JSON as Go reads and writes it.
//!
//! Writing is serde_json's with Go's escapes. Reading a request is our own, so that what a client did wrong is said in
//! the words that nats-server uses: unknown fields, wrong types, syntax errors with their offset.

mod decode;
mod go_types;
mod quote;
mod syntax;

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use crate::error::ApiError;

pub use quote::go_quote;
pub use syntax::Node;

/// What a request's body is called in Go, which its errors name.
pub trait Request: DeserializeOwned + Default {
    /// The Go type without its package, such as `JSApiStreamInfoRequest`.
    const GO_NAME: &'static str;
}

/// Whether a field that the type does not have is an error (nats-server option `strict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// Err 10025.
    Refused,
    /// Skipped.
    Ignored,
}

/// Why a body could not be read, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

impl From<DecodeError> for ApiError {
    fn from(error: DecodeError) -> Self {
        Self::invalid_json(error)
    }
}

/// Reads a request's body. An empty body is the type's default, as in nats-server; several objects after one another
/// are one.
///
/// # Errors
/// Err 10025 with Go's text.
pub fn decode_request<T: Request>(body: &[u8], unknown: UnknownFields) -> Result<T, ApiError> {
    Ok(Document::parse(body)?.decode::<T>(T::GO_NAME, unknown)?)
}

/// As [`decode_request`], with the plain error: for bodies whose refusal is not an API error.
///
/// # Errors
/// [`DecodeError`].
pub fn decode<T: Request>(body: &[u8], unknown: UnknownFields) -> Result<T, DecodeError> {
    Document::parse(body)?.decode(T::GO_NAME, unknown)
}

/// A body that was read and not yet given a type.
pub struct Document<'a> {
    body: &'a [u8],
    root: Node,
}

impl<'a> Document<'a> {
    /// Checks the syntax.
    ///
    /// # Errors
    /// [`DecodeError`] with the offset, as Go counts it.
    pub fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { body, root: syntax::parse(body)? })
    }

    /// Takes a field out of the outermost object. Go ignores case, and the last of several counts.
    pub fn take(&mut self, field: &str) -> Option<Node> {
        self.root.take(field)
    }

    /// Gives the body a type.
    ///
    /// # Errors
    /// [`DecodeError`] for unknown fields and values of another type.
    pub fn decode<T: DeserializeOwned>(&self, go_name: &'static str, unknown: UnknownFields) -> Result<T, DecodeError> {
        decode::decode(&self.root, self.body, go_name, None, unknown)
    }

    /// Gives a field that was taken out a type.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_field<T: DeserializeOwned>(
        &self,
        node: &Node,
        go_name: &'static str,
        field: &str,
    ) -> Result<T, DecodeError> {
        decode::decode(node, self.body, go_name, Some(field), UnknownFields::Refused)
    }
}

/// True if the body looks like a JSON object or array; some requests ignore any other body.
#[must_use]
pub fn is_object_or_array(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    matches!(first, Some(b'{' | b'['))
}

/// True for no body and for an empty JSON object, which requests without fields may have.
#[must_use]
pub fn is_empty_request(body: &[u8]) -> bool {
    if body.is_empty() || body == b"{}" {
        return true;
    }
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok_and(|object| object.is_empty())
}

/// Writes a value as Go's `json.Marshal` does: compact, with `<`, `>`, `&` and the two line separators escaped.
///
/// Gives nothing for a value that serde cannot write; none of this crate's types is such.
pub fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut out, GoFormatter(CompactFormatter));
    if value.serialize(&mut serializer).is_err() {
        out.clear();
    }
    out
}

/// serde_json's compact form with Go's HTML-safe escapes.
struct GoFormatter(CompactFormatter);

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut start = 0;
        for (at, character) in fragment.char_indices() {
            let escape = match character {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            writer.write_all(fragment.get(start..at).unwrap_or_default().as_bytes())?;
            writer.write_all(escape.as_bytes())?;
            start = at + character.len_utf8();
        }
        writer.write_all(fragment.get(start..).unwrap_or_default().as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests;
