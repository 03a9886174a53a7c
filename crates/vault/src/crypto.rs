//! The primitives, in the one way in which this crate uses them: XChaCha20-Poly1305 with random nonces,
//! HKDF-SHA256, and associated data whose parts are framed by their lengths.

use std::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use handshake_core::ports::{Entropy, EntropyExt};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const NONCE: usize = 24;

/// 32 bytes of key, zeroed on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key([u8; 32]);

/// Ciphertext that does not open with this key and this associated data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unopened;

impl Key {
    pub(crate) fn random(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose: HKDF-SHA256 with `salt`, this key and the purpose's name.
    pub(crate) fn derive(&self, salt: &[u8], purpose: &str) -> Self {
        derive(salt, &self.0, purpose)
    }

    /// `nonce ‖ ciphertext ‖ tag`, with a random 24-byte nonce.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, content: &[u8], bound_to: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = entropy.bytes();
        let sealed = XChaCha20Poly1305::new(&self.0.into())
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: content,
                    aad: bound_to,
                },
            )
            .expect("memory holds the ciphertext: contents are bounded to 16 MiB");
        [&nonce[..], &sealed].concat()
    }

    pub(crate) fn open(
        &self,
        sealed: &[u8],
        bound_to: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Unopened)?;
        XChaCha20Poly1305::new(&self.0.into())
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: bound_to,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| Unopened)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// HKDF-SHA256 to 32 bytes.
pub(crate) fn derive(salt: &[u8], input: &[u8], purpose: &str) -> Key {
    let mut key = Key([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), input)
        .expand(purpose.as_bytes(), &mut key.0)
        .expect("32 bytes are within the limit of HKDF-SHA256");
    key
}

/// Associated data: each part preceded by its length, so that parts cannot shift into each other.
pub(crate) fn bind(parts: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in parts {
        framed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        framed.extend_from_slice(part);
    }
    framed
}
