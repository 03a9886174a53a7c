//! Tools, their choice, and the schema of the answer.

use std::collections::BTreeMap;

use handshake_core::{
    chat::{ChatRequest, ToolChoice},
    code::ErrorCode,
    error::PrepareError,
    ids::ToolName,
};
use handshake_transport::names;
use serde_json::{Value, json};

use super::{invalid, unsupported};
use crate::{
    dialect::Dialect,
    wire::request::{
        Function, FunctionName, JsonSchema, ResponseFormat, Sorted, Tool, ToolChoice as Choice,
    },
};

/// The tools of a request and their names on the wire.
pub(super) struct Declared {
    names: BTreeMap<String, ToolName>,
    wire: BTreeMap<ToolName, String>,
}

impl Declared {
    pub(super) fn new(request: &ChatRequest) -> Result<Self, PrepareError> {
        let names = names::wire_names(request.tools.iter().map(|tool| &tool.tool_id))
            .map_err(|_| invalid("tools"))?;
        let wire = names
            .iter()
            .map(|(wire, tool)| (tool.clone(), wire.clone()))
            .collect();
        Ok(Self { names, wire })
    }

    /// The wire name of a tool, of one that is no longer declared too.
    pub(super) fn name(&self, tool: &ToolName) -> String {
        self.wire
            .get(tool)
            .cloned()
            .unwrap_or_else(|| names::wire_name(tool))
    }

    pub(super) fn into_names(self) -> BTreeMap<String, ToolName> {
        self.names
    }

    pub(super) fn render<'a>(
        &self,
        request: &'a ChatRequest,
    ) -> Result<Vec<Tool<'a>>, PrepareError> {
        request
            .tools
            .iter()
            .map(|tool| {
                Ok(Tool {
                    r#type: "function",
                    function: Function {
                        name: self.name(&tool.tool_id),
                        description: &tool.description,
                        parameters: parameters(&tool.parameters)?,
                    },
                })
            })
            .collect()
    }

    pub(super) fn choice<'a>(
        &'a self,
        dialect: &Dialect,
        request: &ChatRequest,
    ) -> Result<Option<Choice<'a>>, PrepareError> {
        // Without tools there is nothing to choose from; servers reject the member.
        Ok(match &request.tool_choice {
            None => None,
            Some(ToolChoice::Auto | ToolChoice::None) if request.tools.is_empty() => None,
            Some(ToolChoice::Auto) => Some(Choice::Word("auto")),
            Some(ToolChoice::None) => Some(Choice::Word("none")),
            Some(ToolChoice::Required) => Some(Choice::Word(
                dialect
                    .required_choice
                    .ok_or_else(|| unsupported("tool_choice"))?,
            )),
            Some(ToolChoice::Named(_)) if !dialect.named_choice => {
                return Err(unsupported("tool_choice"));
            }
            Some(ToolChoice::Named(tool)) => {
                let name = self.wire.get(tool).ok_or_else(|| invalid("tool_choice"))?;
                Some(Choice::Named {
                    r#type: "function",
                    function: FunctionName { name },
                })
            }
        })
    }
}

/// A tool's schema: always that of an object, which servers insist on (Q139).
fn parameters(schema: &Value) -> Result<BTreeMap<&str, Sorted<'_>>, PrepareError> {
    static OBJECT: std::sync::LazyLock<(Value, Value, Value)> =
        std::sync::LazyLock::new(|| (json!("object"), json!({}), json!([])));
    let members = schema.as_object().ok_or_else(|| invalid("tools"))?;
    let mut rendered: BTreeMap<&str, Sorted<'_>> = members
        .iter()
        .map(|(name, value)| (name.as_str(), Sorted(value)))
        .collect();
    let kind = rendered.entry("type").or_insert(Sorted(&OBJECT.0));
    if *kind.0 != OBJECT.0 {
        return Err(PrepareError::new(
            ErrorCode::SchemaKeyword,
            "tool parameters",
        ));
    }
    rendered.entry("properties").or_insert(Sorted(&OBJECT.1));
    rendered.entry("required").or_insert(Sorted(&OBJECT.2));
    Ok(rendered)
}

/// The schema of the answer, where the dialect takes one.
pub(super) fn response_format<'a>(
    dialect: &Dialect,
    request: &'a ChatRequest,
) -> Result<Option<ResponseFormat<'a>>, PrepareError> {
    let Some(schema) = &request.structured_output_schema else {
        return Ok(None);
    };
    let refuse = |subject| PrepareError::new(ErrorCode::StructuredOutputUnsupported, subject);
    if !dialect.json_schema {
        return Err(refuse("structured_output_schema"));
    }
    if !request.tools.is_empty() && !dialect.schema_with_tools {
        return Err(refuse("structured_output_schema with tools"));
    }
    // `strict` is not set: it would have to rewrite schemas that are not in its subset. The answer is
    // validated on arrival in any case.
    Ok(Some(ResponseFormat {
        r#type: "json_schema",
        json_schema: JsonSchema {
            name: "answer",
            schema: Sorted(schema),
        },
    }))
}
