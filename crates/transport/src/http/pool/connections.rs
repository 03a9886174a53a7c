//! The kept connections, for whoever knows that what they rest on is gone.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use handshake_core::{base_url::BaseUrl, ids::ProviderId, ports::Epochs, tier::ModelTier};
use tokio::{sync::Notify, time::Instant};

use super::Pool;
use crate::limits::Limits;

/// What kept connections rest on: what the clearance that dialled them said.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Held {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its revision.
    pub revision: u64,
    /// Its base URL.
    pub base_url: BaseUrl,
    /// The effective tier.
    pub tier: ModelTier,
    /// The epochs of the verdict, for Cloud.
    pub epochs: Option<Epochs>,
}

/// The kept connections of a [`Transport`](crate::Transport). Cheap to clone; keeps none of them alive.
#[derive(Clone)]
pub struct Connections {
    pool: Weak<Pool>,
    called: Arc<Notify>,
    keep: (Duration, Duration),
}

impl Connections {
    pub(in crate::http) fn new(pool: &Arc<Pool>, limits: &Limits) -> Self {
        Self {
            pool: Arc::downgrade(pool),
            called: Arc::clone(&pool.called),
            keep: (limits.keep_local, limits.keep_cloud),
        }
    }

    /// What connections may be open for, in the order of their providers.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let Some(pool) = self.pool.upgrade() else {
            return Vec::new();
        };
        let clients = pool.lock();
        let slots = clients.by_provider.values().flatten();
        slots.map(|slot| slot.kept.held.clone()).collect()
    }

    /// Closes the idle connections that do not stay. Calls under way end by themselves, and their connections with
    /// them.
    pub fn retain(&self, mut stays: impl FnMut(&Held) -> bool) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let mut clients = pool.lock();
        let mut retired = Vec::new();
        for slots in clients.by_provider.values_mut() {
            retired.extend(slots.extract_if(.., |slot| !stays(&slot.kept.held)));
        }
        clients.by_provider.retain(|_, slots| !slots.is_empty());
        clients.count -= retired.len();
        drop(clients);
        // Their connections close here, where nobody waits for the lock.
        drop(retired);
    }

    /// Closes all idle connections.
    pub fn retire_all(&self) {
        self.retain(|_| false);
    }

    /// Waits until a connection may be open: at once while a call runs or one may be kept, with the next call
    /// otherwise. False when there will be none any more, because the transport is gone.
    ///
    /// # Cancellation
    /// Dropping the future is free.
    pub async fn any(&self) -> bool {
        loop {
            let mut called = pin!(self.called.notified());
            called.as_mut().enable();
            match self.pool.upgrade() {
                None => return false,
                Some(pool) if self.may_be_open(&pool) => return true,
                Some(_) => {}
            }
            called.await;
        }
    }

    fn may_be_open(&self, pool: &Pool) -> bool {
        let mut clients = pool.lock();
        let now = Instant::now();
        let (local, cloud) = self.keep;
        clients.by_provider.values_mut().flatten().any(|slot| {
            // A call holds what it uses until its answer is gone.
            if Arc::strong_count(&slot.kept) > 1 {
                slot.last = now;
            }
            let keep = match slot.kept.held.tier {
                ModelTier::Local => local,
                ModelTier::Cloud => cloud,
            };
            now.saturating_duration_since(slot.last) <= keep
        })
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections(..)")
    }
}
