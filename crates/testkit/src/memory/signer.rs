//! An approval key in memory, under a passphrase.

use ed25519_dalek::{Signer as _, SigningKey};
use handshake_core::{
    attest::{PublicKey, signed_bytes},
    consent::Assurance,
    ports::{SignError, Signer},
    secret::Secret,
};

/// A key that signs when it is given its passphrase.
pub struct MemorySigner {
    key: SigningKey,
    factor: Vec<u8>,
}

impl MemorySigner {
    /// A key made from a seed, under a passphrase.
    #[must_use]
    pub fn new(seed: u8, passphrase: &[u8]) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            factor: passphrase.to_vec(),
        }
    }

    /// Signs without asking for a factor, as a thief with the key would.
    #[must_use]
    pub fn sign_unasked(&self, domain: &str, message: &[u8]) -> [u8; 64] {
        self.key.sign(&signed_bytes(domain, message)).to_bytes()
    }
}

impl std::fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemorySigner(..)")
    }
}

impl Signer for MemorySigner {
    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(&self.key.verifying_key().to_bytes()).expect("a good key")
    }

    fn assurance(&self) -> Assurance {
        Assurance::A1
    }

    fn sign(
        &self,
        domain: &str,
        message: &[u8],
        factor: Option<&Secret>,
    ) -> Result<[u8; 64], SignError> {
        if factor.is_some_and(|given| given.matches(&self.factor)) {
            Ok(self.sign_unasked(domain, message))
        } else {
            Err(SignError::Factor)
        }
    }
}
