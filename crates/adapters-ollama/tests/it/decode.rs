//! The decoder, one quirk of real daemons a test.

use handshake_core::{
    code::{ErrorCode, Phase},
    reply::{ReasoningPolicy, ReplySpec},
};

use crate::wire::{
    asking_for, decode, decode_cut, end_line, failure, forwarding, head, ndjson, read, spec,
    text_line, words,
};

const TEXT: &str = concat!(
    r#"{"model":"m","message":{"role":"assistant","content":"Hel"},"done":false}"#,
    "\n",
    r#"{"model":"m","message":{"role":"assistant","content":"lo"},"done":false}"#,
    "\n",
    r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":2}"#,
    "\n",
);

#[test]
fn b5_text_is_streamed_and_ends_once() {
    assert_eq!(
        read(&spec(), TEXT),
        ["started", "text:Hel", "text:lo", "usage:5/2", "end:Stop"]
    );
    let doubled = format!("{TEXT}{}", end_line("stop"));
    assert_eq!(
        read(&spec(), &doubled),
        read(&spec(), TEXT),
        "what follows the end is not read"
    );
}

#[test]
fn q58_a_server_that_does_not_stream_gives_the_same_events_at_once() {
    let body = br#"{
        "model": "m", "done": true, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2,
        "message": {"role": "assistant", "content": "Hello", "thinking": "hm"}
    }"#;
    for stream in [true, false] {
        let spec = ReplySpec { stream, ..spec() };
        let (events, end) = decode_cut(&spec, &head(200, "application/json"), body, &[3, 50]);
        assert_eq!(end, Ok(()));
        assert_eq!(
            words(&events),
            ["started", "think:hm", "text:Hello", "usage:5/2", "end:Stop"]
        );
    }
}

#[test]
fn q59_a_stream_that_nobody_asked_for_is_not_the_answer() {
    let spec = ReplySpec {
        stream: false,
        ..spec()
    };
    let (events, end) = decode(&spec, TEXT);
    assert_eq!(
        (events.len(), end.expect_err("refused").code),
        (0, ErrorCode::UnexpectedContent)
    );
}

#[test]
fn q103_other_content_is_not_the_api() {
    for content_type in [
        "text/html",
        "text/plain",
        "text/event-stream",
        "application/octet-stream",
        "",
    ] {
        let (_, end) = decode_cut(&spec(), &head(200, content_type), b"<html>", &[]);
        assert_eq!(
            end.expect_err(content_type).code,
            ErrorCode::UnexpectedContent
        );
    }
    assert_eq!(failure(&spec(), "<html>\n").1, ErrorCode::UnexpectedContent);
    assert_eq!(failure(&spec(), "<html>").1, ErrorCode::UnexpectedContent);
}

#[test]
fn q43_an_end_for_another_reason_is_none() {
    for end in [
        end_line("load"),
        end_line("unload"),
        end_line(""),
        end_line("tool_calls"),
        r#"{"message":{"content":""},"done":true}"#.to_owned() + "\n",
    ] {
        assert_eq!(
            failure(&spec(), &end),
            (1, ErrorCode::Protocol, Some("done_reason"))
        );
    }
}

#[test]
fn q50_an_end_without_evidence_is_a_truncation() {
    for body in ["", "\n", &text_line("a"), &text_line("a").repeat(3)] {
        let (_, end) = decode(&spec(), body);
        let error = end.expect_err("truncated");
        assert_eq!(
            (error.code, error.phase),
            (ErrorCode::StreamTruncated, Phase::Decode)
        );
    }
    for body in [
        &b""[..],
        b"{\"message\":{\"content\":\"a\"}",
        b"{\"message\":{\"content\":\"a\"},\"done\":false}",
    ] {
        let (_, end) = decode_cut(&spec(), &head(200, "application/json"), body, &[]);
        assert_eq!(end.expect_err("truncated").code, ErrorCode::StreamTruncated);
    }
}

#[test]
fn q53_counters_are_optional_and_never_added_up() {
    let bare = r#"{"message":{"content":"a"},"done":true,"done_reason":"stop"}"#;
    assert_eq!(read(&spec(), bare), ["started", "text:a", "end:Stop"]);
    let cached = r#"{"message":{"content":"a"},"done":true,"done_reason":"stop","eval_count":3}"#;
    assert_eq!(read(&spec(), cached)[2], "usage:-/3");
}

#[test]
fn q100_an_error_in_the_stream_ends_it() {
    for (error, code) in [
        (r#"{"error":"something broke"}"#, ErrorCode::Provider),
        (
            r#"{"error":"model requires more system memory"}"#,
            ErrorCode::Provider,
        ),
        (
            r#"{"error":"the input length exceeds the context length"}"#,
            ErrorCode::ContextWindow,
        ),
        (
            r#"{"error":{"message":"model 'x' not found"}}"#,
            ErrorCode::Model404,
        ),
    ] {
        let body = format!("{}{error}\n{}", text_line("a"), end_line("stop"));
        let (events, end) = decode(&spec(), &body);
        let error = end.expect_err("an error");
        assert_eq!(
            (events.len(), error.code, error.phase),
            (2, code, Phase::Stream)
        );
        assert!(!format!("{error:?} {error}").contains("broke"));
    }
    // Q102: the same with 200 and plain JSON.
    let (events, end) = decode_cut(
        &spec(),
        &head(200, "application/json"),
        br#"{"error":"x"}"#,
        &[],
    );
    assert_eq!(
        (events.len(), end.expect_err("an error").code),
        (0, ErrorCode::Provider)
    );
}

#[test]
fn q101_an_error_that_says_nothing_is_none() {
    for error in ["null", "\"\"", "{}"] {
        let line = format!(
            "{{\"error\":{error},\"message\":{{\"content\":\"a\"}},\"done\":true,\"done_reason\":\"stop\"}}\n"
        );
        assert_eq!(read(&spec(), &line), ["started", "text:a", "end:Stop"]);
    }
}

#[test]
fn s35_an_answer_from_elsewhere_is_an_alarm_before_its_text() {
    for member in [
        r#""remote_host":"https://ollama.com:443""#,
        r#""remote_model":"gpt-oss:120b""#,
    ] {
        let line = format!("{{{member},\"message\":{{\"content\":\"secret\"}},\"done\":false}}\n");
        assert_eq!(
            failure(&spec(), &line),
            (0, ErrorCode::TierMismatch, Some("remote_host"))
        );
        let late = format!("{}{line}", text_line("a"));
        assert_eq!(
            failure(&spec(), &late),
            (2, ErrorCode::TierMismatch, Some("remote_host"))
        );
        let line = line.replace("\"done\":false", "\"done\":true,\"done_reason\":\"stop\"");
        assert_eq!(
            read(&forwarding(), &line),
            ["started", "text:secret", "end:Stop"]
        );
    }
    let silent = r#"{"remote_host":"","message":{"content":"a"},"done":true,"done_reason":"stop"}"#;
    assert_eq!(read(&spec(), silent).len(), 3);
}

#[test]
fn q150_another_models_answer_is_refused() {
    let line = |model: &str| {
        format!(
            "{{\"model\":\"{model}\",\"message\":{{\"content\":\"a\"}},\"done\":true,\"done_reason\":\"stop\"}}\n"
        )
    };
    for same in ["qwen3", "qwen3:latest", "qwen3:local"] {
        assert_eq!(read(&asking_for("qwen3"), &line(same)).len(), 3, "{same}");
    }
    for other in ["qwen3:4b", "llama3", ""] {
        assert_eq!(
            failure(&asking_for("qwen3"), &line(other)),
            (0, ErrorCode::Protocol, Some("model"))
        );
    }
    // Elsewhere it is too late for that: it is told.
    let elsewhere = ReplySpec {
        model_may_differ: true,
        ..asking_for("qwen3")
    };
    assert_eq!(read(&elsewhere, &line("qwen3")).len(), 3);
    assert_eq!(
        read(&elsewhere, &line("llama3")),
        ["started", "model:llama3", "text:a", "end:Stop"]
    );
}

#[test]
fn b9_thinking_is_a_channel_of_its_own() {
    let body = format!(
        "{}{}{}",
        r#"{"message":{"content":"","thinking":"hm"},"done":false}"#.to_owned() + "\n",
        text_line("<think>kept</think>"),
        end_line("stop")
    );
    assert_eq!(
        read(&spec(), &body),
        [
            "started",
            "think:hm",
            "text:<think>kept</think>",
            "usage:-/7",
            "end:Stop"
        ]
    );
    let leading = ReplySpec {
        reasoning: ReasoningPolicy::LeadingBlock,
        ..spec()
    };
    let body = format!(
        "{}{}{}",
        text_line("<thi"),
        text_line("nk>a</think>b"),
        end_line("stop")
    );
    assert_eq!(
        read(&leading, &body),
        ["started", "think:a", "text:b", "usage:-/7", "end:Stop"]
    );
    let held = format!("{}{}", text_line("<thi"), end_line("stop"));
    assert_eq!(read(&leading, &held)[1], "text:<thi");
}

#[test]
fn lines_that_are_no_lines_of_this_protocol_are_errors() {
    for line in [
        "[]\n",
        "[null]\n",
        "1\n",
        "data: {}\n",
        "{}\n",
        "{\"done\":false}\n",
        "{\"message\":[]}\n",
        "{\"message\":{\"content\":[]}}\n",
        "{\"message\":{\"content\":\"a\",\"content\":\"b\"}}\n",
        "{\"model\":\"m\"\n",
        "{\"response\":\"a\",\"done\":false}\n",
    ] {
        assert_eq!(failure(&spec(), line).1, ErrorCode::Protocol, "{line}");
    }
    let (_, end) = decode_cut(
        &spec(),
        &ndjson(),
        b"{\"message\":{\"content\":\"\xff\"}}\n",
        &[],
    );
    assert_eq!(end.expect_err("q98").code, ErrorCode::Protocol);
}

#[test]
fn q95_q97_blank_lines_marks_and_carriage_returns_do_not_matter() {
    let body = format!("\u{feff}\n{}\r\n\r\n", TEXT.replace('\n', "\r\n\n"));
    assert_eq!(read(&spec(), &body), read(&spec(), TEXT));
    assert_eq!(
        read(&spec(), TEXT.trim_end()),
        read(&spec(), TEXT),
        "without the last line's end"
    );
}

#[test]
fn an_error_status_is_what_its_body_says() {
    let json = head(404, "application/json; charset=utf-8");
    let (events, end) = decode_cut(&spec(), &json, br#"{"error":"model 'x' not found"}"#, &[7]);
    let error = end.expect_err("an error");
    assert_eq!(
        (events.len(), error.code, error.http_status),
        (0, ErrorCode::Model404, Some(404))
    );
    let (_, end) = decode_cut(&spec(), &head(307, "text/html"), b"<a>", &[]);
    assert_eq!(end.expect_err("q108").code, ErrorCode::Protocol);
}
