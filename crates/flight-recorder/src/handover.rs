//! Epoch keys: each signs its successor and is then erased, so that a thief of today's key cannot sign
//! yesterday's checkpoints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Checkpoint,
    hash::LogHash,
    key::{self, HANDOVER_DOMAIN, KeyId, PublicKey, Sign, SignError, SignatureText},
    leaf::{LogHead, LogId, length},
    seam::Seam,
    verdict::{Evidence, TamperKind, Tampering},
};

/// The word of an epoch key that another one takes over from a size on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EpochHandover {
    /// The log it is about.
    pub log_id: LogId,
    /// The number of the epoch that begins: 1 for the first handover.
    pub epoch: u64,
    /// The key that ends.
    pub from_key: PublicKey,
    /// The key that begins.
    pub to_key: PublicKey,
    /// The size of the log then. The old key signs nothing above it, the new one nothing below.
    pub at_size: u64,
    /// The head of the log then.
    pub at_head: LogHash,
    /// Ed25519 by `from_key` over [`EpochHandover::signed_bytes`].
    pub signature: SignatureText,
}

impl EpochHandover {
    /// Signs over to `to_key` with `from_key`. The caller erases the old private key afterwards.
    ///
    /// # Errors
    /// [`SignError::WrongSigner`] when `sign` does not sign with `from_key`; [`SignError::Invalid`] when
    /// both keys are the same or the epoch is 0.
    pub fn sign(
        log_id: &LogId,
        epoch: u64,
        from_key: &PublicKey,
        to_key: &PublicKey,
        at: &LogHead,
        sign: Sign<'_>,
    ) -> Result<Self, SignError> {
        if epoch == 0 || from_key == to_key {
            return Err(SignError::Invalid);
        }
        let mut handover = Self {
            log_id: log_id.clone(),
            epoch,
            from_key: *from_key,
            to_key: *to_key,
            at_size: at.size,
            at_head: at.hash,
            signature: SignatureText([0; 64]),
        };
        handover.signature = key::sign(from_key, HANDOVER_DOMAIN, &handover.message(), sign)?;
        Ok(handover)
    }

    /// What is signed: `"hsk.epoch_handover.v1\0" ‖ u32be len(log_id) ‖ log_id ‖ u64be epoch ‖ from_key
    /// ‖ to_key ‖ u64be at_size ‖ at_head`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        key::framed(HANDOVER_DOMAIN, &self.message())
    }

    fn message(&self) -> Vec<u8> {
        let id = self.log_id.as_str().as_bytes();
        let (epoch, size) = (self.epoch.to_be_bytes(), self.at_size.to_be_bytes());
        [
            &length(id)[..],
            id,
            &epoch,
            self.from_key.as_bytes(),
            self.to_key.as_bytes(),
            &size,
            self.at_head.as_bytes(),
        ]
        .concat()
    }
}

/// One key and the sizes for which its word counts.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    key: PublicKey,
    from_size: u64,
    to_size: u64,
}

/// The keys that the caller's roots lead to, by id. A hostile export may name very many.
#[derive(Debug, Default)]
pub(crate) struct Epochs(BTreeMap<KeyId, Epoch>);

impl Epochs {
    /// Follows the handovers from the roots. Stops at the first that does not hold, and names it.
    pub(crate) fn follow(
        log_id: Option<&LogId>,
        roots: &[PublicKey],
        handovers: &[EpochHandover],
    ) -> (Self, Option<Tampering>) {
        // With several roots and no handover, any of them may have signed from the start. A handover
        // says which one it was.
        let first = handovers.first().map(|handover| handover.from_key);
        let mut epochs = Self::default();
        for root in roots
            .iter()
            .filter(|root| first.is_none_or(|first| first == **root))
        {
            epochs.begin(*root, 0);
        }
        let mut from_size = 0;
        for (handover, number) in handovers.iter().zip(1..) {
            let bad = |kind| Some(Tampering::vague(kind, handover.at_size, Evidence::Handover));
            let follows = match number {
                1 => !epochs.0.is_empty(),
                // Checked in the round before: the present key is the successor named there.
                _ => handovers
                    .get(number - 2)
                    .is_some_and(|before| before.to_key == handover.from_key),
            };
            let ours =
                Some(&handover.log_id) == log_id && usize::try_from(handover.epoch) == Ok(number);
            let seen = epochs.0.contains_key(&handover.to_key.id());
            if !follows || !ours || seen || handover.at_size < from_size {
                return (epochs, bad(TamperKind::WrongKey));
            }
            if !handover
                .from_key
                .verifies(&handover.signed_bytes(), &handover.signature)
            {
                return (epochs, bad(TamperKind::BadSignature));
            }
            if let Some(ending) = epochs.0.get_mut(&handover.from_key.id()) {
                ending.to_size = handover.at_size;
            }
            from_size = handover.at_size;
            epochs.begin(handover.to_key, from_size);
        }
        (epochs, None)
    }

    fn begin(&mut self, key: PublicKey, from_size: u64) {
        self.0.insert(
            key.id(),
            Epoch {
                key,
                from_size,
                to_size: u64::MAX,
            },
        );
    }

    /// Whether this key is one that nothing took over from.
    pub(crate) fn end_with(&self, key: &PublicKey) -> bool {
        let epoch = self.0.get(&key.id());
        epoch.is_some_and(|epoch| epoch.key == *key && epoch.to_size == u64::MAX)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a checkpoint is signed by a key whose word counts at its size.
    pub(crate) fn judge(&self, checkpoint: &Checkpoint) -> Result<(), TamperKind> {
        let (size, signed) = (checkpoint.size, checkpoint.signed_bytes());
        self.signed(&checkpoint.key_id, size, &signed, &checkpoint.signature)
    }

    /// Whether a seam is signed by a key whose word counts at the size at which it was made.
    pub(crate) fn judge_seam(&self, seam: &Seam) -> Result<(), TamperKind> {
        let (size, signed) = (seam.at_size, seam.signed_bytes());
        self.signed(&seam.key_id, size, &signed, &seam.signature)
    }

    fn signed(
        &self,
        key: &KeyId,
        size: u64,
        message: &[u8],
        signature: &SignatureText,
    ) -> Result<(), TamperKind> {
        let epoch = self
            .0
            .get(key)
            .filter(|epoch| (epoch.from_size..=epoch.to_size).contains(&size))
            .ok_or(TamperKind::WrongKey)?;
        if epoch.key.verifies(message, signature) {
            Ok(())
        } else {
            Err(TamperKind::BadSignature)
        }
    }
}
