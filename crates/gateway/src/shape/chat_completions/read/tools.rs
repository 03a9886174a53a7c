//! Tools, the choice among them, and the form of the answer.

use std::{borrow::Cow, collections::BTreeSet};

use handshake_core::{
    chat::ToolChoice,
    error::CallError,
    ids::ToolName,
    tool::{RiskLevel, ToolDefinition},
};
use serde_json::{Value, json, value::RawValue};

use super::members::{At, Members};

pub(super) fn read(
    top: &mut Members<'_, '_>,
    advisory: &mut Vec<String>,
) -> Result<Vec<ToolDefinition>, CallError> {
    let items: Vec<&RawValue> = top.take("tools")?.unwrap_or_default();
    let at = At::Member(&top.at, "tools");
    let mut tools = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let mut item = Members::of(At::Item(&at, index), item)?;
        if item.text("type")?.is_some_and(|kind| kind != "function") {
            return Err(item.bad("type"));
        }
        let raw = item.raw("function").ok_or_else(|| item.bad("function"))?;
        let function = Members::of(At::Member(&item.at, "function"), raw)?;
        tools.push(tool(function, advisory)?);
        item.done()?;
    }
    Ok(tools)
}

fn tool(
    mut function: Members<'_, '_>,
    advisory: &mut Vec<String>,
) -> Result<ToolDefinition, CallError> {
    let name = function.text("name")?.ok_or_else(|| function.bad("name"))?;
    let tool_id = ToolName::new(&*name).map_err(|_| function.bad("name"))?;
    // A promise that another shape cannot make; the arguments are parsed here all the same.
    if function.take::<bool>("strict")? == Some(true) {
        function.report("strict", advisory);
    }
    let tool = ToolDefinition {
        tool_id,
        name: name.into_owned(),
        description: function
            .text("description")?
            .map(Cow::into_owned)
            .unwrap_or_default(),
        parameters: function
            .take("parameters")?
            .unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
        required_capabilities: BTreeSet::new(),
        risk_level: RiskLevel::Low,
    };
    function.done()?;
    Ok(tool)
}

pub(super) fn choice(top: &mut Members<'_, '_>) -> Result<Option<ToolChoice>, CallError> {
    let Some(raw) = top.raw("tool_choice") else {
        return Ok(None);
    };
    if let Ok(word) = serde_json::from_str::<String>(raw.get()) {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(top.bad("tool_choice")),
        };
    }
    let mut choice = Members::of(At::Member(&top.at, "tool_choice"), raw)?;
    if choice.text("type")?.is_some_and(|kind| kind != "function") {
        return Err(choice.bad("type"));
    }
    let raw = choice
        .raw("function")
        .ok_or_else(|| choice.bad("function"))?;
    let mut function = Members::of(At::Member(&choice.at, "function"), raw)?;
    let name = function.text("name")?.ok_or_else(|| function.bad("name"))?;
    let name = ToolName::new(&*name).map_err(|_| function.bad("name"))?;
    function.done()?;
    choice.done()?;
    Ok(Some(ToolChoice::Named(name)))
}

pub(super) fn schema(
    top: &mut Members<'_, '_>,
    advisory: &mut Vec<String>,
) -> Result<Option<Value>, CallError> {
    let Some(raw) = top.raw("response_format") else {
        return Ok(None);
    };
    let mut format = Members::of(At::Member(&top.at, "response_format"), raw)?;
    let kind = format.text("type")?.ok_or_else(|| format.bad("type"))?;
    let schema = match &*kind {
        "text" => None,
        "json_object" => Some(json!({ "type": "object" })),
        "json_schema" => {
            let raw = format
                .raw("json_schema")
                .ok_or_else(|| format.bad("json_schema"))?;
            let mut named = Members::of(At::Member(&format.at, "json_schema"), raw)?;
            let schema = named.take("schema")?.ok_or_else(|| named.bad("schema"))?;
            // Held here whether asked for or not.
            named.take::<bool>("strict")?;
            named.skip(&["name"]);
            named.advisory(&["description"], advisory);
            named.done()?;
            Some(schema)
        }
        _ => return Err(format.bad("type")),
    };
    format.done()?;
    Ok(schema)
}
