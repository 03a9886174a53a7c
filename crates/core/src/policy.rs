//! What policy allows: a snapshot of rules that the gate judges by.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{consent::Assurance, digest::Digest};

/// How far work may go without a person.
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
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AutomationLevel {
    /// A person decides everything.
    #[default]
    FullHuman,
    /// A person decides what matters. `ASSISTED` and `SUPERVISED` from older profiles are read as this.
    #[serde(alias = "ASSISTED", alias = "SUPERVISED")]
    Hybrid,
    /// Work continues by itself. Cloud consent still needs a person.
    Autonomous,
    /// No prompt and no transmission to Cloud. Local is untouched.
    Locked,
}

/// The rules of the pinned work profile for this call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// How far work may proceed without a person.
    pub automation_level: AutomationLevel,
    /// Whether Cloud may be asked for at all.
    pub allow_cloud_escalation: bool,
    /// How often a job may escalate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cloud_escalations_per_job: Option<u32>,
}

impl Governance {
    /// What holds where no profile is active: a person decides everything, and may say yes.
    pub const NO_PROFILE: Self = Self {
        automation_level: AutomationLevel::FullHuman,
        allow_cloud_escalation: true,
        max_cloud_escalations_per_job: None,
    };

    /// What holds where nobody knows what the active profile says: nothing goes to Cloud.
    pub const LOCKED: Self = Self {
        automation_level: AutomationLevel::Locked,
        allow_cloud_escalation: false,
        max_cloud_escalations_per_job: None,
    };
}

/// What happens to fields that make a provider fetch, store, defer or contact a third party.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SecondHand {
    /// Refused by name.
    #[default]
    Refuse,
    /// A person is asked, each time.
    Ask,
}

/// The operator's rules at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Posture {
    /// Whether nothing may leave (pause, LOCKED by the operator).
    pub locked: bool,
    /// Whether Cloud is allowed at all.
    pub cloud_allowed: bool,
    /// Hosts on private networks that a person allowed, by exact spelling.
    pub private_hosts: BTreeSet<String>,
    /// The least assurance that a receipt must carry.
    pub min_assurance: Assurance,
    /// The largest body, in bytes.
    pub max_body_bytes: u64,
    /// What happens to second-hand egress.
    pub second_hand: SecondHand,
    /// Gateway clients, by the name of their token, whose calls are redacted and go on, where they would be blocked or
    /// asked for otherwise.
    pub redact_clients: BTreeSet<String>,
    /// The largest context to ask a server for that makes one per call, in tokens.
    pub max_context_tokens: u64,
    /// The digest of the confirmed rules: their epoch.
    pub digest: Digest,
}
