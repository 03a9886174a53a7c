//! The approval key: a person's word. Under A1 it opens with a passphrase of its own, for one signature,
//! and is gone again; the open vault alone cannot make one.

use std::{path::Path, sync::Arc, time::Duration};

use ed25519_dalek::{Signer as _, SigningKey};
use handshake_core::{
    attest::{PublicKey, signed_bytes},
    consent::Assurance,
    digest::NotCanonical,
    ids::KeyId,
    ports::{SignError, Signer},
    seal::{Proof, SEAL_DOMAIN, Seal, Sealable},
    secret::Secret,
    time::UtcTime,
};

use serde::{Deserialize, Serialize};

use crate::{
    codec::FixedHex,
    crypto::Key,
    error::VaultError,
    header::{ApprovalInput, ApprovalKey, Header, SlotKind},
    kdf::{KdfParams, check_passphrase},
    recovery::RecoveryCode,
    vault::{Unlock, Vault, read_header},
};

/// How many wrong factors in a row lock approvals.
pub const MAX_FAILED_ATTEMPTS: u32 = 5;

/// How long approvals stay locked after that.
pub const LOCKOUT: Duration = Duration::from_secs(60);

/// Wrong factors in a row, of every process: it stands in the vault, and is counted before a factor is tried, so that
/// whoever ends the process in between has not tried for nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FailedAttempts {
    wrong: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked_until: Option<UtcTime>,
}

impl FailedAttempts {
    /// Counts one that is about to be tried, as if it were wrong. Whatever it answers, what it counted is to be kept.
    ///
    /// # Errors
    /// [`VaultError::LockedOut`] after too many.
    pub fn count(&mut self, now: UtcTime) -> Result<(), VaultError> {
        let left = self
            .locked_until
            .map_or(Duration::ZERO, |until| until.since(now));
        if left > LOCKOUT * 2 {
            // The clock was set back. That neither ends a lock nor makes it longer than it is, counted from here. One that
            // is a little behind, of a process that waited its turn, changes nothing.
            self.locked_until = Some(now.plus(LOCKOUT));
        }
        if !left.is_zero() {
            let again_in = left.min(LOCKOUT);
            return Err(VaultError::LockedOut { again_in });
        }
        self.locked_until = None;
        self.wrong += 1;
        if self.wrong >= MAX_FAILED_ATTEMPTS {
            *self = Self {
                wrong: 0,
                locked_until: Some(now.plus(LOCKOUT)),
            };
        }
        Ok(())
    }
}

/// The factor that a person gives.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// The approval passphrase.
    Passphrase(&'a Secret),
    /// The recovery code.
    Recovery(&'a Secret),
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
    /// and the key is under A1 from then on. It cannot go back to A0. The recovery code of before opens it no more.
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
        let approval = self.approve(old)?;
        self.set_factor(Some(&approval), new, kdf).map(drop)
    }

    /// Takes the approval key in hand, by either factor.
    ///
    /// # Errors
    /// [`VaultError::Factor`], [`VaultError::LockedOut`].
    pub fn approve_with(&self, given: Given<'_>) -> Result<Approval, VaultError> {
        let seed = match given {
            Given::Passphrase(factor) => self.approval_seed(Some(factor))?,
            Given::Recovery(code) => self.tried(&ApprovalInput::Recovery(code))?,
        };
        Ok(Approval::new(&seed))
    }

    /// Puts the approval key under a passphrase, and makes a recovery code that opens it and the vault; the code of
    /// before opens neither any more. Without an approval only where nobody holds the key yet: then it is a new key.
    ///
    /// # Errors
    /// [`VaultError::WeakPassphrase`], [`VaultError::Factor`] without an approval where somebody holds the key.
    pub fn set_factor(
        &self,
        approval: Option<&Approval>,
        passphrase: &Secret,
        kdf: KdfParams,
    ) -> Result<RecoveryCode, VaultError> {
        check_passphrase(passphrase)?;
        let seed = match approval {
            Some(approval) => approval.seed(),
            None => Key::random(&*self.entropy),
        };
        let input = ApprovalInput::Passphrase(passphrase);
        let wrapped = ApprovalKey::wrap(&self.vault_id, &input, kdf, &seed, &*self.entropy)?;
        self.change(|header, index| {
            let same = header.approval.public()? == wrapped.public()?;
            match approval {
                Some(_) if !same => return Err(VaultError::Damaged),
                None if header.approval.is_set() => return Err(VaultError::Factor),
                _ => {}
            }
            header.approval = wrapped;
            index.attempts = FailedAttempts::default();
            self.renew_recovery(header, &seed)
        })
    }

    /// Makes a recovery code in the place of the one before.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be written.
    pub fn make_recovery_code(&self, approval: &Approval) -> Result<RecoveryCode, VaultError> {
        let seed = approval.seed();
        self.change(|header, _| self.renew_recovery(header, &seed))
    }

    fn renew_recovery(&self, header: &mut Header, seed: &Key) -> Result<RecoveryCode, VaultError> {
        let code = RecoveryCode::random(&*self.entropy);
        let secret = code.secret();
        let (id, entropy) = (&self.vault_id, &*self.entropy);
        header.approval = header
            .approval
            .clone()
            .with_recovery(id, &secret, seed, entropy);
        header.slots.retain(|slot| slot.kind != SlotKind::Recovery);
        self.push_slot(header, Unlock::Recovery(&secret), KdfParams::STANDARD)?;
        Ok(code)
    }

    fn approval_seed(&self, factor: Option<&Secret>) -> Result<Key, VaultError> {
        let approval = self.current()?.header.approval.clone();
        match (approval.is_set(), approval.assurance(), factor) {
            (false, ..) => Err(VaultError::Factor),
            (_, Assurance::A0, _) => {
                approval.open(&self.vault_id, &ApprovalInput::DataKey(&self.data_key))
            }
            (.., Some(factor)) => self.tried(&ApprovalInput::Passphrase(factor)),
            // Asking without a factor guesses nothing.
            (.., None) => Err(VaultError::Factor),
        }
    }

    /// Tries a factor that somebody gave: counted as wrong first, and not any more once it was right.
    fn tried(&self, input: &ApprovalInput<'_>) -> Result<Key, VaultError> {
        let (approval, counted) = self.change(|header, index| {
            if !header.approval.is_set() {
                return Err(VaultError::Factor);
            }
            // The time at which nobody else is at it.
            let counted = index.attempts.count(self.clock.now());
            Ok((header.approval.clone(), counted))
        })?;
        counted?;
        let seed = approval.open(&self.vault_id, input)?;
        self.change(|_, index| {
            index.attempts = FailedAttempts::default();
            Ok(())
        })?;
        Ok(seed)
    }

    /// The approval key as it stands in the file, wrapped: to be kept outside the home, so that whoever held it can
    /// say what becomes of its place when the file is gone. `None` where nobody holds it.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn approval_backup(&self) -> Result<Option<ApprovalBackup>, VaultError> {
        let key = self.current()?.header.approval.clone();
        let vault_id = FixedHex(self.vault_id);
        Ok(key.is_set().then_some(ApprovalBackup { vault_id, key }))
    }
}

/// A wrapped approval key outside its vault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalBackup {
    vault_id: FixedHex<16>,
    key: ApprovalKey,
}

impl ApprovalBackup {
    /// The one of a vault that is not open. Not authenticated, but for what opens with the factor.
    ///
    /// # Errors
    /// As [`Vault::inspect`].
    pub fn of(path: &Path) -> Result<Option<Self>, VaultError> {
        let (vault_id, header) = read_header(path)?;
        let (vault_id, key) = (FixedHex(vault_id), header.approval);
        Ok(key.is_set().then_some(Self { vault_id, key }))
    }

    /// The name of the key.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn key_id(&self) -> Result<KeyId, VaultError> {
        Ok(self.key.public()?.id().clone())
    }

    /// Takes the key in hand. Whoever calls it counts wrong factors.
    ///
    /// # Errors
    /// [`VaultError::Factor`].
    pub fn approve(&self, given: Given<'_>) -> Result<Approval, VaultError> {
        let input = match given {
            Given::Passphrase(factor) => ApprovalInput::Passphrase(factor),
            Given::Recovery(code) => ApprovalInput::Recovery(code),
        };
        Ok(Approval::new(&self.key.open(&self.vault_id.0, &input)?))
    }
}

/// The approval key, in the hand of a person who gave the factor for one decision. It seals what they allow by it,
/// and is gone when the decision is made.
pub struct Approval(SigningKey);

impl Approval {
    pub(crate) fn new(seed: &Key) -> Self {
        Self(SigningKey::from_bytes(seed.as_bytes()))
    }

    /// The name of the key.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] for a key that is no key, which does not happen.
    pub fn key_id(&self) -> Result<KeyId, VaultError> {
        let public = self.0.verifying_key().to_bytes();
        let public = PublicKey::from_bytes(&public).map_err(|_| VaultError::Damaged)?;
        Ok(public.id().clone())
    }

    fn seed(&self) -> Key {
        Key::from_bytes(self.0.to_bytes())
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
