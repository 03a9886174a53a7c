//! Tool calls: identity and assembly.

use handshake_core::{
    chat::{FinishReason, ToolChoice},
    code::ErrorCode,
    ids::ToolName,
};

use super::*;

const A1: &str =
    r#"{"index":0,"id":"c1","type":"function","function":{"name":"a","arguments":"{\"x\""}}"#;
const A2: &str = r#"{"index":0,"function":{"arguments":":1}"}}"#;

#[test]
fn q12_a_call_finish_and_usage_in_one_chunk() {
    let got = stream(
        "mistral",
        &[
            r#"{"choices":[{"index":0,"delta":{"content":"","tool_calls":[{"id":"abcdefghi","function":{"name":"a","arguments":"{}"},"index":0}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
        ],
    );
    assert_eq!(got.called(), ["a {}"]);
    assert_eq!(got.finish(), Some(FinishReason::ToolUse));
    assert_eq!(got.usage().and_then(|usage| usage.total_tokens), Some(5));
}

#[test]
fn q01_without_an_index_the_id_decides_and_ambiguity_is_an_error() {
    let first = r#"{"id":"c1","function":{"name":"a","arguments":"{\"x\":1}"}}"#;
    let second = r#"{"id":"c2","function":{"name":"a","arguments":"{\"x\":2}"}}"#;
    assert_eq!(
        calls("gemini", &[first, second], "stop").called(),
        [r#"a {"x":1}"#, r#"a {"x":2}"#]
    );

    let opened = r#"{"id":"c1","function":{"name":"a","arguments":"{\"x\""}}"#;
    let continued = r#"{"function":{"arguments":":1}"}}"#;
    assert_eq!(
        calls("gemini", &[opened, continued], "stop").called(),
        [r#"a {"x":1}"#]
    );

    let other = r#"{"id":"c2","function":{"name":"a","arguments":"{"}}"#;
    let got = calls("gemini", &[opened, other, continued], "stop");
    assert_eq!(got.code(), Some(ErrorCode::ToolCallParse));
    assert_eq!(
        calls("gemini", &[continued], "stop").code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q02_the_same_index_with_another_id_and_name_is_another_call() {
    let second = r#"{"index":0,"id":"c2","function":{"name":"b","arguments":"{}"}}"#;
    assert_eq!(
        calls("generic", &[A1, A2, second], "tool_calls").called(),
        [r#"a {"x":1}"#, "b {}"]
    );
}

#[test]
fn q03_indices_are_keys_not_positions() {
    let sparse = r#"{"index":2000000000,"id":"c9","function":{"name":"b","arguments":"{}"}}"#;
    assert_eq!(
        calls("generic", &[sparse, A1, A2], "tool_calls").called(),
        ["b {}", r#"a {"x":1}"#]
    );
}

#[test]
fn q04_q05_q08_a_missing_id_gets_one_of_ours_and_none_of_theirs() {
    for id in [r#""id":null,"#, r#""id":"","#, ""] {
        let entry = format!(r#"{{"index":0,{id}"function":{{"name":"a","arguments":"{{}}"}}}}"#);
        let got = calls("sglang", &[&entry], "tool_calls");
        assert_eq!(got.called(), ["a {}"]);
        assert_eq!(got.calls()[0].provider_call_id, None);
    }
}

#[test]
fn q06_q07_empty_and_null_in_continuations_are_absent() {
    for continued in [
        r#"{"index":0,"id":"","type":"","function":{"name":"","arguments":":1}"}}"#,
        r#"{"index":0,"id":null,"type":null,"function":{"name":null,"arguments":":1}"}}"#,
    ] {
        let got = calls("venice", &[A1, continued], "tool_calls");
        assert_eq!(got.called(), [r#"a {"x":1}"#]);
        assert_eq!(
            got.calls()[0]
                .provider_call_id
                .as_ref()
                .map(|id| id.as_str()),
            Some("c1")
        );
    }
}

#[test]
fn q09_the_first_id_stays() {
    let continued = r#"{"index":0,"id":"zz","function":{"arguments":":1}"}}"#;
    let got = calls("generic", &[A1, continued], "tool_calls");
    assert_eq!(got.called(), [r#"a {"x":1}"#]);
    assert_eq!(
        got.calls()[0]
            .provider_call_id
            .as_ref()
            .map(|id| id.as_str()),
        Some("c1")
    );
}

#[test]
fn q10_a_whole_call_repeated_at_the_end_is_one_call_and_anything_else_an_error() {
    let again = r#"{"index":0,"id":"c1","function":{"name":"a","arguments":"{\"x\":1}"}}"#;
    assert_eq!(
        calls("litellm", &[A1, A2, again], "tool_calls").called(),
        [r#"a {"x":1}"#]
    );
    let encoded =
        r#"{"index":0,"id":"c1","function":{"name":"a","arguments":"\"{\\\"x\\\":1}\""}}"#;
    assert_eq!(
        calls("litellm", &[A1, A2, encoded], "tool_calls").code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q11_a_call_without_a_name_is_malformed() {
    let got = calls(
        "litellm",
        &[r#"{"index":0,"id":"c","function":{"arguments":"{}"}}"#],
        "tool_calls",
    );
    assert_eq!(got.code(), Some(ErrorCode::ToolCallParse));
}

#[test]
fn q13_q14_all_entries_of_a_chunk_count_and_whole_arguments_do_not_end_a_call() {
    let chunk = delta(&format!(
        r#"{{"tool_calls":[{A1},{A2},{}]}}"#,
        r#"{"index":1,"id":"c2","function":{"name":"b","arguments":"{}"}}"#
    ));
    let got = stream("groq", &[&chunk, &finish("tool_calls")]);
    assert_eq!(got.called(), [r#"a {"x":1}"#, "b {}"]);
}

#[test]
fn q15_a_name_may_come_late() {
    let id = r#"{"index":0,"id":"c1","function":{"arguments":"{"}}"#;
    let name = r#"{"index":0,"function":{"name":"a","arguments":"}"}}"#;
    assert_eq!(
        calls("generic", &[id, name], "tool_calls").called(),
        ["a {}"]
    );
}

#[test]
fn q16_a_repeated_name_is_fine_and_a_second_one_an_error() {
    let same = r#"{"index":0,"function":{"name":"a","arguments":":1}"}}"#;
    assert_eq!(
        calls("generic", &[A1, same], "tool_calls").called(),
        [r#"a {"x":1}"#]
    );
    let other = r#"{"index":0,"function":{"name":"weather","arguments":":1}"}}"#;
    assert_eq!(
        calls("generic", &[A1, other], "tool_calls").code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q17_q18_arguments_may_be_an_object_and_a_made_up_tool_is_no_call() {
    let object = r#"{"index":0,"id":"0","function":{"name":"a","arguments":{"y":[1],"x":2}}}"#;
    assert_eq!(
        calls("tgi", &[object], "eos_token").called(),
        [r#"a {"x":2,"y":[1]}"#]
    );
    let made_up = r#"{"index":0,"id":"0","function":{"name":"no_tool","arguments":"{}"}}"#;
    assert_eq!(
        calls("tgi", &[made_up], "eos_token").finish(),
        Some(FinishReason::Stop)
    );
    assert_eq!(
        calls("generic", &[made_up], "stop").called(),
        ["no_tool {}"]
    );
}

#[test]
fn q25_repeated_ids_of_the_provider_are_two_of_ours() {
    let other = r#"{"index":1,"id":"c1","function":{"name":"a","arguments":"{}"}}"#;
    let got = calls("generic", &[A1, A2, other], "tool_calls");
    let [first, second] = got.calls()[..] else {
        panic!("two calls")
    };
    assert_eq!(first.provider_call_id, second.provider_call_id);
    assert_ne!(first.tool_call_id, second.tool_call_id);
}

#[test]
fn q25_in_a_whole_answer_every_entry_is_a_call() {
    let entry = r#"{"index":0,"id":"c","function":{"name":"a","arguments":""}}"#;
    let body = format!(
        r#"{{"choices":[{{"message":{{"content":null,"tool_calls":[{entry},{entry}]}},"finish_reason":"tool_calls"}}]}}"#
    );
    assert_eq!(whole("generic", &body).called(), ["a {}", "a {}"]);
}

#[test]
fn q28_a_call_spelled_as_text_is_text() {
    let got = stream(
        "llamacpp",
        &[
            &delta(r#"{"content":"<tool_call>{}</tool_call>"}"#),
            &finish("stop"),
        ],
    );
    assert_eq!(got.text(), "<tool_call>{}</tool_call>");
    assert!(got.calls().is_empty());
}

#[test]
fn q30_q31_only_declared_names_exactly() {
    let run = |name: &str| {
        let entry =
            format!(r#"{{"index":0,"id":"c","function":{{"name":"{name}","arguments":"{{}}"}}}}"#);
        let body = sse(&[
            &delta(&format!(r#"{{"tool_calls":[{entry}]}}"#)),
            &finish("tool_calls"),
        ]);
        decode(
            &declared("generic", true),
            &head(200, "text/event-stream"),
            body.as_bytes(),
            usize::MAX,
        )
    };
    assert_eq!(run("b__c").called(), ["b.c {}"]);
    for name in ["A", "b.c", "a ", "x", "b_c"] {
        assert_eq!(run(name).code(), Some(ErrorCode::ToolCallParse), "{name}");
    }
}

#[test]
fn q31_offline_a_name_stands_for_itself_if_it_can() {
    let entry = r#"{"index":0,"id":"c","function":{"name":"not a name","arguments":"{}"}}"#;
    assert_eq!(
        calls("generic", &[entry], "stop").code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q32_no_calls_under_a_tool_finish_is_stop_unless_one_was_required() {
    let body = sse(&[
        &delta(r#"{"content":"x","tool_calls":[]}"#),
        &finish("tool_calls"),
    ]);
    let run = |choice| {
        let spec = ReplySpec {
            tool_choice: choice,
            ..declared("generic", true)
        };
        decode(
            &spec,
            &head(200, "text/event-stream"),
            body.as_bytes(),
            usize::MAX,
        )
    };
    assert_eq!(run(None).finish(), Some(FinishReason::Stop));
    assert_eq!(
        run(Some(ToolChoice::Auto)).finish(),
        Some(FinishReason::Stop)
    );
    let got = run(Some(ToolChoice::Required));
    assert_eq!(got.code(), Some(ErrorCode::ToolCallParse));
    assert_eq!(
        got.error.and_then(|error| error.subject),
        Some("required tool call")
    );
}

#[test]
fn b12_a_named_choice_is_held_and_a_forbidden_call_is_an_error() {
    let body = sse(&[
        &delta(&format!(r#"{{"tool_calls":[{A1},{A2}]}}"#)),
        &finish("stop"),
    ]);
    let run = |choice| {
        let spec = ReplySpec {
            tool_choice: Some(choice),
            ..declared("generic", true)
        };
        decode(
            &spec,
            &head(200, "text/event-stream"),
            body.as_bytes(),
            usize::MAX,
        )
    };
    let named = |name| ToolChoice::Named(ToolName::new(name).expect("name"));
    assert_eq!(run(named("a")).finish(), Some(FinishReason::ToolUse), "q40");
    assert_eq!(run(named("b.c")).code(), Some(ErrorCode::ToolCallParse));
    assert_eq!(
        run(ToolChoice::None).code(),
        Some(ErrorCode::ToolCallParse),
        "q153"
    );
}

#[test]
fn b12_a_server_that_ignores_required_tools_is_found_out() {
    // llama.cpp with a template without tools: prose, 200, finish length or stop.
    for word in ["stop", "length"] {
        let body = sse(&[&delta(r#"{"content":"Once upon"}"#), &finish(word)]);
        let spec = ReplySpec {
            tool_choice: Some(ToolChoice::Required),
            ..declared("llamacpp", true)
        };
        let got = decode(
            &spec,
            &head(200, "text/event-stream"),
            body.as_bytes(),
            usize::MAX,
        );
        assert_eq!(got.code(), Some(ErrorCode::ToolCallParse), "{word}");
    }
}

#[test]
fn q35_the_call_of_the_time_before_tools() {
    let one = delta(r#"{"function_call":{"name":"a","arguments":"{\"x\""}}"#);
    let two = delta(r#"{"function_call":{"arguments":":1}"}}"#);
    let got = stream("azure", &[&one, &two, &finish("function_call")]);
    assert_eq!(got.called(), [r#"a {"x":1}"#]);
    assert_eq!(got.calls()[0].provider_call_id, None);
    assert_eq!(got.finish(), Some(FinishReason::ToolUse));
}

#[test]
fn q36_other_types_of_calls_are_refused() {
    let entry = r#"{"index":0,"id":"c","type":"custom","custom":{"name":"a","input":"x"}}"#;
    assert_eq!(
        calls("openai", &[entry], "tool_calls").code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q37_q39_arguments_are_one_object_without_repeated_keys() {
    for bad in [
        r#"{\"x\":1} x"#,
        r#"{\"x\":1}{\"x\":2}"#,
        r#"{\"x\":1,\"x\":2}"#,
        r#"{\"o\":{\"x\":1,\"x\":2}}"#,
        r#"{\"x\":NaN}"#,
        "null null",
        "[]",
        "1",
        r#"\"{}\""#,
        r#"{\"x\":"#,
        r#"{\"x\":\"\\ud83d\"}"#,
        " ",
    ] {
        let entry =
            format!(r#"{{"index":0,"id":"c","function":{{"name":"a","arguments":"{bad}"}}}}"#);
        assert_eq!(
            calls("generic", &[&entry], "tool_calls").code(),
            Some(ErrorCode::ToolCallParse),
            "{bad}"
        );
    }
}

#[test]
fn q38_no_arguments_at_all_are_none_when_the_turn_is_complete() {
    let entry = r#"{"index":0,"id":"c","function":{"name":"a","arguments":""}}"#;
    assert_eq!(calls("deepseek", &[entry], "tool_calls").called(), ["a {}"]);
    assert_eq!(
        calls("deepseek", &[entry], "length").code(),
        Some(ErrorCode::TruncatedToolTurn)
    );
}

#[test]
fn q41_under_length_no_call_is_given_out_valid_siblings_included() {
    let sibling = r#"{"index":1,"id":"c2","function":{"name":"b","arguments":"{}"}}"#;
    let got = calls("openai", &[sibling, A1], "length");
    assert_eq!(got.code(), Some(ErrorCode::TruncatedToolTurn));
    assert!(got.calls().is_empty());
}

#[test]
fn q41b_a_router_s_word_does_not_hide_the_cut() {
    for native in ["length", "max_output_tokens", "MAX_TOKENS"] {
        let end = format!(
            r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"tool_calls","native_finish_reason":"{native}"}}]}}"#
        );
        let call = delta(&format!(r#"{{"tool_calls":[{A1},{A2}]}}"#));
        assert_eq!(
            stream("openrouter", &[&call, &end]).code(),
            Some(ErrorCode::TruncatedToolTurn)
        );
    }
}

#[test]
fn q99_calls_and_arguments_are_bounded() {
    let entries: Vec<String> = (0..129)
        .map(|n| {
            format!(r#"{{"index":{n},"id":"c{n}","function":{{"name":"a","arguments":"{{}}"}}}}"#)
        })
        .collect();
    let chunk = delta(&format!(r#"{{"tool_calls":[{}]}}"#, entries.join(",")));
    assert_eq!(
        stream("generic", &[&chunk, &finish("stop")]).code(),
        Some(ErrorCode::StreamLimit)
    );

    let long = "x".repeat(400 * 1024);
    let entry = format!(r#"{{"index":0,"id":"c","function":{{"name":"a","arguments":"{long}"}}}}"#);
    let got = calls("generic", &[&entry, &entry, &entry], "stop");
    assert_eq!(got.code(), Some(ErrorCode::StreamLimit));
}

#[test]
fn b10_a_filtered_answer_gives_out_no_call() {
    let got = calls("openai", &[A1], "content_filter");
    assert_eq!(got.finish(), Some(FinishReason::ContentFilter));
    assert!(got.calls().is_empty());
}
