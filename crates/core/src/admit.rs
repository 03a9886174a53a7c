//! Admission: a request against what its model can do. Pure; unknown denies.

use std::sync::Arc;

use crate::{
    capability::SharedSnapshot,
    chat::{ChatRequest, ToolMode},
    emulation::EmulatedTools,
    error::CallError,
    ids::{ModelId, ModelRef},
    provider::ProviderRecord,
};

mod check;

/// Where a call goes: the provider, the model and what is known about it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The provider.
    pub record: Arc<ProviderRecord>,
    /// The model.
    pub model: ModelId,
    /// What is known about the model.
    pub snapshot: SharedSnapshot,
}

impl Route {
    /// The qualified model.
    #[must_use]
    pub fn model_ref(&self) -> ModelRef {
        ModelRef {
            provider: self.record.provider_id.clone(),
            model: self.model.clone(),
        }
    }
}

/// A request that its model can answer. Only [`admit`] makes one; adapters take nothing else.
#[derive(Clone, Debug)]
pub struct Admitted {
    request: Arc<ChatRequest>,
    route: Route,
    /// Where tools are emulated: what the answer is read with.
    emulated: Option<EmulatedTools>,
    max_tokens: Option<u64>,
    context_limit: Option<u64>,
}

impl Admitted {
    /// The same under the operator's limit on the context that a server is asked to make, in tokens. The least of all
    /// that were given counts.
    #[must_use]
    pub fn within_context(mut self, tokens: u64) -> Self {
        self.context_limit = Some(self.context_limit.map_or(tokens, |held| held.min(tokens)));
        self
    }

    /// The largest context to ask a server for, where the operator set one.
    #[must_use]
    pub fn context_limit(&self) -> Option<u64> {
        self.context_limit
    }

    /// The request as it is to be rendered: where tools are emulated, they stand in its text.
    #[must_use]
    pub fn request(&self) -> &ChatRequest {
        &self.request
    }

    /// The route.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// How tools travel.
    #[must_use]
    pub fn tool_mode(&self) -> ToolMode {
        match self.emulated {
            Some(_) => ToolMode::EmulatedV1,
            None => ToolMode::Native,
        }
    }

    /// What the answer is read with where tools are emulated; belongs into the [`ReplySpec`](crate::reply::ReplySpec).
    #[must_use]
    pub fn emulated(&self) -> Option<&EmulatedTools> {
        self.emulated.as_ref()
    }

    /// The bound on the answer after clamping to the model's limit.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }
}

/// Whether tools may be emulated where the provider has no tool calling.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Emulation {
    /// No: an explicit error instead.
    #[default]
    Off,
    /// Yes: the operator configured it for this provider or model.
    On,
}

/// Checks a request against its route.
///
/// # Errors
/// A capability error for everything that the model lacks (`HSK-501-*-UNSUPPORTED`), that nobody knows
/// (`HSK-501-CAPABILITY-UNKNOWN`) or that is contested (`HSK-409-CAPABILITY-CONFLICT`);
/// `HSK-404-MODEL` for a model that no person enabled; `HSK-400-INVALID-REQUEST` for a conversation
/// that is malformed: no messages, an orphan tool result, a call without its result, an undeclared tool.
pub fn admit(
    request: Arc<ChatRequest>,
    route: Route,
    emulation: Emulation,
) -> Result<Admitted, CallError> {
    check::admit(request, route, emulation)
}
