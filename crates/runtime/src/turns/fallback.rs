//! A role's fallback: when it is taken, and what is recorded of it.

use handshake_core::{
    chat::{ChatRequest, Target},
    code::{ErrorCode, Phase},
    error::CallError,
    event::Body,
    ids::ModelRef,
    policy::Governance,
};

use super::Request;
use crate::{
    emit::Log,
    route::{self, Routed},
};

/// Whether a role's fallback is taken: its model is not there or did not take the call, and nothing of an answer came. A
/// refusal of a rule or a person is no failure of a model, and what may have been answered is not asked for again.
pub(super) fn is_taken(error: &CallError, request: &ChatRequest) -> bool {
    let not_there = matches!(
        error.code,
        ErrorCode::NotReady
            | ErrorCode::Model404
            | ErrorCode::Provider
            | ErrorCode::ProviderQuota
            | ErrorCode::RateLimit
    );
    not_there
        && matches!(error.phase, Phase::Connect | Phase::Status)
        // A client's own body names its model.
        && request.verbatim.is_none()
}

impl Request {
    /// Records which role of which profile a call was resolved by, and why its fallback was taken, where it was.
    pub(super) fn tell_role(&self, target: &Target, log: &Log, fallback_for: Option<ErrorCode>) {
        let Target::Role(role) = target else {
            return;
        };
        let view = route::current(&self.ports).ok();
        if let Some(profile) = view.and_then(|view| view.profile.clone()) {
            log.submit(Body::WorkProfileResolved {
                profile_id: profile.profile_id.clone(),
                role: role.clone(),
                fallback_for,
            });
        }
    }

    /// Where a request goes first: to its model, or to its role's fallback where what is known of the model is old and its
    /// server does not answer.
    pub(super) async fn first_route(
        &self,
        request: &ChatRequest,
        log: &mut Log,
    ) -> Result<Routed, CallError> {
        let error = match self.route(&request.target, log).await {
            Ok(routed) => {
                self.tell_role(&request.target, log, None);
                return Ok(routed);
            }
            Err(error) => error,
        };
        let resolution = route::resolved(&self.ports, &request.target).ok();
        let spare = resolution.filter(|_| is_taken(&error, request));
        match spare.and_then(|it| Some((it.fallback?, (it.governance, it.context_limit)))) {
            None => Err(error),
            Some((model, terms)) => {
                log.refused(&error).await;
                self.instead(model, error.code, terms, request, log).await
            }
        }
    }

    /// The role's fallback, which is a model like any other: admitted, judged and consented to by itself, on the role's
    /// terms: its governance and its limit on the context.
    pub(super) async fn instead(
        &self,
        model: ModelRef,
        because: ErrorCode,
        (governance, context_limit): (Governance, Option<u64>),
        request: &ChatRequest,
        log: &mut Log,
    ) -> Result<Routed, CallError> {
        // By name: what a role may use was judged when its fallback was.
        let mut routed = self.route(&Target::Model(model), log).await?;
        routed.governance = governance;
        routed.context_limit = context_limit;
        self.tell_role(&request.target, log, Some(because));
        Ok(routed)
    }
}
