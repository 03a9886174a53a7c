//! The fold of one call's events into one answer: what a non-streamed answer is.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    ChatEvent, FinishReason, Message, ProviderState, Role, TokenUsage, ToolCall, ToolMode,
};
use crate::{
    ids::{MessageId, ProviderId, Token, ToolCallId},
    time::UtcTime,
};

/// The whole answer to one call. Payload: it appears in no event, log or `Debug`.
#[derive(Clone, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChatResponse {
    /// The text. Empty for a pure tool call.
    pub message: String,
    /// What the model thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The words of a structured refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The calls that it makes, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The last token counts that were reported; all absent where none were.
    #[serde(default)]
    pub usage: TokenUsage,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// How tools travelled.
    #[serde(default)]
    pub tool_mode: ToolMode,
    /// The operator's phrase table suspects a refusal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refusal_suspected: bool,
    /// Opaque state to be replayed with this answer; the last that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<u8>>")]
    pub provider_state: Option<Bytes>,
}

impl std::fmt::Debug for ChatResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatResponse")
            .field("message_bytes", &self.message.len())
            .field("tool_calls", &self.tool_calls)
            .field("usage", &self.usage)
            .field("finish_reason", &self.finish_reason)
            .finish_non_exhaustive()
    }
}

impl ChatResponse {
    /// The messages that the answer adds to its conversation: the assistant's, then one per call.
    /// `provider` and `family` are those that answered: opaque state is replayed to them only.
    pub fn into_messages(
        self,
        provider: &ProviderId,
        family: Option<&Token>,
        timestamp: UtcTime,
        mut next_id: impl FnMut() -> MessageId,
    ) -> Vec<Message> {
        let mut answer = Message::text(next_id(), Role::Assistant, self.message, timestamp);
        answer.reasoning = self.reasoning.map(Into::into);
        answer.token_count = self.usage.completion_tokens;
        answer.provider_state =
            self.provider_state
                .zip(family)
                .map(|(bytes, family)| ProviderState {
                    provider_id: provider.clone(),
                    family: family.clone(),
                    bytes,
                });
        let calls = self.tool_calls.into_iter();
        std::iter::once(answer)
            .chain(calls.map(|call| Message::call(next_id(), call, timestamp)))
            .collect()
    }
}

/// Events that no stream may bring, in that order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FoldError {
    /// The first event is not [`ChatEvent::Started`].
    #[error("stream did not begin with `started`")]
    NotStarted,
    /// A second [`ChatEvent::Started`].
    #[error("stream has more than one `started` event")]
    StartedTwice,
    /// An event after [`ChatEvent::Finished`].
    #[error("event after `finished`")]
    AfterFinished,
    /// The stream ended without [`ChatEvent::Finished`]: never a success.
    #[error("stream ended without `finished`")]
    NotFinished,
    /// A finish with [`FinishReason::Error`]: a live stream ends in an `Err` instead.
    #[error("error event cannot finish an answer")]
    FinishedWithError,
    /// Two calls with one id.
    #[error("duplicate tool call id")]
    RepeatedCall,
}

/// Folds events into a [`ChatResponse`]. Any split of the text into deltas gives the same answer.
#[derive(Default)]
pub struct Fold {
    started: bool,
    text: String,
    reasoning: Option<String>,
    refusal: Option<String>,
    calls: Vec<ToolCall>,
    call_ids: BTreeSet<ToolCallId>,
    usage: TokenUsage,
    provider_state: Option<Bytes>,
    finished: Option<(FinishReason, ToolMode, bool)>,
}

impl std::fmt::Debug for Fold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fold")
            .field("started", &self.started)
            .field("text_bytes", &self.text.len())
            .field("finished", &self.finished.is_some())
            .finish_non_exhaustive()
    }
}

impl Fold {
    /// Nothing has come yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`FoldError`] for an event that may not come here. The fold is unchanged then.
    pub fn push(&mut self, event: ChatEvent) -> Result<(), FoldError> {
        match (&event, self.started) {
            _ if self.finished.is_some() => return Err(FoldError::AfterFinished),
            (ChatEvent::Started, true) => return Err(FoldError::StartedTwice),
            (ChatEvent::Started, false) | (_, true) => {}
            (_, false) => return Err(FoldError::NotStarted),
        }
        match event {
            ChatEvent::Started => self.started = true,
            ChatEvent::TextDelta { text } => self.text.push_str(&text),
            ChatEvent::ReasoningDelta { text } => append(&mut self.reasoning, &text),
            ChatEvent::Refusal { text } => append(&mut self.refusal, &text),
            ChatEvent::ToolCall(call) => {
                if !self.call_ids.insert(call.tool_call_id) {
                    return Err(FoldError::RepeatedCall);
                }
                self.calls.push(call);
            }
            ChatEvent::Usage(usage) => self.usage = usage,
            ChatEvent::ProviderState { bytes } => self.provider_state = Some(bytes),
            ChatEvent::Finished {
                finish_reason: FinishReason::Error,
                ..
            } => {
                return Err(FoldError::FinishedWithError);
            }
            ChatEvent::Finished {
                finish_reason,
                tool_mode,
                refusal_suspected,
            } => {
                self.finished = Some((finish_reason, tool_mode, refusal_suspected));
            }
        }
        Ok(())
    }

    /// The answer.
    ///
    /// # Errors
    /// [`FoldError::NotFinished`] when no finish came.
    pub fn finish(self) -> Result<ChatResponse, FoldError> {
        let (finish_reason, tool_mode, refusal_suspected) =
            self.finished.ok_or(FoldError::NotFinished)?;
        Ok(ChatResponse {
            message: self.text,
            reasoning: self.reasoning,
            refusal: self.refusal,
            tool_calls: self.calls,
            usage: self.usage,
            finish_reason,
            tool_mode,
            refusal_suspected,
            provider_state: self.provider_state,
        })
    }
}

fn append(channel: &mut Option<String>, text: &str) {
    channel.get_or_insert_default().push_str(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STOP: ChatEvent = ChatEvent::Finished {
        finish_reason: FinishReason::Stop,
        tool_mode: ToolMode::Native,
        refusal_suspected: false,
    };

    fn text(text: &str) -> ChatEvent {
        ChatEvent::TextDelta {
            text: text.to_owned(),
        }
    }

    fn call(n: u8) -> ChatEvent {
        ChatEvent::ToolCall(ToolCall {
            tool_call_id: ToolCallId::from_entropy([n; 16]),
            provider_call_id: None,
            tool_id: crate::ids::ToolName::new("files.read").expect("valid"),
            arguments: serde_json::Map::new(),
        })
    }

    fn fold(events: impl IntoIterator<Item = ChatEvent>) -> Result<ChatResponse, FoldError> {
        let mut fold = Fold::new();
        for event in events {
            fold.push(event)?;
        }
        fold.finish()
    }

    #[test]
    fn b5_exactly_one_start_and_one_end() {
        assert_eq!(
            fold([ChatEvent::Started, text("a"), STOP])
                .expect("whole")
                .message,
            "a"
        );
        assert_eq!(fold([]), Err(FoldError::NotFinished));
        assert_eq!(
            fold([ChatEvent::Started, text("a")]),
            Err(FoldError::NotFinished)
        );
        assert_eq!(fold([text("a"), STOP]), Err(FoldError::NotStarted));
        assert_eq!(fold([STOP]), Err(FoldError::NotStarted));
        assert_eq!(
            fold([ChatEvent::Started, ChatEvent::Started]),
            Err(FoldError::StartedTwice)
        );
        assert_eq!(
            fold([ChatEvent::Started, STOP, STOP]),
            Err(FoldError::AfterFinished)
        );
        assert_eq!(
            fold([ChatEvent::Started, STOP, text("a")]),
            Err(FoldError::AfterFinished)
        );
        assert_eq!(
            fold([ChatEvent::Started, call(1), call(1)]),
            Err(FoldError::RepeatedCall)
        );
    }

    #[test]
    fn b5_a_failure_is_never_a_finish() {
        let error = ChatEvent::Finished {
            finish_reason: FinishReason::Error,
            tool_mode: ToolMode::Native,
            refusal_suspected: false,
        };
        assert_eq!(
            fold([ChatEvent::Started, error]),
            Err(FoldError::FinishedWithError)
        );
    }

    #[test]
    fn b5_the_last_usage_wins_and_nothing_is_added() {
        let usage = |n| {
            ChatEvent::Usage(TokenUsage {
                prompt_tokens: n,
                ..TokenUsage::default()
            })
        };
        let answer =
            fold([ChatEvent::Started, usage(Some(3)), usage(Some(4)), STOP]).expect("whole");
        assert_eq!(answer.usage.prompt_tokens, Some(4));
        assert_eq!(answer.usage.completion_tokens, None, "absent is not zero");
    }

    #[test]
    fn b9_channels_stay_apart() {
        let thought = ChatEvent::ReasoningDelta { text: "hm".into() };
        let refusal = ChatEvent::Refusal { text: "no".into() };
        let answer = fold([ChatEvent::Started, thought, text("a"), refusal, STOP]).expect("whole");
        assert_eq!(
            (answer.message.as_str(), answer.reasoning.as_deref()),
            ("a", Some("hm"))
        );
        assert_eq!(answer.refusal.as_deref(), Some("no"));
    }

    #[test]
    fn a2_debug_holds_no_text() {
        let answer = fold([ChatEvent::Started, text("hunter2"), STOP]).expect("whole");
        assert!(!format!("{answer:?}").contains("hunter2"));
    }

    #[test]
    fn b6_an_answer_becomes_messages_with_its_calls_after_it() {
        let answer = fold([ChatEvent::Started, text("a"), call(1), call(2), STOP]).expect("whole");
        let mut n = 0;
        let messages = answer.into_messages(
            &ProviderId::new("p").expect("valid"),
            None,
            UtcTime::from_unix_millis(0),
            || {
                n += 1;
                MessageId::from_entropy([n; 16])
            },
        );
        let roles: Vec<_> = messages.iter().map(|m| m.role).collect();
        assert_eq!(roles, [Role::Assistant, Role::ToolCall, Role::ToolCall]);
        assert_eq!(
            messages[1].tool_call_id,
            Some(ToolCallId::from_entropy([1; 16]))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn b5_any_split_of_the_text_gives_the_same_answer(
            channels in proptest::collection::vec((0_u8..3, "\\PC{0,12}"), 0..8),
            cuts in proptest::collection::vec(0_usize..6, 0..16),
        ) {
            let event = |channel: u8, text: String| match channel {
                0 => ChatEvent::TextDelta { text },
                1 => ChatEvent::ReasoningDelta { text },
                _ => ChatEvent::Refusal { text },
            };
            let mut whole = vec![ChatEvent::Started];
            let mut pieces = vec![ChatEvent::Started];
            let mut cuts = cuts.into_iter().cycle();
            for (channel, text) in channels {
                whole.push(event(channel, text.clone()));
                let mut rest: Vec<char> = text.chars().collect();
                while !rest.is_empty() {
                    let cut = cuts.next().unwrap_or(0).clamp(0, rest.len());
                    let tail = rest.split_off(cut);
                    pieces.push(event(channel, rest.into_iter().collect()));
                    rest = tail;
                    if cut == 0 {
                        pieces.push(event(channel, rest.into_iter().collect()));
                        rest = Vec::new();
                    }
                }
                if text.is_empty() {
                    pieces.push(event(channel, text));
                }
            }
            whole.push(STOP);
            pieces.push(STOP);
            prop_assert_eq!(fold(whole), fold(pieces));
        }
    }
}
