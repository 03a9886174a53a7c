//! What the list says of one home.

use std::path::PathBuf;

use handshake_core::{ids::KeyId, time::UtcTime};
use handshake_vault::{ApprovalBackup, FailedAttempts, Vault};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// One trusted home.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustedHome {
    pub(crate) path: PathBuf,
    pub(crate) install_id: String,
    pub(crate) approval_key: KeyId,
    /// Rises when the machine was started again, or the home was put back: receipts of an older run are void.
    pub(crate) run: u64,
    pub(crate) boot_id: String,
    /// Whether more of it is noted beside this list. Where that is missing then, somebody took it away.
    #[serde(default)]
    pub(crate) anchored: bool,
    /// Who can say that another home may take its place.
    #[serde(default)]
    pub(crate) held: Held,
    /// Wrong factors, of every process, that were given for its place.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) attempts: FailedAttempts,
    /// How often its place was found taken, or a wrong factor was given for it, since it was opened last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) disturbed: u32,
    /// The other home that was found in its place last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instead: Option<Identity>,
    /// What was trusted at its path before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) displaced: Vec<Displaced>,
}

/// Which home it is, wherever it lies.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) install_id: String,
    pub(crate) approval_key: KeyId,
}

/// Who holds the approval factor of a home.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Held {
    /// Written by a version that did not say. Known again once the home is opened.
    #[default]
    Unknown,
    /// Nobody: it was made without one.
    Nobody,
    /// Whoever opens this copy of its wrapped key, with the passphrase or the recovery code. It stands here because the
    /// home's own files may be gone by then.
    Key(Box<ApprovalBackup>),
}

/// A home that another one took the place of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Displaced {
    /// All that is known of it: it may come back elsewhere, and is no older then than it was.
    pub(crate) home: Box<TrustedHome>,
    pub(crate) at: UtcTime,
}

impl TrustedHome {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            install_id: self.install_id.clone(),
            approval_key: self.approval_key.clone(),
        }
    }
}

impl Held {
    pub(crate) fn by(vault: &Vault) -> Result<Self> {
        Ok(match vault.approval_backup()? {
            Some(backup) => Self::Key(Box::new(backup)),
            None => Self::Nobody,
        })
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
