//! The approval key: a person's word. Under A1 it opens with a passphrase of its own, for one signature,
//! and is gone again; the open vault alone cannot make one.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use ed25519_dalek::{Signer as _, SigningKey};
use handshake_core::{
    attest::{PublicKey, signed_bytes},
    consent::Assurance,
    digest::NotCanonical,
    ports::{SignError, Signer},
    seal::{Proof, SEAL_DOMAIN, Seal, Sealable},
    secret::Secret,
    time::UtcTime,
};

use crate::{
    crypto::Key,
    error::VaultError,
    header::{ApprovalInput, ApprovalKey},
    kdf::{KdfParams, check_passphrase},
    vault::Vault,
};

/// How many wrong factors in a row lock approvals.
pub const MAX_FAILED_ATTEMPTS: u32 = 5;

/// How long approvals stay locked after that.
pub const LOCKOUT: Duration = Duration::from_secs(60);

/// Failed attempts in this process. Another process has its own count; there the cost of the derivation is what
/// slows a guesser.
#[derive(Debug, Default)]
pub(crate) struct FailedAttempts {
    wrong: u32,
    /// On the monotonic clock.
    locked_until: Option<Duration>,
}

impl Vault {
    /// Whether there is an approval factor: whether a person can approve anything. A file beside the vault cannot
    /// say otherwise; this is authenticated.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn has_factor(&self) -> Result<bool, VaultError> {
        Ok(self.current()?.header.approval.is_set())
    }

    /// Checks the approval factor without signing, for what widens and needs no receipt.
    ///
    /// # Errors
    /// [`VaultError::Factor`], [`VaultError::LockedOut`].
    pub fn check_factor(&self, factor: Option<&Secret>) -> Result<(), VaultError> {
        self.approval_seed(factor).map(drop)
    }

    /// Takes the approval key in hand, to seal what one decision of a person allows.
    ///
    /// # Errors
    /// [`VaultError::Factor`], [`VaultError::LockedOut`].
    pub fn approve(&self, factor: Option<&Secret>) -> Result<Approval, VaultError> {
        Ok(Approval::new(&self.approval_seed(factor)?))
    }

    /// Wraps the approval key under another passphrase. The old factor is needed; under A0 there is none,
    /// and the key is under A1 from then on. It cannot go back to A0.
    ///
    /// # Errors
    /// [`VaultError::Factor`], [`VaultError::LockedOut`], [`VaultError::WeakPassphrase`].
    pub fn change_approval_factor(
        &self,
        old: Option<&Secret>,
        new: &Secret,
        kdf: KdfParams,
    ) -> Result<(), VaultError> {
        check_passphrase(new)?;
        let seed = self.approval_seed(old)?;
        let input = ApprovalInput::Passphrase(new);
        let wrapped = ApprovalKey::wrap(&self.vault_id, &input, kdf, &seed, &*self.entropy)?;
        self.change(|header, _| {
            if header.approval.public()? != wrapped.public()? {
                return Err(VaultError::Damaged);
            }
            header.approval = wrapped;
            Ok(())
        })
    }

    fn approval_seed(&self, factor: Option<&Secret>) -> Result<Key, VaultError> {
        // Held during the derivation: parallel guesses are counted one after the other.
        let mut attempts = self.failed_attempts();
        let now = self.clock.monotonic();
        if attempts.locked_until.is_some_and(|until| now < until) {
            return Err(VaultError::LockedOut);
        }
        attempts.locked_until = None;
        let approval = self.current()?.header.approval.clone();
        if !approval.is_set() {
            return Err(VaultError::Factor);
        }
        let outcome = match (approval.assurance(), factor) {
            (Assurance::A0, _) => {
                approval.open(&self.vault_id, &ApprovalInput::DataKey(&self.data_key))
            }
            (_, Some(factor)) => approval.open(&self.vault_id, &ApprovalInput::Passphrase(factor)),
            // Asking without a factor guesses nothing.
            (_, None) => return Err(VaultError::Factor),
        };
        match &outcome {
            Ok(_) => attempts.wrong = 0,
            Err(VaultError::Factor) => {
                attempts.wrong += 1;
                if attempts.wrong >= MAX_FAILED_ATTEMPTS {
                    *attempts = FailedAttempts {
                        wrong: 0,
                        locked_until: Some(now + LOCKOUT),
                    };
                }
            }
            Err(_) => {}
        }
        outcome
    }

    fn failed_attempts(&self) -> MutexGuard<'_, FailedAttempts> {
        self.failed_attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The approval key, in the hand of a person who gave the factor for one decision. It seals what they allow by it,
/// and is gone when the decision is made.
pub struct Approval(SigningKey);

impl Approval {
    pub(crate) fn new(seed: &Key) -> Self {
        Self(SigningKey::from_bytes(seed.as_bytes()))
    }

    /// Seals a record as it stands.
    ///
    /// # Errors
    /// [`NotCanonical`] for one without a canonical form.
    pub fn seal(
        &self,
        thing: &(impl Sealable + ?Sized),
        made_at: UtcTime,
    ) -> Result<Seal, NotCanonical> {
        let message = thing.statement(made_at)?.bytes()?;
        let signature = self.0.sign(&signed_bytes(SEAL_DOMAIN, &message));
        Ok(Seal {
            made_at,
            proof: Proof::Signature(signature.to_bytes()),
        })
    }
}

impl std::fmt::Debug for Approval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Approval(..)")
    }
}

/// Signs with the approval key of a vault.
#[derive(Clone, Debug)]
pub struct ApprovalSigner(Arc<Vault>);

impl ApprovalSigner {
    /// The signer of this vault's approval key.
    #[must_use]
    pub fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }
}

impl Signer for ApprovalSigner {
    fn public_key(&self) -> PublicKey {
        self.0.last_known().approval_key.clone()
    }

    fn assurance(&self) -> Assurance {
        self.0.last_known().header.approval.assurance()
    }

    fn sign(
        &self,
        domain: &str,
        message: &[u8],
        factor: Option<&Secret>,
    ) -> Result<[u8; 64], SignError> {
        let seed = self.0.approval_seed(factor)?;
        let key = SigningKey::from_bytes(seed.as_bytes());
        Ok(key.sign(&signed_bytes(domain, message)).to_bytes())
    }
}
