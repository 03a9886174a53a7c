//! Opaque state that a server wants back: `reasoning_details` of routers, `extra_content` of calls.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::wire::request::Sorted;

/// Members of a detail whose streamed pieces are joined.
const JOINED: &[&str] = &["text", "summary", "data"];

#[derive(Default)]
pub(super) struct State {
    details: Vec<Map<String, Value>>,
}

/// The state as it is stored with the answer, and read back when the answer is replayed.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Stored {
    /// `reasoning_details` of the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasoning_details: Vec<Value>,
    /// `extra_content` of the n-th call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra_content: Vec<(usize, Value)>,
}

impl State {
    /// Takes details; pieces of a stream that continue the last detail are joined to it, their texts
    /// untouched.
    pub(super) fn details(&mut self, details: Vec<Map<String, Value>>, streamed: bool) {
        for detail in details {
            let same = |last: &Map<String, Value>| {
                last.get("index") == detail.get("index") && last.get("type") == detail.get("type")
            };
            match self.details.last_mut() {
                Some(last) if streamed && detail.contains_key("index") && same(last) => {
                    join(last, detail)
                }
                _ => self.details.push(detail),
            }
        }
    }

    /// The bytes to keep, if there is anything.
    pub(super) fn store(self, extra_content: Vec<(usize, Value)>) -> Option<Bytes> {
        if self.details.is_empty() && extra_content.is_empty() {
            return None;
        }
        let stored = Stored {
            reasoning_details: self.details.into_iter().map(Value::Object).collect(),
            extra_content,
        };
        let value = serde_json::to_value(&stored).ok()?;
        serde_json::to_vec(&Sorted(&value)).ok().map(Bytes::from)
    }
}

fn join(last: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (name, value) in piece {
        match (last.get_mut(&name), value) {
            (Some(Value::String(held)), Value::String(more)) if JOINED.contains(&name.as_str()) => {
                held.push_str(&more);
            }
            (Some(_), Value::Null) => {}
            (_, value) => {
                last.insert(name, value);
            }
        }
    }
}
