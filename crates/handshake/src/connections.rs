//! Kept connections end with what they rest on.
//!
//! A clearance never rides on a connection that was dialled under another revision or other rules: the transport sees
//! to that by itself. What is closed here is what nobody may ride on any more, before its time is up, whichever
//! process it was that changed something.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use handshake_core::{
    ids::{ProviderId, ReceiptId},
    ports::{Clock, EgressLedger, Epochs, RegistryFeed, StoreError},
    profile::RegistryView,
    tier::ModelTier,
    time::UtcTime,
};
use handshake_registry_store::Store;
use handshake_transport::{Connections, Held};
use tokio::task::JoinHandle;

/// How often is looked while a connection may be open. While there is none, nothing is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A revocation is committed after the time that it carries: so much later at most that it is still looked for.
const COMMITTED_WITHIN: Duration = Duration::from_secs(60);

/// Looks after the kept connections of one home until it is dropped.
pub(crate) struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Must be called within a tokio runtime. Keeps neither the store nor the transport alive.
    pub(crate) fn begin(
        connections: Connections,
        store: &Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(tokio::spawn(look_after(
            connections,
            Arc::downgrade(store),
            clock,
        )))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_after(connections: Connections, store: Weak<Store>, clock: Arc<dyn Clock>) {
    let mut looked = clock.now();
    // What the last look found revoked, so that each revocation closes what led there once.
    let mut known = BTreeSet::new();
    while connections.any().await {
        let Some(store) = store.upgrade() else { return };
        let now = clock.now();
        let since = before(looked.min(now));
        let (ground, found) = Ground::read(&connections.held(), &store, since, &known).await;
        drop(store);
        (looked, known) = (now, found);
        connections.retain(|held| ground.carries(held));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn before(time: UtcTime) -> UtcTime {
    let back = i64::try_from(COMMITTED_WITHIN.as_millis()).unwrap_or(i64::MAX);
    UtcTime::from_unix_millis(time.unix_millis().saturating_sub(back))
}

/// What connections may rest on now. Where it cannot be read, nothing rests on it.
struct Ground {
    view: Result<Arc<RegistryView>, StoreError>,
    /// Of the providers with Cloud connections.
    epochs: BTreeMap<ProviderId, Result<Epochs, StoreError>>,
    /// Where receipts led that were revoked meanwhile.
    revoked: Result<BTreeSet<ProviderId>, StoreError>,
}

impl Ground {
    /// What is there now, and which receipts were found revoked. Of those that are `known` nothing is left to close.
    async fn read(
        held: &[Held],
        store: &Store,
        since: UtcTime,
        known: &BTreeSet<ReceiptId>,
    ) -> (Self, BTreeSet<ReceiptId>) {
        let cloud = held.iter().filter(|held| held.tier == ModelTier::Cloud);
        let providers: BTreeSet<_> = cloud.map(|held| held.provider_id.clone()).collect();
        let found = match providers.is_empty() {
            true => Ok(BTreeMap::new()),
            false => store.providers_revoked_since(since).await,
        };
        let seen = match &found {
            Ok(found) if !providers.is_empty() => found.keys().copied().collect(),
            // Nothing was read: what is known stays so.
            _ => known.clone(),
        };
        let revoked = found.map(|found| {
            let news = found.into_iter().filter(|(id, _)| !known.contains(id));
            news.map(|(_, provider)| provider).collect()
        });
        let mut epochs = BTreeMap::new();
        for provider in providers {
            let now = EgressLedger::epochs(store, &provider).await;
            epochs.insert(provider, now);
        }
        let ground = Self {
            view: store.current(),
            epochs,
            revoked,
        };
        (ground, seen)
    }

    fn carries(&self, held: &Held) -> bool {
        let provider = &held.provider_id;
        let record = self
            .view
            .as_ref()
            .ok()
            .and_then(|view| view.providers.get(provider));
        // One that was removed and registered again may have the same revision.
        let registered = record.is_some_and(|record| {
            record.revision == held.revision && record.base_url == held.base_url
        });
        let allowed = || match self.epochs.get(provider) {
            // Dialled since its epochs were read: it is the next look's.
            None => true,
            Some(now) => {
                now.as_ref()
                    .is_ok_and(|now| held.epochs.as_ref() == Some(now))
                    && self
                        .revoked
                        .as_ref()
                        .is_ok_and(|revoked| !revoked.contains(provider))
            }
        };
        registered && (held.tier == ModelTier::Local || allowed())
    }
}
