//! The rules that a call is judged by are those of the moment.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use handshake_core::{
    code::ErrorCode,
    digest::Digest,
    ids::{ProviderId, UseId},
    ports::{Committed, EgressLedger, Epochs, Intent, LedgerError, StoreError},
};
use handshake_testkit::{
    fixture,
    gate::World,
    memory::{Memory, MemoryPolicy},
};

use super::gate_world::{call, denied, named};

/// A ledger beside which the rules change between its answer and whoever asked: once.
struct Overtaken {
    inner: Memory,
    policy: OnceLock<MemoryPolicy>,
    over: AtomicBool,
}

#[async_trait]
impl EgressLedger for Overtaken {
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError> {
        let epochs = self.inner.epochs(provider).await;
        if !self.over.swap(true, Ordering::SeqCst) {
            let digest = Digest::of(&[b"new rules"]);
            self.inner.set_policy_epoch(digest);
            let policy = self.policy.get().expect("set");
            policy.set(|posture| {
                posture.digest = digest;
                posture.max_body_bytes = 1;
            });
        }
        epochs
    }

    async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError> {
        self.inner.commit(intent).await
    }

    async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError> {
        self.inner.uses_of_job(job).await
    }

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        self.inner.close(use_id).await
    }
}

#[tokio::test]
async fn rt_b09_rules_that_change_while_they_are_read_are_read_again() {
    let mut ledger = None;
    let world = World::wired(1, |ports, memory| {
        let overtaken = Arc::new(Overtaken {
            inner: memory.clone(),
            policy: OnceLock::new(),
            over: Default::default(),
        });
        ledger = Some(Arc::clone(&overtaken));
        ports.ledger = overtaken;
    });
    let ledger = ledger.expect("wired");
    assert!(ledger.policy.set(world.policy.clone()).is_ok());
    let request = call(&world, &named(), "hello").await;
    // By the new rules, and not refused because they are new.
    denied(world.gate.clear(request).await, ErrorCode::MaxBytes);
    // Rules that nobody set as the epoch are no rules, however often they are read.
    world.memory.set_policy_epoch(Digest::of(&[b"others"]));
    let request = world.egress(&named(), fixture::prepared(&named(), "m", "hello"));
    denied(world.gate.clear(request).await, ErrorCode::Revision);
}
