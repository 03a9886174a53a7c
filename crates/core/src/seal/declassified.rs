//! That a person said of one text that it is not what a rule takes it for.

use serde::Serialize;

use super::{Needs, SealKind, Sealable, Statement};
use crate::{
    base_url::Origin,
    digest::{Digest, KeyedHash, NotCanonical},
    finding::{FindingClass, LeakageFinding},
    ids::{ProviderId, RuleId},
    provider::ProviderRecord,
    time::UtcTime,
};

/// That a rule is wrong about one text, for what goes to one provider as it stands, whichever of its models is asked.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Declassified {
    /// Commitment to the whole text.
    pub leaf: KeyedHash,
    /// The rule.
    pub rule: RuleId,
    /// The class of what it found.
    pub class: FindingClass,
    /// The provider.
    pub provider_id: ProviderId,
    /// Its revision; of another one nothing is declassified.
    pub provider_revision: u64,
    /// When it was registered. One that is registered again under its name is another one.
    pub provider_since: UtcTime,
    /// The origin.
    pub origin: Origin,
}

impl Declassified {
    /// What was found in a text, for a provider as it stands.
    #[must_use]
    pub fn of(record: &ProviderRecord, leaf: KeyedHash, rule: RuleId, class: FindingClass) -> Self {
        Self {
            leaf,
            rule,
            class,
            provider_id: record.provider_id.clone(),
            provider_revision: record.revision,
            provider_since: record.created_at,
            origin: record.base_url.origin(),
        }
    }

    /// The same for a finding; `None` for what nobody can declassify.
    #[must_use]
    pub fn for_finding(
        record: &ProviderRecord,
        leaf: KeyedHash,
        finding: &LeakageFinding,
    ) -> Option<Self> {
        let (rule, class) = (finding.rule.clone(), finding.class);
        class
            .is_declassifiable()
            .then(|| Self::of(record, leaf, rule, class))
    }

    /// Which one it is, among the seals.
    #[must_use]
    pub fn subject(&self) -> String {
        declassified_subject(&self.provider_id, &self.rule, &self.leaf)
    }

    /// What a person calls it by.
    #[must_use]
    pub fn handle(&self) -> String {
        declassified_handle(&self.provider_id, &self.rule, &self.leaf)
    }
}

/// Names a seal by what is told of it in a row.
#[must_use]
pub fn declassified_subject(provider: &ProviderId, rule: &RuleId, leaf: &KeyedHash) -> String {
    super::subject(SealKind::Declassified, id(provider, rule, leaf))
}

/// What a person calls it by: the beginning of a hash over what it is about.
#[must_use]
pub fn declassified_handle(provider: &ProviderId, rule: &RuleId, leaf: &KeyedHash) -> String {
    Digest::of(&[id(provider, rule, leaf).as_bytes()]).to_string()[..12].to_owned()
}

fn id(provider: &ProviderId, rule: &RuleId, leaf: &KeyedHash) -> String {
    format!("{provider}/{rule}/{leaf}")
}

impl Sealable for Declassified {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        let id = id(&self.provider_id, &self.rule, &self.leaf);
        let revision = self.provider_revision;
        Statement::new(SealKind::Declassified, id, revision, self, made_at)
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::Signature
    }
}
