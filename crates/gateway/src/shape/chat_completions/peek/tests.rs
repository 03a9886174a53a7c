//! What the one pass finds, and what it refuses.

use handshake_core::code::ErrorCode;

use super::*;

fn read(body: &str) -> Result<Peek, CallError> {
    peek(body.as_bytes(), 64, 100_000)
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
    let peek = read(audio).expect("an unknown role and a part of sound");
    assert_eq!(peek.needs.messages, 1);
    assert_eq!(peek.needs.turns, 0);
    assert!(!peek.needs.images);
}

#[test]
fn d4_a_body_changes_in_the_value_of_model_only() {
    let body = Bytes::from_static(
        b"{ \"x\":1.50,\n\"model\" : \"p/\\u0061/b\",\"messages\":[{\"model\":\"p/a/b\"}] }",
    );
    let peek = peek(&body, 64, 100).expect("read");
    assert_eq!(peek.model, "p/a/b");
    assert_eq!(
        peek.with_model(&body, "a/b").expect("sent"),
        Bytes::from_static(
            b"{ \"x\":1.50,\n\"model\" : \"a/b\",\"messages\":[{\"model\":\"p/a/b\"}] }"
        )
    );
}

#[test]
fn d4_admission_learns_what_the_body_needs() {
    let needs = |member: &str| read(&with(member)).expect(member).needs;
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
    let talk = read(talk).expect("read").needs;
    assert!(talk.images && talk.tool_calling);
    assert_eq!((talk.messages, talk.turns), (4, 3));
}

#[test]
fn d4_the_checks_learn_what_was_promised() {
    let peek = read(&with(
        r#""stream":true,"max_tokens":9,"max_completion_tokens":7,"tool_choice":"required""#,
    ))
    .expect("read");
    assert!(peek.stream);
    assert_eq!(peek.max_tokens, Some(7));
    assert_eq!(peek.tool_choice, Some(ToolChoice::Required));
    let named = read(&with(
        r#""tool_choice":{"type":"function","function":{"name":"a"}}"#,
    ));
    assert!(matches!(
        named.expect("read").tool_choice,
        Some(ToolChoice::Named(_))
    ));
}

#[test]
fn b4_a_schema_is_held_whether_it_is_strict_or_not_and_is_never_promised_unheld() {
    let format = |schema: &str, strict: &str| {
        let format = format!(
            r#""response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}{strict}}}}}"#
        );
        read(&with(&format))
    };
    let strict = r#","strict":true"#;
    let wishes = ["", r#","strict":false"#, r#","strict":null"#];
    let good = r##"{"$defs":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/a"}}}"##;
    for how in wishes.into_iter().chain([strict]) {
        let peek = format(good, how).expect("read");
        assert!(
            peek.schema.is_some() && peek.needs.structured_output,
            "{how}"
        );
    }
    for unheld in [
        r#"{"$ref":"https://example.com/schema.json"}"#,
        r##"{"$ref":"#/nowhere"}"##,
        r#"{"pattern":"(?=lookahead)"}"#,
        r#"{"type":"nonsense"}"#,
        "true",
    ] {
        for how in wishes {
            let peek = format(unheld, how).expect("a wish");
            assert!(
                peek.schema.is_none() && peek.needs.structured_output,
                "{unheld}"
            );
        }
        let error = format(unheld, strict).expect_err(unheld);
        assert_eq!(
            (error.code, error.subject),
            (
                ErrorCode::SchemaKeyword,
                Some("response_format.json_schema.schema")
            )
        );
    }
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

#[test]
fn b12_a_name_that_another_reader_takes_for_a_known_one_is_refused() {
    for member in [
        r#""Model":"x""#,
        r#""\u017ftream":true"#,
        r#""too\u006cs":[],"TOOLS":[]"#,
        r#""response_format":{"Type":"text"}"#,
        r#""tools":[{"Function":{}}]"#,
    ] {
        assert_eq!(refused(&with(member)).0, "spelling", "{member}");
    }
    let message = r#"{"model":"m","messages":[{"role":"user","Content":"x"}]}"#;
    assert_eq!(refused(message).0, "spelling");
    let free = with(r#""tools":[{"function":{"parameters":{"Type":1}}}]"#);
    assert!(read(&free).is_ok(), "schemas are free");
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
    assert!(peek(b"{\"model\":\"\xff\",\"messages\":[{}]}", 64, 100).is_err());
}
