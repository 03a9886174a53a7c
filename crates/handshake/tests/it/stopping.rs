//! A person takes back what they gave, while it is used.

use std::time::{Duration, Instant};

use handshake_core::{
    chat::ChatEvent,
    code::ErrorCode,
    consent::AskReason,
    event::{Body, CallOutcome, EgressCode, WidenKind, Withdrawn},
    ids::{ReceiptId, SessionId},
};
use handshake_llm::{
    CallHandle, Handshake, LeaseLimits, TurnEvent,
    parts::runtime::{CallOptions, ConsentMode},
};
use handshake_simulator::{Fault, Model, Reply, Rule, Script};

use super::world::{MODEL, PASSPHRASE, World, secret};

/// How soon a stream ends whose consent was taken back.
const SOON: Duration = Duration::from_secs(1);

/// An answer that begins and never ends.
fn endless() -> Script {
    Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(
            Rule::new(
                Reply::chunks(vec!["again and "; 40]).fault(Fault::StallAfter {
                    bytes: 2000,
                    ms: None,
                }),
            )
            .route(handshake_simulator::Route::Chat),
        )
}

/// A call in this session, approved as a lease where a person is asked, up to its first text.
async fn streaming(handshake: &Handshake, session: &str) -> (CallHandle, ReceiptId) {
    let mut request = handshake.ask(MODEL, "6 x 7?").expect("a request");
    request.session_id = SessionId::new(session).expect("valid");
    let mut call = handshake.chat(request);
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), call.next()).await;
        match next.expect("soon").expect("an event").expect("no failure") {
            TurnEvent::AwaitingConsent { request_id, .. } => {
                let approver = handshake.approver();
                tokio::spawn(async move {
                    let preview = approver.open(request_id).await.expect("opened");
                    let factor = secret(PASSPHRASE);
                    let approved = preview.approve_lease(&factor, LeaseLimits::default());
                    approved.await.expect("approved");
                });
            }
            TurnEvent::Chat(ChatEvent::TextDelta { .. }) => break,
            _ => {}
        }
    }
    // What came with it is taken too: nothing is left but to wait.
    while let Ok(next) = tokio::time::timeout(Duration::from_millis(200), call.next()).await {
        match next {
            Some(next) => drop(next.expect("no failure")),
            None => break,
        }
    }
    let store = &handshake.parts().store;
    let receipts = store.receipts(1).await.expect("read");
    (call, receipts[0].receipt.consent_receipt_id)
}

/// What a call ends with, and how soon.
async fn end(call: &mut CallHandle) -> (ErrorCode, &'static str) {
    let ended = async {
        loop {
            if let Err(error) = call.next().await.expect("an end") {
                return (error.code, error.subject.unwrap_or_default());
            }
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("it ends")
}

async fn events(handshake: &Handshake) -> Vec<Body> {
    handshake.finish().await.expect("written");
    let events = handshake.parts().store.log_tail(100).await.expect("read");
    events.into_iter().map(|it| it.event.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b08_a_revoked_lease_ends_the_stream_under_it_from_here_and_from_elsewhere() {
    for elsewhere in [false, true] {
        let world = World::new(Some(PASSPHRASE)).await;
        world.cloud.set_script(endless()).expect("a script");
        let (mut call, receipt) = streaming(&world.handshake, "watched").await;
        assert_eq!(world.cloud.open_connections(), 1);
        let who = match elsewhere {
            true => world.opened_again().await,
            false => world.handshake.clone(),
        };
        let began = Instant::now();
        who.approver().revoke(receipt).await.expect("revoked");
        let ended = end(&mut call).await;
        assert_eq!(
            ended,
            (ErrorCode::CloudConsentRequired, "consent revoked"),
            "{elsewhere}"
        );
        let gone = tokio::time::timeout(SOON, world.cloud.wait_idle()).await;
        gone.expect("the provider sees the end of the connection");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

        let bodies = events(&world.handshake).await;
        let revoked = Body::Revoked {
            what: Withdrawn::Receipt,
            consent_receipt_id: Some(receipt),
        };
        assert_eq!(bodies.iter().filter(|it| **it == revoked).count(), 1);
        let outcome = bodies.iter().rev().find_map(|body| match body {
            Body::CallFailed { outcome, code, .. } => Some((*outcome, *code)),
            _ => None,
        });
        assert_eq!(
            outcome,
            Some((CallOutcome::Cancelled, ErrorCode::CloudConsentRequired))
        );
        // Again changes nothing, and is not recorded again.
        who.approver().revoke(receipt).await.expect("revoked");
        let now = events(&world.handshake).await;
        assert_eq!(now, bodies);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b08_a_revoked_lease_ends_no_stream_under_another_one() {
    let world = World::new(Some(PASSPHRASE)).await;
    world.cloud.set_script(endless()).expect("a script");
    let (mut one, first) = streaming(&world.handshake, "one").await;
    let (mut two, second) = streaming(&world.handshake, "two").await;
    assert_ne!(first, second);
    let approver = world.handshake.approver();
    approver.revoke(first).await.expect("revoked");
    assert_eq!(end(&mut one).await.0, ErrorCode::CloudConsentRequired);
    let other = tokio::time::timeout(SOON, two.next()).await;
    assert!(other.is_err(), "the other stream still waits: {other:?}");
    assert_eq!(world.cloud.open_connections(), 1);
    approver.revoke(second).await.expect("revoked");
    assert_eq!(end(&mut two).await.0, ErrorCode::CloudConsentRequired);
}

/// A call in this session that nobody is asked about.
fn unasked(handshake: &Handshake, session: &str) -> CallHandle {
    let mut request = handshake.ask(MODEL, "6 x 7?").expect("a request");
    request.session_id = SessionId::new(session).expect("valid");
    handshake.chat(request)
}

/// The first thing that is said of a call.
async fn first(call: &mut CallHandle) -> TurnEvent {
    let first = tokio::time::timeout(SOON, call.next()).await;
    first.expect("soon").expect("an event").expect("no failure")
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_pause_holds_what_is_new_lets_what_runs_go_on_and_ends_with_the_factor() {
    for elsewhere in [false, true] {
        let world = World::new(Some(PASSPHRASE)).await;
        let who = match elsewhere {
            true => world.opened_again().await,
            false => world.handshake.clone(),
        };
        let (call, _) = streaming(&world.handshake, "held").await;
        drop(call);
        assert_eq!(world.cloud.requests(), 1);
        world.cloud.set_script(endless()).expect("a script");
        let (mut running, _) = streaming(&world.handshake, "running").await;
        let sent = world.cloud.bytes_received();

        assert!(who.pause().await.expect("paused"));
        assert!(!who.pause().await.expect("paused"), "it is so already");
        let mut call = unasked(&world.handshake, "held");
        let held = first(&mut call).await;
        assert!(matches!(held, TurnEvent::Paused { .. }), "{held:?}");
        let goes_on = tokio::time::timeout(SOON, running.next()).await;
        assert!(goes_on.is_err(), "what runs is not ended: {goes_on:?}");
        let waits = tokio::time::timeout(SOON, call.next()).await;
        assert!(waits.is_err(), "nothing comes of it: {waits:?}");
        assert_eq!(world.cloud.bytes_received(), sent, "and nothing was sent");

        for factor in [None, Some(secret("not the passphrase"))] {
            let refused = who.resume(factor.as_ref()).await.expect_err("a factor");
            assert_eq!(refused.code, ErrorCode::FactorRequired);
        }
        let waits = tokio::time::timeout(SOON, call.next()).await;
        assert!(waits.is_err(), "still held: {waits:?}");
        let factor = secret(PASSPHRASE);
        assert!(who.resume(Some(&factor)).await.expect("resumed"));
        assert!(!who.resume(Some(&factor)).await.expect("resumed"));
        // It goes on by itself; the lease from before the pause is asked about again.
        let asked = first(&mut call).await;
        let TurnEvent::AwaitingConsent { request_id, .. } = asked else {
            panic!("{asked:?}");
        };
        let preview = world.handshake.approver().open(request_id).await;
        let reasons = &preview.expect("opened").plan().ext.asked_because.clone();
        assert!(reasons.contains(&AskReason::AfterPause), "{reasons:?}");
        assert_eq!(world.cloud.bytes_received(), sent);

        let bodies = events(&who).await;
        let count = |wanted: fn(&Body) -> bool| bodies.iter().filter(|body| wanted(body)).count();
        let paused = |body: &Body| {
            matches!(
                body,
                Body::Revoked {
                    what: Withdrawn::Pause,
                    ..
                }
            )
        };
        let resumed = |body: &Body| {
            matches!(
                body,
                Body::Widened {
                    what: WidenKind::Resume,
                    ..
                }
            )
        };
        assert_eq!((count(paused), count(resumed)), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_held_call_whose_patience_ends_is_denied_and_recorded_and_nothing_is_sent() {
    let world = World::new(Some(PASSPHRASE)).await;
    world.handshake.pause().await.expect("paused");
    for consent in [
        ConsentMode::AnswerAtOnce,
        ConsentMode::Wait(Duration::from_millis(300)),
    ] {
        let request = world.handshake.ask(MODEL, "6 x 7?").expect("a request");
        let options = CallOptions {
            consent,
            ..CallOptions::default()
        };
        let mut call = world.handshake.runtime().chat(request, options);
        assert_eq!(
            end(&mut call).await,
            (ErrorCode::GovernanceLocked, "paused")
        );
    }
    assert_eq!(
        (world.cloud.connections(), world.cloud.bytes_received()),
        (0, 0)
    );
    let bodies = events(&world.handshake).await;
    let denied = Body::GateDenied {
        step: EgressCode::Governance,
        code: ErrorCode::GovernanceLocked,
        count: None,
    };
    assert_eq!(bodies.iter().filter(|body| **body == denied).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b08_stop_ends_what_runs_and_revokes_what_was_given_by_command_and_by_file() {
    for by_file in [false, true] {
        let world = World::new(Some(PASSPHRASE)).await;
        world.cloud.set_script(endless()).expect("a script");
        let (mut one, first_receipt) = streaming(&world.handshake, "one").await;
        let (mut two, _) = streaming(&world.handshake, "two").await;
        let file = world.handshake.parts().home.path.join("run").join("stop");
        if by_file {
            std::fs::write(&file, "").expect("written");
        } else {
            let other = world.opened_again().await;
            assert_eq!(other.stop().await.expect("stopped"), 2);
        }
        for call in [&mut one, &mut two] {
            assert_eq!(end(call).await.0, ErrorCode::CloudConsentRequired);
        }
        let gone = tokio::time::timeout(SOON, world.cloud.wait_idle()).await;
        gone.expect("the provider sees the end of both connections");
        assert!(!file.exists(), "it was obeyed");
        let receipts = world.handshake.parts().store.receipts(9).await;
        let receipts = receipts.expect("read");
        assert!(receipts.iter().all(|it| it.revoked_at.is_some()));
        let bodies = events(&world.handshake).await;
        let stopped = Body::Revoked {
            what: Withdrawn::Stop,
            consent_receipt_id: None,
        };
        let revoked = Body::Revoked {
            what: Withdrawn::Receipt,
            consent_receipt_id: Some(first_receipt),
        };
        assert!(bodies.contains(&stopped) && bodies.contains(&revoked));
        // Whoever opens the home later is stopped too.
        let later = world.opened_again().await;
        let mut call = unasked(&later, "one");
        let held = first(&mut call).await;
        assert!(matches!(held, TurnEvent::Paused { .. }), "{held:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_b16_calls_at_the_same_time_share_a_lease_and_none_fails_for_it() {
    const AT_ONCE: usize = 16;
    const EACH: usize = 12;
    let world = World::new(Some(PASSPHRASE)).await;
    let (call, receipt) = streaming(&world.handshake, "shared").await;
    drop(call);
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let handshake = world.handshake.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    unasked(&handshake, "shared").response().await?;
                }
                Ok::<_, handshake_core::error::CallError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("ran").expect("answered");
    }
    let receipts = world.handshake.parts().store.receipts(9).await;
    let receipts = receipts.expect("read");
    assert_eq!(receipts.len(), 1, "nobody was asked again");
    assert_eq!(receipts[0].receipt.consent_receipt_id, receipt);
    assert_eq!(receipts[0].uses as usize, 1 + AT_ONCE * EACH);
}
