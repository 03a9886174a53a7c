//! The one-pass writer against the tree-based one that it replaced.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// By a tree and another implementation of RFC 8785.
fn by_tree<T: Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    fn check(value: &Value) -> Result<(), NotCanonical> {
        match value {
            Value::Number(n) => match (n.as_u64(), n.as_i64()) {
                (Some(u), _) if u <= EXACT => Ok(()),
                (None, Some(i)) if i.unsigned_abs() <= EXACT => Ok(()),
                _ => Err(NotCanonical::Number),
            },
            Value::Array(items) => items.iter().try_for_each(check),
            Value::Object(members) => members.values().try_for_each(check),
            _ => Ok(()),
        }
    }
    let value = serde_json::to_value(value).map_err(|_| NotCanonical::Unserialisable)?;
    check(&value)?;
    serde_json_canonicalizer::to_vec(&value).map_err(|_| NotCanonical::Unserialisable)
}

fn by_pass<T: Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    let mut out = b"before".to_vec();
    let written = write(value, &mut out);
    assert!(out.starts_with(b"before"));
    if written.is_err() {
        assert_eq!(out, b"before", "a refusal leaves nothing behind");
    }
    written.map(|()| out.split_off(6))
}

#[derive(Clone, Debug, Serialize)]
enum Choice {
    Unit,
    Newtype(i64),
    Tuple(u8, Option<bool>),
    Struct { z: u64, a: char },
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged {
    One { zeta: u64, alpha: String },
    Two,
}

#[derive(Clone, Debug, Serialize)]
struct Unit;

#[derive(Clone, Debug, Serialize)]
struct Pair(i32, String);

#[derive(Clone, Debug, Serialize)]
struct Everything {
    zz: Vec<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    numbered: BTreeMap<u16, Pair>,
    named: BTreeMap<String, i64>,
    unit: Unit,
    nothing: (),
    #[serde(flatten)]
    tagged: Tagged,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

fn text() -> impl Strategy<Value = String> {
    // Escapes, a character outside the basic plane and one above the surrogates sort differently by code unit.
    let odd = "[\"\\\\/\u{0}-\u{1f}\u{7f}-\u{80}\u{2028}\u{e000}\u{fb33}\u{ffff}\u{1f600}a-c]{0,6}";
    prop_oneof![odd, "[a-z_]{0,10}", "\\PC{0,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        4 => any::<i32>().prop_map(|n| json!(n)),
        1 => (EXACT - 2..EXACT + 3).prop_map(|n| json!(n)),
        1 => any::<i64>().prop_map(|n| json!(n)),
        1 => any::<u64>().prop_map(|n| json!(n)),
        1 => any::<f64>().prop_map(|n| json!(n)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        text().prop_map(Value::String),
        number,
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::btree_map(text(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        Just(Choice::Unit),
        any::<i64>().prop_map(|n| Choice::Newtype(n / 4096)),
        (any::<u8>(), any::<Option<bool>>()).prop_map(|(a, b)| Choice::Tuple(a, b)),
        (any::<u64>(), any::<char>()).prop_map(|(z, a)| Choice::Struct { z: z / 2048, a }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let tagged = prop_oneof![
        Just(Tagged::Two),
        (any::<u32>(), text()).prop_map(|(zeta, alpha)| Tagged::One {
            zeta: zeta.into(),
            alpha
        }),
    ];
    let pair = (any::<i32>(), text()).prop_map(|(a, b)| Pair(a, b));
    (
        proptest::collection::vec(choice(), 0..5),
        proptest::option::of(text()),
        proptest::collection::btree_map(any::<u16>(), pair, 0..5),
        proptest::collection::btree_map(text(), any::<i32>().prop_map(i64::from), 0..5),
        tagged,
        // Keys of the struct itself among them: the last one counts.
        proptest::collection::btree_map("[a-c]|zz|named|type|zeta", any::<u8>(), 0..5),
    )
        .prop_map(|(zz, b, numbered, named, tagged, rest)| Everything {
            zz,
            b,
            numbered,
            named,
            unit: Unit,
            nothing: (),
            tagged,
            rest,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn p9_one_pass_writes_and_refuses_what_a_tree_does(value in value()) {
        prop_assert_eq!(by_pass(&value), by_tree(&value));
    }

    #[test]
    fn p9_one_pass_writes_every_shape_of_serde_as_a_tree_does(value in everything()) {
        prop_assert_eq!(by_pass(&value), by_tree(&value));
    }
}

#[test]
fn p9_keys_sort_by_utf16_code_units() {
    // The example of RFC 8785, section 3.2.3.
    let value = json!({
        "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control",
        "\u{f6}": "Latin Small Letter O With Diaeresis",
    });
    let written = by_pass(&value).expect("canonical");
    let read: Vec<&str> = std::str::from_utf8(&written)
        .expect("text")
        .split('"')
        .skip(3)
        .step_by(4)
        .collect();
    assert_eq!(
        read,
        [
            "Carriage Return",
            "One",
            "Control",
            "Latin Small Letter O With Diaeresis",
            "Euro Sign",
            "Emoji: Grinning Face",
            "Hebrew Letter Dalet With Dagesh"
        ]
    );
}

#[test]
fn p9_what_has_no_canonical_form_is_refused() {
    for refused in [f64::NAN, f64::INFINITY, 0.0, 1e300] {
        assert_eq!(by_pass(&refused), Err(NotCanonical::Number), "{refused}");
    }
    assert_eq!(by_pass(&u128::MAX), Err(NotCanonical::Number));
    assert_eq!(by_pass(&i64::MIN), Err(NotCanonical::Number));
    assert_eq!(by_pass(&(1_u64 << 53)), by_tree(&(1_u64 << 53)));
    let keys = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(by_pass(&keys), Err(NotCanonical::Unserialisable));
    assert_eq!(by_pass(&keys), by_tree(&keys));
}

#[test]
fn p9_raw_json_is_put_in_order_too() {
    let raw = serde_json::value::RawValue::from_string(r#"{"b": 1, "a": [true]}"#.to_owned());
    let raw = raw.expect("JSON");
    assert_eq!(by_pass(&raw).expect("canonical"), br#"{"a":[true],"b":1}"#);
    assert_eq!(by_pass(&raw), by_tree(&raw));
}
