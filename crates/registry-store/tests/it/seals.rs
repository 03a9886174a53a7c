//! Records are believed as they were sealed: what is edited, moved or put back in the database is not.

use std::{collections::BTreeSet, sync::Arc};

use handshake_core::{
    base_url::BaseUrl,
    capability::{Capabilities, CapabilitySnapshot},
    event::Body,
    ids::{ExternalId, ModelId, ModelRef, ProfileId, ProviderId},
    policy::Governance,
    ports::{FlightRecorder, ProfileStore, ProviderStore, RegistryFeed, SealStore, StoreError},
    profile::{RegistryView, WorkProfile},
    provider::{ProviderDraft, ProviderRecord},
    seal::{BadSeal, EnabledModel, SealKeys},
    tier::{Reach, Residence},
    time::UtcTime,
};
use handshake_registry_store::NewToken;

use crate::{
    fakes::EPOCH,
    world::{World, model, put, raw, record},
};

impl World {
    fn keys(&self) -> Arc<SealKeys> {
        self.fakes.seals()
    }

    /// The view after another process wrote.
    fn looked_again(&self) -> Arc<RegistryView> {
        self.fakes.clock.advance(std::time::Duration::from_secs(1));
        self.store.current().expect("a view")
    }

    fn verdict(&self, record: &Arc<ProviderRecord>) -> Result<(), BadSeal> {
        let evidence = self.store.provider_seal(record).expect("evidence");
        evidence.judge(record, &self.keys())
    }

    async fn alarms(&self) -> usize {
        self.store.flush().await.expect("flushed");
        let events = self.store.log_tail(1000).await.expect("reads");
        events
            .iter()
            .filter(|recorded| matches!(recorded.event.body, Body::IntegrityAlarm { .. }))
            .count()
    }

    fn copy(&self, sql: &str) {
        raw(self.home.path()).execute_batch(sql).expect(sql);
    }

    fn attack(&self, sql: &str) {
        let changed = raw(self.home.path()).execute(sql, []).expect(sql);
        assert_ne!(changed, 0, "{sql}");
    }
}

fn here(id: &str, reach: Reach) -> ProviderRecord {
    let draft = ProviderDraft {
        base_url: BaseUrl::parse("http://127.0.0.1:4000").expect("url"),
        reach,
        provider_id: ProviderId::new(id).expect("id"),
        tier: None,
        ..record("any").draft()
    };
    draft
        .into_record(UtcTime::from_unix_millis(EPOCH))
        .expect("record")
}

fn snapshot(record: &ProviderRecord, enabled: bool) -> (ModelRef, CapabilitySnapshot) {
    let snapshot = CapabilitySnapshot {
        provider_id: record.provider_id.clone(),
        provider_revision: record.revision,
        model_id: ModelId::new("m").expect("id"),
        family: None,
        digest: None,
        server_version: None,
        profile_version: 1,
        capabilities: Capabilities::default(),
        residence: Residence::Forwarded,
        enabled,
        answers_as: BTreeSet::new(),
        server: None,
        fetched_at: UtcTime::from_unix_millis(EPOCH),
    };
    let model = ModelRef {
        provider: snapshot.provider_id.clone(),
        model: snapshot.model_id.clone(),
    };
    (model, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_a_local_provider_is_sealed_when_it_is_put_and_a_cloud_one_by_a_person() {
    let world = World::empty().await;
    let (local, relay) = (here("local", Reach::Direct), here("relay", Reach::Relay));
    put(&world.store, local.clone(), None).await.expect("puts");
    put(&world.store, relay.clone(), None).await.expect("puts");
    assert_eq!(world.verdict(&Arc::new(local)), Ok(()));
    let relay = Arc::new(relay);
    assert_eq!(world.verdict(&relay), Err(BadSeal::Missing));
    let seal = world.fakes.person_seals(&*relay);
    let sealed = world
        .store
        .put_sealed((*relay).clone(), Some(1), Some(seal));
    sealed.await.expect("puts");
    assert_eq!(world.verdict(&relay), Ok(()));
    // And after a restart, from the file alone.
    let world = world.reopened(2);
    assert_eq!(world.verdict(&relay), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_an_update_that_turns_a_relay_into_a_local_server_is_not_believed() {
    let world = World::empty().await;
    let relay = here("relay", Reach::Relay);
    let seal = world.fakes.person_seals(&relay);
    let registered = world
        .store
        .register(vec![(relay.clone(), Some(seal))], Vec::new());
    registered.await.expect("registers");
    assert_eq!(world.verdict(&Arc::new(relay)), Ok(()));
    world.attack(
        r#"UPDATE providers SET record = replace(replace(record, '"reach":"relay"', '"reach":"direct"'),
           '"tier":"cloud"', '"tier":"local"') WHERE provider_id = 'relay'"#,
    );
    let view = world.looked_again();
    let forged = &view.providers[&ProviderId::new("relay").expect("id")];
    assert_eq!(forged.reach, Reach::Direct, "the attack is what it says");
    assert_eq!(world.verdict(forged), Err(BadSeal::Forged));
    assert_eq!(view.seals.provider(forged), Err(BadSeal::Forged));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_a_seal_moved_taken_away_or_made_up_is_none() {
    let world = World::empty().await;
    for id in ["one", "two", "three"] {
        put(&world.store, here(id, Reach::Direct), None)
            .await
            .expect("puts");
    }
    world.attack(
        "UPDATE providers SET seal = (SELECT seal FROM providers WHERE provider_id = 'one')
         WHERE provider_id = 'two'",
    );
    world.attack("UPDATE providers SET seal = NULL WHERE provider_id = 'three'");
    world.looked_again();
    let verdict = |id: &str| world.verdict(&Arc::new(here(id, Reach::Direct)));
    assert_eq!(verdict("one"), Ok(()));
    assert_eq!(verdict("two"), Err(BadSeal::Forged));
    assert_eq!(verdict("three"), Err(BadSeal::Missing));
    for made_up in ["zeroblob(41)", "zeroblob(73)", "x'02'", "x''"] {
        world.attack(&format!("UPDATE providers SET seal = {made_up}"));
        world.looked_again();
        assert!(verdict("one").is_err(), "{made_up}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_what_a_person_changed_or_removed_does_not_come_back_with_its_old_row() {
    let world = World::empty().await;
    let first = here("relay", Reach::Relay);
    let seal = world.fakes.person_seals(&first);
    let registered = world
        .store
        .register(vec![(first.clone(), Some(seal))], Vec::new());
    registered.await.expect("registers");
    world.copy("CREATE TABLE kept AS SELECT * FROM providers");
    let second = ProviderRecord {
        revision: 2,
        base_url: BaseUrl::parse("http://127.0.0.1:4001").expect("url"),
        ..first.clone()
    };
    let seal = world.fakes.person_seals(&second);
    let changed = world.store.put_sealed(second, Some(1), Some(seal));
    changed.await.expect("changes");
    world.attack("INSERT OR REPLACE INTO providers SELECT * FROM kept");
    world.looked_again();
    let first = Arc::new(first);
    assert_eq!(world.verdict(&first), Err(BadSeal::Superseded));
    world.store.remove(&first.provider_id).await.expect("gone");
    world.attack("INSERT INTO providers SELECT * FROM kept");
    world.looked_again();
    assert_eq!(world.verdict(&first), Err(BadSeal::Superseded));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_an_enabled_model_and_what_is_known_about_it_are_sealed_apart() {
    let world = World::empty().await;
    let relay = here("relay", Reach::Relay);
    put(&world.store, relay.clone(), None).await.expect("puts");
    let (model, known) = snapshot(&relay, false);
    let enabled = EnabledModel::new(&model, 1);
    world
        .store
        .put_snapshot(&model, known.clone())
        .await
        .expect("puts");
    let is_enabled = || {
        let seal = world.store.model_seal(&model).expect("evidence");
        world.keys().check(&enabled, seal.as_ref())
    };
    let known_as = |view: &RegistryView| view.seals.snapshot(&view.snapshots[&model]);
    assert_eq!(known_as(&world.store.current().expect("a view")), Ok(()));
    assert_eq!(is_enabled(), Err(BadSeal::Missing));
    // Enabled by hand, in both places where it stands.
    world.attack(
        r#"UPDATE snapshots SET enabled = 1,
           snapshot = replace(snapshot, '"enabled":false', '"enabled":true')"#,
    );
    let view = world.looked_again();
    assert!(view.snapshots[&model].enabled);
    assert_eq!(known_as(&view), Err(BadSeal::Forged));
    assert_eq!(is_enabled(), Err(BadSeal::Missing));

    let seal = world.fakes.person_seals(&enabled);
    let yes = CapabilitySnapshot {
        enabled: true,
        ..known.clone()
    };
    let by_person = world.store.enable_sealed(&model, yes.clone(), seal);
    by_person.await.expect("enables");
    assert_eq!(is_enabled(), Ok(()));
    // Read again by this program, it stays enabled.
    world.store.put_snapshot(&model, yes).await.expect("puts");
    assert_eq!(is_enabled(), Ok(()));
    world.copy("CREATE TABLE kept AS SELECT * FROM snapshots");
    world.store.put_snapshot(&model, known).await.expect("puts");
    assert_eq!(is_enabled(), Err(BadSeal::Missing));
    world.attack("INSERT OR REPLACE INTO snapshots SELECT * FROM kept");
    world.looked_again();
    assert_eq!(
        is_enabled(),
        Err(BadSeal::Superseded),
        "disabled is disabled"
    );
    // Where a model runs is what keeps a local call here.
    world.attack(r#"UPDATE snapshots SET snapshot = replace(snapshot, 'forwarded', 'local')"#);
    assert_eq!(known_as(&world.looked_again()), Err(BadSeal::Forged));
}

fn profile(id: &str, level: &str) -> WorkProfile {
    let role = r#"{"primary_model_id":"local/m","local_only":true}"#;
    let text = format!(
        r#"{{"schema":"hsk.work_profile@0.6","profile_id":"{id}","name":"P","model_assignments":
           {{"frontend":{role},"orchestrator":{role},"worker":{role},"validator":{role}}},
           "governance":{{"automation_level":"{level}","allow_cloud_escalation":false}}}}"#
    );
    WorkProfile::read(text.as_bytes()).expect("a profile")
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_another_active_profile_or_none_is_withheld_and_nothing_goes_to_cloud() {
    for attack in [
        "DELETE FROM active_profile",
        "UPDATE active_profile SET profile_id = 'free'",
        "UPDATE active_profile SET seal = NULL",
        r#"UPDATE profiles SET profile = replace(profile, 'LOCKED', 'HYBRID')"#,
        r#"UPDATE profiles SET profile = 'nonsense' WHERE profile_id = 'locked'"#,
    ] {
        let world = World::empty().await;
        let store = &world.store;
        let (locked, free) = (profile("locked", "LOCKED"), profile("free", "FULL_HUMAN"));
        for profile in [&locked, &free] {
            ProfileStore::put(store, profile.clone())
                .await
                .expect("puts");
            store
                .activate(&profile.profile_id)
                .await
                .expect("activates");
        }
        store.activate(&locked.profile_id).await.expect("activates");
        assert_eq!(store.active().await, Ok(Some(locked.clone())));
        assert_eq!(
            store.current().expect("a view").governance(),
            locked.governance
        );
        assert_eq!(world.alarms().await, 0);
        world.attack(attack);
        assert_eq!(store.active().await, Err(StoreError::Untrusted), "{attack}");
        for _ in 0..3 {
            let view = world.looked_again();
            assert!(view.profile.is_none() && view.profile_withheld, "{attack}");
            assert_eq!(view.governance(), Governance::LOCKED);
        }
        assert_eq!(world.alarms().await, 1, "{attack}");
        // A person mends it by activating one.
        store
            .activate(&locked.profile_id)
            .await
            .unwrap_or_else(|_| {
                assert!(attack.contains("nonsense"));
            });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_a_token_that_was_widened_or_brought_back_opens_nothing() {
    for attack in [
        "UPDATE tokens SET models = NULL WHERE name = 'narrow'",
        "UPDATE tokens SET revoked_at = NULL WHERE name = 'revoked'",
        "UPDATE tokens SET name = 'other' WHERE name = 'narrow'",
        "UPDATE tokens SET profile_id = 'p' WHERE name = 'narrow'",
        "UPDATE tokens SET sha256 = zeroblob(32) WHERE name = 'narrow'",
        "INSERT INTO tokens (name, sha256, created_at) VALUES ('made', zeroblob(32), 1)",
    ] {
        let world = World::empty().await;
        for (name, n) in [("narrow", 1), ("revoked", 2), ("kept", 3)] {
            let new = NewToken {
                name: ExternalId::new(name).expect("id"),
                sha256: handshake_core::digest::Digest::of(&[&[n]]),
                models: Some([model("m")].into()),
                profile: None::<ProfileId>,
            };
            world.store.create_token(new).await.expect("creates");
        }
        let revoked = ExternalId::new("revoked").expect("id");
        world.store.revoke_token(&revoked).await.expect("revokes");
        let names = |view: &RegistryView| {
            let mut names: Vec<String> = view
                .tokens
                .values()
                .map(|token| token.name.to_string())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names(&world.store.current().expect("a view")),
            ["kept", "narrow"]
        );
        world.attack(attack);
        let left = names(&world.looked_again());
        let good: &[&str] = match attack.contains("'narrow'") {
            true => &["kept"],
            false => &["kept", "narrow"],
        };
        assert_eq!(left, good, "{attack}");
        assert_eq!(world.alarms().await, 1, "{attack}");
    }
}
