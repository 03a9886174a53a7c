//! The log in the database.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    event::{Body, LossCause, RecordedEvent},
    ports::{Backlog, FlightRecorder, FlightRecorderExt, RecordError, StoreError},
};
use handshake_flight_recorder::{Anchor, Status, Trust, verify_export};

use crate::{
    fakes::FakeSigner,
    world::{World, commit, event, raw},
};

#[tokio::test(flavor = "multi_thread")]
async fn p9_submitted_events_keep_their_order_and_are_durable_in_time() {
    let world = World::new().await;
    assert_eq!(world.store.log_head().await.expect("head").size, 0);
    let before = 0;
    for n in 0..1000 {
        world.store.submit(event(n)).expect("fits");
    }
    let seq = world.store.append(event(1000)).await.expect("appends");
    assert_eq!(seq, before + 1000);
    let events = world.store.log_after(None, 2000).await.expect("reads");
    let sizes: Vec<_> = events
        .iter()
        .map(|recorded| match recorded.event.body {
            Body::CallAttempt { body_bytes, .. } => body_bytes,
            _ => panic!("another event"),
        })
        .collect();
    assert_eq!(sizes, (0..=1000).collect::<Vec<_>>());
    assert!(
        events
            .iter()
            .zip(before..)
            .all(|(recorded, seq)| recorded.seq == seq)
    );

    // Nobody asks for these. Ten tries, as the machine of a test may be busy with something else.
    let count = |connection: &rusqlite::Connection| -> i64 {
        connection
            .query_row("SELECT count(*) FROM events", [], |row| row.get(0))
            .expect("counts")
    };
    let connection = raw(world.home.path());
    let mut quickest = Duration::MAX;
    for n in 1..=10 {
        let began = std::time::Instant::now();
        world.store.submit(event(1000 + n)).expect("fits");
        while count(&connection) < 1001 + i64::from(n) {
            assert!(began.elapsed() < Duration::from_secs(10), "never");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest <= Duration::from_millis(50), "{quickest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_what_overflows_is_counted_and_recorded() {
    let world = World::new().await;
    let before = world.store.log_head().await.expect("head").size;
    // Another process holds the database, so nothing can be written meanwhile.
    let other = raw(world.home.path());
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let mut lost = 0;
    for n in 0..5000 {
        match world.store.submit(event(n)) {
            Ok(()) => {}
            Err(RecordError::Overflow) => lost += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(lost, 5000 - 4096);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let backlog = world.store.backlog();
    assert_eq!(
        (backlog.queued, backlog.lost_overflow, backlog.lost_storage),
        (4096, lost, 0)
    );
    let waited = backlog.oldest.expect("something waits");
    assert!(waited >= Duration::from_millis(20), "{waited:?}");
    // An outcome still has a place.
    let mut outcome = event(1);
    outcome.body = Body::CallCompleted {
        use_id: crate::world::use_id(1),
        finish_reason: handshake_core::chat::FinishReason::Stop,
        tool_mode: handshake_core::chat::ToolMode::Native,
        duration_ms: 1,
        response_bytes: 1,
        usage: handshake_core::chat::TokenUsage::default(),
    };
    world
        .store
        .submit(outcome)
        .expect("outcomes have places of their own");
    other.execute_batch("ROLLBACK").expect("unlocks");
    drop(other);
    world.store.flush().await.expect("flushes");
    world.store.flush().await.expect("flushes");
    let caught_up = Backlog {
        lost_overflow: lost,
        ..Backlog::default()
    };
    // That a loss is in the log makes it no smaller.
    assert_eq!(world.store.backlog(), caught_up);
    let losses = world.store.log_losses().await.expect("reads");
    let count: u64 = losses.iter().map(|loss| loss.lost.expect("known")).sum();
    assert_eq!(count, lost);
    assert!(losses.iter().all(|loss| loss.cause == LossCause::Overflow));
    let events = world.store.log_after(None, 10_000).await.expect("reads");
    let recorded: Vec<_> = events
        .iter()
        .filter(|recorded| matches!(recorded.event.body, Body::EventsLost { .. }))
        .map(|loss| loss.seq)
        .collect();
    let noticed: Vec<_> = losses.iter().map(|loss| loss.at_size).collect();
    assert_eq!(recorded, noticed, "a loss has its place in the chain");
    assert!(
        !events
            .iter()
            .any(|recorded| matches!(recorded.event.body, Body::IntegrityAlarm { .. })),
        "load is not reported as tampering"
    );
    let size = world.store.log_head().await.expect("head").size;
    assert_eq!(size, before + (5000 - lost) + 1 + losses.len() as u64);
    let verdict = world.store.verify_log(Vec::new()).await.expect("verifies");
    assert_eq!(verdict.status, Status::SelfConsistentOnly);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_an_export_verifies_without_the_database() {
    let world = World::new().await;
    let out = tempfile::tempdir().expect("directory");
    for n in 0..10 {
        world.store.append(event(n)).await.expect("appends");
    }
    commit(&world.store, None, 10).await.expect("commits");
    let next = Arc::new(FakeSigner::new(9));
    world
        .store
        .rotate_recorder_key(next)
        .await
        .expect("hands over");
    for n in 0..10 {
        commit(&world.store, None, n)
            .await
            .expect("commits under the next key");
    }
    world.store.append(event(11)).await.expect("appends");
    let root = world.store.log_root().await.expect("root");
    let head = world.store.log_head().await.expect("head");
    let manifest = world
        .store
        .export_log(&out.path().join("export"))
        .await
        .expect("exports");
    assert_eq!(
        (manifest.size, manifest.head, manifest.handovers),
        (head.size, head.hash, 1)
    );

    let trust = |anchors| Trust {
        roots: vec![root],
        anchors,
    };
    let anchor: Anchor = head.short_anchor().parse().expect("anchor");
    let verdict =
        verify_export(&out.path().join("export"), trust(vec![anchor.clone()])).expect("reads");
    assert_eq!((verdict.status, verdict.epoch_keys), (Status::Intact, 2));
    assert_eq!(verdict.checkpointed_size, Some(head.size - 1));
    assert_eq!(
        world
            .store
            .verify_log(vec![anchor])
            .await
            .expect("reads")
            .status,
        Status::Intact
    );
    // The directory is in use now.
    assert!(
        world
            .store
            .export_log(&out.path().join("export"))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_an_old_key_signs_nothing_after_the_handover() {
    let world = World::new().await;
    let other = world.another(2);
    commit(&other, None, 1).await.expect("commits");
    world
        .store
        .rotate_recorder_key(Arc::new(FakeSigner::new(9)))
        .await
        .expect("hands over");
    let refused = commit(&other, None, 2).await;
    assert_eq!(refused, Err(StoreError::Failed.into()));
    commit(&world.store, None, 3)
        .await
        .expect("the new key signs");
    let again = world
        .store
        .rotate_recorder_key(Arc::new(FakeSigner::new(9)))
        .await;
    assert_eq!(again, Err(StoreError::Failed), "to itself");
    let old = world.another_fails(3);
    assert!(
        matches!(old, handshake_registry_store::OpenError::RecorderKey),
        "{old}"
    );
}

impl World {
    fn another_fails(&self, seed: u64) -> handshake_registry_store::OpenError {
        let path = crate::world::db(self.home.path());
        handshake_registry_store::Store::open(&path, self.fakes.options(seed)).expect_err("refused")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_leaves_are_the_exact_canonical_events() {
    let world = World::new().await;
    let seq = world.store.append(event(5)).await.expect("appends");
    let payload: Vec<u8> = raw(world.home.path())
        .query_row(
            "SELECT payload FROM events ORDER BY seq DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .expect("reads");
    let recorded = RecordedEvent::read(&payload).expect("strict");
    assert_eq!((recorded.seq, &recorded.event), (seq, &event(5)));
    assert_eq!(
        handshake_core::digest::canonical_json(&recorded).expect("canonical"),
        payload
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_an_altered_leaf_shows() {
    let world = World::new().await;
    for n in 0..5 {
        commit(&world.store, None, n).await.expect("commits");
    }
    let attacker = raw(world.home.path());
    let update = "UPDATE events SET payload = CAST(replace(CAST(payload AS TEXT), 'call_attempt', 'call_attempU') AS BLOB) WHERE seq = 3";
    attacker
        .execute(update, [])
        .expect_err("guarded against mistakes");
    attacker
        .execute_batch("DROP TRIGGER events_last")
        .expect("an attacker is not a mistake");
    attacker.execute(update, []).expect("alters");
    let verdict = world.store.verify_log(Vec::new()).await.expect("verifies");
    assert_eq!(verdict.status, Status::Tampered);
    assert_eq!(verdict.tampering[0].first_bad_seq, 3);
}
