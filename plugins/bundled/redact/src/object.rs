//! A JSON object in its own order, its values as the text they are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, in order.
pub(crate) struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'a> Object<'a> {
    /// The value at a path; where a key is there twice, the last one, as most readers of JSON take it.
    pub(crate) fn at(&self, path: &[String]) -> Option<&'a RawValue> {
        let (first, rest) = path.split_first()?;
        let (_, value) = self.0.iter().rev().find(|(key, _)| key == first)?;
        match rest {
            [] => Some(value),
            rest => serde_json::from_str::<Object<'a>>(value.get()).ok()?.at(rest),
        }
    }
}

/// A value's text as a person reads it: a string without its quotes and escapes, anything else as it is written.
pub(crate) fn text(value: &RawValue) -> Cow<'_, str> {
    let string = value.get().starts_with('"').then(|| serde_json::from_str::<Key<'_>>(value.get()).ok()).flatten();
    string.map_or(Cow::Borrowed(value.get()), |Key(text)| text)
}
