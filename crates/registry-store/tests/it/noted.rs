//! What was taken back is noted outside the home before anybody hears that it was: whoever ends the process then, and puts
//! an older home back, is found out.

use handshake_core::{
    digest::Digest,
    ports::{ApprovalQueue, ProviderStore, SignedDecision},
};
use handshake_registry_store::Epoch;

use crate::world::{World, principal, provider_id};

/// The head of the log, and the one that was noted last.
async fn heads(world: &World) -> (u64, u64) {
    let head = world.store.log_head().await.expect("reads");
    let noted = world.fakes.anchor.0.lock().expect("lock").last().copied();
    (head.size, noted.map_or(0, |(size, _)| size))
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b06_what_was_taken_back_is_noted_outside_at_once() {
    let world = World::new().await;
    let (first, _second) = (world.approved(1).await, world.leased(2).await);
    let (head, noted) = heads(&world).await;
    assert!(
        noted < head,
        "a yes need not be: put back, there is less of it"
    );

    let store = &world.store;
    let revoke = SignedDecision::Revoke(first.consent_receipt_id);
    store.decide(revoke).await.expect("revokes");
    let (head, noted) = heads(&world).await;
    assert_eq!(noted, head, "a revocation");

    store
        .pause_cloud(principal("person"))
        .await
        .expect("paused");
    let (head, noted) = heads(&world).await;
    assert_eq!(noted, head, "a pause");

    assert_eq!(store.stop_cloud(principal("person")).await, Ok(1));
    let (head, noted) = heads(&world).await;
    assert_eq!(noted, head, "a stop");

    let _third = world.approved(3).await;
    ProviderStore::remove(store, &provider_id())
        .await
        .expect("removed");
    let (head, noted) = heads(&world).await;
    assert_eq!(noted, head, "a provider that is gone, with what led there");

    // Nothing of it is an event, but the vault has changed with it, and is noted too.
    let notes = || world.fakes.anchor.0.lock().expect("lock").len();
    let before = notes();
    let policy = Epoch::Policy(Digest::of(&[b"narrower"]));
    store.set_epoch(policy).await.expect("set");
    assert_eq!(notes(), before + 1, "rules");
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b06_what_did_not_come_to_pass_is_not_noted() {
    let world = World::new().await;
    let missing = handshake_core::ids::ProviderId::new("nobody").expect("id");
    let removed = ProviderStore::remove(&world.store, &missing).await;
    assert!(removed.is_err());
    let (head, noted) = heads(&world).await;
    assert!(noted <= head);
}
