//! The recovery code: 160 random bits that a person keeps on paper. It opens the vault where its key file is lost, and
//! the approval key where its passphrase is forgotten.

use std::fmt;

use handshake_core::{
    ports::{Entropy, EntropyExt},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    codec::{FixedHex, Hex},
    crypto::{Key, derive},
    error::VaultError,
};

/// No letter that looks like a digit, and none that is left out when it is read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BYTES: usize = 20;

/// A recovery code, to be shown once.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    pub(crate) fn random(entropy: &dyn Entropy) -> Self {
        let bytes = Zeroizing::new(entropy.bytes::<BYTES>());
        let mut text = String::with_capacity(BYTES * 2);
        let (mut pool, mut bits) = (0_u32, 0);
        for byte in bytes.iter() {
            pool = pool << 8 | u32::from(*byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                if text.len() % 5 == 4 {
                    text.push('-');
                }
                text.push(char::from(ALPHABET[(pool >> bits & 31) as usize]));
            }
        }
        Self(text)
    }

    /// The code in groups of four, for the one person who may see it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.0
    }

    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.0.as_bytes().to_vec())
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The code as it was made, however it was typed: small letters, without its dashes, O for 0.
pub(crate) fn plain(code: &Secret) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(BYTES * 8 / 5));
    for byte in code.expose_secret() {
        match byte.to_ascii_uppercase() {
            b'-' | b' ' | b'\t' => {}
            b'O' => plain.push(b'0'),
            b'I' | b'L' => plain.push(b'1'),
            other => plain.push(other),
        }
    }
    plain
}

/// A key that is wrapped under the code.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrapped {
    salt: FixedHex<16>,
    wrapped: Hex,
}

impl Wrapped {
    pub(crate) fn new(
        code: &Secret,
        purpose: &str,
        key: &Key,
        bound_to: &[u8],
        entropy: &dyn Entropy,
    ) -> Self {
        let salt = FixedHex(entropy.bytes());
        let under = derive(&salt.0, &plain(code), purpose);
        Self {
            salt,
            wrapped: Hex(under.seal(entropy, key.as_bytes(), bound_to)),
        }
    }

    pub(crate) fn open(
        &self,
        code: &Secret,
        purpose: &str,
        bound_to: &[u8],
    ) -> Result<Key, VaultError> {
        // 160 random bits are not guessed: nothing costly stands in the way.
        let key = derive(&self.salt.0, &plain(code), purpose)
            .open(&self.wrapped.0, bound_to)
            .map_err(|_| VaultError::Factor)?;
        Key::from_slice(&key).ok_or(VaultError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = at as u8 * 13;
            }
        }
    }

    #[test]
    fn rt_b03_a_code_has_160_bits_in_groups_and_is_read_as_people_write() {
        let code = RecoveryCode::random(&Counting);
        let groups: Vec<&str> = code.shown().split('-').collect();
        assert_eq!(groups.len(), 8, "{}", code.shown());
        assert!(groups.iter().all(|group| group.len() == 4));
        let as_made = plain(&code.secret());
        let typed = code.shown().to_lowercase().replace('-', " ");
        let typed = typed.replace('0', "o").replace('1', "l");
        assert_eq!(plain(&Secret::new(typed.into_bytes())), as_made);
        assert_eq!(as_made.len(), 32);
        assert!(!format!("{code:?}").contains(groups[0]));
    }
}
