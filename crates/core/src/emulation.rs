//! Tool calling where a provider has none, first version: the tools are described in the system prompt, and the model
//! calls them in text.
//!
//! # Grammar
//! An answer is plain text, or it is one call block and nothing else but white space:
//!
//! ```text
//! {"calls-FENCE": [{"tool": NAME, "arguments": OBJECT}, …], "text": STRING}
//! ```
//!
//! Calls that stand together in the list are made together, in their order; `text`, which may be left out, is what the
//! model says beside them. FENCE is twelve hex digits that are derived from the request, and so different for each. Results go
//! back in the same grammar:
//!
//! ```text
//! {"results-FENCE": [{"tool": NAME, "content": STRING}, …]}
//! ```
//!
//! Whatever holds `calls-FENCE` and is not such a block is an error and never text: an unknown tool, a duplicate key, another
//! member, arguments that are no object, anything before or after. A result cannot spell a block, because it stands
//! escaped in a string, and the fence of a request is not known before it.

mod read;
mod render;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::read::{EmulatedAnswer, EmulatedReader};
pub(crate) use self::render::render;
use crate::{
    chat::{ChatRequest, ToolChoice},
    digest::Digest,
    ids::ToolName,
};

/// What the reader of an emulated answer needs to know.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmulatedTools {
    /// Twelve hex digits, of this request alone.
    pub fence: String,
    /// The tools that may be called.
    pub tools: BTreeSet<ToolName>,
    /// Whether one must be, or must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<ToolChoice>,
}

impl EmulatedTools {
    /// Of a request. The fence follows from its session and its trace, which is random: the same request gives the same
    /// bytes, and nobody who wrote a text before it knows the fence. Within a request's tool loop it stays.
    fn of(request: &ChatRequest) -> Self {
        let digest = Digest::of(&[
            b"hsk.emulation.v1\0",
            request.session_id.as_str().as_bytes(),
            b"\0",
            request.trace_id.uuid().as_bytes(),
        ]);
        Self {
            fence: digest.as_bytes()[..6]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            tools: request
                .tools
                .iter()
                .map(|tool| tool.tool_id.clone())
                .collect(),
            choice: request.tool_choice.clone(),
        }
    }

    /// The member that makes a block of calls.
    fn calls(&self) -> String {
        format!("calls-{}", self.fence)
    }

    /// The member that makes a block of results.
    fn results(&self) -> String {
        format!("results-{}", self.fence)
    }

    /// Whether any may be called.
    fn any(&self) -> bool {
        !self.tools.is_empty() && self.choice != Some(ToolChoice::None)
    }
}
