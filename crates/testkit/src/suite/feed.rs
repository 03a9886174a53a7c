//! Promises of [`RegistryFeed`].

use std::{sync::Arc, time::Duration};

use handshake_core::{
    capability::CapabilitySnapshot,
    ids::ModelRef,
    ports::{ProfileStore, ProviderStore, RegistryFeed, StoreError},
    profile::RegistryView,
    provider::ProviderRecord,
    tier::Reach,
};

use crate::fixture;

/// A registry that is written and read. Every function wants a fresh one.
pub trait Registry: Send + Sync {
    /// The feed.
    fn feed(&self) -> &dyn RegistryFeed;
    /// Providers.
    fn providers(&self) -> &dyn ProviderStore;
    /// Profiles.
    fn profiles(&self) -> &dyn ProfileStore;
}

fn record(id: &str) -> ProviderRecord {
    let record = fixture::record(id, "simulated", "http://127.0.0.1:4000", Reach::Direct);
    Arc::unwrap_or_clone(record)
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

fn view(registry: &impl Registry) -> Arc<RegistryView> {
    registry.feed().current().expect("a view")
}

/// What was stored is in the next view, whatever was looked at before.
///
/// # Panics
/// When it is not.
pub async fn a1_a_change_is_in_the_next_view(registry: &impl Registry) {
    assert!(view(registry).providers.is_empty());
    for id in ["suite-feed-a", "suite-feed-b"] {
        let record = record(id);
        registry
            .providers()
            .put(record.clone(), None)
            .await
            .expect("put");
        assert_eq!(
            view(registry)
                .providers
                .get(&record.provider_id)
                .map(|r| &**r),
            Some(&record)
        );
        let (model, known) = snapshot(&record, "m/with:slash");
        registry
            .providers()
            .put_snapshot(&model, known.clone())
            .await
            .expect("put_snapshot");
        assert_eq!(
            view(registry).snapshots.get(&model).map(|s| &**s),
            Some(&known)
        );
    }
    assert_eq!(
        (
            view(registry).providers.len(),
            view(registry).snapshots.len()
        ),
        (2, 2)
    );
    assert_eq!(view(registry).profile, None);
    let profile = fixture::profile("suite-feed", "suite-feed-a/m");
    registry.profiles().put(profile.clone()).await.expect("put");
    assert_eq!(view(registry).profile, None, "stored is not active");
    registry
        .profiles()
        .activate(&profile.profile_id)
        .await
        .expect("activate");
    assert_eq!(view(registry).profile.as_deref(), Some(&profile));
}

/// A revision replaces the one before it, alone, and takes nothing else along.
///
/// # Panics
/// When it does not.
pub async fn a1_a_revision_replaces_the_one_before(registry: &impl Registry) {
    let (one, other) = (record("suite-feed-one"), record("suite-feed-other"));
    for record in [&one, &other] {
        registry
            .providers()
            .put(record.clone(), None)
            .await
            .expect("put");
    }
    let (model, known) = snapshot(&one, "m");
    registry
        .providers()
        .put_snapshot(&model, known)
        .await
        .expect("put_snapshot");
    let before = view(registry);
    let next = ProviderRecord {
        revision: 2,
        ..one.clone()
    };
    registry
        .providers()
        .put(next.clone(), Some(1))
        .await
        .expect("put");
    let after = view(registry);
    assert_eq!(
        after.providers.get(&one.provider_id).map(|r| &**r),
        Some(&next)
    );
    assert_eq!(
        after.providers.get(&other.provider_id).map(|r| &**r),
        Some(&other)
    );
    assert!(after.snapshots.contains_key(&model));
    assert_eq!(
        before.providers.get(&one.provider_id).map(|r| r.revision),
        Some(1),
        "a view is immutable"
    );
}

/// A removed provider is gone, with what was known about its models.
///
/// # Panics
/// When it is not.
pub async fn a1_a_removal_takes_models_along(registry: &impl Registry) {
    let (gone, kept) = (record("suite-feed-gone"), record("suite-feed-gone-not"));
    for record in [&gone, &kept] {
        registry
            .providers()
            .put(record.clone(), None)
            .await
            .expect("put");
        let (model, known) = snapshot(record, "m");
        registry
            .providers()
            .put_snapshot(&model, known)
            .await
            .expect("put_snapshot");
    }
    assert_eq!(view(registry).snapshots.len(), 2);
    registry
        .providers()
        .remove(&gone.provider_id)
        .await
        .expect("remove");
    let after = view(registry);
    assert_eq!(
        after.providers.keys().collect::<Vec<_>>(),
        [&kept.provider_id]
    );
    assert_eq!(
        after
            .snapshots
            .keys()
            .map(|m| &m.provider)
            .collect::<Vec<_>>(),
        [&kept.provider_id]
    );
    registry
        .providers()
        .put(gone.clone(), None)
        .await
        .expect("it may come back");
    assert_eq!(
        view(registry).snapshots.len(),
        1,
        "what was known came back with it"
    );
}

/// A registry that cannot be read is an error, at the latest 50 ms after it broke, and no longer once it can.
///
/// # Panics
/// When an old view goes on.
pub async fn s02_an_unreadable_registry_is_an_error(
    registry: &impl Registry,
    advance: impl AsyncFn(Duration),
    damage: impl AsyncFn(bool),
) {
    registry
        .providers()
        .put(record("suite-feed-damage"), None)
        .await
        .expect("put");
    assert_eq!(view(registry).providers.len(), 1);
    damage(true).await;
    advance(Duration::from_millis(50)).await;
    for _ in 0..3 {
        let found = registry.feed().current().map(|view| view.providers.len());
        assert!(
            matches!(found, Err(StoreError::Damaged | StoreError::Failed)),
            "{found:?}"
        );
        advance(Duration::from_secs(1)).await;
    }
    damage(false).await;
    advance(Duration::from_millis(50)).await;
    assert_eq!(view(registry).providers.len(), 1);
}

/// What another process stored is in a view 50 ms later.
///
/// # Panics
/// When it is not.
pub async fn a1_another_process_is_seen_in_50_ms(
    here: &impl Registry,
    there: &impl Registry,
    advance: impl AsyncFn(Duration),
) {
    let record = record("suite-feed-there");
    assert!(view(here).providers.is_empty());
    there
        .providers()
        .put(record.clone(), None)
        .await
        .expect("put");
    advance(Duration::from_millis(50)).await;
    assert!(view(here).providers.contains_key(&record.provider_id));
    let (model, known) = snapshot(&record, "m");
    there
        .providers()
        .put_snapshot(&model, known)
        .await
        .expect("put_snapshot");
    advance(Duration::from_millis(50)).await;
    assert!(view(here).snapshots.contains_key(&model));
    there
        .providers()
        .remove(&record.provider_id)
        .await
        .expect("remove");
    advance(Duration::from_millis(50)).await;
    let after = view(here);
    assert!(after.providers.is_empty() && after.snapshots.is_empty());
}
