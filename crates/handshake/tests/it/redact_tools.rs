//! S58: a model does not buy a value by saying its stand-in to a tool.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use handshake_core::{
    ports::ToolExecutor,
    tool::{HTC_VERSION, ToolEntry, ToolRegistry, ToolRequest, ToolResponse},
};
use handshake_llm::parts::runtime::{CallOptions, ToolUse, tools::Grants};
use handshake_simulator::{Model, Reply, Rule, Script};
use serde_json::{Value, json};

use super::{
    redact::{CANARY, Yes, ask, bodies, call, echoing, local_sink, stand_in},
    world::World,
};

/// Says what it was given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(String, Value)>>>);

#[async_trait]
impl ToolExecutor for Kept {
    async fn execute(&self, entry: &ToolEntry, request: ToolRequest) -> ToolResponse {
        let args = Value::Object(request.args);
        let mut all = self.0.lock().expect("not poisoned");
        all.push((entry.tool_id.to_string(), args.clone()));
        ToolResponse {
            schema_version: HTC_VERSION.to_owned(),
            tool_call_id: request.tool_call_id,
            ok: true,
            result: Some(json!({ "wrote": args })),
            error: None,
            duration_ms: 0,
            resources: BTreeMap::new(),
        }
    }
}

fn entry(id: &str, change: Value) -> Value {
    let mut entry = json!({
        "tool_id": id, "tool_version": "1.0.0", "name": "A tool", "description": "Keeps a text.",
        "side_effect": "WRITE", "idempotency": "IDEMPOTENT", "determinism": "DETERMINISTIC",
        "availability": "OFFLINE_OK", "risk_level": "LOW",
        "input_schema": { "type": "object" },
        "output_label": { "sensitivity": "low", "exportable": true },
    });
    for (name, value) in change.as_object().expect("an object") {
        entry[name] = value.clone();
    }
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn s58_a_value_reaches_tools_that_stay_here_and_no_other() {
    let entries = json!([
        entry("notes.write", json!({})),
        entry("shell.run", json!({ "side_effect": "EXECUTE" })),
        entry(
            "feed.read",
            json!({ "required_capabilities": ["net:feeds"] })
        ),
        entry(
            "web.post",
            json!({ "availability": "REQUIRES_NETWORK", "risk_level": "HIGH" })
        ),
    ]);
    let registry = ToolRegistry::from_json(entries.to_string().as_bytes()).expect("tools");
    let kept = Kept::default();
    let grants = Grants {
        global: ["net".to_owned()].into(),
        default_session: ["net".to_owned()].into(),
        ..Grants::default()
    };
    let world = echoing().await;
    let tools = registry
        .iter()
        .map(ToolEntry::definition)
        .collect::<Vec<_>>();
    let handshake =
        World::with_tools(&world, registry.clone(), grants, Arc::new(kept.clone())).await;
    let request = || {
        let mut request = ask(&handshake, "tools", &format!("write {CANARY}"));
        request.tools = tools.clone();
        request
    };
    call(&handshake, request(), local_sink(), Yes::Once).await;
    let known = stand_in(&bodies(&world)[0]).to_owned();
    // Tools have other names on the wire, and stand there in order of their ids.
    let sent: Value = serde_json::from_str(&bodies(&world)[0]).expect("JSON");
    let name = |n: usize| {
        sent["tools"][n]["function"]["name"]
            .as_str()
            .expect("a name")
    };
    let made_up = "[REDACTED:secret:0123456789ab]";
    let said =
        json!({ "text": format!("a {known} b {made_up}"), "list": [{ "k": known }], &known: 1 });
    let reply = Reply::tool_call(name(0), said.clone())
        .and_call(name(1), said.clone())
        .and_call(name(2), said.clone())
        .and_call(name(3), said.clone());
    let script = Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(reply).after_tool(false))
        .rule(Rule::new(Reply::text(format!("wrote {known}"))));
    world.cloud.set_script(script).expect("a script");
    let options = CallOptions {
        tools: ToolUse::Registry,
        ..local_sink()
    };
    let came = call(&handshake, request(), options, Yes::Once).await;
    assert_eq!(came.error, None);
    assert_eq!(came.text, format!("wrote {CANARY}"));
    let ran = kept.0.lock().expect("not poisoned").clone();
    let restored = json!({
        "text": format!("a {CANARY} b {made_up}"), "list": [{ "k": CANARY }], &known: 1
    });
    assert_eq!(
        ran,
        [
            ("feed.read".to_owned(), said.clone()),
            ("notes.write".to_owned(), restored),
            ("shell.run".to_owned(), said),
        ]
    );
    // What came of the call that had the value stays here: a length or a part of it would be worth a call.
    let sent = bodies(&world);
    let last = sent.last().expect("sent");
    assert_eq!(last.matches("called with values").count(), 1, "{last}");
    assert_eq!(last.matches("wrote").count(), 2, "{last}");
    assert!(sent.iter().all(|body| !body.contains(CANARY)));
}
