//! What a model can do, as far as anybody knows, and who said so.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, canonical_json},
    ids::{ModelId, ProviderId, Token},
    tier::Residence,
    time::UtcTime,
};

mod merge;

/// Three-valued support. `Unknown` denies, with a code of its own.
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
pub enum Support {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// Not known.
    #[default]
    Unknown,
}

/// The features of a model that are supported or not.
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
pub enum Feature {
    /// Streamed answers.
    SupportsStreaming,
    /// Native tool calls.
    SupportsToolCalling,
    /// Answers that follow a JSON schema.
    SupportsStructuredOutput,
    /// Conversations of several turns.
    SupportsMultiTurn,
    /// Images.
    SupportsVision,
    /// A separate thinking channel.
    SupportsThinking,
    /// Tool call ids must be rewritten for this family.
    RequiresToolIdSanitization,
    /// Thinking blocks are part of the text and must be separated from it.
    RequiresThinkingBlockScrubbing,
    /// The native endpoint streams.
    NativeStreamEndpoint,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 9] = [
        Self::SupportsStreaming,
        Self::SupportsToolCalling,
        Self::SupportsStructuredOutput,
        Self::SupportsMultiTurn,
        Self::SupportsVision,
        Self::SupportsThinking,
        Self::RequiresToolIdSanitization,
        Self::RequiresThinkingBlockScrubbing,
        Self::NativeStreamEndpoint,
    ];
}

/// The limits of a model that are numbers.
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
pub enum Limit {
    /// Tokens of prompt and answer together.
    MaxContextWindow,
    /// Tokens of one answer.
    MaxOutputTokens,
}

/// Where an answer comes from, strongest source first.
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
pub enum Provenance {
    /// A person declared it on the provider.
    Operator,
    /// The server reports it.
    Server,
    /// The built-in profile of the model's family.
    Family,
    /// An opt-in probe found out.
    Probe,
}

/// What one source reports. Silence is absence, never `No`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Features, yes or no.
    #[serde(default)]
    pub features: BTreeMap<Feature, bool>,
    /// Numbers, in tokens.
    #[serde(default)]
    pub limits: BTreeMap<Limit, u64>,
}

/// One merged answer and who gave it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Sourced<T> {
    /// The answer.
    pub value: T,
    /// Who gave it.
    pub from: Provenance,
}

/// The merged capabilities of one model.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Known features. An absent one is unknown.
    pub features: BTreeMap<Feature, Sourced<bool>>,
    /// Known limits.
    pub limits: BTreeMap<Limit, Sourced<u64>>,
    /// Features where the operator says yes and the server says no.
    pub conflicts: Vec<Feature>,
}

impl Capabilities {
    /// Merges what the sources say. Operator > server > family > probe; a weaker source fills unknowns
    /// and may narrow a yes to a no, except that a server's no under an operator's yes is a conflict;
    /// numbers take the minimum. The order of `sources` does not matter.
    #[must_use]
    pub fn merge(sources: &[(Provenance, Claims)]) -> Self {
        merge::merge(sources)
    }

    /// Whether the model has a feature.
    #[must_use]
    pub fn supports(&self, feature: Feature) -> Support {
        match self.features.get(&feature) {
            Some(Sourced { value: true, .. }) => Support::Yes,
            Some(Sourced { value: false, .. }) => Support::No,
            None => Support::Unknown,
        }
    }

    /// A limit, if anybody knows it.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> Option<u64> {
        self.limits.get(&limit).map(|known| known.value)
    }
}

/// What is known about one model at one time. Content-addressed; every trace carries its hash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapabilitySnapshot {
    /// The provider.
    pub provider_id: ProviderId,
    /// The provider's revision at the time.
    pub provider_revision: u64,
    /// The model.
    pub model_id: ModelId,
    /// The model's family, which decides tool-id and thinking quirks.
    pub family: Option<Token>,
    /// The model's digest, where the server tells it.
    pub digest: Option<String>,
    /// The server's version, where it tells it.
    pub server_version: Option<String>,
    /// The version of the family profiles that were merged in.
    pub profile_version: u32,
    /// The merged capabilities.
    pub capabilities: Capabilities,
    /// Where the model runs.
    pub residence: Residence,
    /// Whether a person enabled the model. Newly found cloud models are not.
    pub enabled: bool,
    /// When this was found out. Not part of the hash.
    pub fetched_at: UtcTime,
}

impl CapabilitySnapshot {
    /// The hash over everything but the time.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = value.as_object_mut() {
            members.remove("fetched_at");
        }
        Digest::of(&[
            b"hsk.capabilities.v1\0",
            &canonical_json(&value).unwrap_or_default(),
        ])
    }
}

/// A snapshot that many calls share: it cannot change any more, so its hash is computed once.
#[derive(Clone, Debug)]
pub struct SharedSnapshot(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    snapshot: CapabilitySnapshot,
    hash: OnceLock<Digest>,
}

impl SharedSnapshot {
    /// [`CapabilitySnapshot::hash`].
    #[must_use]
    pub fn hash(&self) -> Digest {
        *self.0.hash.get_or_init(|| self.0.snapshot.hash())
    }
}

impl From<CapabilitySnapshot> for SharedSnapshot {
    fn from(snapshot: CapabilitySnapshot) -> Self {
        Self(Arc::new(Shared {
            snapshot,
            hash: OnceLock::new(),
        }))
    }
}

impl Deref for SharedSnapshot {
    type Target = CapabilitySnapshot;

    fn deref(&self) -> &CapabilitySnapshot {
        &self.0.snapshot
    }
}

impl PartialEq for SharedSnapshot {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedSnapshot {}
