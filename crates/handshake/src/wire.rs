//! The composition root: every port is chosen here and nowhere else.

use std::sync::Arc;

use handshake_core::{
    code::{ErrorCode, Phase},
    digest::{Digest, canonical_json},
    event::{Actor, Body, EventScope, WidenKind},
    gate::{Gate, GatePorts},
    ids::{EventId, ModelRef, ProviderId},
    ports::{
        Clock, EgressLedger, Entropy, EntropyExt, FlightRecorder, FlightRecorderExt,
        LeakageValidator, LogAnchor, PeerResolver, SealRegister, Signer, ToolExecutor,
    },
    seal::SealKeys,
    secret::Secret,
    tool::ToolRegistry,
};
use handshake_leakage::{
    Engine, Enrolment, Redactor, SharedEnrolment, SharedStored, SinkGuard, StoredValidator,
};
use handshake_registry_store::{Epoch, Store};
use handshake_runtime::{Adapters, Config, EmulateTools, Ports, Runtime, tools::Grants};
use handshake_transport::SystemResolver;
use handshake_vault::{ApprovalSigner, Places, Vault, VaultSecrets};
use serde::Serialize;

use crate::{
    adapters::{factories, transport},
    anchor::{Anchor, Behind},
    clock::{OsEntropy, SystemClock},
    connections::Keeper,
    error::{Error, Result},
    halt::StopFile,
    home::Home,
    opening::{Opened, Opening},
    policy::{Ground, LivePolicy, Second, Secrets, Watch, WatchfulLedger, Withheld},
    tools::Builtins,
};

/// Bytes of work that one leakage check may do: decoded views included.
const WORK_BUDGET: u64 = 256 << 20;

/// Leaves of the log that are read when a home is opened, to compare receipts with it. With more, each is compared when
/// it is used.
const COMPARED_WHEN_OPENED: u64 = 10_000;

/// Everything that was wired over one home.
#[non_exhaustive]
pub struct Parts {
    /// The home.
    pub home: Home,
    /// The one store behind every port that keeps state.
    pub store: Store,
    /// Secrets and keys at rest.
    pub vault: Arc<Vault>,
    /// Secrets by reference, each bound to one origin.
    pub secrets: Arc<VaultSecrets>,
    /// What seals are made and checked with.
    pub seals: Arc<SealKeys>,
    anchor: Arc<Anchor>,
    /// What this home was found behind of what is noted outside it, and nobody has said why.
    pub behind: Vec<Behind>,
    /// How many receipts did not say what the log says when the home was opened, and were revoked.
    pub revoked: usize,
    /// The operator's rules in force.
    pub policy: Arc<LivePolicy>,
    /// The secrets that requests are searched for.
    pub enrolment: SharedEnrolment,
    /// What everything passes that is printed or exported.
    pub guard: SinkGuard,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The call path.
    pub runtime: Runtime,
    _connections: Keeper,
    _stop_file: StopFile,
    _policy_file: Watch,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("home", &self.home.path)
            .finish_non_exhaustive()
    }
}

/// What differs between one program and another.
pub struct Wiring {
    /// Tools that the runtime may run.
    pub tools: ToolRegistry,
    /// What sessions may do with them.
    pub grants: Grants,
    /// Who runs them.
    pub executor: Arc<dyn ToolExecutor>,
    /// Our own listeners, which are never dialled.
    pub own_listeners: Vec<std::net::SocketAddr>,
    /// Who resolves names.
    pub resolver: Arc<dyn PeerResolver>,
    /// The clocks of the machine. Which run it is they are not asked: the home knows.
    pub clock: Arc<dyn Clock>,
}

impl Default for Wiring {
    fn default() -> Self {
        Self {
            tools: ToolRegistry::new(),
            grants: Grants::default(),
            executor: Arc::new(Builtins),
            own_listeners: Vec::new(),
            resolver: Arc::new(SystemResolver),
            clock: Arc::new(SystemClock::new(0)),
        }
    }
}

impl Parts {
    /// Wires everything over an open home. `passphrase` is the vault's, where its key file is not here.
    ///
    /// Must be called within a tokio runtime, the one that calls will run in: what looks after their connections is
    /// begun here, and ends with what is returned.
    ///
    /// The epochs of policy, leakage rules and approval key are set here: a receipt of older ones is void from now
    /// on, and a store whose epochs nobody set would refuse every cloud call.
    ///
    /// # Errors
    /// What the vault, the rules and the store say.
    pub async fn wire(mut home: Home, wiring: Wiring, passphrase: Option<&Secret>) -> Result<Self> {
        let vault = home.vault(passphrase)?;
        home.may_be_wired(&vault)?;
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let approval_key = ApprovalSigner::new(Arc::clone(&vault)).public_key();
        let seals = Arc::new(seal_keys(&vault)?);
        let opening = Opening {
            vault: Arc::clone(&vault),
            seals: Arc::clone(&seals),
            entropy: Arc::clone(&entropy),
            machine: wiring.clock,
            approval_key: approval_key.clone(),
        };
        let Opened {
            store,
            clock: home_clock,
            anchor,
            behind,
        } = opening.open(&mut home).await?;
        let clock: Arc<dyn Clock> = Arc::clone(&home_clock) as _;
        if !vault.has_seals()? {
            // A home of a version without seals. What needs nobody is sealed as it is found, once; the rest waits for
            // the person. One that was put back is none of those, whatever its vault says.
            if behind.is_empty() {
                store.seal_what_needs_nobody().await?;
            }
            vault.begin_seals()?;
        }
        let revoked = store.reconcile(Some(COMPARED_WHEN_OPENED)).await?;
        let secrets = Arc::new(VaultSecrets::new(
            Arc::clone(&vault),
            Arc::new(|name: &str| std::env::var_os(name)),
            Places {
                home: home.path.clone(),
                credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into),
            },
        ));
        let enrolment = SharedEnrolment::new(Enrolment::new(0));
        let ground = Ground {
            vault: Arc::clone(&vault),
            keys: Arc::clone(&seals),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            anchor: Arc::clone(&anchor),
            enrolment: enrolment.clone(),
            behind: !behind.is_empty(),
        };
        let policy = LivePolicy::begin(&home.path, ground, &store).await?;
        let key = Epoch::ApprovalKey(Some(approval_key.id().clone()));
        store.set_epoch(key).await?;
        enrolment.replace(enrol(&store, &secrets).await?);
        // A rule that is off lets a value leave. It does not let it into a log.
        let guard = SinkGuard::new(Arc::new(Redactor::new(
            Engine::builtin(),
            enrolment.clone(),
        )));
        let (_, commitments) = vault.commitment_key()?;
        let stored = SharedStored::new(entropy.bytes());
        let validators: Vec<Arc<dyn LeakageValidator>> = vec![
            Arc::new(Secrets(Arc::clone(&policy))),
            Arc::new(Second(Arc::clone(&policy))),
            Arc::new(StoredValidator::new(stored.clone())),
        ];
        let state = Arc::new(store.clone());
        let stop_file = StopFile::begin(&home.path, &state).await?;
        let policy_file = Watch::begin(&policy, &state);
        let mut ports = GatePorts::new(
            &state,
            Arc::clone(&policy) as _,
            wiring.resolver,
            Arc::clone(&secrets) as _,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            commitments,
        );
        ports.validators = validators;
        ports.ledger = Arc::new(WatchfulLedger {
            store: Arc::clone(&state),
            policy: Arc::clone(&policy),
            clock: home_clock,
            entropy: Arc::clone(&entropy),
            withheld: Withheld::new(stored),
            enrolment: enrolment.clone(),
            secrets: Arc::clone(&secrets),
        });
        ports.approval_key = Some(approval_key);
        ports.seal_keys = Some(Arc::clone(&seals));
        ports.work_budget = WORK_BUDGET;
        ports.own_listeners = wiring.own_listeners;
        let gate = Arc::new(Gate::new(ports));
        let transport = transport(Arc::clone(&secrets) as _, Arc::clone(&clock))?;
        let connections = Keeper::begin(transport.connections(), &state, Arc::clone(&clock));
        let mut emulate_tools = EmulateTools::default();
        for name in &policy.rules().emulate_tools {
            match name.parse::<ModelRef>() {
                Ok(model) => emulate_tools.models.insert(model),
                Err(_) => emulate_tools.providers.insert(ProviderId::new(name)?),
            };
        }
        let ports = Ports::new(
            &state,
            gate,
            Adapters::new(factories(transport)),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        )
        .with_tools(wiring.tools, wiring.grants, wiring.executor)?;
        let runtime = Runtime::new(
            ports,
            Config {
                retry: policy.retry(),
                emulate_tools,
                suspect_refusals: policy.rules().suspect_refusals,
                ..Config::default()
            },
        );
        let mut parts = Self {
            home,
            store,
            vault,
            secrets,
            seals,
            anchor,
            behind,
            revoked,
            policy,
            enrolment,
            guard,
            clock,
            entropy,
            runtime,
            _connections: connections,
            _stop_file: stop_file,
            _policy_file: policy_file,
        };
        if parts.home_file_contradicts()? || parts.home.disturbed > 0 {
            parts.alarm(EventScope::default()).await?;
        }
        // Only now that everything held: a home that does not open is not trusted.
        parts.home.settle(&parts.vault)?;
        Ok(parts)
    }

    /// Records that something of this home is not as this program left it.
    ///
    /// # Errors
    /// The log's.
    pub(crate) async fn alarm(&self, scope: EventScope) -> Result<()> {
        let body = Body::IntegrityAlarm {
            code: ErrorCode::HomeUntrusted,
        };
        let id = EventId::from_entropy(self.entropy.bytes());
        let event = scope.event(id, self.clock.now(), Actor::System, body);
        self.store.append(event).await?;
        Ok(())
    }

    /// What the log says about a widening: which, and keyed hashes of what was and what is.
    ///
    /// # Errors
    /// The vault's; the change must not be made then.
    pub fn widened<T: Serialize>(
        &self,
        what: WidenKind,
        before: Option<&T>,
        after: &T,
    ) -> Result<Body> {
        let (_, key) = self.vault.commitment_key()?;
        let hash = |value: &T| {
            let text = canonical_json(value).map_err(|error| {
                Error::new(ErrorCode::Storage, Phase::Storage, error.to_string())
            })?;
            Ok::<_, Error>(key.commit("hsk.widened.v1", &[&text]))
        };
        Ok(Body::Widened {
            what,
            before: before.map(hash).transpose()?,
            after: hash(after)?,
        })
    }

    /// Whether a person can approve anything here: whether there is an approval passphrase. Read from the vault,
    /// where it is authenticated.
    ///
    /// # Errors
    /// The vault's.
    pub fn has_factor(&self) -> Result<bool> {
        Ok(self.vault.has_factor()?)
    }

    /// Whether `home.json` contradicts the vault about that. Nothing follows from it but that somebody wrote there.
    ///
    /// # Errors
    /// The vault's.
    pub fn home_file_contradicts(&self) -> Result<bool> {
        Ok(self.home.claims_no_factor && self.has_factor()?)
    }

    /// The signer of approvals. It asks for the factor each time.
    #[must_use]
    pub fn signer(&self) -> ApprovalSigner {
        ApprovalSigner::new(Arc::clone(&self.vault))
    }

    /// Enrols every secret again and raises the generation, after one was put, bound or removed. Other
    /// processes see the new generation and give no verdict until they know the secret too.
    ///
    /// # Errors
    /// The store's and the vault's.
    pub async fn enrolled_again(&self) -> Result<()> {
        let next = self.enrolment.current().generation() + 1;
        self.store.set_epoch(Epoch::Enrolled(next)).await?;
        self.enrolment
            .replace(enrol(&self.store, &self.secrets).await?);
        Ok(())
    }

    /// Waits until everything that was queued for the log is durable.
    ///
    /// # Errors
    /// `HSK-500-STORAGE`.
    pub async fn finish(&self) -> Result<()> {
        self.runtime.ports().record_floods().await?;
        self.store.flush().await?;
        let head = self.store.log_head().await?;
        self.anchor
            .note(head.size, Digest::from_bytes(*head.hash.as_bytes()));
        Ok(())
    }

    /// A person says that they know why the home was behind: they put back a backup, or moved it. What is noted
    /// outside begins with what is here.
    ///
    /// # Errors
    /// The store's.
    pub async fn acknowledge_behind(&self) -> Result<()> {
        let head = self.store.log_head().await?;
        let hash = Digest::from_bytes(*head.hash.as_bytes());
        self.anchor.begin(head.size, hash, Vec::new());
        self.policy.is_not_behind();
        self.policy.look(&self.store).await
    }
}

/// What the seals of a home are checked with.
pub(crate) fn seal_keys(vault: &Arc<Vault>) -> Result<SealKeys> {
    let approval_key = ApprovalSigner::new(Arc::clone(vault)).public_key();
    let holder = vault.has_factor()?.then_some(approval_key);
    let register: Arc<dyn SealRegister> = Arc::clone(vault) as _;
    Ok(SealKeys::new(vault.integrity_key()?, holder, register))
}

pub(crate) async fn enrol(store: &Store, secrets: &VaultSecrets) -> Result<Enrolment> {
    let any = ProviderId::new("any")?;
    let generation = store.epochs(&any).await?.enrolled;
    let mut set = Enrolment::new(generation);
    for (_, secret) in secrets.needles()? {
        // Too short or too common to be searched for; `secret set` refuses or warns about those.
        let _too_weak = set.add(&secret);
    }
    Ok(set)
}
