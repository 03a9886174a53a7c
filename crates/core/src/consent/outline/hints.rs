//! Cache hints: what clients write beside content, and what is no content of theirs.

use std::borrow::Cow;

use serde_json::Value;

/// Exactly a hint: whatever else stands under that name is content.
fn is_cache_hint(value: &Value) -> bool {
    let Value::Object(members) = value else {
        return false;
    };
    members
        .iter()
        .all(|(name, value)| match (name.as_str(), value.as_str()) {
            ("type", Some(kind)) => kind == "ephemeral",
            ("ttl", Some(ttl)) => matches!(ttl, "5m" | "1h"),
            _ => false,
        })
}

/// Clients move cache hints from message to message; they change no content.
#[must_use]
pub fn without_hints(value: &Value) -> Cow<'_, Value> {
    let mut value = Cow::Borrowed(value);
    if has_hints(&value) {
        strip_cache_hints(value.to_mut());
    }
    value
}

fn has_hints(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.get("cache_control").is_some_and(is_cache_hint)
                || members.values().any(has_hints)
        }
        Value::Array(items) => items.iter().any(has_hints),
        _ => false,
    }
}

fn strip_cache_hints(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("cache_control").is_some_and(is_cache_hint) {
                members.remove("cache_control");
            }
            members.values_mut().for_each(strip_cache_hints);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_cache_hints),
        _ => {}
    }
}
