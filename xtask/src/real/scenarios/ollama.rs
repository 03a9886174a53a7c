//! What holds for the Ollama daemon alone.

use serde_json::json;

use super::{
    super::bench::{Bench, Chat, Provider, ensure},
    Outcome,
};

/// The schema leaves the model a call or an answer; its template asks for the answer once a tool has spoken.
pub(super) fn tool_loop(bench: &Bench, provider: &Provider) -> Outcome {
    let small = json!({ "type": "integer", "minimum": 0, "maximum": 99 });
    let call = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "enum": ["math__add"] },
            "arguments": {
                "type": "object",
                "properties": { "a": small, "b": small },
                "required": ["a", "b"],
            },
        },
        "required": ["name", "arguments"],
    });
    let done = json!({
        "type": "object",
        "properties": { "done": { "type": "string", "enum": ["yes"] } },
        "required": ["done"],
    });
    let file = bench
        .hsk
        .file("loop.json", &json!({ "anyOf": [call, done] }))?;
    let tools = bench.hsk.file("tools.json", &json!(["math.add"]))?;
    // In the order of its keys in which the schema travels.
    let prompt = r#"Add 2 and 3. Reply with {"arguments": {"a": 2, "b": 3}, "name": "math__add"}"#;
    let chat = Chat::new(prompt).to(provider.model_ref());
    let chat = chat
        .param("max_tokens", 200)
        .flag("--schema", file)
        .flag("--tools", tools);
    let (answer, reason) = chat.finishes(&bench.hsk)?;
    ensure(reason == "STOP", "it should end with an answer", &answer)?;
    let (call, result) = (
        answer.of("tool_call").next(),
        answer.of("tool_result").next(),
    );
    let (Some(call), Some(result)) = (call, result) else {
        return ensure(false, "there should be a call and its result", &answer);
    };
    let right = call["tool_id"] == "math.add" && call["arguments"] == json!({ "a": 2, "b": 3 });
    ensure(
        right,
        "the call should be the one that was asked for",
        &answer,
    )?;
    let same = call["tool_call_id"].is_string() && call["tool_call_id"] == result["tool_call_id"];
    ensure(
        same && result["ok"] == true,
        "the result should be the call's",
        &answer,
    )?;
    ensure(
        answer.text().contains("done"),
        "the model should go on",
        &answer,
    )
}

/// Names of models that run at the daemon's vendor. It has neither of them.
pub(super) const CLOUD_NAMES: &[&str] = &["gpt-oss:20b-cloud", "smol:cloud"];

/// Given such a name, a daemon that has no such model asks its vendor for it: the name alone leaves the machine, and
/// what is asked with it. (This one runs with that switched off. It is not what protects us.)
pub(super) fn cloud_name(bench: &Bench, provider: &Provider) -> Outcome {
    for model in CLOUD_NAMES {
        let before = provider.proxy.seen().map_err(|error| error.to_string())?;
        let chat = Chat::new("Say hello.").to(format!("{}/{model}", provider.id));
        chat.fails(&bench.hsk, "HSK-403-TIER-MISMATCH", 3)?;
        let after = provider.proxy.seen().map_err(|error| error.to_string())?;
        if after != before {
            return Err(format!(
                "the daemon was spoken to for `{model}`: {before:?}, then {after:?}"
            ));
        }
    }
    Ok(())
}
