//! The provider speaks another shape: the body is translated, and the answer rendered.

use handshake_core::tier::Reach;
use handshake_simulator::{Model, Reply, Rule, Script, SimConfig, Simulator};
use serde_json::{Value, json};

use super::home::{Home, ask};

async fn home(reply: Reply) -> (Home, Simulator) {
    let script = Script::new()
        .model(
            Model::new("m")
                .capabilities(&["completion", "tools", "vision", "thinking"])
                .context_length(8192),
        )
        .rule(Rule::new(reply));
    let simulator = Simulator::start(SimConfig::with_script(script)).await;
    let simulator = simulator.expect("started");
    let home = Home::new().await;
    home.provider("local", "ollama", &simulator.url(), Reach::Direct)
        .await;
    (home, simulator)
}

fn chunks(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_stream_of_another_shape_is_rendered_as_chunks() {
    let (home, _simulator) = home(Reply::chunks(["one ", "two"])).await;
    let more = r#","stream_options":{"include_usage":true},"user":"u""#;
    let answer = home
        .post("te: trailers\r\n", &ask("local", true, more))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(
        answer.header("x-handshake-adjusted").as_deref(),
        Some("user")
    );
    let text = answer.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let chunks = chunks(&text);
    let content: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(content, "one two");
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let created = chunks[0]["created"].as_i64().expect("a time");
    assert!(created >= 1_767_225_600, "the clock's time, not zero");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["model"] == "local/m")
    );
    let last = chunks.last().expect("chunks");
    assert_eq!(last["choices"], json!([]));
    let usage = &last["usage"];
    let count = |name: &str| usage[name].as_u64().expect("reported");
    assert!(count("prompt_tokens") > 0 && count("completion_tokens") > 0);
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
    assert!(
        answer
            .trailers
            .to_ascii_lowercase()
            .contains("x-handshake-overhead-us: "),
        "{:?}",
        answer.trailers
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_an_object_of_another_shape_is_rendered_with_its_calls() {
    let reply = Reply::tool_call("look", json!({ "at": 1 }));
    let (home, _simulator) = home(reply).await;
    let tools = r#","tools":[{"type":"function","function":{"name":"look","strict":true,"parameters":{"type":"object","properties":{"at":{"type":"integer"}}}}}]"#;
    let answer = home.post("", &ask("local", false, tools)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.header("x-handshake-adjusted").as_deref(),
        Some("tools.function.strict"),
        "left out, and said so"
    );
    let object = answer.json();
    assert_eq!(object["object"], "chat.completion");
    assert!(object["created"].as_i64().expect("a time") >= 1_767_225_600);
    let choice = &object["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "look");
    let arguments = call["function"]["arguments"].as_str().expect("a text");
    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
    assert_eq!(arguments, json!({ "at": 1 }));
    assert!(answer.header("x-handshake-overhead-us").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_refusal_names_the_clients_own_member() {
    let (home, simulator) = home(Reply::text("x")).await;
    for (more, name) in [
        (r#","logit_bias":{"1":2}"#, "logit_bias"),
        (r#","seed":"abc""#, "seed"),
        (r#","reasoning_effort":7"#, "reasoning_effort"),
        (r#","stream_options":{"x":1}"#, "stream_options.x"),
    ] {
        let answer = home.post("", &ask("local", false, more)).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["param"], name, "{error}");
        assert_eq!(error["code"], "HSK-400-INVALID-REQUEST");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(name), "{message}");
        assert_eq!(answer.header("x-should-retry").as_deref(), Some("false"));
    }
    assert_eq!(simulator.requests(), 0);
    // Bounded and printable, whatever the client called it.
    let odd = format!(r#","{}\u0007":1"#, "é".repeat(200));
    let answer = home.post("", &ask("local", false, &odd)).await;
    let param = answer.json()["error"]["param"].clone();
    assert_eq!(param.as_str().map(str::len), Some(64), "{param}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_a_failure_keeps_its_status_until_the_first_piece() {
    let (home, _simulator) =
        home(Reply::raw(500, "application/json", "{\"error\":\"oops\"}")).await;
    for stream in [true, false] {
        let answer = home.post("", &ask("local", stream, "")).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(!answer.text().contains("oops"), "another shape's words");
    }
}
