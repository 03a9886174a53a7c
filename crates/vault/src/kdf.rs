//! From a passphrase to a key: Argon2id.

use argon2::{Algorithm, Argon2, Params, Version};
use handshake_core::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::{crypto::Key, error::VaultError};

/// The cost of Argon2id.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "RawParams", into = "RawParams")]
pub struct KdfParams(RawParams);

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct RawParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl KdfParams {
    /// 64 MiB, three passes, one lane: about half a second on a laptop.
    pub const STANDARD: Self = Self(RawParams {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    });

    /// Other costs. Less than [`KdfParams::STANDARD`] is for tests.
    ///
    /// # Errors
    /// [`VaultError::InvalidKdf`] above 1 GiB, 16 passes or 4 lanes: a vault file must not be able to take
    /// the machine down. Also below what Argon2 can do.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, VaultError> {
        let params = RawParams {
            memory_kib,
            passes,
            lanes,
        };
        let bounded = memory_kib <= 1024 * 1024 && passes <= 16 && lanes <= 4;
        match argon2_params(params) {
            Some(_) if bounded => Ok(Self(params)),
            _ => Err(VaultError::InvalidKdf),
        }
    }

    pub(crate) fn derive(self, passphrase: &Secret, salt: &[u8; 16]) -> Result<Key, VaultError> {
        let params = argon2_params(self.0).ok_or(VaultError::InvalidKdf)?;
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret(), salt, &mut *bytes)
            .map_err(|_| VaultError::InvalidKdf)?;
        Ok(Key::from_bytes(*bytes))
    }
}

fn argon2_params(params: RawParams) -> Option<Params> {
    Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).ok()
}

impl TryFrom<RawParams> for KdfParams {
    type Error = VaultError;
    fn try_from(raw: RawParams) -> Result<Self, VaultError> {
        Self::new(raw.memory_kib, raw.passes, raw.lanes)
    }
}

impl From<KdfParams> for RawParams {
    fn from(params: KdfParams) -> Self {
        params.0
    }
}

/// The floor for a new passphrase: eight bytes, five of them different. A surface that talks to a person
/// should ask for more.
pub(crate) fn check_passphrase(passphrase: &Secret) -> Result<(), VaultError> {
    let bytes = passphrase.expose_secret();
    let different: std::collections::BTreeSet<u8> = bytes.iter().copied().collect();
    if bytes.len() >= 8 && different.len() >= 5 {
        Ok(())
    } else {
        Err(VaultError::WeakPassphrase)
    }
}
