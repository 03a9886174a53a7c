//! A client's own body, sent as it is. It is read to know what it asks for, never to change it.

use std::collections::BTreeMap;

use handshake_core::{admit::Admitted, chat::Verbatim, error::PrepareError, ids::ToolName};
use serde::Deserialize;
use serde_json::Value;

use super::{Rendered, invalid, unsupported};

/// What must be known of the body. A member that stands twice is an error: we and the daemon might read
/// different ones.
#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    messages: Option<Vec<Value>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    format: Option<Value>,
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

pub(super) fn render(admitted: &Admitted, verbatim: &Verbatim) -> Result<Rendered, PrepareError> {
    // serde reads structures from arrays too, so the brace is looked at.
    if verbatim.body.trim_ascii_start().first() != Some(&b'{') {
        return Err(invalid("body"));
    }
    // The daemon matches names without regard to case: of `model` and `Model` it would read the last one.
    if has_odd_spelling(&verbatim.body) {
        return Err(invalid("body"));
    }
    let asked: Asked = serde_json::from_slice(&verbatim.body).map_err(|_| invalid("body"))?;
    // The route's model is known not to be forwarded; no other spelling of it is.
    if asked.model != admitted.route().model.as_str() {
        return Err(invalid("model"));
    }
    // Without messages a daemon loads or unloads the model, and answers nothing.
    if asked.messages.as_ref().is_none_or(Vec::is_empty) {
        return Err(invalid("messages"));
    }
    let stream = asked.stream.unwrap_or(true);
    if stream != admitted.request().stream {
        return Err(invalid("stream"));
    }
    Ok(Rendered {
        body: verbatim.body.clone(),
        stream,
        tool_names: asked.tool_names()?,
        tool_choice: None,
        structured: asked.format.is_some_and(|format| format.is_object()),
        adjusted: Vec::new(),
    })
}

/// Whether a member's name is not plain lower case, as all of this API's are.
fn has_odd_spelling(body: &[u8]) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return true;
    };
    !members
        .keys()
        .flat_map(|key| key.bytes())
        .all(|b| b.is_ascii_lowercase() || b == b'_')
}

impl Asked {
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
