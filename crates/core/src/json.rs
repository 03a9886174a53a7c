//! Strict reading of JSON: no duplicate keys, nothing after the value. A duplicate key is read one way by
//! the one who checks and another way by the one who acts, so it is refused everywhere.

use std::fmt;

pub(crate) mod canonical;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

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
    let strict: Result<Strict, serde_json::Error> = serde_json::from_slice(bytes);
    strict.map(|strict| strict.0).map_err(|error| NotStrict {
        line: error.line(),
        column: error.column(),
    })
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
