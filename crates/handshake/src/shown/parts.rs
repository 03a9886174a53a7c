//! The parts of a body, each with where it comes from and whether it was sent before.

use std::collections::BTreeMap;

use handshake_core::consent::{Frame, Outline, Placed, without_hints};
use serde_json::{Map, Value};

use super::{
    Fold, Look, Mark, Memory, Part, PartState, Piece, Source, boilerplate,
    leaves::{Leaf, leaves},
    text::{Marks, fold, pieces},
};

/// A body that was read.
pub(super) struct Body<'a> {
    pub(super) look: &'a Look<'a>,
    pub(super) marks: &'a Marks<'a>,
    pub(super) whole: &'a Value,
}

/// A body that is not one JSON object: all of it is new, as text.
pub(super) fn unreadable(look: &Look<'_>, marks: &Marks<'_>) -> Part {
    let body = &look.content.body;
    let leaf = Leaf {
        pointer: String::new(),
        label: String::new(),
        text: String::from_utf8_lossy(body).into_owned(),
    };
    Part {
        pointer: String::new(),
        source: Source::Unreadable,
        name: None,
        state: PartState::New,
        bytes: body.len() as u64,
        new_bytes: body.len() as u64,
        hash: String::new(),
        findings: marks.within(""),
        // Only what can be read is redacted.
        stand_ins: 0,
        pieces: pieces(&[leaf], marks, None, look.key),
    }
}

impl Body<'_> {
    pub(super) fn before(&self) -> Option<&Memory> {
        self.look.before.as_ref().map(|(_, memory)| memory)
    }

    pub(super) fn hash(&self, text: &str) -> String {
        let commitment = self
            .look
            .key
            .commit("hsk.shown.part.v1", &[text.as_bytes()]);
        commitment.to_string()[..8].to_owned()
    }

    /// A part without anything in it yet.
    pub(super) fn part(&self, at: &str, source: Source, state: PartState, bytes: u64) -> Part {
        Part {
            pointer: at.to_owned(),
            source,
            name: None,
            state,
            bytes,
            new_bytes: 0,
            hash: String::new(),
            findings: self.marks.within(at),
            stand_ins: 0,
            pieces: Vec::new(),
        }
    }

    pub(super) fn parts(&self, outline: &Outline, placed: &[Placed], frame: &Frame) -> Vec<Part> {
        let calls = called(self.whole);
        let mut parts = Vec::new();
        for place in placed {
            let known = self.look.known.contains(&place.block.commitment);
            let state = if known {
                PartState::Known
            } else {
                PartState::New
            };
            let value = self.whole.pointer(&place.pointer);
            match (place.pointer.is_empty(), value) {
                (false, Some(value)) => {
                    let value = without_hints(value);
                    let from = parts.len();
                    self.block(&place.pointer, &value, state, &calls, &mut parts);
                    // All bytes of the block are somewhere: what frames its parts counts for the first.
                    let counted: u64 = parts[from..].iter().map(|part| part.bytes).sum();
                    if let Some(first) = parts.get_mut(from) {
                        first.bytes += place.block.bytes.saturating_sub(counted);
                    }
                    for part in &mut parts[from..] {
                        part.hash = place.block.commitment.to_string()[..8].to_owned();
                        if state == PartState::New {
                            part.new_bytes = part.bytes;
                        }
                    }
                }
                _ => parts.push(self.form(place, state)),
            }
        }
        parts.extend(self.frame(outline, frame));
        parts
    }

    /// How many of the stand-ins of the plan stand in a part.
    fn stand_ins(&self, leaves: &[Leaf]) -> u32 {
        let applied = self.look.plan.redactions_applied.iter();
        let stand_ins = applied.filter_map(|entry| entry.split(' ').next());
        let count: usize = stand_ins
            .flat_map(|it| leaves.iter().map(move |leaf| leaf.text.matches(it).count()))
            .sum();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// What stands between the values of a body.
    fn form(&self, place: &Placed, state: PartState) -> Part {
        let mut part = self.part("", Source::Form, state, place.block.bytes);
        part.findings = Vec::new();
        part.new_bytes = if state == PartState::New {
            part.bytes
        } else {
            0
        };
        part.hash = place.block.commitment.to_string()[..8].to_owned();
        part.pieces = vec![Piece::Line {
            text: "white space, escapes or long numbers: only the raw body shows them".to_owned(),
            mark: Mark::Plain,
        }];
        part
    }

    fn block(
        &self,
        at: &str,
        value: &Value,
        state: PartState,
        calls: &BTreeMap<&str, &str>,
        parts: &mut Vec<Part>,
    ) {
        let members = value.as_object();
        let conversation = at.matches('/').count() > 1 || members.is_some_and(is_message);
        let source = match conversation || is_prompt(at) {
            true => author(value),
            false => Source::Field,
        };
        if let Some(Value::Array(items)) = members.and_then(|it| it.get("content"))
            && conversation
        {
            for (n, item) in items.iter().enumerate() {
                let place = format!("{at}/content/{n}");
                let source = match kind(item) {
                    "tool_result" => Source::Tool,
                    "tool_use" => Source::Model,
                    _ => source,
                };
                parts.push(self.content(&place, item, source, state, calls));
            }
            // What the message says beside its content.
            let rest: Map<String, Value> = members
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "content")
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let rest = Value::Object(rest);
            if items.is_empty() || !leaves(&rest, at).is_empty() {
                let mut part = self.content(at, &rest, source, state, calls);
                // What was found in the content stands there.
                part.findings.clear();
                parts.push(part);
            }
            return;
        }
        let mut part = self.content(at, value, source, state, calls);
        if source == Source::Field {
            part.name = Some(at[1..].replace("~1", "/").replace("~0", "~"));
        }
        parts.push(part);
    }

    fn content(
        &self,
        at: &str,
        value: &Value,
        source: Source,
        state: PartState,
        calls: &BTreeMap<&str, &str>,
    ) -> Part {
        let leaves = leaves(value, at);
        let mut part = self.part(at, source, state, value.to_string().len() as u64);
        part.stand_ins = self.stand_ins(&leaves);
        let id = ["tool_use_id", "tool_call_id", "call_id"];
        let id = id.iter().find_map(|name| value.get(*name)?.as_str());
        part.name = id
            .and_then(|id| calls.get(id))
            .map(|name| (*name).to_owned());
        let named = match (source, leaves.as_slice()) {
            (Source::Person, [only]) => boilerplate::named(&only.text),
            _ => None,
        };
        if let Some((name, _)) = named {
            part.name = Some(name.to_owned());
        }
        let closed = named.filter(|(_, closed)| *closed).map(|(name, _)| name);
        let whole = |why| {
            let lines = leaves.iter().flat_map(|leaf| self.marks.lines(leaf));
            vec![fold(why, lines.collect(), part.bytes)]
        };
        part.pieces = match (state, closed) {
            (PartState::Known, _) => whole(Fold::Unchanged),
            (_, Some(name)) => whole(Fold::Named(name)),
            _ => pieces(&leaves, self.marks, self.before(), self.look.key),
        };
        part
    }
}

fn is_prompt(at: &str) -> bool {
    matches!(at, "/messages" | "/input" | "/prompt")
}

fn is_message(members: &Map<String, Value>) -> bool {
    members.contains_key("role")
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or("")
}

/// Who says it.
fn author(value: &Value) -> Source {
    match value.get("role").and_then(Value::as_str) {
        Some("assistant") => Source::Model,
        Some("tool" | "function") => Source::Tool,
        Some(_) => Source::Person,
        None => match kind(value) {
            kind if kind.ends_with("_output") => Source::Tool,
            kind if kind.ends_with("_call") || kind == "reasoning" => Source::Model,
            _ => Source::Person,
        },
    }
}

/// The tools that were called, by the id of the call: it is all that a result says of its tool.
fn called(whole: &Value) -> BTreeMap<&str, &str> {
    let mut calls = BTreeMap::new();
    let items = ["messages", "input"].into_iter();
    let items = items
        .filter_map(|name| whole.get(name)?.as_array())
        .flatten();
    for item in items {
        let inside = ["tool_calls", "content"].into_iter();
        let inside = inside
            .filter_map(|name| item.get(name)?.as_array())
            .flatten();
        for call in inside.chain([item]) {
            let id = ["call_id", "id"]
                .iter()
                .find_map(|name| call.get(*name)?.as_str());
            let name = ["/function/name", "/name"].iter();
            let name = name.clone().find_map(|at| call.pointer(at)?.as_str());
            if let (Some(id), Some(name)) = (id, name) {
                calls.insert(id, name);
            }
        }
    }
    calls
}
