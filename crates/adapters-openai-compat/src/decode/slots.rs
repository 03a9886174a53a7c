//! Tool calls in the making. Servers agree on little: indices may be missing, sparse or all zero; ids may
//! be missing, late, repeated or change. Nothing here is guessed: what is ambiguous is an error.

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
};
use handshake_transport::strict_object;
use serde_json::Value;

use super::turn::limit;
use crate::wire::{
    reply::{CallDelta, FunctionDelta},
    request::Sorted,
};

/// The most calls of one answer.
const MAX_CALLS: usize = 128;
/// The most bytes of one call's arguments.
const MAX_ARGUMENTS: usize = 1 << 20;

/// One call in the making.
#[derive(Default)]
pub(super) struct Slot {
    /// The index under which the server continues it. A key, never a position (Q03).
    index: Option<i64>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: String,
    pub(super) extra_content: Option<Value>,
}

impl Slot {
    fn is_complete(&self) -> bool {
        !self.arguments.is_empty() && strict_object(&self.arguments).is_ok()
    }
}

/// The calls of one answer, in the order in which they began.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    legacy: Option<usize>,
}

impl Slots {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.slots)
    }

    /// Takes one entry of `tool_calls`. Whether it says anything. In a whole answer every entry is a call
    /// of its own, whatever its index and id say.
    pub(super) fn call(&mut self, delta: CallDelta, whole: bool) -> Result<bool, CallError> {
        // Other types of calls cannot be carried (Q36).
        if !matches!(delta.kind.as_deref(), None | Some("" | "function")) {
            return Err(malformed("tool type"));
        }
        // Empty is absent (Q06, Q07).
        let id = delta.id.filter(|id| !id.is_empty());
        let function = delta.function.unwrap_or_default();
        let name = function.name.filter(|name| !name.is_empty());
        let arguments = arguments(function.arguments)?;
        if id.is_none() && name.is_none() && arguments.is_empty() && delta.index.is_none() {
            return Ok(false);
        }
        let at = if whole {
            self.open(None)?
        } else {
            self.place(delta.index, id.as_deref(), name.as_deref(), &arguments)?
        };
        let slot = &mut self.slots[at];
        // The whole call once more, at the end (Q10).
        let repeated = id.is_some()
            && id == slot.id
            && name.is_some()
            && name == slot.name
            && arguments.text() == slot.arguments
            && slot.is_complete();
        if let Some(name) = name {
            match &slot.name {
                None => slot.name = Some(name),
                Some(known) if *known == name => {}
                Some(_) => return Err(malformed("tool name")),
            }
        }
        // The first id stays (Q09).
        if slot.id.is_none() {
            slot.id = id;
        }
        slot.extra_content = delta
            .extra_content
            .filter(|extra| !extra.is_null())
            .or(slot.extra_content.take());
        if repeated {
            Ok(false)
        } else {
            append(slot, arguments).map(|()| true)
        }
    }

    /// Takes a `function_call` of the time before tools (Q35): one call without an id.
    pub(super) fn legacy(&mut self, delta: FunctionDelta) -> Result<bool, CallError> {
        let name = delta.name.filter(|name| !name.is_empty());
        let arguments = arguments(delta.arguments)?;
        if name.is_none() && arguments.is_empty() {
            return Ok(false);
        }
        let at = match self.legacy {
            Some(at) => at,
            None => self.open(None)?,
        };
        self.legacy = Some(at);
        let slot = &mut self.slots[at];
        match (&slot.name, name) {
            (None, name) => slot.name = name,
            (Some(known), Some(name)) if *known != name => return Err(malformed("tool name")),
            _ => {}
        }
        append(slot, arguments).map(|()| true)
    }

    /// The slot that an entry belongs to, a new one where it begins a call.
    fn place(
        &mut self,
        index: Option<i64>,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &Arguments,
    ) -> Result<usize, CallError> {
        let Some(index) = index else {
            return self.place_unindexed(id, name, arguments);
        };
        let Some(at) = self
            .slots
            .iter()
            .rposition(|slot| slot.index == Some(index))
        else {
            return self.open(Some(index));
        };
        let slot = &self.slots[at];
        let begins = match (id, &slot.id, name, &slot.name) {
            // Another id and a name at the same index: another call (Q02).
            (Some(id), Some(known), Some(_), _) => id != known,
            // No id to tell by: another name after a complete call.
            (_, _, Some(name), Some(known)) => name != known && slot.is_complete(),
            _ => false,
        };
        if begins {
            self.open(Some(index))
        } else {
            Ok(at)
        }
    }

    /// Without an index (Q01): by id, else the one call that is open.
    fn place_unindexed(
        &mut self,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &Arguments,
    ) -> Result<usize, CallError> {
        if let Some(id) = id {
            let known = self
                .slots
                .iter()
                .rposition(|slot| slot.id.as_deref() == Some(id));
            return match known {
                // The same id with other, whole arguments is another call (Q25).
                Some(at)
                    if name.is_some() && self.slots[at].is_complete() && arguments.is_whole() =>
                {
                    if self.slots[at].arguments == arguments.text() {
                        Ok(at)
                    } else {
                        self.open(None)
                    }
                }
                Some(at) => Ok(at),
                None => self.open(None),
            };
        }
        let open: Vec<usize> = (0..self.slots.len())
            .filter(|at| !self.slots[*at].is_complete())
            .collect();
        match (name, open.as_slice()) {
            (Some(name), [at]) if self.slots[*at].name.as_deref() == Some(name) => Ok(*at),
            (Some(_), _) => self.open(None),
            (None, [at]) => Ok(*at),
            (None, _) => Err(malformed("tool call index")),
        }
    }

    fn open(&mut self, index: Option<i64>) -> Result<usize, CallError> {
        if self.slots.len() == MAX_CALLS {
            return Err(limit("tool calls"));
        }
        self.slots.push(Slot {
            index,
            ..Slot::default()
        });
        Ok(self.slots.len() - 1)
    }
}

/// Arguments as they came.
enum Arguments {
    Piece(String),
    /// A whole object, where a text belongs (Q17).
    Object(String),
}

impl Arguments {
    fn text(&self) -> &str {
        match self {
            Self::Piece(text) | Self::Object(text) => text,
        }
    }

    fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    fn is_whole(&self) -> bool {
        strict_object(self.text()).is_ok()
    }
}

fn arguments(value: Option<Value>) -> Result<Arguments, CallError> {
    match value {
        None | Some(Value::Null) => Ok(Arguments::Piece(String::new())),
        Some(Value::String(text)) => Ok(Arguments::Piece(text)),
        Some(value @ Value::Object(_)) => serde_json::to_string(&Sorted(&value))
            .map(Arguments::Object)
            .map_err(|_| malformed("tool arguments")),
        Some(_) => Err(malformed("tool arguments")),
    }
}

fn append(slot: &mut Slot, arguments: Arguments) -> Result<(), CallError> {
    if matches!(arguments, Arguments::Object(_)) && !slot.arguments.is_empty() {
        return Err(malformed("tool arguments"));
    }
    if slot.arguments.len() + arguments.text().len() > MAX_ARGUMENTS {
        return Err(limit("tool arguments"));
    }
    slot.arguments.push_str(arguments.text());
    Ok(())
}

pub(super) fn malformed(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::ToolCallParse, Phase::Decode).about(subject)
}
