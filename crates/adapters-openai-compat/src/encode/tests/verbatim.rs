//! Same shape, same bytes.

use std::collections::BTreeMap;

use handshake_core::chat::Verbatim;

use super::*;

fn read(shape: Shape, body: &str) -> Verbatim {
    Verbatim::read(shape, Bytes::copy_from_slice(body.as_bytes()))
        .expect("one meaning")
        .with_headers(BTreeMap::from([
            ("x-title".to_owned(), "t".to_owned()),
            ("x-session-id".to_owned(), "s".to_owned()),
            ("authorization".to_owned(), "Bearer leak".to_owned()),
        ]))
}

fn with(body: &str) -> ChatRequest {
    let mut request = request("m");
    request.verbatim = Some(read(Shape::ChatCompletions, body));
    request
}

const BODY: &str = r#" {"stream" : true,"future_field":{"b":1,"a":2}, "model":"m","messages":[{}],
 "tools":[{"type":"function","function":{"name":"Read","strict":true}}],"tool_choice":"required",
 "response_format":{"type":"json_schema","json_schema":{}}}"#;

#[test]
fn a13_the_client_s_bytes_go_out_unchanged() {
    for dialect in ["openai", "mistral", "deepseek"] {
        let prepared = render(dialect, with(BODY)).expect("rendered");
        assert_eq!(body(&prepared), BODY);
        let reply = &prepared.reply;
        assert!(reply.stream && reply.structured);
        assert_eq!(reply.tool_choice, Some(ToolChoice::Required));
        assert_eq!(
            reply
                .tool_names
                .as_ref()
                .map(|names| names["Read"].as_str()),
            Some("Read")
        );
    }
}

#[test]
fn a2_of_the_client_s_headers_only_the_allowed_ones_go_along() {
    let prepared = render("openai", with(BODY)).expect("rendered");
    assert_eq!(
        prepared.envelope().headers["x-title"],
        HeaderValue::Plain("t".to_owned())
    );
    assert!(!prepared.envelope().headers.contains_key("x-session-id"));
    assert!(matches!(
        prepared.envelope().headers["authorization"],
        HeaderValue::Secret { .. }
    ));
}

#[test]
fn b12_a_body_that_is_not_what_the_request_says_is_refused() {
    for (body, subject) in [
        (r#"{"model":"m","messages":[{}],"stream":true,"n":2}"#, "n"),
        (
            r#"{"model":"m","messages":[{}],"stream":true,"functions":[]}"#,
            "functions",
        ),
        (
            r#"{"model":"m","messages":[{}],"stream":true,"tool_choice":{"type":"function","function":{"name":"x"}}}"#,
            "tool_choice",
        ),
        (
            r#"{"model":"m","messages":[{}],"stream":true,"tools":[{"type":"function"}]}"#,
            "tools",
        ),
    ] {
        assert_eq!(refusal("openai", with(body)).1, subject, "{body}");
    }
}

#[test]
fn s29_a_body_that_routes_or_authenticates_never_becomes_a_request() {
    for name in [
        "api_key",
        "base_url",
        "headers",
        "extra_headers",
        "custom_llm_provider",
    ] {
        let body = format!(r#"{{"model":"m","messages":[{{}}],"stream":true,"{name}":"x"}}"#);
        let read = Verbatim::read(Shape::ChatCompletions, body.into());
        let error = read.expect_err(name);
        assert_eq!(error.subject, Some("routing field"));
        assert_eq!(error.member.map(|it| it.to_string()).as_deref(), Some(name));
    }
}

/// What the provider knows and we do not is the provider's to judge.
#[test]
fn d4_what_is_not_ours_to_read_goes_through_untouched() {
    for body in [
        r#"{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]}]}"#,
        r#"{"model":"m","stream":true,"messages":[{"role":"critic","content":"no","weight":0}]}"#,
        r#"{"model":"m","messages":[{}],"stream":true,"tools":[{"type":"custom","custom":{"name":"patch"}},{"type":"web_search"}]}"#,
        r#"{"model":"m","messages":[{}],"stream":true,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}}"#,
        r#"{"model":"m","messages":[{}],"stream":true,"tool_choice":"whatever","response_format":{"type":"grammar"}}"#,
        r#"{"model":"m","messages":[{}],"stream":true,"logprobs":true,"modalities":["text","audio"],"stream_options":{"include_usage":false}}"#,
    ] {
        let prepared = render("openai", with(body)).expect(body);
        assert_eq!(self::body(&prepared), body);
        let reply = &prepared.reply;
        assert!(reply.raw && !reply.structured, "{body}");
        assert_eq!(reply.tool_choice, None, "{body}");
        assert_eq!(reply.tool_names.as_ref().map(BTreeMap::len), Some(0));
    }
}

/// Of tools of several types the functions are still told apart by name.
#[test]
fn d4_functions_beside_other_tools_are_still_known() {
    let body = r#"{"model":"m","messages":[{}],"stream":true,"tools":[{"type":"custom","custom":{"name":"patch"}},{"type":"function","function":{"name":"Read"}}],"tool_choice":{"type":"function","function":{"name":"Read"}}}"#;
    let reply = render("openai", with(body)).expect("rendered").reply;
    let names = reply.tool_names.as_ref().expect("names");
    assert_eq!(names.keys().collect::<Vec<_>>(), ["Read"]);
    assert!(matches!(&reply.tool_choice, Some(ToolChoice::Named(tool)) if tool.as_str() == "Read"));
}

#[test]
fn another_shape_is_translated() {
    let mut request = request("m");
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"other"}]}"#;
    request.verbatim = Some(read(Shape::Messages, body));
    let prepared = render("openai", request).expect("translated");
    assert_eq!(json_of(&prepared)["messages"][0]["content"], "Hi");
}
