//! A client's own body, sent as it is. It is read to know what it asks for, never to change it.

use std::collections::BTreeMap;

use handshake_core::{
    admit::Admitted, chat::Verbatim, error::PrepareError, ids::ToolName, provider::ProviderRecord,
};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::{Rendered, invalid, unsupported, window};
use crate::dialect;

/// What must be known of the body beside what was read of it already.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    format: Option<Value>,
    #[serde(default)]
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    num_ctx: Option<Number>,
}

#[derive(Deserialize)]
struct Tool {
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
}

pub(super) fn render(
    record: &ProviderRecord,
    admitted: &Admitted,
    verbatim: &Verbatim,
) -> Result<Rendered, PrepareError> {
    let route = admitted.route();
    let asked: Asked = serde_json::from_slice(verbatim.body()).map_err(|_| invalid("body"))?;
    window::asked(asked.num_ctx()?, admitted)?;
    let name = dialect::sent_name(record, &route.snapshot, &route.model);
    Ok(Rendered {
        body: verbatim.clone().with_model(&name).body().clone(),
        stream: verbatim.stream(),
        tool_names: asked.tool_names()?,
        tool_choice: None,
        structured: asked.format.is_some_and(|format| format.is_object()),
        adjusted: Vec::new(),
    })
}

impl Asked {
    /// The context that is asked for. A daemon reads `4096.0` as a number too: what is not a whole one is refused, so
    /// that nothing is read in two ways.
    fn num_ctx(&self) -> Result<Option<u64>, PrepareError> {
        let number = self.options.as_ref().and_then(|it| it.num_ctx.as_ref());
        number
            .map(|number| number.as_u64().ok_or_else(|| invalid("num_ctx")))
            .transpose()
    }

    /// The client's names, which are the wire's.
    fn tool_names(&self) -> Result<BTreeMap<String, ToolName>, PrepareError> {
        let mut names = BTreeMap::new();
        for tool in self.tools.iter().flatten() {
            let function = tool
                .function
                .as_ref()
                .ok_or_else(|| unsupported("tool type"))?;
            let name = ToolName::new(&function.name).map_err(|_| invalid("tools"))?;
            if names.insert(function.name.clone(), name).is_some() {
                return Err(invalid("tools"));
            }
        }
        Ok(names)
    }
}
