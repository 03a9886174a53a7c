//! Everything else that a home keeps.

use std::collections::BTreeMap;

use handshake_core::{
    capability::{Capabilities, CapabilitySnapshot, Claims, Feature, Limit},
    digest::Digest,
    ids::{ExternalId, ModelId, ModelRef, ProfileId, ProviderId},
    ports::{ContactGrants, EgressLedger, ProfileStore, ProviderStore, RegistryFeed, StoreError},
    profile::WorkProfile,
    provider::ProviderRecord,
    seal::ContactGrant,
    tier::Residence,
    time::UtcTime,
};
use handshake_registry_store::{Alias, ClientToken, NewToken};

use crate::{
    fakes::EPOCH,
    world::{World, model, provider_id, put, record},
};

fn snapshot(name: &str, enabled: bool) -> CapabilitySnapshot {
    CapabilitySnapshot {
        provider_id: provider_id(),
        provider_revision: 1,
        model_id: ModelId::new(name).expect("id"),
        family: None,
        digest: Some("sha256:1".to_owned()),
        server_version: None,
        server: None,
        answers_as: Default::default(),
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
            "governance":{{"automation_level":"FULL_HUMAN","allow_cloud_escalation":false}}}}"#
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

fn granted(revision: u64) -> ContactGrant {
    ContactGrant::of(&ProviderRecord {
        revision,
        ..record("cloud")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_contact_is_granted_for_one_revision() {
    let world = World::new().await;
    let (store, id) = (&world.store, provider_id());
    assert_eq!(store.granted(&id, 1).await, Ok(false));
    assert_eq!(
        store
            .grant(&granted(2), world.fakes.person_seals(&granted(2)))
            .await,
        Err(StoreError::Missing),
        "no such revision"
    );
    store
        .grant(&granted(1), world.fakes.person_seals(&granted(1)))
        .await
        .expect("grants");
    store
        .grant(&granted(1), world.fakes.person_seals(&granted(1)))
        .await
        .expect("twice is once");
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
    store
        .grant(&granted(2), world.fakes.person_seals(&granted(2)))
        .await
        .expect("grants");
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
    let found = |sha256: &Digest| {
        let view = world.store.current().expect("a view");
        view.tokens.get(sha256).map(|token| (**token).clone())
    };
    assert_eq!(found(&new.sha256), Some(stored));
    assert_eq!(found(&Digest::of(&[b"other"])), None);
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
    assert_eq!(found(&new.sha256), None);
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
