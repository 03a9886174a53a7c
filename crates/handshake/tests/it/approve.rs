//! The person's side: the example with a window of one's own, and what a window can not do.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use handshake_core::{
    code::ErrorCode, consent::LeaseTerms, consent::ReceiptScope, ids::RequestId, ids::SessionId,
};
use handshake_llm::{Handshake, LeaseLimits, Preview, TurnEvent, shown::Shown};

use super::world::{MODEL, PASSPHRASE, World, secret};

#[allow(
    dead_code,
    unreachable_pub,
    reason = "an example is a program of its own"
)]
#[path = "../../examples/own_window.rs"]
mod example;

/// Calls in this session until a person must be asked.
async fn waiting(handshake: &Handshake) -> (handshake_llm::CallHandle, RequestId) {
    let mut request = handshake.ask(MODEL, "6 x 7?").expect("a request");
    request.session_id = SessionId::new("window").expect("valid");
    let mut call = handshake.chat(request);
    loop {
        match call.next().await.expect("an event").expect("no failure") {
            TurnEvent::AwaitingConsent { request_id, .. } => return (call, request_id),
            _ => continue,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_the_window_shows_the_bytes_and_a_yes_is_good_for_one_call() {
    let world = World::new(Some(PASSPHRASE)).await;
    for calls in 1..=2 {
        let shown = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&shown);
        let window = move |preview: &Preview, shown: &Shown| {
            assert_eq!(
                shown.summary.new.parts > 0,
                calls == 1,
                "the second time it was seen"
            );
            assert!(!format!("{preview:?}").contains("6 x 7"));
            *seen.lock().expect("free") = String::from_utf8_lossy(preview.body()).into_owned();
            Some(secret(PASSPHRASE))
        };
        assert_eq!(world.cloud.requests(), calls - 1);
        let answer = example::ask_first(&world.handshake, MODEL, "6 x 7?", window)
            .await
            .expect("answered");
        assert_eq!(answer, "forty-two");
        assert!(shown.lock().expect("free").contains("6 x 7?"));
        assert_eq!(world.cloud.requests(), calls);
    }
    world.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_wrong_passphrase_asks_again_and_a_no_sends_nothing() {
    let world = World::new(Some(PASSPHRASE)).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let window = move |_: &Preview, _: &Shown| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Some(secret("not the passphrase")),
        _ => None,
    };
    let denied = example::ask_first(&world.handshake, MODEL, "6 x 7?", window).await;
    assert!(denied.expect_err("denied").code.is_denial());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(
        (world.cloud.connections(), world.cloud.bytes_received()),
        (0, 0)
    );
}

#[tokio::test]
async fn a8_nobody_can_approve_in_a_home_without_a_passphrase() {
    let world = World::new(None).await;
    let parts = world.handshake.parts();
    assert!(!parts.has_factor().expect("reads"));
    for guess in [None, Some(secret("")), Some(secret(PASSPHRASE))] {
        let refused = parts.vault.approve(guess.as_ref()).expect_err("nobody can");
        assert_eq!(refused.code(), ErrorCode::FactorRequired);
    }
    // So nobody has allowed the provider either, and nobody is asked about it.
    let request = world.handshake.ask(MODEL, "6 x 7?").expect("a request");
    let refused = world.handshake.chat(request).response().await;
    assert_eq!(refused.expect_err("refused").code, ErrorCode::HomeUntrusted);
    assert_eq!(world.cloud.connections(), 0);
}

#[tokio::test]
async fn a8_a_lease_covers_the_session_and_is_never_wider_than_the_product_allows() {
    let world = World::new(Some(PASSPHRASE)).await;
    let (call, id) = waiting(&world.handshake).await;
    let preview = world.handshake.approver().open(id).await.expect("opened");
    let limits = LeaseLimits {
        max_uses: 2,
        max_new_bytes_per_call: u64::MAX,
        max_new_bytes_total: u64::MAX,
        idle: Duration::from_secs(60),
        life: Duration::MAX,
    };
    let receipt = preview
        .approve_lease(&secret(PASSPHRASE), limits)
        .await
        .expect("approved");
    let lease = receipt.ext.lease.as_ref().expect("a lease");
    assert_eq!(receipt.ext.scope, ReceiptScope::SessionScoped);
    assert_eq!((lease.max_uses, lease.idle_seconds), (2, 60));
    assert_eq!(
        (lease.max_new_bytes_per_call, lease.max_new_bytes_total),
        (
            LeaseTerms::MAX_NEW_BYTES_PER_CALL,
            LeaseTerms::MAX_NEW_BYTES_TOTAL
        )
    );
    let life = receipt.ext.expires_at.since(receipt.ext.not_before);
    assert_eq!(life, Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS));
    call.response().await.expect("answered");

    // The same session goes on unasked, until the lease is withdrawn.
    let again = || {
        let mut request = world.handshake.ask(MODEL, "6 x 7?").expect("a request");
        request.session_id = SessionId::new("window").expect("valid");
        world.handshake.chat(request)
    };
    let mut call = again();
    while let Some(event) = call.next().await {
        let event = event.expect("no failure");
        assert!(!matches!(event, TurnEvent::AwaitingConsent { .. }));
    }
    assert_eq!(world.cloud.requests(), 2);
    let approver = world.handshake.approver();
    approver
        .revoke(receipt.consent_receipt_id)
        .await
        .expect("revoked");
    let (_call, _asked) = waiting(&world.handshake).await;
    assert_eq!(world.cloud.requests(), 2);
}

#[tokio::test]
async fn a8_what_does_not_wait_is_not_opened() {
    let world = World::new(Some(PASSPHRASE)).await;
    let (call, id) = waiting(&world.handshake).await;
    let approver = world.handshake.approver();
    let preview = approver.open(id).await.expect("opened");
    preview.deny().await.expect("denied");
    drop(call);
    let gone = approver.open(id).await.expect_err("decided");
    assert_eq!(gone.code, ErrorCode::InvalidRequest);
    let late = preview
        .approve_once(&secret(PASSPHRASE))
        .await
        .expect_err("decided");
    assert_eq!(late.code, ErrorCode::CloudConsentMismatch);
    assert_eq!(world.cloud.connections(), 0);
}
