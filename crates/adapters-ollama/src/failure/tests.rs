//! Failures by sentence, by status, by page; and that nothing of them is kept.

use std::{collections::BTreeMap, time::Duration};

use handshake_core::ids::{Token, ToolName};
use serde_json::json;

use super::*;

fn spec() -> ReplySpec {
    ReplySpec::offline(Token::new("ollama").expect("valid"), true)
}

fn fail(status: u16, body: &str) -> CallError {
    let head = ResponseHead {
        status,
        content_type: None,
        retry_after: None,
    };
    answered(&head, body.as_bytes(), &spec())
}

#[test]
fn q118_the_daemons_own_sentences_decide_before_the_status() {
    for (status, text, code) in [
        (404, "model 'nope' not found", ErrorCode::Model404),
        (
            404,
            "model \\\"nope\\\" not found, try pulling it first",
            ErrorCode::Model404,
        ),
        (500, "model 'nope' not found", ErrorCode::Model404),
        (
            400,
            "registry.ollama.ai/library/x does not support tools",
            ErrorCode::ToolCallingUnsupported,
        ),
        (
            400,
            "\\\"smol\\\" does not support thinking",
            ErrorCode::ThinkingUnsupported,
        ),
        (
            400,
            "\\\"smol\\\" does not support chat",
            ErrorCode::ProviderRejected,
        ),
        (
            400,
            "think value \\\"low\\\" is not supported for this model",
            ErrorCode::ThinkingUnsupported,
        ),
        (
            400,
            "the input length exceeds the context length",
            ErrorCode::ContextWindow,
        ),
        (
            500,
            "the input length exceeds the context length",
            ErrorCode::ContextWindow,
        ),
        (
            403,
            "ollama cloud is disabled: remote model is unavailable",
            ErrorCode::ProviderRejected,
        ),
        (
            503,
            "server busy, please try again. maximum pending requests exceeded",
            ErrorCode::NotReady,
        ),
        (
            400,
            "json: cannot unmarshal array into Go struct field",
            ErrorCode::ProviderRejected,
        ),
        (500, "something", ErrorCode::Provider),
        (401, "unauthorized", ErrorCode::ProviderAuth),
    ] {
        let error = fail(status, &format!("{{\"error\":\"{text}\"}}"));
        assert_eq!(
            (error.code, error.http_status),
            (code, Some(status)),
            "{text}"
        );
    }
    let memory = fail(
        500,
        r#"{"error":"model requires more system memory (9 GiB) than is available"}"#,
    );
    assert_eq!(
        (memory.code, memory.class),
        (ErrorCode::Provider, ErrorClass::Permanent)
    );
}

#[test]
fn a_status_that_says_it_all_is_enough() {
    for (status, code) in [
        (301, ErrorCode::Protocol),
        (307, ErrorCode::Protocol),
        (400, ErrorCode::ProviderRejected),
        (401, ErrorCode::ProviderAuth),
        (402, ErrorCode::ProviderQuota),
        (403, ErrorCode::ProviderAuth),
        (404, ErrorCode::Model404),
        (408, ErrorCode::Timeout),
        (418, ErrorCode::ProviderRejected),
        (422, ErrorCode::ProviderRejected),
        (429, ErrorCode::RateLimit),
        (499, ErrorCode::Cancelled),
        (500, ErrorCode::Provider),
        (501, ErrorCode::Provider),
        (502, ErrorCode::Provider),
        (503, ErrorCode::NotReady),
        (504, ErrorCode::Timeout),
        (529, ErrorCode::Provider),
        (599, ErrorCode::Provider),
        (600, ErrorCode::Protocol),
    ] {
        assert_eq!(fail(status, "").code, code, "{status}");
        assert_eq!(fail(status, "{}").code, code, "{status}");
    }
}

#[test]
fn q103_pages_are_not_the_api() {
    let page = "<html><body>log in</body></html>";
    for status in [400, 403, 404] {
        assert_eq!(
            fail(status, page).code,
            ErrorCode::UnexpectedContent,
            "{status}"
        );
    }
    assert_eq!(
        fail(404, "404 page not found").code,
        ErrorCode::UnexpectedContent
    );
    assert_eq!(
        fail(502, page).code,
        ErrorCode::Provider,
        "a gateway's page"
    );
    assert_eq!(fail(429, page).code, ErrorCode::RateLimit);
}

#[test]
fn not_implemented_names_the_one_feature_that_was_used() {
    let head = ResponseHead {
        status: 501,
        ..ResponseHead::default()
    };
    let mut asked = spec();
    asked.structured = true;
    assert_eq!(
        answered(&head, b"", &asked).code,
        ErrorCode::StructuredOutputUnsupported
    );
    let tool = ToolName::new("a.b").expect("valid");
    asked.tool_names = Some(BTreeMap::from([("a__b".to_owned(), tool)]));
    let both = answered(&head, b"", &asked);
    assert_eq!(
        (both.code, both.class),
        (ErrorCode::Provider, ErrorClass::Permanent)
    );
    asked.structured = false;
    assert_eq!(
        answered(&head, b"", &asked).code,
        ErrorCode::ToolCallingUnsupported
    );
}

#[test]
fn a14_retry_after_is_kept() {
    let wait = Some(Duration::from_secs(3));
    let head = ResponseHead {
        status: 429,
        content_type: None,
        retry_after: wait,
    };
    assert_eq!(answered(&head, b"", &spec()).retry_after, wait);
}

#[test]
fn q124_q125_nothing_that_was_said_is_kept() {
    let error = fail(400, r#"{"error":"hunter2 does not support tools"}"#);
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    let error = streamed(&json!("hunter2"));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
