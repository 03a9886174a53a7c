//! What is kept of the operator's rules: those that a person confirmed, and those that were last in force. Kept here,
//! where nobody can edit or delete them unseen. This crate does not read them.

use handshake_core::{digest::Digest, seal::Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{codec::Hex, error::VaultError, vault::Vault};

/// What is kept of the operator's rules.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPolicy {
    /// What a person confirmed; the defaults where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<ConfirmedPolicy>,
    /// What was last in force. Whatever is written, no more is until a person confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<Value>,
    /// The digest of what was written beyond that, once it was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Digest>,
}

/// Rules, and the proof that a person confirmed them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmedPolicy {
    /// The rules.
    pub rules: Value,
    proof: Hex,
}

impl ConfirmedPolicy {
    /// Rules and their proof, as whoever reads them makes it.
    #[must_use]
    pub fn new(rules: Value, proof: Vec<u8>) -> Self {
        let proof = Hex(proof);
        Self { rules, proof }
    }

    /// The proof. Nothing is verified here.
    #[must_use]
    pub fn proof(&self) -> &[u8] {
        &self.proof.0
    }
}

impl Vault {
    /// What is kept; `None` in a vault of a version that kept nothing, which is to be begun once.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn policy(&self) -> Result<Option<KeptPolicy>, VaultError> {
        Ok(self.current()?.index.policy.clone())
    }

    /// Whether this is what is kept.
    ///
    /// # Errors
    /// As [`policy`](Self::policy).
    pub fn policy_is(&self, kept: Option<&KeptPolicy>) -> Result<bool, VaultError> {
        Ok(self.current()?.index.policy.as_ref() == kept)
    }

    /// Changes what is kept, on top of every change made before by anybody. Written durably when this returns.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be written; nothing changed then.
    pub fn keep_policy<T>(
        &self,
        change: impl FnOnce(&mut Option<KeptPolicy>) -> T,
    ) -> Result<T, VaultError> {
        self.change(|_, index| Ok(change(&mut index.policy)))
    }

    /// Puts rules in force that a person confirmed: their statement too, in the place of the one before it.
    ///
    /// # Errors
    /// As [`keep_policy`](Self::keep_policy).
    pub fn confirm_policy(
        &self,
        statement: &Statement,
        confirmed: ConfirmedPolicy,
    ) -> Result<(), VaultError> {
        let digest = statement.digest().map_err(|_| VaultError::Damaged)?;
        self.change(|_, index| {
            let register = index.register.get_or_insert_default();
            register.statements.insert(statement.subject(), digest);
            index.policy = Some(KeptPolicy {
                in_force: Some(confirmed.rules.clone()),
                confirmed: Some(confirmed),
                reported: None,
            });
            Ok(())
        })
    }
}
