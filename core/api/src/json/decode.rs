//! From a [`Node`] to a type, through serde: null is the zero value, field names ignore case, errors are Go's.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::syntax::{Node, Value};
use super::{DecodeError, UnknownFields, go_types};

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// What stays the same on the way down.
struct Context<'a> {
    body: &'a [u8],
    root: &'static str,
    unknown: UnknownFields,
}

/// The way from the root to a value.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    /// A field, with the Go struct that has it.
    Field(&'a Path<'a>, &'a str, &'a str),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The struct and the field that hold the value.
    fn owner(&self) -> (&str, &str) {
        match self {
            Path::Field(_, owner, field) => (owner, field),
            _ => ("", ""),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Path::Root => {}
            Path::Field(parent, _, name) | Path::Key(parent, name) => {
                parent.write(out);
                out.push('.');
                out.push_str(name);
            }
            Path::Index(parent, index) => {
                parent.write(out);
                out.push('.');
                out.push_str(&index.to_string());
            }
        }
    }
}

/// Gives `node` a type. `field` names it if it was taken out of the root.
pub(super) fn decode<T: DeserializeOwned>(
    node: &Node,
    body: &[u8],
    root: &'static str,
    field: Option<&str>,
    unknown: UnknownFields,
) -> Result<T, DecodeError> {
    let cx = Context { body, root, unknown };
    let path = field.map_or(Path::Root, |field| Path::Field(&Path::Root, root, field));
    T::deserialize(Decoder { node, cx: &cx, path, go_type: None })
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    node: &'a Node,
    cx: &'a Context<'a>,
    path: Path<'a>,
    /// The name of the newtype around the value, such as `time.Duration`.
    go_type: Option<&'static str>,
}

impl<'a> Decoder<'a> {
    /// The error for a value of another type.
    fn mismatch<T>(&self, go_type: &str) -> Result<T, DecodeError> {
        let mut what = String::from(self.node.kind());
        let go_type = self.go_type.unwrap_or(go_type);
        let is_integer = go_type.contains("int") || go_type == "time.Duration";
        if let (Value::Number(literal), true) = (&self.node.value, is_integer) {
            what.push(' ');
            what.push_str(literal);
        }
        let mut path = String::new();
        self.path.write(&mut path);
        let root = self.cx.root;
        Err(DecodeError(match self.path {
            Path::Root => format!("json: cannot unmarshal {what} into Go value of type server.{root}"),
            Path::Index(..) => format!("json: cannot unmarshal {what} into {root}{path} of type {go_type}"),
            _ => format!("json: cannot unmarshal {what} into Go struct field {root}{path} of type {go_type}"),
        }))
    }

    fn integer<T: std::str::FromStr + Default>(&self, go_type: &str) -> Result<T, DecodeError> {
        match &self.node.value {
            Value::Null => Ok(T::default()),
            Value::Number(literal) => match literal.strip_prefix("-0").filter(|rest| rest.is_empty()) {
                Some(_) => Ok(T::default()),
                None => literal.parse().or_else(|_| self.mismatch(go_type)),
            },
            _ => self.mismatch(go_type),
        }
    }

    fn child(&self, node: &'a Node, path: Path<'a>) -> Decoder<'a> {
        Decoder { node, cx: self.cx, path, go_type: None }
    }
}

/// The integers, each with the name of its Go type.
macro_rules! integers {
    ($($method:ident $visit:ident $go_type:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.integer($go_type)?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Decoder<'_> {
    type Error = DecodeError;

    integers! {
        deserialize_i8 visit_i8 "int8";
        deserialize_i16 visit_i16 "int16";
        deserialize_i32 visit_i32 "int32";
        deserialize_u8 visit_u8 "uint8";
        deserialize_u16 visit_u16 "uint16";
        deserialize_u32 visit_u32 "uint32";
        deserialize_u64 visit_u64 "uint64";
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (owner, field) = self.path.owner();
        visitor.visit_i64(self.integer(go_types::signed(owner, field))?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(value) => visitor.visit_bool(value),
            _ => self.mismatch("bool"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_str(text),
            _ => self.mismatch("string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(Decoder { go_type: Some(name), ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let items = match &self.node.value {
            Value::Null => &[][..],
            Value::Array(items) => items,
            _ => return self.mismatch(go_types::list(self.path.owner().1)),
        };
        visitor.visit_seq(Items { parent: &self, rest: items.iter().enumerate() })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries = match &self.node.value {
            Value::Null => &[][..],
            Value::Object(entries) => entries,
            _ => return self.mismatch("map[string]string"),
        };
        visitor.visit_map(Keys { parent: &self, rest: entries.iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let entries = match &self.node.value {
            Value::Null => &[][..],
            Value::Object(entries) => entries,
            _ => return self.mismatch(name),
        };
        let owner = name.strip_prefix("server.").unwrap_or(name);
        let mut known = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            match resolve(fields, key) {
                Some(field) => {
                    known.retain(|(earlier, _)| *earlier != field);
                    known.push((field, node));
                }
                None if self.cx.unknown == UnknownFields::Refused => {
                    return Err(DecodeError(format!("json: unknown field {}", super::go_quote(key.as_bytes()))));
                }
                None => {}
            }
        }
        visitor.visit_map(Fields { parent: &self, owner, rest: known.into_iter(), value: None })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let word = match &self.node.value {
            Value::String(word) => Some(go_types::enum_word(name, word)),
            _ => None,
        };
        match word.and_then(|word| variants.iter().find(|variant| **variant == word)) {
            Some(variant) => visitor.visit_enum(IntoDeserializer::<DecodeError>::into_deserializer(*variant)),
            None => {
                let raw = self.cx.body.get(self.node.span.clone()).unwrap_or_default();
                let is_string = matches!(self.node.value, Value::String(_));
                Err(DecodeError(go_types::enum_refusal(name, raw, is_string, self.node.kind())))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(_) => self.deserialize_i64(visitor),
            Value::String(_) => self.deserialize_str(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// The field that a key means: the same name, else one that differs in case only.
fn resolve(fields: &'static [&'static str], key: &str) -> Option<&'static str> {
    let exact = fields.iter().find(|field| **field == key);
    exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key))).copied()
}

struct Items<'a> {
    parent: &'a Decoder<'a>,
    rest: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        let path = Path::Index(&self.parent.path, index);
        seed.deserialize(self.parent.child(node, path)).map(Some)
    }
}

struct Keys<'a> {
    parent: &'a Decoder<'a>,
    rest: std::slice::Iter<'a, (String, Node)>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Keys<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.rest.next() else { return Ok(None) };
        self.value = Some((key, node));
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, node) = self.value.take().ok_or_else(|| de::Error::custom("value without a key"))?;
        let path = Path::Key(&self.parent.path, key);
        seed.deserialize(self.parent.child(node, path))
    }
}

struct Fields<'a> {
    parent: &'a Decoder<'a>,
    owner: &'a str,
    rest: std::vec::IntoIter<(&'static str, &'a Node)>,
    value: Option<(&'static str, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((field, node)) = self.rest.next() else { return Ok(None) };
        self.value = Some((field, node));
        seed.deserialize(StrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (field, node) = self.value.take().ok_or_else(|| de::Error::custom("value without a field"))?;
        let path = Path::Field(&self.parent.path, self.owner, field);
        seed.deserialize(self.parent.child(node, path))
    }
}
