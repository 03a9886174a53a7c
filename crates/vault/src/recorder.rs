//! The recorder's keys: each signs its successor and is then destroyed.
//!
//! A change of epoch has two steps, so that a crash between vault and log loses nothing: `prepare_epoch`
//! keeps the successor beside the present key until the handover is in the log, and `commit_epoch` destroys
//! the old one afterwards. Both may be repeated.

use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use handshake_core::{
    attest::{PublicKey, signed_bytes},
    consent::Assurance,
    ports::{Entropy, SignError, Signer},
    secret::Secret,
};

use crate::{
    codec::{FixedHex, Hex},
    crypto::{Key, bind},
    error::VaultError,
    index::RecorderKey,
    vault::{KEYS, Vault},
};

/// A prepared change of the recorder's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochKeys {
    /// The number of the epoch that begins.
    pub epoch: u64,
    /// The key that signs the handover.
    pub current: PublicKey,
    /// The key that is handed over to.
    pub next: PublicKey,
}

impl Vault {
    /// The number of the recorder's epoch; the first is 0.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn epoch(&self) -> Result<u64, VaultError> {
        Ok(self.current()?.index.keys.recorder.epoch)
    }

    /// Prepares a successor of the recorder's key, or gives the one that is prepared already. The caller
    /// signs the handover with the present key, stores it in the log, and calls [`Vault::commit_epoch`].
    /// When the log's last handover names `next`, the commit is all that is missing.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be written.
    pub fn prepare_epoch(&self) -> Result<EpochKeys, VaultError> {
        let prepared = self.change(|_, index| {
            let epoch = index.keys.recorder.epoch.saturating_add(1);
            let next = index.keys.next_recorder.take().unwrap_or_else(|| {
                new_recorder_key(&self.vault_id, &self.key(KEYS), epoch, &*self.entropy)
            });
            let publics = (index.keys.recorder.public.0, next.public.0);
            index.keys.next_recorder = Some(next);
            Ok((epoch, publics))
        })?;
        let (epoch, (current, next)) = prepared;
        let public = |bytes| PublicKey::from_bytes(&bytes).map_err(|_| VaultError::Damaged);
        Ok(EpochKeys {
            epoch,
            current: public(current)?,
            next: public(next)?,
        })
    }

    /// Makes the prepared key the present one and destroys the old one. Nothing happens when `next` is the
    /// present key already.
    ///
    /// # Errors
    /// [`VaultError::UnknownEpoch`] when another key, or none, is prepared.
    pub fn commit_epoch(&self, next: &PublicKey) -> Result<(), VaultError> {
        self.change(|_, index| {
            let keys = &mut index.keys;
            if keys.recorder.public.0 == next.to_bytes() {
                return Ok(());
            }
            match keys.next_recorder.take() {
                Some(prepared) if prepared.public.0 == next.to_bytes() => {
                    keys.recorder = prepared;
                    Ok(())
                }
                _ => Err(VaultError::UnknownEpoch),
            }
        })
    }
}

pub(crate) fn new_recorder_key(
    vault_id: &[u8; 16],
    keys_key: &Key,
    epoch: u64,
    entropy: &dyn Entropy,
) -> RecorderKey {
    let seed = Key::random(entropy);
    let public = SigningKey::from_bytes(seed.as_bytes())
        .verifying_key()
        .to_bytes();
    let sealed = keys_key.seal(
        entropy,
        seed.as_bytes(),
        &bound_to(vault_id, epoch, &public),
    );
    RecorderKey {
        epoch,
        public: FixedHex(public),
        seed: Hex(sealed),
    }
}

fn bound_to(vault_id: &[u8; 16], epoch: u64, public: &[u8; 32]) -> Vec<u8> {
    bind(&[
        b"hsk.vault.recorder.v1",
        vault_id,
        &epoch.to_be_bytes(),
        public,
    ])
}

/// Signs with the recorder's present key. There is no factor: the log goes on without a person.
#[derive(Clone, Debug)]
pub struct RecorderSigner(Arc<Vault>);

impl RecorderSigner {
    /// The signer of this vault's recorder key.
    #[must_use]
    pub fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }
}

impl Signer for RecorderSigner {
    fn public_key(&self) -> PublicKey {
        // Another process may have changed the epoch; if the file cannot be read, signing will say so.
        match self.0.current() {
            Ok(state) => state.recorder_key.clone(),
            Err(_) => self.0.last_known().recorder_key.clone(),
        }
    }

    fn assurance(&self) -> Assurance {
        Assurance::A0
    }

    fn sign(
        &self,
        domain: &str,
        message: &[u8],
        _factor: Option<&Secret>,
    ) -> Result<[u8; 64], SignError> {
        let state = self.0.current()?;
        let recorder = &state.index.keys.recorder;
        let seed = self
            .0
            .key(KEYS)
            .open(
                &recorder.seed.0,
                &bound_to(&self.0.vault_id, recorder.epoch, &recorder.public.0),
            )
            .map_err(|_| SignError::Damaged)?;
        let seed = Key::from_slice(&seed).ok_or(SignError::Damaged)?;
        Ok(SigningKey::from_bytes(seed.as_bytes())
            .sign(&signed_bytes(domain, message))
            .to_bytes())
    }
}
