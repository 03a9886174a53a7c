//! What would happen, with no network.

use std::sync::Arc;

use handshake_core::{
    chat::ChatRequest,
    code::{ErrorCode, Phase},
    envelope::{Adjustment, Envelope},
    error::CallError,
    gate::Explanation,
    label::Label,
    profile::Resolution,
};

use crate::{
    call,
    config::CallOptions,
    redacting::Redacting,
    route::{self, Routed},
    runtime::Runtime,
};
use handshake_core::admit::Route;

/// Everything that is known before any byte leaves.
#[derive(Debug)]
pub struct Explained {
    /// Why this model.
    pub resolution: Resolution,
    /// The exact request.
    pub envelope: Arc<Envelope>,
    /// Parameters that were changed within the rules.
    pub adjusted: Vec<Adjustment>,
    /// What the gate would say.
    pub gate: Explanation,
}

impl Runtime {
    /// Resolves, admits, prepares, and asks the gate what it would say. No network, nothing written.
    ///
    /// # Errors
    /// The failure that the call itself would end in before the gate.
    pub async fn explain(
        &self,
        request: ChatRequest,
        options: &CallOptions,
    ) -> Result<Explained, CallError> {
        let resolution = route::resolved(&self.ports, &request.target)?;
        let snapshot = resolution.snapshot.clone().ok_or_else(|| {
            CallError::new(ErrorCode::Model404, Phase::Resolve).about("capabilities of the model")
        })?;
        if route::current(&self.ports)?
            .seals
            .snapshot(&snapshot)
            .is_err()
        {
            return Err(CallError::new(ErrorCode::HomeUntrusted, Phase::Resolve).about("model"));
        }
        let routed = Routed {
            route: Route {
                record: Arc::clone(&resolution.record),
                model: resolution.model.model.clone(),
                snapshot,
            },
            governance: resolution.governance,
            context_limit: resolution.context_limit,
            fallback: None,
        };
        let request = Arc::new(request);
        let (_, prepared, _) = call::prepared(&self.ports, &self.config, &request, &routed)?;
        let adjusted = prepared.adjusted.clone();
        let egress = call::egress(
            &self.ports,
            &request,
            &routed,
            options,
            prepared,
            Label::INLINE,
        );
        let redacting = Redacting::of(&self.ports, &request, options);
        let (egress, _) = Redacting::redacted(redacting.as_ref(), &self.ports, egress);
        let envelope = Arc::clone(egress.prepared.envelope());
        let gate = self.ports.gate.explain(egress).await;
        Ok(Explained {
            resolution,
            envelope,
            adjusted,
            gate,
        })
    }
}
