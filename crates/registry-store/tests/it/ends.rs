//! P8: what makes receipts void says so of each of them in the log.

use handshake_core::{
    capability::{Capabilities, CapabilitySnapshot},
    event::Body,
    ids::{ModelId, ReceiptId},
    ports::{ApprovalQueue, Decided, ProviderStore, QueueError, SignedDecision},
    provider::ProviderRecord,
    tier::Residence,
    time::UtcTime,
};

use crate::{
    fakes::EPOCH,
    world::{World, model, provider_id, put, raw, receipt, record, signed, submission},
};

fn snapshot(name: &str, enabled: bool) -> CapabilitySnapshot {
    CapabilitySnapshot {
        provider_id: provider_id(),
        provider_revision: 1,
        model_id: ModelId::new(name).expect("id"),
        family: None,
        digest: None,
        server_version: None,
        server: None,
        answers_as: Default::default(),
        profile_version: 1,
        capabilities: Capabilities::default(),
        residence: Residence::Forwarded,
        enabled,
        fetched_at: UtcTime::from_unix_millis(EPOCH),
    }
}

impl World {
    async fn set(&self, name: &str, enabled: bool) {
        let (model, snapshot) = (model(name), snapshot(name, enabled));
        let put = self.store.put_snapshot(&model, snapshot);
        put.await.expect("puts");
    }

    /// The receipts that the log has as revoked.
    async fn ended(&self) -> Vec<ReceiptId> {
        let events = self.store.log_tail(1000).await.expect("reads");
        let ended = events.into_iter().filter_map(|it| match it.event.body {
            Body::Revoked {
                consent_receipt_id, ..
            } => consent_receipt_id,
            _ => None,
        });
        ended.collect()
    }

    async fn voids(&self) -> Vec<bool> {
        let receipts = self.store.receipts(10).await.expect("reads");
        receipts.iter().map(|it| it.revoked_at.is_some()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_an_edit_and_a_removal_revoke_what_was_given_for_the_provider_and_what_waits() {
    for removal in [false, true] {
        let world = World::new().await;
        let lease = world.leased(1).await.consent_receipt_id;
        let single = world.approved(2).await.consent_receipt_id;
        let waits = submission(&world.fakes, "agent", 3);
        world.store.submit(waits.clone()).await.expect("submits");
        // Sealed anew as it stands: nothing ends by it.
        put(&world.store, record("cloud"), Some(1))
            .await
            .expect("puts");
        assert_eq!(world.ended().await, []);
        match removal {
            true => world.store.remove(&provider_id()).await.expect("removes"),
            false => {
                let next = ProviderRecord {
                    revision: 2,
                    ..record("cloud")
                };
                put(&world.store, next, Some(1)).await.expect("puts");
            }
        }
        let mut ended = world.ended().await;
        ended.sort();
        let mut both = vec![lease, single];
        both.sort();
        assert_eq!(ended, both, "each, with its id: {removal}");
        assert_eq!(world.voids().await, [true, true]);
        // A yes to what waits would cover nothing.
        let late = receipt(&world.fakes, &waits, true);
        let late = SignedDecision::Receipt(signed(&world.fakes, &late));
        assert_eq!(
            world.store.decide(late).await,
            Err(QueueError::Decided(Decided::Expired))
        );
        assert!(world.store.pending().await.expect("reads").is_empty());
        // A row that is put back is no receipt again.
        raw(world.home.path())
            .execute_batch("UPDATE receipts SET revoked_at = NULL")
            .expect("edited");
        assert_eq!(world.store.reconcile(None).await, Ok(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_model_that_is_disabled_takes_the_receipts_that_name_it_along_and_no_other() {
    let world = World::new().await;
    world.set("m", true).await;
    world.set("other", true).await;
    let lease = world.leased(1).await.consent_receipt_id;
    world.set("other", false).await;
    assert_eq!(world.ended().await, []);
    for _ in 0..2 {
        world.set("m", false).await;
        assert_eq!(world.ended().await, [lease], "once");
    }
    assert_eq!(world.voids().await, [true]);
}
