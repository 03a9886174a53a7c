//! Dialects: how servers of one API differ, as rows of one table. No code asks for a dialect by name.

mod ids;
mod rows;
mod shared;

use handshake_core::{chat::Reasoning, code::ErrorCode, ids::Token};

pub use self::{ids::IdRule, rows::DIALECTS};

/// How a server of the chat completions API differs from the others. Plain data.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Its name, as in a provider's `dialect`.
    pub name: &'static str,
    /// Other names under which it is known.
    pub aliases: &'static [&'static str],
    /// The header of the secret, and what stands before the secret in it.
    pub auth: (&'static str, &'static str),

    /// The member that bounds the answer.
    pub max_tokens: &'static str,
    /// The member of the sampling seed, where the server honours one.
    pub seed: Option<&'static str>,
    /// Whether `stop` is honoured.
    pub stop: bool,
    /// Whether a stream reports usage when asked with `stream_options`.
    pub stream_usage: bool,
    /// The word for "must call a tool", where there is one.
    pub required_choice: Option<&'static str>,
    /// Whether one tool can be named.
    pub named_choice: bool,
    /// Whether a forced choice works while the model thinks.
    pub forced_choice_thinking: bool,
    /// Whether `response_format` takes a JSON schema.
    pub json_schema: bool,
    /// Whether a schema and tools work in one request.
    pub schema_with_tools: bool,
    /// Whether `image_url` parts with data URIs are taken.
    pub images: bool,
    /// Level of thinking, the member that asks for it, and its value as JSON. A level without a row is
    /// unsupported.
    pub reasoning: &'static [(Reasoning, &'static str, &'static str)],

    /// What stands in `content` beside tool calls when there is no text.
    pub call_content: CallContent,
    /// Whether a tool result carries the tool's name.
    pub result_name: bool,
    /// Whether the spelling of a control token inside of content is taken for the token.
    pub control_tokens: bool,
    /// Whether a user may speak right after a tool result.
    pub user_after_result: bool,
    /// Which of the model's earlier thinking goes back.
    pub replay: Replay,
    /// Whether opaque state (`reasoning_details`, `extra_content`) is kept and goes back.
    pub opaque_state: bool,
    /// The form of tool call ids, unless the model's family has one of its own.
    pub call_ids: IdRule,

    /// How the answer's `model` relates to the one that was asked for.
    pub echo: Echo,
    /// Finish words beyond [`COMMON_FINISH`].
    pub finish: &'static [(&'static str, Finish)],
    /// Whether an empty finish reason of a *whole* answer means that it is complete. Never so in a stream.
    pub empty_finish_is_stop: bool,
    /// Codes of errors that are this vendor's own, numbers among them, lower case. Elsewhere they may mean something
    /// else.
    pub codes: &'static [(&'static str, ErrorCode)],
    /// Whether a 400 without a body says that the request is longer than the context window.
    pub bare_400_is_overflow: bool,
    /// The members that hold thinking, the first one present wins.
    pub reasoning_fields: &'static [ReasoningField],
    /// Tools that the server makes up to say that it calls none.
    pub no_call_tools: &'static [&'static str],
    /// Whether every chunk repeats the text so far.
    pub cumulative: bool,
}

/// What stands in an assistant message's `content` beside tool calls when there is no text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallContent {
    /// `null`.
    Null,
    /// `""`.
    Empty,
}

/// Which of the model's earlier thinking goes back to it, and in which member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replay {
    /// None.
    Drop,
    /// That of the tool loop in progress.
    ToolLoop(&'static str),
}

/// How the answer's `model` relates to the one that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Echo {
    /// It may be anything: the server routes or resolves aliases.
    Unchecked,
    /// The same, letter case aside.
    Exact,
    /// The same, or the same with a date or version appended.
    Dated,
    /// The same file name, folders and `.gguf` aside.
    Stem,
}

/// What a finish word means.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Finish {
    /// Complete.
    Stop,
    /// Tools are to be called.
    ToolUse,
    /// A bound was reached.
    Length,
    /// A filter cut it.
    ContentFilter,
    /// The server failed.
    Failed(ErrorCode),
}

/// The members that hold thinking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasoningField {
    /// `reasoning_content`.
    ReasoningContent,
    /// `reasoning`.
    Reasoning,
    /// `reasoning_text`.
    ReasoningText,
}

/// The finish words of every dialect.
pub const COMMON_FINISH: &[(&str, Finish)] = &[
    ("stop", Finish::Stop),
    ("length", Finish::Length),
    ("tool_calls", Finish::ToolUse),
    ("function_call", Finish::ToolUse),
    ("content_filter", Finish::ContentFilter),
    ("error", Finish::Failed(ErrorCode::Provider)),
];

/// Words of `native_finish_reason` that say that the answer was cut, whatever `finish_reason` says.
pub const NATIVE_CUT: &[&str] = &["length", "max_output_tokens", "max_tokens", "model_length"];

impl Dialect {
    /// The dialect of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        DIALECTS
            .iter()
            .find(|row| row.name == name || row.aliases.contains(&name))
    }

    /// The dialect of a provider that declares none: the least that every server has in common.
    #[must_use]
    pub fn generic() -> &'static Self {
        &DIALECTS[0]
    }

    /// The name as a token.
    #[must_use]
    pub fn token(&self) -> Token {
        Token::new(self.name).expect("the names of the table are tokens")
    }

    /// What a finish word means; `None` for one that nobody knows.
    #[must_use]
    pub fn finish(&self, word: &str) -> Option<Finish> {
        COMMON_FINISH
            .iter()
            .chain(self.finish)
            .find(|(known, _)| *known == word)
            .map(|(_, what)| *what)
    }

    /// What one of the vendor's own codes means.
    #[must_use]
    pub fn code(&self, word: &str) -> Option<ErrorCode> {
        self.codes
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, code)| *code)
    }

    /// Whether an answer that names `answered` may be the answer of `requested`. An empty name says
    /// nothing.
    #[must_use]
    pub fn echoes(&self, requested: &str, answered: &str) -> bool {
        answered.is_empty()
            || match self.echo {
                Echo::Unchecked => true,
                Echo::Exact => requested.eq_ignore_ascii_case(answered),
                Echo::Dated => dated(requested, answered),
                Echo::Stem => stem(requested).eq_ignore_ascii_case(stem(answered)),
            }
    }
}

fn dated(requested: &str, answered: &str) -> bool {
    let base = requested.strip_suffix("-latest").unwrap_or(requested);
    requested == answered
        || answered.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(['-', '@']).is_some_and(|version| {
                    version.starts_with(|c: char| c.is_ascii_digit())
                        && version.bytes().all(|b| b.is_ascii_digit() || b == b'-')
                })
        })
}

fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.strip_suffix(".gguf").unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a5_names_and_aliases_are_unique_tokens() {
        let mut seen = std::collections::BTreeSet::new();
        for row in DIALECTS {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(seen.insert(*name), "{name} twice");
                Token::new(name).expect("a token");
            }
            for (_, member, value) in row.reasoning {
                serde_json::from_str::<serde_json::Value>(value)
                    .unwrap_or_else(|_| panic!("{} {member}", row.name));
            }
        }
        assert_eq!(Dialect::generic().name, "generic");
    }

    #[test]
    fn q150_the_echoed_model_is_compared_as_the_dialect_says() {
        let row = |name| Dialect::find(name).expect("known");
        assert!(row("openai").echoes("gpt-4o", "gpt-4o-2024-08-06"));
        assert!(!row("openai").echoes("gpt-4o", "gpt-4o-mini-2024-07-18"));
        assert!(!row("openai").echoes("gpt-4o", "gpt-4o-"));
        assert!(row("mistral").echoes("mistral-small-latest", "mistral-small-2506"));
        assert!(row("llamacpp").echoes("Qwen3-1.7B-Q4_K_M", "/models/Qwen3-1.7B-Q4_K_M.gguf"));
        assert!(!row("llamacpp").echoes("Qwen3-1.7B-Q4_K_M", "/models/Qwen3-8B-Q4_K_M.gguf"));
        assert!(row("vllm").echoes("Qwen/Qwen3-8B", ""));
        assert!(!row("vllm").echoes("a", "b"));
        assert!(row("openrouter").echoes("a", "b"));
    }

    #[test]
    fn q43_vendor_words_are_rows_and_unknown_ones_are_not_stop() {
        let finish = |dialect, word| Dialect::find(dialect).expect("known").finish(word);
        assert_eq!(finish("together", "eos"), Some(Finish::Stop));
        assert_eq!(finish("tgi", "eos_token"), Some(Finish::Stop));
        assert_eq!(finish("mistral", "model_length"), Some(Finish::Length));
        assert_eq!(finish("zai", "sensitive"), Some(Finish::ContentFilter));
        assert_eq!(finish("generic", "eos"), None);
        assert_eq!(finish("generic", "cosmic_ray"), None);
    }
}
