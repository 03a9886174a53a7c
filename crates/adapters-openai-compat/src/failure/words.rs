//! The words and phrases of error bodies.

use handshake_core::code::ErrorCode;
use handshake_transport::overflow;

type Meaning = (ErrorCode, Option<&'static str>);

/// Codes and types that are more exact than a status. Vague ones (`invalid_request_error`, `api_error`)
/// are not here on purpose: the status says as much.
const WORDS: &[(&[&str], ErrorCode, Option<&str>)] = &[
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
            "arrearage",
            "allocationquota.freetieronly",
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
            "too_many_requests_error",
            "resource_exhausted",
            "limit_requests",
            "limit_burst_rate",
            "queue_exceeded",
            "request_quota_exceeded",
            "token_quota_exceeded",
            "throttlingexception",
            "throttling",
            "throttling_error",
            "throttling.ratequota",
            "throttling.burstrate",
            "throttling.allocationquota",
            "throttling.user",
        ],
        ErrorCode::RateLimit,
        None,
    ),
    (
        &[
            "invalid_api_key",
            "incorrect_api_key",
            "wrong_api_key",
            "invalidapikey",
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
            "data_inspection_failed",
            "datainspectionfailed",
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

/// Phrases of servers that give no better code (Q149, Q150). Those of requests that are too long have a table of their
/// own (Q120).
const PHRASES: &[(&str, ErrorCode)] = &[
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
    if overflow::is_word(word) {
        return Some((ErrorCode::ContextWindow, None));
    }
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
        .map(|(_, code)| *code)
        .or_else(|| overflow::sentence(text))
        .map(|code| (code, None))
}
