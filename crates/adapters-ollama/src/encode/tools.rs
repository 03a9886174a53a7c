//! Tools and their names on the wire.

use std::collections::BTreeMap;

use handshake_core::{
    chat::{ChatRequest, ToolChoice},
    error::PrepareError,
    ids::ToolName,
};
use handshake_transport::names;
use serde_json::{Map, Value, json};

use super::{invalid, schema};
use crate::wire::request::{Tool, ToolFunction};

/// The tools of a request by their wire names.
pub(super) struct Declared {
    names: BTreeMap<String, ToolName>,
}

impl Declared {
    pub(super) fn new(request: &ChatRequest) -> Result<Self, PrepareError> {
        let names = names::wire_names(request.tools.iter().map(|tool| &tool.tool_id))
            .map_err(|_| invalid("tools"))?;
        Ok(Self { names })
    }

    /// The wire name of a tool; a history may hold calls of tools that are no longer declared.
    pub(super) fn wire(&self, tool: &ToolName) -> String {
        names::wire_name_in(&self.names, tool)
    }

    /// The declarations. The API has no tool choice: *none* is asked for by declaring nothing; a call that
    /// is required is not enforced here, and missing it is an error at the end.
    pub(super) fn render<'a>(
        &self,
        request: &'a ChatRequest,
    ) -> Result<Vec<Tool<'a>>, PrepareError> {
        if request.tool_choice == Some(ToolChoice::None) {
            return Ok(Vec::new());
        }
        request
            .tools
            .iter()
            .map(|tool| {
                schema::check(&tool.parameters)?;
                Ok(Tool {
                    kind: "function",
                    function: ToolFunction {
                        name: self.wire(&tool.tool_id),
                        description: &tool.description,
                        parameters: parameters(&tool.parameters)?,
                    },
                })
            })
            .collect()
    }

    pub(super) fn into_names(self) -> BTreeMap<String, ToolName> {
        self.names
    }
}

/// The schema as it stands; what templates read unasked is always there.
fn parameters(schema: &Value) -> Result<Map<String, Value>, PrepareError> {
    let mut members = schema.as_object().ok_or_else(|| invalid("tools"))?.clone();
    for (name, empty) in [
        ("type", json!("object")),
        ("properties", json!({})),
        ("required", json!([])),
    ] {
        members.entry(name).or_insert(empty);
    }
    Ok(members)
}
