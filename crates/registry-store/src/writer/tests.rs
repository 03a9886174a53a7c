//! What one piece of work does to its neighbours.

use handshake_core::{
    event::Actor,
    event::{Body, EventScope},
    ids::EventId,
    ports::{Backlog, EgressLedger, FlightRecorder, FlightRecorderExt, ProviderStore, RecordError},
};

use super::*;
use crate::{Store, fakes};

fn event(n: u8) -> Event {
    let scope = EventScope::default();
    let body = Body::IntegrityAlarm {
        code: handshake_core::code::ErrorCode::Storage,
    };
    let now = UtcTime::from_unix_millis(fakes::EPOCH);
    scope.event(EventId::from_entropy([n; 16]), now, Actor::System, body)
}

async fn work(
    store: &Store,
    work: impl FnOnce(&Tx<'_>) -> Result<(), Fail<StoreError>> + Send + 'static,
) -> Result<(), StoreError> {
    store.write(work).await
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_a_refusal_or_panic_undoes_its_own_work_and_no_more() {
    let home = fakes::home_directory();
    let store =
        Store::open(&home.path().join("h.db"), fakes::Fakes::new().options(1)).expect("opens");
    let insert = |tx: &Tx<'_>, name: &str| {
        tx.conn
            .execute("INSERT INTO meta VALUES (?1, x'00')", [name])
            .expect("inserts");
    };
    let (kept, refused, panicked, also) = tokio::join!(
        work(&store, move |tx| {
            insert(tx, "kept");
            Ok(())
        }),
        work(&store, move |tx| {
            insert(tx, "refused");
            Err(StoreError::Conflict.into())
        }),
        work(&store, move |tx| {
            insert(tx, "panicked");
            panic!("a defect")
        }),
        work(&store, move |tx| {
            insert(tx, "also kept");
            Ok(())
        }),
    );
    assert_eq!((kept, also), (Ok(()), Ok(())));
    assert_eq!(
        (refused, panicked),
        (Err(StoreError::Conflict), Err(StoreError::Failed))
    );
    let names: Result<Vec<String>, StoreError> = store
        .read(|conn| {
            let mut select = conn.prepare("SELECT name FROM meta ORDER BY name")?;
            let names = select.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })
        .await;
    assert_eq!(
        names.expect("reads"),
        ["also kept", "kept", "log_id", "root_key"]
    );
    assert!(!store.is_poisoned());
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_after_a_full_disk_nothing_is_written_until_it_is_opened_again() {
    let home = fakes::home_directory();
    let path = home.path().join("h.db");
    let fakes = fakes::Fakes::new();
    let store = Store::open(&path, fakes.options(1)).expect("opens");
    store.append(event(1)).await.expect("appends");
    work(&store, |tx| {
        let pages: i64 = tx
            .conn
            .query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let set = format!("PRAGMA max_page_count = {pages}");
        tx.conn.query_row(&set, [], |_| Ok(()))?;
        Ok(())
    })
    .await
    .expect("sets");
    let large = work(&store, |tx| {
        tx.conn
            .execute("INSERT INTO meta VALUES ('large', zeroblob(1000000))", [])?;
        Ok(())
    });
    let (beside, full) = tokio::join!(store.append(event(2)), large);
    assert_eq!(full, Err(StoreError::Failed));
    // Whether it shared the transaction or came before it: what is acknowledged is there.
    let size = store.log_head().await.expect("reads").size;
    assert_eq!(size, if beside.is_ok() { 2 } else { 1 });
    assert!(store.is_poisoned());

    let provider = handshake_core::ids::ProviderId::new("p").expect("id");
    assert_eq!(store.epochs(&provider).await, Err(StoreError::Failed));
    assert_eq!(
        store.append(event(3)).await,
        Err(RecordError::Store(StoreError::Failed))
    );
    let lost = store.backlog().lost_storage;
    assert_eq!(
        store.submit(event(4)),
        Err(RecordError::Store(StoreError::Failed))
    );
    assert_eq!(store.backlog().lost_storage, lost + 1);
    assert_eq!(
        store.flush().await,
        Err(RecordError::Store(StoreError::Failed))
    );
    assert!(
        ProviderStore::list(&store)
            .await
            .expect("Local goes on")
            .is_empty()
    );
    drop(store);

    let store = Store::open(&path, fakes.options(2)).expect("opens again");
    // What was acknowledged, and that something was lost.
    assert_eq!(store.log_head().await.expect("reads").size, size + 1);
    store.append(event(5)).await.expect("appends again");
    assert_eq!(
        store.log_losses().await.expect("reads").len(),
        1,
        "what was not recorded is recorded as lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_events_outlast_another_process_that_is_busy() {
    let home = fakes::home_directory();
    let path = home.path().join("h.db");
    let store = Store::open(&path, fakes::Fakes::new().options(1)).expect("opens");
    let other = Connection::open(&path).expect("opens");
    work(&store, |tx| {
        Ok(tx.conn.busy_timeout(Duration::from_millis(20))?)
    })
    .await
    .expect("sets");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    for n in 1..=50 {
        store.submit(event(n)).expect("fits");
    }
    assert_eq!(
        store.append(event(51)).await,
        Err(RecordError::Store(StoreError::Failed))
    );
    assert!(!store.is_poisoned());
    assert_eq!(store.backlog().queued, 50);
    other.execute_batch("ROLLBACK").expect("unlocks");
    store.flush().await.expect("flushes");
    assert_eq!(store.backlog(), Backlog::default());
    let events = store.log_tail(100).await.expect("reads");
    let ids: Vec<_> = events
        .iter()
        .map(|recorded| recorded.event.event_id)
        .collect();
    let submitted: Vec<_> = (1..=50).map(|n| EventId::from_entropy([n; 16])).collect();
    assert_eq!(ids, submitted, "all of them, in order");
    assert!(store.log_losses().await.expect("reads").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_one_event_that_cannot_be_written_takes_no_other_with_it() {
    let home = fakes::home_directory();
    let store =
        Store::open(&home.path().join("h.db"), fakes::Fakes::new().options(1)).expect("opens");
    let mut unwritable = event(2);
    unwritable.body = Body::EventsLost {
        count: Some(u64::MAX),
        cause: LossCause::Overflow,
    };
    store.submit(event(1)).expect("fits");
    store.submit(unwritable.clone()).expect("fits");
    store.submit(event(3)).expect("fits");
    store.flush().await.expect("flushes");
    let all = vec![event(4), unwritable, event(5)];
    store
        .append_all(all)
        .await
        .expect_err("all of them or none");
    assert_eq!(store.append_all(Vec::new()).await.ok(), None, "none at all");
    let last = store
        .append_all(vec![event(6), event(7)])
        .await
        .expect("appends");
    let events = store.log_after(None, 100).await.expect("reads");
    assert_eq!(last, events.len() as u64 - 1);
    let bodies: Vec<_> = events
        .iter()
        .map(|recorded| (recorded.event.event_id, recorded.event.body.family_id()))
        .collect();
    let kept = |n: u8| (EventId::from_entropy([n; 16]), "FR-EVT-EGRESS-006");
    assert_eq!(bodies[..2], [kept(1), kept(3)]);
    assert_eq!(bodies[2].1, "FR-EVT-EGRESS-008");
    assert_eq!(bodies[3..], [kept(6), kept(7)]);
    let losses = store.log_losses().await.expect("reads");
    assert_eq!(
        losses
            .iter()
            .map(|loss| (loss.lost, loss.cause))
            .collect::<Vec<_>>(),
        [(Some(1), LossCause::Storage)]
    );
    assert_eq!(store.backlog().lost_storage, 1);
    let verdict = store.verify_log(Vec::new()).await.expect("verifies");
    assert!(verdict.tampering.is_empty(), "a loss is no tampering");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_queue_that_fills_holds_new_work_back() {
    let home = fakes::home_directory();
    let path = home.path().join("h.db");
    let store = Store::open(&path, fakes::Fakes::new().options(1)).expect("opens");
    let other = Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    store.ready().await;
    for _ in 0..waiting::PLACES / 2 {
        store.submit(event(1)).expect("fits");
    }
    let held_back = tokio::spawn({
        let store = store.clone();
        async move { store.ready().await }
    });
    tokio::task::yield_now().await;
    let soon = tokio::time::timeout(Duration::from_millis(50), store.ready());
    assert!(soon.await.is_err(), "there is no room");
    // Work that began goes on.
    store.submit(event(2)).expect("fits");
    other.execute_batch("ROLLBACK").expect("unlocks");
    held_back.await.expect("has room");
    store.ready().await;
    assert!(store.log_losses().await.expect("reads").is_empty());
}
