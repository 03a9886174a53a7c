//! OpenAI-compatible shapes.

use handshake_simulator::{Model, Reply, Script, ToolIdRule, UsageSpec};
use serde_json::{Value, json};

use crate::client::{OPENAI, chat, events, frames, get, post, replying, scripted};

fn with_usage() -> Value {
    let mut request = chat(true);
    request["stream_options"] = json!({"include_usage": true});
    request
}

#[tokio::test]
async fn default_answer_as_events_without_usage() {
    let sim = scripted(Script::new()).await;
    let answer = post(&sim, OPENAI, &chat(true)).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(answer.header("x-simulator"), Some("handshake-simulator"));
    assert!(answer.whole);
    assert!(!answer.text().contains("\"usage\""));
    insta::assert_snapshot!(answer.text());
}

#[tokio::test]
async fn q52_usage_has_a_chunk_of_its_own_when_asked_for() {
    let sim = replying(Reply::text("ok")).await;
    let answer = post(&sim, OPENAI, &with_usage()).await;
    insta::assert_snapshot!(answer.text());
    let chunks = frames(&answer);
    let (tail, rest) = chunks.split_last().expect("chunks");
    assert_eq!(tail["choices"], json!([]));
    assert_eq!(tail["usage"]["completion_tokens"], 1);
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null()));
}

#[tokio::test]
async fn default_answer_in_one_object() {
    let sim = scripted(Script::new()).await;
    let answer = post(&sim, OPENAI, &chat(false)).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    insta::assert_snapshot!(answer.text());
}

#[tokio::test]
async fn parallel_calls_with_string_arguments() {
    let reply = Reply::tool_call("read_file", json!({"path": "a.txt"}))
        .and_call("read_file", json!({"path": "b.txt"}));
    let sim = replying(reply).await;
    let streamed = post(&sim, OPENAI, &chat(true)).await;
    insta::assert_snapshot!("calls_streamed", streamed.text());
    insta::assert_snapshot!("calls_whole", post(&sim, OPENAI, &chat(false)).await.text());
    let mut arguments = [String::new(), String::new()];
    for chunk in frames(&streamed) {
        for call in chunk["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let index = usize::try_from(call["index"].as_u64().expect("an index")).expect("small");
            arguments[index].push_str(call["function"]["arguments"].as_str().expect("a string"));
        }
    }
    assert_eq!(arguments, [r#"{"path":"a.txt"}"#, r#"{"path":"b.txt"}"#]);
}

#[tokio::test]
async fn b9_b10_reasoning_and_refusal_have_their_own_members() {
    let sim = replying(
        Reply::refusal("I will not.")
            .reasoning("Should I? ")
            .reasoning("No."),
    )
    .await;
    insta::assert_snapshot!(
        "refusal_streamed",
        post(&sim, OPENAI, &chat(true)).await.text()
    );
    let whole = post(&sim, OPENAI, &chat(false)).await.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["refusal"], "I will not.");
    assert_eq!(message["reasoning_content"], "Should I? No.");
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn usage_can_be_absent_or_fixed() {
    let sim = replying(Reply::text("ok").usage(UsageSpec::Absent)).await;
    assert!(
        !post(&sim, OPENAI, &with_usage())
            .await
            .text()
            .contains("prompt_tokens")
    );
    let fixed = UsageSpec::Fixed {
        prompt: 100,
        completion: 20,
        cached: 64,
        reasoning: 5,
    };
    let sim = replying(Reply::text("ok").usage(fixed)).await;
    let usage = post(&sim, OPENAI, &chat(false)).await.json()["usage"].take();
    assert_eq!(
        usage,
        json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 5}})
    );
}

#[tokio::test]
async fn models_under_any_base_path() {
    let sim = scripted(Script::new().model(Model::new("vendor/model"))).await;
    insta::assert_snapshot!("models", get(&sim, "/v1/models").await.text());
    for path in ["/models", "/api/v1/models", "/openai/v1/models"] {
        assert_eq!(
            get(&sim, path).await.json()["data"][0]["id"],
            "vendor/model",
            "{path}"
        );
    }
    assert_eq!(
        get(&sim, "/v1/models/vendor/model").await.json()["id"],
        "vendor/model"
    );
    insta::assert_snapshot!("model_unknown", get(&sim, "/v1/models/nope").await.text());
    let request = json!({"model": "vendor/model", "messages": [{"role": "user", "content": "x"}]});
    for path in [
        "/chat/completions",
        "/api/v1/chat/completions",
        "/openai/deployments/d/chat/completions",
    ] {
        assert_eq!(post(&sim, path, &request).await.status, 200, "{path}");
    }
    assert_eq!(get(&sim, "/v1/responses").await.status, 404);
    assert_eq!(get(&sim, OPENAI).await.status, 405);
}

#[tokio::test]
async fn what_openai_refuses() {
    let sim = scripted(Script::new()).await;
    let user = json!({"role": "user", "content": "x"});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "call_1", "content": "y"});
    let object = json!({"role": "assistant", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {}}}]});
    let base = |messages: Value| json!({"model": "sim-small", "messages": messages});
    let with = |key: &str, value: Value| {
        let mut request = base(json!([user]));
        request[key] = value;
        request
    };
    let tool = |name: &str| json!([{"type": "function", "function": {"name": name}}]);

    let fine = post(&sim, OPENAI, &base(json!([user, call, result]))).await;
    assert_eq!(fine.status, 200, "{}", fine.text());
    let refused = [
        ("empty", base(json!([]))),
        ("orphan result", base(json!([user, result]))),
        ("unanswered call", base(json!([user, call, user]))),
        ("unanswered at the end", base(json!([user, call]))),
        ("answered twice", base(json!([user, call, result, result]))),
        ("object arguments", base(json!([user, object, result]))),
        (
            "unknown role",
            base(json!([{"role": "oracle", "content": "x"}])),
        ),
        ("dotted tool name", with("tools", tool("fs.read"))),
        ("long tool name", with("tools", tool(&"x".repeat(65)))),
        ("temperature", with("temperature", json!(99))),
        (
            "stream options",
            with("stream_options", json!({"include_usage": true})),
        ),
        ("format", with("response_format", json!({"type": "yaml"}))),
        (
            "nameless schema",
            with("response_format", json!({"type": "json_schema"})),
        ),
    ];
    for (what, request) in refused {
        let answer = post(&sim, OPENAI, &request).await;
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(
            answer.json()["error"]["type"],
            "invalid_request_error",
            "{what}"
        );
    }
    let unknown = post(&sim, OPENAI, &json!({"model": "nope", "messages": [user]})).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["error"]["code"], "model_not_found");
    let long = base(json!([{"role": "user", "content": "x".repeat(40_000)}]));
    let overflow = post(&sim, OPENAI, &long).await;
    assert_eq!(overflow.json()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn q21_q24_ids_follow_the_family() {
    let script = Script::new()
        .model(Model::new("mistral").tool_ids(ToolIdRule::Strict9))
        .model(Model::new("kimi").tool_ids(ToolIdRule::Kimi))
        .rule(handshake_simulator::Rule::new(Reply::tool_call(
            "f",
            json!({}),
        )));
    let sim = scripted(script).await;
    let ask = |model: &str, id: Option<&str>| {
        let mut messages = vec![json!({"role": "user", "content": "x"})];
        if let Some(id) = id {
            messages.push(json!({"role": "assistant", "tool_calls": [
                {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}));
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "y"}));
        }
        json!({"model": model, "messages": messages})
    };
    let minted = |answer: Value| {
        let id = &answer["choices"][0]["message"]["tool_calls"][0]["id"];
        id.as_str().expect("an id").to_owned()
    };
    let id = minted(post(&sim, OPENAI, &ask("mistral", None)).await.json());
    assert!(
        id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
    let next = minted(post(&sim, OPENAI, &ask("mistral", Some(&id))).await.json());
    assert_ne!(id, next);
    let bad = post(&sim, OPENAI, &ask("mistral", Some("call_123"))).await;
    assert_eq!(
        (bad.status, bad.json()["error"]["code"].clone()),
        (400, json!("3280"))
    );
    let first = minted(post(&sim, OPENAI, &ask("kimi", None)).await.json());
    assert_eq!(first, "functions.f:0");
    let second = minted(post(&sim, OPENAI, &ask("kimi", Some(&first))).await.json());
    assert_eq!(second, "functions.f:1");
}

#[tokio::test]
async fn b4_a_schema_gets_an_instance() {
    let sim = scripted(Script::new()).await;
    let mut request = chat(true);
    request["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "s",
        "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}});
    let answer = post(&sim, OPENAI, &request).await;
    let text: String = frames(&answer)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, r#"{"ok":true}"#);
    assert_eq!(events(&answer).last().map(String::as_str), Some("[DONE]"));
}

#[tokio::test]
async fn embeddings_as_numbers_and_as_base64() {
    let sim = scripted(Script::new()).await;
    let mut request = json!({"model": "sim-embed", "input": "a", "dimensions": 2});
    insta::assert_snapshot!(
        "embeddings",
        post(&sim, "/v1/embeddings", &request).await.text()
    );
    request["encoding_format"] = json!("base64");
    let coded = post(&sim, "/v1/embeddings", &request).await.json();
    insta::assert_snapshot!("embedding_base64", coded["data"][0]["embedding"]);
}
