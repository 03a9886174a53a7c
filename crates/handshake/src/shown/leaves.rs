//! The texts of a value, each with its place and a word for it. What stands there in every message is not repeated.

use serde_json::Value;

/// A text inside a value.
pub(super) struct Leaf {
    pub(super) pointer: String,
    /// The path to it, for a person; empty where the text is what the value is there for.
    pub(super) label: String,
    pub(super) text: String,
}

/// Members that hold what a message is there for.
const CONTENT: &[&str] = &["content", "text", "messages", "input", "prompt", "output"];
/// What every message says of itself. Any other word there is shown.
const ROLES: &[&str] = &[
    "user",
    "assistant",
    "system",
    "developer",
    "tool",
    "function",
];
const TYPES: &[&str] = &[
    "message",
    "text",
    "input_text",
    "output_text",
    "tool_use",
    "tool_result",
    "function",
    "function_call",
    "function_call_output",
    "ephemeral",
];

/// All texts of a value, in order. Numbers and switches are texts too.
pub(super) fn leaves(value: &Value, pointer: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(value, pointer, "", &mut found);
    found
}

fn walk(value: &Value, pointer: &str, label: &str, found: &mut Vec<Leaf>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if goes_without_saying(name, value) {
                    continue;
                }
                let at = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                let below = match (CONTENT.contains(&name.as_str()), label) {
                    (true, _) => label.to_owned(),
                    (false, "") => name.clone(),
                    (false, _) => format!("{label}.{name}"),
                };
                walk(value, &at, &below, found);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                walk(value, &format!("{pointer}/{n}"), label, found);
            }
        }
        Value::String(text) => found.push(leaf(pointer, label, text.clone())),
        other => found.push(leaf(pointer, label, other.to_string())),
    }
}

fn leaf(pointer: &str, label: &str, text: String) -> Leaf {
    Leaf {
        pointer: pointer.to_owned(),
        label: label.to_owned(),
        text,
    }
}

fn goes_without_saying(name: &str, value: &Value) -> bool {
    let words = match name {
        "role" => ROLES,
        "type" => TYPES,
        _ => return false,
    };
    value.as_str().is_some_and(|word| words.contains(&word))
}
