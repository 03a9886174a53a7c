//! A role's fallback: when it is taken, and what is recorded of it.

use handshake_core::{
    chat::{ChatRequest, Target},
    code::{ErrorCode, Phase},
    error::CallError,
    event::Body,
    ids::ModelRef,
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

    /// The role's fallback, which is a model like any other: admitted, judged and consented to by itself.
    pub(super) async fn instead(
        &self,
        model: ModelRef,
        because: ErrorCode,
        routed: &mut Routed,
        request: &ChatRequest,
        log: &mut Log,
    ) -> Result<(), CallError> {
        // By name: what a role may use was judged when its fallback was.
        let governance = routed.governance;
        *routed = self.route(&Target::Model(model), log).await?;
        routed.governance = governance;
        self.tell_role(&request.target, log, Some(because));
        Ok(())
    }
}
