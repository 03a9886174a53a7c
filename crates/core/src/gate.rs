//! The egress gate: a pure decision and a thin driver. The only place that makes a [`Cleared`].

mod clearance;
mod commit;
mod decide;
mod declassified;
mod deny;
mod driver;
mod explain;
mod facts;
mod flood;
mod judged;
mod locate;
mod plan;
mod redact;
mod scan;
mod sealed;
mod spend;
mod steps;

use std::sync::Arc;

use self::sealed::Alarms;
pub use self::{
    clearance::{Cleared, ClearedControl},
    decide::{Decision, Outcome, Step, StepName, StepResult, decide},
    deny::{Awaiting, Denied},
    explain::Explanation,
    facts::{
        EgressFacts, FindingsFact, JobFact, LedgerFact, PauseFact, PeerFact, PersonFact, Purpose,
        ReceiptFact, RulesFact, SealFact, SecretFact,
    },
    redact::Redacted,
    steps::{Inspected, Located, Scan},
};
use crate::{
    attest::PublicKey,
    consent::EscalationReason,
    control::ControlCall,
    digest::CommitmentKey,
    envelope::{Envelope, Prepared, Salt},
    event::EventScope,
    ids::{ArtifactRef, Principal, SessionId, UseId},
    label::Label,
    policy::{Governance, Posture},
    ports::{
        ArtifactStore, Clock, ConsentStore, ContactGrants, EgressLedger, EgressPolicy, Entropy,
        FindingStore, FlightRecorder, Home, JobBound, LeakageValidator, PeerResolver, SealStore,
        SecretStore,
    },
    provider::ProviderRecord,
    redact::Applied,
    seal::SealKeys,
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
    /// What a person declassified, as evidence, and where what blocked a call is kept.
    pub findings: Arc<dyn FindingStore>,
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
    /// Seals, as evidence.
    pub seals: Arc<dyn SealStore>,
    /// What seals are checked with; `None` means that nothing is believed and every call refused.
    pub seal_keys: Option<Arc<SealKeys>>,
    /// The one approval key; `None` means that nobody can approve anything.
    pub approval_key: Option<PublicKey>,
    /// The key of commitments in events.
    pub commitments: CommitmentKey,
    /// Bytes of work that one leakage check may do.
    pub work_budget: u64,
    /// Our own listeners, which are never dialled.
    pub own_listeners: Vec<std::net::SocketAddr>,
}

impl GatePorts {
    /// The wiring of one home, whose store keeps all that the gate must find together: a ledger beside the consent
    /// of another home cannot be written down so. What is not given is at its strictest: without a validator nothing
    /// goes to Cloud, without an approval key nobody can have said yes, and without the keys of seals nothing that is
    /// stored is believed.
    #[must_use]
    pub fn new<H: Home + 'static>(
        home: &Arc<H>,
        policy: Arc<dyn EgressPolicy>,
        peers: Arc<dyn PeerResolver>,
        secrets: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        commitments: CommitmentKey,
    ) -> Self {
        Self {
            policy,
            peers,
            artifacts: Arc::clone(home) as _,
            validators: Vec::new(),
            consent: Arc::clone(home) as _,
            contacts: Arc::clone(home) as _,
            findings: Arc::clone(home) as _,
            ledger: Arc::clone(home) as _,
            recorder: Arc::clone(home) as _,
            secrets,
            clock,
            entropy,
            seals: Arc::clone(home) as _,
            seal_keys: None,
            approval_key: None,
            commitments,
            work_budget: WORK_BUDGET,
            own_listeners: Vec::new(),
        }
    }
}

/// Bytes of work that one leakage check may do where nobody says otherwise.
const WORK_BUDGET: u64 = 64 << 20;

/// The gate.
pub struct Gate {
    ports: GatePorts,
    floods: flood::Floods,
    alarms: Alarms,
}

impl Gate {
    /// Wires a gate. `cargo xtask permits` lists who may.
    #[must_use]
    pub fn new(ports: GatePorts) -> Self {
        Self {
            ports,
            floods: flood::Floods::default(),
            alarms: Alarms::default(),
        }
    }

    /// The operator's rules at this moment, for what is rendered under them.
    #[must_use]
    pub fn posture(&self) -> Arc<Posture> {
        self.ports.policy.posture()
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
#[non_exhaustive]
pub struct CallContext {
    /// Ids, for events and receipts. `principal`, `session_id` and `trace_id` are required.
    pub scope: EventScope,
    /// Who asks.
    pub principal: Principal,
    /// The session under which consent is asked for: the client's, not the single request's.
    pub consent_session: SessionId,
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
    /// What was replaced by stand-ins before the gate saw the call.
    pub redactions: Vec<Applied>,
    /// Whether the caller waits while Cloud is paused: it is told that the call is held, and asks again.
    pub waits_for_resume: bool,
}

impl CallContext {
    /// A call of this principal, about which nothing else is known. Where the model runs and how the context is
    /// labelled are unknown until they are said: the one is no Local call then, the other blocks a Cloud call.
    #[must_use]
    pub fn new(
        scope: EventScope,
        principal: Principal,
        consent_session: SessionId,
        governance: Governance,
    ) -> Self {
        Self {
            scope,
            principal,
            consent_session,
            governance,
            artifacts: Vec::new(),
            context_label: Label::UNKNOWN,
            residence: Residence::Unknown,
            reason: EscalationReason::default(),
            local_attempts: 0,
            redactions: Vec::new(),
            waits_for_resume: false,
        }
    }
}

/// A call that asks to leave. Made once per logical call; each attempt asks again.
#[derive(Clone, Debug)]
#[non_exhaustive]
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

    /// The job that the call counts for where a work profile bounds the cloud calls of one. A call without a job is
    /// counted for its session: a bound that nothing is held against would be none.
    pub(crate) fn job_bound(&self) -> Option<JobBound> {
        let most = self.context.governance.max_cloud_escalations_per_job?;
        let job = match &self.context.scope.job_id {
            Some(job) => format!("job:{job}"),
            None => format!("session:{}", self.context.consent_session),
        };
        Some(JobBound { job, most })
    }

    /// The same attempt of another logical call.
    #[must_use]
    pub fn of_call(mut self, use_id: UseId) -> Self {
        self.use_id = use_id;
        self
    }

    /// Another attempt of the same logical call, from 1.
    #[must_use]
    pub fn at_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The salt of its hashes; see [`Prepared::salt`].
    #[must_use]
    pub fn salt(&self, key: &CommitmentKey) -> Salt {
        self.prepared.salt(key, &self.context.principal)
    }
}

/// A payload-free call that asks to leave.
#[derive(Clone, Debug)]
#[non_exhaustive]
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

impl ControlRequest {
    /// A call whose events name its provider alone; see [`scope`](Self::scope).
    #[must_use]
    pub fn new(
        envelope: Envelope,
        call: ControlCall,
        record: Arc<ProviderRecord>,
        governance: Governance,
        use_id: UseId,
    ) -> Self {
        let scope = EventScope {
            provider_id: Some(record.provider_id.clone()),
            model_id: envelope.model_id.clone(),
            ..EventScope::default()
        };
        Self {
            envelope,
            call,
            record,
            scope,
            governance,
            use_id,
        }
    }
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
