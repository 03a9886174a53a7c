//! What can be sealed, and whose word each of it needs.

use serde::Serialize;

use super::{Needs, SealKind, Statement};
use crate::{
    base_url::Origin,
    capability::CapabilitySnapshot,
    client::ClientToken,
    digest::{Digest, NotCanonical},
    ids::{ModelId, ModelRef, ProviderId},
    profile::WorkProfile,
    provider::ProviderRecord,
    tier::{ModelTier, Reach},
    time::UtcTime,
};

/// A record that is believed only under a seal.
pub trait Sealable {
    /// What a seal of this moment says about it.
    ///
    /// # Errors
    /// [`NotCanonical`] for one without a canonical form.
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical>;

    /// Whose word it needs, in a home where a person holds the approval key, or nobody does.
    fn needs(&self, has_factor: bool) -> Needs;

    /// Whether an older one must not come back although it needs no person: of these the register knows the present
    /// one, as it does of all that are signed.
    fn is_registered(&self) -> bool {
        false
    }
}

/// A record whose revision rises when it changes.
pub trait Revised: Sealable {
    /// The revision.
    fn revision(&self) -> u64;
}

impl Revised for ProviderRecord {
    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Revised for CapabilitySnapshot {
    fn revision(&self) -> u64 {
        self.provider_revision
    }
}

impl Sealable for ProviderRecord {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        let (kind, id) = (SealKind::Provider, &self.provider_id);
        Statement::new(kind, id, self.revision, self, made_at)
    }

    /// A direct server on this machine that gets no secret needs nobody: nothing leaves by it. With a secret it
    /// needs a person where there is one.
    fn needs(&self, has_factor: bool) -> Needs {
        let here = self.tier == ModelTier::Local && self.reach == Reach::Direct;
        if here && (self.secret_ref.is_none() || !has_factor) {
            Needs::Mac
        } else {
            Needs::Signature
        }
    }
}

impl Sealable for CapabilitySnapshot {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        let id = format!("{}/{}", self.provider_id, self.model_id);
        Statement::new(
            SealKind::Snapshot,
            id,
            self.provider_revision,
            self,
            made_at,
        )
    }

    /// This program found it out; that a person enabled the model is sealed beside it.
    fn needs(&self, _: bool) -> Needs {
        Needs::Mac
    }
}

/// That a person enabled a cloud model, of a provider as it stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EnabledModel {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its revision; of another one the model is not enabled.
    pub provider_revision: u64,
    /// The model.
    pub model_id: ModelId,
}

impl EnabledModel {
    /// A model of a provider as it stands.
    #[must_use]
    pub fn new(model: &ModelRef, provider_revision: u64) -> Self {
        Self {
            provider_id: model.provider.clone(),
            provider_revision,
            model_id: model.model.clone(),
        }
    }
}

impl Sealable for EnabledModel {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        let id = format!("{}/{}", self.provider_id, self.model_id);
        Statement::new(SealKind::Model, id, self.provider_revision, self, made_at)
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::Signature
    }
}

/// That a person granted contact with a cloud origin, to read what it offers.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ContactGrant {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its revision; another one has no grant.
    pub provider_revision: u64,
    /// The origin.
    pub origin: Origin,
}

impl ContactGrant {
    /// For a provider as it stands.
    #[must_use]
    pub fn of(record: &ProviderRecord) -> Self {
        Self {
            provider_id: record.provider_id.clone(),
            provider_revision: record.revision,
            origin: record.base_url.origin(),
        }
    }
}

impl Sealable for ContactGrant {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        let (kind, id) = (SealKind::Contact, &self.provider_id);
        Statement::new(kind, id, self.provider_revision, self, made_at)
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::Signature
    }
}

/// That a person attested a relay at an address: a local server cannot stand there without their word, whatever became
/// of the relay's record.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AttestedRelay {
    /// The address.
    pub origin: Origin,
}

impl Sealable for AttestedRelay {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        Statement::new(SealKind::Relay, &self.origin, 0, self, made_at)
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::Signature
    }
}

/// That a work profile is the active one.
#[derive(Clone, Copy, Debug)]
pub struct ActiveProfile<'a>(pub &'a WorkProfile);

impl ActiveProfile<'_> {
    /// One is active at a time, so the id says only that.
    pub const ID: &'static str = "active";
}

impl Sealable for ActiveProfile<'_> {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        Statement::new(SealKind::Profile, Self::ID, 0, self.0, made_at)
    }

    /// A person's, where it allows more than holds without any profile.
    fn needs(&self, has_factor: bool) -> Needs {
        if has_factor && self.0.allows_more_than_none() {
            Needs::Signature
        } else {
            Needs::Mac
        }
    }

    fn is_registered(&self) -> bool {
        true
    }
}

/// What a client token opens, and that it was not revoked.
#[derive(Clone, Copy, Debug)]
pub struct GrantedToken<'a> {
    /// The token.
    pub token: &'a ClientToken,
    /// The SHA-256 of it.
    pub sha256: Digest,
}

impl Sealable for GrantedToken<'_> {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        let ClientToken {
            name,
            models,
            profile,
            created_at,
            revoked_at: _,
        } = self.token;
        let opens = serde_json::json!({
            "sha256": self.sha256, "models": models, "profile": profile, "created_at": created_at,
        });
        Statement::new(SealKind::Token, name, 0, &opens, made_at)
    }

    /// Tokens open local models without anybody, and cloud models no further than receipts go.
    fn needs(&self, _: bool) -> Needs {
        Needs::Mac
    }

    fn is_registered(&self) -> bool {
        true
    }
}

/// What was last said of a pause of Cloud. Its seal is the register's word alone: whoever takes the row back does not
/// take that back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CloudPause {
    /// Whether Cloud is paused.
    pub paused: bool,
    /// When a person last paused it. It stays when they resume.
    pub paused_at: Option<UtcTime>,
}

impl CloudPause {
    /// There is one for a home.
    pub const ID: &'static str = "cloud";

    /// What the register keeps of it.
    ///
    /// # Errors
    /// [`NotCanonical`] for a time that has no canonical form.
    pub fn statement(&self) -> Result<Statement, NotCanonical> {
        let made_at = self.paused_at.unwrap_or(UtcTime::from_unix_millis(0));
        Statement::new(SealKind::Pause, Self::ID, 0, self, made_at)
    }
}
