//! One lenient pass over a body: what routing, admission and the checks need, and the rules that hold for every
//! body. Everything else goes through. No tree is built.

mod names;
mod walk;

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use handshake_core::{
    chat::{Needs, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::ToolName,
    tool::check_schema,
};
use handshake_runtime::check::compile_schema;
use serde::{Deserialize, de::DeserializeSeed, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use self::walk::{Fault, Place, Walk};

/// What a body says, as far as anybody but the provider has to know it.
#[derive(Debug, Default)]
pub(super) struct Peek {
    /// The model that the client named.
    pub(super) model: String,
    /// Where the value of the one top-level `model` stands.
    pub(super) span: Range<usize>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) tool_choice: Option<ToolChoice>,
    /// The schema that the answer is held to here, whatever the provider does about it.
    pub(super) schema: Option<Value>,
    pub(super) needs: Needs,
}

/// What the pass collects.
#[derive(Default)]
struct Seen<'de> {
    model: Option<&'de RawValue>,
    stream: bool,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    tool_choice: Option<&'de RawValue>,
    format: Option<&'de RawValue>,
    needs: Needs,
    nodes: usize,
    fault: Option<Fault>,
}

/// Reads a body.
///
/// # Errors
/// `HSK-400-INVALID-REQUEST`, naming the member: no JSON object, no `model` or `messages`, a member that stands twice,
/// a name that differs from a known one in its spelling alone, nesting or values beyond the bounds.
/// `HSK-422-SCHEMA-KEYWORD` for a schema that is asked for strictly and cannot be checked here.
pub(super) fn peek(body: &[u8], depth: usize, nodes: usize) -> Result<Peek, CallError> {
    let mut seen = Seen::default();
    // serde reads structures from arrays too, so the brace is looked at.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("body"));
    }
    let mut text = serde_json::Deserializer::from_slice(body);
    let walked = Walk {
        seen: &mut seen,
        place: Place::Top,
        depth: 0,
        bounds: (depth, nodes),
    }
    .deserialize(&mut text)
    .and_then(|_| text.end());
    if walked.is_err() {
        return Err(match seen.fault {
            Some(Fault::Own(subject)) => bad(subject),
            Some(Fault::Member(subject, name)) => bad(subject).member(&name),
            None => bad("body"),
        });
    }
    let raw = seen.model.ok_or_else(|| bad("model"))?;
    let model: Cow<'_, str> = serde_json::from_str(raw.get()).map_err(|_| bad("model"))?;
    let start = raw.get().as_ptr() as usize - body.as_ptr() as usize;
    let mut peek = Peek {
        model: model.into_owned(),
        span: start..start + raw.get().len(),
        stream: seen.stream,
        max_tokens: seen.max_completion_tokens.or(seen.max_tokens),
        tool_choice: seen.tool_choice.and_then(tool_choice),
        schema: None,
        needs: seen.needs,
    };
    if let Some(format) = seen.format {
        peek.format(format)?;
    }
    if peek.needs.messages == 0 {
        return Err(bad("messages"));
    }
    Ok(peek)
}

impl Peek {
    /// The body with another value of its one top-level `model`: the client knows our name of it, and the provider
    /// its own.
    pub(super) fn with_model(&self, body: &Bytes, model: &str) -> Option<Bytes> {
        if self.model == model {
            return Some(body.clone());
        }
        let value = serde_json::to_string(model).ok()?;
        let (before, after) = (&body[..self.span.start], &body[self.span.end..]);
        Some([before, value.as_bytes(), after].concat().into())
    }

    /// What the answer must look like. A schema is held here whether it is asked for strictly or not. One that
    /// cannot be checked here is refused where the client wants a promise, and otherwise what the shape says that
    /// it is: a wish.
    fn format(&mut self, raw: &RawValue) -> Result<(), CallError> {
        #[derive(Deserialize)]
        struct Format<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(default)]
            json_schema: Option<Schema>,
        }
        #[derive(Deserialize)]
        struct Schema {
            #[serde(default)]
            strict: Option<bool>,
            #[serde(default)]
            schema: Option<Value>,
        }
        let read: Result<Format<'_>, _> = serde_json::from_str(raw.get());
        let named = match read {
            Ok(format) if format.kind == "text" => return Ok(()),
            Ok(format) => {
                self.needs.structured_output = true;
                format.json_schema
            }
            Err(_) => {
                self.needs.structured_output = raw.get() != "null";
                None
            }
        };
        let Some(Schema { strict, schema }) = named else {
            return Ok(());
        };
        let checked =
            |schema: &Value| check_schema(schema).is_ok() && compile_schema(schema).is_ok();
        self.schema = match schema {
            Some(schema) if checked(&schema) => Some(schema),
            Some(_) if strict == Some(true) => {
                return Err(CallError::new(ErrorCode::SchemaKeyword, Phase::Input)
                    .about("response_format.json_schema.schema"));
            }
            _ => None,
        };
        Ok(())
    }
}

/// A call that the client insists on. Other forms are between it and the provider.
fn tool_choice(raw: &RawValue) -> Option<ToolChoice> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Choice<'a> {
        Word(#[serde(borrow)] Cow<'a, str>),
        Named { function: Named<'a> },
        Other(IgnoredAny),
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    match serde_json::from_str(raw.get()).ok()? {
        Choice::Word(word) if matches!(&*word, "required" | "any") => Some(ToolChoice::Required),
        Choice::Named { function } => ToolName::new(&*function.name).ok().map(ToolChoice::Named),
        Choice::Word(_) | Choice::Other(_) => None,
    }
}

pub(super) fn bad(about: &'static str) -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Input).about(about)
}

#[cfg(test)]
mod tests;
