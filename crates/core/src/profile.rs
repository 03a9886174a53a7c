//! Work profiles: which model does which work, and how far that may go. Published as
//! `hsk.work_profile@0.6`; `@0.5` is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, NotCanonical, canonical_json},
    ids::{ModelRef, ProfileId, RoleId},
    policy::Governance,
};

mod apply;
mod bounds;
mod check;
mod name;
mod read;
mod reason;
mod resolve;
mod widen;

pub use self::{
    apply::apply,
    name::{ModelName, WorkKey},
    read::InvalidProfile,
    reason::{Reason, Unfit},
    resolve::{RegistryView, Resolution, ResolveError, resolve},
};

/// The schema id of a work profile.
pub const WORK_PROFILE: &str = "hsk.work_profile@0.6";

/// The schema that a profile is written in.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize, schemars::JsonSchema,
)]
pub enum ProfileSchema {
    /// `hsk.work_profile@0.6`.
    #[default]
    #[serde(rename = "hsk.work_profile@0.6")]
    V0_6,
}

/// A work profile. Immutable once used: an edit makes a new `profile_id`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkProfile {
    /// `hsk.work_profile@0.6`.
    pub schema: ProfileSchema,
    /// Its id.
    pub profile_id: ProfileId,
    /// Its name for people: 1 to 128 bytes.
    pub name: String,
    /// What it is for: at most 2048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which model does which work.
    pub model_assignments: ModelAssignments,
    /// How far work may go without a person.
    pub governance: Governance,
    /// How a model is chosen among several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// Which role takes which work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overrides>,
}

/// The assignments: four roles that every profile has, and extensions of them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9_]{0,31}$" }))]
pub struct ModelAssignments {
    /// Talks to people.
    pub frontend: ModelAssignment,
    /// Divides work.
    pub orchestrator: ModelAssignment,
    /// Does it.
    pub worker: ModelAssignment,
    /// Checks it.
    pub validator: ModelAssignment,
    /// Roles of the application's own. Any other key of the object is one.
    #[serde(flatten)]
    // As a pattern over role ids it would bind the four roles too, and no profile could meet the schema.
    #[schemars(with = "BTreeMap<String, RoleExtension>")]
    pub extensions: BTreeMap<RoleId, RoleExtension>,
}

/// The four roles.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BaseRole {
    /// Talks to people.
    Frontend,
    /// Divides work.
    Orchestrator,
    /// Does it.
    Worker,
    /// Checks it.
    Validator,
}

impl BaseRole {
    /// Every one of them.
    pub const ALL: [Self; 4] = [
        Self::Frontend,
        Self::Orchestrator,
        Self::Worker,
        Self::Validator,
    ];

    /// Its role id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Orchestrator => "orchestrator",
            Self::Worker => "worker",
            Self::Validator => "validator",
        }
    }

    /// The one with this id.
    #[must_use]
    pub fn of(role: &RoleId) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|base| base.as_str() == role.as_str())
    }
}

/// Which model a role uses. `local_only` and `allowed_models` are hard: no choice and no fallback
/// leaves them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelAssignment {
    /// The model.
    pub primary_model_id: ModelName,
    /// What to use when it fails. Never crosses from Local to Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_model_id: Option<ModelName>,
    /// Whether the role never uses a cloud model.
    pub local_only: bool,
    /// The only models that the role may use; absent means that this sets no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<BTreeSet<ModelName>>,
    /// What a local model may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<Compute>,
}

/// A role that inherits one of the four. It may name other models; it may narrow, never widen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleExtension {
    /// The role that it extends.
    pub inherits: BaseRole,
    /// Another model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_model_id: Option<ModelName>,
    /// Another fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_model_id: Option<ModelName>,
    /// `true` keeps this role local; `false` does not free it where the inherited role is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_only: Option<bool>,
    /// Narrows the inherited set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<BTreeSet<ModelName>>,
    /// Replaces the inherited limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<Compute>,
}

/// What a local model may take of this machine.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Graphics memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_vram_mb: Option<u64>,
    /// Main memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ram_mb: Option<u64>,
    /// Tokens of context to load it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context_tokens: Option<u64>,
}

/// How a model is chosen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// The rule.
    pub selection_policy: SelectionPolicy,
    /// What `largest_available` chooses from. Absent: what the role allows by name, otherwise its primary
    /// and fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_models: Option<Vec<ModelName>>,
}

/// The rules of choice.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SelectionPolicy {
    /// The role's primary model.
    #[default]
    Explicit,
    /// The known, enabled and permitted model with the largest context window; among equals the first by
    /// name.
    LargestAvailable,
}

/// Which role takes which work.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// By file type: an extension without its dot, such as `rs`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filetype_rules: BTreeMap<WorkKey, RoleId>,
    /// By kind of task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub task_type_rules: BTreeMap<WorkKey, RoleId>,
}

impl ModelAssignments {
    /// One of the four.
    #[must_use]
    pub fn base(&self, role: BaseRole) -> &ModelAssignment {
        match role {
            BaseRole::Frontend => &self.frontend,
            BaseRole::Orchestrator => &self.orchestrator,
            BaseRole::Worker => &self.worker,
            BaseRole::Validator => &self.validator,
        }
    }

    /// What holds for a role, with everything that it inherits.
    #[must_use]
    pub fn of(&self, role: &RoleId) -> Option<ModelAssignment> {
        if let Some(base) = BaseRole::of(role) {
            return Some(self.base(base).clone());
        }
        let own = self.extensions.get(role)?;
        let base = self.base(own.inherits);
        let allowed_models = match (&base.allowed_models, &own.allowed_models) {
            (Some(base), Some(own)) => Some(base.intersection(own).cloned().collect()),
            (Some(set), None) | (None, Some(set)) => Some(set.clone()),
            (None, None) => None,
        };
        Some(ModelAssignment {
            primary_model_id: own
                .primary_model_id
                .as_ref()
                .unwrap_or(&base.primary_model_id)
                .clone(),
            fallback_model_id: own
                .fallback_model_id
                .as_ref()
                .or(base.fallback_model_id.as_ref())
                .cloned(),
            local_only: base.local_only || own.local_only == Some(true),
            allowed_models,
            compute: own.compute.or(base.compute),
        })
    }

    /// Every role, the four first.
    pub fn roles(&self) -> impl Iterator<Item = RoleId> {
        let base = BaseRole::ALL
            .into_iter()
            .filter_map(|base| RoleId::new(base.as_str()).ok());
        base.chain(self.extensions.keys().cloned())
    }
}

impl WorkProfile {
    /// The models that work may go to: of every role its own and its fallback, and the candidates of routing. Names that
    /// are not qualified yet are left out; so are models that a role is merely allowed.
    #[must_use]
    pub fn models(&self) -> BTreeSet<ModelRef> {
        let roles = &self.model_assignments;
        let base = [
            &roles.frontend,
            &roles.orchestrator,
            &roles.worker,
            &roles.validator,
        ];
        let named = base
            .into_iter()
            .flat_map(|role| {
                [
                    Some(&role.primary_model_id),
                    role.fallback_model_id.as_ref(),
                ]
            })
            .chain(roles.extensions.values().flat_map(|own| {
                [
                    own.primary_model_id.as_ref(),
                    own.fallback_model_id.as_ref(),
                ]
            }))
            .flatten();
        let candidates = self
            .routing
            .iter()
            .filter_map(|routing| routing.candidate_models.as_ref())
            .flatten();
        named
            .chain(candidates)
            .filter_map(ModelName::qualified)
            .collect()
    }

    /// SHA-256 over the canonical JSON of the profile: what a job pins beside the id.
    ///
    /// # Errors
    /// [`NotCanonical`] for a number beyond 2^53.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        Ok(Digest::of(&[&canonical_json(self)?]))
    }

    /// The role that takes a file of this type, if the profile says so.
    #[must_use]
    pub fn role_for_file(&self, filetype: &WorkKey) -> Option<&RoleId> {
        self.overrides.as_ref()?.filetype_rules.get(filetype)
    }

    /// The role that takes a task of this kind, if the profile says so.
    #[must_use]
    pub fn role_for_task(&self, kind: &WorkKey) -> Option<&RoleId> {
        self.overrides.as_ref()?.task_type_rules.get(kind)
    }
}

#[cfg(test)]
mod tests;
