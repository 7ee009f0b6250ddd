//! The subject, with fields' values in it.

use crate::hash::Hasher;
use crate::object::{Object, text};
use crate::rules::{Fate, Fields, path};

/// What stands in a token where no value can.
const NOTHING: char = '_';

/// A subject with places for values.
pub(crate) struct Template(Vec<Piece>);

enum Piece {
    Literal(String),
    Field { path: Vec<String>, hashed: bool },
}

impl Template {
    /// Reads `strikes.{state}.{size}`.
    pub(crate) fn parse(subject: &str, fields: &Fields) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = subject;
        while let Some((literal, after)) = rest.split_once('{') {
            let (field, after) =
                after.split_once('}').ok_or_else(|| format!("subject \"{subject}\" has no closing brace"))?;
            pieces.push(literal_piece(literal, subject)?);
            pieces.push(field_piece(field, fields)?);
            rest = after;
        }
        pieces.push(literal_piece(rest, subject)?);
        let template = Self(pieces);
        if !is_valid(&template.filled(|_, _| "x".into())) {
            return Err(format!("subject \"{subject}\" is not a valid subject"));
        }
        Ok(template)
    }

    /// The subject of one message.
    pub(crate) fn fill(&self, object: &Object<'_>, hasher: &Hasher) -> String {
        self.filled(|path, hashed| {
            let value = object.at(path).filter(|value| !value.get().starts_with(['{', '[', 'n']));
            match value.map(text) {
                Some(text) if hashed => hasher.hash(&text),
                Some(text) => token(&text),
                None => NOTHING.into(),
            }
        })
    }

    fn filled(&self, value: impl Fn(&[String], bool) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Literal(literal) => literal.clone(),
            Piece::Field { path, hashed } => value(path, *hashed),
        });
        pieces.collect()
    }
}

fn literal_piece(literal: &str, subject: &str) -> Result<Piece, String> {
    if literal.contains('}') {
        return Err(format!("subject \"{subject}\" has no opening brace"));
    }
    Ok(Piece::Literal(literal.to_string()))
}

fn field_piece(field: &str, fields: &Fields) -> Result<Piece, String> {
    let path = path(field)?;
    let hashed = match fields.fate(&path) {
        Fate::Kept => false,
        Fate::Hashed => true,
        Fate::Dropped => return Err(format!("the subject shows \"{field}\", which is dropped")),
        Fate::Mixed => {
            return Err(format!("the subject shows \"{field}\", which holds fields that are hashed or dropped"));
        }
    };
    Ok(Piece::Field { path, hashed })
}

/// A value as a token: lower case, `_` for what a token may not hold (and for `$`, which marks the server's subjects).
fn token(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.into();
    }
    let unfit = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '$');
    text.chars().flat_map(char::to_lowercase).map(|c| if unfit(c) { NOTHING } else { c }).collect()
}

fn is_valid(subject: &str) -> bool {
    subject.split('.').all(|token| {
        !token.is_empty()
            && token != "*"
            && token != ">"
            && !token.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}
