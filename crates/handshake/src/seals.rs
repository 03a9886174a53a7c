//! What a person allows, and the seal that says so.

mod unsealed;

use std::sync::Arc;

use handshake_core::{
    capability::{CapabilitySnapshot, SharedSnapshot},
    code::{ErrorCode, Phase},
    event::Event,
    ids::{ModelId, ModelRef},
    ports::{ContactGrants, ProfileStore, RegistryFeed, StoreError},
    profile::{RegistryView, WorkProfile},
    provider::ProviderRecord,
    seal::{
        ActiveProfile, BadSeal, ContactGrant, EnabledModel, Needs, Seal, SealKind, Sealable,
        subject,
    },
    tier::ModelTier,
};
use handshake_runtime::registry;
use handshake_vault::Approval;

pub use self::unsealed::Unsealed;
use self::unsealed::{Record, unsealed};
use crate::{
    error::{Error, Result},
    wire::Parts,
};

impl Parts {
    /// Whose word a provider needs that is registered, or put in the place of another. Beyond what its seal needs, a
    /// person's where a server that was attested as a relay would become a local one.
    ///
    /// # Errors
    /// The store's.
    pub fn needed_for(
        &self,
        next: &ProviderRecord,
        before: Option<&ProviderRecord>,
    ) -> Result<Needs> {
        let has_factor = self.seals.has_factor();
        let own = next.needs(has_factor);
        if own == Needs::Signature || !has_factor {
            return Ok(own);
        }
        let origin = next.base_url.origin();
        let relay = self
            .seals
            .is_expected(&subject(SealKind::Relay, &origin))
            .map_err(|error| Error::new(ErrorCode::VaultLocked, Phase::Gate, error.to_string()))?;
        let view = self.store.current()?;
        let was_more = before.is_some_and(|before| {
            // What is there is not believed, and so says nothing about what it was.
            let believed = view.seals.provider(&Arc::new(before.clone())).is_ok();
            before.needs(has_factor) == Needs::Signature || !believed
        });
        if relay || was_more {
            Ok(Needs::Signature)
        } else {
            Ok(Needs::Mac)
        }
    }

    /// The seal of what a person allows; `None` for what needs none of them.
    pub(crate) fn sealed(
        &self,
        thing: &dyn Sealable,
        approval: Option<&Approval>,
    ) -> Result<Option<Seal>> {
        if thing.needs(self.seals.has_factor()) == Needs::Mac {
            return Ok(None);
        }
        let approval = approval.ok_or_else(|| {
            Error::new(
                ErrorCode::FactorRequired,
                Phase::Gate,
                "the approval passphrase is required",
            )
        })?;
        let seal = approval.seal(thing, self.clock.now());
        seal.map(Some)
            .map_err(|error| Error::new(ErrorCode::Storage, Phase::Storage, error.to_string()))
    }

    /// A provider's seal: the person's, wherever they gave their word.
    fn sealed_by(
        &self,
        record: &ProviderRecord,
        approval: Option<&Approval>,
    ) -> Result<Option<Seal>> {
        match approval {
            Some(approval) => approval
                .seal(record, self.clock.now())
                .map(Some)
                .map_err(|error| Error::new(ErrorCode::Storage, Phase::Storage, error.to_string())),
            None => self.sealed(record, None),
        }
    }

    /// Registers providers, each under its seal, with what the log says about it.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` without an approval where one is needed, and the store's.
    pub async fn register_providers(
        &self,
        records: Vec<ProviderRecord>,
        approval: Option<&Approval>,
        events: Vec<Event>,
    ) -> Result<()> {
        let mut sealed = Vec::with_capacity(records.len());
        for record in records {
            let seal = self.sealed_by(&record, approval)?;
            sealed.push((record, seal));
        }
        Ok(self.store.register(sealed, events).await?)
    }

    /// Puts a provider in the place of another revision of it.
    ///
    /// # Errors
    /// As [`register_providers`](Self::register_providers).
    pub async fn replace_provider(
        &self,
        next: ProviderRecord,
        replaces: u64,
        approval: Option<&Approval>,
    ) -> Result<()> {
        let seal = self.sealed_by(&next, approval)?;
        Ok(self.store.put_sealed(next, Some(replaces), seal).await?)
    }

    /// Enables a model.
    ///
    /// # Errors
    /// As [`register_providers`](Self::register_providers).
    pub async fn enable_model(
        &self,
        record: &Arc<ProviderRecord>,
        model: &ModelId,
        declared: impl Into<registry::Declared>,
        approval: Option<&Approval>,
    ) -> Result<CapabilitySnapshot> {
        let ports = self.runtime.ports();
        if record.tier == ModelTier::Local {
            return Ok(registry::enable(ports, record, model, declared).await?);
        }
        let model_ref = ModelRef {
            provider: record.provider_id.clone(),
            model: model.clone(),
        };
        let enabled = EnabledModel::new(&model_ref, record.revision);
        let seal = self.sealed(&enabled, approval)?;
        let snapshot = registry::enabled(ports, record, model, declared).await?;
        if let Some(seal) = seal {
            let stored = self.store.enable_sealed(&model_ref, snapshot.clone(), seal);
            stored.await?;
        }
        Ok(snapshot)
    }

    /// Grants contact with a cloud provider.
    ///
    /// # Errors
    /// As [`register_providers`](Self::register_providers).
    pub async fn grant_contact(
        &self,
        record: &ProviderRecord,
        approval: Option<&Approval>,
    ) -> Result<()> {
        let grant = ContactGrant::of(record);
        if let Some(seal) = self.sealed(&grant, approval)? {
            ContactGrants::grant(&self.store, &grant, seal).await?;
        }
        Ok(())
    }

    /// Activates a stored work profile.
    ///
    /// # Errors
    /// As [`register_providers`](Self::register_providers).
    pub async fn activate_profile(
        &self,
        profile: &WorkProfile,
        approval: Option<&Approval>,
    ) -> Result<()> {
        let seal = self.sealed(&ActiveProfile(profile), approval)?;
        let activated = self.store.activate_sealed(&profile.profile_id, seal);
        Ok(activated.await?)
    }

    /// Everything here that is not believed.
    ///
    /// # Errors
    /// The store's.
    pub async fn unsealed(&self) -> Result<Vec<Unsealed>> {
        let view = self.store.current()?;
        let mut found = Vec::new();
        for record in view.providers.values() {
            if let Err(why) = view.seals.provider(record) {
                let id = record.provider_id.to_string();
                found.push(unsealed(
                    SealKind::Provider,
                    id,
                    why,
                    Record::Provider(Arc::clone(record)),
                ));
            }
            if record.tier == ModelTier::Cloud {
                found.extend(self.unsealed_grant(record).await?);
            }
        }
        for (model, known) in &view.snapshots {
            found.extend(self.unsealed_model(&view, model, known));
        }
        for said in self.declassified().await? {
            // What ended with its provider's revision is no broken one.
            if let Some(why) = said.why.filter(|why| *why != BadSeal::Outdated) {
                let record = Record::Declassified(said.rule, said.provider_id);
                found.push(unsealed(SealKind::Declassified, said.id, why, record));
            }
        }
        for (kind, id) in &view.seals.broken {
            let (record, why) = match kind {
                SealKind::Profile => (
                    Record::Profile(self.stored_profile().await?),
                    BadSeal::Forged,
                ),
                SealKind::Pause => (Record::Pause, BadSeal::Forged),
                _ => (Record::Token, BadSeal::Forged),
            };
            found.push(unsealed(*kind, id.clone(), why, record));
        }
        Ok(found)
    }

    async fn unsealed_grant(&self, record: &ProviderRecord) -> Result<Option<Unsealed>> {
        use handshake_core::ports::SealStore;
        let (id, revision) = (&record.provider_id, record.revision);
        if !self.store.granted(id, revision).await? {
            return Ok(None);
        }
        let grant = ContactGrant::of(record);
        let seal = self.store.contact_seal(id, revision).await?;
        let checked = self.seals.check(&grant, seal.as_ref());
        Ok(checked.err().map(|why| {
            unsealed(
                SealKind::Contact,
                id.to_string(),
                why,
                Record::Contact(grant),
            )
        }))
    }

    fn unsealed_model(
        &self,
        view: &RegistryView,
        model: &ModelRef,
        known: &SharedSnapshot,
    ) -> Option<Unsealed> {
        let record = view.providers.get(&model.provider)?;
        // What was enabled of an older revision is enabled no more, sealed or not; a local model is read again.
        let enabled = known.enabled && known.provider_revision == record.revision;
        if record.tier == ModelTier::Local || !enabled {
            return None;
        }
        let enabled = EnabledModel::new(model, record.revision);
        let seal = view.seals.enabled.get(model);
        let by_person = self.seals.check(&enabled, seal);
        let why = by_person.and_then(|()| view.seals.snapshot(known)).err()?;
        let record = Record::Model(model.clone(), known.clone());
        Some(unsealed(SealKind::Model, model.to_string(), why, record))
    }

    async fn stored_profile(&self) -> Result<Option<Box<WorkProfile>>> {
        let id = self.store.active_profile_id().await?;
        let all = match ProfileStore::list(&self.store).await {
            // One that cannot be read cannot be shown either.
            Err(StoreError::Damaged) => return Ok(None),
            all => all?,
        };
        let found = all
            .into_iter()
            .find(|profile| Some(&profile.profile_id) == id.as_ref());
        Ok(found.map(Box::new))
    }

    /// Seals records as they stand, after a person looked at what each of them says.
    ///
    /// # Errors
    /// The store's; some of them are sealed then.
    pub async fn seal_again(&self, records: &[Unsealed], approval: &Approval) -> Result<()> {
        let approval = Some(approval);
        for unsealed in records {
            match &unsealed.record {
                Record::Provider(record) => {
                    let (next, revision) = ((**record).clone(), record.revision);
                    self.replace_provider(next, revision, approval).await?;
                }
                Record::Model(model, known) => {
                    let enabled = EnabledModel::new(model, known.provider_revision);
                    if let Some(seal) = self.sealed(&enabled, approval)? {
                        let known = (**known).clone();
                        self.store.enable_sealed(model, known, seal).await?;
                    }
                }
                Record::Contact(grant) => {
                    if let Some(seal) = self.sealed(grant, approval)? {
                        self.store.grant(grant, seal).await?;
                    }
                }
                Record::Profile(Some(profile)) => {
                    self.activate_profile(profile, approval).await?;
                }
                Record::Profile(None)
                | Record::Token
                | Record::Pause
                | Record::Declassified(..) => {}
            }
        }
        Ok(())
    }
}
