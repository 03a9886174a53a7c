//! Ollama's shapes.

use handshake_simulator::{Daemon, Model, Reply, Rule, Script, UsageSpec};
use serde_json::json;

use crate::client::{OLLAMA, chat, frames, get, post, replying, scripted};

#[tokio::test]
async fn default_answer_streams_lines_and_ends_with_counters() {
    let sim = scripted(Script::new()).await;
    let answer = post(&sim, OLLAMA, &chat(true)).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("x-simulator"), Some("handshake-simulator"));
    assert_eq!(answer.header("date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
    assert!(answer.whole);
    insta::assert_snapshot!(answer.text());
}

#[tokio::test]
async fn default_answer_in_one_object() {
    let sim = scripted(Script::new()).await;
    let answer = post(&sim, OLLAMA, &chat(false)).await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    insta::assert_snapshot!(answer.text());
}

#[tokio::test]
async fn streaming_is_the_default_and_the_same_request_gets_the_same_bytes() {
    let sim = replying(Reply::tool_call("look", json!({"at": "x"}))).await;
    let mut request = chat(true);
    let streamed = post(&sim, OLLAMA, &request).await.body;
    assert_eq!(streamed, post(&sim, OLLAMA, &request).await.body);
    request.as_object_mut().expect("object").remove("stream");
    let unset = post(&sim, OLLAMA, &request).await;
    assert_eq!(unset.header("content-type"), Some("application/x-ndjson"));
}

#[tokio::test]
async fn q40_parallel_calls_arrive_whole_and_the_reason_is_stop() {
    let reply = Reply::tool_call("lookup_harbor_label", json!({}))
        .and_call("lookup_orchard_label", json!({"row": 3}))
        .reasoning("<two> & more");
    let sim = replying(reply).await;
    insta::assert_snapshot!(
        "calls_streamed",
        post(&sim, OLLAMA, &chat(true)).await.text()
    );
    insta::assert_snapshot!("calls_whole", post(&sim, OLLAMA, &chat(false)).await.text());
}

#[tokio::test]
async fn q53_absent_usage_is_absent_not_zero() {
    let sim = replying(Reply::text("ok").usage(UsageSpec::Absent)).await;
    let line = post(&sim, OLLAMA, &chat(false)).await.json();
    assert_eq!(line["done"], true);
    assert!(line.get("prompt_eval_count").is_none());
    assert!(line.get("eval_count").is_none());
}

#[tokio::test]
async fn control_routes() {
    let sim = scripted(
        Script::new()
            .model(Model::new("smol:latest"))
            .model(Model::new("far:latest").remote("https://example.com:443", "far-away")),
    )
    .await;
    insta::assert_snapshot!("version", get(&sim, "/api/version").await.text());
    insta::assert_snapshot!("status", get(&sim, "/api/status").await.text());
    insta::assert_snapshot!("tags", get(&sim, "/api/tags").await.text());
    let show = post(&sim, "/api/show", &json!({"model": "smol"})).await;
    insta::assert_snapshot!("show", show.text());
    let far = post(&sim, "/api/show", &json!({"model": "far"}))
        .await
        .json();
    assert_eq!(far["remote_host"], "https://example.com:443");
    assert_eq!(far["remote_model"], "far-away");
}

#[tokio::test]
async fn a3_loading_unloading_and_what_runs() {
    let sim = scripted(Script::new().model(Model::new("smol:latest"))).await;
    assert_eq!(get(&sim, "/api/ps").await.json(), json!({"models": []}));
    let load = json!({"model": "smol", "messages": [], "options": {"num_ctx": 2048}});
    insta::assert_snapshot!("load", post(&sim, OLLAMA, &load).await.text());
    insta::assert_snapshot!("ps", get(&sim, "/api/ps").await.text());
    for keep_alive in [json!(0), json!("0s"), json!("0")] {
        post(&sim, OLLAMA, &load).await;
        let unload = json!({"model": "smol", "messages": [], "keep_alive": keep_alive});
        let answer = post(&sim, OLLAMA, &unload).await.json();
        assert_eq!(answer["done_reason"], "unload");
        assert_eq!(get(&sim, "/api/ps").await.json(), json!({"models": []}));
    }
}

#[tokio::test]
async fn a7_local_suffix_is_served_and_echoed() {
    let sim = scripted(Script::new().model(Model::new("smol:latest"))).await;
    for name in ["smol", "smol:latest", "smol:local", "smol:latest:local"] {
        let request = json!({"model": name, "messages": [{"role": "user", "content": "x"}]});
        let answer = post(&sim, OLLAMA, &request).await;
        assert_eq!(answer.status, 200, "{name}");
        assert!(frames(&answer).iter().all(|line| line["model"] == name));
    }
    let older = Daemon {
        local_suffix: false,
        ..Daemon::default()
    };
    sim.set_script(Script::new().model(Model::new("smol:latest")).daemon(older))
        .expect("a good script");
    let request = json!({"model": "smol:local", "messages": [{"role": "user", "content": "x"}]});
    let answer = post(&sim, OLLAMA, &request).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json(),
        json!({"error": "model 'smol:local' not found"})
    );
}

#[tokio::test]
async fn a7_cloud_names_are_forwarded_though_nobody_pulled_them() {
    let sim = scripted(Script::new()).await;
    for (name, stem) in [("glm:cloud", "glm"), ("gpt-oss:20b-cloud", "gpt-oss:20b")] {
        let request = json!({"model": name, "messages": [{"role": "user", "content": "x"}]});
        let answer = post(&sim, OLLAMA, &request).await;
        assert_eq!(answer.status, 200);
        for line in frames(&answer) {
            assert_eq!(line["model"], name);
            assert_eq!(line["remote_model"], stem);
            assert_eq!(line["remote_host"], "https://ollama.com:443");
        }
        let show = post(&sim, "/api/show", &json!({"model": name}))
            .await
            .json();
        assert_eq!(show["remote_model"], stem);
    }
    let local = json!({"model": "glm:cloud:local", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(post(&sim, OLLAMA, &local).await.status, 404);

    let disabled = Daemon {
        cloud_disabled: true,
        ..Daemon::default()
    };
    sim.set_script(Script::new().daemon(disabled))
        .expect("a good script");
    let request = json!({"model": "glm:cloud", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(post(&sim, OLLAMA, &request).await.status, 403);
    assert_eq!(
        get(&sim, "/api/status").await.json()["cloud"]["disabled"],
        true
    );
}

#[tokio::test]
async fn what_a_daemon_refuses() {
    let sim = scripted(Script::new()).await;
    let user = json!([{"role": "user", "content": "hello"}]);
    let long = json!([{"role": "user", "content": "x".repeat(5000)}]);
    let cases = [
        (
            json!({"model": "nope", "messages": user}),
            404,
            "model 'nope' not found",
        ),
        (
            json!({"model": "sim-small", "messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            400,
            "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
        ),
        (
            json!({"model": "sim-small", "messages": user, "think": true}),
            400,
            "\"sim-small\" does not support thinking",
        ),
        (
            json!({"model": "sim-embed", "messages": user}),
            400,
            "\"sim-embed\" does not support chat",
        ),
        (
            json!({"model": "sim-small", "messages": long, "truncate": false, "options": {"num_ctx": 1024}}),
            400,
            "the input length exceeds the context length",
        ),
    ];
    for (request, status, message) in cases {
        let answer = post(&sim, OLLAMA, &request).await;
        assert_eq!(
            (answer.status, answer.json()),
            (status, json!({"error": message}))
        );
    }
    let silent = json!({"model": "sim-small", "messages": long, "options": {"num_ctx": 1024}});
    assert_eq!(
        post(&sim, OLLAMA, &silent).await.status,
        200,
        "truncated without a word"
    );
    let string = json!({"model": "sim-small", "messages": [
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]});
    assert_eq!(
        post(&sim, OLLAMA, &string).await.status,
        400,
        "arguments are objects here"
    );
    let tools =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    sim.set_script(Script::new().model(Model::new("plain:latest").capabilities(&["completion"])))
        .expect("a good script");
    let request = json!({"model": "plain", "messages": user, "tools": tools});
    let answer = post(&sim, OLLAMA, &request).await;
    assert_eq!(
        answer.json(),
        json!({"error": "registry.ollama.ai/library/plain does not support tools"})
    );
}

#[tokio::test]
async fn thinking_comes_first_and_can_be_turned_off() {
    let sim = scripted(Script::new()).await;
    let request = json!({"model": "sim-large", "stream": false,
        "messages": [{"role": "user", "content": "x"}]});
    let thought = post(&sim, OLLAMA, &request).await.json();
    assert_eq!(
        thought["message"]["thinking"],
        "The simulator only pretends to think."
    );
    let mut request = request;
    request["think"] = json!(false);
    let silent = post(&sim, OLLAMA, &request).await.json();
    assert!(silent["message"].get("thinking").is_none());
}

#[tokio::test]
async fn b4_a_schema_gets_an_instance_and_a_bound_cuts() {
    let sim = scripted(Script::new()).await;
    let mut request = chat(false);
    request["format"] = json!({"type": "object", "required": ["name", "age"], "properties": {
        "name": {"type": "string"}, "age": {"type": "integer", "minimum": 18},
        "kind": {"enum": ["cat", "dog"]}}});
    let answer = post(&sim, OLLAMA, &request).await.json();
    let content = answer["message"]["content"].as_str().expect("text");
    let content: serde_json::Value = serde_json::from_str(content).expect("JSON");
    assert_eq!(
        content,
        json!({"name": "simulated", "age": 18, "kind": "cat"})
    );

    request["options"] = json!({"num_predict": 2});
    let cut = post(&sim, OLLAMA, &request).await.json();
    assert_eq!(cut["done_reason"], "length");
    assert_eq!(cut["message"]["content"].as_str().map(str::len), Some(8));
}

#[tokio::test]
async fn embeddings() {
    let sim = scripted(Script::new()).await;
    let request = json!({"model": "sim-embed", "input": ["a", "b", "a"]});
    let answer = post(&sim, "/api/embed", &request).await.json();
    let vectors = answer["embeddings"].as_array().expect("vectors");
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1]);
    insta::assert_snapshot!(answer["embeddings"][0].to_string());
    let chatty = json!({"model": "sim-small", "input": "a"});
    assert_eq!(post(&sim, "/api/embed", &chatty).await.status, 400);
}

#[tokio::test]
async fn unknown_routes_and_methods() {
    let sim = scripted(Script::new()).await;
    assert_eq!(get(&sim, "/api/nothing").await.status, 404);
    assert_eq!(get(&sim, OLLAMA).await.status, 405);
    assert_eq!(post(&sim, "/api/tags", &json!({})).await.status, 405);
}

#[tokio::test]
async fn rules_reach_control_routes() {
    use handshake_simulator::{Fault, Route};
    let script = Script::new()
        .rule(Rule::new(Fault::Html).route(Route::Models))
        .rule(Rule::new(Reply::raw(200, "application/json", "{}")).route(Route::Show))
        .rule(Rule::new(Fault::status(500)).route(Route::Load));
    let sim = scripted(script).await;
    assert_eq!(
        get(&sim, "/api/tags").await.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        post(&sim, "/api/show", &json!({"model": "x"})).await.text(),
        "{}"
    );
    let load = json!({"model": "sim-small", "messages": []});
    assert_eq!(post(&sim, OLLAMA, &load).await.status, 500);
    assert_eq!(post(&sim, OLLAMA, &chat(true)).await.status, 200);
}
