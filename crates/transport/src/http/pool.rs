//! HTTP clients that are kept for the next call with the same clearance set.

mod connections;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use handshake_core::{code::ErrorCode, error::SendError, ids::ProviderId};
use tokio::{runtime, sync::Notify, time::Instant};

pub use self::connections::{Connections, Held};
use super::{
    Permit,
    client::{self, Keep, Tls},
    habit::Habit,
    refused, target,
};
use crate::limits::Limits;

/// Paths of one provider whose URLs are remembered.
const MAX_URLS: usize = 8;

/// A bounded store of clients, the least recently used one going first.
///
/// Each client belongs to one provider revision, one effective tier, the epochs of one verdict, one exact set of
/// addresses, one base URL and one runtime (whose tasks drive its connections). The TLS configuration is the
/// transport's only one. Whatever connection a client holds was therefore dialled to an address of that very set,
/// under the rules that still hold.
#[derive(Default)]
pub(super) struct Pool {
    clients: Mutex<Clients>,
    /// Told with every call, and at the end.
    called: Arc<Notify>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.called.notify_waiters();
    }
}

#[derive(Default)]
struct Clients {
    by_provider: BTreeMap<ProviderId, Vec<Slot>>,
    count: usize,
    /// Counts calls: the age of a slot.
    calls: u64,
}

struct Slot {
    kept: Arc<PooledClient>,
    used: u64,
    /// When a call was last seen to use it.
    last: Instant,
}

/// A client and what depends on its key alone.
pub(super) struct PooledClient {
    held: Held,
    runtime: Option<runtime::Id>,
    /// Sorted, each once.
    peers: Box<[SocketAddr]>,
    client: reqwest::Client,
    /// For a server that closes after each answer.
    once: OnceLock<reqwest::Client>,
    urls: Mutex<Vec<(String, reqwest::Url)>>,
    pub(super) habit: Habit,
}

impl Pool {
    /// The client for a clearance. A provider has clients of one revision and one set of epochs only: a call under
    /// others retires those that are there.
    pub(super) fn client(
        &self,
        tls: &Tls,
        limits: &Limits,
        permit: &Permit<'_>,
    ) -> Result<Arc<PooledClient>, SendError> {
        let name = target::pinned_name(&permit.record.base_url, permit.peers)?;
        let runtime = runtime::Handle::try_current().ok().map(|it| it.id());
        // Declared before the guard, so that connections close after it is released.
        let mut retired = Vec::new();
        let mut clients = self.lock();
        clients.calls += 1;
        let calls = clients.calls;
        if let Some(slots) = clients.by_provider.get_mut(&permit.record.provider_id) {
            if let Some(slot) = slots.iter_mut().find(|it| it.kept.fits(permit, runtime)) {
                slot.used = calls;
                slot.last = Instant::now();
                let kept = Arc::clone(&slot.kept);
                drop(clients);
                self.called.notify_waiters();
                return Ok(kept);
            }
            retired.extend(slots.extract_if(.., |slot| !slot.kept.is_current(permit)));
            clients.count -= retired.len();
        }
        let kept = Arc::new(PooledClient::new(tls, limits, permit, runtime, name)?);
        while clients.count >= limits.max_clients.max(1) {
            let Some(slot) = clients.evict() else { break };
            retired.push(slot);
        }
        let slots = clients.by_provider.entry(permit.record.provider_id.clone());
        slots.or_default().push(Slot {
            kept: Arc::clone(&kept),
            used: calls,
            last: Instant::now(),
        });
        clients.count += 1;
        drop(clients);
        self.called.notify_waiters();
        Ok(kept)
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        // No invariant is ever broken half-way: a count that is off by a panic costs a client.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    /// Takes the least recently used slot out.
    fn evict(&mut self) -> Option<Slot> {
        let oldest = |slots: &Vec<Slot>| slots.iter().map(|it| it.used).min();
        let (provider, used) = self
            .by_provider
            .iter()
            .filter_map(|(id, slots)| Some((id.clone(), oldest(slots)?)))
            .min_by_key(|(_, used)| *used)?;
        let slots = self.by_provider.get_mut(&provider)?;
        let at = slots.iter().position(|it| it.used == used)?;
        let slot = slots.swap_remove(at);
        if slots.is_empty() {
            self.by_provider.remove(&provider);
        }
        self.count -= 1;
        Some(slot)
    }
}

impl PooledClient {
    fn new(
        tls: &Tls,
        limits: &Limits,
        permit: &Permit<'_>,
        runtime: Option<runtime::Id>,
        name: Option<&str>,
    ) -> Result<Self, SendError> {
        let mut peers = permit.peers.to_vec();
        peers.sort_unstable();
        peers.dedup();
        let client = client::build(tls, limits, name, permit.peers, Keep::For(permit.tier))
            .map_err(|_| unbuilt())?;
        Ok(Self {
            held: Held {
                provider_id: permit.record.provider_id.clone(),
                revision: permit.record.revision,
                base_url: permit.record.base_url.clone(),
                tier: permit.tier,
                epochs: permit.epochs.cloned(),
            },
            runtime,
            peers: peers.into(),
            client,
            once: OnceLock::new(),
            urls: Mutex::default(),
            habit: Habit::default(),
        })
    }

    /// Whether it was made under this clearance's revision and rules.
    fn is_current(&self, permit: &Permit<'_>) -> bool {
        self.held.revision == permit.record.revision && self.held.epochs.as_ref() == permit.epochs
    }

    /// Whether it was made for exactly this clearance's revision, rules, tier, destination and addresses.
    fn fits(&self, permit: &Permit<'_>, runtime: Option<runtime::Id>) -> bool {
        self.is_current(permit)
            && self.held.tier == permit.tier
            && self.runtime == runtime
            && self.held.base_url == permit.record.base_url
            && permit.peers.iter().all(|it| self.peers.contains(it))
            && self.peers.iter().all(|it| permit.peers.contains(it))
    }

    /// The client that keeps its connections.
    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A client for the same addresses that keeps none.
    pub(super) fn once(&self, tls: &Tls, limits: &Limits) -> Result<&reqwest::Client, SendError> {
        if let Some(client) = self.once.get() {
            return Ok(client);
        }
        let name = target::pinned_name(&self.held.base_url, &self.peers)?;
        let client =
            client::build(tls, limits, name, &self.peers, Keep::Never).map_err(|_| unbuilt())?;
        Ok(self.once.get_or_init(|| client))
    }

    /// The URL of a path below the base URL's origin.
    pub(super) fn url(&self, path: &str) -> Result<reqwest::Url, SendError> {
        let mut urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, url)) = urls.iter().find(|(known, _)| known == path) {
            return Ok(url.clone());
        }
        let url = target::url(&self.held.base_url, path)?;
        if urls.len() >= MAX_URLS {
            urls.remove(0);
        }
        urls.push((path.to_owned(), url.clone()));
        Ok(url)
    }
}

fn unbuilt() -> SendError {
    refused(ErrorCode::InvalidConfig, "transport")
}
