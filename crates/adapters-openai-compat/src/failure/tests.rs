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
        streamed(body.as_bytes(), Dialect::generic()),
    ] {
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}

/// A failure of each vendor, in its own manner.
#[test]
fn b12_failures_by_vendor() {
    for (dialect, status, body, expected) in [
        (
            "zai",
            400,
            r#"{"error":{"message":"Prompt 超长","code":"1261"}}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "zai",
            429,
            r#"{"error":{"code":"1113","message":"m"}}"#,
            ErrorCode::ProviderQuota,
        ),
        (
            "zai",
            429,
            r#"{"error":{"code":"1302","message":"m"}}"#,
            ErrorCode::RateLimit,
        ),
        (
            "zai",
            401,
            r#"{"error":{"code":"1000","message":"m"}}"#,
            ErrorCode::ProviderAuth,
        ),
        // Another vendor's number says nothing.
        (
            "generic",
            400,
            r#"{"error":{"code":"1113","message":"m"}}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            "dashscope",
            400,
            r#"{"error":{"message":"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]","code":"invalid_parameter_error","type":"invalid_request_error"}}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "dashscope",
            400,
            r#"{"error":{"message":"m","code":"Arrearage"}}"#,
            ErrorCode::ProviderQuota,
        ),
        (
            "dashscope",
            400,
            r#"{"error":{"message":"m","code":"data_inspection_failed"}}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            "moonshot",
            400,
            r#"{"error":{"message":"Invalid request: Your request exceeded model token limit: 262144","type":"invalid_request_error"}}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "siliconflow",
            400,
            r#"{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}"#,
            ErrorCode::Model404,
        ),
        (
            "siliconflow",
            403,
            r#"{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}"#,
            ErrorCode::ProviderQuota,
        ),
        (
            "novita",
            400,
            r#"{"code":400,"reason":"INVALID_REQUEST_BODY","message":"m","metadata":{}}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            "novita",
            403,
            r#"{"code":403,"reason":"NOT_ENOUGH_BALANCE","message":"m","metadata":{}}"#,
            ErrorCode::ProviderQuota,
        ),
        ("cerebras", 400, "", ErrorCode::ContextWindow),
        ("generic", 400, "", ErrorCode::ProviderRejected),
        (
            "cerebras",
            401,
            r#"{"message":"Wrong API Key","type":"invalid_request_error","param":"api_key","code":"wrong_api_key"}"#,
            ErrorCode::ProviderAuth,
        ),
        (
            "cerebras",
            429,
            r#"{"message":"m","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}"#,
            ErrorCode::RateLimit,
        ),
        (
            "sambanova",
            400,
            r#"{"error":{"code":"context_length_exceeded","message":"m","param":null,"type":"invalid_request_error"}}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "nvidia",
            404,
            r#"{"status":404,"title":"Not Found","detail":"Function '…': Not found for account"}"#,
            ErrorCode::Model404,
        ),
        (
            "nvidia",
            400,
            r#"{"object":"error","message":"This model's maximum context length is 131072 tokens. However, you requested 140000 tokens in the messages","type":"BadRequestError","param":null,"code":400}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "huggingface",
            422,
            r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 200 `max_new_tokens`","error_type":"validation"}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "cohere",
            400,
            r#"{"id":"x","message":"too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs."}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "minimax",
            400,
            r#"{"type":"error","error":{"type":"bad_request_error","message":"invalid params, context window exceeds limit (2013)","http_code":"400"},"request_id":"x"}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "baseten",
            400,
            r#"{"error":"The input (250000 tokens) is longer than the model's context length (200000 tokens)."}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "snowflake",
            400,
            r#"{"message":"prompt is too long: 215000 tokens > 200000 maximum","request_id":"x"}"#,
            ErrorCode::ContextWindow,
        ),
        (
            "lmstudio",
            400,
            r#"{"error":"The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 4096)."}"#,
            ErrorCode::ContextWindow,
        ),
    ] {
        let head = ResponseHead {
            status,
            content_type: None,
            retry_after: None,
        };
        let spec = ReplySpec::offline(Token::new(dialect).expect("token"), true);
        let error = answered(&head, body.as_bytes(), &spec);
        assert_eq!(error.code, expected, "{dialect} {body}");
        // A request that is too long does not become shorter by asking again.
        if expected == ErrorCode::ContextWindow {
            assert_eq!(error.class, ErrorClass::Permanent, "{dialect} {body}");
        }
    }
}

/// MiniMax reports failures under 200, beside an answer that is none.
#[test]
fn q101_a_status_inside_an_answer_is_a_failure() {
    let minimax = Dialect::find("minimax").expect("known");
    for (number, expected) in [
        (1002, ErrorCode::RateLimit),
        (1004, ErrorCode::ProviderAuth),
        (1008, ErrorCode::ProviderQuota),
        (1039, ErrorCode::RateLimit),
    ] {
        let body = format!(
            r#"{{"choices":null,"base_resp":{{"status_code":{number},"status_msg":"m"}}}}"#
        );
        let chunk: Chunk<'_> = serde_json::from_str(&body).expect("a chunk");
        let error = in_chunk(&chunk, body.as_bytes(), minimax).expect("a failure");
        assert_eq!(error.code, expected, "{number}");
    }
    let fine = r#"{"choices":[],"base_resp":{"status_code":0,"status_msg":""}}"#;
    let chunk: Chunk<'_> = serde_json::from_str(fine).expect("a chunk");
    assert!(in_chunk(&chunk, fine.as_bytes(), minimax).is_none());
}
