//! The context that a daemon is asked to make, under an operator's limit.

use bytes::Bytes;
use handshake_adapters_ollama::prepare;
use handshake_core::{
    capability::Limit,
    chat::{Shape, Verbatim},
    code::ErrorCode,
};
use serde_json::Value;

use crate::case::Case;

const POLICY: (ErrorCode, Option<&str>) = (ErrorCode::ContextWindow, Some("max_context_tokens"));
const MODEL: (ErrorCode, Option<&str>) = (ErrorCode::ContextWindow, Some("max_context_window"));

/// `num_ctx` of the body, or why there is none.
fn sized(case: &Case, policy: u64) -> Result<u64, (ErrorCode, Option<&'static str>)> {
    let admitted = case.admitted().within_context(policy);
    let prepared =
        prepare(&case.record, &admitted).map_err(|error| (error.0.code, error.0.subject))?;
    let body: Value = serde_json::from_slice(&prepared.envelope().body).expect("JSON");
    Ok(body["options"]["num_ctx"].as_u64().expect("always sent"))
}

#[test]
fn a13_the_context_is_the_least_of_need_model_and_policy() {
    for (bytes, window, policy, expected) in [
        (5, Some(32_768), 1500, Ok(1500)),
        (5, Some(32_768), 4096, Ok(2048)),
        (12_000, Some(4096), 32_768, Ok(4096)),
        (12_000, Some(4096), 3072, Ok(3072)),
        (12_000, None, 4000, Ok(4000)),
        (12_000, Some(32_768), 2048, Err(POLICY)),
        (12_000, None, 2048, Err(POLICY)),
        (12_000, Some(2048), 4096, Err(MODEL)),
        (5, Some(32_768), 0, Err(POLICY)),
    ] {
        let mut case = Case::new(&"x".repeat(bytes));
        match window {
            Some(window) => case.claims.limits.insert(Limit::MaxContextWindow, window),
            None => case.claims.limits.remove(&Limit::MaxContextWindow),
        };
        assert_eq!(
            sized(&case, policy),
            expected,
            "{bytes} {window:?} {policy}"
        );
    }
    let case = Case::new("Hello");
    let narrowed = case.admitted().within_context(1200).within_context(4096);
    assert_eq!(
        narrowed.context_limit(),
        Some(1200),
        "a later one widens nothing"
    );
}

#[test]
fn a13_a_clients_own_context_above_policys_is_refused_and_never_changed() {
    let under = |options: &str, policy: u64| {
        let body = format!(
            r#"{{"model":"qwen3:4b","messages":[{{"role":"user","content":"hi"}}],"options":{{{options}}}}}"#
        );
        let read =
            Verbatim::read(Shape::OllamaChat, Bytes::from(body.clone())).expect("one meaning");
        let case = Case::new("hi").with(|request| request.verbatim = Some(read.clone()));
        let admitted = case.admitted().within_context(policy);
        prepare(&case.record, &admitted)
            .map(|prepared| assert_eq!(prepared.envelope().body, body, "as it came"))
            .map_err(|error| (error.0.code, error.0.subject))
    };
    assert_eq!(under(r#""num_ctx":4096"#, 4096), Ok(()));
    assert_eq!(under(r#""num_ctx":4097"#, 4096), Err(POLICY));
    assert_eq!(under(r#""mirostat":1"#, 4096), Ok(()));
    for odd in ["-1", "4096.5", "1e9", "99999999999999999999"] {
        assert_eq!(
            under(&format!(r#""num_ctx":{odd}"#), 4096),
            Err((ErrorCode::InvalidRequest, Some("num_ctx"))),
            "{odd}"
        );
    }
}
