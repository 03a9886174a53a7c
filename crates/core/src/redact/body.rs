//! A body with stand-ins in it: only the bytes of what they replace change.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Applied, Place, StandIns, Tally, is_redactable,
    literal::{decoded, literals, units},
};
use crate::finding::FindingClass;

/// Members whose text steers a call: names, kinds, references. A stand-in there would be another call.
const STEERING: &[&str] = &[
    "model",
    "models",
    "role",
    "type",
    "name",
    "id",
    "call_id",
    "tool_call_id",
    "object",
    "url",
    "image_url",
    "file_id",
    "format",
    "detail",
    "media_type",
    "mime_type",
    "mimeType",
    "$ref",
    "$schema",
    "$id",
    "tool_choice",
    "function_call",
    "effort",
    "reasoning_effort",
    "service_tier",
    "encoding_format",
    "keep_alive",
    "signature",
    "thought_signature",
    "encrypted_content",
];
/// Members below which every name is somebody's own.
const FREE: &[&str] = &["arguments", "metadata"];

/// Whether the text at a pointer may be replaced.
fn is_content(pointer: &str) -> bool {
    let mut names = pointer.rsplit('/');
    // A list of names is as its member is: `models/0`.
    let last = names
        .by_ref()
        .find(|name| !name.bytes().all(|b| b.is_ascii_digit()));
    match last {
        Some(last) => !STEERING.contains(&last) || names.any(|name| FREE.contains(&name)),
        None => false,
    }
}

/// The body with stand-ins in the places, and what they are. `None` where nothing is replaced.
///
/// Places that overlap are one. One that begins or ends within a character, or within its escape, takes all of it. What
/// is no text of the body, or steers the call, is left alone, and what `stand_ins` has no room for.
#[must_use]
pub fn redact_body(
    body: &[u8],
    places: &[Place],
    stand_ins: &StandIns,
) -> Option<(Vec<u8>, Vec<Applied>)> {
    let mut by_text: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
    for place in places {
        if is_redactable(place.class) && is_content(&place.pointer) {
            by_text.entry(&place.pointer).or_default().push(place);
        }
    }
    let mut tally = Tally::default();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (pointer, inner) in literals(body, by_text.keys().copied()) {
        let Some(text) = decoded(&body[inner.clone()]) else {
            continue;
        };
        for part in parts(&body[inner.clone()], text.len(), &by_text[pointer]) {
            let Some(value) = text
                .get(part.text.clone())
                .filter(|value| !value.is_empty())
            else {
                continue;
            };
            if let Some(stand_in) = stand_ins.stand_in(part.place.class, value) {
                tally.add(&stand_in, &part.place.rule, part.place.class);
                let raw = inner.start + part.raw.start..inner.start + part.raw.end;
                edits.push((raw, stand_in));
            }
        }
    }
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|(raw, _)| raw.start);
    let (mut out, mut at) = (Vec::with_capacity(body.len()), 0);
    for (raw, stand_in) in edits {
        out.extend_from_slice(&body[at..raw.start]);
        // Brackets, letters, digits: the same in JSON as it is.
        out.extend_from_slice(stand_in.as_bytes());
        at = raw.end;
    }
    out.extend_from_slice(&body[at..]);
    Some((out, tally.finish()))
}

/// A stretch of a literal that one stand-in replaces.
struct Part<'p> {
    raw: Range<usize>,
    text: Range<usize>,
    place: &'p Place,
}

fn parts<'p>(inner: &[u8], len: usize, places: &[&'p Place]) -> Vec<Part<'p>> {
    let whole = places.iter().find(|place| {
        // Half of a private key is no less private.
        place.span.is_none() || place.class == FindingClass::PrivateKey
    });
    if let Some(place) = whole {
        return vec![Part {
            raw: 0..inner.len(),
            text: 0..len,
            place,
        }];
    }
    let units = units(inner);
    let mut spans: Vec<(usize, usize, &Place)> = places
        .iter()
        .filter_map(|place| {
            let (start, end) = place.span?;
            (start < end).then_some((start, end.min(len), *place))
        })
        .collect();
    // Of two that begin together the longer one names the part.
    spans.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut out: Vec<Part<'p>> = Vec::new();
    for (start, end, place) in spans {
        let first = units.partition_point(|unit| unit.text.end <= start);
        let last = units.partition_point(|unit| unit.text.start < end);
        let Some(covered) = units.get(first..last).filter(|units| !units.is_empty()) else {
            continue;
        };
        let (from, to) = (&covered[0], &covered[covered.len() - 1]);
        match out.last_mut() {
            Some(before) if from.text.start < before.text.end => {
                before.raw.end = before.raw.end.max(to.raw.end);
                before.text.end = before.text.end.max(to.text.end);
            }
            _ => out.push(Part {
                raw: from.raw.start..to.raw.end,
                text: from.text.start..to.text.end,
                place,
            }),
        }
    }
    out
}
