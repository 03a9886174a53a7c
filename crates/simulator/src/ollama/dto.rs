//! Requests as a daemon reads them: unknown members are ignored, wrong types are not.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Body of `/api/chat`.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) messages: Option<Vec<Message>>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    pub(super) format: Option<Value>,
    #[serde(default)]
    pub(super) tools: Option<Vec<Tool>>,
    #[serde(default)]
    pub(super) options: Option<Options>,
    #[serde(default)]
    pub(super) think: Option<Value>,
    #[serde(default)]
    pub(super) keep_alive: Option<Value>,
    #[serde(default)]
    pub(super) truncate: Option<bool>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) images: Option<Vec<String>>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<ToolCall>>,
    #[serde(default)]
    #[serde(rename = "tool_name")]
    pub(super) _tool_name: Option<String>,
}

/// A call in the history; arguments must be an object.
#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    pub(super) function: ToolCallFunction,
}

/// The function of a call.
#[derive(Debug, Deserialize)]
pub(super) struct ToolCallFunction {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
}

/// A declared tool.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) function: ToolFunction,
}

/// The function of a declared tool.
#[derive(Debug, Deserialize)]
pub(super) struct ToolFunction {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    #[serde(rename = "parameters")]
    pub(super) _parameters: Map<String, Value>,
}

/// The options whose types are checked.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    pub(super) num_ctx: Option<u64>,
    #[serde(default)]
    pub(super) num_predict: Option<i64>,
    #[serde(default)]
    #[serde(rename = "temperature")]
    pub(super) _temperature: Option<f64>,
    #[serde(default)]
    #[serde(rename = "top_p")]
    pub(super) _top_p: Option<f64>,
    #[serde(default)]
    #[serde(rename = "seed")]
    pub(super) _seed: Option<i64>,
    #[serde(default)]
    #[serde(rename = "stop")]
    pub(super) _stop: Option<Vec<String>>,
}

/// Body of `/api/show`.
#[derive(Debug, Deserialize)]
pub(super) struct ShowRequest {
    #[serde(default)]
    pub(super) model: String,
    /// The older name of `model`.
    #[serde(default)]
    pub(super) name: String,
}

/// Body of `/api/embed`.
#[derive(Debug, Deserialize)]
pub(super) struct EmbedRequest {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) input: Option<EmbedInput>,
}

/// One text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum EmbedInput {
    One(String),
    Many(Vec<String>),
}
