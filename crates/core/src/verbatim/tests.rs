//! What the one pass finds, and what it refuses.

use super::*;
use crate::code::ErrorCode;

fn read_as(shape: Shape, body: &str) -> Result<Verbatim, CallError> {
    Verbatim::read(shape, Bytes::copy_from_slice(body.as_bytes()))
}

fn read(body: &str) -> Result<Verbatim, CallError> {
    read_as(Shape::ChatCompletions, body)
}

#[track_caller]
fn refused(body: &str) -> (&'static str, Option<String>) {
    let error = read(body).expect_err(body);
    assert_eq!(error.code, ErrorCode::InvalidRequest, "{body}");
    let member = error.member.map(|member| member.to_string());
    (error.subject.expect("named"), member)
}

fn with(member: &str) -> String {
    format!(r#"{{"model":"p/m","messages":[{{"role":"user","content":"x"}}],{member}}}"#)
}

#[test]
fn d4_whatever_nobody_here_needs_goes_through() {
    for member in [
        r#""future":{"a":[1,2,{"b":null}]}"#,
        r#""audio":{"voice":"x"}"#,
        r#""temperature":"hot""#,
        r#""seed":"abc""#,
        r#""n":3"#,
        r#""tool_choice":{"type":"allowed_tools"}"#,
        r#""response_format":{"type":"text"}"#,
        r#""metadata":{"Model":"free","MODEL":"position"}"#,
    ] {
        assert!(read(&with(member)).is_ok(), "{member}");
    }
    let audio = r#"{"model":"p/m","messages":[{"role":"critic","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}]}"#;
    let needs = read(audio)
        .expect("an unknown role and a part of sound")
        .needs();
    assert_eq!(needs.messages, 1);
    assert_eq!(needs.turns, 0);
    assert!(!needs.images);
}

/// A server that forwards would take them, on this machine too.
#[test]
fn s29_what_routes_or_authenticates_is_refused_in_both_tiers() {
    for name in [
        "api_base",
        "API-Key",
        "extra_headers",
        "provider",
        "pa\u{17f}sword",
    ] {
        let (subject, member) = refused(&with(&format!(r#""{name}":{{"x":1}}"#)));
        assert_eq!(subject, "routing field");
        assert_eq!(member, Some(name.replace('\u{17f}', "?")));
    }
    for absent in [
        r#""provider":null"#,
        r#""api_key":false"#,
        r#""metadata":{"api_key":"x"}"#,
    ] {
        assert!(read(&with(absent)).is_ok(), "{absent}");
    }
}

#[test]
fn d4_a_body_changes_in_the_value_of_model_only() {
    let body = Bytes::from_static(
        b"{ \"x\":1.50,\n\"model\" : \"p/\\u0061/b\",\"messages\":[{\"model\":\"p/a/b\"}] }",
    );
    let read = Verbatim::read(Shape::ChatCompletions, body).expect("read");
    assert_eq!(read.model(), "p/a/b");
    let sent = read.clone().with_model("a/b");
    assert_eq!(
        sent.body(),
        &Bytes::from_static(
            b"{ \"x\":1.50,\n\"model\" : \"a/b\",\"messages\":[{\"model\":\"p/a/b\"}] }"
        )
    );
    assert_eq!(sent.model(), "a/b");
    assert_eq!(sent.clone().with_model("p/\"x").model(), "p/\"x");
    let back = sent.with_model("p/a/b");
    let again = Verbatim::read(Shape::ChatCompletions, back.body().clone()).expect("one meaning");
    assert_eq!(
        again, back,
        "what is known of it is what reading it again gives"
    );
}

#[test]
fn d4_admission_learns_what_the_body_needs() {
    let needs = |member: &str| read(&with(member)).expect(member).needs();
    let plain = needs(r#""x":1"#);
    assert_eq!((plain.messages, plain.turns, plain.tools), (1, 1, 0));
    assert_eq!(
        plain,
        Needs {
            messages: 1,
            turns: 1,
            ..Needs::default()
        }
    );
    let tools = needs(r#""tools":[{"type":"function","function":{"name":"a"}}]"#);
    assert!(tools.tool_calling && tools.tools == 1);
    assert!(!needs(r#""tools":[]"#).tool_calling);
    assert!(!needs(r#""tools":null"#).tool_calling);
    assert!(needs(r#""functions":[{}]"#).tool_calling);
    assert!(needs(r#""reasoning_effort":"low""#).reasoning);
    assert!(
        needs(r#""reasoning_effort":7"#).reasoning,
        "unknown needs it"
    );
    assert!(!needs(r#""reasoning_effort":"none""#).reasoning);
    assert!(!needs(r#""reasoning":null"#).reasoning);
    assert!(needs(r#""response_format":{"type":"json_object"}"#).structured_output);
    assert!(needs(r#""response_format":{"type":"grammar"}"#).structured_output);
    assert!(!needs(r#""response_format":null"#).structured_output);
    let talk = r#"{"messages":[{"content":[{"image_url":{"url":"data:"},"type":"image_url"}],"role":"user"},
        {"role":"assistant","tool_calls":[{"id":"1"}]},{"role":"tool"},{"role":"\u0075ser"}],"model":"m"}"#;
    let talk = read(talk).expect("read").needs();
    assert!(talk.images && talk.tool_calling);
    assert_eq!((talk.messages, talk.turns), (4, 3));
}

#[test]
fn d4_the_checks_learn_what_was_promised() {
    let body = read(&with(
        r#""stream":true,"max_tokens":9,"max_completion_tokens":7,"tool_choice":"required""#,
    ))
    .expect("read");
    assert!(body.stream());
    assert_eq!(body.max_tokens(), Some(7));
    assert_eq!(body.tool_choice(), Some(&ToolChoice::Required));
    let schema = |strict: &str| {
        let format = format!(
            r#""response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{{"type":"object"}}{strict}}}}}"#
        );
        let read = read(&with(&format)).expect("read");
        read.schema().expect("asked for").strict
    };
    assert!(schema(r#","strict":true"#));
    assert!(!schema("") && !schema(r#","strict":null"#), "a wish then");
    let named = read(&with(
        r#""tool_choice":{"type":"function","function":{"name":"a"}}"#,
    ));
    assert!(matches!(
        named.expect("read").tool_choice(),
        Some(ToolChoice::Named(_))
    ));
}

#[test]
fn b12_a_member_that_stands_twice_is_refused_at_every_depth() {
    for member in [
        r#""model":"p/n""#,
        r#""\u006dodel":"p/n""#,
        r#""x":{"a":[{"b":1,"b":2}]}"#,
        r#""tools":[{"function":{"parameters":{"a":1,"a":1}}}]"#,
    ] {
        assert_eq!(refused(&with(member)).0, "twice", "{member}");
    }
    let many: Vec<String> = (0..40).map(|n| format!(r#""k{n}":0"#)).collect();
    assert!(read(&with(&format!(r#""x":{{{}}}"#, many.join(",")))).is_ok());
    let twice = format!(r#""x":{{{},"k30":1}}"#, many.join(","));
    assert_eq!(
        refused(&with(&twice)),
        ("twice", Some("k30".to_owned())),
        "the client is told its own name of it"
    );
}

/// Servers written in Go match names without regard to case, by Unicode's folding, and take the last one.
#[test]
fn rt_b02_a_name_that_another_reader_takes_for_a_known_one_is_refused() {
    for member in [
        r#""Model":"x""#,
        r#""\u017ftream":true"#,
        "\"\u{17f}tream\":true",
        "\"me\u{17f}\u{17f}ages\":[]",
        "\"prompt_cache_\u{212a}ey\":1",
        r#""too\u006cs":[],"TOOLS":[]"#,
        r#""response_format":{"Type":"text"}"#,
        r#""response_format":{"type":"json_schema","json_schema":{"Strict":true}}"#,
        r#""tools":[{"Function":{}}]"#,
        r#""tools":[{"function":{"Name":"x"}}]"#,
        r#""functions":[{"Name":"x"}]"#,
        r#""tool_choice":{"type":"function","Function":{"name":"x"}}"#,
        r#""tool_choice":{"type":"function","function":{"NAME":"x"}}"#,
        r#""function_call":{"Name":"x"}"#,
        r#""stream_options":{"Include_Usage":true}"#,
        r#""reasoning":{"Effort":"high"}"#,
        r#""web_search_options":{"User_Location":{}}"#,
        r#""Previous_Response_Id":"x""#,
        r#""STORE":true"#,
    ] {
        assert_eq!(refused(&with(member)).0, "spelling", "{member}");
    }
    for message in [
        r#"{"role":"user","Content":"x"}"#,
        r#"{"role":"user","content":[{"type":"text","Text":"x"}]}"#,
        r#"{"role":"user","content":{"type":"text","Text":"x"}}"#,
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"Url":"x"}}]}"#,
        r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"Data":"x"}}]}"#,
        r#"{"role":"user","content":[{"type":"file","file":{"File_Id":"x"}}]}"#,
        r#"{"role":"assistant","tool_calls":[{"function":{"name":"x","Arguments":"{}"}}]}"#,
        r#"{"role":"assistant","tool_calls":[{"Id":"x"}]}"#,
        r#"{"role":"assistant","function_call":{"Arguments":"{}"}}"#,
    ] {
        let body = format!(r#"{{"model":"m","messages":[{message}]}}"#);
        assert_eq!(refused(&body).0, "spelling", "{message}");
    }
    // Two names that nobody here knows are one name to such a server.
    for member in [
        r#""x_y":1,"X_Y":2"#,
        r#""X_y":1,"x_y":2"#,
        r#""X_Y":1,"X_y":2"#,
    ] {
        assert_eq!(refused(&with(member)).0, "spelling", "{member}");
    }
    assert_eq!(refused(&with(r#""X":1,"X":2"#)).0, "twice");
    assert!(read(&with(r#""extraWords":1,"safetySettings":2"#)).is_ok());
}

#[test]
fn rt_b02_schemas_arguments_and_metadata_are_free() {
    for member in [
        r#""tools":[{"function":{"parameters":{"Type":1,"type":2}}}]"#,
        r#""metadata":{"Model":"free","MODEL":"position"}"#,
        r#""response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{"A":{},"a":{}}}}}"#,
        r#""logit_bias":{"A":1,"a":2}"#,
    ] {
        assert!(read(&with(member)).is_ok(), "{member}");
    }
    let twice = with(r#""tools":[{"function":{"parameters":{"a":1,"a":2}}}]"#);
    assert_eq!(
        refused(&twice).0,
        "twice",
        "but nothing stands twice there either"
    );
}

#[test]
fn rt_b02_every_shape_has_its_own_names() {
    let native = |member: &str| {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{member}}}"#);
        read_as(Shape::OllamaChat, &body)
    };
    for member in [
        r#""Model":"x:cloud""#,
        r#""Options":{}"#,
        r#""options":{"Num_Ctx":1}"#,
        "\"mode\u{4c}\":\"x\"",
        "\"\u{212a}eep_alive\":0",
        r#""tools":[{"function":{"Name":"x"}}]"#,
    ] {
        let error = native(member).expect_err(member);
        assert_eq!(error.subject, Some("spelling"), "{member}");
    }
    let body = native(r#""options":{"num_predict":7},"think":"high","format":{"type":"object"}"#);
    let body = body.expect("read");
    assert!(body.stream(), "the shape's default");
    assert_eq!(body.max_tokens(), Some(7));
    assert!(body.needs().reasoning && body.needs().structured_output);
    assert!(
        !native(r#""think":false,"format":"""#)
            .expect("read")
            .needs()
            .reasoning
    );

    let blocks = |member: &str| {
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{member}}}"#
        );
        read_as(Shape::Messages, &body)
    };
    for member in [
        r#""System":"x""#,
        r#""system":[{"type":"text","Text":"x"}]"#,
        r#""thinking":{"Type":"enabled"}"#,
        r#""tools":[{"name":"a","Input_Schema":{}}]"#,
        r#""tool_choice":{"type":"tool","NAME":"x"}"#,
        r#""cache_control":{"Type":"ephemeral"}"#,
        r#""mcp_servers":[],"MCP_Servers":[]"#,
    ] {
        let error = blocks(member).expect_err(member);
        assert_eq!(error.subject, Some("spelling"), "{member}");
    }
    let nested = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result",
        "tool_use_id":"t","content":[{"type":"image","source":{"type":"url","Url":"x"}}]}]}]}"#;
    assert_eq!(
        read_as(Shape::Messages, nested)
            .expect_err("nested")
            .subject,
        Some("spelling")
    );
    let body = blocks(r#""thinking":{"type":"disabled"}"#).expect("read");
    assert!(!body.stream() && !body.needs().reasoning);
    assert_eq!(body.max_tokens(), Some(9));
}

/// What one reader rounds, another refuses and a third takes for text.
#[test]
fn rt_b02_what_is_read_here_is_written_plainly() {
    for (member, subject) in [
        (r#""stream":"true""#, "stream"),
        (r#""stream":1"#, "stream"),
        (r#""max_tokens":1e2"#, "max_tokens"),
        (r#""max_tokens":100.0"#, "max_tokens"),
        (r#""max_tokens":"100""#, "max_tokens"),
        (r#""max_tokens":99999999999999999999"#, "max_tokens"),
        (r#""max_completion_tokens":[1]"#, "max_completion_tokens"),
    ] {
        assert_eq!(refused(&with(member)).0, subject, "{member}");
    }
    for (member, bound) in [
        (r#""max_tokens":null"#, None),
        (r#""max_tokens":0"#, None),
        (r#""max_tokens":-1"#, None),
        (r#""max_tokens":1"#, Some(1)),
    ] {
        assert_eq!(read(&with(member)).expect(member).max_tokens(), bound);
    }
    for body in [
        "\u{feff}{\"model\":\"m\",\"messages\":[{}]}",
        r#"{"model":"\ud800","messages":[{}]}"#,
        r#"{"model":"m","messages":[{"content":"\udfff\ud800"}]}"#,
        r#"{"model":"m","messages":[{"content":[{"type":"\ud800"}]}]}"#,
        r#"{"model":"m","messages":[{}],"\ud800":1}"#,
        r#"{"model":"m","messages":[{}]}{"model":"n"}"#,
        r#"{"model":"m","messages":[{}],"x":NaN}"#,
        "{\"model\":\"m\u{0}\",\"messages\":[{}]}",
    ] {
        assert_eq!(refused(body).0, "body", "{body:?}");
    }
}

/// There is no body that was not read, for those who embed the runtime either.
#[test]
fn rt_b02_a_body_that_is_written_down_is_read_when_it_comes_back() {
    let honest = read(&with(r#""x":1"#))
        .expect("read")
        .with_headers([("x-title".to_owned(), "t".to_owned())].into());
    let text = serde_json::to_string(&honest).expect("written");
    let back: Verbatim = serde_json::from_str(&text).expect("read again");
    assert_eq!(back, honest);
    let hostile = with(r#""Model":"x:cloud""#);
    let text = serde_json::json!({ "shape": "chat_completions", "body": hostile.as_bytes() });
    let error = serde_json::from_value::<Verbatim>(text).expect_err("refused");
    assert!(
        error.to_string().contains("HSK-400-INVALID-REQUEST"),
        "{error}"
    );
    assert!(!error.to_string().contains("cloud"), "{error}");
}

#[test]
fn s71_nesting_and_values_are_bounded() {
    let nested = |n: usize| with(&format!(r#""x":{}{}"#, "[".repeat(n), "]".repeat(n)));
    assert!(read(&nested(63)).is_ok());
    assert_eq!(refused(&nested(64)).0, "nesting");
    assert_eq!(refused(&nested(1_000_000)).0, "nesting");
    let flat = |n: usize| with(&format!(r#""x":[{}0]"#, "0,".repeat(n)));
    assert!(read(&flat(90_000)).is_ok());
    assert_eq!(refused(&flat(100_000)).0, "size");
    // A bound that is behind a member of its own holds too.
    let format = format!(
        r#""response_format":{{"a":{}{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    assert_eq!(refused(&with(&format)).0, "nesting");
}

#[test]
fn b12_what_is_no_request_is_refused_by_name() {
    for (body, subject) in [
        ("", "body"),
        ("[]", "body"),
        ("{", "body"),
        ("{} x", "body"),
        ("{}", "model"),
        (r#"{"model":1,"messages":[{}]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"model":"m","messages":[]}"#, "messages"),
        (r#"{"model":"m","messages":{}}"#, "messages"),
        (r#"{"model":"m","messages":[{}],"stream":"yes"}"#, "stream"),
    ] {
        assert_eq!(refused(body).0, subject, "{body}");
    }
    let body = Bytes::from_static(b"{\"model\":\"\xff\",\"messages\":[{}]}");
    assert!(Verbatim::read(Shape::ChatCompletions, body).is_err());
}
