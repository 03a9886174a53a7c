//! Emulated tool calls: a protocol's own decoder, and what its text says in our grammar.

use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolCall, ToolMode},
    code::{ErrorCode, Phase},
    emulation::EmulatedReader,
    error::CallError,
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};

use super::Protocol;
use crate::names::tool_call_id;

/// The protocol's decoder; around it a reader of the grammar, where tools are emulated.
pub(super) fn decoder<P: Protocol>(
    protocol: &P,
    reply: &ReplySpec,
    head: &ResponseHead,
) -> Box<dyn ReplyDecoder> {
    let own = protocol.decoder(reply, head);
    match &reply.emulated {
        None => own,
        Some(tools) => Box::new(Emulated {
            own,
            reader: EmulatedReader::new(tools.clone()),
            call_seed: reply.call_seed,
            refused: false,
            given: Vec::new(),
        }),
    }
}

struct Emulated {
    own: Box<dyn ReplyDecoder>,
    reader: EmulatedReader,
    call_seed: [u8; 16],
    refused: bool,
    /// Events of the protocol's decoder, kept for their room.
    given: Vec<ChatEvent>,
}

impl Emulated {
    fn read(
        &mut self,
        run: impl FnOnce(&mut dyn ReplyDecoder, &mut Vec<ChatEvent>) -> Result<(), CallError>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        let mut given = std::mem::take(&mut self.given);
        let ran = run(&mut *self.own, &mut given);
        // What came before a failure stands.
        let passed = given
            .drain(..)
            .try_for_each(|event| self.pass(event, events));
        self.given = given;
        passed.and(ran)
    }

    fn pass(&mut self, event: ChatEvent, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        match event {
            ChatEvent::TextDelta { text } => said(self.reader.push(&text)?, events),
            // None was declared to the server.
            ChatEvent::ToolCall(_) => {
                return Err(CallError::new(ErrorCode::ToolCallParse, Phase::Decode)
                    .about("native tool call"));
            }
            ChatEvent::Finished {
                finish_reason,
                refusal_suspected,
                ..
            } => {
                let answer = self.reader.finish(finish_reason, self.refused)?;
                let called = !answer.calls.is_empty();
                said(answer.text, events);
                for (order, (tool_id, arguments)) in (0_u64..).zip(answer.calls) {
                    events.push(ChatEvent::ToolCall(ToolCall {
                        tool_call_id: tool_call_id(&self.call_seed, order),
                        provider_call_id: None,
                        tool_id,
                        arguments,
                    }));
                }
                events.push(ChatEvent::Finished {
                    finish_reason: if called {
                        FinishReason::ToolUse
                    } else {
                        finish_reason
                    },
                    tool_mode: ToolMode::EmulatedV1,
                    refusal_suspected,
                });
            }
            other => {
                self.refused |= matches!(other, ChatEvent::Refusal { .. });
                events.push(other);
            }
        }
        Ok(())
    }
}

fn said(text: String, events: &mut Vec<ChatEvent>) {
    if !text.is_empty() {
        events.push(ChatEvent::TextDelta { text });
    }
}

impl ReplyDecoder for Emulated {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.read(|own, given| own.push(bytes, given), events)
    }

    fn finish(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.read(|own, given| own.finish(given), events)
    }

    fn complete(&self) -> usize {
        self.own.complete()
    }
}
