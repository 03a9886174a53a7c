//! The words and phrases of error bodies.

use handshake_core::code::ErrorCode;

type Meaning = (ErrorCode, Option<&'static str>);

/// Codes and types that are more exact than a status. Vague ones (`invalid_request_error`, `api_error`)
/// are not here on purpose: the status says as much.
const WORDS: &[(&[&str], ErrorCode, Option<&str>)] = &[
    (
        &[
            "context_length_exceeded",
            "context_window_exceeded",
            "exceed_context_size_error",
            "model_context_window_exceeded",
            "max_tokens_exceeded",
            "request_too_large",
        ],
        ErrorCode::ContextWindow,
        None,
    ),
    (
        &[
            "insufficient_quota",
            "quota_exceeded",
            "exceeded_current_quota_error",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "insufficient_balance",
            "insufficient_credits",
            "insufficient_funds",
            "payment_required",
        ],
        ErrorCode::ProviderQuota,
        None,
    ),
    (
        &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached_error",
            "rate_limited",
            "too_many_requests",
            "resource_exhausted",
        ],
        ErrorCode::RateLimit,
        None,
    ),
    (
        &[
            "invalid_api_key",
            "incorrect_api_key",
            "authentication_error",
            "invalid_authentication",
            "invalid_authentication_error",
            "authenticationerror",
            "unauthorized",
            "unauthenticated",
            "permission_denied",
            "permission_error",
        ],
        ErrorCode::ProviderAuth,
        None,
    ),
    (
        &[
            "model_not_found",
            "invalid_model",
            "model_not_available",
            "model_not_exist",
            "deploymentnotfound",
            "resource_not_found_error",
        ],
        ErrorCode::Model404,
        None,
    ),
    (
        &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
        ],
        ErrorCode::ProviderRejected,
        Some("content filter"),
    ),
    (
        &["tool_use_failed"],
        ErrorCode::ToolCallParse,
        Some("tool generation"),
    ),
    (
        &[
            "unavailable_error",
            "unavailable",
            "service_unavailable",
            "model_loading",
        ],
        ErrorCode::NotReady,
        None,
    ),
    (
        &[
            "overloaded_error",
            "engine_overloaded",
            "engine_overloaded_error",
            "server_overloaded",
        ],
        ErrorCode::Provider,
        Some("overloaded"),
    ),
    (
        &[
            "timeout",
            "deadline_exceeded",
            "request_timeout",
            "timeout_error",
        ],
        ErrorCode::Timeout,
        None,
    ),
];

/// Phrases of servers that give no better code (Q120, Q149, Q150).
const PHRASES: &[(&str, ErrorCode)] = &[
    ("maximum context length", ErrorCode::ContextWindow),
    ("context window", ErrorCode::ContextWindow),
    ("available context size", ErrorCode::ContextWindow),
    ("context length exceeded", ErrorCode::ContextWindow),
    ("exceeds the context length", ErrorCode::ContextWindow),
    ("prompt is too long", ErrorCode::ContextWindow),
    ("input is too long", ErrorCode::ContextWindow),
    ("too many tokens", ErrorCode::ContextWindow),
    ("maximum prompt length", ErrorCode::ContextWindow),
    (
        "reduce the length of the messages",
        ErrorCode::ContextWindow,
    ),
    ("exceeds the model's maximum", ErrorCode::ContextWindow),
    ("must have less than", ErrorCode::ContextWindow),
    (
        "--enable-auto-tool-choice",
        ErrorCode::ToolCallingUnsupported,
    ),
    ("requires --jinja", ErrorCode::ToolCallingUnsupported),
    ("does not support tools", ErrorCode::ToolCallingUnsupported),
    ("does not support thinking", ErrorCode::ThinkingUnsupported),
];

/// Vague types, and the status that they go with where an error has none of its own.
const IMPLIED: &[(&str, u16)] = &[
    ("invalid_request_error", 400),
    ("badrequesterror", 400),
    ("bad_request", 400),
    ("bad request", 400),
    ("invalid_argument", 400),
    ("validation_error", 422),
    ("not_found_error", 404),
    ("notfounderror", 404),
    ("not_found", 404),
];

/// The status that a type goes with, lower case.
pub(super) fn implied(word: &str) -> Option<u16> {
    IMPLIED
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, status)| *status)
}

/// What a code or type means, lower case.
pub(super) fn word(word: &str) -> Option<Meaning> {
    WORDS
        .iter()
        .find(|(words, ..)| words.contains(&word))
        .map(|(_, code, subject)| (*code, *subject))
}

/// What a text means, lower case.
pub(super) fn phrase(text: &str) -> Option<Meaning> {
    PHRASES
        .iter()
        .find(|(phrase, _)| text.contains(phrase))
        .map(|(_, code)| (*code, None))
}
