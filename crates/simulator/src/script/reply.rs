//! What a rule answers.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::payload::Payload;
use crate::Fault;

/// An answer, independent of the wire format.
///
/// `Reply::default()` is the simulator's default answer; with faults only, the default answer
/// with those faults. `{{last}}` in a text chunk stands for the last user or tool text, `{{fence}}` for the
/// fence of emulated tool calls that the prompt teaches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// Text chunks, one frame each when streamed; a single string is one chunk. An empty list is
    /// an empty answer; absent leaves it to the other members.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "maybe_one_or_many"
    )]
    pub text: Option<Vec<String>>,
    /// Reasoning chunks, before the text.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub reasoning: Vec<String>,
    /// A JSON value, sent as the text, compact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Send an instance of the schema that the request carries, as the default answer does.
    pub conform: bool,
    /// Tool calls, in parallel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<CallSpec>,
    /// A refusal in the wire's own field; on Ollama, which has none, it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The finish reason, verbatim, known or not. Absent: what the wire says for the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// OpenRouter's `native_finish_reason`; OpenAI wire only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_finish: Option<String>,
    /// The usage that is reported.
    pub usage: UsageSpec,
    /// Faults and quirks, all applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// A whole answer, byte for byte. The content members above are then ignored; of the faults
    /// those on bytes and on the connection apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawReply>,
}

/// A tool call of a reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallSpec {
    /// The function's name, verbatim.
    pub name: String,
    /// Arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Arguments as raw text, JSON or not. On Ollama, whose arguments are
    /// objects, a call whose text is not an object is dropped silently, as the daemon does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_text: Option<String>,
    /// The call's id; derived from the request where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Which usage is reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSpec {
    /// Counted, four bytes a token.
    #[default]
    Counted,
    /// None at all.
    Absent,
    /// These numbers.
    Fixed {
        /// Prompt tokens.
        prompt: u64,
        /// Completion tokens.
        completion: u64,
        /// Part of the prompt that was cached; OpenAI wire only.
        #[serde(default)]
        cached: u64,
        /// Part of the completion that was reasoning; OpenAI wire only.
        #[serde(default)]
        reasoning: u64,
    },
}

/// An answer byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReply {
    /// HTTP status.
    #[serde(default = "ok")]
    pub status: u16,
    /// `content-type`; none is sent where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Further headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body; sent with chunked coding, in one chunk unless a fault splits it.
    pub body: Payload,
}

fn ok() -> u16 {
    200
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(list) => list,
    })
}

fn maybe_one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self::default().fault(fault)
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl Reply {
    /// One text chunk.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::chunks([text.into()])
    }

    /// Several text chunks.
    #[must_use]
    pub fn chunks<T: Into<String>>(chunks: impl IntoIterator<Item = T>) -> Self {
        Self {
            text: Some(chunks.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// One tool call; `arguments` is an object, anything else counts as an empty one.
    #[must_use]
    pub fn tool_call(name: impl Into<String>, arguments: Value) -> Self {
        Self::default().and_call(name, arguments)
    }

    /// A further tool call.
    #[must_use]
    pub fn and_call(mut self, name: impl Into<String>, arguments: Value) -> Self {
        self.tool_calls.push(CallSpec {
            name: name.into(),
            arguments: match arguments {
                Value::Object(map) => map,
                _ => Map::new(),
            },
            ..CallSpec::default()
        });
        self
    }

    /// A further tool call whose arguments are this text, JSON or not.
    #[must_use]
    pub fn and_text_call(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.tool_calls.push(CallSpec {
            name: name.into(),
            arguments_text: Some(arguments.into()),
            ..CallSpec::default()
        });
        self
    }

    /// A JSON value as the text.
    #[must_use]
    pub fn json(value: Value) -> Self {
        Self {
            json: Some(value),
            ..Self::default()
        }
    }

    /// An instance of the schema that the request carries.
    #[must_use]
    pub fn conforming() -> Self {
        Self {
            conform: true,
            ..Self::default()
        }
    }

    /// A structured refusal.
    #[must_use]
    pub fn refusal(text: impl Into<String>) -> Self {
        Self {
            refusal: Some(text.into()),
            ..Self::default()
        }
    }

    /// A whole answer, byte for byte.
    #[must_use]
    pub fn raw(status: u16, content_type: &str, body: impl Into<Payload>) -> Self {
        Self {
            raw: Some(RawReply {
                status,
                content_type: Some(content_type.to_owned()),
                headers: Vec::new(),
                body: body.into(),
            }),
            ..Self::default()
        }
    }

    /// Adds a reasoning chunk.
    #[must_use]
    pub fn reasoning(mut self, text: impl Into<String>) -> Self {
        self.reasoning.push(text.into());
        self
    }

    /// Sets the finish reason, verbatim.
    #[must_use]
    pub fn finish(mut self, reason: impl Into<String>) -> Self {
        self.finish = Some(reason.into());
        self
    }

    /// Sets OpenRouter's `native_finish_reason`.
    #[must_use]
    pub fn native_finish(mut self, reason: impl Into<String>) -> Self {
        self.native_finish = Some(reason.into());
        self
    }

    /// Sets the usage that is reported.
    #[must_use]
    pub fn usage(mut self, usage: UsageSpec) -> Self {
        self.usage = usage;
        self
    }

    /// Adds a fault or quirk.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Whether the script says what the content is.
    pub(crate) fn has_content(&self) -> bool {
        self.text.is_some()
            || self.json.is_some()
            || self.conform
            || self.refusal.is_some()
            || !self.reasoning.is_empty()
            || !self.tool_calls.is_empty()
    }

    /// Refuses what HTTP cannot carry.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        use axum::http::{HeaderName, HeaderValue};
        if let Some(raw) = &self.raw {
            if !(200..=599).contains(&raw.status) {
                return Err("status must be in 200..=599");
            }
            if let Some(kind) = &raw.content_type {
                HeaderValue::from_str(kind)
                    .map_err(|_| "content type is not a valid header value")?;
            }
            for (name, value) in &raw.headers {
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| "header name is invalid")?;
                HeaderValue::from_str(value).map_err(|_| "header value is invalid")?;
            }
        }
        self.faults.iter().try_for_each(Fault::check)
    }
}
