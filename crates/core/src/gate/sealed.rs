//! The seals of what a call rests on: the provider's record, and for Cloud the model that a person enabled or the
//! contact that they granted.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{
    Gate,
    facts::{Purpose, SealFact},
    locate::Subject,
};
use crate::{
    code::ErrorCode,
    error::CallError,
    event::{Actor, Body, EventScope},
    ids::ModelRef,
    ports::FlightRecorderExt,
    seal::{BadSeal, ContactGrant, EnabledModel, SealKeys, SealKind, subject},
    tier::ModelTier,
};

/// Which broken seals were reported by this process.
#[derive(Default)]
pub(super) struct Alarms(Mutex<BTreeSet<String>>);

impl Alarms {
    /// Whether this one was not reported yet; it counts as reported from now on.
    pub(super) fn is_first(&self, kind: SealKind, scope: &EventScope) -> bool {
        let about = |id: Option<&str>| id.unwrap_or("-").to_owned();
        let provider = about(scope.provider_id.as_ref().map(|id| id.as_str()));
        let id = match kind {
            SealKind::Model | SealKind::Snapshot => {
                let model = about(scope.model_id.as_ref().map(|id| id.as_str()));
                format!("{provider}/{model}")
            }
            _ => provider,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(subject(kind, id))
    }
}

impl Gate {
    /// Records that a stored record is not as it was sealed, once for each record. For what is refused before the
    /// gate is asked.
    ///
    /// # Errors
    /// `HSK-500-STORAGE` when it cannot be recorded.
    pub async fn report_broken_seal(
        &self,
        kind: SealKind,
        scope: &EventScope,
    ) -> Result<(), CallError> {
        if !self.alarms.is_first(kind, scope) {
            return Ok(());
        }
        let code = ErrorCode::HomeUntrusted;
        let event = self.event(scope, Actor::System, Body::IntegrityAlarm { code });
        let appended = self.ports.recorder.append(event).await;
        appended.map_err(|_| CallError::new(ErrorCode::Storage, crate::code::Phase::Storage))?;
        Ok(())
    }

    /// Whether everything that the call rests on is as it was sealed.
    pub(super) async fn seal_of(&self, of: &Subject<'_>) -> SealFact {
        let Some(keys) = self.ports.seal_keys.as_deref() else {
            return SealFact::Broken(SealKind::Provider);
        };
        let provider = match self.ports.seals.provider_seal(of.record) {
            Ok(evidence) => evidence.judge(of.record, keys),
            Err(_) => return SealFact::Unreadable,
        };
        match provider {
            Ok(()) => {}
            // What is about to be registered or changed is stored in no such revision yet, and whether it may be is asked
            // of its server first: on this machine alone, with nothing of anybody's and without a secret.
            Err(BadSeal::Outdated) if of.identifies && of.record.tier == ModelTier::Local => {}
            Err(bad) => return broken(SealKind::Provider, bad),
        }
        match (of.record.tier, of.purpose) {
            (ModelTier::Local, _) => SealFact::Sealed,
            (ModelTier::Cloud, Purpose::Content) => self.enabled_model(of, keys),
            (ModelTier::Cloud, Purpose::Control) => self.contact_grant(of, keys).await,
        }
    }

    fn enabled_model(&self, of: &Subject<'_>, keys: &SealKeys) -> SealFact {
        // An envelope without a model breaks its own rules, and is refused for that.
        let Some(id) = &of.envelope.model_id else {
            return SealFact::Sealed;
        };
        let model = ModelRef {
            provider: of.record.provider_id.clone(),
            model: id.clone(),
        };
        let Ok(seal) = self.ports.seals.model_seal(&model) else {
            return SealFact::Unreadable;
        };
        let enabled = EnabledModel::new(&model, of.record.revision);
        match keys.check(&enabled, seal.as_ref()) {
            Ok(()) => SealFact::Sealed,
            Err(bad) => broken(SealKind::Model, bad),
        }
    }

    /// A grant that is not there is no broken one: the step of contact says so.
    async fn contact_grant(&self, of: &Subject<'_>, keys: &SealKeys) -> SealFact {
        let (provider, revision) = (&of.record.provider_id, of.record.revision);
        let contacts = &self.ports.contacts;
        if !contacts.granted(provider, revision).await.unwrap_or(false) {
            return SealFact::Sealed;
        }
        let Ok(seal) = self.ports.seals.contact_seal(provider, revision).await else {
            return SealFact::Unreadable;
        };
        match keys.check(&ContactGrant::of(of.record), seal.as_ref()) {
            Ok(()) => SealFact::Sealed,
            Err(bad) => broken(SealKind::Contact, bad),
        }
    }
}

fn broken(kind: SealKind, bad: BadSeal) -> SealFact {
    match bad {
        BadSeal::Unreadable => SealFact::Unreadable,
        BadSeal::Outdated => SealFact::Outdated,
        BadSeal::Missing | BadSeal::Forged | BadSeal::Superseded => SealFact::Broken(kind),
    }
}
