//! Every port in memory, behind one lock. Deterministic: the clock stands still until a test moves it, and
//! entropy is a counter under a seed.

mod artifacts;
mod consent;
mod findings;
mod ledger;
mod policy;
mod providers;
mod queue;
mod seals;
mod sessions;
mod signer;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use handshake_core::{
    artifact::Artifact,
    attest::PublicKey,
    base_url::Host,
    capability::CapabilitySnapshot,
    consent::SignedReceipt,
    digest::{Digest, KeyedHash},
    event::Event,
    ids::{
        ArtifactRef, ModelRef, Principal, ProfileId, ProviderId, ReceiptId, RequestId, SessionId,
        UseId,
    },
    ports::{
        Backlog, BlockedFinding, Clock, Entropy, FlightRecorder, PeerResolver, RecordError,
        ResolveError, SecretError, SecretStore, SecretUse, SessionLease, StoreError,
        StoredDeclassified, StoredSession,
    },
    profile::WorkProfile,
    provider::ProviderRecord,
    secret::Secret,
    time::UtcTime,
};
use sha2::{Digest as _, Sha256};

pub use self::{policy::MemoryPolicy, signer::MemorySigner};

/// Everything that a home would hold.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) providers: BTreeMap<ProviderId, ProviderRecord>,
    pub(crate) snapshots: BTreeMap<ModelRef, CapabilitySnapshot>,
    pub(crate) profiles: BTreeMap<ProfileId, WorkProfile>,
    pub(crate) active_profile: Option<ProfileId>,
    pub(crate) artifacts: BTreeMap<ArtifactRef, Artifact>,
    pub(crate) sessions: BTreeMap<SessionId, StoredSession>,
    pub(crate) leases: BTreeMap<SessionId, SessionLease>,
    pub(crate) receipts: BTreeMap<ReceiptId, StoredReceipt>,
    /// Uses that began, by bounded job.
    pub(crate) jobs: BTreeMap<String, u32>,
    pub(crate) contacts: BTreeSet<(ProviderId, u64)>,
    pub(crate) declassified: BTreeMap<String, StoredDeclassified>,
    pub(crate) blocked: Vec<BlockedFinding>,
    pub(crate) requests: BTreeMap<RequestId, queue::Request>,
    pub(crate) refusals: BTreeMap<(Principal, ProviderId), (u32, UtcTime)>,
    pub(crate) events: Vec<Event>,
    /// Events that were queued while the storage failed.
    pub(crate) lost: u64,
    pub(crate) secrets: BTreeMap<String, (String, Vec<u8>)>,
    pub(crate) enabled_models: u64,
    pub(crate) locked: bool,
    pub(crate) paused: bool,
    pub(crate) paused_at: Option<UtcTime>,
    pub(crate) enrolled: u64,
    pub(crate) approval_key: Option<PublicKey>,
    pub(crate) policy_epoch: Option<Digest>,
    pub(crate) fail_storage: bool,
    /// The statements in force, and whose seals a test took away.
    pub(crate) sealed: BTreeMap<String, Digest>,
    pub(crate) unsealed: BTreeSet<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// A stored receipt and its uses.
pub(crate) struct StoredReceipt {
    pub(crate) signed: SignedReceipt,
    pub(crate) uses: u32,
    pub(crate) bytes: u64,
    pub(crate) new_bytes: u64,
    pub(crate) blocks: BTreeSet<KeyedHash>,
    pub(crate) last_used: Option<UtcTime>,
    pub(crate) revoked: Option<UtcTime>,
    pub(crate) stored_at: UtcTime,
    /// Envelope and attempts of each use; `None` once it was closed.
    pub(crate) begun: BTreeMap<UseId, Option<(Digest, u32)>>,
}

/// All stores, the log, the clock and entropy in memory. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    clock: Arc<AtomicU64>,
    drawn: Arc<AtomicU64>,
    lookups: Arc<AtomicU64>,
    seed: u64,
}

impl Memory {
    /// An empty home. Print the seed when a test fails.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            addresses: vec![IpAddr::from([0x2000, 0, 0, 0, 0, 0, 0, 1])],
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock: Arc::default(),
            drawn: Arc::default(),
            lookups: Arc::default(),
            seed,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn store(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.fail_storage {
            Err(StoreError::Failed)
        } else {
            Ok(state)
        }
    }

    /// Moves both clocks.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    /// The events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// The published ids of the events so far.
    #[must_use]
    pub fn event_ids(&self) -> Vec<&'static str> {
        self.state()
            .events
            .iter()
            .map(|event| event.body.family_id())
            .collect()
    }

    /// How many names were looked up.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }

    /// What every name resolves to from now on. At first 2000::1, which is public and routed nowhere.
    pub fn resolve_to(&self, addresses: &[IpAddr]) {
        self.state().addresses = addresses.to_vec();
    }

    /// Binds a secret to an origin.
    pub fn bind_secret(&self, secret_ref: &str, origin: &str, value: &[u8]) {
        self.state()
            .secrets
            .insert(secret_ref.to_owned(), (origin.to_owned(), value.to_vec()));
    }

    /// Locks or unlocks everything, as another process would.
    pub fn set_locked(&self, locked: bool) {
        self.state().locked = locked;
    }

    /// Pauses Cloud, or resumes, as another process would.
    pub fn set_paused(&self, paused: bool) {
        let now = self.now();
        let mut state = self.state();
        state.paused = paused;
        if paused {
            state.paused_at = Some(now);
        }
    }

    /// Makes this the approval key, of the queue and as an epoch, as registering a factor would.
    pub fn trust(&self, key: Option<PublicKey>) {
        self.state().approval_key = key;
    }

    /// Confirms other rules, as another process would.
    pub fn set_policy_epoch(&self, digest: Digest) {
        self.state().policy_epoch = Some(digest);
    }

    /// Lets a principal ask for a provider again, as a person who reopens it would.
    pub fn reopen(&self, principal: &Principal, provider: &ProviderId) {
        self.state()
            .refusals
            .remove(&(principal.clone(), provider.clone()));
    }

    /// Raises the generation of the enrolled set, as another process would that enrols a secret.
    pub fn set_enrolled(&self, generation: u64) {
        self.state().enrolled = generation;
    }

    /// Makes every store fail from now on, or work again.
    pub fn set_storage_failing(&self, failing: bool) {
        self.state().fail_storage = failing;
    }

    /// Stores a receipt as an approver would, without asking any queue.
    pub fn put_receipt(&self, id: ReceiptId, signed: SignedReceipt) {
        let stored = StoredReceipt {
            signed,
            uses: 0,
            bytes: 0,
            new_bytes: 0,
            blocks: BTreeSet::new(),
            last_used: None,
            revoked: None,
            stored_at: self.now(),
            begun: BTreeMap::new(),
        };
        self.state().receipts.insert(id, stored);
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Clock for Memory {
    fn now(&self) -> UtcTime {
        crate::fixture::epoch().plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.clock.load(Ordering::SeqCst))
    }

    fn run(&self) -> u64 {
        1
    }
}

impl Entropy for Memory {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let n = self.drawn.fetch_add(1, Ordering::SeqCst);
            let block = Sha256::digest([self.seed.to_be_bytes(), n.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

#[async_trait]
impl FlightRecorder for Memory {
    async fn append_all(&self, events: Vec<Event>) -> Result<u64, RecordError> {
        let mut state = self.store()?;
        state.events.extend(events);
        let last = state.events.len().checked_sub(1);
        last.map(|last| last as u64)
            .ok_or(RecordError::Store(StoreError::Failed))
    }

    async fn ready(&self) {}

    fn submit(&self, event: Event) -> Result<(), RecordError> {
        let mut state = self.state();
        if state.fail_storage {
            state.lost += 1;
            return Err(StoreError::Failed.into());
        }
        state.events.push(event);
        Ok(())
    }

    async fn flush(&self) -> Result<(), RecordError> {
        Ok(())
    }

    fn backlog(&self) -> Backlog {
        Backlog {
            lost_storage: self.state().lost,
            ..Backlog::default()
        }
    }
}

#[async_trait]
impl PeerResolver for Memory {
    /// Literals and `localhost` resolve to themselves, every name to what [`Memory::resolve_to`] said last.
    async fn resolve(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let addresses = match host {
            Host::Ip(ip) => vec![*ip],
            Host::Localhost => vec![IpAddr::from([127, 0, 0, 1])],
            Host::Name(_) => {
                self.lookups.fetch_add(1, Ordering::SeqCst);
                self.state().addresses.clone()
            }
        };
        Ok(addresses
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect())
    }
}

impl SecretStore for Memory {
    fn check(&self, wanted: &SecretUse) -> Result<(), SecretError> {
        let state = self.state();
        let (origin, _) = state
            .secrets
            .get(&wanted.secret_ref.to_string())
            .ok_or(SecretError::Missing)?;
        if origin == wanted.origin.as_str() {
            Ok(())
        } else {
            Err(SecretError::Unbound)
        }
    }

    fn fetch(&self, wanted: &SecretUse) -> Result<Secret, SecretError> {
        self.check(wanted)?;
        let state = self.state();
        let (_, value) = state
            .secrets
            .get(&wanted.secret_ref.to_string())
            .ok_or(SecretError::Missing)?;
        Ok(Secret::new(value.clone()))
    }
}
