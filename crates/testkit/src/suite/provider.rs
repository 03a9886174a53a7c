//! Promises of [`ProviderStore`].

use std::sync::Arc;

use handshake_core::{
    capability::CapabilitySnapshot,
    ids::{ModelRef, ProviderId},
    ports::{ProviderStore, StoreError},
    provider::ProviderRecord,
    tier::Reach,
};

use crate::fixture;

fn record(id: &str, revision: u64) -> ProviderRecord {
    let record = fixture::record(id, "simulated", "http://127.0.0.1:4000", Reach::Direct);
    ProviderRecord {
        revision,
        ..Arc::unwrap_or_clone(record)
    }
}

fn snapshot(record: &ProviderRecord, model: &str) -> (ModelRef, CapabilitySnapshot) {
    let snapshot =
        CapabilitySnapshot::clone(&fixture::snapshot(record, model, fixture::claims_all()));
    let model = ModelRef {
        provider: record.provider_id.clone(),
        model: snapshot.model_id.clone(),
    };
    (model, snapshot)
}

async fn listed(store: &dyn ProviderStore, id: &ProviderId) -> Option<ProviderRecord> {
    store
        .list()
        .await
        .expect("list")
        .into_iter()
        .find(|record| record.provider_id == *id)
}

/// What was stored is listed, by id, whatever the order it came in.
///
/// # Panics
/// When it is not.
pub async fn a10_list_is_by_id(store: &dyn ProviderStore) {
    for id in ["suite-list-c", "suite-list-a", "suite-list-b"] {
        store.put(record(id, 1), None).await.expect("put");
    }
    let all = store.list().await.expect("list");
    assert!(
        all.is_sorted_by(|a, b| a.provider_id < b.provider_id),
        "not in order of id"
    );
    for id in ["suite-list-a", "suite-list-b", "suite-list-c"] {
        assert!(all.contains(&record(id, 1)), "{id} is not as it was stored");
    }
}

/// `put` compares revisions: two writers cannot overwrite each other, and nothing changes on a conflict.
///
/// # Panics
/// When a stale write succeeds.
pub async fn a1_put_compares_revisions(store: &dyn ProviderStore) {
    let first = record("suite-revisions", 1);
    let id = first.provider_id.clone();
    store.put(first.clone(), None).await.expect("put");
    assert_eq!(
        store.put(first.clone(), None).await,
        Err(StoreError::Conflict),
        "it exists"
    );
    let second = ProviderRecord {
        revision: 2,
        ..first.clone()
    };
    assert_eq!(
        store.put(second.clone(), Some(7)).await,
        Err(StoreError::Conflict),
        "stale"
    );
    assert_eq!(
        listed(store, &id).await,
        Some(first),
        "a refused write changed something"
    );
    store.put(second.clone(), Some(1)).await.expect("put");
    assert_eq!(listed(store, &id).await, Some(second.clone()));
    let third = ProviderRecord {
        revision: 3,
        ..second
    };
    assert_eq!(
        store.put(third, Some(1)).await,
        Err(StoreError::Conflict),
        "the loser of a race"
    );
    let absent = record("suite-revisions-absent", 2);
    assert_eq!(
        store.put(absent, Some(1)).await,
        Err(StoreError::Conflict),
        "nothing to replace"
    );
}

/// Removing removes the record and its snapshots, and only its own; a second time it is missing.
///
/// # Panics
/// When something is left, or too much is gone.
pub async fn a1_remove_takes_snapshots_along(store: &dyn ProviderStore) {
    let (gone, kept) = (record("suite-remove", 1), record("suite-remove-not", 1));
    for record in [&gone, &kept] {
        store.put(record.clone(), None).await.expect("put");
        let (model, known) = snapshot(record, "m");
        store
            .put_snapshot(&model, known)
            .await
            .expect("put_snapshot");
    }
    store.remove(&gone.provider_id).await.expect("remove");
    assert_eq!(
        store.remove(&gone.provider_id).await,
        Err(StoreError::Missing)
    );
    assert_eq!(listed(store, &gone.provider_id).await, None);
    assert!(
        store
            .snapshots(&gone.provider_id)
            .await
            .expect("snapshots")
            .is_empty()
    );
    assert_eq!(
        store
            .snapshots(&kept.provider_id)
            .await
            .expect("snapshots")
            .len(),
        1
    );
    store
        .put(gone.clone(), None)
        .await
        .expect("it may come back");
    assert!(
        store
            .snapshots(&gone.provider_id)
            .await
            .expect("snapshots")
            .is_empty(),
        "what was known about a removed provider came back with it"
    );
}

/// Snapshots come back as they were stored, by model, the newest for each model.
///
/// # Panics
/// When they do not.
pub async fn a4_snapshots_are_kept_by_model(store: &dyn ProviderStore) {
    let record = record("suite-snapshots", 1);
    store.put(record.clone(), None).await.expect("put");
    let (b, known_b) = snapshot(&record, "b/with:slash");
    let (a, known_a) = snapshot(&record, "a");
    store
        .put_snapshot(&b, known_b.clone())
        .await
        .expect("put_snapshot");
    store
        .put_snapshot(&a, known_a.clone())
        .await
        .expect("put_snapshot");
    let found = store
        .snapshots(&record.provider_id)
        .await
        .expect("snapshots");
    assert_eq!(found, [known_a.clone(), known_b.clone()]);
    let disabled = CapabilitySnapshot {
        enabled: false,
        ..known_a
    };
    store
        .put_snapshot(&a, disabled.clone())
        .await
        .expect("put_snapshot");
    let found = store
        .snapshots(&record.provider_id)
        .await
        .expect("snapshots");
    assert_eq!(found, [disabled, known_b]);
}

/// Nothing is kept about a provider that is not there.
///
/// # Panics
/// When something is.
pub async fn no_snapshot_without_a_provider(store: &dyn ProviderStore) {
    let absent = record("suite-absent", 1);
    let (model, known) = snapshot(&absent, "m");
    assert_eq!(
        store.put_snapshot(&model, known).await,
        Err(StoreError::Missing)
    );
    assert!(
        store
            .snapshots(&absent.provider_id)
            .await
            .expect("snapshots")
            .is_empty()
    );
}
