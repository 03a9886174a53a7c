//! What a decoder needs to know about the request that it decodes the answer of. Plain data; travels with
//! the envelope; never hashed.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    chat::{ChatEvent, ToolChoice, ToolMode},
    emulation::EmulatedTools,
    error::CallError,
    ids::{ModelId, Token, ToolName},
};

/// How thinking is separated from text.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningPolicy {
    /// Thinking comes in a field of its own; text is text.
    #[default]
    Channel,
    /// A *leading* thinking block in the text is split off.
    LeadingBlock,
    /// The family's template opens the thinking block before the answer: text up to the first closing
    /// tag is thinking.
    Preopened,
}

/// The decoder's side of a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplySpec {
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The model that was asked for; another one in the answer is an error where the dialect says so.
    pub requested_model: Option<ModelId>,
    /// Wire tool names and the tools that they stand for. `None`: nothing is known (offline decoding), and
    /// the provider's own name stands for itself.
    pub tool_names: Option<BTreeMap<String, ToolName>>,
    /// How tools travel.
    pub tool_mode: ToolMode,
    /// Where tools are emulated: what the text is read with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulated: Option<EmulatedTools>,
    /// Whether a call was required.
    pub tool_choice: Option<ToolChoice>,
    /// Whether a schema was asked for.
    pub structured: bool,
    /// How thinking is separated from text.
    pub reasoning: ReasoningPolicy,
    /// The dialect.
    pub dialect: Token,
    /// The model's family.
    pub family: Option<Token>,
    /// Whether an answer that names another model goes on, told by [`ChatEvent::ModelAnswered`], and is no error: it was
    /// made elsewhere, what was asked is gone, and a person is to hear of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub model_may_differ: bool,
    /// Whether the answer's own bytes are wanted beside its events: the client speaks the provider's shape.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
    /// Seed of our own tool call ids: makes them deterministic per request and unique within the session.
    pub call_seed: [u8; 16],
}

impl ReplySpec {
    /// What is known when only a recording is at hand.
    #[must_use]
    pub fn offline(dialect: Token, stream: bool) -> Self {
        Self {
            stream,
            requested_model: None,
            tool_names: None,
            tool_mode: ToolMode::Native,
            emulated: None,
            tool_choice: None,
            structured: false,
            reasoning: ReasoningPolicy::LeadingBlock,
            dialect,
            family: None,
            model_may_differ: false,
            raw: false,
            call_seed: [0; 16],
        }
    }
}

/// Whether a model that is named in an answer is the one that was asked for: the same name, or the same with a date or a
/// version behind it, letter case and the vendor's prefix aside.
#[must_use]
pub fn is_same_model(asked: &str, answered: &str) -> bool {
    let plain = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or(name);
        name.to_ascii_lowercase()
    };
    let (asked, answered) = (plain(asked), plain(answered));
    if answered.is_empty() {
        return false;
    }
    let base = asked.strip_suffix("-latest").unwrap_or(&asked);
    asked == answered
        || answered.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(['-', '@']).is_some_and(|version| {
                    version.starts_with(|c: char| c.is_ascii_digit())
                        && version.bytes().all(|b| b.is_ascii_digit() || b == b'-')
                })
        })
}

/// The response head, reduced to what decoding needs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// The media type without parameters, lower case.
    pub content_type: Option<String>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

/// Sans-IO decoding of one answer. The same decoder serves the socket, recordings and fuzzing.
///
/// # Contract
/// Any chunking of the same bytes gives the same events. After the first `Err`, or after an
/// [`ChatEvent::Finished`], nothing more is called. `finish` is called once, when the body ended; a body
/// without finish evidence is `HSK-502-STREAM-TRUNCATED`.
pub trait ReplyDecoder: Send {
    /// Takes the next bytes, appends what they complete to `events`.
    ///
    /// # Errors
    /// The call's terminal failure. Events appended before it stand.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError>;

    /// The body ended.
    ///
    /// # Errors
    /// The call's terminal failure.
    fn finish(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError>;

    /// How many of the bytes pushed so far belong to frames that are complete and decoded, comments included. Never goes
    /// back. A frame that announces the end of the answer, and what comes after it, counts with the terminal. What stands behind the frame that finished the answer, or in a frame that failed, was not looked at and
    /// never counts; after a `finish` without an error everything pushed does.
    fn complete(&self) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_b11_a_date_makes_no_other_model_and_a_word_does() {
        for (asked, answered) in [
            ("gpt-4o", "gpt-4o"),
            ("gpt-4o", "gpt-4o-2024-08-06"),
            ("gpt-4o", "GPT-4o"),
            ("openai/gpt-4o", "gpt-4o-2024-08-06"),
            ("gpt-4o", "openai/gpt-4o"),
            ("mistral-small-latest", "mistral-small-2506"),
            ("mistral-small-latest", "mistral-small"),
            ("claude-x", "claude-x@20250101"),
        ] {
            assert!(is_same_model(asked, answered), "{asked} {answered}");
        }
        for (asked, answered) in [
            ("gpt-4o", "gpt-4o-mini"),
            ("gpt-4o", "gpt-4o-mini-2024-07-18"),
            ("gpt-4o", "gpt-4"),
            ("gpt-4o", "gpt-4o-"),
            ("gpt-4o", "gpt-4o2024"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("a", "b"),
            ("a", ""),
            ("-latest", "anything"),
        ] {
            assert!(!is_same_model(asked, answered), "{asked} {answered}");
        }
    }
}
