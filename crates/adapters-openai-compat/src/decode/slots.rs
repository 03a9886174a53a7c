//! Tool calls in the making. Servers agree on little: indices may be missing, sparse or all zero; ids may
//! be missing, late, repeated or change. Nothing here is guessed: what is ambiguous is an error.

use std::borrow::Cow;

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
};
use handshake_transport::{adapter::Text, strict_object};
use serde_json::Value;

use super::turn::limit;
use crate::wire::{
    reply::{CallDelta, FunctionDelta, Loose},
    request::Sorted,
};

/// The most calls of one answer.
const MAX_CALLS: usize = 128;
/// The most bytes of one call's arguments.
const MAX_ARGUMENTS: usize = 1 << 20;

/// The most bytes of a name that comes in pieces.
const MAX_NAME: usize = 256;

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
    /// Gives the call its name, which it has once and for all. One that comes in pieces is put together as long as
    /// nothing else of the call came: the whole of it has to be a declared tool in the end.
    fn named(&mut self, name: Option<Cow<'_, str>>, piece: bool) -> Result<(), CallError> {
        match (&mut self.name, name) {
            (_, None) => Ok(()),
            (None, Some(name)) => {
                self.name = Some(name.into_owned());
                Ok(())
            }
            (Some(known), Some(name)) if *known == name => Ok(()),
            (Some(known), Some(name)) if piece && known.len() + name.len() <= MAX_NAME => {
                known.push_str(&name);
                Ok(())
            }
            (Some(_), Some(_)) => Err(malformed("tool name")),
        }
    }

    fn is_complete(&self) -> bool {
        !self.arguments.is_empty() && strict_object(&self.arguments).is_ok()
    }
}

/// The calls of one answer, in the order in which they began.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    legacy: Option<usize>,
    /// The indices of calls of types that are not ours to read.
    foreign: Vec<Option<i64>>,
}

impl Slots {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether calls were passed over.
    pub(super) fn passed_over(&self) -> bool {
        !self.foreign.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.slots)
    }

    /// Takes one entry of `tool_calls`. Whether it says anything. In a whole answer every entry is a call
    /// of its own, whatever its index and id say. With `lenient`, calls of other types are passed over.
    pub(super) fn call(
        &mut self,
        delta: CallDelta<'_>,
        whole: bool,
        lenient: bool,
    ) -> Result<bool, CallError> {
        match delta.kind.as_deref() {
            None | Some("" | "function") => {}
            Some(_) if lenient => {
                if !self.foreign.contains(&delta.index) {
                    if self.foreign.len() == MAX_CALLS {
                        return Err(limit("tool calls"));
                    }
                    self.foreign.push(delta.index);
                }
                return Ok(true);
            }
            // They cannot be carried (Q36).
            Some(_) => return Err(malformed("tool type")),
        }
        // What goes on with such a call says neither its type again nor anything of a function.
        let silent = delta.kind.is_none() && delta.function.is_none();
        if lenient && !whole && silent && self.foreign.contains(&delta.index) {
            return Ok(true);
        }
        // Empty is absent (Q06, Q07).
        let id = present(delta.id);
        let function = delta.function.unwrap_or_default();
        let name = present(function.name);
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
            && id.as_deref() == slot.id.as_deref()
            && name.is_some()
            && name.as_deref() == slot.name.as_deref()
            && arguments.text() == slot.arguments
            && slot.is_complete();
        let piece = !whole && id.is_none() && slot.arguments.is_empty();
        slot.named(name, piece)?;
        // The first id stays (Q09).
        if slot.id.is_none() {
            slot.id = id.map(Cow::into_owned);
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
    pub(super) fn legacy(&mut self, delta: FunctionDelta<'_>) -> Result<bool, CallError> {
        let name = present(delta.name);
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
        slot.named(name, false)?;
        append(slot, arguments).map(|()| true)
    }

    /// The slot that an entry belongs to, a new one where it begins a call.
    fn place(
        &mut self,
        index: Option<i64>,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &Arguments<'_>,
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
            (Some(id), Some(known), Some(_), _) if id != known => true,
            // No id to tell by, or the same one for all: another name after a complete call.
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
        arguments: &Arguments<'_>,
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
enum Arguments<'a> {
    ContentPart(Cow<'a, str>),
    /// A whole object, where a text belongs (Q17).
    Object(String),
}

impl Arguments<'_> {
    fn text(&self) -> &str {
        match self {
            Self::ContentPart(text) => text,
            Self::Object(text) => text,
        }
    }

    fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    fn is_whole(&self) -> bool {
        strict_object(self.text()).is_ok()
    }
}

fn arguments(value: Option<Loose<'_>>) -> Result<Arguments<'_>, CallError> {
    match value {
        None => Ok(Arguments::ContentPart(Cow::Borrowed(""))),
        Some(Loose::Text(text)) => Ok(Arguments::ContentPart(text)),
        Some(Loose::Other(value)) => match *value {
            Value::Null => Ok(Arguments::ContentPart(Cow::Borrowed(""))),
            Value::Object(_) => serde_json::to_string(&Sorted(&value))
                .map(Arguments::Object)
                .map_err(|_| malformed("tool arguments")),
            _ => Err(malformed("tool arguments")),
        },
    }
}

fn present(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
}

fn append(slot: &mut Slot, arguments: Arguments<'_>) -> Result<(), CallError> {
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
