//! Every fault does what it says, seen from a socket.

use std::time::{Duration, Instant};

use handshake_simulator::{
    Fault, Reply, Rule, Script, ScriptError, SimConfig, SimError, Simulator,
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::client::{
    OLLAMA, OPENAI, PATIENCE, begin, chat, events, exchange, frames, parse, post, replying,
    scripted,
};

/// A reply of three chunks with a fault.
pub(crate) fn faulty(fault: Fault) -> Reply {
    Reply::chunks(["one ", "two ", "three"]).fault(fault)
}

pub(crate) async fn both(fault: Fault) -> (crate::client::Answer, crate::client::Answer) {
    let sim = replying(faulty(fault)).await;
    let ollama = post(&sim, OLLAMA, &chat(true)).await;
    let openai = post(&sim, OPENAI, &chat(true)).await;
    (ollama, openai)
}

#[tokio::test]
async fn a14_status_with_retry_after_in_each_shape() {
    let (ollama, openai) = both(Fault::retry_after(429, "7")).await;
    for answer in [&ollama, &openai] {
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert_eq!(answer.header("x-simulator"), Some("handshake-simulator"));
    }
    assert_eq!(
        ollama.json(),
        json!({"error": "rate limit reached for requests"})
    );
    insta::assert_snapshot!(openai.text());
}

#[tokio::test]
async fn status_with_a_body_of_any_type() {
    let (ollama, _) = both(Fault::status_body(502, "text/html", "<h1>Bad Gateway</h1>")).await;
    assert_eq!(ollama.status, 502);
    assert_eq!(ollama.header("content-type"), Some("text/html"));
    assert_eq!(ollama.text(), "<h1>Bad Gateway</h1>");
}

#[tokio::test]
async fn q103_web_page_with_200() {
    let (_, openai) = both(Fault::Html).await;
    assert_eq!(openai.status, 200);
    assert_eq!(
        openai.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(openai.text().starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn q108_redirect() {
    let location = "http://127.0.0.1:1/elsewhere".to_owned();
    let (ollama, _) = both(Fault::Redirect { location }).await;
    assert_eq!(ollama.status, 307);
    assert_eq!(
        ollama.header("location"),
        Some("http://127.0.0.1:1/elsewhere")
    );
}

#[tokio::test]
async fn hangup_before_the_head() {
    let sim = replying(Fault::Hangup).await;
    let body = chat(true).to_string();
    assert!(exchange(&sim, "POST", OLLAMA, "", &body).await.is_none());
    tokio::time::timeout(PATIENCE, sim.wait_idle())
        .await
        .expect("the connection is gone");
}

#[tokio::test]
async fn b5_a_drop_cuts_the_connection_at_the_very_byte() {
    let whole = {
        let sim = replying(Reply::chunks(["one ", "two ", "three"])).await;
        post(&sim, OPENAI, &chat(true)).await.body
    };
    for bytes in [0, 1, 100, whole.len() - 1, whole.len()] {
        let sim = replying(faulty(Fault::DropAfter { bytes })).await;
        let answer = post(&sim, OPENAI, &chat(true)).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.whole, "{bytes}");
        assert_eq!(answer.body, whole[..bytes], "{bytes}");
    }
}

#[tokio::test]
async fn a_drop_also_cuts_a_body_with_a_length() {
    let sim = replying(faulty(Fault::DropAfter { bytes: 10 })).await;
    let answer = post(&sim, OLLAMA, &chat(false)).await;
    assert!(!answer.whole);
    assert_eq!(answer.body.len(), 10);
    assert!(answer.header("content-length").is_some());
}

#[tokio::test]
async fn a_drop_behind_a_large_body_loses_nothing() {
    let reply = Reply::text("x".repeat(3_000_000)).fault(Fault::DropAfter { bytes: 2_999_999 });
    let sim = replying(reply).await;
    let answer = post(&sim, OLLAMA, &chat(true)).await;
    assert!(!answer.whole);
    assert_eq!(answer.body.len(), 2_999_999);
}

#[tokio::test]
async fn a_stall_delays_the_head() {
    let sim = replying(faulty(Fault::StallHead { ms: 150 })).await;
    let start = Instant::now();
    let answer = post(&sim, OLLAMA, &chat(true)).await;
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert!(answer.whole);
}

#[tokio::test]
async fn a_stall_for_ever_sends_what_goes_before_and_ends_with_the_client() {
    let sim = replying(faulty(Fault::StallAfter {
        bytes: 20,
        ms: None,
    }))
    .await;
    let mut stream = begin(&sim, "POST", OLLAMA, "", &chat(true).to_string()).await;
    let mut bytes = Vec::new();
    let quiet = tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut bytes));
    assert!(quiet.await.is_err(), "the connection stays open");
    let answer = parse(&bytes).expect("the head came");
    assert_eq!(answer.body.len(), 20);
    assert_eq!(sim.open_connections(), 1);
    drop(stream);
    tokio::time::timeout(PATIENCE, sim.wait_idle())
        .await
        .expect("the server noticed");
}

#[tokio::test]
async fn a_stall_of_some_time_goes_on() {
    let sim = replying(faulty(Fault::StallAfter {
        bytes: 20,
        ms: Some(100),
    }))
    .await;
    let start = Instant::now();
    let answer = post(&sim, OPENAI, &chat(true)).await;
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert!(answer.whole);
    assert_eq!(events(&answer).last().map(String::as_str), Some("[DONE]"));
}

#[tokio::test]
async fn malformed_frame_in_the_middle() {
    let (ollama, openai) = both(Fault::Malformed { after: 1 }).await;
    assert_eq!(ollama.text().lines().nth(1), Some(r#"{"model":"#));
    assert_eq!(events(&openai)[1], r#"{"model":"#);
    assert!(frames(&ollama).len() >= 4, "good frames go on");
    let sim = replying(faulty(Fault::Malformed { after: 1 })).await;
    let whole = post(&sim, OPENAI, &chat(false)).await;
    assert!(whole.whole && serde_json::from_slice::<Value>(&whole.body).is_err());
}

#[tokio::test]
async fn q98_byte_that_is_not_utf8() {
    let (ollama, openai) = both(Fault::InvalidUtf8 { after: 1 }).await;
    for answer in [ollama, openai] {
        assert!(std::str::from_utf8(&answer.body).is_err());
    }
}

#[tokio::test]
async fn q99_oversize_line() {
    let (ollama, openai) = both(Fault::OversizeLine {
        after: 1,
        bytes: 2_000_000,
    })
    .await;
    for answer in [ollama, openai] {
        let longest = answer.text().lines().map(str::len).max().expect("lines");
        assert!(longest > 2_000_000);
        assert!(answer.whole);
    }
}

#[tokio::test]
async fn q50_clean_end_without_finish() {
    let (ollama, openai) = both(Fault::NoFinish { keep_done: false }).await;
    assert!(ollama.whole && openai.whole);
    assert!(frames(&ollama).iter().all(|line| line["done"] == false));
    assert!(!openai.text().contains("[DONE]"));
    assert!(
        frames(&openai)
            .iter()
            .all(|c| c["choices"][0]["finish_reason"].is_null())
    );
    let sim = replying(faulty(Fault::NoFinish { keep_done: false })).await;
    let whole = post(&sim, OLLAMA, &chat(false)).await.json();
    assert_eq!(whole["done"], false);
    let whole = post(&sim, OPENAI, &chat(false)).await.json();
    assert!(whole["choices"][0]["finish_reason"].is_null());
}

#[tokio::test]
async fn q48_q49_done_and_finish_apart() {
    let (_, openai) = both(Fault::NoFinish { keep_done: true }).await;
    assert_eq!(events(&openai).last().map(String::as_str), Some("[DONE]"));
    let (_, openai) = both(Fault::NoDone).await;
    assert!(!openai.text().contains("[DONE]"));
    let last = frames(&openai).pop().expect("chunks");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn q100_error_object_in_the_stream() {
    let fault = Fault::StreamError {
        after: 2,
        message: "the model crashed".to_owned(),
    };
    let (ollama, openai) = both(fault.clone()).await;
    assert_eq!(ollama.status, 200);
    assert_eq!(
        ollama.text().lines().last(),
        Some(r#"{"error":"the model crashed"}"#)
    );
    assert_eq!(ollama.text().lines().count(), 3);
    assert_eq!(events(&openai).len(), 3);
    let last = frames(&openai).pop().expect("chunks");
    assert_eq!(last["error"]["message"], "the model crashed");
    let sim = replying(faulty(fault)).await;
    let whole = post(&sim, OPENAI, &chat(false)).await;
    assert_eq!(
        (whole.status, whole.json()["error"]["type"].clone()),
        (200, json!("server_error"))
    );
}

#[tokio::test]
async fn faults_come_before_what_the_server_refuses_and_words_do_not() {
    let script = Script::new()
        .rule(Rule::new(Fault::status(503)).times(1))
        .rule(Rule::new("never said"));
    let sim = scripted(script).await;
    let unknown = json!({"model": "nope", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(post(&sim, OPENAI, &unknown).await.status, 503);
    assert_eq!(post(&sim, OPENAI, &unknown).await.status, 404);
    assert_eq!(post(&sim, OLLAMA, &unknown).await.status, 404);
}

#[tokio::test]
async fn q90_keep_alives() {
    let (ollama, openai) = both(Fault::Comments { every: 2 }).await;
    assert!(
        openai
            .text()
            .starts_with(": SIMULATOR PROCESSING\n\ndata: ")
    );
    assert_eq!(openai.text().matches(": SIMULATOR PROCESSING").count(), 3);
    assert!(ollama.text().starts_with("\n{"));
}

#[tokio::test]
async fn q95_q97_byte_order_mark_and_crlf() {
    let sim = replying(faulty(Fault::Bom).fault(Fault::Crlf)).await;
    for path in [OLLAMA, OPENAI] {
        let answer = post(&sim, path, &chat(true)).await;
        assert!(answer.body.starts_with(&[0xef, 0xbb, 0xbf]));
        assert_eq!(
            answer.text().matches('\n').count(),
            answer.text().matches("\r\n").count()
        );
        assert!(answer.text().contains("\r\n"));
    }
}

#[tokio::test]
async fn q96_rechunked_bodies_split_anywhere_and_say_the_same() {
    let sim = replying(Reply::chunks(["käse ", "東京"])).await;
    let plain = post(&sim, OPENAI, &chat(true)).await.body;
    for size in [1, 3, 7] {
        let reply = Reply::chunks(["käse ", "東京"]).fault(Fault::Rechunk { size });
        let sim = replying(reply).await;
        let answer = post(&sim, OPENAI, &chat(true)).await;
        assert_eq!(answer.body, plain);
        let (last, full) = answer.chunks.split_last().expect("chunks");
        assert!(full.iter().all(|chunk| chunk.len() == size) && last.len() <= size);
    }
}

#[tokio::test]
async fn each_frame_is_a_chunk_of_its_own_and_can_be_paced() {
    let sim = replying(faulty(Fault::Pace { ms: 20 })).await;
    let start = Instant::now();
    let answer = post(&sim, OLLAMA, &chat(true)).await;
    assert_eq!(answer.chunks.len(), 4);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn unterminated_last_line() {
    let (ollama, openai) = both(Fault::NoLastNewline).await;
    assert!(ollama.text().ends_with('}'));
    assert!(openai.text().ends_with("[DONE]"));
}

#[tokio::test]
async fn raw_answers_are_byte_for_byte() {
    let sim = replying(Reply::raw(
        200,
        "text/event-stream",
        b"data: \xff\r\n\r\n".as_slice(),
    ))
    .await;
    let answer = post(&sim, OPENAI, &chat(true)).await;
    assert_eq!(answer.body, b"data: \xff\r\n\r\n");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-simulator"), Some("handshake-simulator"));
    let reply =
        Reply::raw(200, "text/event-stream", "0123456789").fault(Fault::DropAfter { bytes: 4 });
    let sim = replying(reply).await;
    let answer = post(&sim, OPENAI, &chat(true)).await;
    assert_eq!((answer.text().as_str(), answer.whole), ("0123", false));
}

#[tokio::test]
async fn scripts_that_http_cannot_carry_are_refused_at_the_start() {
    let bad = [
        Reply::from(Fault::status(99)),
        Reply::from(Fault::Redirect {
            location: "a\r\nb: c".to_owned(),
        }),
        Reply::from(Fault::Rechunk { size: 0 }),
        Reply::from(Fault::Comments { every: 0 }),
        Reply::raw(200, "a\nb", ""),
        Reply::raw(100, "text/plain", ""),
    ];
    for reply in bad {
        let script = Script::new().rule(Rule::new("fine")).rule(Rule::new(reply));
        let error = Simulator::start(SimConfig::with_script(script)).await.err();
        assert!(matches!(
            error,
            Some(SimError::Script(ScriptError::Rule { rule: 1, .. }))
        ));
    }
    let sim = scripted(Script::new()).await;
    assert!(
        sim.set_script(Script::new().rule(Rule::new(Fault::status(600))))
            .is_err()
    );
    assert_eq!(
        post(&sim, OLLAMA, &chat(true)).await.status,
        200,
        "the old script stays"
    );
}
