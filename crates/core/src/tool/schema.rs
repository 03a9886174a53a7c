//! Bounds on the schemas that others write: they are compiled here, so they may not be bombs, and they may not
//! reach outside themselves.

use serde_json::Value;

use super::SCHEMA_CAP;

/// The deepest nesting of a schema.
const MAX_DEPTH: usize = 32;
/// The most values in a schema, keywords and data together.
const MAX_NODES: usize = 2_000;
/// The only dialect of JSON Schema that the registry takes.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema that is not supported. Repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unsupported schema: {reason}")]
pub struct UnsupportedSchema {
    /// The rule that it breaks.
    pub reason: &'static str,
}

fn ensure(holds: bool, reason: &'static str) -> Result<(), UnsupportedSchema> {
    if holds {
        Ok(())
    } else {
        Err(UnsupportedSchema { reason })
    }
}

/// Checks that a schema is an object of at most 64 KiB, 32 levels and 2000 values whose references stay
/// inside it (`#` or `#/…`, and the place exists).
///
/// # Errors
/// [`UnsupportedSchema`] with the rule that it breaks.
pub fn check_schema(schema: &Value) -> Result<(), UnsupportedSchema> {
    ensure(schema.is_object(), "must be an object")?;
    let size = serde_json::to_vec(schema).map_or(usize::MAX, |bytes| bytes.len());
    ensure(size <= SCHEMA_CAP, "must be at most 64 KiB")?;
    let mut nodes = 0;
    walk(schema, 1, &mut |node, depth| {
        nodes += 1;
        ensure(depth <= MAX_DEPTH, "must be nested at most 32 levels deep")?;
        ensure(nodes <= MAX_NODES, "must have at most 2000 values")?;
        strings(node).try_for_each(|(key, target)| match key {
            "$ref" | "$dynamicRef" | "$recursiveRef" => {
                let resolves = target
                    .strip_prefix('#')
                    .is_some_and(|at| schema.pointer(at).is_some());
                ensure(resolves, "references must point inside the schema, as #/…")
            }
            _ => Ok(()),
        })
    })
}

/// Checks what the registry asks for beyond the bounds: one dialect, and no base URI or anchor that would
/// give references another meaning.
pub(super) fn check_dialect(schema: &Value) -> Result<(), UnsupportedSchema> {
    walk(schema, 1, &mut |node, _| {
        strings(node).try_for_each(|(key, value)| match key {
            "$schema" => ensure(
                value.strip_suffix('#').unwrap_or(value) == DIALECT,
                "must be JSON Schema 2020-12",
            ),
            "$id" | "$anchor" | "$dynamicAnchor" | "$vocabulary" => {
                ensure(false, "must not define identifiers or anchors")
            }
            _ => Ok(()),
        })
    })
}

/// Looks at every value wherever it stands, in data such as `enum` too: stricter than a walk that knows
/// the keywords, and there is nothing to get wrong.
fn walk(
    node: &Value,
    depth: usize,
    check: &mut impl FnMut(&Value, usize) -> Result<(), UnsupportedSchema>,
) -> Result<(), UnsupportedSchema> {
    check(node, depth)?;
    match node {
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| walk(item, depth + 1, check)),
        Value::Object(members) => members
            .values()
            .try_for_each(|member| walk(member, depth + 1, check)),
        _ => Ok(()),
    }
}

/// The members of an object that are strings. A *property* named `$ref` holds a schema and is not among
/// them.
fn strings(node: &Value) -> impl Iterator<Item = (&str, &str)> {
    let members = node.as_object().into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn s70_schema_bombs_are_refused() {
        let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "not": inner }));
        assert_eq!(check_schema(&nested(32)), Ok(()));
        assert!(check_schema(&nested(33)).is_err());
        let wide = |n: usize| json!({ "enum": (0..n).collect::<Vec<_>>() });
        assert_eq!(check_schema(&wide(1_998)), Ok(()));
        assert!(check_schema(&wide(1_999)).is_err());
        assert!(check_schema(&json!({ "title": "a".repeat(SCHEMA_CAP) })).is_err());
        assert!(check_schema(&json!(true)).is_err());
    }

    #[test]
    fn s70_references_stay_inside() {
        let refers = |target: &str| check_schema(&json!({ "$defs": { "a": {} }, "$ref": target }));
        assert_eq!(refers("#/$defs/a"), Ok(()));
        assert_eq!(refers("#"), Ok(()), "a schema may contain itself");
        for bad in ["https://evil.example/x", "x.json", "#/$defs/b", "#a", ""] {
            assert!(refers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn older_dialects_are_for_requests_only() {
        let old = json!({ "$schema": "http://json-schema.org/draft-07/schema#" });
        assert_eq!(check_schema(&old), Ok(()));
        assert!(check_dialect(&old).is_err());
    }
}
