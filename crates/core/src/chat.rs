//! Chat: requests, messages, the events of one call and their fold into an answer.

mod event;
mod fold;
mod message;
mod request;
mod turn;

pub use self::{
    event::{ChatEvent, FinishReason, TokenUsage, ToolCall, ToolMode},
    fold::{ChatResponse, Fold, FoldError},
    message::{Attachment, AttachmentKind, Message, ProviderState, Role},
    request::{
        ChatRequest, EmbedRequest, ModelCall, Needs, Params, Reasoning, Shape, Target, ToolChoice,
    },
    turn::TurnEvent,
};
pub use crate::verbatim::Verbatim;
