//! What is remembered of a yes, so that the next question can say what changed since: the frame as it was shown, and
//! keyed hashes of the lines of the content. The content itself is not kept.

use std::collections::{BTreeMap, BTreeSet};

use handshake_core::{
    consent::{Outline, without_hints},
    digest::CommitmentKey,
};
use handshake_leakage::Places;
use serde::{Deserialize, Serialize};

use super::{frame, leaves::leaves, text::Marks};

/// Lines that are remembered at most. The rest is shown again.
const LINES: usize = 40_000;

/// What was shown at a yes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Memory {
    /// The system prompt, found values masked.
    pub(super) system: Vec<String>,
    /// Definitions of tools by name, likewise.
    pub(super) tools: BTreeMap<String, String>,
    /// Top-level fields.
    pub(super) fields: BTreeSet<String>,
    lines: BTreeSet<u64>,
}

impl Memory {
    /// What is to be remembered of a body. `None` for one that cannot be outlined.
    pub(crate) fn of(body: &[u8], key: &CommitmentKey, findings: &Places) -> Option<Self> {
        let (outline, placed, places, whole) = Outline::placed(body, key)?;
        let marks = Marks::new(findings);
        let mut memory = Self {
            system: frame::system_lines(&whole, &places, &marks),
            tools: frame::definitions(&whole, &places, &marks).collect(),
            fields: outline.fields,
            lines: BTreeSet::new(),
        };
        for place in placed.iter().filter(|place| !place.pointer.is_empty()) {
            let Some(value) = whole.pointer(&place.pointer) else {
                continue;
            };
            for leaf in leaves(&without_hints(value), &place.pointer) {
                for line in leaf.text.lines() {
                    if memory.lines.len() == LINES {
                        return Some(memory);
                    }
                    memory.lines.insert(hash(key, line));
                }
            }
        }
        Some(memory)
    }

    /// Whether a line was shown.
    pub(super) fn has(&self, key: &CommitmentKey, line: &str) -> bool {
        !self.lines.is_empty() && self.lines.contains(&hash(key, line))
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers")
    }
}

fn hash(key: &CommitmentKey, line: &str) -> u64 {
    let commitment = key.commit("hsk.shown.line.v1", &[line.trim_end().as_bytes()]);
    let first: [u8; 8] = commitment.digest().as_bytes()[..8]
        .try_into()
        .expect("eight bytes");
    u64::from_be_bytes(first)
}
