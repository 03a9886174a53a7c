//! S32: a wall clock that is set back makes nothing live longer, and holds nothing up for longer than it would have
//! been.

use std::time::Duration;

use handshake_core::ports::{ApprovalQueue, QueueError, SessionStore, SignedDecision};

use crate::world::{World, session, submission};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn s32_receipts_of_another_run_are_void() {
    let world = World::new().await;
    world.leased(1).await;
    let void = async || {
        let receipts = world.store.receipts(1).await.expect("reads");
        receipts[0].void
    };
    assert!(!void().await);
    world.fakes.clock.begin_run();
    assert!(void().await, "as the gate sees it");
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_no_silences_for_a_minute_however_the_clock_is_set() {
    let world = World::new().await;
    let ask = |n| world.store.submit(submission(&world.fakes, "agent", n));
    ask(1).await.expect("asks");
    let id = submission(&world.fakes, "agent", 1).request.request_id;
    let no = SignedDecision::Deny(id);
    world.store.decide(no).await.expect("denies");
    world.fakes.clock.advance(Duration::from_secs(30));
    world.fakes.clock.set_back(DAY);
    let silenced = |seconds| {
        let again_in = Some(Duration::from_secs(seconds));
        Err(QueueError::Silenced { again_in })
    };
    assert_eq!(ask(2).await, silenced(60), "not shorter");
    world.fakes.clock.advance(Duration::from_secs(59));
    assert_eq!(ask(2).await, silenced(1), "nor a day longer");
    world.fakes.clock.advance(Duration::from_secs(1));
    ask(2).await.expect("asks again");
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_session_of_a_process_that_died_is_free_soon_however_the_clock_is_set() {
    let world = World::new().await;
    let minute = Duration::from_secs(60);
    let (here, there) = (&world.store, world.another(2));
    here.acquire(&session(), 1, minute).await.expect("takes");
    // A few minutes do not tell it from one that holds.
    world.fakes.clock.set_back(Duration::from_secs(300));
    assert!(there.acquire(&session(), 2, minute).await.is_err());
    world.fakes.clock.set_back(DAY);
    there.acquire(&session(), 2, minute).await.expect("takes");
    assert!(here.acquire(&session(), 1, minute).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_request_whose_asker_is_gone_is_withdrawn_however_the_clock_is_set() {
    let world = World::new().await;
    let asked = submission(&world.fakes, "agent", 1);
    world.store.submit(asked).await.expect("asks");
    assert_eq!(world.store.pending().await.expect("reads").len(), 1);
    world.fakes.clock.set_back(DAY);
    assert_eq!(
        world.store.pending().await.expect("reads").len(),
        0,
        "nobody was heard of in a day that has not come yet"
    );
}
