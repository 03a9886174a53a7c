//! A record that is not believed, and what a person is told of it.

use std::sync::Arc;

use handshake_core::{
    capability::SharedSnapshot,
    event::WidenKind,
    ids::{ModelRef, ProviderId, RuleId},
    profile::WorkProfile,
    provider::ProviderRecord,
    seal::{BadSeal, ContactGrant, SealKind},
    tier::Reach,
};

/// A record that is not believed, because it is not as it was sealed.
#[derive(Debug)]
pub struct Unsealed {
    /// What it is.
    pub kind: SealKind,
    /// Which one.
    pub id: String,
    /// Why it is not believed.
    pub why: BadSeal,
    pub(super) record: Record,
}

#[derive(Debug)]
pub(super) enum Record {
    Provider(Arc<ProviderRecord>),
    Model(ModelRef, SharedSnapshot),
    Contact(ContactGrant),
    Profile(Option<Box<WorkProfile>>),
    Token,
    Pause,
    Declassified(RuleId, ProviderId),
}

impl Unsealed {
    /// What it says, in a few words, for the person who decides whether it is right.
    #[must_use]
    pub fn says(&self) -> String {
        match &self.record {
            Record::Provider(record) => {
                let relay = match record.reach {
                    Reach::Relay => " (a relay)",
                    Reach::Direct => "",
                };
                let secret = record.secret_ref.as_ref();
                let secret = secret.map_or_else(String::new, |secret| format!(", sends {secret}"));
                format!(
                    "the {} provider {}{relay} at {}{secret}",
                    record.tier.as_str(),
                    record.provider_id,
                    record.base_url
                )
            }
            Record::Model(model, _) => format!("the cloud model {model}, enabled"),
            Record::Contact(grant) => {
                format!("contact with {} to read its models", grant.origin)
            }
            Record::Profile(Some(profile)) => {
                format!("the active work profile {}", profile.profile_id)
            }
            Record::Profile(None) => "the active work profile, missing or unreadable".to_owned(),
            Record::Token => format!("the client token {}", self.id),
            Record::Pause => "whether cloud calls are paused".to_owned(),
            Record::Declassified(rule, provider) => {
                format!("a finding of {rule} declassified for {provider}")
            }
        }
    }

    /// What sealing it widens.
    #[must_use]
    pub fn widens(&self) -> WidenKind {
        match &self.record {
            Record::Provider(record) if record.reach == Reach::Relay => WidenKind::Relay,
            Record::Provider(_) => WidenKind::Provider,
            Record::Model(..) => WidenKind::Model,
            Record::Contact(_) => WidenKind::Contact,
            Record::Profile(_) | Record::Token => WidenKind::Profile,
            Record::Pause => WidenKind::Resume,
            Record::Declassified(..) => WidenKind::Declassified,
        }
    }

    /// Whether a person can seal it as it stands. What cannot be has to be made anew.
    #[must_use]
    pub fn can_be_sealed(&self) -> bool {
        !matches!(
            self.record,
            Record::Profile(None) | Record::Token | Record::Pause | Record::Declassified(..)
        )
    }

    /// The command that makes it anew.
    #[must_use]
    pub fn how_to_mend(&self) -> String {
        let id = &self.id;
        match &self.record {
            Record::Provider(_) => {
                format!(
                    "run `handshake provider remove {id}`, then `handshake provider add {id} …`"
                )
            }
            Record::Model(model, _) => format!(
                "run `handshake provider enable {} {}`",
                model.provider, model.model
            ),
            Record::Contact(_) => format!("run `handshake provider check {id} --grant`"),
            Record::Profile(_) => "run `handshake profile activate ID`".to_owned(),
            Record::Token => format!("run `handshake token revoke {id}`"),
            Record::Pause => "run `handshake resume`".to_owned(),
            Record::Declassified(..) => {
                format!("run `handshake leak declassified --remove {id}`")
            }
        }
    }
}

pub(super) fn unsealed(kind: SealKind, id: String, why: BadSeal, record: Record) -> Unsealed {
    Unsealed {
        kind,
        id,
        why,
        record,
    }
}
