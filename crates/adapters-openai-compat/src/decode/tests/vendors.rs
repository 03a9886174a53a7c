//! One answer and one failure of each vendor, in its own manner.

use handshake_core::{chat::FinishReason, code::ErrorCode};

use super::{delta, stream, whole};

/// A whole answer: the vendor, its bytes, the text, the thinking.
#[test]
fn a5_whole_answers_by_vendor() {
    for (dialect, body, said, thought) in [
        (
            "snowflake",
            r#"{"id":"s","model":"claude-sonnet-4-5","choices":[{"index":0,"message":{"content":"Hi","role":"assistant"},"finish_reason":""}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}"#,
            "Hi",
            "",
        ),
        (
            "siliconflow",
            r#"{"id":"s","object":"chat.completion","created":1,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","reasoning_content":"plan"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12},"system_fingerprint":""}"#,
            "Hi",
            "plan",
        ),
        (
            "novita",
            r#"{"id":"n","object":"chat.completion","model":"deepseek/deepseek-v3","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop","content_filter_results":{"hate":{"filtered":false}}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"system_fingerprint":""}"#,
            "Hi",
            "",
        ),
        (
            "cerebras",
            r#"{"id":"c","choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","reasoning":"plan","role":"assistant"}}],"created":1,"model":"gpt-oss-120b","system_fingerprint":"fp","object":"chat.completion","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"time_info":{"queue_time":0.1}}"#,
            "Hi",
            "plan",
        ),
        (
            "sambanova",
            r#"{"choices":[{"finish_reason":"stop","index":0,"logprobs":null,"message":{"content":"Hi","role":"assistant"}}],"created":1.5,"id":"s","model":"Meta-Llama-3.3-70B-Instruct","object":"chat.completion","usage":{"completion_tokens":1,"prompt_tokens":1,"total_tokens":2,"time_to_first_token":0.2,"is_last_response":true}}"#,
            "Hi",
            "",
        ),
        (
            "nvidia",
            r#"{"id":"n","object":"chat.completion","created":1,"model":"meta/llama-3.3-70b-instruct","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"tool_calls":[],"reasoning_content":null},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"usage":{"prompt_tokens":1,"total_tokens":2,"completion_tokens":1,"prompt_tokens_details":null},"prompt_logprobs":null}"#,
            "Hi",
            "",
        ),
        (
            "huggingface",
            r#"{"object":"chat.completion","id":"","created":1,"model":"meta-llama/Llama-3.1-8B-Instruct","system_fingerprint":"3.0","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"logprobs":null,"finish_reason":"eos_token"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            "Hi",
            "",
        ),
        (
            "cohere",
            r#"{"id":"c","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hi"}}],"created":1,"model":"command-a-03-2025","object":"chat.completion","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            "Hi",
            "",
        ),
        (
            "minimax",
            r#"{"id":"m","choices":[{"finish_reason":"stop","index":0,"message":{"content":"<think>\nplan\n</think>\n\nHi","role":"assistant","name":"MiniMax AI","audio_content":""}}],"created":1,"model":"MiniMax-M2","object":"chat.completion","usage":{"total_tokens":2,"total_characters":0,"prompt_tokens":1,"completion_tokens":1},"input_sensitive":false,"output_sensitive":false,"input_sensitive_type":0,"output_sensitive_type":0,"output_sensitive_int":0,"base_resp":{"status_code":0,"status_msg":""}}"#,
            "Hi",
            "\nplan\n",
        ),
        (
            "baseten",
            r#"{"id":"b","object":"chat.completion","created":1,"model":"deepseek-ai/DeepSeek-V3.1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","tool_calls":null},"finish_reason":"stop","matched_stop":1}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            "Hi",
            "",
        ),
    ] {
        let got = whole(dialect, body);
        assert_eq!(
            (got.finish(), got.text().as_str(), got.thinking().as_str()),
            (Some(FinishReason::Stop), said, thought),
            "{dialect}"
        );
    }
}

/// An empty reason is evidence in a whole answer of the vendor that writes it so, and nowhere else.
#[test]
fn q42_an_empty_finish_reason_is_an_end_for_one_vendor_and_never_in_a_stream() {
    let empty = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":""}]}"#;
    assert_eq!(whole("snowflake", empty).finish(), Some(FinishReason::Stop));
    assert_eq!(
        whole("generic", empty).code(),
        Some(ErrorCode::StreamTruncated)
    );
    let cut = r#"{"choices":[{"index":0,"delta":{},"finish_reason":""}]}"#;
    assert_eq!(
        stream("snowflake", &[&delta(r#"{"content":"Hi"}"#), cut]).code(),
        Some(ErrorCode::StreamTruncated)
    );
    // The words that there are count as ever.
    let length = empty.replace(r#""finish_reason":"""#, r#""finish_reason":"length""#);
    assert_eq!(
        whole("snowflake", &length).finish(),
        Some(FinishReason::Length)
    );
}

#[test]
fn q39_null_arguments_are_no_arguments() {
    let call = |arguments: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{{"name":"now","arguments":{arguments}}}}}]}},"finish_reason":"tool_calls"}}]}}"#
        )
    };
    for none in ["null", r#""null""#, r#""""#, "{}", r#""{}""#] {
        assert_eq!(whole("generic", &call(none)).called(), ["now {}"], "{none}");
    }
}

#[test]
fn q02_one_index_and_one_id_for_two_calls_that_differ_in_name() {
    let call = |name: &str, arguments: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"c1","type":"function","function":{{"name":"{name}","arguments":"{arguments}"}}}}]}},"finish_reason":null}}]}}"#
        )
    };
    let done = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
    let (on, off) = (call("light_on", "{}"), call("light_off", "{}"));
    assert_eq!(
        stream("generic", &[&on, &off, done]).called(),
        ["light_on {}", "light_off {}"]
    );
    // Another name while the first is still open is no new call, and no other name of it either.
    let open = call("light_on", "{");
    assert_eq!(
        stream("generic", &[&open, &off, done]).code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q05_a_name_in_pieces_is_put_together_until_arguments_come() {
    let piece = |id: &str, name: &str, arguments: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,{id}"function":{{"name":"{name}","arguments":"{arguments}"}}}}]}},"finish_reason":null}}]}}"#
        )
    };
    let done = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
    let first = piece(r#""id":"c1","#, "edit_ex", "");
    let second = piece("", "isting_file", "{}");
    assert_eq!(
        stream("gemini", &[&first, &second, done]).called(),
        ["edit_existing_file {}"]
    );
    let late = piece("", "x", "");
    assert_eq!(
        stream("gemini", &[&piece(r#""id":"c1","#, "a", "{"), &late, done]).code(),
        Some(ErrorCode::ToolCallParse)
    );
}

#[test]
fn q46_calls_that_each_bring_the_finish_again_are_all_taken() {
    let call = |index: usize, finish: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":{index},"id":"c{index}","type":"function","function":{{"name":"a{index}","arguments":"{{}}"}}}}]}},"finish_reason":{finish}}}]}}"#
        )
    };
    let (first, second) = (call(0, r#""tool_calls""#), call(1, r#""tool_calls""#));
    assert_eq!(
        stream("litellm", &[&first, &second]).called(),
        ["a0 {}", "a1 {}"]
    );
    // Without it, a call after the end is what it ever was.
    assert_eq!(
        stream("litellm", &[&first, &call(1, "null")]).code(),
        Some(ErrorCode::Protocol)
    );
}
