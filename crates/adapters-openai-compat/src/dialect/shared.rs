//! What several rows of the table share: levels of thinking, the members that hold it, vendors' own codes.

use handshake_core::{
    chat::Reasoning::{High, Low, Medium, Off},
    code::ErrorCode,
};

use super::{Finish, ReasoningField};

pub(super) type Levels = &'static [(handshake_core::chat::Reasoning, &'static str, &'static str)];

pub(super) const EFFORT: Levels = &[
    (Low, "reasoning_effort", r#""low""#),
    (Medium, "reasoning_effort", r#""medium""#),
    (High, "reasoning_effort", r#""high""#),
];
pub(super) const EFFORT_OR_NONE: Levels = &[
    (Off, "reasoning_effort", r#""none""#),
    (Low, "reasoning_effort", r#""low""#),
    (Medium, "reasoning_effort", r#""medium""#),
    (High, "reasoning_effort", r#""high""#),
];
pub(super) const EFFORT_OR_DISABLED: Levels = &[
    (Off, "thinking", r#"{"type":"disabled"}"#),
    (Low, "reasoning_effort", r#""low""#),
    (Medium, "reasoning_effort", r#""medium""#),
    (High, "reasoning_effort", r#""high""#),
];
pub(super) const OPENROUTER_LEVELS: Levels = &[
    (Off, "reasoning", r#"{"enabled":false}"#),
    (Low, "reasoning", r#"{"effort":"low"}"#),
    (Medium, "reasoning", r#"{"effort":"medium"}"#),
    (High, "reasoning", r#"{"effort":"high"}"#),
];
/// Servers that render a chat template themselves can only be told not to think.
pub(super) const TEMPLATE_SWITCH: Levels =
    &[(Off, "chat_template_kwargs", r#"{"enable_thinking":false}"#)];

pub(super) const CONTENT_FIRST: &[ReasoningField] = &[
    ReasoningField::ReasoningContent,
    ReasoningField::Reasoning,
    ReasoningField::ReasoningText,
];
pub(super) const REASONING_FIRST: &[ReasoningField] = &[
    ReasoningField::Reasoning,
    ReasoningField::ReasoningContent,
    ReasoningField::ReasoningText,
];

pub(super) const THINKING_SWITCH: Levels = &[
    (Off, "enable_thinking", "false"),
    (High, "enable_thinking", "true"),
];
/// The numbers of Zhipu's and Z.ai's error bodies, as their documentation lists them.
pub(super) const ZHIPU: &[(&str, ErrorCode)] = &[
    ("1000", ErrorCode::ProviderAuth),
    ("1001", ErrorCode::ProviderAuth),
    ("1002", ErrorCode::ProviderAuth),
    ("1003", ErrorCode::ProviderAuth),
    ("1004", ErrorCode::ProviderAuth),
    ("1113", ErrorCode::ProviderQuota),
    ("1211", ErrorCode::Model404),
    ("1261", ErrorCode::ContextWindow),
    ("1301", ErrorCode::ProviderRejected),
    ("1302", ErrorCode::RateLimit),
    ("1303", ErrorCode::RateLimit),
    ("1304", ErrorCode::ProviderQuota),
    ("1305", ErrorCode::RateLimit),
    ("1308", ErrorCode::ProviderQuota),
    ("1309", ErrorCode::ProviderQuota),
    ("1310", ErrorCode::ProviderQuota),
];
pub(super) const ABORTED: &[(&str, Finish)] = &[("abort", Finish::Failed(ErrorCode::Provider))];
