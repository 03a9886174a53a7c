//! Strict reading of JSON: no duplicate keys, nothing after the value. A duplicate key is read one way by
//! the one who checks and another way by the one who acts, so it is refused everywhere.

use std::{borrow::Cow, fmt};

pub(crate) mod canonical;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, error::Category};

/// Bytes that are not one strict JSON value. Repeats nothing of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid JSON, or a duplicate key, at line {line}, column {column}")]
pub struct NotStrict {
    /// Where reading stopped, from 1.
    pub line: usize,
    /// Where reading stopped, from 1.
    pub column: usize,
}

/// Reads one JSON value. Depth is bounded (128).
///
/// # Errors
/// [`NotStrict`] for bytes that are not JSON, hold a duplicate key at any depth, or hold more than one value.
pub fn read_strict(bytes: &[u8]) -> Result<Value, NotStrict> {
    read(bytes).map_err(|error| NotStrict {
        line: error.line(),
        column: error.column(),
    })
}

/// What a name comes to for a reader that does not tell cases apart: Unicode case folding, the long s, the Kelvin sign
/// and ligatures of ASCII letters included. Readers differ in how far they fold; this folds as far as any of them.
#[must_use]
pub fn folded(name: &str) -> Cow<'_, str> {
    if name.is_ascii() && !name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    // Through upper case: the long s and the Kelvin sign fold to ASCII letters only that way.
    let folded = name.chars().flat_map(char::to_uppercase);
    Cow::Owned(folded.flat_map(char::to_lowercase).collect())
}

/// The most bytes that [`strict_value`] and [`strict_object`] read as one text.
pub const MAX_STRICT_BYTES: usize = 1 << 20;

/// A short text that is not what it must be. Holds no part of it.
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

/// Reads one JSON object of a text from outside, an answer's for example: as [`read_strict`] does, up to a size.
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
    read(text).map_err(|error| match error.classify() {
        // The only error that is raised below for what is JSON.
        Category::Data => StrictJsonError::DuplicateKey,
        Category::Io | Category::Syntax | Category::Eof => StrictJsonError::NotJson,
    })
}

fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let strict: Strict = serde_json::from_slice(bytes)?;
    Ok(strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> DeserializeSeed<'de> for StrictVisitor {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(StrictVisitor)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom("duplicate key"));
            }
            let value = members.next_value_seed(StrictVisitor)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn duplicate_keys_are_refused_at_any_depth() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"[{"b":{"a":1,"a":2}}]"#,
            r#"{"a":1,"\u0061":2}"#,
            "{} {}",
            "",
            "{",
            "[1,]",
            "nul",
            "{'a':1}",
            "[NaN]",
        ] {
            assert!(read_strict(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(
            read_strict(&[b"[".repeat(200), b"]".repeat(200)].concat()).is_err(),
            "too deep"
        );
        assert!(read_strict(b"\"\xff\"").is_err(), "not UTF-8");
        assert_eq!(
            read_strict(b" {\"a\":[1,-2,0.5,null,true,\"x\"]} "),
            Ok(serde_json::json!({"a":[1,-2,0.5,null,true,"x"]}))
        );
    }

    #[test]
    fn s36_names_fold_as_far_as_any_reader_folds_them() {
        for (name, plain) in [
            ("model", "model"),
            ("Model", "model"),
            ("MODEL_1", "model_1"),
            ("\u{17f}tream", "stream"),
            ("to\u{212a}en", "token"),
            ("\u{fb01}le", "file"),
            ("me\u{df}ages", "messages"),
        ] {
            assert_eq!(folded(name), plain, "{name}");
        }
        // Other letters are other names.
        for name in ["m\u{43e}del", "\u{ff4d}odel", "model ", "mode\u{301}l"] {
            assert_ne!(folded(name), "model", "{name}");
        }
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_text() {
        let error = read_strict(br#"{"hunter2":1,"hunter2":2}"#)
            .expect_err("duplicate")
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_is_written_is_read_back(keys in proptest::collection::btree_map("\\PC{0,6}", any::<i64>(), 0..8)) {
            let value = serde_json::to_value(&keys).expect("serialisable");
            let bytes = serde_json::to_vec(&value).expect("serialisable");
            prop_assert_eq!(read_strict(&bytes), Ok(value));
        }
    }
}
