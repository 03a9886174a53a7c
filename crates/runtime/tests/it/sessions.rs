//! Conversations that are kept, one call at a time.

use std::time::Duration;

use bytes::Bytes;
use handshake_core::{
    chat::{Role, Shape, Verbatim},
    code::ErrorCode,
    ids::SessionId,
    label::{Label, Sensitivity},
    ports::{ArtifactStore, SessionStore},
};
use handshake_runtime::{CallOptions, History};

use super::{
    fake::{Answer, Step, refuses, says, started, text},
    home::{Home, in_session, seen},
};

fn stored() -> CallOptions {
    CallOptions {
        history: History::Stored,
        ..CallOptions::default()
    }
}

fn id() -> SessionId {
    SessionId::new("session-1").expect("a session")
}

#[tokio::test(start_paused = true)]
async fn b2_a_stored_session_remembers() {
    let home = Home::new().await;
    home.fake.will([says("Hello Ada."), says("Ada.")]);
    home.run_with(home.ask_local("I am Ada."), stored())
        .await
        .succeeded();
    home.run_with(home.ask_local("Who am I?"), stored())
        .await
        .succeeded();
    let sent = home.fake.sent();
    let second: serde_json::Value = serde_json::from_slice(&sent[1].body).expect("JSON");
    let texts: Vec<_> = second["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| message["content"].as_str().expect("text"))
        .collect();
    assert_eq!(texts, ["I am Ada.", "Hello Ada.", "Who am I?"]);
    let kept = home.world.memory.load(&id()).await.expect("loaded");
    let roles: Vec<_> = kept.messages.iter().map(|message| message.role).collect();
    assert_eq!(
        roles,
        [Role::User, Role::Assistant, Role::User, Role::Assistant]
    );
}

#[tokio::test(start_paused = true)]
async fn b2_a_carried_session_keeps_nothing() {
    let home = Home::new().await;
    home.fake.will([says("hello")]);
    home.run(home.ask_local("hi")).await.succeeded();
    assert!(
        home.world
            .memory
            .load(&id())
            .await
            .expect("loaded")
            .messages
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn b2_a_failed_exchange_is_not_remembered() {
    let home = Home::new().await;
    home.fake.will([
        refuses(ErrorCode::ProviderRejected, true),
        Answer::Stream(vec![started(), text("half an ans")]),
    ]);
    for _ in 0..2 {
        assert!(
            home.run_with(home.ask_local("hi"), stored())
                .await
                .end
                .is_err()
        );
    }
    assert!(
        home.world
            .memory
            .load(&id())
            .await
            .expect("loaded")
            .messages
            .is_empty()
    );
}

/// What a model says about something has its label.
#[tokio::test(start_paused = true)]
async fn a9_a_stored_answer_takes_the_label_of_what_went_in() {
    for label in [
        Some(Label {
            sensitivity: Sensitivity::High,
            exportable: true,
        }),
        Some(Label {
            sensitivity: Sensitivity::Low,
            exportable: false,
        }),
        None,
    ] {
        let home = Home::new().await;
        let artifact = home
            .world
            .memory
            .put(Bytes::from_static(b"secret plan"), label, Vec::new())
            .await;
        home.fake
            .will([says("It says: attack at dawn."), says("never")]);
        let mut request = home.ask_local("sum it up");
        request.artifacts = vec![artifact.expect("stored").artifact];
        home.run_with(request, stored()).await.succeeded();
        // The same session, moved to a cloud model: its history stays.
        home.run_with(home.ask_cloud("and now?"), stored())
            .await
            .failed_with(ErrorCode::LeakageBlocked);
        assert_eq!(home.fake.sent().len(), 1);
        // Another one goes on as before.
        let other = in_session(home.ask_cloud("and now?"), "session-2");
        let (whole, ()) = tokio::join!(home.run_with(other, stored()), home.deny());
        whole.failed_with(ErrorCode::CloudEscalationDenied);
    }
}

#[tokio::test(start_paused = true)]
async fn one_call_of_a_session_executes_at_a_time() {
    let home = Home::new().await;
    home.fake.will([
        Answer::Stream(vec![started(), Step::Hang]),
        says("free again"),
    ]);
    let first = home.runtime.chat(home.ask_local("hi"), stored());
    while home.fake.sent().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let busy = home.run_with(home.ask_local("me too"), stored()).await;
    busy.failed_with(ErrorCode::SessionBusy);
    // Another session is free; this one is when its call is over, however long it took.
    let renewed = Duration::from_secs(300);
    tokio::time::sleep(renewed).await;
    home.run_with(home.ask_local("me too"), stored())
        .await
        .failed_with(ErrorCode::SessionBusy);
    first.cancel();
    seen(first).await.failed_with(ErrorCode::Cancelled);
    home.run_with(home.ask_local("me now"), stored())
        .await
        .succeeded();
}

/// A gateway call carries its history: it holds nobody up, waits for no lease and leaves nothing in the store.
#[tokio::test(start_paused = true)]
async fn a_carried_call_never_touches_the_session_store() {
    let home = Home::new().await;
    home.fake.will([
        Answer::Stream(vec![started(), Step::Hang]),
        says("beside it"),
    ]);
    let mut first = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    let _begun = first.next().await;
    assert_eq!(home.fake.sent().len(), 1);
    home.run(home.ask_local("me too")).await.succeeded();
    // The session is free for whoever wants to store, and empty.
    let ttl = Duration::from_secs(30);
    let memory = &home.world.memory;
    memory
        .acquire(&id(), 7, ttl)
        .await
        .expect("nobody holds it");
    assert_eq!(memory.load(&id()).await.expect("loads"), Default::default());
    first.cancel();
    seen(first).await.failed_with(ErrorCode::Cancelled);
}

/// Nobody else runs a carried call: it waits for its caller, and a handle that is dropped half-way still leaves its
/// outcome.
#[tokio::test(start_paused = true)]
async fn a12_a_carried_call_is_polled_by_its_caller() {
    let home = Home::new().await;
    home.fake
        .will([Answer::Stream(vec![started(), text("a"), Step::Hang])]);
    let mut call = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(home.fake.sent().is_empty(), "somebody else polled it");
    let _begun = call.next().await;
    assert_eq!(home.fake.sent().len(), 1);
    drop(call);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let events = home.world.memory.events();
    let cancelled = |event: &handshake_core::event::Event| {
        matches!(
            event.body,
            handshake_core::event::Body::CallFailed {
                code: ErrorCode::Cancelled,
                ..
            }
        )
    };
    assert_eq!(events.iter().filter(|event| cancelled(event)).count(), 1);
}

/// Somebody took the session over (a clock jumped): the call that lost it ends.
#[tokio::test(start_paused = true)]
async fn a_call_that_loses_its_session_ends() {
    let home = Home::new().await;
    home.fake
        .will([Answer::Stream(vec![started(), Step::Hang])]);
    let first = home.runtime.chat(home.ask_local("hi"), stored());
    let take_over = async {
        while home.fake.sent().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        home.world.memory.advance(Duration::from_secs(31));
        let ttl = Duration::from_secs(3600);
        home.world
            .memory
            .acquire(&id(), 1, ttl)
            .await
            .expect("taken over");
    };
    let (whole, ()) = tokio::join!(seen(first), take_over);
    whole.failed_with(ErrorCode::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_clients_own_body_has_no_stored_history() {
    let home = Home::new().await;
    let mut request = home.ask_local("hi");
    let body = Bytes::from_static(br#"{"model":"m","stream":true,"messages":[{}]}"#);
    let body = Verbatim::read(Shape::ChatCompletions, body);
    request.verbatim = Some(body.expect("one meaning"));
    home.run_with(request, stored())
        .await
        .failed_with(ErrorCode::InvalidRequest);
    assert!(home.fake.sent().is_empty());
}
