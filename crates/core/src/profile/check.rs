//! What a profile must say to make sense.

use unicode_normalization::is_nfc;

use super::{BaseRole, InvalidProfile, ModelAssignment, SelectionPolicy, WorkProfile};

/// The most extensions, candidates and rules of each kind.
const MAX_ITEMS: usize = 256;

fn ensure(holds: bool, field: &'static str, reason: &'static str) -> Result<(), InvalidProfile> {
    if holds {
        Ok(())
    } else {
        Err(InvalidProfile { field, reason })
    }
}

impl WorkProfile {
    /// Checks everything that needs no registry.
    ///
    /// # Errors
    /// [`InvalidProfile`] with the first field at fault.
    pub fn check(&self) -> Result<(), InvalidProfile> {
        let text = |text: &str, max| {
            text.len() <= max && !text.chars().any(char::is_control) && is_nfc(text)
        };
        ensure(
            !self.name.trim().is_empty() && text(&self.name, 128),
            "name",
            "must be 1 to 128 bytes of NFC text without control characters",
        )?;
        ensure(
            self.description.as_deref().is_none_or(|d| text(d, 2048)),
            "description",
            "must be at most 2048 bytes of NFC text without control characters",
        )?;
        let extensions = &self.model_assignments.extensions;
        ensure(
            extensions.len() <= MAX_ITEMS,
            "model_assignments",
            "must have at most 256 extensions",
        )?;
        ensure(
            extensions.keys().all(|role| BaseRole::of(role).is_none()),
            "model_assignments",
            "an extension must not have the name of a base role",
        )?;
        for role in self.model_assignments.roles() {
            if let Some(assignment) = self.model_assignments.of(&role) {
                consistent(&assignment)?;
            }
        }
        if let Some(routing) = &self.routing {
            let candidates = routing.candidate_models.as_deref().unwrap_or_default();
            ensure(
                candidates.len() <= MAX_ITEMS,
                "routing",
                "must have at most 256 candidates",
            )?;
            let empty = routing.candidate_models.as_ref().is_some_and(Vec::is_empty);
            ensure(
                !(routing.selection_policy == SelectionPolicy::LargestAvailable && empty),
                "routing",
                "must list at least one candidate",
            )?;
        }
        if let Some(overrides) = &self.overrides {
            for rules in [&overrides.filetype_rules, &overrides.task_type_rules] {
                ensure(
                    rules.len() <= MAX_ITEMS,
                    "overrides",
                    "must have at most 256 rules of each kind",
                )?;
                ensure(
                    rules
                        .values()
                        .all(|role| self.model_assignments.of(role).is_some()),
                    "overrides",
                    "must refer to roles of this profile",
                )?;
            }
        }
        Ok(())
    }
}

fn consistent(assignment: &ModelAssignment) -> Result<(), InvalidProfile> {
    let primary = &assignment.primary_model_id;
    ensure(
        assignment.fallback_model_id.as_ref() != Some(primary),
        "fallback_model_id",
        "must differ from the primary model",
    )?;
    if let Some(allowed) = &assignment.allowed_models {
        ensure(
            allowed.len() <= MAX_ITEMS,
            "allowed_models",
            "must list at most 256 models",
        )?;
        ensure(
            allowed.contains(primary),
            "allowed_models",
            "must include the role's primary model",
        )?;
    }
    Ok(())
}
