//! Sealing content at rest.

/// Content that cannot be sealed or opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// The vault is closed.
    #[error("the vault is locked")]
    Locked,
    /// The bytes are damaged, or were sealed for something else.
    #[error("sealed content is damaged")]
    Damaged,
}

/// Authenticated encryption under a key of the vault.
///
/// # Contract
/// `context` is bound to the ciphertext: what was sealed for one row does not open for another.
pub trait Sealer: Send + Sync {
    /// Seals.
    ///
    /// # Errors
    /// [`SealError::Locked`].
    fn seal(&self, context: &str, content: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens.
    ///
    /// # Errors
    /// [`SealError`].
    fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}
