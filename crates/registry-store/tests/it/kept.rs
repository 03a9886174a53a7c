//! Everything else that a home keeps.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use handshake_core::{
    capability::{Capabilities, CapabilitySnapshot, Claims, Feature, Limit},
    chat::{Message, Role},
    digest::Digest,
    ids::{
        ArtifactRef, ExternalId, MessageId, ModelId, ModelRef, ProfileId, ProviderId, SessionId,
    },
    label::{Label, Sensitivity},
    ports::{
        ArtifactStore, Clock, ContactGrants, EgressLedger, ProfileStore, ProviderStore,
        SessionError, SessionStore, StoreError, StoredSession,
    },
    profile::WorkProfile,
    provider::ProviderRecord,
    tier::Residence,
    time::UtcTime,
};
use handshake_registry_store::{Alias, ClientToken, NewToken};

use crate::{
    fakes::EPOCH,
    world::{World, model, provider_id, put, raw, record, session},
};

fn snapshot(name: &str, enabled: bool) -> CapabilitySnapshot {
    CapabilitySnapshot {
        provider_id: provider_id(),
        provider_revision: 1,
        model_id: ModelId::new(name).expect("id"),
        family: None,
        digest: Some("sha256:1".to_owned()),
        server_version: None,
        profile_version: 1,
        capabilities: Capabilities::default(),
        residence: Residence::Forwarded,
        enabled,
        fetched_at: UtcTime::from_unix_millis(EPOCH),
    }
}

fn profile(id: &str, name: &str) -> WorkProfile {
    let assignment = r#"{"primary_model_id":"local/m","local_only":true}"#;
    let text = format!(
        r#"{{"schema":"hsk.work_profile@0.6","profile_id":"{id}","name":"{name}",
            "model_assignments":{{"frontend":{assignment},"orchestrator":{assignment},
            "worker":{assignment},"validator":{assignment}}},
            "governance":{{"automation_level":"HYBRID","allow_cloud_escalation":false}}}}"#
    );
    WorkProfile::read(text.as_bytes()).expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_providers_persist_and_two_writers_do_not_overwrite_each_other() {
    let world = World::new().await;
    for id in ["zeta", "alpha", "mid"] {
        put(&world.store, record(id), None).await.expect("puts");
    }
    assert_eq!(
        put(&world.store, record("mid"), None).await,
        Err(StoreError::Conflict)
    );
    let changed = ProviderRecord {
        revision: 2,
        ..record("mid")
    };
    assert_eq!(
        put(&world.store, changed.clone(), Some(3)).await,
        Err(StoreError::Conflict)
    );
    let fallen = ProviderRecord {
        revision: 0,
        ..record("mid")
    };
    assert_eq!(
        put(&world.store, fallen, Some(1)).await,
        Err(StoreError::Conflict)
    );
    let unknown = put(&world.store, record("unknown"), Some(1)).await;
    assert_eq!(unknown, Err(StoreError::Conflict));
    put(&world.store, changed.clone(), Some(1))
        .await
        .expect("replaces");
    assert_eq!(
        put(&world.another(2), changed.clone(), Some(1)).await,
        Err(StoreError::Conflict)
    );

    let world = world.reopened(3);
    let stored = ProviderStore::list(&world.store).await.expect("lists");
    assert_eq!(
        stored,
        [record("alpha"), record("cloud"), changed, record("zeta")]
    );
    let alpha = ProviderId::new("alpha").expect("id");
    world.store.remove(&alpha).await.expect("removes");
    assert_eq!(world.store.remove(&alpha).await, Err(StoreError::Missing));
    assert_eq!(
        world
            .store
            .epochs(&alpha)
            .await
            .expect("epochs")
            .provider_revision,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_snapshots_go_with_their_provider_and_enabling_is_an_epoch() {
    let world = World::new().await;
    let store = &world.store;
    let enabled = async || {
        store
            .epochs(&provider_id())
            .await
            .expect("epochs")
            .enabled_models
    };
    let start = enabled().await;
    store
        .put_snapshot(&model("b"), snapshot("b", false))
        .await
        .expect("puts");
    store
        .put_snapshot(&model("a"), snapshot("a", false))
        .await
        .expect("puts");
    assert_eq!(enabled().await, start, "found, not enabled");
    store
        .put_snapshot(&model("a"), snapshot("a", true))
        .await
        .expect("enables");
    assert_eq!(enabled().await, start + 1);
    store
        .put_snapshot(&model("a"), snapshot("a", true))
        .await
        .expect("refreshes");
    assert_eq!(enabled().await, start + 1);
    let stored = store.snapshots(&provider_id()).await.expect("lists");
    assert_eq!(stored, [snapshot("a", true), snapshot("b", false)]);

    let mixed = store.put_snapshot(&model("a"), snapshot("b", true)).await;
    assert_eq!(mixed, Err(StoreError::Conflict));
    let stranger = ModelRef {
        provider: ProviderId::new("none").expect("id"),
        ..model("a")
    };
    let other = CapabilitySnapshot {
        provider_id: stranger.provider.clone(),
        ..snapshot("a", true)
    };
    assert_eq!(
        store.put_snapshot(&stranger, other).await,
        Err(StoreError::Missing)
    );

    store.remove(&provider_id()).await.expect("removes");
    assert!(
        store
            .snapshots(&provider_id())
            .await
            .expect("lists")
            .is_empty()
    );
    assert!(
        enabled().await > start + 1,
        "what was judged before is void"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_declared_capabilities_are_kept_per_model() {
    let world = World::new().await;
    let claims = Claims {
        features: BTreeMap::from([(Feature::SupportsVision, true)]),
        limits: BTreeMap::from([(Limit::MaxContextWindow, 8192)]),
    };
    assert_eq!(world.store.claims(&model("m")).await, Ok(None));
    world
        .store
        .set_claims(&model("m"), Some(claims.clone()))
        .await
        .expect("declares");
    let world = world.reopened(2);
    assert_eq!(
        world.store.claims(&model("m")).await,
        Ok(Some(claims.clone()))
    );
    world
        .store
        .set_claims(&model("m"), None)
        .await
        .expect("takes back");
    assert_eq!(world.store.claims(&model("m")).await, Ok(None));
    let stranger = ModelRef {
        provider: ProviderId::new("none").expect("id"),
        ..model("m")
    };
    assert_eq!(
        world.store.set_claims(&stranger, Some(claims)).await,
        Err(StoreError::Missing)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_contact_is_granted_for_one_revision() {
    let world = World::new().await;
    let (store, id) = (&world.store, provider_id());
    assert_eq!(store.granted(&id, 1).await, Ok(false));
    assert_eq!(
        store.grant(&id, 2).await,
        Err(StoreError::Missing),
        "no such revision"
    );
    store.grant(&id, 1).await.expect("grants");
    store.grant(&id, 1).await.expect("twice is once");
    assert_eq!(store.granted(&id, 1).await, Ok(true));
    put(
        store,
        ProviderRecord {
            revision: 2,
            ..record("cloud")
        },
        Some(1),
    )
    .await
    .expect("changes");
    assert_eq!(
        (store.granted(&id, 1).await, store.granted(&id, 2).await),
        (Ok(false), Ok(false))
    );
    store.grant(&id, 2).await.expect("grants");
    store.remove(&id).await.expect("removes");
    put(
        store,
        ProviderRecord {
            revision: 2,
            ..record("cloud")
        },
        None,
    )
    .await
    .expect("comes back");
    assert_eq!(
        store.granted(&id, 2).await,
        Ok(false),
        "another provider under the same id"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_profiles_never_change_under_their_id() {
    let world = World::new().await;
    let store = &world.store;
    assert_eq!(store.active().await, Ok(None));
    let id = |text| ProfileId::new(text).expect("id");
    assert_eq!(store.activate(&id("b")).await, Err(StoreError::Missing));
    ProfileStore::put(store, profile("b", "One"))
        .await
        .expect("puts");
    ProfileStore::put(store, profile("b", "One"))
        .await
        .expect("the same again");
    let edited = ProfileStore::put(store, profile("b", "Other")).await;
    assert_eq!(edited, Err(StoreError::Conflict));
    ProfileStore::put(store, profile("a", "Other"))
        .await
        .expect("puts");
    store.activate(&id("b")).await.expect("activates");
    store.activate(&id("a")).await.expect("activates");
    let world = world.reopened(2);
    assert_eq!(world.store.active().await, Ok(Some(profile("a", "Other"))));
    let all = ProfileStore::list(&world.store).await.expect("lists");
    assert_eq!(all, [profile("a", "Other"), profile("b", "One")]);
}

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
    world
        .store
        .resume(&session(), resumed.clone())
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
async fn a2_tokens_are_found_by_hash_and_names_are_never_used_again() {
    let world = World::new().await;
    let name = ExternalId::new("editor").expect("id");
    let new = NewToken {
        name: name.clone(),
        sha256: Digest::of(&[b"token"]),
        models: Some([model("m")].into()),
        profile: Some(ProfileId::new("p").expect("id")),
    };
    world
        .store
        .create_token(new.clone())
        .await
        .expect("creates");
    let stored = ClientToken {
        name: name.clone(),
        models: new.models.clone(),
        profile: new.profile.clone(),
        created_at: UtcTime::from_unix_millis(EPOCH),
        revoked_at: None,
    };
    let world = world.reopened(2);
    assert_eq!(world.store.find_token(&new.sha256).await, Ok(Some(stored)));
    assert_eq!(
        world.store.find_token(&Digest::of(&[b"other"])).await,
        Ok(None)
    );
    let renamed = NewToken {
        name: ExternalId::new("other").expect("id"),
        ..new.clone()
    };
    assert_eq!(
        world.store.create_token(renamed).await,
        Err(StoreError::Conflict),
        "a known token"
    );
    world.store.revoke_token(&name).await.expect("revokes");
    world
        .store
        .revoke_token(&name)
        .await
        .expect("twice is once");
    assert_eq!(world.store.find_token(&new.sha256).await, Ok(None));
    let again = NewToken {
        sha256: Digest::of(&[b"fresh"]),
        models: None,
        ..new
    };
    assert_eq!(
        world.store.create_token(again).await,
        Err(StoreError::Conflict),
        "a known name"
    );
    let all = world.store.tokens().await.expect("lists");
    assert!(all.len() == 1 && all[0].revoked_at.is_some());
    let unknown = ExternalId::new("unknown").expect("id");
    assert_eq!(
        world.store.revoke_token(&unknown).await,
        Err(StoreError::Missing)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_aliases_are_kept_as_they_were_set() {
    let world = World::new().await;
    let alias = |pattern: &str, target| Alias {
        pattern: pattern.to_owned(),
        target: model(target),
    };
    world
        .store
        .set_alias(alias("claude-*", "a"))
        .await
        .expect("sets");
    world
        .store
        .set_alias(alias("claude-*", "b"))
        .await
        .expect("replaces");
    world
        .store
        .set_alias(alias("best", "vendor/c"))
        .await
        .expect("sets");
    for bad in ["", "two words", "tab\t", &"x".repeat(257)] {
        assert_eq!(
            world.store.set_alias(alias(bad, "a")).await,
            Err(StoreError::Conflict)
        );
    }
    let world = world.reopened(2);
    let all = world.store.aliases().await;
    assert_eq!(
        all,
        Ok(vec![alias("best", "vendor/c"), alias("claude-*", "b")])
    );
    world.store.remove_alias("best").await.expect("removes");
    assert_eq!(
        world.store.remove_alias("best").await,
        Err(StoreError::Missing)
    );
}
