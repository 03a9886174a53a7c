//! The projection plan: what a person is shown before consent, rendered from the envelope.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AskReason, ContentKind};
use crate::{
    base_url::Origin,
    digest::Digest,
    finding::{FindingClass, FindingLevel},
    ids::{
        ArtifactRef, ExternalId, ModelId, ModelRef, PlanId, Principal, ProviderId, ReceiptId,
        RequestId, RuleId, SessionId,
    },
    tier::{ModelTier, Reach},
    time::UtcTime,
};

/// Why Cloud is asked for. An enum: free text would end up in the log.
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
pub enum EscalationReason {
    /// The caller named a cloud model.
    #[default]
    Requested,
    /// The work profile assigns one to the role.
    ProfileAssignment,
    /// A session is swapped to one.
    ModelSwap,
    /// Local attempts failed.
    LocalFailed,
}

/// `hsk.cloud_escalation@0.4`: a request to call a cloud model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudEscalationRequest {
    /// Its id.
    pub request_id: RequestId,
    /// The work package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wp_id: Option<ExternalId>,
    /// The micro task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mt_id: Option<ExternalId>,
    /// The session.
    pub session_id: SessionId,
    /// Why.
    pub reason: EscalationReason,
    /// How often a local model was tried before.
    pub local_attempts: u32,
    /// The model that is wanted.
    pub requested_model_id: ModelRef,
    /// What the person is shown.
    pub projection_plan_id: PlanId,
    /// What they decided; absent while pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_receipt_id: Option<ReceiptId>,
}

/// Where an envelope goes. A receipt covers this and nothing else.
#[derive(
    Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its revision: any change of bytes or destination makes a new one.
    pub revision: u64,
    /// The effective tier.
    pub tier: ModelTier,
    /// Whether it forwards.
    pub reach: Reach,
    /// The origin.
    pub origin: Origin,
    /// The path.
    pub path: String,
    /// The model.
    pub model_id: Option<ModelId>,
}

/// How many findings of one kind.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingCount {
    /// The class.
    pub class: FindingClass,
    /// The level.
    pub level: FindingLevel,
    /// How many.
    pub count: u32,
}

/// Findings that blocked until a person declassified them for where the call goes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclassifiedCount {
    /// The rule.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// When a person did.
    pub at: UtcTime,
    /// How many.
    pub count: u32,
}

/// `hsk.projection_plan@0.4`: what will leave, for a person to read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectionPlan {
    /// Its id.
    pub projection_plan_id: PlanId,
    /// The stored artefacts whose content is in it.
    pub include_artifact_refs: Vec<ArtifactRef>,
    /// The top-level fields of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_fields: Option<Vec<String>>,
    /// Placeholders that were put in where a person chose to redact and continue: each with the rule that found what
    /// it stands for, and how often it stands in the body. Never a value.
    pub redactions_applied: Vec<String>,
    /// The size of the body in bytes.
    pub max_bytes: u64,
    /// SHA-256(salt ‖ body).
    pub payload_sha256: Digest,
    /// When it was made.
    pub created_at: UtcTime,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<ExternalId>,
    /// The work package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wp_id: Option<ExternalId>,
    /// The micro task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mt_id: Option<ExternalId>,
    /// Our additions.
    pub ext: PlanExt,
}

/// `hsk.egress_ext@0.1` of a plan.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanExt {
    /// `hsk.egress_ext@0.1`.
    pub schema: String,
    /// Where it goes.
    pub destination: Destination,
    /// The hash of the whole envelope.
    pub envelope_sha256: Digest,
    /// Who asks.
    pub principal: Principal,
    /// In which consent session.
    pub session_id: SessionId,
    /// Total number of content blocks.
    pub blocks: u32,
    /// Content blocks that were not yet sent under a receipt of this session.
    pub new_blocks: u32,
    /// Bytes of those.
    pub new_bytes: u64,
    /// Messages by where they come from: `person`, `model`, `tool`, `system`.
    pub provenance: std::collections::BTreeMap<String, u32>,
    /// Names of client metadata headers that leave with it.
    pub client_metadata: Vec<String>,
    /// Findings by class.
    pub findings: Vec<FindingCount>,
    /// Those of them that blocked until a person declassified them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declassified: Vec<DeclassifiedCount>,
    /// Parts that could not be inspected.
    pub uninspectable: u32,
    /// Pointers of fields that reach beyond the destination.
    pub second_hand: Vec<String>,
    /// The kinds of content.
    pub kinds: BTreeSet<ContentKind>,
    /// Why a person is asked; more than one where a lease does not cover it.
    pub asked_because: Vec<AskReason>,
}
