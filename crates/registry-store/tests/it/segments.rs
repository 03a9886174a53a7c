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
use handshake_flight_recorder::{Anchor, Status, Trust, verify_export};
use handshake_registry_store::{SegmentState, Store};

use crate::world::{World, commit, db, event, raw, spend};

pub(crate) async fn append(store: &Store, from: u32, count: u32) {
    let events = (from..from + count).map(event).collect();
    store.append_all(events).await.expect("appends");
}

pub(crate) async fn states(store: &Store) -> Vec<(u64, u64, SegmentState)> {
    let segments = store.log_segments().await.expect("lists");
    let state =
        |segment: &handshake_registry_store::Segment| (segment.first, segment.last, segment.state);
    segments.iter().map(state).collect()
}

pub(crate) async fn all(store: &Store) -> Vec<RecordedEvent> {
    store.log_after(None, 10_000).await.expect("reads")
}

pub(crate) fn rows(world: &World) -> i64 {
    raw(world.home.path())
        .query_row("SELECT count(*) FROM events", [], |row| row.get(0))
        .expect("counts")
}

pub(crate) fn folder(world: &World) -> PathBuf {
    world.home.path().join("log")
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("reads")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "lock"))
        .collect();
    files.sort();
    files
}

/// Three segments of ten leaves, and five leaves that are not sealed.
pub(crate) async fn sealed() -> World {
    let world = World::new().await;
    for n in 0..3 {
        append(&world.store, n * 10, 10).await;
        assert_eq!(world.store.seal_log().await.expect("seals"), 1);
    }
    append(&world.store, 30, 5).await;
    world
}

pub(crate) async fn verdict(store: &Store) -> handshake_flight_recorder::Verdict {
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
        ..Trust::default()
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
            consent_receipt_id: None,
            declassified: None,
            waived: None,
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
    // All of it in one file, whichever connection was the last to go.
    raw(home.path())
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("one file");
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
    assert_eq!(
        files(&log),
        std::slice::from_ref(file),
        "leftovers are gone"
    );
    assert_eq!(states(&world.store).await, [(1, 10, SegmentState::Sealed)]);
    assert_eq!(verdict(&world.store).await.status, Status::Intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_what_an_open_use_ends_from_stays_in_the_database() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    let committed = commit(&world.store, Some(spend(&receipt, 1, 1)), 1)
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
