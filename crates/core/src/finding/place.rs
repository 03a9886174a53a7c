//! The text that holds a finding, read from the exact bytes, and commitments to it. A validator says where; what stands
//! there is never taken from its word.

use serde_json::Value;

use super::{FindingLevel, LeakageFinding};
use crate::{
    digest::{CommitmentKey, KeyedHash},
    json::NotStrict,
};

/// Views that put together what stands in several texts, or in the rest of one: the text at the pointer does not hold all
/// of what was found.
const BEYOND: &[&str] = &["document", "more", "partial", "stitched"];

/// Members of the chat APIs. They are the same in every body, so that the name says nothing. Any other name is content,
/// and may be what was found.
const MEMBERS: &[&str] = &[
    "arguments",
    "content",
    "data",
    "description",
    "document",
    "function",
    "id",
    "image_url",
    "images",
    "input",
    "instructions",
    "messages",
    "metadata",
    "name",
    "output",
    "parameters",
    "prompt",
    "properties",
    "reasoning",
    "reasoning_content",
    "refusal",
    "role",
    "source",
    "stop",
    "summary",
    "system",
    "text",
    "thinking",
    "title",
    "tool_call_id",
    "tool_calls",
    "tool_use_id",
    "tools",
    "type",
    "url",
    "user",
];

/// How much of a place is told.
const SEGMENTS: usize = 12;

/// The whole decoded text that holds a finding, and the name of its member where that could be what was found.
struct Text<'b> {
    member: &'b str,
    text: &'b str,
}

fn text_of<'b>(
    body: Result<&'b Value, NotStrict>,
    finding: &'b LeakageFinding,
) -> Option<Text<'b>> {
    if finding.views.iter().any(|view| BEYOND.contains(&&**view)) {
        return None;
    }
    let body = body.ok()?;
    let pointer = finding.pointer.as_deref()?;
    let text = body.pointer(pointer)?.as_str()?;
    let (parent, last) = pointer.rsplit_once('/')?;
    let member = match body.pointer(parent)? {
        Value::Object(_) if !MEMBERS.contains(&last) => last,
        _ => "",
    };
    Some(Text { member, text })
}

/// A commitment to the whole text that holds a finding. `None` where no text of the body does: it was seen in several of
/// them, in the path or a header, in a number, or a validator gives no place.
#[must_use]
pub fn leaf(
    body: Result<&Value, NotStrict>,
    finding: &LeakageFinding,
    key: &CommitmentKey,
) -> Option<KeyedHash> {
    let Text { member, text } = text_of(body, finding)?;
    Some(key.commit("hsk.finding.leaf.v1", &[member.as_bytes(), text.as_bytes()]))
}

/// A commitment to the very characters that were found; to the whole text, where they were seen by decoding it or no range
/// is given. `None` where there is neither.
#[must_use]
pub fn value(
    body: Result<&Value, NotStrict>,
    finding: &LeakageFinding,
    key: &CommitmentKey,
) -> Option<KeyedHash> {
    let whole = leaf(body, finding, key)?;
    let (Some(start), Some(end), true) = (finding.start, finding.end, finding.views.is_empty())
    else {
        return Some(whole);
    };
    let text = text_of(body, finding)?.text;
    let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
    // A range that is not in the text is a place that nobody knows.
    let found = text.as_bytes().get(range).filter(|it| !it.is_empty())?;
    Some(key.commit("hsk.finding.value.v1", &[found]))
}

/// How long the whole text is that holds a finding.
#[must_use]
pub fn text_bytes(body: Result<&Value, NotStrict>, finding: &LeakageFinding) -> Option<u64> {
    Some(text_of(body, finding)?.text.len() as u64)
}

/// A place without anything that a body chose: members of the APIs and numbers stay, any other name is `…`.
#[must_use]
pub fn place_of(finding: &LeakageFinding) -> Option<String> {
    let pointer = finding.pointer.as_deref()?;
    let mut place = String::new();
    for (n, segment) in pointer.split('/').skip(1).enumerate() {
        place.push('/');
        let number = segment.len() <= 6 && segment.bytes().all(|b| b.is_ascii_digit());
        match n < SEGMENTS && (number || MEMBERS.contains(&segment)) {
            true => place.push_str(segment),
            false => place.push('…'),
        }
        if n >= SEGMENTS {
            break;
        }
    }
    match pointer.as_bytes() {
        [b'#', ..] => Some("headers or path".to_owned()),
        _ => Some(place),
    }
}

impl LeakageFinding {
    /// Whether it stops a call whatever a person says to that call.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.level == FindingLevel::Block
    }
}

#[cfg(test)]
mod tests;
