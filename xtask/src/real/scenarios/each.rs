//! What holds for every server.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{
        bench::{Bench, CANARY, Chat, Provider, ensure},
        stream::{failed, finished, usage},
    },
    Outcome,
};

pub(super) fn enrol(bench: &Bench, provider: &Provider) -> Outcome {
    let url = provider.base_url();
    let mut args = vec![
        "provider",
        "add",
        provider.id,
        "--kind",
        provider.kind,
        "--base-url",
        &url,
    ];
    args.extend(["--default-model", provider.model]);
    if let Some(dialect) = provider.dialect {
        args.extend(["--dialect", dialect]);
    }
    bench.hsk.run(&args)?.exits(0)?;
    let shown = bench
        .hsk
        .run(&["provider", "show", provider.id])?
        .exits(0)?;
    let record = shown.object()?;
    let as_given = [
        ("provider_id", provider.id),
        ("provider_kind", provider.kind),
        ("tier", "local"),
        ("base_url", &url),
    ];
    let holds = as_given.iter().all(|(name, value)| record[*name] == *value);
    ensure(holds, "it is shown otherwise", &shown)
}

pub(super) fn models(bench: &Bench, provider: &Provider) -> Outcome {
    let listed = bench
        .hsk
        .run(&["provider", "models", provider.id, "--capabilities"])?
        .exits(0)?;
    let Some(ours) = listed
        .lines
        .iter()
        .find(|model| model["model_id"] == provider.model)
    else {
        return ensure(false, "the model is not among them", &listed);
    };
    let can = &ours["capabilities"];
    let known = can["supports_streaming"]["value"] == "yes"
        && can["supports_structured_output"]["value"] == "yes"
        && can["supports_vision"]["value"] != "yes"
        && can["max_context_window"]["value"]
            .as_u64()
            .is_some_and(|tokens| tokens >= 2_048);
    let fresh =
        ours["source"] == "server" && ours["residence"] == "local" && ours["enabled"] == true;
    ensure(known && fresh, "what it can do should be known", &listed)
}

pub(super) fn stream(bench: &Bench, provider: &Provider) -> Outcome {
    let (answer, _) = Chat::new("Say hello.")
        .to(provider.model_ref())
        .finishes(&bench.hsk)?;
    let started = &answer.lines[0];
    let there = started["provider_id"] == provider.id
        && started["model_id"] == provider.model
        && started["tier"] == "local"
        && started["trace_id"].is_string()
        && started["session_id"].is_string();
    ensure(there, "`started` should name what answers", &answer)?;
    ensure(
        answer.of("text_delta").count() > 1,
        "it should come in pieces",
        &answer,
    )?;
    ensure(
        !answer.text().trim().is_empty(),
        "it should say something",
        &answer,
    )?;
    usage(&answer).map(|_| ())
}

pub(super) fn health(bench: &Bench, provider: &Provider) -> Outcome {
    let answer = bench
        .hsk
        .run(&["provider", "check", provider.id])?
        .exits(0)?;
    let health = answer.object()?;
    ensure(health["state"] == "ready", "it should be ready", &answer)
}

pub(super) fn whole(bench: &Bench, provider: &Provider) -> Outcome {
    let chat = Chat::new("Say hello.").to(provider.model_ref());
    let (answer, _) = chat.with("stream", false).finishes(&bench.hsk)?;
    ensure(
        !answer.text().trim().is_empty(),
        "it should say something",
        &answer,
    )?;
    usage(&answer).map(|_| ())
}

pub(super) fn length(bench: &Bench, provider: &Provider) -> Outcome {
    let chat = Chat::new("Tell a long story about a lighthouse.").to(provider.model_ref());
    let (answer, reason) = chat.param("max_tokens", 4).finishes(&bench.hsk)?;
    ensure(reason == "LENGTH", "it should be cut", &answer)?;
    let (_, completion) = usage(&answer)?;
    ensure(completion <= 4, "it is longer than asked for", &answer)
}

pub(super) fn turns(bench: &Bench, provider: &Provider) -> Outcome {
    let session = format!("turns-{}", provider.id);
    let say = |prompt: &str| {
        let chat = Chat::new(prompt)
            .to(provider.model_ref())
            .flag("--session", &session);
        chat.finishes(&bench.hsk)
            .and_then(|(answer, _)| Ok((usage(&answer)?.0, answer)))
    };
    let (first, _) = say(&format!("Remember the word {CANARY}."))?;
    let (second, answer) = say("Which word?")?;
    // The question alone is shorter than what came before it.
    ensure(
        second > first,
        "the second prompt should carry the first",
        &answer,
    )
}

pub(super) fn schema(bench: &Bench, provider: &Provider) -> Outcome {
    let schema = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "enum": ["Paris", "Rome"] },
            "sure": { "type": "boolean" },
        },
        "required": ["city", "sure"],
        "additionalProperties": false,
    });
    let file = bench.hsk.file("schema.json", &schema)?;
    let chat = Chat::new("Which city is the capital of France?").to(provider.model_ref());
    let (answer, reason) = chat.flag("--schema", file).finishes(&bench.hsk)?;
    ensure(reason == "STOP", "it should be whole", &answer)?;
    let value: Option<Value> = serde_json::from_str(answer.text().trim()).ok();
    let matches = value.is_some_and(|value| {
        value.as_object().is_some_and(|object| object.len() == 2)
            && (value["city"] == "Paris" || value["city"] == "Rome")
            && value["sure"].is_boolean()
    });
    ensure(matches, "the answer does not match", &answer)
}

pub(super) fn unknown_model(bench: &Bench, provider: &Provider) -> Outcome {
    let chat = Chat::new("Say hello.").to(format!("{}/nobody-home", provider.id));
    chat.fails(&bench.hsk, "HSK-404-MODEL", 1).map(|_| ())
}

pub(super) fn too_long(bench: &Bench, provider: &Provider) -> Outcome {
    let prompt = "The sea was grey and the wind came from the north. ".repeat(2_000);
    let chat = Chat::new(&prompt).to(provider.model_ref());
    chat.fails(&bench.hsk, "HSK-413-CONTEXT-WINDOW", 1)
        .map(|_| ())
}

pub(super) fn cancel(bench: &Bench, provider: &Provider) -> Outcome {
    let long = Chat::new("Tell a very long story about a lighthouse.").to(provider.model_ref());
    let args = long.param("max_tokens", 2_000).args(&bench.hsk)?;
    let answer = bench.hsk.run_and_interrupt(&args)?.exits(1)?;
    failed(&answer, "HSK-499-CANCELLED")?;
    ensure(
        answer.of("text_delta").count() > 0,
        "it should have begun",
        &answer,
    )?;
    if !provider.proxy.quiet_within(Duration::from_secs(10)) {
        return Err("the connection stays open".to_owned());
    }
    // A server that still wrote the story would let the next one wait.
    let next = Chat::new("Say hello.")
        .to(provider.model_ref())
        .param("max_tokens", 4);
    let next = bench.hsk.run(&next.args(&bench.hsk)?)?.exits(0)?;
    finished(&next).map(|_| ())
}

/// The operator says that the model has no tools and may have them in text. The call is owed, so the server's own grammar
/// holds the model to it; after that it may say what it likes.
pub(super) fn emulated_call(bench: &Bench, provider: &Provider) -> Outcome {
    let declare = |value: &str| {
        let capability = format!("tool_calling={value}");
        let args = [
            "provider",
            "enable",
            provider.id,
            provider.model,
            "--capability",
            &capability,
        ];
        bench.hsk.run(&args)?.exits(0)
    };
    declare("no")?;
    // For the turn after the call, which owes none.
    let done = json!({
        "type": "object",
        "properties": { "done": { "type": "string", "enum": ["yes"] } },
        "required": ["done"],
    });
    let chat = Chat::new("Add 2 and 3.")
        .to(provider.model_ref())
        .param("max_tokens", 200)
        .with("tools", json!(["math.add"]))
        .with("tool_choice", "required")
        .with("structured_output_schema", done);
    chat.clone()
        .fails(&bench.hsk, "HSK-501-TOOL-CALLING-UNSUPPORTED", 1)?;
    bench
        .hsk
        .policy(&format!("emulate_tools = [\"{}\"]\n", provider.model_ref()))?;
    let (answer, _) = chat.finishes(&bench.hsk)?;
    bench.hsk.policy("")?;
    let (call, result) = (
        answer.of("tool_call").next(),
        answer.of("tool_result").next(),
    );
    let (Some(call), Some(result)) = (call, result) else {
        return ensure(false, "there should be a call and its result", &answer);
    };
    let numbers = ["a", "b"].map(|name| call["arguments"][name].is_i64());
    ensure(
        call["tool_id"] == "math.add" && numbers == [true, true],
        "the call should fit the tool's schema",
        &answer,
    )?;
    ensure(
        call["tool_call_id"] == result["tool_call_id"] && result["ok"] == true,
        "the result should be the call's",
        &answer,
    )?;
    let stamped = answer
        .of("finished")
        .all(|end| end["tool_mode"] == "emulated_v1");
    ensure(
        stamped,
        "the answer should say how tools travelled",
        &answer,
    )
}
