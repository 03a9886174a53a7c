//! Reading a body for a provider of another shape: every member is honoured, advisory (left out, and named in
//! `x-handshake-adjusted`) or refused by name. None is left out silently.

mod content;
mod members;
mod message;
mod tools;

use handshake_core::{
    chat::{Message, Params, Reasoning, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{MessageId, ToolCallId},
    time::UtcTime,
    tool::ToolDefinition,
};
use serde::Deserialize;
use serde_json::Value;

use self::members::{At, Members};

/// Members that change no answer when they are left out.
const ADVISORY: &[&str] = &[
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
    "service_tier",
];
/// Members that say with this value what is so without them.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("n", &["1"]),
    ("frequency_penalty", &["0", "0.0"]),
    ("presence_penalty", &["0", "0.0"]),
    ("logprobs", &["false"]),
];

/// What a body says, in our words.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<ToolDefinition>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) schema: Option<Value>,
    pub(super) include_usage: bool,
    pub(super) params: Params,
    /// What was left out, by the client's own names.
    pub(super) advisory: Vec<String>,
}

/// Ids that are drawn while reading.
pub(super) struct Ids<'a> {
    pub(super) draw: &'a dyn Fn() -> [u8; 16],
    pub(super) now: UtcTime,
}

impl Ids<'_> {
    fn message(&self) -> MessageId {
        MessageId::from_entropy((self.draw)())
    }

    fn call(&self) -> ToolCallId {
        ToolCallId::from_entropy((self.draw)())
    }
}

/// Reads a body that was read for its one meaning before.
///
/// # Errors
/// `HSK-400-INVALID-REQUEST` with the member at fault: of a wrong type, or one that another shape cannot carry.
pub(super) fn read(body: &[u8], ids: &Ids<'_>) -> Result<Read, CallError> {
    let mut advisory = Vec::new();
    let mut top = Members::read(At::Top, body)?;
    // Read already.
    top.skip(&["model", "stream"]);
    let messages = message::read(&mut top, ids, &mut advisory)?;
    let tools = tools::read(&mut top, &mut advisory)?;
    let read = Read {
        messages,
        tools,
        tool_choice: tools::choice(&mut top)?,
        schema: tools::schema(&mut top, &mut advisory)?,
        include_usage: stream_options(&mut top, &mut advisory)?,
        params: params(&mut top)?,
        advisory: Vec::new(),
    };
    top.advisory(ADVISORY, &mut advisory);
    top.neutral(NEUTRAL);
    top.done()?;
    Ok(Read { advisory, ..read })
}

fn stream_options(
    top: &mut Members<'_, '_>,
    advisory: &mut Vec<String>,
) -> Result<bool, CallError> {
    let Some(raw) = top.raw("stream_options") else {
        return Ok(false);
    };
    let mut options = Members::of(At::Member(&top.at, "stream_options"), raw)?;
    let include: Option<bool> = options.take("include_usage")?;
    options.advisory(&["include_obfuscation"], advisory);
    options.done()?;
    Ok(include.unwrap_or(false))
}

/// One text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

fn params(top: &mut Members<'_, '_>) -> Result<Params, CallError> {
    let max: Option<u64> = top.take("max_tokens")?;
    let max_completion: Option<u64> = top.take("max_completion_tokens")?;
    let stop = match top.take("stop")? {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    };
    let effort = top.text("reasoning_effort")?;
    let reasoning = match effort.as_deref() {
        None => None,
        Some("none") => Some(Reasoning::Off),
        Some("minimal" | "low") => Some(Reasoning::Low),
        Some("medium") => Some(Reasoning::Medium),
        Some("high" | "xhigh") => Some(Reasoning::High),
        Some(_) => return Err(top.bad("reasoning_effort")),
    };
    Ok(Params {
        temperature: top.take("temperature")?,
        top_p: top.take("top_p")?,
        max_tokens: max_completion.or(max),
        stop,
        seed: top.take("seed")?,
        reasoning,
    })
}

fn bad(about: &'static str) -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Input).about(about)
}

#[cfg(test)]
mod tests;
