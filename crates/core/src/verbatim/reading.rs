//! One lenient pass over a body: what routing, admission and the checks need, and the rules that hold for every
//! body. Everything else goes through. No tree is built.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, de::DeserializeSeed, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use super::{
    AskedSchema, Bounds,
    place::Place,
    walk::{Fault, Seen, Walk, kind},
};
use crate::{
    chat::{Needs, Shape, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::ToolName,
};

/// What a body says, as far as anybody but the provider has to know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// The model that the client named.
    pub(super) model: String,
    /// Where the value of the one top-level `model` stands.
    pub(super) span: Range<usize>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) schema: Option<AskedSchema>,
    pub(super) needs: Needs,
}

/// Reads a body.
pub(super) fn read(shape: Shape, body: &[u8], bounds: Bounds) -> Result<Reading, CallError> {
    let mut seen = Seen::default();
    // serde reads structures from arrays too, so the brace is looked at.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("body"));
    }
    let mut text = serde_json::Deserializer::from_slice(body);
    let walked = Walk {
        seen: &mut seen,
        shape,
        place: Place::Top,
        depth: 0,
        bounds,
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
    let mut reading = Reading {
        model: model.into_owned(),
        span: start..start + raw.get().len(),
        stream: seen.stream.unwrap_or(shape.streams_by_default()),
        max_tokens: seen.max_completion_tokens.or(seen.max_tokens),
        tool_choice: seen.tool_choice.and_then(tool_choice),
        schema: None,
        needs: seen.needs,
    };
    match (shape, seen.format) {
        (_, None) => {}
        (Shape::ChatCompletions, Some(format)) => reading.format(format),
        (_, Some(format)) => {
            reading.needs.structured_output = !matches!(format.get(), "null" | "\"\"");
        }
    }
    if reading.needs.messages == 0 {
        return Err(bad("messages"));
    }
    Ok(reading)
}

impl Reading {
    fn format(&mut self, raw: &RawValue) {
        #[derive(Deserialize)]
        struct Format {
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
        let read: Result<Format, _> = serde_json::from_str(raw.get());
        match (kind(raw), read) {
            (Some(kind), Ok(_)) if kind == "text" => {}
            (Some(_), Ok(Format { json_schema })) => {
                self.needs.structured_output = true;
                self.schema = json_schema.and_then(|asked| {
                    Some(AskedSchema {
                        schema: asked.schema?,
                        strict: asked.strict == Some(true),
                    })
                });
            }
            _ => self.needs.structured_output = raw.get() != "null",
        }
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

fn bad(about: &'static str) -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Input).about(about)
}
