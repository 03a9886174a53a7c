//! Strict JSON.

use handshake_core::json::{MAX_STRICT_BYTES, StrictJsonError, strict_object, strict_value};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn q37_anything_but_one_object_is_refused() {
    use StrictJsonError::{DuplicateKey, NotJson, NotObject, TooLarge};
    for (text, want) in [
        ("", NotJson),
        ("{", NotJson),
        ("{}{}", NotJson),
        ("{} x", NotJson),
        ("{\"a\":NaN}", NotJson),
        ("{\"a\":1e999}", NotJson),
        ("{'a':1}", NotJson),
        ("{\"a\":\"\\ud83d\"}", NotJson),
        ("{\"a\":1,\"a\":1}", DuplicateKey),
        ("{\"a\":1,\"\\u0061\":2}", DuplicateKey),
        ("{\"a\":[{\"b\":1,\"b\":2}]}", DuplicateKey),
        ("null", NotObject),
        ("[1]", NotObject),
        ("\"{}\"", NotObject),
    ] {
        assert_eq!(strict_object(text), Err(want), "{text}");
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(strict_value(deep), Err(NotJson), "bounded depth");
    assert_eq!(
        strict_value("1".repeat(MAX_STRICT_BYTES + 1)),
        Err(TooLarge)
    );
}

#[test]
fn q155_a_lone_surrogate_is_refused_and_a_pair_is_read() {
    let pair = strict_object(r#"{"a":"\ud83e\udd80"}"#).expect("a pair");
    assert_eq!(pair["a"], "\u{1f980}");
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..6).prop_map(|members| members
                .into_iter()
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn strict_reading_agrees_with_ordinary_reading(value in json()) {
        prop_assert_eq!(strict_value(value.to_string()), Ok(value));
    }
}
