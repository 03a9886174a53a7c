//! Kept connections end with what they rest on, whoever changed it.

use std::{future::Future, time::Duration};

use handshake_core::{
    ids::{ProviderId, SessionId},
    ports::ProviderStore,
    provider::ProviderRecord,
};
use handshake_llm::{Handshake, LeaseLimits, TurnEvent, parts::Store};
use handshake_registry_store::Epoch;
use handshake_simulator::Simulator;

use super::world::{MODEL, PASSPHRASE, World, enable, secret, simulator};

/// Longer than anybody looks, and much shorter than an idle connection is kept.
const SOON: Duration = Duration::from_secs(3);

fn id(name: &str) -> ProviderId {
    ProviderId::new(name).expect("valid")
}

async fn record(store: &Store, name: &str) -> ProviderRecord {
    let all = ProviderStore::list(store).await.expect("read");
    let found = all.into_iter().find(|it| it.provider_id == id(name));
    found.expect("registered")
}

/// One call under a lease: a person is asked only where none covers it.
async fn call(handshake: &Handshake, model: &str) {
    let mut request = handshake.ask(model, "6 x 7?").expect("a request");
    request.session_id = SessionId::new("kept").expect("valid");
    let mut call = handshake.chat(request);
    while let Some(event) = call.next().await {
        if let TurnEvent::AwaitingConsent { request_id, .. } = event.expect("no failure") {
            let approver = handshake.approver();
            tokio::spawn(async move {
                let preview = approver.open(request_id).await.expect("opened");
                let factor = secret(PASSPHRASE);
                let approved = preview.approve_lease(&factor, LeaseLimits::default());
                approved.await.expect("approved");
            });
        }
    }
}

/// A world whose kept connection to the cloud was used twice and is idle.
async fn kept() -> World {
    let world = World::new(Some(PASSPHRASE)).await;
    call(&world.handshake, MODEL).await;
    call(&world.handshake, MODEL).await;
    let cloud = &world.cloud;
    assert_eq!((cloud.connections(), cloud.open_connections()), (1, 1));
    // Several looks go by, and nothing changed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cloud.open_connections(), 1);
    world
}

/// The server sees the connection end now, and not when it was idle for long.
async fn is_closed(server: &Simulator, after: impl Future) {
    assert_eq!(server.open_connections(), 1);
    after.await;
    let gone = tokio::time::timeout(SOON, server.wait_idle()).await;
    gone.expect("the connection was closed at once");
}

async fn edit(handshake: &Handshake, name: &str) {
    let parts = handshake.parts();
    let before = record(&parts.store, name).await;
    let mut after = before.clone();
    after.revision += 1;
    let factor = secret(PASSPHRASE);
    let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
    parts
        .replace_provider(after, before.revision, Some(&approval))
        .await
        .expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_an_edited_provider_loses_its_kept_connection_and_the_next_call_dials_anew() {
    let world = kept().await;
    let store = &world.handshake.parts().store;
    is_closed(&world.cloud, edit(&world.handshake, "cloud")).await;
    enable(&world.handshake, record(store, "cloud").await).await;
    call(&world.handshake, MODEL).await;
    assert_eq!((world.cloud.connections(), world.cloud.requests()), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_what_another_process_changes_closes_connections_here() {
    // A provider edited, one removed, everything locked, everything revoked.
    let world = kept().await;
    let other = world.opened_again().await;
    is_closed(&world.cloud, edit(&other, "cloud")).await;

    let world = kept().await;
    let other = world.opened_again().await;
    let store = other.parts().store.clone();
    let removed = async { ProviderStore::remove(&store, &id("cloud")).await };
    is_closed(&world.cloud, async { removed.await.expect("removed") }).await;

    let world = kept().await;
    let other = world.opened_again().await;
    let store = other.parts().store.clone();
    let locked = store.set_epoch(Epoch::Locked(true));
    is_closed(&world.cloud, async { locked.await.expect("locked") }).await;

    let world = kept().await;
    let other = world.opened_again().await;
    let store = other.parts().store.clone();
    let revoked = async { store.revoke_all().await.expect("revoked") };
    is_closed(&world.cloud, async { assert_eq!(revoked.await, 1) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_a_revoked_lease_closes_the_connection_that_it_led_to() {
    let world = kept().await;
    let store = &world.handshake.parts().store;
    let leases = store.receipts(9).await.expect("read");
    let [lease] = leases.as_slice() else {
        panic!("one lease for both calls");
    };
    let approver = world.handshake.approver();
    let revoked = approver.revoke(lease.receipt.consent_receipt_id);
    is_closed(&world.cloud, async { revoked.await.expect("revoked") }).await;
    call(&world.handshake, MODEL).await;
    assert_eq!((world.cloud.connections(), world.cloud.requests()), (2, 3));
    assert_eq!(
        store.receipts(9).await.expect("read").len(),
        2,
        "asked anew"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_a_narrowing_closes_cloud_connections_and_no_others() {
    let world = kept().await;
    let (handshake, server) = (&world.handshake, simulator().await);
    handshake
        .add_local_provider("local", "ollama", &server.url(), Some(&secret(PASSPHRASE)))
        .await
        .expect("registered");
    call(handshake, "local/sim-small:latest").await;
    let (dialled, open) = (server.connections(), server.open_connections());
    assert!(open >= 1);
    // Registering took its time, so that the cloud's may have aged.
    call(handshake, MODEL).await;
    let store = &handshake.parts().store;
    let locked = store.set_epoch(Epoch::Locked(true));
    is_closed(&world.cloud, async { locked.await.expect("locked") }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.open_connections(), open);
    call(handshake, "local/sim-small:latest").await;
    assert_eq!(server.connections(), dialled);

    let removed = async { ProviderStore::remove(store, &id("local")).await };
    removed.await.expect("removed");
    let gone = tokio::time::timeout(SOON, server.wait_idle()).await;
    gone.expect("the connection was closed at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn s21_a_home_that_is_dropped_leaves_no_connection_and_nobody_looking() {
    let world = kept().await;
    let World {
        handshake, cloud, ..
    } = world;
    let parts = std::sync::Arc::downgrade(handshake.parts());
    is_closed(&cloud, async { drop(handshake) }).await;
    assert!(parts.upgrade().is_none());
}
