//! The egress gate: a pure decision and a thin driver. The only place that makes a [`Cleared`].

mod clearance;
mod commit;
mod decide;
mod deny;
mod driver;
mod explain;
mod facts;
mod judged;
mod locate;
mod plan;
mod scan;
mod spend;
mod steps;

use std::sync::Arc;

pub use self::{
    clearance::{Cleared, ClearedControl},
    decide::{Decision, Outcome, Step, StepName, StepResult, decide},
    deny::{Awaiting, Denied},
    explain::Explanation,
    facts::{
        EgressFacts, FindingsFact, LedgerFact, PeerFact, PersonFact, Purpose, ReceiptFact,
        RulesFact, SecretFact,
    },
    steps::{Inspected, Located, Scan},
};
use crate::{
    attest::PublicKey,
    consent::EscalationReason,
    control::ControlCall,
    digest::CommitmentKey,
    envelope::{Envelope, Prepared, Salt},
    event::EventScope,
    ids::{ArtifactRef, UseId},
    label::Label,
    policy::Governance,
    ports::{
        ArtifactStore, Clock, ConsentStore, ContactGrants, EgressLedger, EgressPolicy, Entropy,
        FlightRecorder, LeakageValidator, PeerResolver, SecretStore,
    },
    provider::ProviderRecord,
    tier::Residence,
};

/// What the gate is wired to. The composition root's word; nothing here may say yes on the gate's behalf.
pub struct GatePorts {
    /// The operator's rules.
    pub policy: Arc<dyn EgressPolicy>,
    /// Names to addresses.
    pub peers: Arc<dyn PeerResolver>,
    /// Labels of what a call refers to.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// What looks at the bytes. None at all blocks every cloud call.
    pub validators: Vec<Arc<dyn LeakageValidator>>,
    /// Receipts, as evidence.
    pub consent: Arc<dyn ConsentStore>,
    /// Contact grants.
    pub contacts: Arc<dyn ContactGrants>,
    /// The only way to spend.
    pub ledger: Arc<dyn EgressLedger>,
    /// The log.
    pub recorder: Arc<dyn FlightRecorder>,
    /// Bindings of secrets.
    pub secrets: Arc<dyn SecretStore>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The one approval key; `None` means that nobody can approve anything.
    pub approval_key: Option<PublicKey>,
    /// The key of commitments in events.
    pub commitments: CommitmentKey,
    /// Bytes of work that one leakage check may do.
    pub work_budget: u64,
    /// Our own listeners, which are never dialled.
    pub own_listeners: Vec<std::net::SocketAddr>,
}

/// The gate.
pub struct Gate {
    ports: GatePorts,
}

impl Gate {
    /// Wires a gate. `cargo xtask permits` lists who may.
    #[must_use]
    pub fn new(ports: GatePorts) -> Self {
        Self { ports }
    }

    /// The key of commitments, for events about the same content.
    #[must_use]
    pub fn commitments(&self) -> &CommitmentKey {
        &self.ports.commitments
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate(..)")
    }
}

/// Everything about a call that is not in its envelope.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Ids, for events and receipts. `principal`, `session_id` and `trace_id` are required.
    pub scope: EventScope,
    /// Who asks.
    pub principal: crate::ids::Principal,
    /// The session under which consent is asked for: the client's, not the single request's.
    pub consent_session: crate::ids::SessionId,
    /// What the pinned work profile says.
    pub governance: Governance,
    /// Stored artefacts whose content is in the call.
    pub artifacts: Vec<ArtifactRef>,
    /// The join of the labels of stored context and tool results in the call.
    pub context_label: Label,
    /// Where the model runs, as last read from its server.
    pub residence: Residence,
    /// Why Cloud is asked for.
    pub reason: EscalationReason,
    /// Local attempts before.
    pub local_attempts: u32,
}

/// A call that asks to leave. Made once per logical call; each attempt asks again.
#[derive(Clone, Debug)]
pub struct EgressRequest {
    /// The rendered call.
    pub prepared: Prepared,
    /// The provider.
    pub record: Arc<ProviderRecord>,
    /// Everything else.
    pub context: Arc<CallContext>,
    /// The logical call.
    pub use_id: UseId,
    /// Which attempt, from 1.
    pub attempt: u32,
}

impl EgressRequest {
    /// The first attempt of a new call.
    #[must_use]
    pub fn new(
        prepared: Prepared,
        record: Arc<ProviderRecord>,
        context: Arc<CallContext>,
        use_id: UseId,
    ) -> Self {
        Self {
            prepared,
            record,
            context,
            use_id,
            attempt: 1,
        }
    }

    /// The salt of its hashes; see [`Prepared::salt`].
    #[must_use]
    pub fn salt(&self, key: &CommitmentKey) -> Salt {
        self.prepared.salt(key, &self.context.principal)
    }
}

/// A payload-free call that asks to leave.
#[derive(Clone, Debug)]
pub struct ControlRequest {
    /// The rendered call.
    pub envelope: Envelope,
    /// What it is.
    pub call: ControlCall,
    /// The provider.
    pub record: Arc<ProviderRecord>,
    /// Ids, for events.
    pub scope: EventScope,
    /// What the pinned work profile says.
    pub governance: Governance,
    /// The logical call.
    pub use_id: UseId,
}

/// What came of asking the gate. It never waits for a person.
#[derive(Debug)]
#[must_use]
pub enum Authorization {
    /// Go.
    Cleared(Box<Cleared>),
    /// A person must be asked; then start again at `locate` with the same request.
    AwaitingConsent(Box<Awaiting>),
    /// No.
    Denied(Box<Denied>),
}
