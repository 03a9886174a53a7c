//! One answer in the making. Streamed and whole answers feed the same machine.
//!
//! Where the client speaks the API itself it gets the answer's own bytes, and what only our events have no word for
//! (further choices, parts and calls of unknown types) is passed over instead of refused. Errors, the model's name, the
//! finish and the calls of declared tools are looked at all the same.

use std::borrow::Cow;

use handshake_core::{
    chat::{ChatEvent, TokenUsage},
    code::{ErrorCode, Phase},
    error::CallError,
    reply::ReplySpec,
};
use handshake_transport::Scrubber;
use serde_json::{Value, value::RawValue};

use super::{
    content::{self, ContentPart},
    slots::Slots,
    state::State,
    usage,
};
use crate::{
    dialect::{Dialect, Finish, NATIVE_CUT, ReasoningField},
    wire::reply::{Choice, Chunk, Delta, Loose},
};

/// How a chunk came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// As one of many.
    Stream,
    /// As the whole answer.
    Whole,
}

pub(super) struct Turn {
    pub(super) dialect: &'static Dialect,
    pub(super) spec: ReplySpec,
    pub(super) scrubber: Scrubber,
    pub(super) slots: Slots,
    pub(super) state: State,
    pub(super) finish: Option<Finish>,
    pub(super) usage: Option<TokenUsage>,
    /// What llama.cpp measures, for want of usage.
    pub(super) timings: Option<TokenUsage>,
    pub(super) refused: bool,
    started: bool,
    /// The model that the answer named last.
    pub(super) named: String,
    /// The text as the server sent it so far; kept only where it is needed to compare.
    text: Cumulative,
}

impl Turn {
    pub(super) fn new(dialect: &'static Dialect, spec: ReplySpec) -> Self {
        Self {
            dialect,
            scrubber: Scrubber::new(spec.reasoning),
            slots: Slots::default(),
            state: State::default(),
            finish: None,
            usage: None,
            timings: None,
            refused: false,
            started: false,
            named: String::new(),
            text: Cumulative::default(),
            spec,
        }
    }

    /// Takes one chunk that holds no error.
    pub(super) fn chunk(
        &mut self,
        chunk: &mut Chunk<'_>,
        form: Form,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        let another = self.another_model(chunk.model.as_ref())?;
        let empty = match &chunk.choices {
            Some(choices) => choices.first.is_none(),
            None if form == Form::Stream && is_bookkeeping(chunk) => true,
            None => return Err(protocol("choices")),
        };
        if form == Form::Whole && empty {
            return Err(protocol("choices"));
        }
        if !self.started {
            self.started = true;
            events.push(ChatEvent::Started);
        }
        events.extend(another);
        let finished = self.finish.is_some();
        let mut nested = None;
        if let Some(choices) = &mut chunk.choices {
            for choice in choices.first.iter_mut().chain(&mut choices.others) {
                nested = reported(choice.usage)?.or(nested);
                self.choice(choice, form, finished, events)?;
            }
        }
        let groq = match chunk.x_groq {
            Some(groq) => value(groq)?.get("usage").and_then(usage::read),
            None => None,
        };
        let reported = reported(chunk.usage)?.or(groq).or(nested);
        // The last report wins and replaces the one before; nothing is ever added up.
        self.usage = reported.or(self.usage);
        if let Some(timings) = chunk.timings {
            self.timings = usage::timings(&value(timings)?).or(self.timings);
        }
        Ok(())
    }

    fn choice(
        &mut self,
        choice: &mut Choice<'_>,
        form: Form,
        finished: bool,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        // One answer was asked for (Q41c).
        match choice.index.unwrap_or(0) {
            0 => {}
            _ if self.spec.raw => return Ok(()),
            _ => return Err(protocol("choice index")),
        }
        let message = choice.message.as_deref_mut();
        match (form, message, &mut choice.delta) {
            (Form::Stream, _, Some(delta))
            | (Form::Whole, Some(delta), _)
            | (Form::Whole, None, Some(delta)) => {
                // Each of several calls may bring the finish once more: what comes with it is no afterthought.
                let again = self.ends_in_calls()
                    && delta
                        .tool_calls
                        .as_ref()
                        .is_some_and(|calls| !calls.is_empty())
                    && choice
                        .finish_reason
                        .as_deref()
                        .and_then(|word| self.dialect.finish(word))
                        == Some(Finish::ToolUse);
                self.delta(delta, form, finished && !again, events)?;
            }
            (Form::Stream, Some(message), None) => self.summary(message, finished, events)?,
            (Form::Whole, None, None) => return Err(protocol("message")),
            (Form::Stream, None, None) => {}
        }
        if form == Form::Whole
            && self.dialect.empty_finish_is_stop
            && choice.finish_reason.as_deref().is_none_or(str::is_empty)
        {
            self.finish = self.finish.or(Some(Finish::Stop));
        }
        self.finish_words(
            choice.finish_reason.as_deref(),
            choice.native_finish_reason.as_ref().and_then(Loose::as_str),
        )
    }

    fn ends_in_calls(&self) -> bool {
        self.finish == Some(Finish::ToolUse) && !self.slots.is_empty()
    }

    /// A whole message inside a stream, without a delta: the answer itself if nothing came before, a
    /// repetition of it otherwise (Q57).
    fn summary(
        &mut self,
        message: &mut Delta<'_>,
        finished: bool,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        if !self.text.any() && self.slots.is_empty() {
            return self.delta(message, Form::Whole, finished, events);
        }
        let repeated = match &message.content {
            None => true,
            Some(Loose::Text(text)) => text.is_empty() || self.text.is(text),
            Some(Loose::Other(value)) => value.is_null(),
        };
        let calls = message
            .tool_calls
            .as_ref()
            .is_some_and(|calls| !calls.is_empty());
        if repeated && !(calls && self.slots.is_empty()) {
            Ok(())
        } else {
            Err(protocol("message"))
        }
    }

    fn delta(
        &mut self,
        delta: &mut Delta<'_>,
        form: Form,
        finished: bool,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        let before = events.len();
        self.thinking(delta, events)?;
        if events.len() > before {
            self.scrubber.trust();
        }
        if let Some(details) = delta.reasoning_details.take()
            && self.dialect.opaque_state
        {
            self.state.details(details, form == Form::Stream);
        }
        let mut called = false;
        for call in delta.tool_calls.take().into_iter().flatten() {
            called |= self.slots.call(call, form == Form::Whole, self.spec.raw)?;
        }
        if let Some(call) = delta.function_call.take() {
            called |= self.slots.legacy(*call)?;
        }
        let mut spoken = false;
        for part in content::content_parts(delta.content.take())? {
            match part {
                ContentPart::Text(text) => {
                    let new = self.text.advance(text, form, self.dialect.cumulative)?;
                    spoken |= !new.is_empty();
                    self.scrubber.push(&new, events);
                }
                ContentPart::Thinking(text) => events.push(ChatEvent::ReasoningDelta { text }),
                ContentPart::Refusal(text) => self.refuse(text, events),
                ContentPart::Unknown if self.spec.raw => spoken = true,
                // What cannot be carried is not left out.
                ContentPart::Unknown => return Err(protocol("content part")),
            }
        }
        if let Some(text) = delta.refusal.take().filter(|text| !text.is_empty()) {
            self.refuse(text.into_owned(), events);
        }
        // The server said that it was done (Q47).
        if finished && (called || spoken || events.len() > before) {
            return Err(protocol("content after finish"));
        }
        Ok(())
    }

    fn refuse(&mut self, text: String, events: &mut Vec<ChatEvent>) {
        self.refused = true;
        events.push(ChatEvent::Refusal { text });
    }

    /// The first member that holds thinking wins; two that repeat each other are never joined (Q61).
    fn thinking(&self, delta: &Delta<'_>, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        for field in self.dialect.reasoning_fields {
            let value = match field {
                ReasoningField::ReasoningContent => &delta.reasoning_content,
                ReasoningField::Reasoning => &delta.reasoning,
                ReasoningField::ReasoningText => &delta.reasoning_text,
            };
            let text = value
                .as_ref()
                .map(content::thinking)
                .transpose()?
                .unwrap_or_default();
            if !text.is_empty() {
                events.push(ChatEvent::ReasoningDelta { text });
                return Ok(());
            }
        }
        let text: String = delta
            .reasoning_details
            .iter()
            .flatten()
            .filter_map(|detail| {
                detail
                    .get("text")
                    .or_else(|| detail.get("summary"))?
                    .as_str()
            })
            .collect();
        if !text.is_empty() {
            events.push(ChatEvent::ReasoningDelta { text });
        }
        Ok(())
    }

    fn finish_words(&mut self, word: Option<&str>, native: Option<&str>) -> Result<(), CallError> {
        // "" and "null" are how some servers spell absence (Q42, Q44).
        let Some(word) = word.filter(|word| !matches!(*word, "" | "null")) else {
            return Ok(());
        };
        let mut finish = self
            .dialect
            .finish(word)
            .ok_or_else(|| protocol("finish reason"))?;
        let cut = native.is_some_and(|native| {
            NATIVE_CUT
                .iter()
                .any(|word| word.eq_ignore_ascii_case(native))
        });
        // A router's word is not evidence against the model's own (Q41b).
        if cut {
            finish = finish.max(Finish::Length);
        }
        // Several finishes: the worst one (Q46).
        self.finish = Some(self.finish.map_or(finish, |known| known.max(finish)));
        Ok(())
    }
}

/// An object without choices that servers are known to put between chunks.
fn is_bookkeeping(chunk: &Chunk<'_>) -> bool {
    fn word<'a>(value: &'a Option<Loose<'_>>) -> Option<&'a str> {
        value.as_ref().and_then(Loose::as_str)
    }
    chunk.usage.is_some()
        || chunk.x_groq.is_some()
        || chunk.timings.is_some()
        || chunk.prompt_filter_results.is_some()
        || word(&chunk.object) == Some("chat.completion.chunk")
        || word(&chunk.kind) == Some("ping")
}

/// A member that was left as it stands.
fn value(raw: &RawValue) -> Result<Value, CallError> {
    serde_json::from_str(raw.get()).map_err(|_| protocol("json"))
}

fn reported(usage: Option<&RawValue>) -> Result<Option<TokenUsage>, CallError> {
    Ok(match usage {
        Some(raw) => usage::read(&value(raw)?),
        None => None,
    })
}

pub(super) fn protocol(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::Protocol, Phase::Decode).about(subject)
}

pub(super) fn limit(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::StreamLimit, Phase::Decode).about(subject)
}

/// Servers that repeat the text so far in every chunk (Q56): told so by the dialect, or noticed.
#[derive(Default)]
struct Cumulative {
    so_far: String,
    last: usize,
    grown: u32,
}

/// So many chunks in a row that each repeat the whole one before are no accident.
const REPETITIONS: u32 = 3;
/// Below this length a repetition may be one: rules of dashes, white space.
const SHORT: usize = 24;

impl Cumulative {
    fn any(&self) -> bool {
        !self.so_far.is_empty()
    }

    fn is(&self, text: &str) -> bool {
        self.so_far == text
    }

    /// What of `text` is new.
    fn advance<'a>(
        &mut self,
        text: Cow<'a, str>,
        form: Form,
        cumulative: bool,
    ) -> Result<Cow<'a, str>, CallError> {
        if form == Form::Whole || text.is_empty() {
            self.so_far.push_str(&text);
            return Ok(text);
        }
        if cumulative {
            let new = text
                .strip_prefix(&self.so_far)
                .ok_or_else(|| protocol("cumulative content"))?
                .to_owned();
            self.so_far.push_str(&new);
            return Ok(Cow::Owned(new));
        }
        let last = &self.so_far[self.so_far.len() - self.last..];
        let grows = !last.is_empty() && text.len() > last.len() && text.starts_with(last);
        self.grown = if grows { self.grown + 1 } else { 0 };
        if self.grown >= REPETITIONS && text.len() >= SHORT {
            return Err(protocol("cumulative content"));
        }
        self.last = text.len();
        self.so_far.push_str(&text);
        Ok(text)
    }
}
