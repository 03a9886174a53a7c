//! A small instance of a JSON schema.

use std::cell::Cell;

use serde_json::{Map, Number, Value};

/// Depth at which an instance ends, so that a schema that refers to itself does.
const MAX_DEPTH: usize = 24;

/// Nodes of an instance, so that a schema that refers to itself twice ends in time.
const MAX_NODES: u32 = 10_000;

/// Most items or characters made to meet a minimum.
const MAX_FILL: u64 = 1024;

/// The same instance for the same schema: the first alternative, every property, the least of
/// everything. Local `$ref`s are followed; `pattern`, `uniqueItems`, `not`, `if` and
/// `dependentSchemas` are not looked at.
pub(crate) fn instance(schema: &Value) -> Value {
    let walk = Walk {
        root: schema,
        nodes_left: Cell::new(MAX_NODES),
    };
    build(&walk, schema, 0)
}

/// What a walk through a schema needs.
struct Walk<'a> {
    root: &'a Value,
    nodes_left: Cell<u32>,
}

impl Walk<'_> {
    /// Takes one node from the budget.
    fn spend(&self) -> bool {
        let left = self.nodes_left.get();
        self.nodes_left.set(left.saturating_sub(1));
        left > 0
    }
}

fn build(walk: &Walk<'_>, schema: &Value, depth: usize) -> Value {
    let Some(object) = schema.as_object() else {
        return Value::Object(Map::new());
    };
    if !walk.spend() || depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(constant) = object.get("const") {
        return constant.clone();
    }
    if let Some(first) = object
        .get("enum")
        .and_then(Value::as_array)
        .and_then(|list| list.first())
    {
        return first.clone();
    }
    if let Some(target) = object
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| walk.root.pointer(pointer))
    {
        return build(walk, target, depth + 1);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(list) = object.get(word).and_then(Value::as_array)
            && let Some(choice) = list.iter().find(|one| !recursive(one)).or(list.first())
        {
            return build(walk, choice, depth + 1);
        }
    }
    if let Some(parts) = object.get("allOf").and_then(Value::as_array) {
        return all_of(walk, object, parts, depth);
    }
    match kind(object) {
        "object" => object_of(walk, object, depth),
        "array" => array_of(walk, object, depth),
        "string" => Value::String(string_of(object)),
        "integer" => integer_of(object),
        "number" => number_of(object),
        "boolean" => Value::Bool(true),
        _ => Value::Null,
    }
}

/// Alternatives that point elsewhere come last: they are how a schema refers to itself.
fn recursive(schema: &Value) -> bool {
    schema.get("$ref").is_some()
}

fn kind(object: &Map<String, Value>) -> &str {
    match object.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or("null"),
        _ if object.contains_key("items") || object.contains_key("prefixItems") => "array",
        _ if object.contains_key("minLength") || object.contains_key("pattern") => "string",
        _ if object.contains_key("minimum") || object.contains_key("maximum") => "number",
        _ => "object",
    }
}

fn all_of(walk: &Walk<'_>, object: &Map<String, Value>, parts: &[Value], depth: usize) -> Value {
    let mut rest = object.clone();
    rest.remove("allOf");
    let mut merged = Map::new();
    let mut other = None;
    let own = Value::Object(rest);
    let own_says = own
        .as_object()
        .is_some_and(|own| own.contains_key("type") || own.contains_key("properties"));
    for part in parts.iter().chain(own_says.then_some(&own)) {
        match build(walk, part, depth + 1) {
            Value::Object(map) => merged.extend(map),
            value => other = Some(value),
        }
    }
    match other {
        Some(value) if merged.is_empty() => value,
        _ => Value::Object(merged),
    }
}

fn object_of(walk: &Walk<'_>, object: &Map<String, Value>, depth: usize) -> Value {
    let mut made = Map::new();
    let required: Vec<&str> = object
        .get("required")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = object.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        if walk.nodes_left.get() == 0 {
            break;
        }
        // Deep down only what must be there, so that optional self-references end early.
        if depth < 4 || required.contains(&name.as_str()) {
            made.insert(name.clone(), build(walk, schema, depth + 1));
        }
    }
    for name in required {
        if !made.contains_key(name) && walk.nodes_left.get() > 0 {
            let schema = object.get("additionalProperties").unwrap_or(&Value::Null);
            made.insert(name.to_owned(), build(walk, schema, depth + 1));
        }
    }
    Value::Object(made)
}

fn array_of(walk: &Walk<'_>, object: &Map<String, Value>, depth: usize) -> Value {
    let mut made: Vec<Value> = Vec::new();
    for schema in object
        .get("prefixItems")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        made.push(build(walk, schema, depth + 1));
    }
    let least = object.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let most = object.get("maxItems").and_then(Value::as_u64);
    let wanted = least
        .max(u64::from(depth < 4))
        .min(most.unwrap_or(u64::MAX));
    if let Some(items) = object.get("items").filter(|items| items.is_object()) {
        while (made.len() as u64) < wanted.min(MAX_FILL) {
            made.push(build(walk, items, depth + 1));
        }
    }
    while (made.len() as u64) < least.min(MAX_FILL) {
        made.push(Value::Null);
    }
    Value::Array(made)
}

fn string_of(object: &Map<String, Value>) -> String {
    let fixed = match object.get("format").and_then(Value::as_str) {
        Some("date-time") => Some("2026-01-01T00:00:00Z"),
        Some("date") => Some("2026-01-01"),
        Some("time") => Some("00:00:00Z"),
        Some("duration") => Some("PT1S"),
        Some("email") => Some("simulator@example.com"),
        Some("hostname") => Some("example.com"),
        Some("ipv4") => Some("192.0.2.1"),
        Some("ipv6") => Some("2001:db8::1"),
        Some("uri") => Some("https://example.com/"),
        Some("uuid") => Some("00000000-0000-4000-8000-000000000000"),
        _ => None,
    };
    if let Some(fixed) = fixed {
        return fixed.to_owned();
    }
    let bound = |word: &str| {
        object
            .get(word)
            .and_then(Value::as_u64)
            .map(|n| usize::try_from(n.min(MAX_FILL)).unwrap_or(usize::MAX))
    };
    let mut made = "simulated".to_owned();
    if let Some(least) = bound("minLength") {
        while made.len() < least {
            made.push('x');
        }
    }
    if let Some(most) = bound("maxLength") {
        made.truncate(most);
    }
    made
}

fn integer_of(object: &Map<String, Value>) -> Value {
    let get = |word: &str| object.get(word).and_then(Value::as_i64);
    let low = get("minimum")
        .into_iter()
        .chain(get("exclusiveMinimum").map(|n| n.saturating_add(1)))
        .max();
    let high = get("maximum")
        .into_iter()
        .chain(get("exclusiveMaximum").map(|n| n.saturating_sub(1)))
        .min();
    let mut value = low.unwrap_or_else(|| high.map_or(1, |high| high.min(1)));
    if let Some(step) = get("multipleOf").filter(|step| *step > 0) {
        let over = value.rem_euclid(step);
        if over != 0 {
            value = value.saturating_add(step - over);
        }
    }
    Value::Number(value.into())
}

fn number_of(object: &Map<String, Value>) -> Value {
    let get = |word: &str| object.get(word).and_then(Value::as_f64);
    let low = get("minimum").or(get("exclusiveMinimum"));
    let high = get("maximum").or(get("exclusiveMaximum"));
    let value = match (low, high) {
        // The middle is inside, whether the bounds belong or not.
        (Some(low), Some(high)) => f64::midpoint(low, high),
        (Some(low), None) => low + 1.0,
        (None, Some(high)) => (high - 1.0).min(0.5),
        (None, None) => 0.5,
    };
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::instance;

    #[test]
    fn b4_keywords_are_followed() {
        let cases = [
            (json!({"const": 7}), json!(7)),
            (json!({"enum": ["a", "b"]}), json!("a")),
            (json!({"type": ["null", "integer"], "minimum": 3}), json!(3)),
            (
                json!({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5}),
                json!(5),
            ),
            (json!({"type": "integer", "maximum": -4}), json!(-4)),
            (
                json!({"type": "number", "minimum": 1, "maximum": 2}),
                json!(1.5),
            ),
            (json!({"type": "string", "maxLength": 3}), json!("sim")),
            (
                json!({"type": "string", "minLength": 11}),
                json!("simulatedxx"),
            ),
            (
                json!({"type": "string", "format": "date"}),
                json!("2026-01-01"),
            ),
            (
                json!({"type": "array", "items": {"type": "boolean"}}),
                json!([true]),
            ),
            (
                json!({"type": "array", "items": {"type": "boolean"}, "maxItems": 0}),
                json!([]),
            ),
            (
                json!({"anyOf": [{"$ref": "#"}, {"type": "boolean"}]}),
                json!(true),
            ),
            (
                json!({"allOf": [{"properties": {"a": {"type": "boolean"}}},
                                 {"properties": {"b": {"type": "null"}}}]}),
                json!({"a": true, "b": null}),
            ),
            (
                json!({"$defs": {"n": {"type": "integer"}}, "type": "object",
                       "properties": {"x": {"$ref": "#/$defs/n"}}, "required": ["x", "y"]}),
                json!({"x": 1, "y": {}}),
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(instance(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn schemas_that_refer_to_themselves_end() {
        let optional = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(instance(&optional).is_object());
        let names: Vec<String> = (0..50).map(|n| format!("p{n}")).collect();
        let properties: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .map(|name| (name.clone(), json!({"$ref": "#"})))
            .collect();
        let wide = json!({"type": "object", "properties": properties, "required": names});
        assert!(instance(&wide).to_string().len() < 1_000_000);
    }
}
