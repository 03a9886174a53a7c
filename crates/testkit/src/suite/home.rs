//! What the suites about consent need of a home: several ports over one state.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    consent::{ConsentReceipt, SignedReceipt},
    event::Event,
    ports::{
        ApprovalQueue, Clock, ConsentStore, ContactGrants, EgressLedger, FindingStore,
        ProviderStore, Signer,
    },
    secret::Secret,
};

use crate::gate::{PASSPHRASE, World};
use handshake_core::attest::RECEIPT_DOMAIN;

/// Ports over one state, with a clock that stands still until it is moved. Every function of a suite that
/// takes one wants it fresh.
#[async_trait]
pub trait Home: Send + Sync {
    /// The queue.
    fn queue(&self) -> &dyn ApprovalQueue;
    /// The gate's side of consent.
    fn consent(&self) -> &dyn ConsentStore;
    /// Contact grants.
    fn contacts(&self) -> &dyn ContactGrants;
    /// What was blocked, and what was declassified.
    fn findings(&self) -> &dyn FindingStore;
    /// The ledger.
    fn ledger(&self) -> &dyn EgressLedger;
    /// Providers.
    fn providers(&self) -> &dyn ProviderStore;
    /// The clock that all of them use.
    fn clock(&self) -> &dyn Clock;
    /// The approval key that the queue was given. Its factor is [`PASSPHRASE`], if it has one.
    fn signer(&self) -> &dyn Signer;
    /// Moves the clock.
    fn advance(&self, by: Duration);
    /// The log so far, in order.
    async fn events(&self) -> Vec<Event>;
}

/// Signs a receipt as a person with the factor would.
pub(crate) fn signed(home: &dyn Home, receipt: &ConsentReceipt) -> SignedReceipt {
    let payload = receipt.signing_payload().expect("canonical");
    let factor = Secret::new(PASSPHRASE.to_vec());
    let signature = home
        .signer()
        .sign(RECEIPT_DOMAIN, &payload, Some(&factor))
        .expect("signed");
    SignedReceipt { payload, signature }
}

/// The published ids of the log's events that start with a prefix.
pub(crate) async fn recorded(home: &dyn Home, prefix: &str) -> Vec<&'static str> {
    let events = home.events().await;
    events
        .iter()
        .map(|event| event.body.family_id())
        .filter(|id| id.starts_with(prefix))
        .collect()
}

#[async_trait]
impl Home for World {
    fn queue(&self) -> &dyn ApprovalQueue {
        &self.memory
    }
    fn consent(&self) -> &dyn ConsentStore {
        &self.memory
    }
    fn contacts(&self) -> &dyn ContactGrants {
        &self.memory
    }
    fn findings(&self) -> &dyn FindingStore {
        &self.memory
    }
    fn ledger(&self) -> &dyn EgressLedger {
        &self.memory
    }
    fn providers(&self) -> &dyn ProviderStore {
        &self.memory
    }
    fn clock(&self) -> &dyn Clock {
        &self.memory
    }
    fn signer(&self) -> &dyn Signer {
        &*self.signer
    }
    fn advance(&self, by: Duration) {
        self.memory.advance(by);
    }
    async fn events(&self) -> Vec<Event> {
        self.memory.events()
    }
}
