//! Signed seams: "the leaves up to here were removed on purpose, and this is the hash with which they ended".

use serde::{Deserialize, Serialize};

use crate::{
    hash::LogHash,
    key::{self, KeyId, PublicKey, SEAM_DOMAIN, Sign, SignError, SignatureText},
    leaf::{LogHead, LogId, length},
};

/// A signed statement that the oldest leaves of a log were pruned. Seams form a chain of their own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seam {
    /// The log it is about.
    pub log_id: LogId,
    /// The first leaf that was removed: 1, or the one after the seam before.
    pub first: u64,
    /// The last leaf that was removed.
    pub size: u64,
    /// The hash of the last leaf that was removed, from which the rest of the log goes on.
    pub head: LogHash,
    /// How many leaves the log had then. The key that counted at this size signs.
    pub at_size: u64,
    /// The hash of the last of them.
    pub at_head: LogHash,
    /// When, RFC 3339 in UTC. Informative: no check depends on a clock.
    #[serde(deserialize_with = "key::utc_time")]
    pub time: String,
    /// The epoch key that signed.
    pub key_id: KeyId,
    /// [`Seam::hash`] of the seam before, or the genesis hash for the first.
    pub prev_seam_hash: LogHash,
    /// Ed25519 over [`Seam::signed_bytes`].
    pub signature: SignatureText,
}

impl Seam {
    /// Signs that the leaves after `prev` (or from the first on) up to `pruned` are removed from a log whose head
    /// is `now`.
    ///
    /// # Errors
    /// [`SignError::WrongSigner`] when `sign` does not sign with `key`; [`SignError::Invalid`] for a time that is
    /// not RFC 3339 UTC, a `prev` of another log, or sizes that do not rise.
    pub fn sign(
        log_id: &LogId,
        pruned: &LogHead,
        now: &LogHead,
        time: &str,
        prev: Option<&Seam>,
        key: &PublicKey,
        sign: Sign<'_>,
    ) -> Result<Self, SignError> {
        let before = prev.map_or(0, |prev| prev.size);
        let ours = prev.is_none_or(|prev| prev.log_id == *log_id);
        if !key::is_utc_time(time) || !ours || pruned.size <= before || now.size < pruned.size {
            return Err(SignError::Invalid);
        }
        let mut seam = Self {
            log_id: log_id.clone(),
            first: before + 1,
            size: pruned.size,
            head: pruned.hash,
            at_size: now.size,
            at_head: now.hash,
            time: time.to_owned(),
            key_id: key.id(),
            prev_seam_hash: prev.map_or_else(|| LogHead::genesis(log_id).hash, Seam::hash),
            signature: SignatureText([0; 64]),
        };
        seam.signature = key::sign(key, SEAM_DOMAIN, &seam.message(), sign)?;
        Ok(seam)
    }

    /// What is signed: `"hsk.log_seam.v1\0" ‖ u32be len(log_id) ‖ log_id ‖ u64be first ‖ u64be size ‖ head ‖
    /// u64be at_size ‖ at_head ‖ u32be len(time) ‖ time ‖ key_id (8 bytes) ‖ prev_seam_hash`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        key::framed(SEAM_DOMAIN, &self.message())
    }

    fn message(&self) -> Vec<u8> {
        let (id, time) = (self.log_id.as_str().as_bytes(), self.time.as_bytes());
        [
            &length(id)[..],
            id,
            &self.first.to_be_bytes(),
            &self.size.to_be_bytes(),
            self.head.as_bytes(),
            &self.at_size.to_be_bytes(),
            self.at_head.as_bytes(),
            &length(time),
            time,
            self.key_id.as_bytes(),
            self.prev_seam_hash.as_bytes(),
        ]
        .concat()
    }

    /// The hash that the next seam names:
    /// `SHA-256("hsk.log_seam_hash.v1\0" ‖ u32be len(signed) ‖ signed ‖ signature)`.
    #[must_use]
    pub fn hash(&self) -> LogHash {
        let signed = self.signed_bytes();
        LogHash::of(&[
            b"hsk.log_seam_hash.v1\0",
            &length(&signed),
            &signed,
            &self.signature.0,
        ])
    }

    /// The head from which the log goes on.
    #[must_use]
    pub fn pruned(&self) -> LogHead {
        LogHead {
            size: self.size,
            hash: self.head,
        }
    }

    /// Whether it can follow the seam before it (none for the first) in the log of this identity.
    pub(crate) fn follows(&self, before: Option<&Seam>, log_id: Option<&LogId>) -> bool {
        let (size, hash) = match (before, log_id) {
            (Some(before), _) => (before.size, before.hash()),
            (None, Some(id)) => (0, LogHead::genesis(id).hash),
            // Without an identity there is no first seam.
            (None, None) => return false,
        };
        Some(&self.log_id) == log_id
            && self.prev_seam_hash == hash
            && Some(self.first) == size.checked_add(1)
            && (self.first..=self.at_size).contains(&self.size)
            && before.is_none_or(|before| before.at_size <= self.at_size)
            && key::is_utc_time(&self.time)
    }
}
