//! Whether activating a profile lets more happen than before: that needs the approval factor.

use super::{ModelAssignment, WorkProfile};
use crate::policy::{AutomationLevel, Governance};

impl WorkProfile {
    /// Whether making `next` the active profile lets more happen. Where none is active a person decides
    /// everything and no role leads anywhere, so any role that may use Cloud is more.
    #[must_use]
    pub fn activation_widens(active: Option<&Self>, next: &Self) -> bool {
        match active {
            Some(active) => active.is_widened_by(next),
            None => governance_widens(&Governance::NO_PROFILE, &next.governance) || may_leave(next),
        }
    }

    /// Whether it allows more than holds while no profile is active, where a person decides everything and may say yes.
    #[must_use]
    pub fn allows_more_than_none(&self) -> bool {
        governance_widens(&Governance::NO_PROFILE, &self.governance)
    }

    /// Whether `next` allows anything that this profile does not. Both must be applied, so that names are
    /// comparable. Errs on the side of asking: another model for a role that may use Cloud is more.
    #[must_use]
    pub fn is_widened_by(&self, next: &Self) -> bool {
        governance_widens(&self.governance, &next.governance)
            || next.model_assignments.roles().any(|role| {
                let next = next.model_assignments.of(&role);
                match (self.model_assignments.of(&role), next) {
                    (Some(now), Some(next)) => role_widens(&now, &next),
                    // A new role that stays local allows nothing new.
                    (None, Some(next)) => !next.local_only,
                    (_, None) => false,
                }
            })
            // Candidates stand beside the roles; where any role may go off the machine they count.
            || (self.routing != next.routing && may_leave(next))
    }
}

/// Whether any role may use Cloud.
fn may_leave(profile: &WorkProfile) -> bool {
    let roles = &profile.model_assignments;
    roles
        .roles()
        .any(|role| roles.of(&role).is_some_and(|of| !of.local_only))
}

fn governance_widens(now: &Governance, next: &Governance) -> bool {
    let rank = |level: AutomationLevel| match level {
        AutomationLevel::Locked => 0,
        AutomationLevel::FullHuman => 1,
        AutomationLevel::Hybrid => 2,
        AutomationLevel::Autonomous => 3,
    };
    let most =
        |governance: &Governance| governance.max_cloud_escalations_per_job.unwrap_or(u32::MAX);
    rank(next.automation_level) > rank(now.automation_level)
        || (next.allow_cloud_escalation && !now.allow_cloud_escalation)
        || most(next) > most(now)
}

fn role_widens(now: &ModelAssignment, next: &ModelAssignment) -> bool {
    if next.local_only {
        return false;
    }
    let bound = match (&now.allowed_models, &next.allowed_models) {
        (Some(now), Some(next)) => !next.is_subset(now),
        (Some(_), None) => true,
        (None, _) => false,
    };
    now.local_only
        || bound
        || next.primary_model_id != now.primary_model_id
        || (next.fallback_model_id.is_some() && next.fallback_model_id != now.fallback_model_id)
}
