//! The log in segments.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use handshake_core::{
    chat::{FinishReason, TokenUsage, ToolMode},
    digest::{CommitmentKey, Digest},
    event::{Actor, Body, Event, EventScope, RecordedEvent},
    ids::{EventId, ModelId, ProviderId, TraceId, UseId},
    ports::{FlightRecorder, FlightRecorderExt, StoreError},
    tier::ModelTier,
    time::UtcTime,
};
use handshake_flight_recorder::{Anchor, Status, TamperKind, Trust, VerifyError, verify_export};
use handshake_registry_store::{ExportFailed, Retention, SegmentState, Store};

use crate::world::{World, commit, db, event, raw, spend};

async fn append(store: &Store, from: u32, count: u32) {
    let events = (from..from + count).map(event).collect();
    store.append_all(events).await.expect("appends");
}

async fn states(store: &Store) -> Vec<(u64, u64, SegmentState)> {
    let segments = store.log_segments().await.expect("lists");
    let state =
        |segment: &handshake_registry_store::Segment| (segment.first, segment.last, segment.state);
    segments.iter().map(state).collect()
}

async fn all(store: &Store) -> Vec<RecordedEvent> {
    store.log_after(None, 10_000).await.expect("reads")
}

fn rows(world: &World) -> i64 {
    raw(world.home.path())
        .query_row("SELECT count(*) FROM events", [], |row| row.get(0))
        .expect("counts")
}

fn folder(world: &World) -> PathBuf {
    world.home.path().join("log")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("reads")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "lock"))
        .collect();
    files.sort();
    files
}

/// Three segments of ten leaves, and five leaves that are not sealed.
async fn sealed() -> World {
    let world = World::new().await;
    for n in 0..3 {
        append(&world.store, n * 10, 10).await;
        assert_eq!(world.store.seal_log().await.expect("seals"), 1);
    }
    append(&world.store, 30, 5).await;
    world
}

async fn verdict(store: &Store) -> handshake_flight_recorder::Verdict {
    let head = store.log_head().await.expect("head");
    store
        .verify_log(vec![Anchor::Head(head)])
        .await
        .expect("verifies")
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_segments_and_rows_are_read_as_one_log() {
    let world = World::new().await;
    for n in 0..3 {
        append(&world.store, n * 10, 10).await;
    }
    let (before, head) = (
        all(&world.store).await,
        world.store.log_head().await.expect("head"),
    );
    assert_eq!(world.store.seal_log().await.expect("seals"), 1);
    assert_eq!(world.store.seal_log().await.expect("nothing is left"), 0);
    assert_eq!(rows(&world), 0, "all of them are signed, so all are sealed");
    assert_eq!(world.store.log_head().await.expect("head"), head);
    assert_eq!(all(&world.store).await, before, "to the byte");
    append(&world.store, 30, 5).await;
    assert_eq!(all(&world.store).await.len(), 35);
    let tail = world.store.log_tail(7).await.expect("reads");
    let places: Vec<_> = tail.iter().map(|event| event.seq).collect();
    assert_eq!(places, (28..35).collect::<Vec<_>>(), "across the seam");
    let some = world.store.log_after(3, 4).await.expect("reads");
    let places: Vec<_> = some.iter().map(|event| event.seq).collect();
    assert_eq!(places, [4, 5, 6, 7]);
    assert_eq!(states(&world.store).await, [(1, 30, SegmentState::Sealed)]);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
    for path in files(&folder(&world)).iter().chain([&folder(&world)]) {
        let mode = path.metadata().expect("meta").permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads {}", path.display());
    }
    let world = world.reopened(2);
    assert_eq!(all(&world.store).await.len(), 35);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);

    // An export is what it always was.
    let out = tempfile::tempdir().expect("directory");
    let export = out.path().join("export");
    let manifest = world.store.export_log(&export).await.expect("exports");
    assert_eq!(manifest.schema, "hsk.log_export@0.1");
    let head = world.store.log_head().await.expect("head");
    let trust = Trust {
        roots: vec![world.store.log_root().await.expect("root")],
        anchors: vec![Anchor::Head(head)],
    };
    let verdict = verify_export(&export, trust).expect("reads");
    assert_eq!((verdict.status, verdict.size), (Status::Intact, 35));
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_log_that_grows_seals_itself_and_keeps_the_newest_events() {
    let world = World::new().await;
    let mut store = world.store.clone();
    for n in 0..48 {
        append(&store, n * 256, 256).await;
    }
    // By itself, beside the writer: it is only waited for.
    for n in 0..3000 {
        if !states(&store).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        append(&store, 100_000 + n, 1).await;
        assert!(n < 2999, "never");
    }
    store = world.store.clone();
    let found = states(&store).await;
    let last = found.last().expect("sealed").1;
    let size = store.log_head().await.expect("head").size;
    assert!(size - last >= 2048, "the newest stay in the database");
    assert_eq!(u64::try_from(rows(&world)).expect("count"), size - last);
    let verdict = verdict(&store).await;
    assert_eq!((verdict.status, verdict.size), (Status::Intact, size));
    let signed: i64 = raw(world.home.path())
        .query_row(
            "SELECT count(*) FROM checkpoints WHERE size = ?1",
            [i64::try_from(last).expect("small")],
            |row| row.get(0),
        )
        .expect("counts");
    assert_eq!(signed, 1, "the seam is signed");
}

/// Four events as a local call leaves them, with ids and hashes that no compression foresees.
fn call(n: u32) -> Vec<Event> {
    let random = |what: &str| *Digest::of(&[what.as_bytes(), &n.to_be_bytes()]).as_bytes();
    let id = |what: &str| *random(what).first_chunk::<16>().expect("32 bytes");
    let key = CommitmentKey::new([5; 32]).expect("key");
    let hash = |what: &str| key.commit(what, &[&n.to_be_bytes()]);
    let use_id = UseId::from_entropy(id("use"));
    let scope = EventScope {
        trace_id: Some(TraceId::from_entropy(id("trace"))),
        principal: Some(crate::world::principal("editor")),
        session_id: Some(crate::world::session()),
        provider_id: Some(ProviderId::new("ollama").expect("id")),
        model_id: Some(ModelId::new("qwen3:8b").expect("id")),
        ..EventScope::default()
    };
    let usage = TokenUsage::default();
    let (body_bytes, took) = (
        2000 + u64::from(n) * 37 % 5000,
        300 + u64::from(n) * 53 % 4000,
    );
    let bodies = [
        Body::CallStarted {
            use_id,
            declared_tier: ModelTier::Local,
            capabilities: Digest::of(&[b"capabilities"]),
            messages: 3 + n % 20,
            tools: 0,
            stream: true,
            requested_max_tokens: None,
            effective_max_tokens: Some(4096),
        },
        Body::CallAttempt {
            use_id,
            attempt: 1,
            effective_tier: ModelTier::Local,
            body_bytes,
            envelope_hash: hash("envelope"),
            control: None,
        },
        Body::LlmInference {
            token_usage: usage,
            latency_ms: Some(took),
            prompt_hash: Some(hash("prompt")),
            response_hash: Some(hash("response")),
        },
        Body::CallCompleted {
            use_id,
            finish_reason: FinishReason::Stop,
            tool_mode: ToolMode::Native,
            duration_ms: took + 1,
            response_bytes: body_bytes / 2,
            usage,
        },
    ];
    let now = crate::fakes::EPOCH + i64::from(n) * 1237;
    let event = |(place, body): (usize, Body)| {
        scope.event(
            EventId::from_entropy(id(&format!("event {place}"))),
            UtcTime::from_unix_millis(now + i64::try_from(place).expect("small")),
            Actor::Agent,
            body,
        )
    };
    bodies.into_iter().enumerate().map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_sealed_event_takes_at_most_250_bytes_of_disk() {
    let world = World::new().await;
    for n in 0..20 {
        let events = (n * 100..(n + 1) * 100).flat_map(call).collect();
        world.store.append_all(events).await.expect("appends");
    }
    world.store.seal_log().await.expect("seals");
    let segments = world.store.log_segments().await.expect("lists");
    let (bytes, events): (u64, u64) = segments.iter().fold((0, 0), |(bytes, events), segment| {
        let file = folder(&world).join(segment.file());
        let on_disk = file.metadata().expect("meta").len();
        assert_eq!(on_disk, segment.bytes);
        (bytes + on_disk, events + segment.last - segment.first + 1)
    });
    assert_eq!(events, 8000);
    println!(
        "{} bytes for each of {events} sealed events",
        bytes / events
    );
    assert!(bytes <= 250 * events, "{} bytes each", bytes / events);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_process_that_died_between_file_and_commit_leaves_an_orphan_and_no_doubt() {
    let world = World::new().await;
    append(&world.store, 0, 10).await;
    let World { fakes, home, store } = world;
    drop(store);
    let before = fs::read(db(home.path())).expect("reads");
    let store = Store::open(&db(home.path()), fakes.options(2)).expect("opens");
    assert_eq!(store.seal_log().await.expect("seals"), 1);
    drop(store);
    // The file is there, and its transaction was never committed.
    for beside in ["-wal", "-shm"] {
        let _none = fs::remove_file(home.path().join(format!("handshake.db{beside}")));
    }
    fs::write(db(home.path()), before).expect("writes");
    let log = home.path().join("log");
    let [file] = &files(&log)[..] else {
        panic!("one file")
    };
    let half = log.join("segment-000000000001-000000000009.hsklog.tmp");
    fs::write(&half, b"half").expect("writes");
    fs::write(
        log.join("segment-000000000001-000000000007.hsklog"),
        b"older",
    )
    .expect("writes");

    let store = Store::open(&db(home.path()), fakes.options(3)).expect("opens");
    let world = World { fakes, home, store };
    assert_eq!(states(&world.store).await, []);
    assert_eq!(all(&world.store).await.len(), 10);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
    fs::write(file, b"an orphan of another version").expect("writes");
    assert_eq!(world.store.seal_log().await.expect("seals again"), 1);
    assert_eq!(files(&log), [file.clone()], "leftovers are gone");
    assert_eq!(states(&world.store).await, [(1, 10, SegmentState::Sealed)]);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_damaged_segment_is_named_and_stops_nothing_else() {
    let world = sealed().await;
    let paths = files(&folder(&world));
    let sound = fs::read(&paths[1]).expect("reads");
    let mut altered = sound.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    let third = fs::read(&paths[2]).expect("reads");
    for (bytes, state) in [
        (Some(altered), SegmentState::Damaged),
        (
            Some(sound[..sound.len() - 1].to_vec()),
            SegmentState::Damaged,
        ),
        (Some(third), SegmentState::Damaged),
        (None, SegmentState::Missing),
    ] {
        match bytes {
            Some(bytes) => fs::write(&paths[1], bytes).expect("writes"),
            None => fs::remove_file(&paths[1]).expect("removes"),
        }
        let store = world.another(9);
        assert_eq!(
            states(&store).await,
            [
                (1, 10, SegmentState::Sealed),
                (11, 20, state),
                (21, 30, SegmentState::Sealed)
            ]
        );
        let verdict = verdict(&store).await;
        assert_eq!((verdict.status, verdict.size), (Status::Tampered, 10));
        assert_eq!(verdict.exit_code(), 5);
        assert_eq!(verdict.tampering[0].first_bad_seq, 11);
        // Other work goes on.
        store.append(event(99)).await.expect("appends");
        assert_eq!(store.log_tail(3).await.expect("reads").len(), 3);
        assert!(store.log_losses().await.is_ok());
        let out = tempfile::tempdir().expect("directory");
        let refused = store.export_log(&out.path().join("export")).await;
        let Err(ExportFailed::Segment(file)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(folder(&world).join(file), paths[1]);
    }
    fs::write(&paths[1], sound).expect("writes");
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_segment_rewritten_with_its_row_shows_against_what_is_signed() {
    let world = World::new().await;
    append(&world.store, 0, 10).await;
    assert_eq!(world.store.seal_log().await.expect("seals"), 1);
    // Another log of the same install, written by somebody who has the files and not the key.
    let other = World::new().await;
    append(&other.store, 50, 10).await;
    other.store.seal_log().await.expect("seals");
    let (ours, theirs) = (files(&folder(&world)), files(&folder(&other)));
    fs::copy(&theirs[0], &ours[0]).expect("copies");
    let row: (Vec<u8>, Vec<u8>, i64) = raw(other.home.path())
        .query_row("SELECT head, sha256, bytes FROM segments", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .expect("reads");
    let attacker = raw(world.home.path());
    attacker
        .execute("DELETE FROM segments", [])
        .expect_err("guarded against mistakes");
    attacker
        .execute_batch("DROP TRIGGER segments_last")
        .expect("an attacker is not a mistake");
    attacker
        .execute(
            "UPDATE segments SET head = ?1, sha256 = ?2, bytes = ?3",
            row,
        )
        .expect("alters");
    let verdict = world.store.verify_log(Vec::new()).await.expect("verifies");
    assert_eq!(verdict.status, Status::Tampered);
    assert_eq!(verdict.tampering[0].kind, TamperKind::Rewritten);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_leaf_that_does_not_hold_is_never_sealed() {
    let world = World::new().await;
    append(&world.store, 0, 10).await;
    raw(world.home.path())
        .execute_batch(
            "DROP TRIGGER events_last;
             UPDATE events SET payload = CAST(replace(CAST(payload AS TEXT), 'call_attempt', 'call_retry') AS BLOB)
             WHERE seq = 3",
        )
        .expect("alters");
    assert_eq!(world.store.seal_log().await, Err(StoreError::Damaged));
    assert_eq!((rows(&world), states(&world.store).await.len()), (10, 0));
    assert_eq!(verdict(&world.store).await.tampering[0].first_bad_seq, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_rows_go_only_where_a_segment_holds_them() {
    let world = sealed().await;
    let other = raw(world.home.path());
    for sql in [
        "DELETE FROM events",
        "DELETE FROM segments",
        "UPDATE segments SET last = 100",
        "UPDATE segments SET pruned = 1",
        "UPDATE segments SET sha256 = x'00'",
    ] {
        let refused = other.execute_batch(sql).expect_err(sql).to_string();
        assert!(refused.contains("append only"), "{sql}: {refused}");
    }
    assert_eq!(rows(&world), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_what_an_open_use_ends_from_stays_in_the_database() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    let committed = commit(&world.store, Some(spend(&receipt, 0, 1, 1)), 1)
        .await
        .expect("commits");
    append(&world.store, 50, 10).await;
    world.store.seal_log().await.expect("seals");
    let first: i64 = raw(world.home.path())
        .query_row("SELECT min(seq) FROM events", [], |row| row.get(0))
        .expect("reads");
    assert!(u64::try_from(first).expect("positive") <= committed.seq + 1);
    let world = world.reopened(2);
    world.store.seal_log().await.expect("the use was closed");
    assert_eq!(rows(&world), 0);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_what_was_pruned_is_signed_and_the_rest_verifies() {
    let world = sealed().await;
    let old_anchor = Anchor::Short {
        size: 5,
        prefix: "0123456789ab".to_owned(),
    };
    let keep = |count| world.store.prune_log(Retention::Events(count));
    assert_eq!(keep(26).await.expect("nothing is old enough"), None);
    let seam = keep(25).await.expect("prunes").expect("a seam");
    assert_eq!((seam.first, seam.size, seam.at_size), (1, 10, 35));
    assert_eq!(keep(25).await.expect("nothing is left to prune"), None);
    assert_eq!(files(&folder(&world)).len(), 2);
    let seam = keep(6).await.expect("prunes").expect("a seam");
    assert_eq!((seam.first, seam.size), (11, 20));
    append(&world.store, 35, 5).await;
    let world = world.reopened(2);
    assert_eq!(
        states(&world.store).await,
        [
            (1, 10, SegmentState::Pruned),
            (11, 20, SegmentState::Pruned),
            (21, 30, SegmentState::Sealed)
        ]
    );
    let found = verdict(&world.store).await;
    assert_eq!(
        (found.status, found.size, found.pruned),
        (Status::Intact, 40, Some(20))
    );
    let events = all(&world.store).await;
    assert_eq!((events.len(), events[0].seq), (20, 20));
    // What was noted about leaves that are gone is neither confirmed nor a contradiction.
    let old = world.store.verify_log(vec![old_anchor]).await;
    assert_eq!(old.expect("reads").status, Status::SelfConsistentOnly);

    let out = tempfile::tempdir().expect("directory");
    let export = out.path().join("export");
    let manifest = world.store.export_log(&export).await.expect("exports");
    assert_eq!((manifest.size, manifest.seams), (40, 2));
    let head = world.store.log_head().await.expect("head");
    let root = world.store.log_root().await.expect("root");
    let check = || {
        let trust = Trust {
            roots: vec![root],
            anchors: vec![Anchor::Head(head)],
        };
        verify_export(&export, trust)
    };
    let verdict = check().expect("reads");
    assert_eq!((verdict.status, verdict.pruned), (Status::Intact, Some(20)));
    fs::remove_file(export.join("seams.jsonl")).expect("removes");
    let verdict = check().expect("reads");
    assert_eq!((verdict.status, verdict.pruned), (Status::Tampered, None));
    let manifest = fs::read_to_string(export.join("manifest.json")).expect("reads");
    let later = manifest.replace("export@0.2", "export@0.3");
    fs::write(export.join("manifest.json"), later).expect("writes");
    assert!(matches!(check(), Err(VerifyError::UnknownFormat)));
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_segments_without_a_seam_are_missing_and_not_pruned() {
    let world = sealed().await;
    world
        .store
        .prune_log(Retention::Events(25))
        .await
        .expect("prunes");
    raw(world.home.path())
        .execute_batch("DROP TRIGGER seams_stay; DELETE FROM seams")
        .expect("an attacker is not a mistake");
    let verdict = verdict(&world.store).await;
    assert_eq!((verdict.status, verdict.pruned), (Status::Tampered, None));
    let first = verdict.tampering[0];
    assert_eq!((first.kind, first.first_bad_seq), (TamperKind::Removed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_segments_are_pruned_by_their_age() {
    let world = World::new().await;
    let at = |n: u32, days: u64| {
        let mut event = event(n);
        event.timestamp = event.timestamp.plus(Duration::from_secs(days * 86_400));
        event
    };
    for days in [0, 10, 20] {
        let events = (0..5).map(|n| at(n, days)).collect();
        world.store.append_all(events).await.expect("appends");
        world.store.seal_log().await.expect("seals");
    }
    world.fakes.clock.advance(Duration::from_secs(21 * 86_400));
    let keep = |days: u64| Retention::Age(Duration::from_secs(days * 86_400));
    assert_eq!(world.store.prune_log(keep(21)).await.expect("none"), None);
    let seam = world.store.prune_log(keep(2)).await.expect("prunes");
    assert_eq!(seam.expect("a seam").size, 10, "the third is one day old");
    assert_eq!(verdict(&world.store).await.pruned, Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_pruned_file_that_stayed_is_taken_away_later() {
    let world = sealed().await;
    let first = files(&folder(&world))[0].clone();
    let bytes = fs::read(&first).expect("reads");
    let pruned = world.store.prune_log(Retention::Events(25)).await;
    pruned.expect("prunes").expect("a seam");
    // As after a process that died before it took the file away.
    fs::write(&first, bytes).expect("writes");
    assert_eq!(verdict(&world.store).await.pruned, Some(10));
    world.store.seal_log().await.expect("seals");
    assert!(!first.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_of_two_processes_one_seals() {
    let world = World::new().await;
    append(&world.store, 0, 50).await;
    let other = world.another(2);
    let (one, two) = tokio::join!(world.store.seal_log(), other.seal_log());
    assert_eq!(one.expect("seals") + two.expect("seals"), 1);
    append(&other, 50, 5).await;
    assert_eq!(all(&world.store).await, all(&other).await);
    assert_eq!(states(&other).await, [(1, 50, SegmentState::Sealed)]);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
    assert_eq!(files(&folder(&world)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_folder_that_others_can_read_is_not_sealed_into() {
    let world = World::new().await;
    append(&world.store, 0, 5).await;
    fs::create_dir(folder(&world)).expect("makes");
    fs::set_permissions(folder(&world), fs::Permissions::from_mode(0o755)).expect("sets");
    assert_eq!(world.store.seal_log().await, Err(StoreError::Failed));
    assert_eq!(all(&world.store).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_losses_are_told_from_segments_too() {
    let world = World::new().await;
    let mut lost = event(1);
    lost.body = Body::EventsLost {
        count: Some(7),
        cause: handshake_core::event::LossCause::Overflow,
    };
    world.store.append(lost).await.expect("appends");
    append(&world.store, 2, 3).await;
    world.store.seal_log().await.expect("seals");
    let losses = world.store.log_losses().await.expect("reads");
    assert_eq!(losses.len(), 1);
    assert_eq!((losses[0].at_size, losses[0].lost), (0, Some(7)));
    assert!(verdict(&world.store).await.tampering.is_empty());
}
