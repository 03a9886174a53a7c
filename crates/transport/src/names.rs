//! Names and ids on the wire: ours to theirs and back, without loss.

use std::collections::{BTreeMap, BTreeSet};

use handshake_core::{
    digest::Digest,
    ids::{ToolCallId, ToolName},
};

/// The longest tool name that every provider takes.
pub const MAX_WIRE_NAME: usize = 64;

/// Two tools of one request that would have the same name on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("two tools of the request have the same name on the wire")]
pub struct Collision;

/// The wire names of a request's tools: wire name to tool. Names match `[a-zA-Z0-9_-]{1,64}`.
///
/// A name that is already in that form stays as it is. In the others, `.` becomes `__` and everything else
/// `_`; where that is too long or not unique, a name ends in 12 hex digits of a hash of the tool's own name.
/// The result depends on the set of tools only, not on its order.
///
/// # Errors
/// [`Collision`] for a tool that is named twice, and for the hash collision that will not happen.
pub fn wire_names<'a>(
    tools: impl Iterator<Item = &'a ToolName>,
) -> Result<BTreeMap<String, ToolName>, Collision> {
    let mut distinct = BTreeSet::new();
    for tool in tools {
        if !distinct.insert(tool) {
            return Err(Collision);
        }
    }
    let mut wanted: BTreeMap<String, Vec<&ToolName>> = BTreeMap::new();
    for tool in distinct {
        wanted.entry(wire_name(tool)).or_default().push(tool);
    }
    let mut names = BTreeMap::new();
    for (name, tools) in wanted {
        let alone = tools.len() == 1;
        for tool in tools {
            let wire = if alone || tool.as_str() == name {
                name.clone()
            } else {
                hashed(tool)
            };
            if names.insert(wire, tool.clone()).is_some() {
                return Err(Collision);
            }
        }
    }
    Ok(names)
}

/// The wire name of one tool on its own, as [`wire_names`] gives it where it is unique.
#[must_use]
pub fn wire_name(tool: &ToolName) -> String {
    let text = readable(tool);
    if text.len() > MAX_WIRE_NAME {
        hashed(tool)
    } else {
        text
    }
}

/// The wire name of a tool within a request's map; for a tool that is not in it, the name on its own.
#[must_use]
pub fn wire_name_in(names: &BTreeMap<String, ToolName>, tool: &ToolName) -> String {
    names
        .iter()
        .find(|(_, known)| *known == tool)
        .map_or_else(|| wire_name(tool), |(wire, _)| wire.clone())
}

fn readable(tool: &ToolName) -> String {
    let mut text = String::with_capacity(tool.as_str().len() + 4);
    for c in tool.as_str().chars() {
        match c {
            '.' => text.push_str("__"),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => text.push(c),
            _ => text.push('_'),
        }
    }
    text
}

fn hashed(tool: &ToolName) -> String {
    let digest = Digest::of(&[b"hsk.tool_name.v1\0", tool.as_str().as_bytes()]).to_string();
    let mut text = readable(tool);
    text.truncate(MAX_WIRE_NAME - 13);
    format!("{text}_{}", &digest[..12])
}

/// Our own id of the `index`-th call of an answer: deterministic per request, unique within its session.
#[must_use]
pub fn tool_call_id(call_seed: &[u8; 16], index: u64) -> ToolCallId {
    let digest = Digest::of(&[b"hsk.tool_call.v1\0", call_seed, &index.to_be_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    ToolCallId::from_entropy(bytes)
}

/// The seed of [`tool_call_id`] for one request: a digest of its session and what was sent.
#[must_use]
pub fn call_seed(parts: &[&[u8]]) -> [u8; 16] {
    let mut all: Vec<&[u8]> = vec![b"hsk.call_seed.v1\0"];
    let lengths: Vec<[u8; 8]> = parts
        .iter()
        .map(|part| (part.len() as u64).to_be_bytes())
        .collect();
    for (length, part) in lengths.iter().zip(parts) {
        all.push(length);
        all.push(part);
    }
    let digest = Digest::of(&all);
    let mut seed = [0; 16];
    seed.copy_from_slice(&digest.as_bytes()[..16]);
    seed
}
