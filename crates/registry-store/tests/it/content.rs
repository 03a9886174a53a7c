//! Sessions and artefacts: sealed, labelled, bound to their place.

use std::{sync::atomic::Ordering, time::Duration};

use handshake_core::{
    chat::{Message, Role},
    digest::Digest,
    ids::{ArtifactRef, MessageId, Principal, SessionId},
    label::{Label, Sensitivity},
    ports::{
        ArtifactStore, Clock, FlightRecorder, ProviderStore, SessionError, SessionStore,
        StoreError, StoredSession,
    },
    time::UtcTime,
};

use crate::{
    fakes::EPOCH,
    world::{World, model, principal, provider_id, raw, session},
};

fn message(n: u8, text: &str) -> Message {
    Message::text(
        MessageId::from_entropy([n; 16]),
        Role::User,
        text,
        UtcTime::from_unix_millis(EPOCH),
    )
}

const HIGH: Label = Label {
    sensitivity: Sensitivity::High,
    exportable: true,
};

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_conversation_is_kept_sealed_with_the_join_of_its_labels() {
    let world = World::new().await;
    assert_eq!(
        world.store.load(&session()).await,
        Ok(StoredSession::default())
    );
    let said = [
        message(1, "MARKER-ONE"),
        message(2, "MARKER-TWO"),
        message(3, "MARKER-THREE"),
    ];
    world
        .store
        .append(&session(), said[..2].to_vec(), Label::INLINE)
        .await
        .expect("appends");
    world
        .store
        .append(&session(), said[2..].to_vec(), HIGH)
        .await
        .expect("appends");
    let other = SessionId::new("session-2").expect("id");
    world
        .store
        .append(&other, vec![message(4, "MARKER-FOUR")], Label::INLINE)
        .await
        .expect("appends");
    let world = world.reopened(2);
    let loaded = world.store.load(&session()).await.expect("loads");
    assert_eq!(
        (&loaded.messages[..], loaded.label, &loaded.model),
        (&said[..], HIGH, &None)
    );
    for entry in std::fs::read_dir(world.home.path()).expect("reads") {
        let bytes = std::fs::read(entry.expect("entry").path()).expect("reads");
        assert!(
            !bytes.windows(7).any(|window| window == b"MARKER-"),
            "no plain text anywhere"
        );
    }

    // Whoever lowers the label beside the messages does not lower the label.
    let attacker = raw(world.home.path());
    attacker
        .execute(
            "UPDATE sessions SET label = '{\"sensitivity\":\"low\",\"exportable\":true}'",
            [],
        )
        .expect("lowers");
    assert_eq!(
        world.store.load(&session()).await.expect("loads").label,
        HIGH
    );
    attacker
        .execute("DELETE FROM messages WHERE position = 1", [])
        .expect("deletes");
    assert_eq!(
        world.store.load(&session()).await,
        Err(SessionError::Store(StoreError::Damaged))
    );
    attacker
        .execute("UPDATE messages SET position = 1 WHERE position = 2", [])
        .expect("moves");
    assert_eq!(
        world.store.load(&session()).await,
        Err(SessionError::Store(StoreError::Damaged))
    );

    world.fakes.sealer.locked.store(true, Ordering::SeqCst);
    let locked = world
        .store
        .append(&other, vec![message(5, "x")], HIGH)
        .await;
    assert_eq!(locked, Err(SessionError::Store(StoreError::Locked)));
    world.fakes.sealer.locked.store(false, Ordering::SeqCst);
    assert_eq!(
        world.store.load(&other).await.expect("loads").label,
        Label::INLINE,
        "nothing of it"
    );
}

/// A long conversation is not decrypted and copied anew for each of its turns.
#[tokio::test(flavor = "multi_thread")]
async fn b2_a_message_is_opened_once_for_all_turns() {
    use std::sync::Arc;
    let world = World::new().await;
    let there = world.another(2);
    let mut before: Vec<Message> = Vec::new();
    for turn in 1..=20 {
        let said = vec![message(turn, "so far")];
        // Another process says every other thing.
        let store = if turn % 2 == 0 { &world.store } else { &there };
        store
            .append(&session(), said, Label::INLINE)
            .await
            .expect("appends");
        let loaded = world.store.load(&session()).await.expect("loads").messages;
        assert_eq!(loaded.len(), usize::from(turn));
        for (old, new) in before.iter().zip(&loaded) {
            assert!(
                Arc::ptr_eq(&old.content, &new.content),
                "opened and copied again"
            );
        }
        before = loaded;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_a_swap_replaces_the_conversation_and_its_model() {
    let world = World::new().await;
    world
        .store
        .append(&session(), vec![message(1, "a"), message(2, "b")], HIGH)
        .await
        .expect("appends");
    let resumed = StoredSession {
        messages: vec![message(3, "compiled")],
        label: HIGH,
        model: Some(model("vendor/m")),
    };
    SessionStore::resume(&world.store, &session(), resumed.clone())
        .await
        .expect("resumes");
    assert_eq!(world.store.load(&session()).await, Ok(resumed.clone()));
    world
        .store
        .append(&session(), vec![message(4, "next")], Label::INLINE)
        .await
        .expect("appends");
    let loaded = world.store.load(&session()).await.expect("loads");
    assert_eq!(
        (loaded.messages.len(), loaded.label, loaded.model),
        (2, HIGH, resumed.model)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_one_call_executes_in_a_session_across_processes() {
    let world = World::new().await;
    let (here, there) = (&world.store, world.another(2));
    let minute = Duration::from_secs(60);
    let lease = here.acquire(&session(), 1, minute).await.expect("takes");
    assert_eq!(lease.expires_at, world.fakes.clock.now().plus(minute));
    assert_eq!(
        there.acquire(&session(), 2, minute).await,
        Err(SessionError::Busy)
    );
    world.fakes.clock.advance(Duration::from_secs(59));
    here.acquire(&session(), 1, minute).await.expect("renews");
    world.fakes.clock.advance(Duration::from_secs(59));
    assert_eq!(
        there.acquire(&session(), 2, minute).await,
        Err(SessionError::Busy)
    );
    world.fakes.clock.advance(Duration::from_secs(1));
    let taken = there
        .acquire(&session(), u128::MAX, minute)
        .await
        .expect("takes over");
    here.release(&lease).await.expect("does nothing");
    assert_eq!(
        here.acquire(&session(), 1, minute).await,
        Err(SessionError::Busy)
    );
    there.release(&taken).await.expect("gives back");
    here.acquire(&session(), 1, minute)
        .await
        .expect("takes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_artefacts_are_what_their_reference_names_label_included() {
    let world = World::new().await;
    let store = &world.store;
    let keep = |content: &'static [u8], label, members| {
        ArtifactStore::put(store, content.into(), label, members)
    };
    let member = ArtifactStore::put(store, b"MEMBER".to_vec().into(), Some(HIGH), vec![])
        .await
        .expect("puts");
    let meta = keep(b"CONTENT", Some(HIGH), vec![member.artifact.clone()])
        .await
        .expect("puts");
    assert_eq!(
        keep(b"CONTENT", Some(HIGH), vec![member.artifact.clone()]).await,
        Ok(meta.clone())
    );
    for other in [
        keep(b"CONTENT", None, vec![member.artifact.clone()]).await,
        keep(
            b"CONTENT",
            Some(Label::INLINE),
            vec![member.artifact.clone()],
        )
        .await,
        keep(b"CONTENT", Some(HIGH), vec![]).await,
        keep(b"CONTENT!", Some(HIGH), vec![member.artifact.clone()]).await,
    ] {
        assert_ne!(other.expect("puts").artifact, meta.artifact);
    }
    assert!(meta.artifact.as_str().starts_with("sha256:"));
    assert_eq!(
        (meta.bytes, meta.content_hash),
        (7, Digest::of(&[b"CONTENT"]))
    );
    let world = world.reopened(2);
    assert_eq!(
        world.store.meta(&meta.artifact).await,
        Ok(Some(meta.clone()))
    );
    let artifact = world
        .store
        .get(&meta.artifact)
        .await
        .expect("gets")
        .expect("there");
    assert_eq!(
        (&artifact.meta, &artifact.content[..]),
        (&meta, &b"CONTENT"[..])
    );
    let unknown = ArtifactRef::new("sha256:00").expect("ref");
    assert!(world.store.get(&unknown).await.expect("gets").is_none());
    assert_eq!(world.store.meta(&unknown).await, Ok(None));

    let attacker = raw(world.home.path());
    attacker
        .execute(
            "UPDATE artifacts SET meta = replace(meta, '\"high\"', '\"low\"')",
            [],
        )
        .expect("lowers");
    assert_eq!(
        world.store.meta(&meta.artifact).await,
        Err(StoreError::Damaged)
    );
    assert_eq!(
        world.store.get(&meta.artifact).await.map(|_| ()),
        Err(StoreError::Damaged)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_what_was_shown_is_kept_sealed_for_one_client_and_goes_with_its_provider() {
    let world = World::new().await;
    let (who, other, to) = (principal("who"), principal("other"), provider_id());
    let before = |who: &Principal| {
        let (store, who) = (world.store.clone(), who.clone());
        async move { store.shown_before(&who, &provider_id()).await }
    };
    assert_eq!(before(&who).await, Ok(None));
    for text in ["MARKER-OLD", "MARKER-NEW"] {
        let kept = world.store.keep_shown(&who, &to, text.into()).await;
        kept.expect("kept");
    }
    let (_, content) = before(&who).await.expect("reads").expect("kept");
    assert_eq!(content, b"MARKER-NEW");
    assert_eq!(before(&other).await, Ok(None), "it is this client's");
    world.store.flush().await.expect("durable");
    for entry in std::fs::read_dir(world.home.path())
        .expect("home")
        .flatten()
    {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let there = bytes.windows(10).any(|part| part == b"MARKER-NEW");
        assert!(!there, "sealed: {:?}", entry.path());
    }
    // A row of another client's does not open, and neither does one that was changed: nothing was shown then.
    let conn = raw(world.home.path());
    conn.execute("UPDATE shown SET principal = ?1", [other.to_string()])
        .expect("moved");
    assert_eq!(before(&other).await, Ok(None));
    conn.execute("UPDATE shown SET principal = ?1", [who.to_string()])
        .expect("moved back");
    assert!(before(&who).await.expect("reads").is_some());
    conn.execute("UPDATE shown SET sealed = x'00'", [])
        .expect("damaged");
    assert_eq!(before(&who).await, Ok(None));
    // As many as are kept, and no larger ones; and none for a provider that is gone.
    for n in 0..40 {
        let who = principal(&format!("who-{n}"));
        let kept = world.store.keep_shown(&who, &to, vec![n]).await;
        kept.expect("kept");
    }
    let count = || -> i64 {
        conn.query_row("SELECT count(*) FROM shown", [], |row| row.get(0))
            .expect("counts")
    };
    assert_eq!(count(), 32);
    let large = vec![0; (2 << 20) + 1];
    world
        .store
        .keep_shown(&who, &to, large)
        .await
        .expect("not kept");
    assert_eq!(before(&who).await, Ok(None));
    ProviderStore::remove(&world.store, &to)
        .await
        .expect("removed");
    assert_eq!(count(), 0);
    world
        .store
        .keep_shown(&who, &to, vec![1])
        .await
        .expect("no provider");
    assert_eq!(count(), 0);
}
