//! Names of members: none twice, none that another reader would take for a known one.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use super::place::Place;
use crate::{chat::Shape, json::folded};

/// Chat completions.
mod completions {
    pub(super) const TOP: &[&str] = &[
        "audio",
        "backend",
        "background",
        "chat_template_kwargs",
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
        "input",
        "keep_alive",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "min_p",
        "modalities",
        "model",
        "models",
        "n",
        "options",
        "parallel_tool_calls",
        "plugins",
        "prediction",
        "presence_penalty",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_retention",
        "provider",
        "reasoning",
        "reasoning_effort",
        "repetition_penalty",
        "response_format",
        "route",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "system",
        "temperature",
        "think",
        "tool_choice",
        "tools",
        "top_a",
        "top_k",
        "top_logprobs",
        "top_p",
        "transforms",
        "user",
        "verbosity",
        "web_search_options",
    ];
    pub(super) const MESSAGE: &[&str] = &[
        "annotations",
        "audio",
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
    pub(super) const PART: &[&str] = &[
        "audio_url",
        "cache_control",
        "data",
        "document",
        "file",
        "image",
        "image_url",
        "input_audio",
        "media_type",
        "refusal",
        "source",
        "text",
        "thinking",
        "type",
        "url",
        "video_url",
    ];
    pub(super) const IMAGE: &[&str] = &["detail", "format", "url"];
    pub(super) const AUDIO: &[&str] = &["data", "format", "id", "url", "voice"];
    pub(super) const FILE: &[&str] = &["file_data", "file_id", "filename", "url"];
    pub(super) const TOOL: &[&str] = &[
        "cache_control",
        "custom",
        "description",
        "function",
        "id",
        "index",
        "input_schema",
        "name",
        "parameters",
        "strict",
        "type",
    ];
    pub(super) const FUNCTION: &[&str] =
        &["arguments", "description", "name", "parameters", "strict"];
    pub(super) const CUSTOM: &[&str] = &["description", "format", "input", "name"];
    pub(super) const CHOICE: &[&str] = &["allowed_tools", "custom", "function", "name", "type"];
    pub(super) const ALLOWED: &[&str] = &["mode", "tools"];
    pub(super) const FORMAT: &[&str] = &["json_schema", "schema", "type"];
    pub(super) const JSON_SCHEMA: &[&str] = &["description", "name", "schema", "strict"];
    pub(super) const STREAM_OPTIONS: &[&str] = &[
        "continuous_usage_stats",
        "include_obfuscation",
        "include_usage",
    ];
    pub(super) const REASONING: &[&str] = &[
        "effort",
        "enabled",
        "exclude",
        "generate_summary",
        "max_tokens",
        "summary",
    ];
    pub(super) const SEARCH: &[&str] = &["search_context_size", "user_location"];
    pub(super) const PREDICTION: &[&str] = &["content", "type"];
}

/// The native chat of a local daemon.
mod native {
    pub(super) const TOP: &[&str] = &[
        "_debug_render_only",
        "context",
        "format",
        "keep_alive",
        "logprobs",
        "messages",
        "model",
        "name",
        "options",
        "prompt",
        "raw",
        "shift",
        "stream",
        "suffix",
        "system",
        "template",
        "think",
        "tools",
        "top_logprobs",
        "truncate",
    ];
    pub(super) const MESSAGE: &[&str] = &[
        "content",
        "images",
        "role",
        "thinking",
        "tool_call_id",
        "tool_calls",
        "tool_name",
    ];
    pub(super) const TOOL: &[&str] = &["function", "id", "items", "type"];
    pub(super) const FUNCTION: &[&str] =
        &["arguments", "description", "index", "name", "parameters"];
    pub(super) const OPTIONS: &[&str] = &[
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
}

/// Messages, whose content comes in blocks.
mod blocks {
    pub(super) const TOP: &[&str] = &[
        "anthropic_beta",
        "anthropic_version",
        "betas",
        "cache_control",
        "container",
        "context_management",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    ];
    pub(super) const MESSAGE: &[&str] = &["content", "role"];
    pub(super) const PART: &[&str] = &[
        "cache_control",
        "caller",
        "citations",
        "content",
        "context",
        "data",
        "file_id",
        "id",
        "input",
        "is_error",
        "name",
        "server_name",
        "signature",
        "source",
        "text",
        "thinking",
        "title",
        "tool_name",
        "tool_use_id",
        "type",
    ];
    pub(super) const SOURCE: &[&str] = &["content", "data", "file_id", "media_type", "type", "url"];
    pub(super) const TOOL: &[&str] = &[
        "allowed_callers",
        "allowed_domains",
        "blocked_domains",
        "cache_control",
        "citations",
        "defer_loading",
        "description",
        "display_height_px",
        "display_number",
        "display_width_px",
        "eager_input_streaming",
        "input_examples",
        "input_schema",
        "max_characters",
        "max_content_tokens",
        "max_uses",
        "mcp_server_name",
        "name",
        "strict",
        "type",
        "user_location",
    ];
    pub(super) const CHOICE: &[&str] = &["disable_parallel_tool_use", "name", "type"];
    pub(super) const THINKING: &[&str] = &["budget_tokens", "display", "type"];
    pub(super) const CACHE: &[&str] = &["scope", "ttl", "type"];
    pub(super) const FORMAT: &[&str] = &["effort", "format", "schema", "type"];
}

/// The names that a place has, where the protocol fixes them.
pub(super) fn known(shape: Shape, place: Place) -> &'static [&'static str] {
    match (shape, place) {
        (Shape::ChatCompletions, place) => match place {
            Place::Top => completions::TOP,
            Place::Message => completions::MESSAGE,
            Place::Content | Place::Part => completions::PART,
            Place::Image => completions::IMAGE,
            Place::Audio => completions::AUDIO,
            Place::File => completions::FILE,
            Place::Tool | Place::Call => completions::TOOL,
            Place::Function => completions::FUNCTION,
            Place::Custom => completions::CUSTOM,
            Place::Choice => completions::CHOICE,
            Place::Allowed => completions::ALLOWED,
            Place::Format => completions::FORMAT,
            Place::JsonSchema => completions::JSON_SCHEMA,
            Place::StreamOptions => completions::STREAM_OPTIONS,
            Place::Reasoning => completions::REASONING,
            Place::Search => completions::SEARCH,
            Place::Prediction => completions::PREDICTION,
            _ => &[],
        },
        (Shape::OllamaChat, place) => match place {
            Place::Top => native::TOP,
            Place::Message => native::MESSAGE,
            Place::Tool | Place::Call => native::TOOL,
            Place::Function => native::FUNCTION,
            Place::Options => native::OPTIONS,
            _ => &[],
        },
        (Shape::Messages, place) => match place {
            Place::Top => blocks::TOP,
            Place::Message => blocks::MESSAGE,
            Place::Content | Place::Part => blocks::PART,
            Place::Source => blocks::SOURCE,
            Place::Tool => blocks::TOOL,
            Place::Choice => blocks::CHOICE,
            Place::Reasoning => blocks::THINKING,
            Place::Cache => blocks::CACHE,
            Place::Format => blocks::FORMAT,
            _ => &[],
        },
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
        for shape in [Shape::ChatCompletions, Shape::OllamaChat, Shape::Messages] {
            for place in Place::ALL {
                let names = known(shape, place);
                assert!(names.is_sorted_by(|a, b| a < b), "{shape:?} {place:?}");
                assert!(names.iter().all(|name| folded(name) == *name));
            }
        }
    }
}
