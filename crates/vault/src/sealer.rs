//! Content at rest: pending envelopes, stored context.

use handshake_core::ports::{SealError, Sealer};

use crate::{crypto::bind, vault::Vault};

const PURPOSE: &str = "hsk.vault.sealer.v1";

/// `nonce (24) ‖ ciphertext ‖ tag`, under a key derived from the data key, bound to `context`.
impl Sealer for Vault {
    fn seal(&self, context: &str, content: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(self
            .key(PURPOSE)
            .seal(&*self.entropy, content, &bound_to(context)))
    }

    fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let content = self.key(PURPOSE).open(sealed, &bound_to(context));
        content
            .map(|content| content.to_vec())
            .map_err(|_| SealError::Damaged)
    }
}

fn bound_to(context: &str) -> Vec<u8> {
    bind(&[b"hsk.sealed.v1", context.as_bytes()])
}
