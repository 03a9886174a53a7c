//! Bodies that we write. The order of the fields is the order of the bytes.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

/// Body of `/api/chat`.
#[derive(Serialize)]
pub(crate) struct ChatBody<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) think: Option<Think>,
    pub(crate) options: Options<'a>,
    pub(crate) stream: bool,
    pub(crate) truncate: bool,
    pub(crate) shift: bool,
}

/// One message. The content is always a string; a list is refused by the daemon.
#[derive(Default, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) role: &'static str,
    pub(crate) content: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call_id: Option<&'a str>,
}

/// A call in the history.
#[derive(Serialize)]
pub(crate) struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    pub(crate) function: CallFunction<'a>,
}

/// The function of a call.
#[derive(Serialize)]
pub(crate) struct CallFunction<'a> {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) arguments: &'a Map<String, Value>,
}

/// A declared tool.
#[derive(Serialize)]
pub(crate) struct Tool<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) function: ToolFunction<'a>,
}

/// The function of a declared tool.
#[derive(Serialize)]
pub(crate) struct ToolFunction<'a> {
    pub(crate) name: String,
    pub(crate) description: &'a str,
    pub(crate) parameters: Map<String, Value>,
}

/// How much to think: a switch, or a word where the family takes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Think {
    /// On.
    On(bool),
    /// So much.
    Level(&'static str),
}

/// Model options.
#[derive(Serialize)]
pub(crate) struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) num_ctx: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) num_predict: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) stop: &'a [String],
}

/// Body of `/api/show`.
#[derive(Serialize)]
pub(crate) struct ShowBody<'a> {
    pub(crate) model: &'a str,
}

/// Body of `/api/chat` without messages, which loads or unloads.
#[derive(Serialize)]
pub(crate) struct LoadBody<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<LoadOptions>,
    pub(crate) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_alive: Option<u64>,
}

/// Options of loading.
#[derive(Serialize)]
pub(crate) struct LoadOptions {
    pub(crate) num_ctx: u64,
}
