//! Failures by status and body.

use std::time::Duration;

use handshake_core::{
    code::{ErrorClass, ErrorCode},
    ids::{Token, ToolName},
    reply::{ReplySpec, ResponseHead},
};

use super::*;

fn spec() -> ReplySpec {
    ReplySpec::offline(Token::new("generic").expect("token"), true)
}

fn answered_with(status: u16, body: &str) -> CallError {
    let head = ResponseHead {
        status,
        content_type: None,
        retry_after: Some(Duration::from_secs(2)),
    };
    answered(&head, body.as_bytes(), &spec())
}

fn code(status: u16, body: &str) -> ErrorCode {
    answered_with(status, body).code
}

#[test]
fn b12_a_status_alone() {
    for (status, expected) in [
        (301, ErrorCode::Protocol),
        (307, ErrorCode::Protocol),
        (400, ErrorCode::ProviderRejected),
        (401, ErrorCode::ProviderAuth),
        (402, ErrorCode::ProviderQuota),
        (403, ErrorCode::ProviderAuth),
        (404, ErrorCode::Model404),
        (408, ErrorCode::Timeout),
        (409, ErrorCode::ProviderRejected),
        (413, ErrorCode::ContextWindow),
        (422, ErrorCode::ProviderRejected),
        (429, ErrorCode::RateLimit),
        (500, ErrorCode::Provider),
        (502, ErrorCode::Provider),
        (503, ErrorCode::NotReady),
        (504, ErrorCode::Timeout),
        (529, ErrorCode::Provider),
        (600, ErrorCode::Protocol),
    ] {
        for body in ["", "garbage", "{}", "null", r#"{"error":null}"#] {
            let error = answered_with(status, body);
            assert_eq!(
                (error.code, error.http_status),
                (expected, Some(status)),
                "{status} {body}"
            );
        }
    }
}

#[test]
fn a14_the_wait_that_a_provider_asks_for_goes_along() {
    assert_eq!(
        answered_with(429, "").retry_after,
        Some(Duration::from_secs(2))
    );
}

#[test]
fn b12_501_is_the_one_feature_that_was_asked_for() {
    let head = ResponseHead {
        status: 501,
        content_type: None,
        retry_after: None,
    };
    let names = [("a".to_owned(), ToolName::new("a").expect("name"))].into();
    let tools = ReplySpec {
        tool_names: Some(names),
        ..spec()
    };
    let both = ReplySpec {
        structured: true,
        ..tools.clone()
    };
    let schema = ReplySpec {
        structured: true,
        ..spec()
    };
    assert_eq!(
        answered(&head, b"", &tools).code,
        ErrorCode::ToolCallingUnsupported
    );
    assert_eq!(
        answered(&head, b"", &schema).code,
        ErrorCode::StructuredOutputUnsupported
    );
    for unclear in [both, spec()] {
        let error = answered(&head, b"", &unclear);
        assert_eq!(
            (error.code, error.class),
            (ErrorCode::Provider, ErrorClass::Permanent)
        );
    }
}

#[test]
fn q115_q118_every_shape_of_an_error_body_is_read() {
    for (status, body, expected) in [
        (
            401,
            r#"{"error":{"message":"m","type":"t","param":null,"code":"invalid_api_key"}}"#,
            ErrorCode::ProviderAuth,
        ),
        (
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            ErrorCode::ProviderQuota,
        ),
        (
            429,
            r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#,
            ErrorCode::RateLimit,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
            ErrorCode::ProviderRejected,
        ),
        (
            400,
            r#"{"code":"1500","message":"m","object":"error","type":"invalid_model","raw_status_code":400}"#,
            ErrorCode::Model404,
        ),
        (401, r#"{"detail":"Unauthorized"}"#, ErrorCode::ProviderAuth),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"m","type":"extra_forbidden","input":"secret"}]}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            400,
            r#"{"code":400,"message":"m","type":"Bad Request"}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            400,
            r#"{"error":"m","error_type":"validation"}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            403,
            r#"{"error":{"code":"forbidden"}}"#,
            ErrorCode::ProviderAuth,
        ),
        (
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"m"}}"#,
            ErrorCode::Model404,
        ),
        (
            400,
            r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            ErrorCode::NotReady,
        ),
        (
            400,
            r#"{"error":{"code":"tool_use_failed","failed_generation":"x"}}"#,
            ErrorCode::ToolCallParse,
        ),
        (
            429,
            r#"{"error":{"type":"engine_overloaded_error"}}"#,
            ErrorCode::Provider,
        ),
    ] {
        assert_eq!(code(status, body), expected, "{body}");
    }
}

#[test]
fn q119_q120_overflow_by_code_and_by_phrase() {
    for (status, body) in [
        (
            400,
            r#"{"error":{"code":400,"type":"exceed_context_size_error","n_ctx":512}}"#,
        ),
        (
            400,
            r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#,
        ),
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens","type":"BadRequestError","code":400}"#,
        ),
        (400, r#"{"error":{"message":"Prompt is too long"}}"#),
        (413, ""),
    ] {
        assert_eq!(code(status, body), ErrorCode::ContextWindow, "{body}");
    }
    // A phrase refines, it does not overrule.
    assert_eq!(
        code(429, r#"{"error":"too many tokens per minute"}"#),
        ErrorCode::RateLimit
    );
    assert_eq!(
        code(401, r#"{"error":"context window"}"#),
        ErrorCode::ProviderAuth
    );
}

#[test]
fn q149_q150_servers_started_without_tools() {
    let vllm = r#"{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","code":400}"#;
    assert_eq!(code(400, vllm), ErrorCode::ToolCallingUnsupported);
    let llamacpp = r#"{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}"#;
    assert_eq!(code(500, llamacpp), ErrorCode::ToolCallingUnsupported);
}

#[test]
fn q103_pages_in_the_place_of_the_api() {
    let page = "\n<!DOCTYPE html><html>";
    assert_eq!(code(404, page), ErrorCode::UnexpectedContent);
    assert_eq!(code(403, page), ErrorCode::UnexpectedContent);
    assert_eq!(
        code(502, page),
        ErrorCode::Provider,
        "gateways speak in pages"
    );
    assert_eq!(code(504, page), ErrorCode::Timeout);
    assert_eq!(code(429, page), ErrorCode::RateLimit);
}

#[test]
fn q124_q125_nothing_that_a_provider_says_is_repeated() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-inval-CANARY","type":"CANARY_type","code":"CANARY_code","param":"CANARY"},"detail":[{"input":"CANARY"}]}"#;
    for error in [
        answered_with(401, body),
        answered_with(599, body),
        streamed(body.as_bytes()),
    ] {
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}
