//! Segments that are not what was sealed.

use std::fs;

use handshake_core::ports::{FlightRecorderExt, StoreError};
use handshake_flight_recorder::{Status, TamperKind};
use handshake_registry_store::{ExportFailed, SegmentState};

use crate::{
    segments::{append, files, folder, rows, sealed, states, verdict},
    world::{World, event, raw},
};

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
