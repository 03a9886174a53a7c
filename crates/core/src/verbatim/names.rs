//! Names of members: none twice, none that another reader would take for a known one.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use super::place::Place;
use crate::json::folded;

const TOP: &[&str] = &[
    "_debug_render_only",
    "audio",
    "backend",
    "background",
    "betas",
    "cache_control",
    "chat_template_kwargs",
    "container",
    "context",
    "context_management",
    "conversation",
    "enable_thinking",
    "extra_body",
    "fallbacks",
    "format",
    "frequency_penalty",
    "function_call",
    "functions",
    "grammar",
    "guided_json",
    "include",
    "include_reasoning",
    "inference_geo",
    "input",
    "keep_alive",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "min_p",
    "modalities",
    "model",
    "models",
    "n",
    "name",
    "options",
    "output_config",
    "output_format",
    "parallel_tool_calls",
    "plugins",
    "prediction",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "provider",
    "raw",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "route",
    "safety_identifier",
    "seed",
    "service_tier",
    "shift",
    "speed",
    "stop",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "system",
    "temperature",
    "template",
    "think",
    "thinking",
    "tool_choice",
    "tools",
    "top_a",
    "top_k",
    "top_logprobs",
    "top_p",
    "transforms",
    "truncate",
    "user",
    "verbosity",
    "web_search_options",
];
const MESSAGE: &[&str] = &[
    "annotations",
    "audio",
    "cache_control",
    "content",
    "function_call",
    "images",
    "name",
    "prefix",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "refusal",
    "role",
    "thinking",
    "tool_call_id",
    "tool_calls",
    "tool_name",
];
const PART: &[&str] = &[
    "audio_url",
    "cache_control",
    "caller",
    "citations",
    "content",
    "context",
    "data",
    "document",
    "file",
    "file_id",
    "id",
    "image",
    "image_url",
    "input",
    "input_audio",
    "is_error",
    "media_type",
    "name",
    "refusal",
    "server_name",
    "signature",
    "source",
    "text",
    "thinking",
    "title",
    "tool_name",
    "tool_use_id",
    "type",
    "url",
    "video_url",
];
const IMAGE: &[&str] = &["detail", "format", "url"];
const AUDIO: &[&str] = &["data", "format", "id", "url", "voice"];
const FILE: &[&str] = &["file_data", "file_id", "filename", "url"];
const SOURCE: &[&str] = &["content", "data", "file_id", "media_type", "type", "url"];
const TOOL: &[&str] = &[
    "allowed_callers",
    "allowed_domains",
    "blocked_domains",
    "cache_control",
    "citations",
    "custom",
    "defer_loading",
    "description",
    "display_height_px",
    "display_number",
    "display_width_px",
    "eager_input_streaming",
    "function",
    "id",
    "index",
    "input_examples",
    "input_schema",
    "items",
    "max_characters",
    "max_content_tokens",
    "max_uses",
    "mcp_server_name",
    "name",
    "parameters",
    "strict",
    "type",
    "user_location",
];
const FUNCTION: &[&str] = &[
    "arguments",
    "description",
    "format",
    "index",
    "input",
    "name",
    "parameters",
    "strict",
];
const CHOICE: &[&str] = &[
    "allowed_tools",
    "custom",
    "disable_parallel_tool_use",
    "function",
    "name",
    "type",
];
const ALLOWED: &[&str] = &["mode", "tools"];
const FORMAT: &[&str] = &["effort", "format", "json_schema", "schema", "type"];
const JSON_SCHEMA: &[&str] = &["description", "name", "schema", "strict"];
const STREAM_OPTIONS: &[&str] = &[
    "continuous_usage_stats",
    "include_obfuscation",
    "include_usage",
];
const REASONING: &[&str] = &[
    "budget_tokens",
    "display",
    "effort",
    "enabled",
    "exclude",
    "generate_summary",
    "max_tokens",
    "summary",
    "type",
];
const SEARCH: &[&str] = &["search_context_size", "user_location"];
const PREDICTION: &[&str] = &["content", "type"];
const OPTIONS: &[&str] = &[
    "draft_num_predict",
    "frequency_penalty",
    "main_gpu",
    "min_p",
    "num_batch",
    "num_ctx",
    "num_gpu",
    "num_keep",
    "num_predict",
    "num_thread",
    "presence_penalty",
    "repeat_last_n",
    "repeat_penalty",
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    "use_mmap",
];
const CACHE: &[&str] = &["scope", "ttl", "type"];

/// The names that a place has, where a protocol fixes them. Those of all protocols together: there are servers that take
/// the members of one in the body of another.
pub(super) fn known(place: Place) -> &'static [&'static str] {
    match place {
        Place::Top => TOP,
        Place::Message => MESSAGE,
        Place::Content | Place::Part => PART,
        Place::Image => IMAGE,
        Place::Audio => AUDIO,
        Place::File => FILE,
        Place::Source => SOURCE,
        Place::Tool | Place::Call => TOOL,
        Place::Function => FUNCTION,
        Place::Choice => CHOICE,
        Place::Allowed => ALLOWED,
        Place::Format => FORMAT,
        Place::JsonSchema => JSON_SCHEMA,
        Place::StreamOptions => STREAM_OPTIONS,
        Place::Reasoning => REASONING,
        Place::Search => SEARCH,
        Place::Prediction => PREDICTION,
        Place::Options => OPTIONS,
        Place::Cache => CACHE,
        Place::Messages | Place::Tools | Place::Functions | Place::Calls | Place::Free => &[],
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// How many names are compared one by one.
const FEW: usize = 16;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    /// It stood there already.
    Twice,
    /// Another reader would take it for a known name, or for one that stands beside it.
    Spelling,
}

/// The names of one object.
pub(super) struct Names<'de> {
    known: &'static [&'static str],
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
    /// Where names are fixed: what those that are not plain come to.
    odd: BTreeSet<String>,
}

impl<'de> Names<'de> {
    pub(super) fn new(known: &'static [&'static str]) -> Self {
        Self {
            known,
            few: Vec::new(),
            many: HashSet::new(),
            odd: BTreeSet::new(),
        }
    }

    /// Whether another reader may take the name for another one. To be asked before [`Self::add`].
    pub(super) fn is_misread(&mut self, name: &str) -> bool {
        if self.known.is_empty() {
            return false;
        }
        if is_plain(name) {
            return self.odd.contains(name);
        }
        if self.known.contains(&name) {
            return false;
        }
        let folded = folded(name);
        let like_another = self.known.contains(&&*folded) || self.holds(&folded);
        // The same name again is a name that stands twice.
        like_another || (!self.holds(name) && !self.odd.insert(folded.into_owned()))
    }

    fn holds(&self, name: &str) -> bool {
        self.few.iter().any(|known| known == name) || self.many.contains(name)
    }

    /// Adds a name.
    pub(super) fn add(&mut self, name: Cow<'de, str>) -> Result<(), Wrong> {
        if self.is_misread(&name) {
            return Err(Wrong::Spelling);
        }
        let twice = match self.few.len() < FEW {
            true => {
                let twice = self.few.contains(&name);
                self.few.push(name);
                twice
            }
            false => self.few.contains(&name) || !self.many.insert(name),
        };
        match twice {
            true => Err(Wrong::Twice),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s36_the_tables_are_in_order_and_their_names_are_what_they_fold_to() {
        for place in Place::ALL {
            let names = known(place);
            assert!(names.is_sorted_by(|a, b| a < b), "{place:?}");
            assert!(names.iter().all(|name| folded(name) == *name));
        }
    }
}
