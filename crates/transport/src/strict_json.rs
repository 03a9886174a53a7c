//! JSON without surprises: one value, no duplicate keys, bounded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, error::Category};

/// The most bytes that are read as one strict JSON text.
pub const MAX_STRICT_BYTES: usize = 1 << 20;

/// A text that is not what it must be. Holds no part of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StrictJsonError {
    /// It is not exactly one JSON text.
    #[error("expected exactly one JSON value")]
    NotJson,
    /// An object holds a key twice.
    #[error("duplicate key in an object")]
    DuplicateKey,
    /// It is JSON, but not an object.
    #[error("expected a JSON object")]
    NotObject,
    /// It is larger than [`MAX_STRICT_BYTES`].
    #[error("JSON text too large")]
    TooLarge,
}

/// Reads one JSON object: nothing after it, no key twice at any depth, at most 128 levels.
///
/// # Errors
/// [`StrictJsonError`].
pub fn strict_object(text: impl AsRef<[u8]>) -> Result<Map<String, Value>, StrictJsonError> {
    match strict_value(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(StrictJsonError::NotObject),
    }
}

/// Reads one JSON value, as [`strict_object`] does.
///
/// # Errors
/// [`StrictJsonError`].
pub fn strict_value(text: impl AsRef<[u8]>) -> Result<Value, StrictJsonError> {
    let text = text.as_ref();
    if text.len() > MAX_STRICT_BYTES {
        return Err(StrictJsonError::TooLarge);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict
        .deserialize(&mut reader)
        .map_err(|error| match error.classify() {
            // The only error that is raised below is the duplicate key.
            Category::Data => StrictJsonError::DuplicateKey,
            Category::Io | Category::Syntax | Category::Eof => StrictJsonError::NotJson,
        })?;
    reader.end().map_err(|_| StrictJsonError::NotJson)?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JSON has no other numbers, so this is never null.
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Strict)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(A::Error::custom("duplicate"));
            }
            let value = map.next_value_seed(Strict)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}
