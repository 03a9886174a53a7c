//! Promises of [`SessionStore`]. Each function uses sessions of its own, so that all of them can run on one
//! store.

use std::time::Duration;

use handshake_core::{
    chat::Role,
    ids::{ModelId, ModelRef, ProviderId, SessionId},
    label::{Label, Sensitivity},
    ports::{SessionError, SessionStore, StoredSession},
};

use crate::fixture::message;

fn session(name: &str) -> SessionId {
    SessionId::new(format!("suite-{name}")).expect("a session id")
}

/// An unknown session is empty and inline.
///
/// # Panics
/// When it is not.
pub async fn unknown_is_empty_and_inline(store: &dyn SessionStore) {
    let loaded = store.load(&session("unknown")).await.expect("load");
    assert_eq!(loaded, StoredSession::default());
    assert_eq!(loaded.label, Label::INLINE);
}

/// Messages come back in the order they were appended, whole.
///
/// # Panics
/// When they do not.
pub async fn appends_in_order(store: &dyn SessionStore) {
    let id = session("order");
    let first = vec![
        message(1, Role::User, "one"),
        message(2, Role::Assistant, "two"),
    ];
    let then = vec![message(3, Role::User, "three")];
    store
        .append(&id, first.clone(), Label::INLINE)
        .await
        .expect("append");
    store
        .append(&id, then.clone(), Label::INLINE)
        .await
        .expect("append");
    let loaded = store.load(&id).await.expect("load");
    assert_eq!(loaded.messages, [first, then].concat());
    assert_eq!(
        store.load(&session("order-other")).await.expect("load"),
        StoredSession::default()
    );
}

/// Labels are joined, never replaced: a session that held something high stays high.
///
/// # Panics
/// When a later label lowers an earlier one.
pub async fn labels_join(store: &dyn SessionStore) {
    let id = session("labels");
    let high = Label {
        sensitivity: Sensitivity::High,
        exportable: true,
    };
    let kept = Label {
        sensitivity: Sensitivity::Low,
        exportable: false,
    };
    for label in [Label::INLINE, high, kept, Label::INLINE] {
        store
            .append(&id, vec![message(1, Role::User, "x")], label)
            .await
            .expect("append");
    }
    let loaded = store.load(&id).await.expect("load");
    assert_eq!(
        loaded.label,
        Label {
            sensitivity: Sensitivity::High,
            exportable: false
        }
    );
}

/// `resume` replaces messages, label and model together.
///
/// # Panics
/// When something of before is left.
pub async fn resume_replaces_everything(store: &dyn SessionStore) {
    let id = session("resume");
    store
        .append(&id, vec![message(1, Role::User, "old")], Label::UNKNOWN)
        .await
        .expect("append");
    let resumed = StoredSession {
        messages: vec![message(2, Role::User, "compiled")],
        label: Label::INLINE,
        model: Some(ModelRef {
            provider: ProviderId::new("there").expect("an id"),
            model: ModelId::new("m:1/2").expect("a model"),
        }),
    };
    store.resume(&id, resumed.clone()).await.expect("resume");
    assert_eq!(store.load(&id).await.expect("load"), resumed);
}

/// One owner executes; another is refused because the session is busy, and gets it once it is released.
///
/// # Panics
/// When two hold it, or none can.
pub async fn one_lease_at_a_time(store: &dyn SessionStore) {
    let id = session("lease");
    let ttl = Duration::from_secs(30);
    let mine = store.acquire(&id, 1, ttl).await.expect("acquire");
    assert_eq!((mine.owner, &mine.session_id), (1, &id));
    assert_eq!(store.acquire(&id, 2, ttl).await, Err(SessionError::Busy));
    let again = store
        .acquire(&id, 1, ttl)
        .await
        .expect("the same owner renews");
    assert!(
        again.expires_at >= mine.expires_at,
        "renewing does not shorten"
    );
    let free = store
        .acquire(&session("lease-other"), 2, ttl)
        .await
        .expect("another session is free");
    store.release(&free).await.expect("release");
    store.release(&again).await.expect("release");
    let theirs = store.acquire(&id, 2, ttl).await.expect("it was given back");
    store.release(&theirs).await.expect("release");
}

/// Giving back what one does not hold does nothing.
///
/// # Panics
/// When it releases another owner's lease.
pub async fn only_the_holder_releases(store: &dyn SessionStore) {
    let id = session("release");
    let ttl = Duration::from_secs(30);
    let mine = store.acquire(&id, 1, ttl).await.expect("acquire");
    let forged = handshake_core::ports::SessionLease {
        owner: 2,
        ..mine.clone()
    };
    store.release(&forged).await.expect("release");
    assert_eq!(store.acquire(&id, 3, ttl).await, Err(SessionError::Busy));
    store.release(&mine).await.expect("release");
}

/// An expired lease may be taken over, and its former holder cannot give it back for the new one. `expire`
/// moves the store's clock beyond the time given.
///
/// # Panics
/// When a crashed holder bricks the session.
pub async fn an_expired_lease_is_taken_over(
    store: &dyn SessionStore,
    expire: impl AsyncFn(Duration),
) {
    let id = session("expired");
    let ttl = Duration::from_secs(1);
    let lost = store.acquire(&id, 1, ttl).await.expect("acquire");
    expire(ttl * 2).await;
    let taken = store
        .acquire(&id, 2, Duration::from_secs(60))
        .await
        .expect("taken over");
    store.release(&lost).await.expect("release");
    assert_eq!(
        store.acquire(&id, 3, ttl).await,
        Err(SessionError::Busy),
        "the loser freed it"
    );
    store.release(&taken).await.expect("release");
}
