//! What the runtime is wired to.

use std::sync::{Arc, Weak};

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    event::{EgressCode, EventScope},
    gate::Gate,
    ids::ReceiptId,
    ports::{
        ApprovalQueue, ArtifactStore, Clock, ConsentStore, ContextCompiler, EgressLedger, Entropy,
        FlightRecorder, Home, ProfileStore, ProviderStore, RecordError, RegistryFeed, SessionStore,
        ToolExecutor, ToolGate,
    },
    tier::ModelTier,
    time::UtcTime,
    tool::ToolRegistry,
};

use crate::{
    adapters::Adapters,
    compile::TranscriptCompiler,
    emit::Log,
    flood::Counts,
    handle::Rest,
    tools::{Grants, NoTools, RegistryToolGate},
    watch::{Sources, Watch, Watched},
};

/// The ports, as the composition root wired them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Ports {
    /// The gate.
    pub gate: Arc<Gate>,
    /// Adapters by kind.
    pub adapters: Adapters,
    /// The registry, as calls see it.
    pub feed: Arc<dyn RegistryFeed>,
    /// Providers and snapshots.
    pub providers: Arc<dyn ProviderStore>,
    /// Work profiles.
    pub profiles: Arc<dyn ProfileStore>,
    /// Conversations.
    pub sessions: Arc<dyn SessionStore>,
    /// Artefacts.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// What waits for a person.
    pub queue: Arc<dyn ApprovalQueue>,
    /// Receipts, for what was revoked.
    pub consent: Arc<dyn ConsentStore>,
    /// The ledger, for closing uses.
    pub ledger: Arc<dyn EgressLedger>,
    /// The log.
    pub recorder: Arc<dyn FlightRecorder>,
    /// Registered tools.
    pub tools: Arc<ToolRegistry>,
    /// Who may call what.
    pub tool_gate: Arc<dyn ToolGate>,
    /// Who runs it.
    pub executor: Arc<dyn ToolExecutor>,
    /// Fresh contexts.
    pub compiler: Arc<dyn ContextCompiler>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    watch: Arc<Watch>,
    counts: Arc<Counts>,
}

impl Ports {
    /// Ports over one home, the one that the gate was wired to. There are no tools until
    /// [`with_tools`](Self::with_tools); contexts are compiled from transcripts.
    #[must_use]
    pub fn new<H: Home + 'static>(
        home: &Arc<H>,
        gate: Arc<Gate>,
        adapters: Adapters,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            gate,
            adapters,
            feed: Arc::clone(home) as _,
            providers: Arc::clone(home) as _,
            profiles: Arc::clone(home) as _,
            sessions: Arc::clone(home) as _,
            artifacts: Arc::clone(home) as _,
            queue: Arc::clone(home) as _,
            consent: Arc::clone(home) as _,
            ledger: Arc::clone(home) as _,
            recorder: Arc::clone(home) as _,
            tools: Arc::default(),
            tool_gate: Arc::new(RegistryToolGate::empty()),
            executor: Arc::new(NoTools),
            compiler: Arc::new(TranscriptCompiler::new(Arc::clone(home) as _)),
            clock,
            entropy,
            watch: Arc::default(),
            counts: Arc::default(),
        }
    }

    /// Records what the gate counted and did not record yet. Before the end of a program, and by itself soon after.
    ///
    /// # Errors
    /// The recorder's.
    pub async fn record_floods(&self) -> Result<(), RecordError> {
        self.gate.record_floods().await
    }

    /// Whether a call that governance or an adapter denied before the gate was asked is one of a flood.
    pub(crate) fn is_flood(&self, scope: &EventScope, error: &CallError) -> bool {
        let step = match error.code {
            _ if error.phase == Phase::Gate => return false,
            ErrorCode::GovernanceLocked | ErrorCode::CloudEscalationDenied => {
                EgressCode::Governance
            }
            ErrorCode::TierMismatch => EgressCode::Tier,
            _ => return false,
        };
        let gate = &self.gate;
        gate.is_flood(scope, step, error.code, ModelTier::Cloud)
    }

    /// A denial was counted.
    pub(crate) fn counted(&self) {
        self.counts.counted(&self.gate);
    }

    /// Watches over a call that runs under a receipt, which was judged after `since`.
    pub(crate) fn watched(&self, receipt: ReceiptId, since: UtcTime, rest: &Weak<Rest>) -> Watched {
        let rest = Weak::clone(rest);
        self.watch.over(receipt, (since, rest), || Sources {
            feed: Arc::clone(&self.feed),
            consent: Arc::clone(&self.consent),
            clock: Arc::clone(&self.clock),
            gate: Arc::clone(&self.gate),
        })
    }

    /// With these tools, what sessions may do with them, and who runs them. Every call of a tool goes through the
    /// gate that is made here from the registry.
    ///
    /// # Errors
    /// `HSK-422-SCHEMA-KEYWORD` for a tool whose schema does not compile within its bounds.
    pub fn with_tools(
        mut self,
        tools: ToolRegistry,
        grants: Grants,
        executor: Arc<dyn ToolExecutor>,
    ) -> Result<Self, CallError> {
        self.tool_gate = Arc::new(RegistryToolGate::new(&tools, grants)?);
        self.tools = Arc::new(tools);
        self.executor = executor;
        Ok(self)
    }

    /// The log, for events of one scope.
    pub(crate) fn log(&self, scope: EventScope) -> Log {
        Log {
            recorder: Arc::clone(&self.recorder),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            scope,
        }
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports")
            .field("adapters", &self.adapters)
            .finish_non_exhaustive()
    }
}
