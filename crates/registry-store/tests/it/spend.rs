//! Spending: once, by one, with everything in one transaction.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    digest::Digest,
    ports::{
        ApprovalQueue, ConsentStore, EgressLedger, LedgerError, ProviderStore, SignedDecision,
        StoreError,
    },
    provider::ProviderRecord,
};
use handshake_flight_recorder::{Anchor, Status};
use handshake_registry_store::Epoch;
use proptest::prelude::*;

use crate::world::{
    World, block, commit, event, provider_id, put, query, record, spend, submission, use_id,
};

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_receipt_is_spent_once_with_its_event_and_a_checkpoint() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    let mut first = spend(&receipt, 1, 1);
    first.new_blocks = vec![block(1, 10), block(2, 20), block(1, 10)];
    let committed = commit(&world.store, Some(first), 1).await.expect("commits");
    assert_eq!(committed.use_id, use_id(1));

    let head = world.store.log_head().await.expect("head");
    assert_eq!(head.size, committed.seq + 1);
    let checkpoint = world.store.log_checkpoint().await.expect("checkpoint");
    assert_eq!((checkpoint.size, checkpoint.head), (head.size, head.hash));

    let asked = query(
        &submission(&world.fakes, "agent", 1),
        &[block(1, 10), block(3, 5)],
    );
    let found = world.store.find(&asked).await.expect("finds");
    let [evidence] = &found[..] else {
        panic!("one row")
    };
    assert_eq!(
        (evidence.uses, evidence.bytes, evidence.new_bytes),
        (1, 10, 30)
    );
    assert_eq!(
        evidence.open_use,
        Some((use_id(1), receipt.ext.envelope_sha256, 1))
    );
    assert_eq!(evidence.known_blocks, [block(1, 10).commitment].into());
    assert_eq!(evidence.last_used, Some(receipt.approved_at));

    // Another use of a receipt for one call.
    let again = commit(&world.store, Some(spend(&receipt, 2, 1)), 2).await;
    assert_eq!(again, Err(LedgerError::Contended));
    assert_eq!(world.store.log_head().await.expect("head"), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_attempts_of_a_use_follow_each_other_and_end() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    let go = |number, attempt| commit(&world.store, Some(spend(&receipt, number, attempt)), 9);
    assert_eq!(go(1, 0).await, Err(LedgerError::Contended));
    assert_eq!(go(1, 2).await, Err(LedgerError::Contended));
    go(1, 1).await.expect("first");
    assert_eq!(
        go(1, 1).await,
        Err(LedgerError::Contended),
        "the same attempt"
    );
    assert_eq!(
        go(1, 3).await,
        Err(LedgerError::Contended),
        "an attempt left out"
    );
    assert_eq!(go(2, 2).await, Err(LedgerError::Contended), "another use");
    let mut other = spend(&receipt, 1, 2);
    other.envelope_sha256 = Digest::of(&[b"other bytes"]);
    assert_eq!(
        commit(&world.store, Some(other), 9).await,
        Err(LedgerError::Contended)
    );
    go(1, 2).await.expect("second");
    go(1, 3).await.expect("third");
    assert_eq!(
        go(1, 4).await,
        Err(LedgerError::Contended),
        "the receipt allows three"
    );
    let mut greedy = spend(&receipt, 1, 4);
    greedy.max_attempts = 9;
    assert_eq!(
        commit(&world.store, Some(greedy), 9).await,
        Err(LedgerError::Contended)
    );

    let lease = world.leased(2).await;
    commit(&world.store, Some(spend(&lease, 5, 1)), 9)
        .await
        .expect("begins");
    world.store.close(use_id(5)).await.expect("closes");
    let closed = commit(&world.store, Some(spend(&lease, 5, 2)), 9).await;
    assert_eq!(closed, Err(LedgerError::Contended), "a closed use");
    let same_id = commit(&world.store, Some(spend(&lease, 5, 1)), 9).await;
    assert_eq!(
        same_id,
        Err(LedgerError::Contended),
        "the id of a use that was"
    );
    commit(&world.store, Some(spend(&lease, 6, 1)), 9)
        .await
        .expect("a lease has more uses");
}

#[tokio::test(flavor = "multi_thread")]
async fn s17_a_verdict_under_other_epochs_is_stale_and_writes_nothing() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    let other = world.another(2);
    let changed = ProviderRecord {
        revision: 2,
        ..record("cloud")
    };
    let old = world.store.epochs(&provider_id()).await.expect("epochs");
    let mut seen = vec![old.clone()];
    for step in 0..6 {
        match step {
            0 => other
                .set_epoch(Epoch::Policy(Digest::of(&[b"new policy"])))
                .await
                .expect("sets"),
            1 => other
                .set_epoch(Epoch::Rules(Digest::of(&[b"new rules"])))
                .await
                .expect("sets"),
            2 => other.set_epoch(Epoch::Enrolled(1)).await.expect("sets"),
            3 => other.set_epoch(Epoch::Locked(true)).await.expect("sets"),
            4 => other.set_approval_key(None).await.expect("sets"),
            _ => put(&other, changed.clone(), Some(1)).await.expect("puts"),
        }
        seen.push(world.store.epochs(&provider_id()).await.expect("epochs"));
    }
    seen.dedup();
    assert_eq!(seen.len(), 7, "every step is another epoch");
    let head = world.store.log_head().await.expect("head");
    for epochs in &seen[..6] {
        let intent = handshake_core::ports::Intent {
            event: event(1),
            provider_id: provider_id(),
            epochs: epochs.clone(),
            spend: Some(spend(&receipt, 1, 1)),
        };
        assert_eq!(world.store.commit(intent).await, Err(LedgerError::Stale));
    }
    assert_eq!(world.store.log_head().await.expect("head"), head);
    assert_eq!(
        other.set_epoch(Epoch::Enrolled(0)).await,
        Err(StoreError::Conflict)
    );
    let present = world.approved(2).await;
    commit(&world.store, Some(spend(&present, 1, 1)), 1)
        .await
        .expect("under the present ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_nothing_is_judged_by_rules_that_nobody_set() {
    let fakes = crate::fakes::Fakes::new();
    let home = crate::fakes::home_directory();
    let path = crate::world::db(home.path());
    let store = handshake_registry_store::Store::open(&path, fakes.options(1)).expect("opens");
    put(&store, record("cloud"), None).await.expect("puts");
    assert_eq!(store.epochs(&provider_id()).await, Err(StoreError::Missing));
    store
        .set_epoch(Epoch::Policy(Digest::of(&[b"p"])))
        .await
        .expect("sets");
    assert_eq!(store.epochs(&provider_id()).await, Err(StoreError::Missing));
    store
        .set_epoch(Epoch::Rules(Digest::of(&[b"r"])))
        .await
        .expect("sets");
    assert!(store.epochs(&provider_id()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_of_a_batch_of_equal_spends_one_wins_and_the_others_stand() {
    let world = World::new().await;
    let single = world.approved(1).await;
    let stores = [world.store.clone(), world.another(2)];
    let epochs = world.store.epochs(&provider_id()).await.expect("epochs");
    let before = world.store.log_head().await.expect("head").size;
    let mut tasks = tokio::task::JoinSet::new();
    // In each store 16 spends of the same receipt and 16 plain intents, all at once.
    for n in 0..64 {
        let (store, epochs) = (stores[n as usize % 2].clone(), epochs.clone());
        let spend = (n < 32).then(|| spend(&single, n, 1));
        let intent = handshake_core::ports::Intent {
            event: event(n),
            provider_id: provider_id(),
            epochs,
            spend,
        };
        tasks.spawn(async move { (n < 32, store.commit(intent).await) });
    }
    let (mut spent, mut plain) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        match done.expect("runs") {
            (true, Ok(_)) => spent += 1,
            (true, Err(error)) => assert_eq!(error, LedgerError::Contended),
            (false, outcome) => {
                outcome.expect("not hurt by its neighbours");
                plain += 1;
            }
        }
    }
    assert_eq!((spent, plain), (1, 32));
    assert_eq!(
        world.store.log_head().await.expect("head").size,
        before + 33
    );
    let anchor = Anchor::Head(world.store.log_head().await.expect("head"));
    let verdict = world
        .store
        .verify_log(vec![anchor])
        .await
        .expect("verifies");
    assert_eq!((verdict.status, verdict.unanchored), (Status::Intact, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_revoked_receipt_is_spent_no_more() {
    let world = World::new().await;
    let (first, second) = (world.approved(1).await, world.approved(2).await);
    let since = world.fakes.clock.clone();
    let before = handshake_core::ports::Clock::now(&*since);
    world.fakes.clock.advance(Duration::from_secs(1));
    world
        .store
        .decide(SignedDecision::Revoke(first.consent_receipt_id))
        .await
        .expect("revokes");
    let late = commit(&world.store, Some(spend(&first, 1, 1)), 1).await;
    assert_eq!(late, Err(LedgerError::Contended));
    let revoked = world.store.revoked_since(before).await.expect("lists");
    assert_eq!(revoked, [first.consent_receipt_id]);
    let led_to = |since| world.store.providers_revoked_since(since);
    assert_eq!(
        led_to(before).await,
        Ok([(first.consent_receipt_id, provider_id())].into())
    );
    let after = handshake_core::ports::Clock::now(&*since).plus(Duration::from_millis(1));
    assert_eq!(led_to(after).await, Ok([].into()));
    assert_eq!(world.store.revoke_all().await, Ok(1));
    let late = commit(&world.store, Some(spend(&second, 1, 1)), 1).await;
    assert_eq!(late, Err(LedgerError::Contended));
    let listed = world.store.receipts(10).await.expect("lists");
    assert!(listed.len() == 2 && listed.iter().all(|receipt| receipt.revoked_at.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_removing_a_provider_voids_what_led_to_it() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    world.store.remove(&provider_id()).await.expect("removes");
    put(&world.store, record("cloud"), None)
        .await
        .expect("puts");
    let revived = commit(&world.store, Some(spend(&receipt, 1, 1)), 1).await;
    assert_eq!(revived, Err(LedgerError::Contended));
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_receipt_for_one_call_dies_when_its_asker_is_gone() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    world.fakes.clock.advance(Duration::from_secs(59));
    let asked = query(&submission(&world.fakes, "agent", 1), &[]);
    assert!(!world.store.find(&asked).await.expect("finds")[0].revoked);
    world.fakes.clock.advance(Duration::from_secs(1));
    assert!(world.store.find(&asked).await.expect("finds")[0].revoked);
    let late = commit(&world.store, Some(spend(&receipt, 1, 1)), 1).await;
    assert_eq!(late, Err(LedgerError::Contended));

    let lease = world.leased(2).await;
    world.fakes.clock.advance(Duration::from_secs(120));
    commit(&world.store, Some(spend(&lease, 2, 1)), 2)
        .await
        .expect("a lease needs no waiter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_several_open_uses_of_a_lease_are_each_evidence() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    commit(&world.store, Some(spend(&lease, 1, 1)), 1)
        .await
        .expect("commits");
    commit(&world.store, Some(spend(&lease, 2, 1)), 2)
        .await
        .expect("commits");
    let found = world
        .store
        .find(&query(&submission(&world.fakes, "agent", 1), &[]))
        .await
        .expect("finds");
    let mut open: Vec<_> = found
        .iter()
        .filter_map(|evidence| evidence.open_use)
        .map(|(id, ..)| id)
        .collect();
    open.sort_unstable();
    let mut expected = vec![use_id(1), use_id(2)];
    expected.sort_unstable();
    assert_eq!(open, expected);
    assert!(found.iter().all(|evidence| evidence.uses == 2));
    commit(&world.store, Some(spend(&lease, 1, 2)), 3)
        .await
        .expect("both can go on");
    commit(&world.store, Some(spend(&lease, 2, 2)), 4)
        .await
        .expect("both can go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_spend_that_cannot_be_checkpointed_did_not_happen() {
    use std::sync::atomic::Ordering;
    let world = World::new().await;
    let receipt = world.approved(1).await;
    let head = world.store.log_head().await.expect("head");
    world.fakes.recorder.locked.store(true, Ordering::SeqCst);
    let locked = commit(&world.store, Some(spend(&receipt, 1, 1)), 1).await;
    assert_eq!(locked, Err(LedgerError::Store(StoreError::Locked)));
    assert_eq!(world.store.log_head().await.expect("head"), head);
    world.fakes.recorder.locked.store(false, Ordering::SeqCst);
    commit(&world.store, Some(spend(&receipt, 1, 1)), 1)
        .await
        .expect("nothing was spent before");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever is tried in whatever order from two processes: as many uses as a model of the rules allows,
    /// and a log that verifies.
    #[test]
    fn a8_no_schedule_of_spends_exceeds_what_was_allowed(
        steps in proptest::collection::vec((0..2_usize, 0..2_usize, 0..4_u32, 1..4_u32, any::<bool>()), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        runtime.block_on(async {
            let world = World::new().await;
            let stores = [world.store.clone(), world.another(2)];
            let receipts = [world.approved(1).await, world.leased(2).await];
            let mut uses = [0_u32; 2];
            // (receipt, use) to owner, attempts, closed.
            let mut known = std::collections::BTreeMap::<u32, (usize, usize, u32, bool)>::new();
            for (n, (store, which, number, attempt, close)) in steps.into_iter().enumerate() {
                let outcome = commit(
                    &stores[store],
                    Some(spend(&receipts[which], number, attempt)),
                    u32::try_from(n).expect("small"),
                )
                .await;
                let allowed = match known.get(&number) {
                    None => attempt == 1 && (which == 1 || uses[0] == 0),
                    Some((receipt, owner, attempts, closed)) => {
                        *receipt == which && *owner == store && !closed && attempt == attempts + 1 && attempt <= 3
                    }
                };
                assert_eq!(outcome.is_ok(), allowed, "step {n}");
                if allowed {
                    uses[which] += u32::from(attempt == 1);
                    known.insert(number, (which, store, attempt, false));
                }
                if close && let Some(entry) = known.get_mut(&number) {
                    stores[entry.1].close(use_id(number)).await.expect("closes");
                    entry.3 = true;
                }
            }
            let listed = world.store.receipts(10).await.expect("lists");
            for (receipt, uses) in receipts.iter().zip(uses) {
                let stored = listed
                    .iter()
                    .find(|r| r.receipt.consent_receipt_id == receipt.consent_receipt_id)
                    .expect("listed");
                assert_eq!(stored.uses, uses);
            }
            let verdict = world.store.verify_log(Vec::new()).await.expect("verifies");
            assert_eq!(verdict.status, Status::SelfConsistentOnly);
            drop(Arc::new(stores));
        });
    }
}
