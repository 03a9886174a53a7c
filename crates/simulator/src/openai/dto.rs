//! Requests as providers read them: unknown members are ignored, wrong types are not.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Body of `…/chat/completions`.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) messages: Vec<Message>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    pub(super) stream_options: Option<StreamOptions>,
    #[serde(default)]
    pub(super) max_tokens: Option<u64>,
    #[serde(default)]
    pub(super) max_completion_tokens: Option<u64>,
    #[serde(default)]
    pub(super) temperature: Option<f64>,
    #[serde(default)]
    pub(super) tools: Option<Vec<Tool>>,
    #[serde(default)]
    pub(super) response_format: Option<ResponseFormat>,
    #[serde(default)]
    pub(super) reasoning_effort: Option<String>,
}

/// Options of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: Option<bool>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Option<Content>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<ToolCall>>,
    #[serde(default)]
    pub(super) tool_call_id: Option<String>,
}

/// Text or parts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Map<String, Value>>),
}

impl Content {
    /// The text, parts joined.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .filter_map(|part| part.get("text").and_then(Value::as_str))
                .collect(),
        }
    }
}

/// A call in the history; arguments are a string.
#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    #[serde(default)]
    pub(super) id: String,
    pub(super) function: ToolCallFunction,
}

/// The function of a call.
#[derive(Debug, Deserialize)]
pub(super) struct ToolCallFunction {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// A declared tool.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) function: ToolFunction,
}

/// The function of a declared tool.
#[derive(Debug, Deserialize)]
pub(super) struct ToolFunction {
    pub(super) name: String,
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseFormat {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) json_schema: Option<JsonSchema>,
}

/// A named schema.
#[derive(Debug, Deserialize)]
pub(super) struct JsonSchema {
    pub(super) name: String,
    #[serde(default)]
    pub(super) schema: Option<Value>,
}

/// Body of `…/embeddings`.
#[derive(Debug, Deserialize)]
pub(super) struct EmbedRequest {
    #[serde(default)]
    pub(super) model: String,
    pub(super) input: EmbedInput,
    #[serde(default)]
    pub(super) encoding_format: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Option<usize>,
}

/// One text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum EmbedInput {
    One(String),
    Many(Vec<String>),
}
