//! Values in place of their stand-ins in an answer that comes piece by piece.

use std::{fmt, mem, sync::Arc};

use super::{MAX_BYTES, StandIns};
use crate::chat::ChatEvent;

/// Bytes of values that one answer gets back.
const ROOM: usize = 4 * MAX_BYTES;

/// Puts values back into the text, the thinking and the refusal of one answer, for a reader on this machine. Calls of
/// tools are left as they are: who runs a tool decides about its arguments.
///
/// A stand-in that comes in pieces is put back whole. What may be the beginning of one is held back, and no more than
/// that: fewer bytes than a stand-in has.
pub struct Restorer {
    stand_ins: Arc<StandIns>,
    /// Values are put into texts of a JSON document.
    json: bool,
    room: usize,
    held: [String; 3],
}

const TEXT: usize = 0;
const REASONING: usize = 1;
const REFUSAL: usize = 2;

impl Restorer {
    /// For one answer. `json`: a document was asked for, and stays one.
    #[must_use]
    pub fn new(stand_ins: Arc<StandIns>, json: bool) -> Self {
        Self {
            stand_ins,
            json,
            room: ROOM,
            held: Default::default(),
        }
    }

    /// The next events, with values.
    #[must_use]
    pub fn events(&mut self, events: Vec<ChatEvent>) -> Vec<ChatEvent> {
        let mut out = Vec::with_capacity(events.len());
        for event in events {
            match event {
                ChatEvent::TextDelta { text } => self.push(TEXT, &text, &mut out),
                ChatEvent::ReasoningDelta { text } => self.push(REASONING, &text, &mut out),
                ChatEvent::Refusal { text } => self.push(REFUSAL, &text, &mut out),
                other => {
                    // What comes after a text is no part of it.
                    let ends = matches!(other, ChatEvent::ToolCall(_) | ChatEvent::Finished { .. });
                    if ends {
                        out.extend(self.rest());
                    }
                    out.push(other);
                }
            }
        }
        out
    }

    /// What was held back and turned out to be no stand-in, where the answer breaks off.
    #[must_use]
    pub fn rest(&mut self) -> Vec<ChatEvent> {
        let mut out = Vec::new();
        for channel in [REASONING, TEXT, REFUSAL] {
            let held = mem::take(&mut self.held[channel]);
            if !held.is_empty() {
                out.push(delta(channel, held));
            }
        }
        out
    }

    fn push(&mut self, channel: usize, text: &str, out: &mut Vec<ChatEvent>) {
        let mut whole = mem::take(&mut self.held[channel]);
        let empty = whole.is_empty() && text.is_empty();
        whole.push_str(text);
        let json = self.json && channel == TEXT;
        let (ready, held) = self.stand_ins.restore(&whole, &mut self.room, json);
        self.held[channel] = held.to_owned();
        // An empty piece of a provider stays one; one that is held back is none.
        if empty || !ready.is_empty() {
            out.push(delta(channel, ready));
        }
    }
}

fn delta(channel: usize, text: String) -> ChatEvent {
    match channel {
        TEXT => ChatEvent::TextDelta { text },
        REASONING => ChatEvent::ReasoningDelta { text },
        _ => ChatEvent::Refusal { text },
    }
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restorer(..)")
    }
}
