//! What the runtime is wired to.

use std::sync::Arc;

use handshake_core::{
    event::EventScope,
    gate::Gate,
    ports::{
        ApprovalQueue, ArtifactStore, Clock, ContextCompiler, EgressLedger, Entropy,
        FlightRecorder, ProfileStore, ProviderStore, RegistryFeed, SessionStore, ToolExecutor,
        ToolGate,
    },
    tool::ToolRegistry,
};

use crate::{adapters::Adapters, emit::Log};

/// The ports, as the composition root wired them.
#[derive(Clone)]
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
}

impl Ports {
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
