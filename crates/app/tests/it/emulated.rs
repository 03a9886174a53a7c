//! Tools in text, for models that have no tool calling.

use handshake_simulator::{Model, Reply, Rule, Script, Simulator};
use serde_json::{Value, json};

use crate::it::{
    machine::Machine,
    mission::{init, runtime, simulator},
};

/// A model that knows no tools and has read its instructions.
fn script() -> Script {
    Script::new()
        .model(Model::new("plain:latest").capabilities(&["completion"]))
        .rule(Rule::new(Reply::text("Five.")).contains("results-"))
        .rule(
            Rule::new(Reply::text(
                r#"{"calls-{{fence}}": [{"tool": "math.add", "arguments": {"a": 2, "b": 3}}]}"#,
            ))
            .contains("2 + 3"),
        )
        .rule(
            Rule::new(Reply::text(
                r#"Sure! {"calls-{{fence}}": [{"tool": "math.add", "arguments": {"a": 2, "b": 3}}]}"#,
            ))
            .contains("talkative"),
        )
}

fn add(machine: &Machine, id: &str, kind: &str, url: &str) {
    let added = machine.json(&["provider", "add", id, "--kind", kind, "--base-url", url]);
    assert_eq!(added.0, 0, "{added:?}");
}

fn chat(machine: &Machine, model: &str, prompt: &str) -> (i32, Vec<Value>) {
    let tools = machine.write("tools.json", r#"["math.add"]"#);
    let tools = tools.to_str().expect("a path").to_owned();
    machine.json(&["chat", "--model", model, "--tools", &tools, prompt])
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Option<&'a Value> {
    lines.iter().find(|line| line["type"] == kind)
}

#[test]
fn b7_a_tool_loop_with_a_model_that_has_no_tools() {
    let runtime = runtime();
    let server: Simulator = simulator(&runtime, script());
    let machine = Machine::new();
    init(&machine);
    add(&machine, "box", "ollama", &server.url());
    add(&machine, "shelf", "openai_compat", &server.openai_url());
    let declared = ["--capability", "supports_tool_calling=no"];
    let args = [
        &["provider", "enable", "shelf", "plain:latest"][..],
        &declared,
    ]
    .concat();
    assert_eq!(machine.json(&args).0, 0);

    // Not configured: an error whose next step is one that works.
    for model in ["box/plain:latest", "shelf/plain:latest"] {
        let (code, lines) = chat(&machine, model, "What is 2 + 3?");
        let error = &lines.last().expect("a line")["error"];
        assert_eq!(
            (code, &error["code"]),
            (1, &json!("HSK-501-TOOL-CALLING-UNSUPPORTED")),
            "{lines:?}"
        );
        assert!(
            error["next_step"]
                .as_str()
                .is_some_and(|step| step.contains("emulate_tools"))
        );
    }

    machine.write(
        "home/policy.toml",
        "emulate_tools = [\"box\", \"shelf/plain:latest\"]\n",
    );
    for model in ["box/plain:latest", "shelf/plain:latest"] {
        let before = server.received().len();
        let (code, lines) = chat(&machine, model, "What is 2 + 3?");
        assert_eq!(code, 0, "{lines:?}");
        let call = of(&lines, "tool_call").expect("a call");
        assert_eq!(
            (&call["tool_id"], &call["arguments"]),
            (&json!("math.add"), &json!({ "a": 2, "b": 3 }))
        );
        let result = of(&lines, "tool_result").expect("a result");
        assert_eq!(
            (&result["tool_call_id"], &result["ok"]),
            (&call["tool_call_id"], &json!(true))
        );
        let finished = of(&lines, "finished").expect("an end");
        assert_eq!(
            (&finished["finish_reason"], &finished["tool_mode"]),
            (&json!("STOP"), &json!("emulated_v1")),
            "{lines:?}"
        );
        let said: String = lines
            .iter()
            .filter_map(|line| line["text"].as_str())
            .collect();
        assert_eq!(said, "Five.");
        // On the wire there are words, and no tools.
        for received in &server.received()[before..] {
            if let Some(body) = received
                .json()
                .filter(|body| body.get("messages").is_some())
            {
                assert!(body.get("tools").is_none(), "{body}");
                let text = body["messages"].to_string();
                assert!(
                    text.contains("calls-") && !text.contains("tool_call_id"),
                    "{body}"
                );
            }
        }
    }

    // What holds the fence and is no block is an error, not an answer.
    let (code, lines) = chat(&machine, "box/plain:latest", "Be talkative.");
    let error = &lines.last().expect("a line")["error"];
    assert_eq!(
        (code, &error["code"]),
        (1, &json!("HSK-422-TOOL-CALL-PARSE")),
        "{lines:?}"
    );

    // The record says how tools travelled.
    let (_, events) = machine.json(&["log", "tail"]);
    let modes: Vec<&Value> = events
        .iter()
        .filter(|event| event.to_string().contains("emulated_v1"))
        .collect();
    assert!(modes.len() >= 4, "{events:?}");
}
