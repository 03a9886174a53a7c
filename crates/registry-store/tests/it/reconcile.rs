//! Spends, uses and revocations in tables are a cache of the log: where they differ the stricter one holds.

use std::time::Duration;

use handshake_core::{
    consent::ConsentReceipt,
    event::Body,
    ports::{ApprovalQueue, ConsentStore, FlightRecorder, LedgerError, SignedDecision},
};

use crate::world::{World, block, commit, query, raw, spend, submission, use_id};

impl World {
    fn edit(&self, sql: &str) {
        raw(self.home.path()).execute_batch(sql).expect(sql);
    }

    async fn bodies(&self) -> Vec<Body> {
        self.store.flush().await.expect("flushed");
        let events = self.store.log_tail(1000).await.expect("reads");
        events
            .into_iter()
            .map(|recorded| recorded.event.body)
            .collect()
    }

    async fn alarms_and_ends(&self) -> (usize, usize) {
        let bodies = self.bodies().await;
        let count = |wanted: fn(&Body) -> bool| bodies.iter().filter(|body| wanted(body)).count();
        (
            count(|body| matches!(body, Body::IntegrityAlarm { .. })),
            count(|body| matches!(body, Body::Revoked { .. })),
        )
    }

    /// What the gate is told of the receipt: its uses, and whether it is over.
    async fn told(&self, n: u32) -> (u32, bool) {
        let asked = query(&submission(&self.fakes, "agent", n), &[]);
        let found = self.store.find(&asked).await.expect("finds");
        let one = found.first().expect("the receipt");
        (one.uses, one.revoked)
    }

    /// Spends where the gate would, by what it is told.
    async fn spends(&self, receipt: &ConsentReceipt, n: u32) -> bool {
        match commit(&self.store, Some(spend(receipt, n, 1)), n).await {
            Ok(_) => true,
            Err(LedgerError::Contended) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_the_log_says_which_receipt_was_spent_and_which_was_revoked() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    let id = lease.consent_receipt_id;
    assert!(world.spends(&lease, 1).await);
    let revoke = SignedDecision::Revoke(id);
    world.store.decide(revoke.clone()).await.expect("revokes");
    world.store.decide(revoke).await.expect("again is nothing");
    let named: Vec<Body> = world
        .bodies()
        .await
        .into_iter()
        .filter(|body| match body {
            Body::CallAttempt {
                consent_receipt_id, ..
            } => *consent_receipt_id == Some(id),
            Body::Revoked {
                consent_receipt_id, ..
            } => *consent_receipt_id == Some(id),
            _ => false,
        })
        .collect();
    assert!(
        matches!(
            named[..],
            [Body::CallAttempt { attempt: 1, .. }, Body::Revoked { .. }]
        ),
        "{named:?}"
    );
    assert_eq!(named[1].family_id(), "FR-EVT-EGRESS-009");
    // Removing the provider, and stopping everything, are revocations too.
    let other = world.leased(2).await;
    let third = world.leased(3).await;
    assert_eq!(world.store.revoke_all().await, Ok(2));
    let ends: Vec<_> = world
        .bodies()
        .await
        .into_iter()
        .filter_map(|body| match body {
            Body::Revoked {
                consent_receipt_id, ..
            } => consent_receipt_id,
            _ => None,
        })
        .collect();
    for receipt in [other, third] {
        assert!(ends.contains(&receipt.consent_receipt_id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_a_spent_receipt_for_one_call_is_not_made_fresh_by_sql() {
    let world = World::new().await;
    let receipt = world.approved(1).await;
    assert!(world.spends(&receipt, 1).await);
    // The attack as it was tried.
    world.edit(
        "DELETE FROM uses; UPDATE receipts SET uses = 0; UPDATE requests SET waited_at = 9999999999999",
    );
    assert!(
        !world.spends(&receipt, 2).await,
        "not even before it is looked at"
    );
    assert!(world.told(1).await.1);
    assert_eq!(world.alarms_and_ends().await, (1, 1));
    // It is over, and stays so.
    world.edit("UPDATE receipts SET uses = 0, revoked_at = NULL");
    assert!(world.told(1).await.1);
    assert!(!world.spends(&receipt, 3).await);
    assert_eq!(
        world.alarms_and_ends().await.0,
        1,
        "one alarm for one receipt"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_a_revoked_lease_is_not_revived_by_sql() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    assert!(world.spends(&lease, 1).await);
    let revoke = SignedDecision::Revoke(lease.consent_receipt_id);
    world.store.decide(revoke).await.expect("revokes");
    world.edit("UPDATE receipts SET revoked_at = NULL");
    assert!(!world.spends(&lease, 2).await);
    assert_eq!(world.told(1).await, (1, true));
    assert_eq!(world.alarms_and_ends().await, (1, 2));
    // In another process, and after a restart.
    let other = world.another(7);
    let found = other
        .find(&query(&submission(&world.fakes, "agent", 1), &[]))
        .await
        .expect("finds");
    assert!(found.iter().all(|evidence| evidence.revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_a_lease_is_not_refilled_by_sql() {
    for attack in [
        "UPDATE receipts SET uses = 0",
        "UPDATE receipts SET new_bytes = 0, bytes = 0",
        "UPDATE receipts SET last_used = last_used + 1",
        "UPDATE receipts SET stored_at = stored_at + 1",
        "UPDATE receipts SET single = 1 - single",
        "UPDATE receipts SET principal = 'client:other'",
        "UPDATE receipts SET provider_id = 'other'",
        "UPDATE receipts SET state_seq = state_seq - 1",
        "UPDATE receipts SET mac = NULL",
        "UPDATE receipts SET mac = zeroblob(32)",
    ] {
        let world = World::new().await;
        let lease = world.leased(1).await;
        for n in 0..3 {
            assert!(world.spends(&lease, n + 1).await, "{attack}");
        }
        assert_eq!(world.told(1).await, (3, false), "{attack}");
        world.edit(attack);
        let (_, over) = world.told(1).await;
        assert!(over, "{attack}");
        assert!(!world.spends(&lease, 9).await, "{attack}");
        assert_eq!(world.alarms_and_ends().await, (1, 1), "{attack}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_an_older_row_with_its_own_code_is_no_newer_for_it() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    assert!(world.spends(&lease, 1).await);
    world.edit("CREATE TABLE kept AS SELECT * FROM receipts");
    for n in 1..4 {
        assert!(world.spends(&lease, n + 1).await);
    }
    assert_eq!(world.told(1).await, (4, false));
    world.edit(
        "UPDATE receipts SET (uses, bytes, new_bytes, last_used, state_seq, state_leaf, mac) =
           (SELECT uses, bytes, new_bytes, last_used, state_seq, state_leaf, mac FROM kept)",
    );
    assert!(!world.spends(&lease, 8).await);
    assert_eq!(world.told(1).await, (1, true));
    assert_eq!(world.alarms_and_ends().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_blocks_that_were_never_sent_count_as_new() {
    let world = World::new().await;
    let (one, two) = (world.leased(1).await, world.leased(2).await);
    let mut first = spend(&one, 1, 1);
    first.new_blocks = vec![block(1, 100)];
    commit(&world.store, Some(first), 1).await.expect("commits");
    let known = async |n| {
        let asked = query(&submission(&world.fakes, "agent", n), &[block(1, 100)]);
        let found = world.store.find(&asked).await.expect("finds");
        let of = if n == 1 { &one } else { &two };
        let payload = of.signing_payload().expect("canonical");
        let found = found.iter().find(|found| found.signed.payload == payload);
        found.expect("the receipt").known_blocks.len()
    };
    assert_eq!((known(1).await, known(2).await), (1, 0));
    // What one lease has sent is made known to another.
    world.edit(&format!(
        "INSERT INTO blocks SELECT '{}', commitment, bytes, mac FROM blocks",
        two.consent_receipt_id
    ));
    assert_eq!(known(2).await, 0);
    let mut again = spend(&two, 2, 1);
    again.new_blocks = vec![block(1, 100)];
    commit(&world.store, Some(again), 2).await.expect("commits");
    assert_eq!(known(2).await, 1);
    let all = world.store.receipts(10).await.expect("reads");
    assert!(all.iter().all(|receipt| receipt.new_bytes == 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_a_log_that_was_cut_or_changed_voids_what_it_spoke_of() {
    for attack in [
        "DROP TRIGGER events_stay; DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        "DROP TRIGGER events_last; UPDATE events SET payload = CAST(replace(CAST(payload AS TEXT), 'attempt\":1', 'attempt\":2') AS BLOB)",
        "DROP TRIGGER events_stay; DELETE FROM events WHERE seq = 2",
    ] {
        let world = World::new().await;
        let lease = world.leased(1).await;
        assert!(world.spends(&lease, 1).await);
        assert!(world.spends(&lease, 2).await);
        assert_eq!(world.told(1).await, (2, false));
        world.edit(attack);
        // One that has read those leaves knows what they said. One that has not trusts none of them.
        let asked = query(&submission(&world.fakes, "agent", 1), &[]);
        let path = crate::world::db(world.home.path());
        // A log that does not reach its last checkpoint does not open at all.
        if let Ok(other) = handshake_registry_store::Store::open(&path, world.fakes.options(7)) {
            let found = other.find(&asked).await.expect("finds");
            assert!(found.iter().all(|evidence| evidence.revoked), "{attack}");
        }
        if attack.contains("SELECT max") {
            assert!(world.told(1).await.1, "{attack}");
            assert!(!world.spends(&lease, 3).await, "{attack}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b05_everything_that_lives_is_compared_when_somebody_asks() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    let gone = world.approved(2).await;
    assert!(world.spends(&lease, 1).await);
    assert_eq!(world.store.reconcile(None).await, Ok(0));
    world.edit("UPDATE receipts SET uses = uses + 5");
    assert_eq!(world.store.reconcile(Some(1)).await, Ok(0), "in a hurry");
    assert_eq!(world.store.reconcile(None).await, Ok(2));
    assert_eq!(
        world.store.reconcile(None).await,
        Ok(0),
        "they are over now"
    );
    assert_eq!(world.alarms_and_ends().await, (2, 2));
    assert!(!world.spends(&gone, 2).await);
    // A segment in between is read as the rows are.
    let lease = world.leased(3).await;
    assert!(world.spends(&lease, 3).await);
    world.store.seal_log().await.expect("seals");
    assert!(world.spends(&lease, 4).await);
    assert_eq!(world.another(9).reconcile(None).await, Ok(0));
    // What is over by its own word is nobody's business any more.
    world.fakes.clock.advance(Duration::from_secs(9 * 3600));
    world.edit("UPDATE receipts SET uses = 0");
    assert_eq!(world.store.reconcile(None).await, Ok(0));
    assert_ne!(use_id(1), use_id(2));
}
