//! Retries: cleared each, waited for as policy says, and never where something may have been read twice.

use std::time::Duration;

use handshake_core::{
    chat::{ChatEvent, FinishReason},
    code::{ErrorCode, Phase},
    error::{CallError, SendError},
    event::Body,
};
use handshake_runtime::CallOptions;
use tokio::time::Instant;

use super::{
    fake::{Answer, Step, finished, refuses, says, started, text, usage},
    home::{Home, seen},
};

fn asks_to_wait(seconds: u64) -> Answer {
    let error = CallError::new(ErrorCode::RateLimit, Phase::Status)
        .retry_after(Some(Duration::from_secs(seconds)));
    Answer::Refuse(SendError::unsent(error))
}

#[tokio::test(start_paused = true)]
async fn a14_a_transient_failure_is_tried_again() {
    for cloud in [false, true] {
        let home = Home::new().await;
        home.fake
            .will([refuses(ErrorCode::NotReady, false), says("at last")]);
        let seen = match cloud {
            true => home.run_approved(home.ask_cloud("hi")).await,
            false => home.run(home.ask_local("hi")).await,
        };
        seen.succeeded();
        assert_eq!(seen.text(), "at last");
        assert_eq!(
            home.fake
                .sent()
                .iter()
                .map(|sent| sent.attempt)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(home.fake.sent()[0].body, home.fake.sent()[1].body);
        assert_eq!(
            home.ids_of("FR-EVT-PROVIDER-006").len(),
            2,
            "each attempt is cleared"
        );
        assert_eq!(home.ids_of("FR-EVT-PROVIDER-007").len(), 1);
        assert_eq!(home.ids_of("FR-EVT-PROVIDER-010").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a14_attempts_are_bounded_and_one_receipt_pays_for_all() {
    let home = Home::new().await;
    home.fake.will([
        refuses(ErrorCode::NotReady, false),
        refuses(ErrorCode::NotReady, false),
        refuses(ErrorCode::NotReady, false),
    ]);
    home.run_approved(home.ask_cloud("hi"))
        .await
        .failed_with(ErrorCode::NotReady);
    assert_eq!(home.fake.sent().len(), 3);
    assert_eq!(
        home.ids_of("FR-EVT-CLOUD").len(),
        2,
        "asked once, executed never"
    );
    assert_eq!(home.ids_of("FR-EVT-PROVIDER-009").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a14_retry_after_is_honoured() {
    let home = Home::new().await;
    home.fake
        .will([asks_to_wait(7), says("at last"), asks_to_wait(31)]);
    let began = Instant::now();
    home.run(home.ask_local("hi")).await.succeeded();
    assert_eq!(began.elapsed().as_secs(), 7);
    let waited = home
        .world
        .memory
        .events()
        .iter()
        .find_map(|event| match event.body {
            Body::CallRetry {
                wait_ms, attempt, ..
            } => Some((wait_ms, attempt)),
            _ => None,
        });
    assert_eq!(waited, Some((7000, 1)));
    let began = Instant::now();
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::RateLimit);
    assert_eq!(
        began.elapsed().as_secs(),
        0,
        "longer than the cap is not waited for"
    );
}

#[tokio::test(start_paused = true)]
async fn a14_a_cloud_request_in_doubt_is_never_sent_twice() {
    for answer in [
        refuses(ErrorCode::Timeout, true),
        Answer::Stream(vec![Step::Fail(ErrorCode::Provider)]),
        Answer::Stream(vec![started(), Step::Fail(ErrorCode::NotReady)]),
    ] {
        let home = Home::new().await;
        home.fake.will([answer, says("never")]);
        let seen = home.run_approved(home.ask_cloud("hi")).await;
        assert!(seen.end.is_err());
        assert_eq!(home.fake.sent().len(), 1);
        assert!(home.ids_of("FR-EVT-PROVIDER-007").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a14_a_local_request_in_doubt_is_sent_once_more_only() {
    let home = Home::new().await;
    home.fake.will([
        refuses(ErrorCode::Timeout, true),
        refuses(ErrorCode::Timeout, true),
        says("never"),
    ]);
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::Timeout);
    assert_eq!(home.fake.sent().len(), 2);
    assert_eq!(
        home.ids_of("FR-EVT-PROVIDER-008").len(),
        2,
        "each timeout is an event"
    );
}

#[tokio::test(start_paused = true)]
async fn a14_nothing_is_tried_again_after_the_first_content() {
    for content in [
        text("one"),
        Step::Event(ChatEvent::ReasoningDelta {
            text: "hm".to_owned(),
        }),
        Step::Event(ChatEvent::Refusal {
            text: "no".to_owned(),
        }),
    ] {
        let home = Home::new().await;
        home.fake.will([
            Answer::Stream(vec![started(), content, Step::Fail(ErrorCode::Provider)]),
            says("never"),
        ]);
        home.run(home.ask_local("hi"))
            .await
            .failed_with(ErrorCode::Provider);
        assert_eq!(home.fake.sent().len(), 1);
    }
}

/// An answer that was begun, failed before any content, and was begun again, starts once for its reader.
#[tokio::test(start_paused = true)]
async fn b5_a_retried_answer_starts_once() {
    let answers = || {
        [
            Answer::Stream(vec![started(), usage(1), Step::Fail(ErrorCode::Provider)]),
            Answer::Stream(vec![
                started(),
                text("at last"),
                usage(2),
                finished(FinishReason::Stop),
            ]),
        ]
    };
    let home = Home::new().await;
    home.fake.will(answers());
    let whole = home.run(home.ask_local("hi")).await;
    whole.succeeded();
    assert_eq!(
        whole
            .chat()
            .filter(|event| matches!(event, ChatEvent::Started))
            .count(),
        1
    );
    home.fake.will(answers());
    let answer = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default())
        .response()
        .await;
    assert_eq!(answer.expect("an answer").message, "at last");
}

#[tokio::test(start_paused = true)]
async fn a14_failures_that_would_fail_again_are_not_tried_again() {
    for code in [
        ErrorCode::ProviderRejected,
        ErrorCode::ProviderAuth,
        ErrorCode::ProviderQuota,
        ErrorCode::ContextWindow,
        ErrorCode::UnexpectedContent,
        ErrorCode::Protocol,
        ErrorCode::Model404,
    ] {
        let home = Home::new().await;
        home.fake.will([refuses(code, false), says("never")]);
        home.run(home.ask_local("hi")).await.failed_with(code);
        assert_eq!(home.fake.sent().len(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a14_cancelling_ends_the_wait() {
    let home = Home::new().await;
    home.fake.will([asks_to_wait(20), says("never")]);
    let handle = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    let cancel = handle.canceller();
    let began = Instant::now();
    let (whole, ()) = tokio::join!(seen(handle), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cancel.cancel();
    });
    whole.failed_with(ErrorCode::Cancelled);
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(home.fake.sent().len(), 1);
}

/// LOCKED between two attempts: the second is not sent.
#[tokio::test(start_paused = true)]
async fn a14_every_attempt_is_judged_by_the_rules_of_its_moment() {
    let home = Home::new().await;
    home.fake.will([asks_to_wait(10), says("never")]);
    let lock = async {
        home.approve().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        home.world.memory.set_locked(true);
    };
    let (whole, ()) = tokio::join!(home.run(home.ask_cloud("hi")), lock);
    whole.failed_with(ErrorCode::GovernanceLocked);
    assert_eq!(home.fake.sent().len(), 1);
}
