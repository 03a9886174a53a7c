//! The answer. Members that nobody here needs are skipped; a needed one that stands twice, or that is of
//! an impossible type, is an error.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One chunk of a stream, or one whole answer.
#[derive(Deserialize)]
pub(crate) struct Chunk {
    #[serde(default)]
    pub(crate) error: Option<Value>,
    #[serde(default)]
    pub(crate) object: Option<Value>,
    #[serde(default)]
    pub(crate) model: Option<Value>,
    #[serde(default)]
    pub(crate) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(crate) usage: Option<Value>,
    #[serde(default)]
    pub(crate) x_groq: Option<Value>,
    #[serde(default)]
    pub(crate) timings: Option<Value>,
    #[serde(default)]
    pub(crate) prompt_filter_results: Option<Value>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) index: Option<i64>,
    #[serde(default)]
    pub(crate) delta: Option<Delta>,
    #[serde(default)]
    pub(crate) message: Option<Delta>,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
    #[serde(default)]
    pub(crate) native_finish_reason: Option<Value>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
    #[serde(default)]
    pub(crate) usage: Option<Value>,
}

/// A part of a message, or a whole one: the two differ in nothing that matters.
#[derive(Default, Deserialize)]
pub(crate) struct Delta {
    #[serde(default)]
    pub(crate) content: Option<Value>,
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    #[serde(default)]
    pub(crate) reasoning_content: Option<Value>,
    #[serde(default)]
    pub(crate) reasoning: Option<Value>,
    #[serde(default)]
    pub(crate) reasoning_text: Option<Value>,
    #[serde(default)]
    pub(crate) reasoning_details: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    pub(crate) tool_calls: Option<Vec<CallDelta>>,
    #[serde(default)]
    pub(crate) function_call: Option<FunctionDelta>,
}

#[derive(Deserialize)]
pub(crate) struct CallDelta {
    #[serde(default)]
    pub(crate) index: Option<i64>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) function: Option<FunctionDelta>,
    #[serde(default)]
    pub(crate) extra_content: Option<Value>,
}

#[derive(Default, Deserialize)]
pub(crate) struct FunctionDelta {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) arguments: Option<Value>,
}
