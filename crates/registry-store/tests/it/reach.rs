//! How far a receipt reaches, to the last use and the last byte, as the ledger holds it whatever the gate says.

use handshake_core::{
    event::Body,
    ports::{ConsentStore, EgressLedger, Intent, LedgerError, Spend, StoreError},
};

use crate::world::{World, block, commit, event, provider_id, query, spend, submission, use_id};

/// The attempt is refused, and nothing of it is there afterwards.
async fn is_refused(world: &World, spend: Spend, n: u32) {
    let before = world.store.log_head().await.expect("reads");
    let receipts = world.store.receipts(10).await.expect("reads");
    let uses = |all: &[handshake_registry_store::ReceiptRecord]| -> Vec<_> {
        all.iter()
            .map(|it| (it.uses, it.bytes, it.new_bytes))
            .collect()
    };
    let refused = commit(&world.store, Some(spend), n).await;
    assert_eq!(refused, Err(LedgerError::Contended));
    assert_eq!(world.store.log_head().await, Ok(before));
    let after = world.store.receipts(10).await.expect("reads");
    assert_eq!(uses(&after), uses(&receipts));
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_new_bytes_are_spent_to_the_last_and_no_further() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    let with = |n: u32, blocks: Vec<_>| Spend {
        new_blocks: blocks,
        reach: handshake_core::ports::SpendReach {
            uses: 10,
            new_bytes: Some(100),
        },
        ..spend(&lease, n, 1)
    };
    let first = commit(&world.store, Some(with(1, vec![block(1, 60)])), 1).await;
    first.expect("60 of 100");
    is_refused(&world, with(2, vec![block(2, 41)]), 2).await;
    // What was refused is not known, so that it counts when it comes again.
    let asked = query(&submission(&world.fakes, "agent", 1), &[block(2, 41)]);
    let found = world.store.find(&asked).await.expect("finds");
    assert!(found.iter().all(|it| it.known_blocks.is_empty()));
    let second = commit(
        &world.store,
        Some(with(3, vec![block(1, 60), block(3, 40)])),
        3,
    )
    .await;
    second.expect("to the last byte");
    is_refused(&world, with(4, vec![block(4, 1)]), 4).await;
    let third = commit(&world.store, Some(with(5, vec![block(3, 40)])), 5).await;
    third.expect("nothing of it is new");
    let all = world.store.receipts(1).await.expect("reads");
    assert_eq!((all[0].uses, all[0].new_bytes, all[0].bytes), (3, 100, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_uses_are_begun_to_the_last_and_a_yes_to_one_call_begins_one_whatever_it_reaches() {
    let world = World::new().await;
    let (lease, single) = (world.leased(1).await, world.approved(2).await);
    let reaching = |receipt, n, uses| {
        let mut spend = spend(receipt, n, 1);
        spend.reach.uses = uses;
        spend
    };
    for n in 1..=2 {
        let used = commit(&world.store, Some(reaching(&lease, n, 2)), n).await;
        used.expect("within");
    }
    is_refused(&world, reaching(&lease, 3, 2), 3).await;
    let only = commit(&world.store, Some(reaching(&single, 4, 9)), 4).await;
    only.expect("the first");
    is_refused(&world, reaching(&single, 5, 9), 5).await;
    is_refused(&world, reaching(&world.approved(3).await, 6, 0), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_attempts_end_at_the_lesser_of_what_was_said_first_and_what_is_said_now() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    let at = |n, attempt, max_attempts| Spend {
        max_attempts,
        ..spend(&lease, n, attempt)
    };
    is_refused(&world, at(1, 1, 0), 1).await;
    let began = commit(&world.store, Some(at(2, 1, 2)), 2).await;
    began.expect("begun");
    is_refused(&world, at(2, 2, 1), 3).await;
    is_refused(&world, at(2, 3, 9), 4).await;
    let second = commit(&world.store, Some(at(2, 2, 9)), 5).await;
    second.expect("the second of two");
    is_refused(&world, at(2, 3, 9), 6).await;
    // The same id begins no use twice.
    is_refused(&world, at(2, 1, 9), 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s62_an_event_that_is_not_of_the_attempt_is_committed_with_none() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    let head = world.store.log_head().await.expect("reads");
    for (other_use, other_attempt) in [(true, false), (false, true)] {
        let spend = spend(&lease, 1, 1);
        let mut event = event(1);
        if let Body::CallAttempt {
            use_id: id,
            attempt,
            ..
        } = &mut event.body
        {
            *id = if other_use { use_id(9) } else { spend.use_id };
            *attempt = if other_attempt { 2 } else { spend.attempt };
        }
        let intent = Intent {
            event,
            provider_id: provider_id(),
            epochs: world.store.epochs(&provider_id()).await.expect("reads"),
            spend: Some(spend),
        };
        let refused = world.store.commit(intent).await;
        assert_eq!(refused, Err(LedgerError::Store(StoreError::Failed)));
    }
    assert_eq!(world.store.log_head().await, Ok(head));
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_a_use_is_closed_once_and_for_itself() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    for n in 1..=2 {
        let begun = commit(&world.store, Some(spend(&lease, n, 1)), n).await;
        begun.expect("begun");
    }
    world.store.close(use_id(1)).await.expect("closed");
    world.store.close(use_id(1)).await.expect("closed already");
    is_refused(&world, spend(&lease, 1, 2), 3).await;
    let other = commit(&world.store, Some(spend(&lease, 2, 2)), 4).await;
    other.expect("the other one is open");
}
