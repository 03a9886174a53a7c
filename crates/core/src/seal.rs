//! Seals: what a person allowed, and what this program found out, is believed only as it was written then.
//!
//! A [`Statement`] says of a record which one it is, in which revision, and what exactly is in it. It is signed by
//! the approval key at the moment at which the person allows it, or, where nothing can leave the machine by it, put
//! under a key of the vault. Kind and id are inside the statement, so a seal cannot be moved to another record.

mod declassified;
mod evidence;
mod keys;
mod thing;

use std::fmt;

use serde::Serialize;

pub use self::{
    declassified::{Declassified, declassified_handle, declassified_subject},
    evidence::{Evidence, SealBook},
    keys::{Needs, SealKeys},
    thing::{
        ActiveProfile, AttestedRelay, CloudPause, ContactGrant, EnabledModel, GrantedToken,
        Revised, Sealable,
    },
};
use crate::{
    digest::{Digest, KeyedHash, NotCanonical, canonical_json},
    time::UtcTime,
};

/// The domain of seals, signed or keyed.
pub const SEAL_DOMAIN: &str = "hsk.seal.v1";

/// What is sealed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SealKind {
    /// A provider's record.
    Provider,
    /// A cloud model that a person enabled.
    Model,
    /// What was found out about a model: where it runs among it.
    Snapshot,
    /// Contact with a cloud origin.
    Contact,
    /// The active work profile.
    Profile,
    /// A client token: what it opens.
    Token,
    /// An address at which a person attested a relay.
    Relay,
    /// A receipt: what of it was used, and whether it was revoked.
    Receipt,
    /// Whether a person paused Cloud.
    Pause,
    /// The operator's rules, as a person confirmed them.
    Policy,
    /// A finding that a person declassified.
    Declassified,
}

impl SealKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Snapshot => "snapshot",
            Self::Contact => "contact",
            Self::Profile => "profile",
            Self::Token => "token",
            Self::Relay => "relay",
            Self::Receipt => "receipt",
            Self::Pause => "pause",
            Self::Policy => "policy",
            Self::Declassified => "declassified",
        }
    }
}

impl SealKind {
    /// What is sealed, as a person calls it.
    #[must_use]
    pub fn record(self) -> &'static str {
        match self {
            Self::Provider => "the provider's record",
            Self::Model => "the enabled model",
            Self::Snapshot => "what is known about the model",
            Self::Contact => "the contact grant",
            Self::Profile => "the active work profile",
            Self::Token => "the client token",
            Self::Relay => "the relay's address",
            Self::Receipt => "the receipt",
            Self::Pause => "the pause of cloud calls",
            Self::Policy => "the confirmed policy",
            Self::Declassified => "the declassified finding",
        }
    }
}

impl fmt::Display for SealKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a seal says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Statement {
    schema: &'static str,
    kind: SealKind,
    id: String,
    revision: u64,
    sha256: Digest,
    made_at: UtcTime,
}

impl Statement {
    /// About a record: the digest is over its canonical JSON.
    ///
    /// # Errors
    /// [`NotCanonical`] for a record that has no canonical form; it cannot be sealed then.
    pub fn new<T: Serialize + ?Sized>(
        kind: SealKind,
        id: impl fmt::Display,
        revision: u64,
        record: &T,
        made_at: UtcTime,
    ) -> Result<Self, NotCanonical> {
        Ok(Self {
            schema: "hsk.seal@0.1",
            kind,
            id: id.to_string(),
            revision,
            sha256: Digest::of(&[&canonical_json(record)?]),
            made_at,
        })
    }

    /// What it is about, as a register of present seals names it.
    #[must_use]
    pub fn subject(&self) -> String {
        subject(self.kind, &self.id)
    }

    /// The bytes that are signed or keyed.
    ///
    /// # Errors
    /// [`NotCanonical`] for a revision that canonical JSON cannot hold.
    pub fn bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        canonical_json(self)
    }

    /// The digest of those bytes, as a register of present seals keeps it.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        Ok(Digest::of(&[&self.bytes()?]))
    }
}

/// The name of what is sealed: its kind and its id.
#[must_use]
pub fn subject(kind: SealKind, id: impl fmt::Display) -> String {
    format!("{kind}:{id}")
}

/// Who vouches for a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// This program, with a key of the vault.
    Mac(KeyedHash),
    /// A person, with the approval key.
    Signature([u8; 64]),
}

/// A seal as it is stored beside its record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seal {
    /// When it was made. Part of the statement.
    pub made_at: UtcTime,
    /// Who vouches for it.
    pub proof: Proof,
}

const MAC: u8 = 1;
const SIGNATURE: u8 = 2;

impl Seal {
    /// As a column holds it: what it is, when it was made, the proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, proof) = match &self.proof {
            Proof::Mac(mac) => (MAC, mac.digest().as_bytes().as_slice()),
            Proof::Signature(signature) => (SIGNATURE, signature.as_slice()),
        };
        [&[tag], &self.made_at.unix_millis().to_be_bytes()[..], proof].concat()
    }

    /// Reads a column. `None` for bytes that are no seal: they vouch for nothing.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (made_at, proof) = rest.split_first_chunk::<8>()?;
        let proof = match *tag {
            MAC => Proof::Mac(KeyedHash::from_digest(Digest::from_bytes(
                proof.try_into().ok()?,
            ))),
            SIGNATURE => Proof::Signature(proof.try_into().ok()?),
            _ => return None,
        };
        Some(Self {
            made_at: UtcTime::from_unix_millis(i64::from_be_bytes(*made_at)),
            proof,
        })
    }
}

/// Why a record is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSeal {
    /// It has no seal.
    #[error("not sealed")]
    Missing,
    /// Its seal is not for what it says.
    #[error("changed after it was sealed")]
    Forged,
    /// It was sealed as it stands, and replaced or taken back since.
    #[error("no longer in force")]
    Superseded,
    /// Another revision is stored by now.
    #[error("changed in the meantime")]
    Outdated,
    /// Nobody can say, because the vault cannot be read.
    #[error("cannot be checked")]
    Unreadable,
}

#[cfg(test)]
mod tests;
