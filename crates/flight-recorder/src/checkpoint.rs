//! Signed checkpoints: "at this time, the log had this size and this head".

use serde::{Deserialize, Serialize};

use crate::{
    hash::LogHash,
    key::{self, CHECKPOINT_DOMAIN, KeyId, PublicKey, Sign, SignError, SignatureText},
    leaf::{LogHead, LogId, length},
};

/// A signed statement about the head of a log. Checkpoints form a chain of their own, so that one
/// cannot be taken out of the middle.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The log it is about.
    pub log_id: LogId,
    /// How many leaves the log had.
    pub size: u64,
    /// The hash of its last leaf.
    pub head: LogHash,
    /// When, RFC 3339 in UTC. Informative: no check depends on a clock.
    #[serde(deserialize_with = "key::utc_time")]
    pub time: String,
    /// The epoch key that signed.
    pub key_id: KeyId,
    /// [`Checkpoint::hash`] of the checkpoint before, or the genesis hash for the first.
    pub prev_checkpoint_hash: LogHash,
    /// Ed25519 over [`Checkpoint::signed_bytes`].
    pub signature: SignatureText,
}

impl Checkpoint {
    /// Signs the head of a log. `prev` is the checkpoint before, `None` for the first.
    ///
    /// # Errors
    /// [`SignError::WrongSigner`] when `sign` does not sign with `key`; [`SignError::Invalid`] for a
    /// time that is not RFC 3339 UTC, a `prev` of another log, or one that is ahead of `head`.
    pub fn sign(
        log_id: &LogId,
        head: &LogHead,
        time: &str,
        prev: Option<&Checkpoint>,
        key: &PublicKey,
        sign: Sign<'_>,
    ) -> Result<Self, SignError> {
        let follows = prev.is_none_or(|prev| prev.log_id == *log_id && prev.size <= head.size);
        if !key::is_utc_time(time) || !follows {
            return Err(SignError::Invalid);
        }
        let before = prev.map_or_else(|| LogHead::genesis(log_id).hash, Checkpoint::hash);
        let mut checkpoint = Self {
            log_id: log_id.clone(),
            size: head.size,
            head: head.hash,
            time: time.to_owned(),
            key_id: key.id(),
            prev_checkpoint_hash: before,
            signature: SignatureText([0; 64]),
        };
        checkpoint.signature = key::sign(key, CHECKPOINT_DOMAIN, &checkpoint.message(), sign)?;
        Ok(checkpoint)
    }

    /// What is signed: `"hsk.checkpoint.v1\0" ‖ u32be len(log_id) ‖ log_id ‖ u64be size ‖ head ‖
    /// u32be len(time) ‖ time ‖ key_id (8 bytes) ‖ prev_checkpoint_hash`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        key::framed(CHECKPOINT_DOMAIN, &self.message())
    }

    fn message(&self) -> Vec<u8> {
        let (id, time) = (self.log_id.as_str().as_bytes(), self.time.as_bytes());
        let size = self.size.to_be_bytes();
        [
            &length(id)[..],
            id,
            &size,
            self.head.as_bytes(),
            &length(time),
            time,
            self.key_id.as_bytes(),
            self.prev_checkpoint_hash.as_bytes(),
        ]
        .concat()
    }

    /// The hash that the next checkpoint names:
    /// `SHA-256("hsk.checkpoint_hash.v1\0" ‖ u32be len(signed) ‖ signed ‖ signature)`.
    #[must_use]
    pub fn hash(&self) -> LogHash {
        let signed = self.signed_bytes();
        LogHash::of(&[
            b"hsk.checkpoint_hash.v1\0",
            &length(&signed),
            &signed,
            &self.signature.0,
        ])
    }
}
