//! The tools that are built in: pure functions of their arguments, offline.

use std::collections::BTreeMap;

use async_trait::async_trait;
use handshake_core::{
    ports::ToolExecutor,
    tool::{
        HTC_INVALID, HTC_VERSION, ToolEntry, ToolError, ToolErrorKind, ToolRegistry, ToolRequest,
        ToolResponse,
    },
};
use serde_json::{Map, Value, json};

/// Runs the built-in tools.
#[derive(Clone, Copy, Debug)]
pub struct Builtins;

/// The entries of the built-in tools.
const ENTRIES: &str = r#"[
  { "tool_id": "math.add", "tool_version": "1.0.0", "name": "Add",
    "description": "Add two integers.",
    "side_effect": "READ", "idempotency": "IDEMPOTENT", "determinism": "DETERMINISTIC",
    "availability": "OFFLINE_OK", "risk_level": "LOW",
    "input_schema": { "type": "object", "additionalProperties": false, "required": ["a", "b"],
      "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } } },
    "output_label": { "sensitivity": "low", "exportable": true } },
  { "tool_id": "text.count", "tool_version": "1.0.0", "name": "Count",
    "description": "Count the characters, words and lines of a text.",
    "side_effect": "READ", "idempotency": "IDEMPOTENT", "determinism": "DETERMINISTIC",
    "availability": "OFFLINE_OK", "risk_level": "LOW",
    "input_schema": { "type": "object", "additionalProperties": false, "required": ["text"],
      "properties": { "text": { "type": "string" } } },
    "output_label": { "sensitivity": "low", "exportable": true } }
]"#;

/// The registry of the built-in tools.
#[must_use]
pub fn builtins() -> ToolRegistry {
    ToolRegistry::from_json(ENTRIES.as_bytes()).expect("the built-in entries are valid")
}

#[async_trait]
impl ToolExecutor for Builtins {
    async fn execute(&self, entry: &ToolEntry, request: ToolRequest) -> ToolResponse {
        let result = match entry.tool_id.as_str() {
            "math.add" => add(&request.args),
            "text.count" => count(&request.args),
            _ => None,
        };
        let error = result.is_none().then(|| ToolError {
            code: HTC_INVALID.to_owned(),
            kind: ToolErrorKind::Validation,
            message: "the tool does not accept these arguments".to_owned(),
            retryable: false,
            details: Vec::new(),
        });
        ToolResponse {
            schema_version: HTC_VERSION.to_owned(),
            tool_call_id: request.tool_call_id,
            ok: error.is_none(),
            result,
            error,
            duration_ms: 0,
            resources: BTreeMap::new(),
        }
    }
}

fn add(args: &Map<String, Value>) -> Option<Value> {
    let sum = args
        .get("a")?
        .as_i64()?
        .checked_add(args.get("b")?.as_i64()?)?;
    Some(json!({ "sum": sum }))
}

fn count(args: &Map<String, Value>) -> Option<Value> {
    let text = args.get("text")?.as_str()?;
    Some(json!({
        "characters": text.chars().count(),
        "words": text.split_whitespace().count(),
        "lines": text.lines().count(),
    }))
}
