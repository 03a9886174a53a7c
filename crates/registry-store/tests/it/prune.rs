//! Segments that were removed on purpose.

use std::{fs, time::Duration};

use handshake_core::ports::FlightRecorder;
use handshake_flight_recorder::{Anchor, Status, TamperKind, Trust, VerifyError, verify_export};
use handshake_registry_store::{Retention, SegmentState};

use crate::{
    segments::{all, append, files, folder, sealed, states, verdict},
    world::{World, event, raw},
};

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
            ..Trust::default()
        };
        verify_export(&export, trust)
    };
    let verdict = check().expect("reads");
    assert_eq!((verdict.status, verdict.pruned), (Status::Intact, Some(20)));
    fs::remove_file(export.join("seams.jsonl")).expect("removes");
    let verdict = check().expect("reads");
    assert_eq!((verdict.status, verdict.pruned), (Status::Tampered, None));
    let manifest = fs::read_to_string(export.join("manifest.json")).expect("reads");
    let later = manifest.replace("export@0.2", "export@0.9");
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
