//! Which rule answers, and scripts as files.

use handshake_simulator::{Fault, Model, Reply, Rule, Script, ScriptError, Wire};
use serde_json::{Value, json};

use crate::client::{OLLAMA, OPENAI, chat, post, scripted};

fn said(answer: &crate::client::Answer) -> String {
    let json = answer.json();
    let ollama = json["message"]["content"].as_str();
    let openai = json["choices"][0]["message"]["content"].as_str();
    ollama.or(openai).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_first_rule_that_matches_answers() {
    let script = Script::new()
        .rule(Rule::new("wire").wire(Wire::OpenAi))
        .rule(Rule::new("contains").contains("needle"))
        .rule(Rule::new("tools").has_tools(true))
        .rule(Rule::new("after a tool").after_tool(true))
        .rule(Rule::new("model").model("sim-large"));
    let sim = scripted(script).await;
    let user = json!({"role": "user", "content": "x"});
    let ask = |extra: Value| {
        let mut request = json!({"model": "sim-small", "messages": [user], "stream": false});
        for (key, value) in extra.as_object().expect("object") {
            request[key] = value.clone();
        }
        request
    };
    assert_eq!(said(&post(&sim, OPENAI, &chat(false)).await), "wire");
    let cases = [
        (
            json!({"messages": [{"role": "user", "content": "a needle here"}]}),
            "contains",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a needle here"},
                             {"role": "assistant", "content": "what?"}]}),
            "contains",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
            "tools",
        ),
        (
            json!({"messages": [user, {"role": "tool", "content": "y"}]}),
            "after a tool",
        ),
        (json!({"model": "sim-large"}), "model"),
        (json!({}), "This is the handshake simulator. You said: x"),
    ];
    for (extra, expected) in cases {
        assert_eq!(said(&post(&sim, OLLAMA, &ask(extra)).await), expected);
    }
}

#[tokio::test]
async fn nth_counts_every_match_and_times_wears_out() {
    let script = Script::new()
        .rule(Rule::new("third").nth(3))
        .rule(Rule::new("twice").times(2))
        .rule(Rule::new("fourth").nth(4));
    let sim = scripted(script.clone()).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(said(&post(&sim, OLLAMA, &chat(false)).await));
    }
    let echo = "This is the handshake simulator. You said: hello there";
    assert_eq!(answers, ["twice", "twice", "third", "fourth", echo, echo]);
    sim.set_script(script).expect("a good script");
    assert_eq!(
        said(&post(&sim, OLLAMA, &chat(false)).await),
        "twice",
        "counts start anew"
    );
}

#[tokio::test]
async fn the_demo_loop_tool_call_then_result() {
    let script = Script::new()
        .rule(
            Rule::new(Reply::tool_call("read_file", json!({"path": "a"})))
                .has_tools(true)
                .after_tool(false),
        )
        .rule(Rule::new("The file says: {{last}}").after_tool(true));
    let sim = scripted(script).await;
    let tools = json!([{"type": "function", "function": {"name": "read_file"}}]);
    let first = json!({"model": "sim-small", "stream": false, "tools": tools,
        "messages": [{"role": "user", "content": "read it"}]});
    let answer = post(&sim, OPENAI, &first).await.json();
    let message = answer["choices"][0]["message"].clone();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let id = &message["tool_calls"][0]["id"];
    let second = json!({"model": "sim-small", "stream": false, "tools": tools, "messages": [
        {"role": "user", "content": "read it"}, message,
        {"role": "tool", "tool_call_id": id, "content": "forty-two"}]});
    assert_eq!(
        said(&post(&sim, OPENAI, &second).await),
        "The file says: forty-two"
    );
}

#[tokio::test]
async fn without_a_rule_offered_tools_are_not_called() {
    let sim = scripted(Script::new()).await;
    let mut request = chat(false);
    request["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let answer = post(&sim, OPENAI, &request).await.json();
    assert!(answer["choices"][0]["message"].get("tool_calls").is_none());
    request["messages"] =
        json!([{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]);
    let after = said(&post(&sim, OLLAMA, &request).await);
    assert_eq!(
        after,
        "This is the handshake simulator. The tool answered: y"
    );
}

#[tokio::test]
async fn empty_and_json_answers() {
    let script = Script::new()
        .rule(Rule::new(Reply::chunks(Vec::<String>::new())).times(1))
        .rule(Rule::new(Reply::json(json!({"a": [1, 2]}))).times(1))
        .rule(Rule::new(Reply::conforming()));
    let sim = scripted(script).await;
    assert_eq!(said(&post(&sim, OLLAMA, &chat(false)).await), "");
    assert_eq!(
        said(&post(&sim, OLLAMA, &chat(false)).await),
        r#"{"a":[1,2]}"#
    );
    let mut request = chat(false);
    request["format"] = json!({"type": "array", "items": {"type": "null"}, "minItems": 2});
    assert_eq!(said(&post(&sim, OLLAMA, &request).await), "[null,null]");
}

#[tokio::test]
async fn unknown_names_are_answered_only_when_the_script_says_so() {
    let sim = scripted(Script::new().any_model()).await;
    let request = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(post(&sim, OPENAI, &request).await.status, 200);
    sim.set_script(Script::new()).expect("a good script");
    assert_eq!(post(&sim, OPENAI, &request).await.status, 404);
}

#[test]
fn a_script_file_says_the_same_as_the_builders() {
    let file = r#"{
      "models": [{"name": "tiny:latest", "context_length": 2048}],
      "daemon": {"version": "0.5.0"},
      "rules": [
        {"when": {"route": "models"}, "reply": {"faults": [{"kind": "html"}]}},
        {"reply": {"faults": [{"kind": "status", "status": 503, "retry_after": "1"}]}, "times": 1},
        {"when": {"after_tool": false, "wire": "openai", "nth": 2},
         "reply": {"tool_calls": [{"name": "read_file", "arguments": {"path": "a"}}], "finish": "length"}},
        {"reply": {"raw": {"content_type": "text/plain", "body": [255, 0]}}},
        {"reply": {"text": "done", "reasoning": ["a", "b"], "usage": "absent",
                   "faults": [{"kind": "drop_after", "bytes": 7}, {"kind": "stall_after", "bytes": 3}]}}
      ]}"#;
    let script = Script::from_json(file).expect("a good file");
    let built = Script::new()
        .model(Model::new("tiny:latest").context_length(2048))
        .daemon(handshake_simulator::Daemon {
            version: "0.5.0".to_owned(),
            ..Default::default()
        })
        .rule(Rule::new(Fault::Html).route(handshake_simulator::Route::Models))
        .rule(Rule::new(Fault::retry_after(503, "1")).times(1))
        .rule(
            Rule::new(Reply::tool_call("read_file", json!({"path": "a"})).finish("length"))
                .after_tool(false)
                .wire(Wire::OpenAi)
                .nth(2),
        )
        .rule(Rule::new(Reply::raw(200, "text/plain", vec![255_u8, 0])))
        .rule(Rule::new(
            Reply::text("done")
                .reasoning("a")
                .reasoning("b")
                .usage(handshake_simulator::UsageSpec::Absent)
                .fault(Fault::DropAfter { bytes: 7 })
                .fault(Fault::StallAfter { bytes: 3, ms: None }),
        ));
    assert_eq!(script, built);
    let written = serde_json::to_string(&built).expect("writes");
    assert_eq!(Script::from_json(&written).expect("reads back"), built);
}

#[test]
fn bad_scripts_are_refused_by_place() {
    let unknown = Script::from_json("{\n\"rulez\": []}").err();
    assert!(
        matches!(unknown, Some(ScriptError::Json { line: 2, .. })),
        "{unknown:?}"
    );
    let typo = r#"{"rules": [{"reply": {"faults": [{"kind": "drop_after", "byte": 1}]}}]}"#;
    assert!(Script::from_json(typo).is_err());
    let twice = r#"{"models": [{"name": "a"}, {"name": "a"}]}"#;
    assert!(
        matches!(Script::from_json(twice), Err(ScriptError::DuplicateModel(name)) if name == "a")
    );
    let status = r#"{"rules": [{"reply": {"faults": [{"kind": "status", "status": 9}]}}]}"#;
    assert!(matches!(
        Script::from_json(status),
        Err(ScriptError::Rule { rule: 0, .. })
    ));
}
