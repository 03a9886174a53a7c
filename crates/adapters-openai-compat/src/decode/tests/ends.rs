//! Finish reasons and ends.

use handshake_core::{chat::FinishReason, code::ErrorCode};

use super::*;

fn text() -> String {
    delta(r#"{"role":"assistant","content":"x"}"#)
}

#[test]
fn q42_q44_q45_how_absence_is_spelled() {
    for absent in [
        r#","finish_reason":"""#,
        r#","finish_reason":"null""#,
        r#","finish_reason":null"#,
        "",
    ] {
        let chunk = format!(r#"{{"choices":[{{"delta":{{"content":"x"}}{absent}}}]}}"#);
        assert_eq!(
            stream("generic", &[&chunk, &finish("stop")]).finish(),
            Some(FinishReason::Stop)
        );
        assert_eq!(
            stream("generic", &[&chunk]).code(),
            Some(ErrorCode::StreamTruncated),
            "q49"
        );
    }
}

#[test]
fn q43_an_unknown_word_is_an_error_never_a_success() {
    assert_eq!(
        stream("generic", &[&text(), &finish("cosmic_ray")]).code(),
        Some(ErrorCode::Protocol)
    );
    assert_eq!(
        stream("together", &[&text(), &finish("eos")]).finish(),
        Some(FinishReason::Stop)
    );
    let lack = stream(
        "deepseek",
        &[&text(), &finish("insufficient_system_resource")],
    );
    assert_eq!(lack.code(), Some(ErrorCode::Provider));
    assert_eq!(lack.text(), "x", "what came before stands");
}

#[test]
fn q46_several_finishes_the_worst_one_holds() {
    let run = |words: &[&str]| {
        let mut chunks = vec![text()];
        chunks.extend(words.iter().map(|word| finish(word)));
        stream(
            "openrouter",
            &chunks.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    assert_eq!(run(&["stop", "stop"]).finish(), Some(FinishReason::Stop));
    assert_eq!(
        run(&["stop", "length"]).finish(),
        Some(FinishReason::Length)
    );
    assert_eq!(
        run(&["content_filter", "stop"]).finish(),
        Some(FinishReason::ContentFilter)
    );
    assert_eq!(run(&["error", "stop"]).code(), Some(ErrorCode::Provider));
}

#[test]
fn q47_content_after_the_finish_breaks_the_protocol() {
    for late in [
        r#"{"content":"y"}"#,
        r#"{"reasoning":"y"}"#,
        r#"{"refusal":"y"}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"a","arguments":"{}"}}]}"#,
    ] {
        assert_eq!(
            stream("generic", &[&text(), &finish("stop"), &delta(late)]).code(),
            Some(ErrorCode::Protocol)
        );
    }
    let empty = delta(r#"{"role":"assistant","content":""}"#);
    assert_eq!(
        stream("generic", &[&text(), &finish("stop"), &empty]).finish(),
        Some(FinishReason::Stop)
    );
}

#[test]
fn b5_q48_q49_q50_the_finish_is_the_evidence_not_the_sentinel() {
    let done = sse(&[&text(), &finish("stop")]);
    let cut = done.replace("data: [DONE]\n\n", "");
    assert_eq!(raw("perplexity", &cut).finish(), Some(FinishReason::Stop));
    assert_eq!(
        raw("generic", &sse(&[&text()])).code(),
        Some(ErrorCode::StreamTruncated)
    );
    assert_eq!(
        raw("generic", &format!("data: {}\n\n", text())).code(),
        Some(ErrorCode::StreamTruncated)
    );
    assert_eq!(raw("generic", "").code(), Some(ErrorCode::StreamTruncated));
    assert!(raw("generic", "").events.is_empty());
}

#[test]
fn q51_nothing_counts_after_the_sentinel() {
    let body = format!(
        "{}data: {}\n\n{{garbage",
        sse(&[&text(), &finish("stop")]),
        delta(r#"{"content":"y"}"#)
    );
    assert_eq!(raw("generic", &body).text(), "x");
    let padded = sse(&[&text(), &finish("stop")]).replace("[DONE]", "[DONE] ");
    assert_eq!(raw("generic", &padded).finish(), Some(FinishReason::Stop));
}

#[test]
fn q52_q53_the_last_usage_wins_and_nothing_is_added_up() {
    let total = |got: Got| got.usage().and_then(|usage| usage.total_tokens);
    let tail = |usage: &str| format!(r#"{{"choices":[],"usage":{usage}}}"#);
    let first = tail(r#"{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}"#);
    let second = tail(r#"{"prompt_tokens":1,"completion_tokens":9,"total_tokens":77}"#);
    let end = finish("stop");
    let chunks = [text(), first, end.clone(), second, tail("null"), tail("{}")];
    assert_eq!(
        total(stream(
            "generic",
            &chunks.iter().map(String::as_str).collect::<Vec<_>>()
        )),
        Some(77)
    );

    let groq = r#"{"choices":[],"x_groq":{"usage":{"total_tokens":5}}}"#;
    assert_eq!(total(stream("groq", &[&text(), &end, groq])), Some(5));
    let moonshot = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"total_tokens":6.0}}]}"#;
    assert_eq!(total(stream("moonshot", &[&text(), moonshot])), Some(6));
    let timings = r#"{"choices":[],"timings":{"prompt_n":4,"cache_n":1,"predicted_n":2}}"#;
    let got = stream("llamacpp", &[&text(), &end, timings])
        .usage()
        .expect("measured");
    assert_eq!(
        (got.prompt_tokens, got.completion_tokens, got.total_tokens),
        (Some(5), Some(2), None)
    );

    let absent = stream("generic", &[&text(), &end]);
    assert_eq!(absent.usage(), None, "absent is not zero");
}

#[test]
fn q54_q55_chunks_that_say_nothing() {
    let azure = r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}],"model":""}"#;
    let filter = r#"{"choices":[{"index":0,"content_filter_results":{}}]}"#;
    assert_eq!(
        stream("azure", &[azure, &text(), filter, &finish("stop")]).text(),
        "x"
    );
    assert_eq!(
        stream("generic", &["{}", &text(), &finish("stop")]).code(),
        Some(ErrorCode::Protocol)
    );
}

#[test]
fn q56_text_that_is_sent_again_and_again_is_noticed() {
    let sentence = "The quick brown fox jumps over the lazy dog.";
    let chunks: Vec<String> = (1..=sentence.len())
        .map(|n| delta(&format!(r#"{{"content":"{}"}}"#, &sentence[..n])))
        .collect();
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    assert_eq!(stream("generic", &chunks).code(), Some(ErrorCode::Protocol));
    let rules: Vec<String> = (1..9)
        .map(|n| delta(&format!(r#"{{"content":"{}"}}"#, "-".repeat(n))))
        .collect();
    let mut rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let end = finish("stop");
    rules.push(&end);
    assert_eq!(
        stream("generic", &rules).text().len(),
        36,
        "short repetitions may be meant"
    );
}

#[test]
fn q57_a_message_in_a_stream_is_the_answer_or_repeats_it() {
    let beside = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"delta":{"content":"x"},"finish_reason":"stop"}]}"#;
    assert_eq!(stream("perplexity", &[beside]).text(), "x");
    let instead = r#"{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}"#;
    assert_eq!(stream("generic", &[instead]).text(), "x");
    assert_eq!(
        stream("generic", &[&text(), instead]).text(),
        "x",
        "a repetition"
    );
    let other = instead.replace(r#""x""#, r#""other""#);
    assert_eq!(
        stream("generic", &[&text(), &other]).code(),
        Some(ErrorCode::Protocol)
    );
}

#[test]
fn q41c_a_second_choice_is_refused() {
    let second = r#"{"choices":[{"index":1,"delta":{"content":"y"}}]}"#;
    assert_eq!(
        stream("openai", &[&text(), second]).code(),
        Some(ErrorCode::Protocol)
    );
}

#[test]
fn q58_q59_the_content_type_decides_and_a_stream_is_not_given_unasked() {
    let body = r#"{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}"#;
    let got = decode(
        &spec("generic", true),
        &head(200, "application/json; charset=utf-8"),
        body.as_bytes(),
        7,
    );
    assert_eq!(got.text(), "x");
    let body = sse(&[&text(), &finish("stop")]);
    let got = decode(
        &spec("generic", false),
        &head(200, "text/event-stream"),
        body.as_bytes(),
        7,
    );
    assert_eq!(got.code(), Some(ErrorCode::UnexpectedContent));
}

#[test]
fn q84_no_choices_is_no_answer() {
    for body in [
        r#"{"choices":[]}"#,
        r#"{"id":"x"}"#,
        r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#,
    ] {
        assert_eq!(
            whole("gemini", body).code(),
            Some(ErrorCode::Protocol),
            "{body}"
        );
    }
    let unfinished = r#"{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":null}]}"#;
    assert_eq!(
        whole("generic", unfinished).code(),
        Some(ErrorCode::StreamTruncated)
    );
}

#[test]
fn q90_q95_comments_keepalives_and_line_ends() {
    let chunk = text();
    let body = format!(
        ": OPENROUTER PROCESSING\r\n\r\n: ping\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\ndata: : keepalive\n\ndata:\n\ndata:{chunk}\r\rdata: {}\n\n: bye\n\ndata: [DONE]\n\n",
        finish("stop")
    );
    assert_eq!(raw("openrouter", &body).text(), "x");
    let event = "event: keepalive\ndata: not json\n\n";
    assert_eq!(
        raw(
            "openai",
            &format!("{event}{}", sse(&[&chunk, &finish("stop")]))
        )
        .text(),
        "x"
    );
}

#[test]
fn q96_q98_bytes_split_anywhere_and_bad_bytes_are_errors() {
    let body = sse(&[&delta(r#"{"content":"Grüße 🦀"}"#), &finish("stop")]);
    let got = decode(
        &spec("generic", true),
        &head(200, "text/event-stream"),
        body.as_bytes(),
        1,
    );
    assert_eq!(got.text(), "Grüße 🦀");
    let marked = format!("\u{feff}{body}");
    assert_eq!(raw("generic", &marked).text(), "Grüße 🦀", "q97");
    let mut bad = body.into_bytes();
    bad[40] = 0xff;
    let got = decode(
        &spec("generic", true),
        &head(200, "text/event-stream"),
        &bad,
        usize::MAX,
    );
    assert_eq!(got.code(), Some(ErrorCode::Protocol));
}

#[test]
fn q99_a_line_without_end_is_cut_off() {
    let body = format!("data: {}", "x".repeat(2 << 20));
    assert_eq!(raw("generic", &body).code(), Some(ErrorCode::StreamLimit));
}

#[test]
fn q100_every_form_of_an_error_in_the_stream_is_terminal() {
    for (error, code) in [
        (
            r#"{"error":{"message":"m","type":"server_error","code":null}}"#,
            ErrorCode::Provider,
        ),
        (r#"{"error":"m"}"#, ErrorCode::Provider),
        (
            r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            r#"{"error":{"code":429,"message":"m"},"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
            ErrorCode::RateLimit,
        ),
        (
            r#"{"error":{"code":502,"message":"m"},"choices":[]}"#,
            ErrorCode::Provider,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{},"error":{"code":401}}]}"#,
            ErrorCode::ProviderAuth,
        ),
        (
            r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#,
            ErrorCode::NotReady,
        ),
        (
            r#"{"error":{"message":"m","type":"invalid_request_error","code":null}}"#,
            ErrorCode::ProviderRejected,
        ),
        (
            r#"{"error":{"code":"insufficient_quota"}}"#,
            ErrorCode::ProviderQuota,
        ),
        (
            r#"{"error":{"code":400,"type":"exceed_context_size_error","n_ctx":512}}"#,
            ErrorCode::ContextWindow,
        ),
        (r#"{"detail":"m"}"#, ErrorCode::Provider),
    ] {
        let got = stream("generic", &[&text(), error, &finish("stop")]);
        assert_eq!(
            (got.code(), got.text().as_str()),
            (Some(code), "x"),
            "{error}"
        );
        assert_eq!(whole("generic", error).code(), Some(code), "q102 {error}");
    }
    let named = format!(
        "data: {}\n\nevent: error\ndata: {{\"message\":\"m\"}}\n\n",
        text()
    );
    assert_eq!(raw("generic", &named).code(), Some(ErrorCode::Provider));
}

#[test]
fn q101_an_empty_error_is_none() {
    for nothing in ["null", r#""""#, "{}", "false"] {
        let chunk =
            format!(r#"{{"error":{nothing},"choices":[{{"index":0,"delta":{{"content":"x"}}}}]}}"#);
        assert_eq!(
            stream("generic", &[&chunk, &finish("stop")]).text(),
            "x",
            "{nothing}"
        );
    }
}

#[test]
fn q103_q104_pages_and_bare_json_are_not_streams() {
    for kind in ["text/html", "text/plain", "application/x-ndjson", ""] {
        let got = decode(
            &spec("generic", true),
            &head(200, kind),
            b"<html>",
            usize::MAX,
        );
        assert_eq!(got.code(), Some(ErrorCode::UnexpectedContent), "{kind}");
    }
    let nothing = ResponseHead {
        status: 200,
        content_type: None,
        retry_after: None,
    };
    let got = decode(&spec("generic", true), &nothing, b"{}", usize::MAX);
    assert_eq!(
        got.code(),
        Some(ErrorCode::UnexpectedContent),
        "an absent type is no type"
    );
    assert_eq!(
        raw("generic", "{\"error\":\"m\"}\n").code(),
        Some(ErrorCode::Protocol)
    );
    for bad in [
        "nonsense",
        "[]",
        "1",
        "{\"choices\":1}",
        "{\"choices\":[{\"index\":0,\"finish_reason\":7}]}",
    ] {
        assert_eq!(
            stream("generic", &[bad, &finish("stop")]).code(),
            Some(ErrorCode::Protocol),
            "{bad}"
        );
    }
}

#[test]
fn s20_a_member_that_stands_twice_is_an_error() {
    let twice =
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length","finish_reason":"stop"}]}"#;
    assert_eq!(
        stream("generic", &[&text(), twice]).code(),
        Some(ErrorCode::Protocol)
    );
}

#[test]
fn q150_another_model_s_answer_is_an_error() {
    let run = |dialect: &str, model: &str| {
        let chunk = format!(
            r#"{{"model":"{model}","choices":[{{"index":0,"delta":{{"content":"x"}},"finish_reason":"stop"}}]}}"#
        );
        let body = sse(&[&chunk]);
        decode(
            &declared(dialect, true),
            &head(200, "text/event-stream"),
            body.as_bytes(),
            usize::MAX,
        )
    };
    assert_eq!(run("llamacpp", "/models/m.gguf").text(), "x");
    let got = run("llamacpp", "/models/other.gguf");
    assert_eq!(
        (got.code(), got.events.len()),
        (Some(ErrorCode::Protocol), 0)
    );
    assert_eq!(run("openrouter", "other").text(), "x");
}

/// Of a provider elsewhere: what was asked is gone, and who answered is told.
#[test]
fn rt_b11_another_model_elsewhere_is_told_once_and_its_answer_goes_on() {
    let run = |dialect: &str, models: &[&str]| {
        let chunk = |model: &&str| {
            format!(r#"{{"model":{model},"choices":[{{"index":0,"delta":{{"content":"x"}}}}]}}"#)
        };
        let mut chunks: Vec<String> = models.iter().map(chunk).collect();
        chunks.push(finish("stop"));
        let body = sse(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
        let spec = ReplySpec {
            model_may_differ: true,
            ..declared(dialect, true)
        };
        let got = decode(&spec, &head(200, "text/event-stream"), body.as_bytes(), 7);
        assert_eq!(got.code(), None, "{dialect} {models:?}");
        assert_eq!(got.text(), "x".repeat(models.len()));
        assert!(matches!(got.events[0], ChatEvent::Started));
        let told = got.events.iter().filter_map(|event| match event {
            ChatEvent::ModelAnswered { model_id } => {
                Some(model_id.as_ref().map_or("?", ModelId::as_str).to_owned())
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    for dialect in ["generic", "openai", "vllm", "openrouter"] {
        for same in [
            r#""m""#,
            r#""m-2024-08-06""#,
            r#""vendor/M""#,
            r#""""#,
            "null",
        ] {
            assert!(run(dialect, &[same, same]).is_empty(), "{dialect} {same}");
        }
        let other = r#""other""#;
        assert_eq!(
            run(dialect, &[other, other, r#""m""#]),
            ["other"],
            "{dialect}"
        );
        assert_eq!(
            run(dialect, &[r#""m""#, other, r#""third""#]),
            ["other", "third"]
        );
        assert_eq!(run(dialect, &[r#""not a name""#]), ["?"]);
    }
}

#[test]
fn a_failure_status_is_a_failure_whatever_its_type() {
    let got = decode(
        &spec("deepseek", true),
        &head(400, "application/octet-stream"),
        br#"{"error":{"message":"m","code":"invalid_request_error"}}"#,
        3,
    );
    assert_eq!(got.code(), Some(ErrorCode::ProviderRejected), "q121");
    let long = vec![b' '; ERROR_CAP * 2];
    let got = decode(
        &spec("deepseek", true),
        &head(500, "text/html"),
        &long,
        1000,
    );
    assert_eq!(got.code(), Some(ErrorCode::Provider));
}

use handshake_transport::adapter::ERROR_CAP;

#[test]
fn a12_what_a_failed_turn_has_cost_is_reported() {
    let tail = r#"{"choices":[],"usage":{"total_tokens":9}}"#;
    let call =
        delta(r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"a","arguments":"{"}}]}"#);
    let got = stream("openai", &[&call, &finish("length"), tail]);
    assert_eq!(got.code(), Some(ErrorCode::TruncatedToolTurn));
    assert_eq!(got.usage().and_then(|usage| usage.total_tokens), Some(9));
}
