//! A client's own body, sent as it is. It is read to know what it asks for, never to change it.

use std::collections::BTreeMap;

use handshake_core::{
    chat::{ToolChoice, Verbatim},
    envelope::HeaderValue,
    error::PrepareError,
    ids::ToolName,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Rendered, invalid, unsupported};

/// Headers of a client that go with its body. Everything else stays here.
const ALLOWED: &[&str] = &["http-referer", "openai-beta", "x-title"];

/// What must be known of the body beside what was read of it already: what the gate and the decoder go by. Whatever else
/// it holds is the provider's to judge.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    functions: Option<Value>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    response_format: Option<Value>,
}

pub(super) fn render(verbatim: &Verbatim) -> Result<Rendered, PrepareError> {
    let asked: Asked = serde_json::from_slice(verbatim.body()).map_err(|_| invalid("body"))?;
    asked.refuse()?;
    let allowed = |(name, _): &(&String, &String)| ALLOWED.contains(&name.as_str());
    let headers = verbatim.headers().iter().filter(allowed);
    let tool_names = asked.tool_names()?;
    Ok(Rendered {
        body: verbatim.body().clone(),
        headers: headers
            .map(|(name, value)| (name.clone(), HeaderValue::Plain(value.clone())))
            .collect(),
        stream: verbatim.stream(),
        tool_choice: asked.choice(&tool_names)?,
        tool_names,
        structured: asked.response_format.is_some_and(|format| {
            format.get("type").and_then(Value::as_str) == Some("json_schema")
        }),
        adjusted: Vec::new(),
    })
}

impl Asked {
    fn refuse(&self) -> Result<(), PrepareError> {
        // One answer is decoded; a second one would be paid for and thrown away.
        if self.n.is_some_and(|n| n != 1) {
            return Err(unsupported("n"));
        }
        // The time before tools: its calls have no ids, so their results cannot be correlated.
        if self
            .functions
            .as_ref()
            .is_some_and(|functions| !functions.is_null())
        {
            return Err(unsupported("functions"));
        }
        Ok(())
    }

    /// The client's names, which are the wire's. A tool of a type that is not ours to read has none; calls of
    /// it pass the decoder unread.
    fn tool_names(&self) -> Result<BTreeMap<String, ToolName>, PrepareError> {
        let mut names = BTreeMap::new();
        for tool in self.tools.iter().flatten() {
            if tool.get("type").and_then(Value::as_str) != Some("function") {
                continue;
            }
            let wire = tool
                .pointer("/function/name")
                .and_then(Value::as_str)
                .ok_or_else(|| invalid("tools"))?;
            let name = ToolName::new(wire).map_err(|_| invalid("tools"))?;
            if names.insert(wire.to_owned(), name).is_some() {
                return Err(invalid("tools"));
            }
        }
        Ok(names)
    }

    /// The choice that the answer is held to; none where it is of a kind that is not ours to read.
    fn choice(
        &self,
        names: &BTreeMap<String, ToolName>,
    ) -> Result<Option<ToolChoice>, PrepareError> {
        let Some(choice) = &self.tool_choice else {
            return Ok(None);
        };
        if let Some(word) = choice.as_str() {
            return Ok(match word {
                "auto" => Some(ToolChoice::Auto),
                "none" => Some(ToolChoice::None),
                "required" | "any" => Some(ToolChoice::Required),
                _ => None,
            });
        }
        if choice.get("type").and_then(Value::as_str) != Some("function") {
            return Ok(None);
        }
        let named = choice.pointer("/function/name").and_then(Value::as_str);
        match named.and_then(|name| names.get(name)) {
            Some(tool) => Ok(Some(ToolChoice::Named(tool.clone()))),
            None => Err(invalid("tool_choice")),
        }
    }
}
