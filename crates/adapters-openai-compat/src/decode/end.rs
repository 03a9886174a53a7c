//! The end of an answer: nothing is a success without evidence, and no call is given out before the whole
//! turn is known to be complete.

use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolCall, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ProviderCallId, ToolName},
};
use handshake_transport::{names::tool_call_id, strict_object};
use serde_json::{Map, Value};

use super::{
    slots::{Slot, malformed},
    turn::Turn,
};
use crate::dialect::Finish;

impl Turn {
    /// The body ended, or `[DONE]` came.
    pub(super) fn close(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.scrubber.end(events);
        // What a turn has cost is known, however it ended.
        events.extend(self.usage.or(self.timings).map(ChatEvent::Usage));
        let Some(finish) = self.finish else {
            return Err(
                CallError::new(ErrorCode::StreamTruncated, Phase::Decode).about("finish reason")
            );
        };
        let passed_over = self.slots.passed_over();
        let mut slots = self.slots.take();
        slots.retain(|slot| !self.is_no_call(slot));
        let extra: Vec<(usize, Value)> = slots
            .iter_mut()
            .enumerate()
            .filter_map(|(order, slot)| Some((order, slot.extra_content.take()?)))
            .collect();
        let calls = match finish {
            Finish::Failed(code) => {
                return Err(CallError::new(code, Phase::Stream).about("finish reason"));
            }
            // Valid siblings of a cut call are cut too: half a batch is not what the model wanted (Q41).
            Finish::Length if !slots.is_empty() => {
                return Err(CallError::new(ErrorCode::TruncatedToolTurn, Phase::Decode));
            }
            Finish::Length | Finish::ContentFilter => Vec::new(),
            Finish::Stop | Finish::ToolUse => slots
                .into_iter()
                .enumerate()
                .map(|(order, slot)| self.call(order, slot))
                .collect::<Result<_, _>>()?,
        };
        self.check_choice(finish, &calls, passed_over)?;
        let finish_reason = match finish {
            Finish::Length => FinishReason::Length,
            Finish::ContentFilter => FinishReason::ContentFilter,
            // The calls decide, not the word (Q32, Q40).
            _ if calls.is_empty() && !passed_over => FinishReason::Stop,
            _ => FinishReason::ToolUse,
        };
        events.extend(calls.into_iter().map(ChatEvent::ToolCall));
        if self.dialect.opaque_state
            && let Some(bytes) = std::mem::take(&mut self.state).store(extra)
        {
            events.push(ChatEvent::ProviderState { bytes });
        }
        events.push(ChatEvent::Finished {
            finish_reason,
            tool_mode: self.spec.tool_mode,
            refusal_suspected: false,
        });
        Ok(())
    }

    fn is_no_call(&self, slot: &Slot) -> bool {
        slot.name
            .as_deref()
            .is_some_and(|name| self.dialect.no_call_tools.contains(&name))
    }

    fn call(&self, order: usize, slot: Slot) -> Result<ToolCall, CallError> {
        let name = slot.name.ok_or_else(|| malformed("tool name"))?;
        // Exactly a declared name; never one that merely looks like it (Q30, Q31).
        let tool_id = match &self.spec.tool_names {
            Some(names) => names
                .get(&name)
                .cloned()
                .ok_or_else(|| malformed("unknown tool"))?,
            None => ToolName::new(&name).map_err(|_| malformed("tool name"))?,
        };
        let provider_call_id = slot
            .id
            .map(ProviderCallId::new)
            .transpose()
            .map_err(|_| malformed("tool call id"))?;
        // Nothing at all, or `null`, is how some servers spell "no arguments" (Q38, Q39).
        let arguments: Map<String, Value> = if matches!(slot.arguments.as_str(), "" | "null") {
            Map::new()
        } else {
            strict_object(&slot.arguments).map_err(|_| malformed("tool arguments"))?
        };
        let order = u64::try_from(order).map_err(|_| malformed("tool call index"))?;
        Ok(ToolCall {
            tool_call_id: tool_call_id(&self.spec.call_seed, order),
            provider_call_id,
            tool_id,
            arguments,
        })
    }

    /// What was asked for as to calling was done.
    fn check_choice(
        &self,
        finish: Finish,
        calls: &[ToolCall],
        passed_over: bool,
    ) -> Result<(), CallError> {
        // A refusal and a filter are answers of their own.
        if self.refused || finish == Finish::ContentFilter {
            return Ok(());
        }
        match &self.spec.tool_choice {
            Some(ToolChoice::Required) if calls.is_empty() && !passed_over => {
                Err(malformed("required tool call"))
            }
            Some(ToolChoice::Named(tool))
                if calls.is_empty() || calls.iter().any(|call| call.tool_id != *tool) =>
            {
                Err(malformed("required tool call"))
            }
            Some(ToolChoice::None) if !calls.is_empty() || passed_over => {
                Err(malformed("forbidden tool call"))
            }
            _ => Ok(()),
        }
    }
}
