//! The readable part of the file: the slots that wrap the data key, and the approval key under its own
//! factor. It holds no name and no origin.

use handshake_core::{
    attest::PublicKey,
    consent::Assurance,
    ports::{Entropy, EntropyExt},
    secret::Secret,
};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{FixedHex, Hex},
    crypto::{Key, bind, derive},
    error::VaultError,
    kdf::KdfParams,
    recovery::{self, Wrapped},
};

/// The most slots that a vault has: each costs a key derivation when opening.
pub(crate) const MAX_SLOTS: usize = 16;

/// The number of a slot within its vault; never used again.
pub type SlotId = u32;

/// What opens a slot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SlotKind {
    /// A passphrase that a person types.
    Passphrase,
    /// A file: whatever can read it can read every secret of the vault.
    KeyFile,
    /// The recovery code, which a person keeps on paper.
    Recovery,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) next_slot: SlotId,
    pub(crate) slots: Vec<Slot>,
    pub(crate) approval: ApprovalKey,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slot {
    pub(crate) id: SlotId,
    pub(crate) kind: SlotKind,
    /// For a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kdf: Option<KdfParams>,
    salt: FixedHex<16>,
    wrapped: Hex,
}

/// What a slot is opened with.
pub(crate) enum SlotInput<'a> {
    Passphrase(&'a Secret),
    KeyFile(&'a Secret),
    Recovery(&'a Secret),
}

impl Slot {
    pub(crate) fn wrap(
        id: SlotId,
        vault_id: &[u8; 16],
        input: &SlotInput<'_>,
        kdf: KdfParams,
        data_key: &Key,
        entropy: &dyn Entropy,
    ) -> Result<Self, VaultError> {
        let (kind, kdf) = match input {
            SlotInput::Passphrase(_) => (SlotKind::Passphrase, Some(kdf)),
            SlotInput::KeyFile(_) => (SlotKind::KeyFile, None),
            SlotInput::Recovery(_) => (SlotKind::Recovery, None),
        };
        let mut slot = Self {
            id,
            kind,
            kdf,
            salt: FixedHex(entropy.bytes()),
            wrapped: Hex(Vec::new()),
        };
        let key = slot.key(input)?.ok_or(VaultError::Locked)?;
        slot.wrapped = Hex(key.seal(entropy, data_key.as_bytes(), &slot.bound_to(vault_id)));
        Ok(slot)
    }

    /// The data key, if the input is of this slot's kind and right.
    pub(crate) fn open(
        &self,
        vault_id: &[u8; 16],
        input: &SlotInput<'_>,
    ) -> Result<Key, VaultError> {
        let key = self.key(input)?.ok_or(VaultError::Locked)?;
        let data_key = key
            .open(&self.wrapped.0, &self.bound_to(vault_id))
            .map_err(|_| VaultError::Locked)?;
        Key::from_slice(&data_key).ok_or(VaultError::Damaged)
    }

    fn key(&self, input: &SlotInput<'_>) -> Result<Option<Key>, VaultError> {
        match (self.kind, self.kdf, input) {
            (SlotKind::Passphrase, Some(kdf), SlotInput::Passphrase(passphrase)) => {
                kdf.derive(passphrase, &self.salt.0).map(Some)
            }
            (SlotKind::KeyFile, None, SlotInput::KeyFile(content)) => Ok(Some(derive(
                &self.salt.0,
                content.expose_secret(),
                "hsk.vault.key_file.v1",
            ))),
            (SlotKind::Recovery, None, SlotInput::Recovery(code)) => Ok(Some(derive(
                &self.salt.0,
                &recovery::plain(code),
                "hsk.vault.recovery.v1",
            ))),
            _ => Ok(None),
        }
    }

    fn bound_to(&self, vault_id: &[u8; 16]) -> Vec<u8> {
        let kind: &[u8] = match self.kind {
            SlotKind::Passphrase => b"passphrase",
            SlotKind::KeyFile => b"key_file",
            SlotKind::Recovery => b"recovery",
        };
        bind(&[b"hsk.vault.slot.v1", vault_id, &self.id.to_be_bytes(), kind])
    }
}

/// The approval key. Under A1 the seed is wrapped by a passphrase of its own and by nothing else; under A0,
/// which a person must choose, by a key derived from the data key. Where nobody chose anything there is no seed: the
/// public part names the installation, and nothing can be signed until a person sets a factor.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalKey {
    public: FixedHex<32>,
    mode: ApprovalMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kdf: Option<KdfParams>,
    salt: FixedHex<16>,
    wrapped: Hex,
    /// The seed once more, under the recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<Wrapped>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum ApprovalMode {
    A0,
    A1,
    Unset,
}

const RECOVERY: &str = "hsk.vault.approval_recovery.v1";

/// What wraps the approval key.
pub(crate) enum ApprovalInput<'a> {
    Passphrase(&'a Secret),
    /// The data key itself: assurance A0.
    DataKey(&'a Key),
    /// The recovery code, which opens and never wraps.
    Recovery(&'a Secret),
}

impl ApprovalKey {
    pub(crate) fn wrap(
        vault_id: &[u8; 16],
        input: &ApprovalInput<'_>,
        kdf: KdfParams,
        seed: &Key,
        entropy: &dyn Entropy,
    ) -> Result<Self, VaultError> {
        let public = public_of(seed);
        let (mode, kdf) = match input {
            ApprovalInput::Passphrase(_) => (ApprovalMode::A1, Some(kdf)),
            ApprovalInput::DataKey(_) => (ApprovalMode::A0, None),
            ApprovalInput::Recovery(_) => return Err(VaultError::Factor),
        };
        let (public, salt) = (FixedHex(public), FixedHex(entropy.bytes()));
        let mut this = Self {
            public,
            mode,
            kdf,
            salt,
            wrapped: Hex(Vec::new()),
            recovery: None,
        };
        let key = this.key(input)?;
        this.wrapped = Hex(key.seal(entropy, seed.as_bytes(), &this.bound_to(vault_id)));
        Ok(this)
    }

    /// A key that nobody holds: its seed is gone when this returns.
    pub(crate) fn unset(entropy: &dyn Entropy) -> Self {
        let seed = Key::random(entropy);
        Self {
            public: FixedHex(public_of(&seed)),
            mode: ApprovalMode::Unset,
            kdf: None,
            salt: FixedHex(entropy.bytes()),
            wrapped: Hex(Vec::new()),
            recovery: None,
        }
    }

    /// The same key, under the recovery code too.
    pub(crate) fn with_recovery(
        mut self,
        vault_id: &[u8; 16],
        code: &Secret,
        seed: &Key,
        entropy: &dyn Entropy,
    ) -> Self {
        let bound = self.bound_to(vault_id);
        self.recovery = Some(Wrapped::new(code, RECOVERY, seed, &bound, entropy));
        self
    }

    pub(crate) fn has_recovery(&self) -> bool {
        self.recovery.is_some()
    }

    /// Whether a person can sign with it.
    pub(crate) fn is_set(&self) -> bool {
        self.mode != ApprovalMode::Unset
    }

    pub(crate) fn public(&self) -> Result<PublicKey, VaultError> {
        PublicKey::from_bytes(&self.public.0).map_err(|_| VaultError::Damaged)
    }

    pub(crate) fn assurance(&self) -> Assurance {
        match self.mode {
            ApprovalMode::A0 | ApprovalMode::Unset => Assurance::A0,
            ApprovalMode::A1 => Assurance::A1,
        }
    }

    /// The private seed; [`VaultError::Factor`] when the input is not what wrapped it.
    pub(crate) fn open(
        &self,
        vault_id: &[u8; 16],
        input: &ApprovalInput<'_>,
    ) -> Result<Key, VaultError> {
        let seed = match (input, &self.recovery) {
            (ApprovalInput::Recovery(code), Some(wrapped)) => {
                wrapped.open(code, RECOVERY, &self.bound_to(vault_id))?
            }
            (ApprovalInput::Recovery(_), None) => return Err(VaultError::Factor),
            _ => {
                let seed = self
                    .key(input)?
                    .open(&self.wrapped.0, &self.bound_to(vault_id))
                    .map_err(|_| VaultError::Factor)?;
                Key::from_slice(&seed).ok_or(VaultError::Damaged)?
            }
        };
        if public_of(&seed) == self.public.0 {
            Ok(seed)
        } else {
            Err(VaultError::Damaged)
        }
    }

    fn key(&self, input: &ApprovalInput<'_>) -> Result<Key, VaultError> {
        match (self.mode, self.kdf, input) {
            (ApprovalMode::A1, Some(kdf), ApprovalInput::Passphrase(factor)) => {
                kdf.derive(factor, &self.salt.0)
            }
            (ApprovalMode::A0, None, ApprovalInput::DataKey(key)) => {
                Ok(key.derive(&self.salt.0, "hsk.vault.approval_a0.v1"))
            }
            _ => Err(VaultError::Factor),
        }
    }

    fn bound_to(&self, vault_id: &[u8; 16]) -> Vec<u8> {
        let mode: &[u8] = match self.mode {
            ApprovalMode::A0 => b"A0",
            ApprovalMode::A1 => b"A1",
            ApprovalMode::Unset => b"unset",
        };
        bind(&[b"hsk.vault.approval.v1", vault_id, mode, &self.public.0])
    }
}

fn public_of(seed: &Key) -> [u8; 32] {
    ed25519_dalek::SigningKey::from_bytes(seed.as_bytes())
        .verifying_key()
        .to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    #[test]
    fn s03_the_data_key_does_not_open_an_a1_approval_key_however_it_is_labelled() {
        let (id, data_key, seed) = ([3; 16], Key::from_bytes([5; 32]), Key::from_bytes([6; 32]));
        let (factor, kdf) = (
            Secret::new(b"approve".to_vec()),
            KdfParams::new(8, 1, 1).expect("cheap"),
        );
        let input = ApprovalInput::Passphrase(&factor);
        let a1 = ApprovalKey::wrap(&id, &input, kdf, &seed, &Ones).expect("wraps");
        assert_eq!(
            a1.open(&id, &input).expect("opens").as_bytes(),
            seed.as_bytes()
        );
        let by_data_key =
            |key: &ApprovalKey| key.open(&id, &ApprovalInput::DataKey(&data_key)).is_ok();
        assert!(!by_data_key(&a1));
        let relabelled = ApprovalKey {
            mode: ApprovalMode::A0,
            kdf: None,
            ..a1.clone()
        };
        assert!(!by_data_key(&relabelled));
        let a0 = ApprovalKey::wrap(&id, &ApprovalInput::DataKey(&data_key), kdf, &seed, &Ones)
            .expect("wraps");
        assert!(by_data_key(&a0));
        let passes_for_a1 = ApprovalKey {
            mode: ApprovalMode::A1,
            kdf: Some(kdf),
            ..a0
        };
        assert!(!by_data_key(&passes_for_a1));
        assert!(a1.open(&[4; 16], &input).is_err(), "another vault");
    }
}
