//! What the runtime is wired to.

use std::{collections::BTreeMap, sync::Arc};

use handshake_core::{
    event::EventScope,
    gate::Gate,
    ids::Token,
    ports::{
        AdapterFactory, ApprovalQueue, ArtifactStore, Clock, ContextCompiler, EgressLedger,
        Entropy, FlightRecorder, ProfileStore, ProviderStore, SessionStore, ToolExecutor, ToolGate,
    },
    tool::ToolRegistry,
};

use crate::emit::Log;

/// The ports, as the composition root wired them.
#[derive(Clone)]
pub struct Ports {
    /// The gate.
    pub gate: Arc<Gate>,
    /// Adapters by kind.
    pub adapters: BTreeMap<Token, Arc<dyn AdapterFactory>>,
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
            .field("kinds", &self.adapters.keys())
            .finish_non_exhaustive()
    }
}
