//! The registry in memory keeps up.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    digest::Digest,
    ids::{ExternalId, ProviderId},
    ports::{FlightRecorder, ProfileStore, ProviderStore, RegistryFeed, StoreError},
    profile::RegistryView,
    provider::ProviderRecord,
};
use handshake_registry_store::{Alias, NewToken, Store};
use handshake_testkit::suite::{self, feed::Registry};

use crate::world::{World, event, model, put, raw, record};

struct Home<'a>(&'a Store);

impl Registry for Home<'_> {
    fn feed(&self) -> &dyn RegistryFeed {
        self.0
    }
    fn providers(&self) -> &dyn ProviderStore {
        self.0
    }
    fn profiles(&self) -> &dyn ProfileStore {
        self.0
    }
}

impl World {
    fn view(&self) -> Arc<RegistryView> {
        self.store.current().expect("a view")
    }

    fn later(&self, millis: u64) {
        self.fakes.clock.advance(Duration::from_millis(millis));
    }

    fn sql(&self, sql: &str) {
        raw(self.home.path()).execute_batch(sql).expect("runs");
    }
}

fn token(name: &str) -> NewToken {
    NewToken {
        name: ExternalId::new(name).expect("id"),
        sha256: Digest::of(&[name.as_bytes()]),
        models: None,
        profile: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_change_is_in_the_next_view() {
    let world = World::headless().await;
    suite::feed::a1_a_change_is_in_the_next_view(&Home(&world.store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_revision_replaces_the_one_before() {
    let world = World::empty().await;
    suite::feed::a1_a_revision_replaces_the_one_before(&Home(&world.store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_removal_takes_models_along() {
    let world = World::empty().await;
    suite::feed::a1_a_removal_takes_models_along(&Home(&world.store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_another_process_is_seen_in_50_ms() {
    let world = World::empty().await;
    let there = world.another(2);
    let advance = async |by| world.fakes.clock.advance(by);
    suite::feed::a1_another_process_is_seen_in_50_ms(&Home(&world.store), &Home(&there), advance)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s02_a_damaged_row_is_an_error() {
    let world = World::empty().await;
    let damage = async |damaged| {
        world.sql(match damaged {
            true => "UPDATE providers SET record = 'x' || record",
            false => "UPDATE providers SET record = substr(record, 2)",
        });
    };
    let advance = async |by| world.fakes.clock.advance(by);
    suite::feed::s02_an_unreadable_registry_is_an_error(&Home(&world.store), advance, damage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s02_a_registry_that_cannot_be_read_at_all_is_an_error() {
    let world = World::empty().await;
    let damage = async |damaged| {
        world.sql(match damaged {
            true => "ALTER TABLE registry_changes RENAME TO gone",
            false => "ALTER TABLE gone RENAME TO registry_changes",
        });
    };
    let advance = async |by| world.fakes.clock.advance(by);
    suite::feed::s02_an_unreadable_registry_is_an_error(&Home(&world.store), advance, damage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_revoked_token_opens_nothing_from_the_next_view_on() {
    let world = World::empty().await;
    for name in ["editor", "tests"] {
        world
            .store
            .create_token(token(name))
            .await
            .expect("creates");
    }
    let (editor, tests) = (token("editor"), token("tests"));
    let view = world.view();
    assert_eq!(view.tokens[&editor.sha256].name, editor.name);
    assert_eq!(view.tokens.len(), 2);
    world
        .store
        .revoke_token(&editor.name)
        .await
        .expect("revokes");
    assert_eq!(
        world.view().tokens.keys().collect::<Vec<_>>(),
        [&tests.sha256]
    );
    // Another process's word counts too.
    let there = world.another(2);
    there.revoke_token(&tests.name).await.expect("revokes");
    world.later(50);
    assert!(world.view().tokens.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_aliases_are_in_the_view() {
    let world = World::empty().await;
    let alias = Alias {
        pattern: "gpt-*".to_owned(),
        target: model("m"),
    };
    world.store.set_alias(alias.clone()).await.expect("sets");
    assert_eq!(world.view().aliases.get("gpt-*"), Some(&alias.target));
    world.store.remove_alias("gpt-*").await.expect("removes");
    assert!(world.view().aliases.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_between_two_looks_no_database_is_read() {
    let world = World::new().await;
    let before = world.view();
    world.sql("ALTER TABLE registry_changes RENAME TO gone");
    world.later(19);
    assert!(Arc::ptr_eq(&before, &world.view()));
    world.later(1);
    assert_eq!(world.store.current().err(), Some(StoreError::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_events_change_no_view() {
    let world = World::new().await;
    let before = world.view();
    for n in 0..3 {
        world.store.submit(event(n)).expect("queued");
        world.store.flush().await.expect("flushes");
        world.later(20);
        assert!(Arc::ptr_eq(&before, &world.view()));
    }
    let again = world.another(2);
    again.submit(event(9)).expect("queued");
    again.flush().await.expect("flushes");
    world.later(20);
    assert!(Arc::ptr_eq(&before, &world.view()));
}

/// Whoever edits when Cloud was paused changes which leases hold, and changes the view with it.
#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_a_pause_and_its_time_are_in_the_next_view() {
    let world = World::new().await;
    for (row, value) in [("paused", "true"), ("paused_at", "1")] {
        let before = world.view();
        world.sql(&format!(
            "UPDATE epochs SET value = '{value}' WHERE name = '{row}'"
        ));
        world.later(20);
        assert!(!Arc::ptr_eq(&before, &world.view()), "{row}");
    }
    let before = world.view();
    world.sql("UPDATE epochs SET value = '1' WHERE name = 'rules'");
    world.later(20);
    assert!(
        Arc::ptr_eq(&before, &world.view()),
        "what is read with each call"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_change_reads_what_changed_and_nothing_else() {
    let world = World::empty().await;
    let records: Vec<ProviderRecord> = (0..10).map(|n| record(&format!("p{n}"))).collect();
    for record in &records {
        put(&world.store, record.clone(), None).await.expect("puts");
    }
    let before = world.view();
    // Nobody counted this damage, so whoever reads the row again falls over it.
    world.sql(
        "DROP TRIGGER providers_update; UPDATE providers SET record = '' WHERE provider_id <> 'p3'",
    );
    let changed = ProviderRecord {
        revision: 2,
        ..records[3].clone()
    };
    world.sql(&format!(
        "UPDATE providers SET revision = 2, record = '{}' WHERE provider_id = 'p3';
         INSERT INTO registry_changes SELECT 'p3', max(version) + 1 FROM registry_changes WHERE true
         ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version",
        serde_json::to_string(&changed).expect("writes")
    ));
    world.later(20);
    let after = world.view();
    let id = |n: usize| &records[n].provider_id;
    assert_eq!(*after.providers[id(3)], changed);
    for n in [0, 1, 2, 4, 5, 6, 7, 8, 9] {
        assert!(Arc::ptr_eq(
            &before.providers[id(n)],
            &after.providers[id(n)]
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_ten_thousand_providers_come_in_one_transaction_or_not_at_all() {
    let world = World::empty().await;
    assert!(world.view().providers.is_empty());
    let mut records: Vec<_> = (0..10_000)
        .map(|n| (record(&format!("p{n}")), None))
        .collect();
    let known = record("p9999");
    put(&world.store, known.clone(), None).await.expect("puts");
    let one_event = vec![event(1)];
    assert_eq!(
        world
            .store
            .register(records.clone(), one_event.clone())
            .await,
        Err(StoreError::Conflict)
    );
    assert_eq!(
        world.view().providers.keys().collect::<Vec<_>>(),
        [&known.provider_id]
    );
    assert_eq!(
        world.store.log_after(None, 10).await.expect("reads").len(),
        0
    );
    records.pop();
    world
        .store
        .register(records, one_event)
        .await
        .expect("registers");
    assert_eq!(world.view().providers.len(), 10_000);
    assert_eq!(
        world.store.log_after(None, 10).await.expect("reads").len(),
        1
    );
    let all = ProviderStore::list(&world.store).await.expect("lists");
    assert!(
        all.iter()
            .eq(world.view().providers.values().map(|record| &**record))
    );
    let gone = ProviderId::new("p77").expect("id");
    ProviderStore::remove(&world.store, &gone)
        .await
        .expect("removes");
    assert_eq!(world.view().providers.len(), 9_999);
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_threads_that_look_together_see_their_own_changes() {
    let world = Arc::new(World::empty().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            for n in 0..10 {
                let record = record(&format!("w{writer}-{n}"));
                put(&world.store, record.clone(), None).await.expect("puts");
                assert!(world.view().providers.contains_key(&record.provider_id));
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("sees its own");
    }
    assert_eq!(world.view().providers.len(), 80);
}
