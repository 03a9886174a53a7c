//! Tool calls: whole, declared, and only of answers that are.

use handshake_core::{
    chat::{ChatEvent, ToolChoice},
    code::{ErrorCode, Phase},
    ids::ToolName,
    reply::ReplySpec,
};

use crate::wire::{call_line, decode, end_line, failure, read, spec, text_line, with_tools, words};

const ADD: &str =
    r#"{"id":"call_1","function":{"index":0,"name":"math__add","arguments":{"a":1}}}"#;

#[test]
fn b6_calls_come_whole_after_the_finish_is_known() {
    let second = r#"{"function":{"name":"math__mul","arguments":{"b":{"c":[1]}}}}"#;
    let body = format!(
        "{}{}{}{}",
        text_line("So: "),
        call_line(ADD),
        call_line(second),
        end_line("stop")
    );
    let spec = with_tools(&["math.add", "math.mul"]);
    let (events, end) = decode(&spec, &body);
    assert_eq!(end, Ok(()));
    assert_eq!(
        words(&events),
        [
            "started",
            "text:So: ",
            "call:math.add{\"a\":1}",
            "call:math.mul{\"b\":{\"c\":[1]}}",
            "usage:-/7",
            "end:ToolUse",
        ]
    );
    let calls: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ChatEvent::ToolCall(call) => Some(call),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls[0].provider_call_id.as_ref().map(|id| id.as_str()),
        Some("call_1")
    );
    assert_eq!(
        calls[1].provider_call_id, None,
        "q26: older daemons give none"
    );
    assert_ne!(calls[0].tool_call_id, calls[1].tool_call_id);
    let before = format!("{}{}", text_line("So: "), call_line(ADD));
    assert_eq!(failure(&spec, &before).0, 2, "no call before the end");
}

#[test]
fn b6_our_call_ids_follow_the_request_and_not_the_daemons_ids() {
    // Q25: a daemon may count from zero in every turn.
    let body = format!("{}{}{}", call_line(ADD), call_line(ADD), end_line("stop"));
    let ids = |seed| {
        let spec = ReplySpec {
            call_seed: [seed; 16],
            ..with_tools(&["math.add"])
        };
        decode(&spec, &body)
            .0
            .into_iter()
            .filter_map(|event| match event {
                ChatEvent::ToolCall(call) => Some(call.tool_call_id),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(1), ids(1));
    assert_eq!(ids(1).len(), 2);
    assert!(ids(1).iter().all(|id| !ids(2).contains(id)) && ids(1)[0] != ids(1)[1]);
}

#[test]
fn q19_old_daemons_put_the_arguments_into_a_string_once() {
    let spec = with_tools(&["t"]);
    for (arguments, want) in [
        (r#""{\"a\":1}""#, r#"call:t{"a":1}"#),
        (r#""""#, "call:t{}"),
        (r#"{"a":"{\"b\":1}"}"#, r#"call:t{"a":"{\"b\":1}"}"#),
    ] {
        let call = format!(r#"{{"function":{{"name":"t","arguments":{arguments}}}}}"#);
        assert_eq!(
            read(&spec, &format!("{}{}", call_line(&call), end_line("stop")))[1],
            want
        );
    }
}

#[test]
fn q37_q39_arguments_are_one_object_without_duplicate_keys() {
    let spec = with_tools(&["t"]);
    for arguments in [
        "[]",
        "1",
        "true",
        r#""null null""#,
        r#""{}{}""#,
        r#""[1]""#,
        r#"{"a":1,"a":2}"#,
    ] {
        let call = format!(r#"{{"function":{{"name":"t","arguments":{arguments}}}}}"#);
        let body = format!("{}{}", call_line(&call), end_line("stop"));
        assert_eq!(
            failure(&spec, &body),
            (1, ErrorCode::ToolCallParse, Some("arguments")),
            "{arguments}"
        );
    }
    for (call, subject) in [
        (r#"{"function":{"arguments":{}}}"#, "tool name"),
        (r#"{"id":"x"}"#, "function"),
        (
            r#"{"id":"a b","function":{"name":"t","arguments":{}}}"#,
            "tool call id",
        ),
    ] {
        let body = format!("{}{}", call_line(call), end_line("stop"));
        assert_eq!(
            failure(&spec, &body),
            (1, ErrorCode::ToolCallParse, Some(subject))
        );
    }
}

#[test]
fn q31_a_tool_that_was_not_declared_is_an_error_however_close_its_name() {
    for declared in [&["math.sub"][..], &["Math.add"], &["math.ad"], &[]] {
        let body = format!("{}{}", call_line(ADD), end_line("stop"));
        assert_eq!(
            failure(&with_tools(declared), &body).1,
            ErrorCode::ToolCallParse
        );
    }
    let body = format!("{}{}", call_line(ADD), end_line("stop"));
    assert_eq!(
        read(&spec(), &body)[1],
        "call:math__add{\"a\":1}",
        "offline, its own name stands"
    );
}

#[test]
fn q99_there_are_only_so_many_calls() {
    let many: String = std::iter::repeat_n(call_line(ADD), 129).collect();
    assert_eq!(
        failure(&spec(), &many),
        (1, ErrorCode::StreamLimit, Some("tool calls"))
    );
    let long = format!(
        "{{\"message\":{{\"content\":\"{}\"}}}}\n",
        "x".repeat(1 << 20)
    );
    assert_eq!(
        failure(&spec(), &long),
        (0, ErrorCode::StreamLimit, Some("line"))
    );
}

#[test]
fn q40_stop_behind_calls_is_tool_use() {
    let body = format!("{}{}", call_line(ADD), end_line("stop"));
    assert_eq!(
        read(&spec(), &body).last().map(String::as_str),
        Some("end:ToolUse")
    );
}

#[test]
fn q41_a_turn_that_was_cut_while_calling_calls_nothing() {
    let body = format!("{}{}", call_line(ADD), end_line("length"));
    assert_eq!(
        failure(&spec(), &body),
        (1, ErrorCode::TruncatedToolTurn, None)
    );
    let text = format!("{}{}", text_line("a"), end_line("length"));
    assert_eq!(
        read(&spec(), &text).last().map(String::as_str),
        Some("end:Length")
    );
    assert_eq!(
        read(&spec(), &end_line("length")),
        ["started", "usage:-/7", "end:Length"],
        "q75"
    );
}

#[test]
fn empty_output_with_tokens_where_tools_were_offered_is_a_lost_call() {
    // ollama#17274: the daemon throws an unreadable call away.
    let tools = with_tools(&["t"]);
    assert_eq!(
        failure(&tools, &end_line("stop")),
        (1, ErrorCode::ToolCallParse, Some("empty answer"))
    );
    let blank = format!("{}{}", text_line(" \n"), end_line("stop"));
    assert_eq!(failure(&tools, &blank).1, ErrorCode::ToolCallParse);
    assert_eq!(
        read(&spec(), &end_line("stop")).last().map(String::as_str),
        Some("end:Stop")
    );
    let none = end_line("stop").replace(",\"eval_count\":7", "");
    assert_eq!(read(&tools, &none), ["started", "end:Stop"]);
}

#[test]
fn q134_a_required_call_that_did_not_come_is_an_error() {
    let prose = format!("{}{}", text_line("I would rather talk."), end_line("stop"));
    let call = format!("{}{}", call_line(ADD), end_line("stop"));
    let choose = |choice| ReplySpec {
        tool_choice: Some(choice),
        ..with_tools(&["math.add", "math.mul"])
    };
    let named = |name: &str| ToolChoice::Named(ToolName::new(name).expect("valid"));
    for (choice, body, fails) in [
        (ToolChoice::Auto, &prose, false),
        (ToolChoice::None, &prose, false),
        (ToolChoice::Required, &prose, true),
        (named("math.add"), &prose, true),
        (ToolChoice::Auto, &call, false),
        (ToolChoice::None, &call, true),
        (ToolChoice::Required, &call, false),
        (named("math.add"), &call, false),
        (named("math.mul"), &call, true),
    ] {
        let (_, end) = decode(&choose(choice.clone()), body);
        match end {
            Ok(()) => assert!(!fails, "{choice:?}"),
            Err(error) => {
                assert!(fails, "{choice:?}");
                assert_eq!(
                    (error.code, error.phase),
                    (ErrorCode::ToolCallParse, Phase::Check)
                );
            }
        }
    }
}
