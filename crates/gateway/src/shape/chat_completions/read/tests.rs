//! What is honoured, what is reported, what is refused by name.

use handshake_core::chat::Role;

use super::*;

fn read_body(body: &str) -> Result<Read, CallError> {
    let draws = std::cell::Cell::new(0u8);
    let draw = || {
        draws.set(draws.get() + 1);
        [draws.get(); 16]
    };
    let ids = Ids {
        draw: &draw,
        now: UtcTime::from_unix_millis(0),
    };
    read(body.as_bytes(), &ids)
}

fn with(member: &str) -> String {
    format!(r#"{{"model":"p/m","messages":[{{"role":"user","content":"x"}}],{member}}}"#)
}

#[track_caller]
fn refused(body: &str) -> String {
    let error = read_body(body).expect_err(body);
    assert_eq!(error.code, ErrorCode::InvalidRequest, "{body}");
    error.member.expect("named").to_string()
}

#[test]
fn d2_a_member_of_a_wrong_type_is_refused_by_name() {
    for (member, name) in [
        (r#""seed":"abc""#, "seed"),
        (r#""seed":1.5"#, "seed"),
        (r#""reasoning_effort":7"#, "reasoning_effort"),
        (r#""reasoning_effort":"enormous""#, "reasoning_effort"),
        (r#""temperature":"hot""#, "temperature"),
        (r#""max_tokens":-1"#, "max_tokens"),
        (r#""stop":7"#, "stop"),
        (r#""stream_options":true"#, "stream_options"),
        (
            r#""stream_options":{"include_usage":"yes"}"#,
            "stream_options.include_usage",
        ),
        (r#""tools":{}"#, "tools"),
        (
            r#""tools":[{"type":"function","function":{"name":"a","strict":"yes"}}]"#,
            "tools[0].function.strict",
        ),
        (r#""tools":[{"type":"web_search"}]"#, "tools[0].type"),
        (r#""tool_choice":"sometimes""#, "tool_choice"),
        (
            r#""response_format":{"type":"grammar"}"#,
            "response_format.type",
        ),
    ] {
        assert_eq!(refused(&with(member)), name, "{member}");
    }
}

#[test]
fn d2_what_is_left_out_is_reported() {
    let read = read_body(
        r#"{"model":"m","user":"u","service_tier":"flex","parallel_tool_calls":null,
        "stream_options":{"include_usage":true,"include_obfuscation":false},
        "tools":[{"type":"function","function":{"name":"a","strict":true}},{"type":"function","function":{"name":"b","strict":false}}],
        "messages":[{"role":"user","name":"ann","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"high"}}]},
        {"role":"user","name":"bob","content":"x"}]}"#,
    )
    .expect("read");
    assert_eq!(
        read.advisory,
        [
            "messages.content.image_url.detail",
            "messages.name",
            "tools.function.strict",
            "stream_options.include_obfuscation",
            "user",
            "service_tier",
        ]
    );
    assert!(read.include_usage);
    assert_eq!(read.messages[0].attachments[0].bytes, "hi");
}

#[test]
fn d3_what_cannot_be_carried_is_refused_by_its_own_name() {
    for (member, name) in [
        (r#""logit_bias":{"1":2}"#, "logit_bias"),
        (r#""made_up":0"#, "made_up"),
        (r#""n":2"#, "n"),
        (r#""frequency_penalty":0.5"#, "frequency_penalty"),
        (r#""stream_options":{"more":1}"#, "stream_options.more"),
        (
            r#""tools":[{"type":"function","function":{"name":"a","examples":[]}}]"#,
            "tools[0].function.examples",
        ),
    ] {
        assert_eq!(refused(&with(member)), name, "{member}");
    }
    let sound = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"input_audio","input_audio":{}}]}]}"#;
    assert_eq!(refused(sound), "messages[0].content[1].type");
    let odd = r#"{"model":"m","messages":[{"role":"user","content":"x","weight":1}]}"#;
    assert_eq!(refused(odd), "messages[0].weight");
    assert!(read_body(&with(r#""made_up":null,"n":1,"presence_penalty":0"#)).is_ok());
}

#[test]
fn b8_conversations_are_read_with_their_calls() {
    let read = read_body(
        r#"{"model":"m","messages":[
        {"role":"developer","content":"be brief"},
        {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
        {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"at\":1}"}}]},
        {"role":"tool","tool_call_id":"c1","content":"seen"}]}"#,
    )
    .expect("read");
    let roles: Vec<Role> = read.messages.iter().map(|message| message.role).collect();
    assert_eq!(
        roles,
        [
            Role::System,
            Role::User,
            Role::Assistant,
            Role::ToolCall,
            Role::ToolResult
        ]
    );
    assert_eq!(&*read.messages[1].content, "ab");
    assert_eq!(read.messages[2].reasoning.as_deref(), Some("hm"));
    assert_eq!(read.messages[3].tool_call_id, read.messages[4].tool_call_id);
    let call = read.messages[3].tool_call.as_ref().expect("a call");
    assert_eq!(call.arguments["at"], 1);
    let orphan = r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"c9","content":""}]}"#;
    assert_eq!(refused(orphan), "messages[0].tool_call_id");
    let twice = r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"a","arguments":"{\"x\":1,\"x\":2}"}}]}]}"#;
    assert_eq!(
        refused(twice),
        "messages[0].tool_calls[0].function.arguments"
    );
    let remote = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.test/a.png"}}]}]}"#;
    assert_eq!(refused(remote), "messages[0].content[0].image_url.url");
}
