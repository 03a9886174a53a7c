//! Tool schemas: what the daemon keeps of them, and what it must not be trusted to drop.
//!
//! A daemon keeps `type`, `properties`, `required`, `items`, `enum`, `anyOf` and `description` and drops the
//! rest without a word. What only narrows may be dropped, because the tool gate validates every call against
//! the whole schema. What *is* the shape may not: without it the model would be told something else.

use handshake_core::{code::ErrorCode, error::PrepareError};
use serde_json::Value;

/// Keywords that are the shape, and that the daemon drops.
const REFUSED: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "prefixItems",
    "patternProperties",
    "dependentSchemas",
];

/// The deepest nesting that is looked at.
const MAX_DEPTH: usize = 32;

/// Checks a tool's schema.
pub(super) fn check(schema: &Value) -> Result<(), PrepareError> {
    level(schema, 0)
}

fn level(schema: &Value, depth: usize) -> Result<(), PrepareError> {
    if depth > MAX_DEPTH {
        return Err(refused("depth"));
    }
    // The daemon's type for a property is a structure: a bare `true` is not read at all.
    let Some(members) = schema.as_object() else {
        return Err(refused("boolean schema"));
    };
    if let Some(keyword) = REFUSED
        .iter()
        .find(|keyword| members.contains_key(**keyword))
    {
        return Err(refused(keyword));
    }
    if let Some(kind) = members.get("type") {
        let named = kind.is_string()
            || kind
                .as_array()
                .is_some_and(|kinds| kinds.iter().all(Value::is_string));
        if !named {
            return Err(refused("type"));
        }
    }
    match members.get("properties") {
        None => {}
        Some(Value::Object(properties)) => {
            properties
                .values()
                .try_for_each(|property| level(property, depth + 1))?;
        }
        Some(_) => return Err(refused("properties")),
    }
    match members.get("anyOf") {
        None => {}
        Some(Value::Array(options)) => {
            options
                .iter()
                .try_for_each(|option| level(option, depth + 1))?;
        }
        Some(_) => return Err(refused("anyOf")),
    }
    match members.get("items") {
        // `true` and `false` are passed on as they are.
        None | Some(Value::Bool(_)) => Ok(()),
        Some(items) => level(items, depth + 1),
    }
}

fn refused(keyword: &'static str) -> PrepareError {
    PrepareError::new(ErrorCode::SchemaKeyword, keyword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn q138_keywords_that_narrow_pass_and_keywords_that_are_the_shape_do_not() {
        let fine = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "T", "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {
                "a": {"type": ["integer", "null"], "minimum": 0, "default": 2, "format": "uint32"},
                "b": {"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "null"}]},
                "c": {"type": "array", "items": {"type": "object", "properties": {"not": {"enum": [1]}}}},
                "d": {"const": 1},
            },
        });
        assert_eq!(
            check(&fine),
            Ok(()),
            "a property may be called like a keyword"
        );
        for (keyword, property) in [
            ("$ref", json!({"$ref": "#/$defs/x"})),
            ("oneOf", json!({"oneOf": [{"type": "string"}]})),
            ("allOf", json!({"items": {"allOf": []}})),
            ("not", json!({"anyOf": [{"not": {}}]})),
            ("prefixItems", json!({"type": "array", "prefixItems": []})),
            ("boolean schema", json!(true)),
            ("type", json!({"type": 1})),
        ] {
            let schema = json!({"type": "object", "properties": {"p": property}});
            let error = check(&schema).expect_err(keyword).0;
            assert_eq!(
                (error.code, error.subject),
                (ErrorCode::SchemaKeyword, Some(keyword))
            );
        }
    }

    #[test]
    fn a_schema_that_is_too_deep_is_refused() {
        let mut schema = json!({});
        for _ in 0..40 {
            schema = json!({"properties": {"p": schema}});
        }
        assert_eq!(
            check(&schema).expect_err("too deep").0.subject,
            Some("depth")
        );
    }
}
