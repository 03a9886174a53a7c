//! Names of members: none twice, none that another reader would take for a known one.

use std::{borrow::Cow, collections::HashSet};

pub(super) const TOP: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "web_search_options",
];
pub(super) const MESSAGE: &[&str] = &[
    "audio",
    "content",
    "function_call",
    "name",
    "refusal",
    "role",
    "tool_call_id",
    "tool_calls",
];
pub(super) const PART: &[&str] = &[
    "file",
    "image_url",
    "input_audio",
    "refusal",
    "text",
    "type",
];
pub(super) const TOOL: &[&str] = &["custom", "function", "id", "index", "type"];
pub(super) const FUNCTION: &[&str] = &["arguments", "description", "name", "parameters", "strict"];
pub(super) const FORMAT: &[&str] = &["json_schema", "type"];
pub(super) const JSON_SCHEMA: &[&str] = &["description", "name", "schema", "strict"];

/// Whether a name is a known one but for its case. Servers written in Go would read it as the known one.
pub(super) fn misspelt(known: &[&str], name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.bytes().all(plain) || known.contains(&name) {
        return false;
    }
    // Through upper case: the long s and the Kelvin sign fold to ASCII letters only that way.
    let folded: String = name
        .chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    known.contains(&folded.as_str())
}

/// How many names are compared one by one.
const FEW: usize = 16;

/// The names of one object.
#[derive(Default)]
pub(super) struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    /// Adds a name; says whether it stood there already.
    pub(super) fn twice(&mut self, name: Cow<'de, str>) -> bool {
        if self.few.len() < FEW {
            let twice = self.few.contains(&name);
            self.few.push(name);
            return twice;
        }
        self.few.contains(&name) || !self.many.insert(name)
    }
}
