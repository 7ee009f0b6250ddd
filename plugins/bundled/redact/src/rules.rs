//! The config, and what it becomes: which fields are hashed, which go.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hash::Hasher;
use crate::object::{Object, text};
use crate::template::Template;

/// What is written in the config.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    hash: Vec<String>,
    #[serde(default)]
    key: String,
    #[serde(default)]
    drop: Vec<String>,
    subject: Option<String>,
}

/// What is done with each message.
pub(crate) struct Rules {
    pub(crate) fields: Fields,
    pub(crate) hasher: Hasher,
    pub(crate) subject: Option<Template>,
}

/// What is done with the members of an object.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, Rule)>);

enum Rule {
    Hash,
    Drop,
    Within(Fields),
}

impl Config {
    /// Checks the config.
    pub(crate) fn compile(self) -> Result<Rules, String> {
        if self.hash.is_empty() && self.drop.is_empty() && self.subject.is_none() {
            return Err("there is nothing to do: give hash, drop or subject".into());
        }
        let mut fields = Fields::default();
        for (fields_of, drops) in [(&self.hash, false), (&self.drop, true)] {
            for field in fields_of {
                fields.add(&path(field)?, drops).map_err(|()| format!("the field \"{field}\" is told twice"))?;
            }
        }
        let subject = self.subject.as_deref().map(|subject| Template::parse(subject, &fields)).transpose()?;
        Ok(Rules { fields, hasher: Hasher::new(self.key.as_bytes()), subject })
    }
}

/// The names on the way to a field.
pub(crate) fn path(field: &str) -> Result<Vec<String>, String> {
    let path: Vec<String> = field.split('.').map(str::to_string).collect();
    if path.iter().any(String::is_empty) {
        return Err(format!("the field \"{field}\" has an empty name in it"));
    }
    Ok(path)
}

/// What the rules say about one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Hashed,
    Dropped,
    /// Some fields within it are hashed or dropped.
    Mixed,
}

impl Fields {
    fn add(&mut self, path: &[String], drops: bool) -> Result<(), ()> {
        let Some((first, rest)) = path.split_first() else { return Err(()) };
        let place = self.0.iter_mut().find(|(name, _)| name == first).map(|(_, rule)| rule);
        match (place, rest) {
            (Some(Rule::Within(fields)), [_, ..]) => fields.add(rest, drops),
            (Some(_), _) => Err(()),
            (None, []) => {
                self.0.push((first.clone(), if drops { Rule::Drop } else { Rule::Hash }));
                Ok(())
            }
            (None, rest) => {
                let mut fields = Self::default();
                fields.add(rest, drops)?;
                self.0.push((first.clone(), Rule::Within(fields)));
                Ok(())
            }
        }
    }

    /// What becomes of the field at this path.
    pub(crate) fn fate(&self, path: &[String]) -> Fate {
        let Some((first, rest)) = path.split_first() else { return Fate::Mixed };
        match self.0.iter().find(|(name, _)| name == first) {
            None => Fate::Kept,
            Some((_, Rule::Drop)) => Fate::Dropped,
            Some((_, Rule::Hash)) if rest.is_empty() => Fate::Hashed,
            Some((_, Rule::Hash)) => Fate::Mixed,
            Some((_, Rule::Within(fields))) => fields.fate(rest),
        }
    }

    /// The object with the rules applied; `None` if none of them touched it.
    pub(crate) fn redacted(&self, object: &Object<'_>, hasher: &Hasher) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let mut touched = false;
        let mut out = Vec::with_capacity(1024);
        out.push(b'{');
        for (key, value) in &object.0 {
            let rule = self.0.iter().find(|(name, _)| name == key).map(|(_, rule)| rule);
            let replaced = match rule {
                Some(Rule::Drop) => {
                    touched = true;
                    continue;
                }
                Some(Rule::Hash) => hashed(value, hasher).map(String::into_bytes),
                Some(Rule::Within(fields)) => {
                    let object = serde_json::from_str::<Object<'_>>(value.get()).ok();
                    object.and_then(|object| fields.redacted(&object, hasher))
                }
                None => None,
            };
            if out.len() > 1 {
                out.push(b',');
            }
            // A key that was read can be written.
            let _ = serde_json::to_writer(&mut out, key);
            out.push(b':');
            touched |= replaced.is_some();
            out.extend_from_slice(replaced.as_deref().unwrap_or(value.get().as_bytes()));
        }
        out.push(b'}');
        touched.then_some(out)
    }
}

/// The hash of a value, as JSON; `None` for `null`, which hides nothing.
fn hashed(value: &RawValue, hasher: &Hasher) -> Option<String> {
    (value.get() != "null").then(|| format!("\"{}\"", hasher.hash(&text(value))))
}
