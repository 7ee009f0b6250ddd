//! Takes the wanted fields out of a payload in one pass; what is not wanted is skipped, not kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The wanted fields, as a tree of names. A leaf has the number of what it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    here: Option<usize>,
    within: Vec<(String, Wanted)>,
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Wanted {
    /// Asks for the field at a path; the answer is its number.
    pub(crate) fn add(&mut self, path: &[&str], next: &mut usize) -> usize {
        let Some((first, rest)) = path.split_first() else {
            return *self.here.get_or_insert_with(|| {
                *next += 1;
                *next - 1
            });
        };
        let at = self.within.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.within.push((first.to_string(), Self::default()));
            self.within.len() - 1
        });
        self.within[at].1.add(rest, next)
    }

    /// The values of the wanted fields; `None` where a field is not there.
    pub(crate) fn select(&self, payload: &[u8], count: usize) -> Result<Vec<Option<Value>>, serde_json::Error> {
        let mut found = vec![None; count];
        let mut json = serde_json::Deserializer::from_slice(payload);
        Seed { wanted: self, found: &mut found }.deserialize(&mut json)?;
        json.end()?;
        Ok(found)
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.within.iter().find(|(have, _)| have == name).map(|(_, wanted)| wanted)
    }

    /// Takes the wanted fields out of a value that was kept whole because it is wanted itself.
    fn take(&self, value: &Value, found: &mut [Option<Value>]) {
        if let Some(place) = self.here.and_then(|at| found.get_mut(at)) {
            *place = Some(value.clone());
        }
        for (name, wanted) in &self.within {
            if let Some(value) = value.get(name) {
                wanted.take(value, found);
            }
        }
    }
}

struct Seed<'w, 'f> {
    wanted: &'w Wanted,
    found: &'f mut [Option<Value>],
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.wanted.here.is_some() {
            let value = Value::deserialize(deserializer)?;
            self.wanted.take(&value, self.found);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            match self.wanted.child(&key) {
                Some(wanted) => map.next_value_seed(Seed { wanted, found: &mut *self.found })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    // Anything that is no object has none of the fields.

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_at_any_depth() {
        let (mut wanted, mut next) = (Wanted::default(), 0);
        let numbers: Vec<_> = [&["a"][..], &["b", "c"], &["b", "d", "e"], &["b", "c"], &["b"], &["x"]]
            .iter()
            .map(|path| wanted.add(path, &mut next))
            .collect();
        assert_eq!((numbers, next), (vec![0, 1, 2, 1, 3, 4], 5));
        let payload = br#"{"z":[{"a":9}],"a":null,"b":{"c":"v","d":{"e":1.5}},"q":{"x":1}}"#;
        let found = wanted.select(payload, next).unwrap();
        assert_eq!(found[0], Some(Value::Null));
        assert_eq!((found[1].clone(), found[2].clone()), (Some(json!("v")), Some(json!(1.5))));
        assert_eq!((found[3].is_some(), found[4].clone()), (true, None));
    }

    #[test]
    fn where_a_field_is_there_twice_the_last_one_counts() {
        let (mut wanted, mut next) = (Wanted::default(), 0);
        wanted.add(&["a"], &mut next);
        assert_eq!(wanted.select(br#"{"a":1,"a":2}"#, 1).unwrap(), [Some(json!(2))]);
    }
}
