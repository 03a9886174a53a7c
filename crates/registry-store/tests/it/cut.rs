//! Logs that were cut or emptied in the database, with everything that the recorder's own key signed: what a person
//! approved and what was sent still tells.

use handshake_core::{ids::ExternalId, ports::Signer};
use handshake_flight_recorder::{
    Anchor, Evidence, LogHead, PublicKey, Status, TamperKind, Verdict,
};
use handshake_registry_store::{LogReader, LogTrust, OpenError, Store};

use crate::world::{World, commit, db, event, raw, receipt, spend, submission};

/// Approves request `n` as the product does: the receipt names the head of the log.
async fn approve(world: &World, n: u32) -> handshake_core::consent::ConsentReceipt {
    let head = world.store.log_head().await.expect("head");
    let submission = submission(&world.fakes, "agent", n);
    let mut receipt = receipt(&world.fakes, &submission, true);
    receipt.ext.recorder_checkpoint = Some(format!("{}:{}", head.size, head.hash));
    world.approve(&submission, &receipt).await;
    receipt
}

fn install() -> ExternalId {
    ExternalId::new("install-1").expect("an id")
}

fn trust(world: &World) -> LogTrust {
    LogTrust {
        approver: Some(world.fakes.approver.public_key()),
        ..LogTrust::default()
    }
}

/// The verdict over the database as it lies there, whether it opens or not.
fn read(world: &World, trust: LogTrust) -> Verdict {
    let reader = LogReader::open(&db(world.home.path()), &install()).expect("opens");
    reader.verify(trust).expect("reads")
}

fn first(verdict: &Verdict) -> (TamperKind, Evidence) {
    let found = verdict.tampering.first().expect("something is wrong");
    (found.kind, found.shown_by)
}

/// What somebody with SQL does: the triggers go first.
fn attack(world: &World, sql: &str) {
    let connection = raw(world.home.path());
    connection
        .execute_batch(&format!(
            "DROP TRIGGER events_stay; DROP TRIGGER checkpoints_stay; {sql}"
        ))
        .expect("nobody refuses");
}

async fn append(store: &Store, from: u32, count: u32) {
    use handshake_core::ports::FlightRecorderExt;
    for n in from..from + count {
        store.append(event(n)).await.expect("appends");
    }
}

/// Ten events, a checkpoint, an approval at 10, ten more events.
async fn approved() -> World {
    let world = World::new().await;
    append(&world.store, 0, 10).await;
    world.store.log_checkpoint().await.expect("signs");
    approve(&world, 1).await;
    append(&world.store, 20, 10).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b12_what_was_approved_anchors_the_log_of_its_home() {
    let world = approved().await;
    let size = world.store.log_head().await.expect("head").size;
    let verdict = world.store.verify_log(Vec::new()).await.expect("verifies");
    assert_eq!(
        (verdict.status, verdict.anchored_size, verdict.size),
        (Status::Intact, Some(10), size)
    );
    assert_eq!(verdict.anchored_by, Some(Evidence::Receipt));
    assert_eq!(verdict, read(&world, trust(&world)));
    // Whoever has no approval key can confirm nothing.
    let verdict = read(&world, LogTrust::default());
    assert_eq!(verdict.status, Status::SelfConsistentOnly);
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b12_a_cut_or_emptied_log_beside_a_receipt_is_tampered_with() {
    for (sql, kept) in [
        // Every event and every checkpoint.
        ("DELETE FROM events; DELETE FROM checkpoints;", 0),
        // Events and the checkpoints past the cut.
        (
            "DELETE FROM events WHERE seq > 7; DELETE FROM checkpoints WHERE size > 7;",
            7,
        ),
        // Below a checkpoint that was left: this does not even open.
        ("DELETE FROM events WHERE seq > 7;", 7),
    ] {
        let world = approved().await;
        let World { fakes, home, store } = world;
        drop(store);
        let store = Store::open(&db(home.path()), fakes.options(8));
        let world = World {
            fakes,
            home,
            store: store.expect("opens"),
        };
        attack(&world, sql);
        let verdict = read(&world, trust(&world));
        assert_eq!(
            (verdict.status, verdict.size, verdict.exit_code()),
            (Status::Tampered, kept, 5),
            "{sql}"
        );
        assert_eq!(
            first(&verdict),
            (TamperKind::Truncated, Evidence::Receipt),
            "{sql}"
        );
        // Without the key, the receipt contradicts all the same.
        let verdict = read(&world, LogTrust::default());
        assert_eq!(
            first(&verdict),
            (TamperKind::Truncated, Evidence::Receipt),
            "{sql}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b12_a_log_below_its_checkpoint_does_not_open_and_is_told_all_the_same() {
    let World { fakes, home, store } = approved().await;
    store.log_checkpoint().await.expect("signs");
    drop(store);
    let connection = raw(home.path());
    connection
        .execute_batch("DROP TRIGGER events_stay; DELETE FROM events WHERE seq > 12;")
        .expect("nobody refuses");
    drop(connection);
    let refused = Store::open(&db(home.path()), fakes.options(8)).expect_err("refused");
    assert!(matches!(refused, OpenError::Log), "{refused}");
    let reader = LogReader::open(&db(home.path()), &install()).expect("opens");
    let verdict = reader.verify(LogTrust::default()).expect("reads");
    assert_eq!((verdict.status, verdict.size), (Status::Tampered, 12));
    assert_eq!(
        first(&verdict),
        (TamperKind::Truncated, Evidence::Checkpoint)
    );
    assert_eq!(verdict.tampering[0].first_bad_seq, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b12_what_was_sent_needs_its_events_and_its_checkpoint() {
    let world = World::new().await;
    let approved = world.approved(1).await;
    commit(&world.store, Some(spend(&approved, 1, 1)), 1)
        .await
        .expect("sends");
    append(&world.store, 30, 3).await;
    let sound = world.store.verify_log(Vec::new()).await.expect("verifies");
    assert_eq!(sound.status, Status::SelfConsistentOnly, "{sound:?}");
    // This receipt names no head, so only the use tells.
    attack(&world, "DELETE FROM checkpoints;");
    let verdict = read(&world, trust(&world));
    assert_eq!(first(&verdict), (TamperKind::Removed, Evidence::Use));
    raw(world.home.path())
        .execute_batch("DELETE FROM events;")
        .expect("nobody refuses");
    let verdict = read(&world, trust(&world));
    assert_eq!(
        (verdict.size, first(&verdict)),
        (0, (TamperKind::Truncated, Evidence::Use))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b12_what_cannot_be_read_is_a_verdict_and_not_a_failure() {
    for (sql, by) in [
        ("UPDATE receipts SET payload = x'7b7d'", Evidence::Receipt),
        ("UPDATE receipts SET signature = x'00'", Evidence::Receipt),
        (
            "UPDATE receipts SET payload = CAST(replace(CAST(payload AS TEXT), '\"recorder_checkpoint\":\"10:', '\"recorder_checkpoint\":\"2:') AS BLOB)",
            Evidence::Receipt,
        ),
        (
            "DROP TRIGGER checkpoints_last; UPDATE checkpoints SET record = '{}'",
            Evidence::Checkpoint,
        ),
        (
            "DROP TRIGGER events_last; UPDATE events SET hash = x'00' WHERE seq = 3",
            Evidence::Chain,
        ),
        (
            "DELETE FROM meta WHERE name = 'root_key'",
            Evidence::Checkpoint,
        ),
    ] {
        let world = approved().await;
        attack(&world, sql);
        let verdict = read(&world, trust(&world));
        assert_eq!(verdict.status, Status::Tampered, "{sql}");
        let all: Vec<_> = verdict
            .tampering
            .iter()
            .map(|found| found.shown_by)
            .collect();
        assert!(all.contains(&by), "{sql}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n1_a_root_or_a_present_key_that_is_not_the_homes_shows() {
    let world = approved().await;
    let key = |key: handshake_core::attest::PublicKey| {
        PublicKey::from_bytes(key.to_bytes()).expect("a key")
    };
    let other = crate::fakes::FakeSigner::new(99).public_key();
    let recorder = world.fakes.recorder.public_key();
    let (foreign, own) = (key(other.clone()), key(recorder.clone()));
    assert_eq!(world.store.log_root().await.expect("root"), own);
    let with = |roots: Vec<PublicKey>, present| {
        read(
            &world,
            LogTrust {
                roots,
                present,
                ..trust(&world)
            },
        )
    };
    let good = with(vec![own], Some(recorder.clone()));
    assert_eq!((good.status, good.root), (Status::Intact, Some(own)));
    for bad in [
        with(vec![foreign], None),
        with(vec![], Some(other)),
        with(vec![foreign], Some(recorder)),
    ] {
        assert_eq!(bad.status, Status::Tampered);
        assert_eq!(bad.tampering[0].kind, TamperKind::WrongKey);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n9_a_database_that_is_gone_is_not_an_empty_log() {
    let world = approved().await;
    let head: LogHead = world.store.log_head().await.expect("head");
    let anchors = vec![Anchor::Head(head)];
    let World { fakes, home, store } = world;
    drop(store);
    let path = db(home.path());
    for beside in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(beside);
        let _gone = std::fs::remove_file(name);
    }
    let missing = LogReader::open(&path, &install()).expect_err("refused");
    assert!(matches!(missing, OpenError::Missing), "{missing}");
    assert!(!path.exists(), "looking makes nothing");
    // Made anew, it is empty, and whoever wrote down a head notices.
    let store = Store::open(&path, fakes.options(9)).expect("opens");
    let verdict = store.verify_log(anchors).await.expect("verifies");
    assert_eq!(
        (verdict.status, verdict.tampering[0].kind),
        (Status::Tampered, TamperKind::Truncated)
    );
}
