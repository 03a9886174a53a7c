//! The tool loop: every invocation through the gate, deny by default, bounded, recorded.

use std::time::Duration;

use handshake_core::{
    chat::{FinishReason, Role, ToolChoice, TurnEvent},
    code::ErrorCode,
    event::Body,
    ids::{SessionId, ToolName},
    ports::SessionStore,
};
use handshake_runtime::{CallOptions, History, ToolUse};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    fake::{Answer, calls, finished, says, started, text},
    home::{Home, Seen, offering, seen},
};

const ALL: &[&str] = &[
    "note.read",
    "note.unlabelled",
    "note.high",
    "net.fetch",
    "note.checked",
    "note.ungranted",
    "note.keyed",
];

fn registry() -> CallOptions {
    CallOptions {
        tools: ToolUse::Registry,
        ..CallOptions::default()
    }
}

fn results(seen: &Seen) -> Vec<(bool, Option<ErrorCode>)> {
    let results = seen.events.iter().filter_map(|event| match event {
        TurnEvent::ToolResult { ok, error, .. } => Some((*ok, *error)),
        _ => None,
    });
    results.collect()
}

fn recorded(home: &Home) -> Vec<(bool, Option<ErrorCode>)> {
    let events = home.world.memory.events();
    let calls = events.iter().filter_map(|event| match event.body {
        Body::ToolCall { ok, error, .. } => Some((ok, error)),
        _ => None,
    });
    calls.collect()
}

/// What the model was told in its last turn.
fn told(home: &Home) -> Vec<String> {
    let sent = home.fake.sent();
    let body: Value = serde_json::from_slice(&sent.last().expect("sent").body).expect("JSON");
    let messages = body["messages"].as_array().expect("messages").iter();
    messages
        .filter(|m| m["role"] == "TOOL_RESULT")
        .map(|m| m["content"].to_string())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn b13_a_registered_and_granted_tool_runs_and_the_model_is_told() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[(1, "note.read", json!({ "name": "a" }))]),
        says("It says a."),
    ]);
    let request = offering(&home, home.ask_local("read a"), ALL);
    let whole = home.run_with(request, registry()).await;
    whole.succeeded();
    assert_eq!(whole.text(), "It says a.");
    assert_eq!((home.tools.ran(), results(&whole)), (1, vec![(true, None)]));
    assert_eq!(recorded(&home), [(true, None)]);
    assert_eq!(told(&home), [r#""the note a""#]);
    let turns = whole.events.iter().filter_map(|event| match event {
        TurnEvent::TurnStarted { turn, .. } => Some(*turn),
        _ => None,
    });
    assert_eq!(turns.collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn b13_s45_everything_else_is_denied_and_recorded() {
    let large = "x".repeat(33 * 1024);
    let cases: [(&str, Value, ErrorCode); 8] = [
        ("no.such", json!({ "name": "a" }), ErrorCode::ToolDenied),
        ("bare", json!({ "name": "a" }), ErrorCode::ToolDenied),
        ("net.fetch", json!({ "name": "a" }), ErrorCode::ToolDenied),
        (
            "note.ungranted",
            json!({ "name": "a" }),
            ErrorCode::ToolDenied,
        ),
        ("note.read", json!({}), ErrorCode::ToolCallParse),
        ("note.read", json!({ "name": 1 }), ErrorCode::ToolCallParse),
        (
            "note.read",
            json!({ "name": "a", "more": "b" }),
            ErrorCode::ToolCallParse,
        ),
        ("note.read", json!({ "name": large }), ErrorCode::ToolDenied),
    ];
    for (tool, arguments, code) in cases {
        let home = Home::new().await;
        home.fake
            .will([calls(&[(1, tool, arguments.clone())]), says("Then not.")]);
        let request = offering(&home, home.ask_local("do it"), ALL);
        let whole = home.run_with(request, registry()).await;
        whole.succeeded();
        assert_eq!(home.tools.ran(), 0, "{tool}");
        assert_eq!(results(&whole), [(false, Some(code))], "{tool}");
        assert_eq!(recorded(&home), [(false, Some(code))], "{tool}");
        // The model is told that, and nothing of what it wrote.
        let told = told(&home);
        assert!(
            told[0].contains("error") && !told[0].contains("more"),
            "{told:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn b13_a_tool_that_was_not_offered_is_not_run() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[(1, "note.keyed", json!({ "name": "a" }))]),
        says("Then not."),
    ]);
    let request = offering(&home, home.ask_local("do it"), &["note.read"]);
    let whole = home.run_with(request, registry()).await;
    whole.succeeded();
    assert_eq!(
        (home.tools.ran(), results(&whole)),
        (0, vec![(false, Some(ErrorCode::ToolDenied))])
    );
}

#[tokio::test(start_paused = true)]
async fn b13_a_result_is_judged_before_a_model_sees_it() {
    for (tool, name) in [("note.read", "large"), ("note.checked", "a")] {
        let home = Home::new().await;
        home.fake.will([
            calls(&[(1, tool, json!({ "name": name }))]),
            says("Then not."),
        ]);
        let request = offering(&home, home.ask_local("do it"), ALL);
        let whole = home.run_with(request, registry()).await;
        whole.succeeded();
        assert_eq!(home.tools.ran(), 1);
        assert_eq!(results(&whole), [(false, Some(ErrorCode::ToolDenied))]);
        assert!(told(&home)[0].len() < 300);
    }
}

#[tokio::test(start_paused = true)]
async fn b13_a_keyed_tool_runs_under_its_key() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[
            (1, "note.keyed", json!({ "name": "a" })),
            (2, "note.read", json!({ "name": "b" })),
        ]),
        says("Done."),
    ]);
    let request = offering(&home, home.ask_local("do it"), ALL);
    home.run_with(request, registry()).await.succeeded();
    let keys = home.tools.keys();
    assert!(keys[0].is_some() && keys[1].is_none(), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn b13_without_the_registry_calls_are_handed_out() {
    let home = Home::new().await;
    home.fake
        .will([calls(&[(1, "note.read", json!({ "name": "a" }))])]);
    let request = offering(&home, home.ask_local("read a"), ALL);
    let whole = home.run(request).await;
    whole.succeeded();
    assert_eq!((home.tools.ran(), home.fake.sent().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn b13_a_slow_tool_is_stopped() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[(1, "note.read", json!({ "name": "hang" }))]),
        says("Then not."),
    ]);
    let request = offering(&home, home.ask_local("read"), ALL);
    let whole = home.run_with(request, registry()).await;
    whole.succeeded();
    assert_eq!(results(&whole), [(false, Some(ErrorCode::Timeout))]);
}

#[tokio::test(start_paused = true)]
async fn b13_cancelling_stops_a_tool() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[(1, "note.read", json!({ "name": "hang" }))]),
        says("never"),
    ]);
    let request = offering(&home, home.ask_local("read"), ALL);
    let handle = home.runtime.chat(request, registry());
    let cancel = handle.canceller();
    let (whole, ()) = tokio::join!(seen(handle), async {
        while home.tools.ran() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    });
    whole.failed_with(ErrorCode::Cancelled);
    assert_eq!(home.fake.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b13_a_tool_that_falls_over_ends_the_call_alone() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[(1, "note.read", json!({ "name": "panic" }))]),
        says("fine"),
    ]);
    let request = offering(&home, home.ask_local("read"), ALL);
    home.run_with(request, registry())
        .await
        .failed_with(ErrorCode::Protocol);
    home.run(home.ask_local("again")).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn b13_a_turn_makes_eight_calls_at_most() {
    let many = |n: u8| -> Vec<_> {
        (1..=n)
            .map(|n| (n, "note.read", json!({ "name": "a" })))
            .collect()
    };
    let home = Home::new().await;
    home.fake.will([calls(&many(8)), says("Done.")]);
    let request = offering(&home, home.ask_local("read"), ALL);
    home.run_with(request, registry()).await.succeeded();
    assert_eq!(home.tools.ran(), 8);
    home.fake.will([calls(&many(9)), says("never")]);
    let request = offering(&home, home.ask_local("read"), ALL);
    home.run_with(request, registry())
        .await
        .failed_with(ErrorCode::ToolLoopBound);
    assert_eq!(home.tools.ran(), 8, "none of nine runs");
}

#[tokio::test(start_paused = true)]
async fn b13_s56_a_request_makes_sixteen_turns_at_most() {
    let home = Home::new().await;
    home.fake
        .will((1..=17).map(|n| calls(&[(n, "note.read", json!({ "name": "a" }))])));
    let request = offering(&home, home.ask_local("read"), ALL);
    home.run_with(request, registry())
        .await
        .failed_with(ErrorCode::ToolLoopBound);
    assert_eq!(home.fake.sent().len(), 16);
    assert_eq!(home.tools.ran(), 15, "what nobody reads does not run");
}

/// A result that nobody labelled, or that is high, stays on the machine.
#[tokio::test(start_paused = true)]
async fn a15_s28_s56_rt_tool_001_a_result_without_a_label_does_not_go_to_cloud() {
    for (tool, blocks) in [
        ("note.unlabelled", true),
        ("note.high", true),
        ("note.read", false),
    ] {
        let home = Home::new().await;
        home.fake.will([
            calls(&[(1, tool, json!({ "name": "a" }))]),
            says("It says a."),
        ]);
        let request = offering(&home, home.ask_cloud("read a"), ALL);
        let person = async {
            home.approve().await;
            if !blocks {
                tokio::time::sleep(Duration::from_secs(1)).await;
                home.approve().await;
            }
        };
        let (whole, ()) = tokio::join!(home.run_with(request, registry()), person);
        if blocks {
            whole.failed_with(ErrorCode::LeakageBlocked);
            assert_eq!(home.fake.sent().len(), 1, "{tool}");
        } else {
            whole.succeeded();
        }
        // On this machine it may be used.
        let home = Home::new().await;
        home.fake.will([
            calls(&[(1, tool, json!({ "name": "a" }))]),
            says("It says a."),
        ]);
        let request = offering(&home, home.ask_local("read a"), ALL);
        home.run_with(request, registry()).await.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn b6_every_result_is_kept_beside_its_call() {
    let home = Home::new().await;
    home.fake.will([
        calls(&[
            (1, "note.read", json!({ "name": "a" })),
            (2, "no.such", json!({})),
        ]),
        says("Done."),
        says("Still."),
    ]);
    let options = || CallOptions {
        history: History::Stored,
        ..registry()
    };
    let request = offering(&home, home.ask_local("read"), ALL);
    home.run_with(request, options()).await.succeeded();
    let id = SessionId::new("session-1").expect("a session");
    let kept = home.world.memory.load(&id).await.expect("loaded").messages;
    let roles: Vec<_> = kept.iter().map(|message| message.role).collect();
    use Role::{Assistant, ToolCall, ToolResult, User};
    assert_eq!(
        roles,
        [
            User, Assistant, ToolCall, ToolCall, ToolResult, ToolResult, Assistant
        ]
    );
    assert_eq!(kept[2].tool_call_id, kept[4].tool_call_id);
    assert_eq!(kept[3].tool_call_id, kept[5].tool_call_id);
    // And the conversation is admitted again as it was stored.
    let request = offering(&home, home.ask_local("and?"), ALL);
    home.run_with(request, options()).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn b6_an_orphan_result_is_refused_when_the_request_is_built() {
    let home = Home::new().await;
    let mut request = offering(&home, home.ask_local("read"), ALL);
    let orphan = handshake_core::chat::Message::result(
        handshake_core::ids::MessageId::from_entropy([9; 16]),
        handshake_core::ids::ToolCallId::from_entropy([9; 16]),
        "nobody asked",
        request.messages[0].timestamp,
    );
    request.messages.insert(0, orphan);
    home.run(request)
        .await
        .failed_with(ErrorCode::InvalidRequest);
    assert!(home.fake.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b12_a_required_call_that_does_not_come_is_an_error() {
    let cases = [
        (ToolChoice::Required, false),
        (
            ToolChoice::Named(ToolName::new("note.read").expect("a name")),
            false,
        ),
        (ToolChoice::Auto, true),
    ];
    for (choice, fine) in cases {
        let home = Home::new().await;
        home.fake.will([says("I would rather not.")]);
        let mut request = offering(&home, home.ask_local("read"), ALL);
        request.tool_choice = Some(choice);
        let whole = home.run(request).await;
        if fine {
            whole.succeeded();
        } else {
            whole.failed_with(ErrorCode::ToolCallParse);
        }
    }
    // A cut answer says so itself.
    let home = Home::new().await;
    home.fake.will([Answer::Stream(vec![
        started(),
        text("I"),
        finished(FinishReason::Length),
    ])]);
    let mut request = offering(&home, home.ask_local("read"), ALL);
    request.tool_choice = Some(ToolChoice::Required);
    home.run(request).await.succeeded();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a model asks for, what runs was registered, offered, granted and well-formed, and every call
    /// is answered and recorded.
    #[test]
    fn b13_nothing_runs_by_itself(
        asked in proptest::collection::vec((0usize..9, any::<bool>()), 1..8),
        offered in proptest::collection::vec(any::<bool>(), ALL.len()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let home = Home::new().await;
            let offered: Vec<&str> = ALL.iter().zip(&offered).filter(|(_, on)| **on).map(|(t, _)| *t).collect();
            let names: Vec<&str> = ALL.iter().copied().chain(["no.such", "bare"]).collect();
            let good = json!({ "name": "a" });
            let script: Vec<_> = asked
                .iter()
                .zip(1u8..)
                .map(|((tool, well), n)| (n, names[*tool], if *well { good.clone() } else { json!({}) }))
                .collect();
            home.fake.will([calls(&script), says("Done.")]);
            let request = offering(&home, home.ask_local("go"), &offered);
            let whole = home.run_with(request, registry()).await;
            whole.succeeded();
            let may = |tool: &str| {
                offered.contains(&tool) && !matches!(tool, "net.fetch" | "note.ungranted" | "no.such" | "bare")
            };
            let expected = script.iter().filter(|(_, tool, args)| may(tool) && *args == good).count();
            assert_eq!(home.tools.ran(), expected);
            assert_eq!(results(&whole).len(), script.len());
            assert_eq!(recorded(&home).len(), script.len());
        });
    }
}
