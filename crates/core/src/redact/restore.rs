//! Values in place of their stand-ins in an answer that comes piece by piece.

use std::{fmt, mem, sync::Arc};

use super::{MAX_BYTES, StandIns, stand_in::Put};
use crate::chat::ChatEvent;

/// Bytes of values that all answers of a request get back.
const ROOM: usize = 4 * MAX_BYTES;

/// Puts values back into the text, the thinking and the refusals of the answers of one request, for a reader on this
/// machine. Calls of tools are left as they are: who runs a tool decides about its arguments.
///
/// A stand-in within a web address stays one: a server that was sent it would have the value of whoever follows the
/// link. A stand-in that comes in pieces is put back whole. What may be the beginning of one is held back, and no more than
/// that: fewer bytes than a stand-in has.
pub struct Restorer {
    stand_ins: Arc<StandIns>,
    /// Values are put into texts of a JSON document.
    json: bool,
    room: usize,
    channels: [Channel; 3],
}

/// One kind of text of an answer.
#[derive(Default)]
struct Channel {
    held: String,
    word: Word,
}

/// The word that a text ends in, as far as it matters.
#[derive(Default)]
struct Word {
    /// The last characters of it that may belong to the beginning of an address.
    tail: String,
    is_address: bool,
}

impl Word {
    /// Goes on with a text.
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`') {
                *self = Self::default();
                continue;
            }
            // `\/` is a slash in a document.
            if c != '\\' && !self.is_address {
                self.tail.extend(c.to_lowercase());
                self.is_address = ["http://", "https://", "ftp://", "ftps://", "www."]
                    .iter()
                    .any(|begin| self.tail.ends_with(begin));
                let from = self.tail.char_indices().rev().nth(8);
                self.tail.drain(..from.map_or(0, |(at, _)| at));
            }
        }
    }
}

const TEXT: usize = 0;
const REASONING: usize = 1;
const REFUSAL: usize = 2;

impl Restorer {
    /// For the answers of one request. `json`: a document was asked for, and stays one.
    #[must_use]
    pub fn new(stand_ins: Arc<StandIns>, json: bool) -> Self {
        Self {
            stand_ins,
            json,
            room: ROOM,
            channels: Default::default(),
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
            let held = mem::take(&mut self.channels[channel].held);
            if !held.is_empty() {
                out.push(delta(channel, held));
            }
        }
        out
    }

    fn push(&mut self, channel: usize, text: &str, out: &mut Vec<ChatEvent>) {
        let Channel { held, word } = &mut self.channels[channel];
        let mut whole = mem::take(held);
        let empty = whole.is_empty() && text.is_empty();
        whole.push_str(text);
        let put = match self.json && channel == TEXT {
            true => Put::Json,
            false => Put::Plain,
        };
        let mut how = |before: &str| {
            word.push(before);
            (!word.is_address).then_some(put)
        };
        let (ready, rest) = self.stand_ins.restore(&whole, &mut self.room, &mut how);
        *held = rest.to_owned();
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
