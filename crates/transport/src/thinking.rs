//! Thinking that stands in the text itself. Only a *leading* block is ever told apart; everything after
//! it, and every text that does not begin with one, passes byte for byte.

use handshake_core::{chat::ChatEvent, reply::ReasoningPolicy};

/// Opening and closing tags.
const TAGS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];

/// An incremental splitter of text into text and thinking: what it gives does not depend on how the text
/// was cut.
#[derive(Clone)]
pub struct Scrubber {
    state: State,
    preopened: bool,
    held: String,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing but white space and perhaps part of a tag so far; held.
    Start,
    /// Inside the block that one of these tags closes.
    Inside(&'static [(&'static str, &'static str)]),
    /// After the block: white space is dropped until text comes.
    After,
    /// Text.
    Text,
}

impl Scrubber {
    /// A splitter for one answer.
    #[must_use]
    pub fn new(policy: ReasoningPolicy) -> Self {
        Self {
            state: match policy {
                ReasoningPolicy::Channel => State::Text,
                ReasoningPolicy::LeadingBlock | ReasoningPolicy::Preopened => State::Start,
            },
            preopened: policy == ReasoningPolicy::Preopened,
            held: String::new(),
        }
    }

    /// The server tells thinking apart itself: what comes as text is text. Of use before the first text only.
    pub fn trust(&mut self) {
        if matches!(self.state, State::Start) && self.held.trim_start().is_empty() {
            self.state = State::Text;
        }
    }

    /// Takes text and appends what is decided of it.
    pub fn push(&mut self, text: &str, events: &mut Vec<ChatEvent>) {
        if matches!(self.state, State::Text) {
            emit_text(text.to_owned(), events);
            return;
        }
        self.held.push_str(text);
        while self.step(events) {}
    }

    /// No more text comes: what is held is what it looks like.
    pub fn end(&mut self, events: &mut Vec<ChatEvent>) {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Start | State::Text => emit_text(held, events),
            State::Inside(_) => emit_thinking(held, events),
            State::After => {}
        }
    }

    /// Takes one decision; `false` when more text is needed or nothing is held.
    fn step(&mut self, events: &mut Vec<ChatEvent>) -> bool {
        match self.state {
            State::Start => self.start(),
            State::Inside(tags) => self.inside(tags, events),
            State::After => {
                let kept = self.held.trim_start().len();
                self.held.drain(..self.held.len() - kept);
                if kept > 0 {
                    self.state = State::Text;
                }
                kept > 0
            }
            State::Text => {
                emit_text(std::mem::take(&mut self.held), events);
                false
            }
        }
    }

    fn start(&mut self) -> bool {
        let lead = self.held.trim_start();
        for (index, (open, _)) in TAGS.iter().enumerate() {
            if let Some(rest) = lead.strip_prefix(open) {
                self.held = rest.to_owned();
                self.state = State::Inside(&TAGS[index..=index]);
                return true;
            }
        }
        if TAGS.iter().any(|(open, _)| open.starts_with(lead)) {
            return false;
        }
        self.state = if self.preopened {
            State::Inside(&TAGS)
        } else {
            State::Text
        };
        true
    }

    fn inside(&mut self, tags: &[(&str, &str)], events: &mut Vec<ChatEvent>) -> bool {
        let closed = tags
            .iter()
            .filter_map(|(_, close)| self.held.find(close).map(|at| (at, close.len())))
            .min();
        if let Some((at, len)) = closed {
            emit_thinking(self.held[..at].to_owned(), events);
            self.held.drain(..at + len);
            self.state = State::After;
            return true;
        }
        // The longest end of what is held that may yet become a closing tag stays.
        let keep = tags
            .iter()
            .flat_map(|(_, close)| (1..close.len()).map(move |len| &close[..len]))
            .filter(|part| self.held.ends_with(part))
            .map(str::len)
            .max()
            .unwrap_or(0);
        let decided = self.held.len() - keep;
        emit_thinking(self.held.drain(..decided).collect(), events);
        false
    }
}

impl std::fmt::Debug for Scrubber {
    /// What is held is payload: only its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} bytes)", self.held.len())
    }
}

/// Whether a text closes a block of thinking that was opened before it, as templates do: a closing tag stands in it, no
/// opening one before that, an answer after it, and it is not quoted. For whole texts, such as recordings: who reads a stream has to know.
#[must_use]
pub fn closes_thinking(text: &str) -> bool {
    TAGS.iter().any(|(open, close)| {
        text.split_once(close).is_some_and(|(before, after)| {
            let quoted = |c: Option<char>| matches!(c, Some('`' | '"' | '\''));
            !before.contains(open)
                && !after.trim().is_empty()
                && !quoted(before.chars().next_back())
                && !quoted(after.chars().next())
        })
    })
}

fn emit_text(text: String, events: &mut Vec<ChatEvent>) {
    if !text.is_empty() {
        events.push(ChatEvent::TextDelta { text });
    }
}

fn emit_thinking(text: String, events: &mut Vec<ChatEvent>) {
    if !text.is_empty() {
        events.push(ChatEvent::ReasoningDelta { text });
    }
}
