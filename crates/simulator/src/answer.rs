//! The answer where no rule says one.

use serde_json::json;

use crate::ask::Ask;
use crate::script::model::Model;
use crate::{conform, tokens};

/// Most of the last message that is said back.
const MAX_ECHO_BYTES: usize = 4096;

/// What the default answer says.
pub(crate) struct Default {
    pub(crate) text: Vec<String>,
    pub(crate) reasoning: Vec<String>,
    /// The bound on tokens cut it.
    pub(crate) cut: bool,
}

/// The default answer: a function of the request that says where it comes from.
pub(crate) fn default(ask: &Ask, model: &Model) -> Default {
    let echo = tokens::prefix(&ask.last, (MAX_ECHO_BYTES / tokens::BYTES_PER_TOKEN) as u64);
    let whole = match &ask.schema {
        Some(schema) => conform::instance(schema).to_string(),
        None if ask.json_mode => {
            json!({"simulator": crate::SIMULATOR_NAME, "answer": echo}).to_string()
        }
        None if ask.after_tool => {
            format!("This is the handshake simulator. The tool answered: {echo}")
        }
        None => format!("This is the handshake simulator. You said: {echo}"),
    };
    let kept = match ask.max_tokens {
        Some(most) => tokens::prefix(&whole, most),
        None => &whole,
    };
    let reasoning = if ask.think && model.can("thinking") {
        vec![
            "The simulator only ".to_owned(),
            "pretends to think.".to_owned(),
        ]
    } else {
        Vec::new()
    };
    Default {
        text: kept.split_inclusive(' ').map(str::to_owned).collect(),
        reasoning,
        cut: kept.len() < whole.len(),
    }
}
