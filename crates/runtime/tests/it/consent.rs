//! Waiting for a person.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use handshake_core::{
    chat::{ChatEvent, TurnEvent},
    code::ErrorCode,
    consent::ReceiptEvidence,
    event::{Body, CallOutcome},
    ids::{ExternalId, Principal, ReceiptId, RequestId, SessionId},
    ports::{ApprovalQueue, ConsentStore, ReceiptQuery, SignedDecision, StoreError},
    time::UtcTime,
};
use handshake_runtime::{CallOptions, Config, ConsentMode, Runtime};
use tokio::time::Instant;

use super::{
    fake::{Answer, Step, says, started, text},
    home::{Home, Seen, in_session, seen},
};

fn asked(seen: &Seen) -> Vec<RequestId> {
    let ids = seen.events.iter().filter_map(|event| match event {
        TurnEvent::AwaitingConsent { request_id, .. } => Some(*request_id),
        _ => None,
    });
    ids.collect()
}

fn at_once() -> CallOptions {
    CallOptions {
        consent: ConsentMode::AnswerAtOnce,
        ..CallOptions::default()
    }
}

fn denials(home: &Home) -> Vec<(Option<RequestId>, ErrorCode)> {
    let events = home.world.memory.events();
    let denials = events.iter().filter_map(|event| match event.body {
        Body::CloudEscalationDenied { request_id, code } => Some((request_id, code)),
        _ => None,
    });
    denials.collect()
}

#[tokio::test(start_paused = true)]
async fn a8_a_yes_lets_the_call_go_on_as_if_nothing_had_happened() {
    let home = Home::new().await;
    home.fake.will([says("hello")]);
    let yes = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(
            home.fake.sent().is_empty(),
            "nothing is sent while a person is asked"
        );
        home.approve().await;
    };
    let (whole, ()) = tokio::join!(home.run(home.ask_cloud("hi")), yes);
    whole.succeeded();
    assert_eq!((whole.text().as_str(), asked(&whole).len()), ("hello", 1));
}

#[tokio::test(start_paused = true)]
async fn a8_a_no_denies_and_is_recorded_once() {
    let home = Home::new().await;
    let (whole, ()) = tokio::join!(home.run(home.ask_cloud("hi")), home.deny());
    whole.failed_with(ErrorCode::CloudEscalationDenied);
    assert!(home.fake.sent().is_empty());
    let id = asked(&whole)[0];
    assert_eq!(
        denials(&home),
        [(Some(id), ErrorCode::CloudEscalationDenied)]
    );
    assert_eq!(home.ids_of("FR-EVT-EGRESS").len(), 1);
    // Nobody is nagged: the next one is refused without a question.
    let again = home.run(home.ask_cloud("please")).await;
    again.failed_with(ErrorCode::ConsentFlood);
    assert!(asked(&again).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a8_nobody_answers() {
    let home = Home::new().await;
    let options = CallOptions {
        consent: ConsentMode::Wait(Duration::from_secs(90)),
        ..CallOptions::default()
    };
    let began = Instant::now();
    let whole = home.run_with(home.ask_cloud("hi"), options).await;
    whole.failed_with(ErrorCode::CloudConsentRequired);
    assert_eq!(began.elapsed().as_secs(), 90);
    assert_eq!(
        denials(&home),
        [(Some(asked(&whole)[0]), ErrorCode::CloudConsentRequired)]
    );
    assert!(home.fake.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a8_cancelled_while_waiting() {
    let home = Home::new().await;
    let handle = home
        .runtime
        .chat(home.ask_cloud("hi"), CallOptions::default());
    let cancel = handle.canceller();
    let (whole, ()) = tokio::join!(seen(handle), async {
        let _waits = home.pending().await;
        cancel.cancel();
    });
    whole.failed_with(ErrorCode::Cancelled);
    assert!(!home.pending().await.live, "nobody waits any more");
    assert_eq!(denials(&home).len(), 1);
    assert!(home.fake.sent().is_empty());
    // A minute later it is gone.
    home.world.memory.advance(Duration::from_secs(60));
    assert!(
        home.world
            .memory
            .pending()
            .await
            .expect("pending")
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a8_answering_at_once_leaves_the_question() {
    let home = Home::new().await;
    let first = home.run_with(home.ask_cloud("hi"), at_once()).await;
    first.failed_with(ErrorCode::CloudConsentRequired);
    let id = asked(&first)[0];
    assert_eq!(home.pending().await.request.request_id, id);
    // The same again joins it.
    let again = home.run_with(home.ask_cloud("hi"), at_once()).await;
    again.failed_with(ErrorCode::CloudConsentRequired);
    assert_eq!(asked(&again), [id]);
    assert_eq!(home.ids_of("FR-EVT-CLOUD-001").len(), 1);
    // A person says yes; the same request goes through, once.
    home.approve().await;
    home.fake.will([says("hello")]);
    let through = home.run_with(home.ask_cloud("hi"), at_once()).await;
    through.succeeded();
    assert!(asked(&through).is_empty());
    let spent = home.run_with(home.ask_cloud("hi"), at_once()).await;
    spent.failed_with(ErrorCode::CloudConsentRequired);
    assert_eq!(home.fake.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a8_a_yes_to_one_request_is_no_yes_to_another() {
    let home = Home::new().await;
    let first = home.run_with(home.ask_cloud("hi"), at_once()).await;
    first.failed_with(ErrorCode::CloudConsentRequired);
    home.approve().await;
    home.run_with(home.ask_cloud("something else"), at_once())
        .await
        .failed_with(ErrorCode::CloudConsentRequired);
    let mut somebody_else = home.ask_cloud("hi");
    let name = ExternalId::new("somebody-else").expect("a name");
    somebody_else.principal = Principal {
        name,
        ..somebody_else.principal.clone()
    };
    home.run_with(somebody_else, at_once())
        .await
        .failed_with(ErrorCode::CloudConsentRequired);
    let elsewhere = in_session(home.ask_cloud("hi"), "session-2");
    home.run_with(elsewhere, at_once())
        .await
        .failed_with(ErrorCode::CloudConsentRequired);
    assert!(home.fake.sent().is_empty());
}

/// Two clients of one consent session send the same at once: one question; who comes second is asked again.
#[tokio::test(start_paused = true)]
async fn a8_twins_wait_for_one_question_and_one_yes_sends_one() {
    let home = Home::new().await;
    home.fake.will([says("one"), says("two")]);
    let options = || CallOptions {
        consent_session: Some(SessionId::new("client").expect("a session")),
        ..CallOptions::default()
    };
    let one = home.run_with(in_session(home.ask_cloud("hi"), "a"), options());
    let two = home.run_with(in_session(home.ask_cloud("hi"), "b"), options());
    let person = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(home.world.memory.pending().await.expect("pending").len(), 1);
        home.approve().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(home.fake.sent().len(), 1, "one yes sends one");
        home.approve().await;
    };
    let (one, two, ()) = tokio::join!(one, two, person);
    one.succeeded();
    two.succeeded();
    assert_eq!(asked(&one)[0], asked(&two)[0]);
    assert_eq!(asked(&one).len() + asked(&two).len(), 3);
    assert_eq!(home.fake.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a8_a_storage_failure_is_no_permission() {
    let home = Home::new().await;
    let fail = async {
        let _waits = home.pending().await;
        home.world.memory.set_storage_failing(true);
    };
    let (whole, ()) = tokio::join!(home.run(home.ask_cloud("hi")), fail);
    whole.failed_with(ErrorCode::Storage);
    assert!(home.fake.sent().is_empty());
}

/// A store whose answer to what was revoked is a bug.
struct Dies;

#[async_trait]
impl ConsentStore for Dies {
    async fn find(&self, _: &ReceiptQuery) -> Result<Vec<ReceiptEvidence>, StoreError> {
        Err(StoreError::Failed)
    }

    async fn revoked_since(&self, _: UtcTime) -> Result<Vec<ReceiptId>, StoreError> {
        panic!("a bug")
    }
}

#[tokio::test(start_paused = true)]
async fn rt_b08_where_nobody_looks_any_more_what_runs_under_a_receipt_ends() {
    let mut home = Home::new().await;
    home.ports.consent = Arc::new(Dies);
    home.runtime = Runtime::new(home.ports.clone(), Config::default());
    // The second call is watched too: a look that died is not taken for one that goes on.
    for _ in 0..2 {
        let hangs = vec![started(), text("hello"), Step::Hang];
        home.fake.will([Answer::Stream(hangs)]);
        let whole = home.run_approved(home.ask_cloud("hi")).await;
        whole.failed_with(ErrorCode::CloudConsentRequired);
    }
    assert_eq!(home.fake.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn rt_b08_a_call_that_nobody_polls_ends_with_its_receipt_all_the_same() {
    let home = Home::new().await;
    let hangs = vec![started(), text("hello"), Step::Hang];
    home.fake.will([Answer::Stream(hangs)]);
    let request = home.ask_cloud("hi");
    let mut call = home.runtime.chat(request, CallOptions::default());
    let polled = async {
        while let Some(next) = call.next().await {
            let next = next.expect("no failure");
            if matches!(next, TurnEvent::Chat(ChatEvent::TextDelta { .. })) {
                break;
            }
        }
    };
    tokio::join!(polled, home.approve());
    let memory = &home.world.memory;
    let approved = memory.events().iter().find_map(|event| match event.body {
        Body::CloudEscalationApproved {
            consent_receipt_id, ..
        } => Some(consent_receipt_id),
        _ => None,
    });
    let revoke = SignedDecision::Revoke(approved.expect("approved"));
    ApprovalQueue::decide(memory, revoke)
        .await
        .expect("revoked");
    // Whoever holds the handle does something else.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ended = memory.events().into_iter().any(|event| {
        matches!(
            event.body,
            Body::CallFailed {
                outcome: CallOutcome::Cancelled,
                code: ErrorCode::CloudConsentRequired,
                ..
            }
        )
    });
    assert!(ended, "{:?}", memory.event_ids());
    // When they look again, they are told.
    let told = call.next().await.expect("a terminal").expect_err("an end");
    assert_eq!(
        (told.code, told.subject),
        (ErrorCode::CloudConsentRequired, Some("consent revoked"))
    );
    assert!(call.next().await.is_none());
}
