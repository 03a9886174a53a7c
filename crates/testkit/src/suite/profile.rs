//! Promises of [`ProfileStore`].

use handshake_core::{
    ids::ProfileId,
    ports::{ProfileStore, StoreError},
    profile::WorkProfile,
};

use crate::fixture;

fn profile(id: &str) -> WorkProfile {
    fixture::profile(id, "local/small")
}

/// A new store has no active profile, and storing one does not activate it.
///
/// # Panics
/// When a profile is active that was never activated.
pub async fn nothing_is_active_by_itself(store: &dyn ProfileStore) {
    assert_eq!(store.active().await.expect("active"), None);
    store.put(profile("suite-idle")).await.expect("put");
    assert_eq!(store.active().await.expect("active"), None);
}

/// Profiles come back as they were stored, in order of id.
///
/// # Panics
/// When they do not.
pub async fn a10_list_is_by_id(store: &dyn ProfileStore) {
    for id in ["suite-c", "suite-a", "suite-b"] {
        store.put(profile(id)).await.expect("put");
    }
    let all = store.list().await.expect("list");
    assert!(
        all.is_sorted_by(|a, b| a.profile_id < b.profile_id),
        "not in order of id"
    );
    for id in ["suite-a", "suite-b", "suite-c"] {
        assert!(all.contains(&profile(id)), "{id} is not as it was stored");
    }
}

/// A profile never changes under its id: the same again is fine, another one is a conflict.
///
/// # Panics
/// When a profile can be replaced.
pub async fn put_never_replaces(store: &dyn ProfileStore) {
    let first = profile("suite-immutable");
    store.put(first.clone()).await.expect("put");
    store.put(first.clone()).await.expect("the same again");
    let other = WorkProfile {
        name: "another".to_owned(),
        ..first.clone()
    };
    assert_eq!(store.put(other).await, Err(StoreError::Conflict));
    let stored = store.list().await.expect("list");
    assert!(stored.contains(&first), "a refused write changed something");
}

/// One profile at most is active, the one activated last; an unknown one changes nothing.
///
/// # Panics
/// When another one is.
pub async fn one_is_active(store: &dyn ProfileStore) {
    let (one, two) = (profile("suite-one"), profile("suite-two"));
    store.put(one.clone()).await.expect("put");
    store.put(two.clone()).await.expect("put");
    store.activate(&one.profile_id).await.expect("activate");
    assert_eq!(store.active().await.expect("active"), Some(one.clone()));
    store.activate(&two.profile_id).await.expect("activate");
    assert_eq!(store.active().await.expect("active"), Some(two.clone()));
    let unknown = ProfileId::new("suite-unknown").expect("an id");
    assert_eq!(store.activate(&unknown).await, Err(StoreError::Missing));
    assert_eq!(store.active().await.expect("active"), Some(two));
}
