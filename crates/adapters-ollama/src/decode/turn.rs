//! Lines to events.

use handshake_core::{
    chat::{ChatEvent, FinishReason, TokenUsage, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::ModelId,
    reply::{ReplySpec, ResponseHead},
};
use handshake_transport::{Scrubber, adapter::Text};

use super::calls::Calls;
use crate::{
    dialect::{DIALECT_FORWARDING, same_model},
    failure,
    wire::reply::{Line, Message, Object},
};

/// One answer, line by line.
pub(super) struct Turn {
    spec: ReplySpec,
    head: ResponseHead,
    scrubber: Scrubber,
    calls: Calls,
    started: bool,
    /// Whether it was told that another model answers.
    told: bool,
    /// Whether any text but white space came.
    spoke: bool,
}

impl Turn {
    pub(super) fn new(spec: ReplySpec, head: ResponseHead) -> Self {
        Self {
            scrubber: Scrubber::new(spec.reasoning),
            calls: Calls::default(),
            started: false,
            told: false,
            spoke: false,
            spec,
            head,
        }
    }

    pub(super) fn spec(&self) -> &ReplySpec {
        &self.spec
    }

    pub(super) fn head(&self) -> &ResponseHead {
        &self.head
    }

    pub(super) fn line(
        &mut self,
        line: Line<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        if let Some(error) = line
            .error
            .as_ref()
            .filter(|error| failure::says_something(error))
        {
            return Err(failure::streamed(error));
        }
        let another = self.origin(&line)?;
        // A daemon that leaves `done` out of its last line says why it ends there all the same.
        let done = line.done == Some(true)
            || line.done.is_none()
                && matches!(line.done_reason.as_deref(), Some("stop" | "length"));
        if line.message.is_none() && !done {
            return Err(protocol("message"));
        }
        if !self.started {
            self.started = true;
            events.push(ChatEvent::Started);
        }
        if another.is_some() && !std::mem::replace(&mut self.told, true) {
            events.extend(another);
        }
        if let Some(Object(message)) = line.message {
            self.message(message, events)?;
        }
        if done {
            self.end(
                line.done_reason.as_deref(),
                line.prompt_eval_count,
                line.eval_count,
                events,
            )?;
        }
        Ok(())
    }

    /// Who answered. Checked before anything of the line is passed on; another model is an error, or told, as the call
    /// has it.
    fn origin(&self, line: &Line<'_>) -> Result<Option<ChatEvent>, CallError> {
        let said =
            |name: &Option<Text<'_>>| name.as_ref().is_some_and(|text| !text.trim().is_empty());
        let forwarded = said(&line.remote_host) || said(&line.remote_model);
        if forwarded && self.spec.dialect.as_str() != DIALECT_FORWARDING {
            let error = CallError::new(ErrorCode::TierMismatch, Phase::Decode);
            return Err(error.about("remote_host"));
        }
        match (&self.spec.requested_model, line.model.as_deref()) {
            (Some(asked), Some(answered)) if !same_model(asked.as_str(), answered) => {
                let model_id = ModelId::new(answered).ok();
                match self.spec.model_may_differ {
                    true => Ok(Some(ChatEvent::ModelAnswered { model_id })),
                    false => Err(protocol("model")),
                }
            }
            _ => Ok(None),
        }
    }

    fn message(
        &mut self,
        message: Message<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        if let Some(text) = message.thinking.filter(|text| !text.is_empty()) {
            let text = text.into_owned();
            events.push(ChatEvent::ReasoningDelta { text });
            self.scrubber.trust();
        }
        if let Some(text) = message.content.filter(|text| !text.is_empty()) {
            let before = events.len();
            self.scrubber.push(&text, events);
            self.heard(&events[before..]);
        }
        for Object(call) in message.tool_calls.into_iter().flatten() {
            self.calls.take(call, &self.spec)?;
        }
        Ok(())
    }

    fn heard(&mut self, events: &[ChatEvent]) {
        self.spoke |= events
            .iter()
            .any(|event| matches!(event, ChatEvent::TextDelta { text } if !text.trim().is_empty()));
    }

    /// The daemon says that it is done: what was held is let go, and the promises are looked at.
    fn end(
        &mut self,
        reason: Option<&str>,
        prompt_tokens: Option<u64>,
        completion_tokens: Option<u64>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        let before = events.len();
        self.scrubber.end(events);
        self.heard(&events[before..]);

        let cut = match reason {
            Some("stop") => false,
            Some("length") => true,
            // Older daemons have no reason to give, and a call is whole when it comes.
            None if !self.calls.is_empty() => false,
            // "load" and "unload" answer a call without messages, which was not made. Silence is what a
            // daemon leaves when it went away.
            _ => return Err(protocol("done_reason")),
        };
        if cut && !self.calls.is_empty() {
            return Err(CallError::new(ErrorCode::TruncatedToolTurn, Phase::Check));
        }
        self.calls.require(self.spec.tool_choice.as_ref())?;
        let offered = self
            .spec
            .tool_names
            .as_ref()
            .is_some_and(|names| !names.is_empty())
            && self.spec.tool_choice != Some(ToolChoice::None);
        let silent = !self.spoke && self.calls.is_empty();
        if silent && !cut && offered && completion_tokens.is_some_and(|count| count > 0) {
            // A call that the daemon could not read is thrown away without a word (ollama#17274).
            return Err(
                CallError::new(ErrorCode::ToolCallParse, Phase::Check).about("empty answer")
            );
        }
        let finish_reason = match (cut, self.calls.is_empty()) {
            (true, _) => FinishReason::Length,
            (false, true) => FinishReason::Stop,
            (false, false) => FinishReason::ToolUse,
        };
        events.extend(self.calls.give(&self.spec));
        if prompt_tokens.is_some() || completion_tokens.is_some() {
            events.push(ChatEvent::Usage(TokenUsage {
                prompt_tokens,
                completion_tokens,
                ..TokenUsage::default()
            }));
        }
        events.push(ChatEvent::Finished {
            finish_reason,
            tool_mode: self.spec.tool_mode,
            refusal_suspected: false,
        });
        Ok(())
    }
}

fn protocol(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::Protocol, Phase::Decode).about(subject)
}
