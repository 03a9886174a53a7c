//! What real servers do differently, one by one.

use handshake_simulator::{Fault, Reply};
use serde_json::{Value, json};

use crate::client::{OLLAMA, OPENAI, chat, frames, post, replying};
use crate::faults::{both, faulty};

#[tokio::test]
async fn q43_finish_reasons_are_verbatim() {
    let sim = replying(Reply::text("x").finish("insufficient_system_resource")).await;
    let openai = post(&sim, OPENAI, &chat(false)).await.json();
    assert_eq!(
        openai["choices"][0]["finish_reason"],
        "insufficient_system_resource"
    );
    let ollama = post(&sim, OLLAMA, &chat(false)).await.json();
    assert_eq!(ollama["done_reason"], "insufficient_system_resource");
}

#[tokio::test]
async fn q41_cut_arguments_under_length() {
    let reply = Reply::tool_call("read_file", json!({"path": "a.txt"}))
        .and_call("read_file", json!({"path": "b.txt"}))
        .finish("length")
        .fault(Fault::CutArguments { call: 1, bytes: 8 });
    let sim = replying(reply).await;
    let openai = post(&sim, OPENAI, &chat(false)).await.json();
    let calls = &openai["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], r#"{"path":"a.txt"}"#);
    assert_eq!(calls[1]["function"]["arguments"], r#"{"path":"#);
    assert_eq!(openai["choices"][0]["finish_reason"], "length");
    // ollama#17274: the call that did not parse is gone without a word.
    let ollama = post(&sim, OLLAMA, &chat(false)).await.json();
    assert_eq!(
        ollama["message"]["tool_calls"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(ollama["done_reason"], "length");
}

#[tokio::test]
async fn q37_q39_arguments_of_any_text() {
    let reply = Reply::default()
        .and_text_call("f", "null")
        .and_text_call("f", r#"{"a":1,"a":2}"#)
        .and_text_call("f", "{} {}");
    let sim = replying(reply).await;
    let openai = post(&sim, OPENAI, &chat(false)).await.json();
    let calls = openai["choices"][0]["message"]["tool_calls"]
        .as_array()
        .expect("calls");
    let texts: Vec<&Value> = calls
        .iter()
        .map(|call| &call["function"]["arguments"])
        .collect();
    assert_eq!(texts, ["null", r#"{"a":1,"a":2}"#, "{} {}"]);
    let ollama = post(&sim, OLLAMA, &chat(false)).await.json();
    assert_eq!(
        ollama["message"]["tool_calls"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn q41b_the_native_reason_tells_the_cut() {
    let reply = Reply::tool_call("f", json!({"a": 1})).native_finish("max_output_tokens");
    let sim = replying(reply).await;
    let choice = post(&sim, OPENAI, &chat(false)).await.json()["choices"][0].take();
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["native_finish_reason"], "max_output_tokens");
}

#[tokio::test]
async fn q46_duplicated_finish_carries_the_usage() {
    let (ollama, openai) = both(Fault::DuplicateFinish).await;
    let finished: Vec<Value> = frames(&openai)
        .into_iter()
        .filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop")
        .collect();
    assert_eq!(finished.len(), 2);
    assert!(finished[0].get("usage").is_none());
    assert!(finished[1]["usage"]["total_tokens"].is_u64());
    assert_eq!(
        frames(&ollama)
            .iter()
            .filter(|line| line["done"] == true)
            .count(),
        2
    );
}

#[tokio::test]
async fn q58_q59_the_other_form_of_answer() {
    let (ollama, openai) = both(Fault::IgnoreStream).await;
    assert_eq!(openai.header("content-type"), Some("application/json"));
    assert_eq!(ollama.json()["done"], true);
    let sim = replying(faulty(Fault::ForceStream)).await;
    let answer = post(&sim, OPENAI, &chat(false)).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
}

#[tokio::test]
async fn wrong_content_type_model_and_host() {
    let (_, openai) = both(Fault::ContentType {
        value: "application/octet-stream".to_owned(),
    })
    .await;
    assert_eq!(
        openai.header("content-type"),
        Some("application/octet-stream")
    );
    let (ollama, openai) = both(Fault::ModelName {
        name: "other".to_owned(),
    })
    .await;
    assert!(
        frames(&ollama)
            .iter()
            .chain(&frames(&openai))
            .all(|frame| frame["model"] == "other")
    );
    let (ollama, _) = both(Fault::RemoteHost {
        host: "https://example.com:443".to_owned(),
    })
    .await;
    assert!(
        frames(&ollama)
            .iter()
            .all(|line| line["remote_host"] == "https://example.com:443")
    );
}

/// The deltas of the calls of a streamed answer with two calls.
async fn call_deltas(faults: &[Fault]) -> (Vec<Value>, Vec<Value>) {
    let reply = Reply::tool_call("f", json!({"path": "a.txt"})).and_call("g", json!({}));
    let reply = faults
        .iter()
        .fold(reply, |reply, fault| reply.fault(fault.clone()));
    let sim = replying(reply).await;
    let answer = post(&sim, OPENAI, &chat(true)).await;
    let chunks = frames(&answer);
    let calls = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .flatten()
        .cloned()
        .collect();
    (chunks, calls)
}

#[tokio::test]
async fn q01_to_q12_tool_call_deltas_as_servers_bend_them() {
    let (_, plain) = call_deltas(&[]).await;
    assert_eq!(
        plain.iter().filter(|call| call.get("id").is_some()).count(),
        2
    );
    let (_, calls) = call_deltas(&[Fault::NoCallIndex]).await;
    assert!(calls.iter().all(|call| call.get("index").is_none()));
    let (_, calls) = call_deltas(&[Fault::SameCallIndex]).await;
    assert!(calls.iter().all(|call| call["index"] == 0));
    let (_, calls) = call_deltas(&[Fault::NoCallIds]).await;
    assert!(calls.iter().all(|call| call.get("id").is_none()));
    let (_, calls) = call_deltas(&[Fault::BlankContinuations]).await;
    assert!(
        calls
            .iter()
            .any(|call| call["id"] == "" && call["function"]["name"] == "")
    );
    let (chunks, calls) = call_deltas(&[Fault::CallsWithFinish]).await;
    assert_eq!(calls.len(), 2);
    let last = chunks.last().expect("chunks");
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        last["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert!(last["usage"]["total_tokens"].is_u64());
}

#[tokio::test]
async fn q52_q60_usage_on_the_finish_chunk_and_the_name_of_reasoning() {
    let reply = Reply::text("x")
        .reasoning("hm")
        .fault(Fault::UsageOnFinish)
        .fault(Fault::ReasoningField {
            name: "reasoning".to_owned(),
        });
    let sim = replying(reply).await;
    let chunks = frames(&post(&sim, OPENAI, &chat(true)).await);
    let last = chunks.last().expect("chunks");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(last["usage"]["total_tokens"].is_u64());
    assert!(
        chunks
            .iter()
            .any(|chunk| chunk["choices"][0]["delta"]["reasoning"] == "hm")
    );
}
