//! One call: its events on every path, exactly one end, the same bytes for the same request.

use std::time::Duration;

use handshake_core::{
    capability::{Claims, Feature},
    chat::{ChatEvent, FinishReason, TurnEvent},
    code::{ErrorClass, ErrorCode},
    event::{Body, CallOutcome},
    ports::ProviderStore,
    tier::{ModelTier, Reach},
};
use handshake_runtime::CallOptions;
use handshake_testkit::{
    fixture,
    gate::{Needle, World},
};
use proptest::prelude::*;

use super::{
    fake::{Answer, Step, finished, refuses, says, started, text, usage},
    home::{Home, seen},
};

const STARTED: &str = "FR-EVT-PROVIDER-005";
const ATTEMPT: &str = "FR-EVT-PROVIDER-006";
const INFERENCE: &str = "FR-EVT-006";
const FAILED: &str = "FR-EVT-PROVIDER-009";
const COMPLETED: &str = "FR-EVT-PROVIDER-010";
const ASKED: &str = "FR-EVT-CLOUD-001";
const APPROVED: &str = "FR-EVT-CLOUD-002";
const EXECUTED: &str = "FR-EVT-CLOUD-004";

fn outcome(home: &Home) -> Option<CallOutcome> {
    let events = home.world.memory.events();
    let mut outcomes = events.iter().filter_map(|event| match event.body {
        Body::CallFailed { outcome, .. } => Some(outcome),
        Body::CallCompleted { .. } => Some(CallOutcome::Completed),
        _ => None,
    });
    let first = outcomes.next();
    assert_eq!(outcomes.next(), None, "one outcome for each call");
    first
}

#[tokio::test(start_paused = true)]
async fn a12_a_local_call_that_succeeds() {
    let home = Home::new().await;
    home.fake.will([says("hello there")]);
    let seen = home.run(home.ask_local("hi")).await;
    seen.succeeded();
    assert_eq!(seen.text(), "hello there");
    assert_eq!(home.ids(), [STARTED, ATTEMPT, INFERENCE, COMPLETED]);
    assert!(matches!(
        &seen.events[0],
        TurnEvent::TurnStarted {
            turn: 1,
            tier: ModelTier::Local,
            ..
        }
    ));
    let events = home.world.memory.events();
    assert!(
        events
            .iter()
            .all(|event| event.trace_id.is_some() && event.session_id.is_some())
    );
    let completed = events.iter().find_map(|event| match &event.body {
        Body::CallCompleted {
            usage,
            response_bytes,
            finish_reason,
            ..
        } => Some((usage.completion_tokens, *response_bytes, *finish_reason)),
        _ => None,
    });
    assert_eq!(completed, Some((Some(3), 11, FinishReason::Stop)));
}

#[tokio::test(start_paused = true)]
async fn a12_a_cloud_call_that_succeeds() {
    let home = Home::new().await;
    home.fake.will([says("hello there")]);
    let seen = home.run_approved(home.ask_cloud("hi")).await;
    seen.succeeded();
    assert_eq!(
        home.ids(),
        [
            STARTED, ASKED, APPROVED, ATTEMPT, EXECUTED, INFERENCE, COMPLETED
        ]
    );
    assert_eq!(home.fake.sent().len(), 1);
}

/// No event of any path holds a word of the request or of the answer.
#[tokio::test(start_paused = true)]
async fn a12_no_event_holds_payload() {
    let home = Home::new().await;
    home.fake.will([
        says("an answer that nobody logs"),
        refuses(ErrorCode::Provider, true),
    ]);
    home.run_approved(home.ask_cloud("a question that nobody logs"))
        .await
        .succeeded();
    home.run_approved(home.ask_cloud("another question that nobody logs"))
        .await
        .failed_with(ErrorCode::Provider);
    for event in home.world.memory.events() {
        let text = format!("{event:?} {}", serde_json::to_string(&event).expect("JSON"));
        assert!(!text.contains("nobody logs"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a12_refused_at_admission() {
    let home = Home::new().await;
    home.enable(&home.local, "plain", Claims::default()).await;
    let seen = home
        .run(fixture::request(&home.local.provider_id, "plain", "hi"))
        .await;
    seen.failed_with(ErrorCode::CapabilityUnknown);
    assert_eq!(home.ids(), [FAILED]);
    assert!(home.fake.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b12_an_unknown_or_missing_capability_is_denied_by_its_own_code() {
    let mut no = fixture::claims_all();
    no.features.insert(Feature::SupportsStreaming, false);
    let mut unknown = fixture::claims_all();
    unknown.features.remove(&Feature::SupportsStreaming);
    for (claims, code) in [
        (no, ErrorCode::StreamingUnsupported),
        (unknown, ErrorCode::CapabilityUnknown),
    ] {
        let home = Home::new().await;
        home.enable(&home.local, "m", claims).await;
        let seen = home.run(home.ask_local("hi")).await;
        let error = seen.failed_with(code);
        assert_eq!(
            (error.class, error.subject),
            (ErrorClass::Capability, Some("supports_streaming"))
        );
        assert!(home.fake.sent().is_empty());
        let mut request = home.ask_local("hi");
        request.stream = false;
        home.fake.will([says("whole")]);
        home.run(request).await.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn a12_the_gate_denies() {
    let home = Home::on(World::with_validators(
        1,
        vec![std::sync::Arc::new(Needle("hunter2".into()))],
    ))
    .await;
    let seen = home.run(home.ask_cloud("my password is hunter2")).await;
    seen.failed_with(ErrorCode::LeakageBlocked);
    assert_eq!(
        home.ids(),
        [STARTED, "FR-EVT-EGRESS-002", "FR-EVT-CLOUD-003", FAILED]
    );
    assert!(home.fake.sent().is_empty());
    assert_eq!(outcome(&home), Some(CallOutcome::Failed));
}

#[tokio::test(start_paused = true)]
async fn a12_a_target_that_is_not_there() {
    let home = Home::new().await;
    let nowhere = handshake_core::ids::ProviderId::new("nowhere").expect("an id");
    let seen = home.run(fixture::request(&nowhere, "m", "hi")).await;
    seen.failed_with(ErrorCode::Provider404);
    assert_eq!(home.ids(), [FAILED]);
}

#[tokio::test(start_paused = true)]
async fn a12_nothing_could_be_sent() {
    let home = Home::new().await;
    home.fake.will([refuses(ErrorCode::ProviderAuth, false)]);
    home.run_approved(home.ask_cloud("hi"))
        .await
        .failed_with(ErrorCode::ProviderAuth);
    assert_eq!(
        home.ids(),
        [STARTED, ASKED, APPROVED, ATTEMPT, FAILED],
        "nothing was executed"
    );
    assert_eq!(outcome(&home), Some(CallOutcome::Failed));
}

#[tokio::test(start_paused = true)]
async fn a12_refused_after_bytes_left() {
    let home = Home::new().await;
    home.fake.will([refuses(ErrorCode::ProviderAuth, true)]);
    home.run_approved(home.ask_cloud("hi"))
        .await
        .failed_with(ErrorCode::ProviderAuth);
    assert_eq!(
        home.ids(),
        [STARTED, ASKED, APPROVED, ATTEMPT, EXECUTED, FAILED]
    );
    assert_eq!(outcome(&home), Some(CallOutcome::InDoubt));
}

#[tokio::test(start_paused = true)]
async fn a12_a_stream_that_ends_without_evidence_is_no_success() {
    for steps in [
        vec![],
        vec![started()],
        vec![started(), text("half an ans")],
        vec![started(), usage(1)],
    ] {
        let home = Home::new().await;
        home.fake.will([Answer::Stream(steps)]);
        home.run(home.ask_local("hi"))
            .await
            .failed_with(ErrorCode::StreamTruncated);
        assert_eq!(home.ids(), [STARTED, ATTEMPT, FAILED]);
    }
}

#[tokio::test(start_paused = true)]
async fn a12_an_adapter_that_falls_over_is_one_failed_call() {
    let scripts: [fn() -> Answer; 4] = [
        || Answer::Panic,
        || Answer::Stream(vec![Step::Panic]),
        || Answer::Stream(vec![started(), Step::Panic]),
        || Answer::Stream(vec![started(), text("half"), Step::Panic]),
    ];
    for script in scripts {
        for cloud in [false, true] {
            let home = Home::new().await;
            home.fake.will([script()]);
            let seen = match cloud {
                true => home.run_approved(home.ask_cloud("hi")).await,
                false => home.run(home.ask_local("hi")).await,
            };
            seen.failed_with(ErrorCode::Protocol);
            assert_eq!(outcome(&home), Some(CallOutcome::Crashed));
            assert_eq!(home.fake.sent().len(), 1, "it is not sent again");
            // The session is free, and its use is closed.
            home.fake.will([says("fine")]);
            home.run(home.ask_local("again")).await.succeeded();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a12_an_adapter_that_cannot_even_render_is_one_failed_call() {
    let home = Home::new().await;
    home.fake.breaks("prepare");
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::Protocol);
    assert_eq!(home.ids(), [FAILED]);
}

#[tokio::test(start_paused = true)]
async fn a12_cancelled_while_streaming() {
    let home = Home::new().await;
    home.fake
        .will([Answer::Stream(vec![started(), text("one"), Step::Hang])]);
    let mut handle = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    loop {
        let event = handle.next().await.expect("an event").expect("no failure");
        if matches!(event, TurnEvent::Chat(ChatEvent::TextDelta { .. })) {
            break;
        }
    }
    handle.cancel();
    seen(handle).await.failed_with(ErrorCode::Cancelled);
    assert_eq!(home.ids(), [STARTED, ATTEMPT, FAILED]);
    assert_eq!(outcome(&home), Some(CallOutcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a12_cancelled_before_the_head() {
    let home = Home::new().await;
    home.fake.will([Answer::Hang]);
    let handle = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    let cancel = handle.canceller();
    let (seen, ()) = tokio::join!(seen(handle), async {
        while home.fake.sent().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    });
    seen.failed_with(ErrorCode::Cancelled);
    assert_eq!(outcome(&home), Some(CallOutcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a12_cancelled_before_anything_was_sent_sends_nothing() {
    let home = Home::new().await;
    let handle = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    handle.cancel();
    seen(handle).await.failed_with(ErrorCode::Cancelled);
    assert!(home.fake.sent().is_empty());
    assert_eq!(outcome(&home), Some(CallOutcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a12_a_dropped_handle_is_a_cancelled_call() {
    let home = Home::new().await;
    home.fake
        .will([Answer::Stream(vec![started(), text("one"), Step::Hang])]);
    let mut handle = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    let _first = handle.next().await;
    drop(handle);
    while home.ids().last() != Some(&FAILED) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(home.ids(), [STARTED, ATTEMPT, FAILED]);
    assert_eq!(outcome(&home), Some(CallOutcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a12_parameters_asked_for_and_sent_are_recorded() {
    let home = Home::new().await;
    let mut claims = fixture::claims_all();
    claims
        .limits
        .insert(handshake_core::capability::Limit::MaxOutputTokens, 100);
    home.enable(&home.local, "m", claims).await;
    home.fake.will([says("short")]);
    let mut request = home.ask_local("hi");
    request.params.max_tokens = Some(500);
    home.run(request).await.succeeded();
    let events = home.world.memory.events();
    let started = events.iter().find_map(|event| match event.body {
        Body::CallStarted {
            requested_max_tokens,
            effective_max_tokens,
            stream,
            messages,
            ..
        } => Some((requested_max_tokens, effective_max_tokens, stream, messages)),
        _ => None,
    });
    assert_eq!(started, Some((Some(500), Some(100), true, 1)));
}

#[tokio::test(start_paused = true)]
async fn a2_a_secret_that_left_is_an_event_and_not_a_value() {
    let home = Home::new().await;
    let record = {
        let mut record =
            (*fixture::record("keyed", "simulated", "http://127.0.0.1:4003", Reach::Direct))
                .clone();
        record.secret_ref = Some("vault:key".parse().expect("a reference"));
        record
    };
    home.world
        .memory
        .put(record.clone(), None)
        .await
        .expect("registered");
    home.enable(&record, "m", fixture::claims_all()).await;
    home.fake
        .will([says("hello"), refuses(ErrorCode::ProviderAuth, false)]);
    let request = || fixture::request(&record.provider_id, "m", "hi");
    home.run(request())
        .await
        .failed_with(ErrorCode::SecretUnbound);
    assert!(home.fake.sent().is_empty());
    home.world
        .memory
        .bind_secret("vault:key", "http://127.0.0.1:4003", b"value");
    home.run(request()).await.succeeded();
    assert_eq!(home.ids_of("FR-EVT-EGRESS-005").len(), 1);
    home.run(request())
        .await
        .failed_with(ErrorCode::ProviderAuth);
    assert_eq!(
        home.ids_of("FR-EVT-EGRESS-005").len(),
        1,
        "this time it did not leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a13_the_same_request_gives_the_same_bytes() {
    let mut bodies = Vec::new();
    for seed in [1, 2] {
        let home = Home::on(World::new(seed)).await;
        home.fake.will([says("a"), says("b")]);
        home.run(home.ask_local("hi")).await.succeeded();
        home.run(home.ask_local("hi")).await.succeeded();
        bodies.extend(home.fake.sent().into_iter().map(|sent| sent.body));
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test(start_paused = true)]
async fn b5_a_caller_that_folds_sees_the_answer() {
    let home = Home::new().await;
    home.fake.will([Answer::Stream(vec![
        started(),
        text("one "),
        text("two"),
        usage(2),
        finished(FinishReason::Length),
    ])]);
    let answer = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default())
        .response()
        .await;
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.message.as_str(), answer.finish_reason),
        ("one two", FinishReason::Length)
    );
    home.fake
        .will([Answer::Stream(vec![started(), text("half")])]);
    let failed = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default())
        .response()
        .await;
    assert_eq!(
        failed.expect_err("no success").code,
        ErrorCode::StreamTruncated
    );
}

#[tokio::test(start_paused = true)]
async fn b5_events_out_of_order_are_a_protocol_error() {
    let scripts: [fn() -> Vec<Step>; 4] = [
        || vec![text("no start"), finished(FinishReason::Stop)],
        || vec![started(), started(), finished(FinishReason::Stop)],
        || vec![finished(FinishReason::Stop)],
        || vec![started(), finished(FinishReason::Error)],
    ];
    for script in scripts {
        let home = Home::new().await;
        home.fake.will([Answer::Stream(script())]);
        home.run(home.ask_local("hi"))
            .await
            .failed_with(ErrorCode::Protocol);
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_enforced_here_too() {
    let home = Home::new().await;
    let bounded = |max| {
        let mut request = home.ask_local("hi");
        request.params.max_tokens = Some(max);
        request
    };
    // By what the provider reports.
    home.fake.will([Answer::Stream(vec![
        started(),
        text("a"),
        usage(11),
        finished(FinishReason::Stop),
    ])]);
    home.run(bounded(10))
        .await
        .failed_with(ErrorCode::BudgetExceeded);
    // By the stated estimate where it reports nothing: eight bytes a token.
    let long = "x".repeat(81);
    home.fake.will([Answer::Stream(vec![
        started(),
        text(&long),
        finished(FinishReason::Stop),
    ])]);
    home.run(bounded(10))
        .await
        .failed_with(ErrorCode::BudgetExceeded);
    home.fake.will([Answer::Stream(vec![
        started(),
        text(&long[..80]),
        finished(FinishReason::Stop),
    ])]);
    home.run(bounded(10)).await.succeeded();
    let estimated = home.world.memory.events().iter().any(|event| {
        matches!(&event.body, Body::CallCompleted { usage, .. }
            if usage.estimated && usage.completion_tokens == Some(10))
    });
    assert!(estimated, "and the event says so");
    // A flood is stopped while it comes.
    let flood = "x".repeat(1000);
    home.fake
        .will([Answer::Stream(vec![started(), text(&flood), Step::Hang])]);
    home.run(bounded(10))
        .await
        .failed_with(ErrorCode::BudgetExceeded);
}

#[derive(Clone, Debug)]
enum Move {
    Start,
    Text,
    Usage,
    Finish,
    Fail,
    Panic,
}

fn step(which: &Move) -> Step {
    match which {
        Move::Start => started(),
        Move::Text => text("x"),
        Move::Usage => usage(1),
        Move::Finish => finished(FinishReason::Stop),
        Move::Fail => Step::Fail(ErrorCode::Provider),
        Move::Panic => Step::Panic,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever an adapter does, a caller sees exactly one end, and success only with a finish.
    #[test]
    fn b5_exactly_one_terminal(
        first in proptest::collection::vec(moves(), 0..6),
        second in proptest::collection::vec(moves(), 0..6),
        cancel_after in proptest::option::of(0usize..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let home = Home::new().await;
            let script = |moves: &[Move]| Answer::Stream(moves.iter().map(step).collect());
            home.fake.will([script(&first), script(&second), script(&second)]);
            let mut handle = home.runtime.chat(home.ask_local("hi"), CallOptions::default());
            let mut events = 0;
            let mut end = None;
            while let Some(item) = handle.next().await {
                assert!(end.is_none(), "something after the terminal");
                if cancel_after == Some(events) {
                    handle.cancel();
                }
                events += 1;
                match item {
                    Ok(TurnEvent::Chat(ChatEvent::Finished { .. })) => end = Some(true),
                    Err(_) => end = Some(false),
                    Ok(_) => {}
                }
            }
            let end = end.expect("a terminal");
            let completed = home.ids_of(COMPLETED).len();
            assert_eq!(end, completed == 1);
            assert_eq!(completed + home.ids_of(FAILED).len(), 1, "one outcome");
        });
    }
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => Just(Move::Start),
        3 => Just(Move::Text),
        1 => Just(Move::Usage),
        3 => Just(Move::Finish),
        1 => Just(Move::Fail),
        1 => Just(Move::Panic),
    ]
}
