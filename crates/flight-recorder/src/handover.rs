//! Epoch keys: each signs its successor and is then erased, so that a thief of today's key cannot sign
//! yesterday's checkpoints.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Checkpoint,
    hash::LogHash,
    key::{self, HANDOVER_DOMAIN, PublicKey, Sign, SignError, SignatureText},
    leaf::{LogHead, LogId, length},
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
        handover.signature = key::sign(from_key, &handover.signed_bytes(), sign)?;
        Ok(handover)
    }

    /// What is signed: `"hsk.epoch_handover.v1\0" ‖ u32be len(log_id) ‖ log_id ‖ u64be epoch ‖ from_key
    /// ‖ to_key ‖ u64be at_size ‖ at_head`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let id = self.log_id.as_str().as_bytes();
        let (epoch, size) = (self.epoch.to_be_bytes(), self.at_size.to_be_bytes());
        [
            HANDOVER_DOMAIN.as_bytes(),
            b"\0",
            &length(id),
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

/// The keys that the caller's roots lead to.
#[derive(Debug)]
pub(crate) struct Epochs(Vec<Epoch>);

impl Epochs {
    /// Follows the handovers from the roots. Stops at the first that does not hold, and names it.
    pub(crate) fn follow(
        log_id: Option<&LogId>,
        roots: &[PublicKey],
        handovers: &[EpochHandover],
    ) -> (Self, Option<Tampering>) {
        let whole = |key: &PublicKey| Epoch {
            key: *key,
            from_size: 0,
            to_size: u64::MAX,
        };
        // With several roots and no handover, any of them may have signed from the start. A handover
        // says which one it was.
        let mut epochs: Vec<Epoch> = roots.iter().map(whole).collect();
        for (handover, number) in handovers.iter().zip(1..) {
            let bad = |kind| Some(Tampering::vague(kind, handover.at_size, Evidence::Handover));
            if number == 1 {
                epochs.retain(|epoch| epoch.key == handover.from_key);
                epochs.truncate(1);
            }
            let seen = epochs.iter().any(|epoch| epoch.key == handover.to_key);
            let Some(last) = epochs
                .last_mut()
                .filter(|last| last.key == handover.from_key)
            else {
                return (Self(epochs), bad(TamperKind::WrongKey));
            };
            if !handover
                .from_key
                .verifies(&handover.signed_bytes(), &handover.signature)
            {
                return (Self(epochs), bad(TamperKind::BadSignature));
            }
            let in_order = handover.epoch == number && handover.at_size >= last.from_size;
            if Some(&handover.log_id) != log_id || !in_order || seen {
                return (Self(epochs), bad(TamperKind::WrongKey));
            }
            last.to_size = handover.at_size;
            let (key, from_size) = (handover.to_key, handover.at_size);
            epochs.push(Epoch {
                key,
                from_size,
                to_size: u64::MAX,
            });
        }
        (Self(epochs), None)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a checkpoint is signed by a key whose word counts at its size.
    pub(crate) fn judge(&self, checkpoint: &Checkpoint) -> Result<(), TamperKind> {
        let epoch = self
            .0
            .iter()
            .find(|epoch| epoch.key.id() == checkpoint.key_id)
            .filter(|epoch| (epoch.from_size..=epoch.to_size).contains(&checkpoint.size))
            .ok_or(TamperKind::WrongKey)?;
        if epoch
            .key
            .verifies(&checkpoint.signed_bytes(), &checkpoint.signature)
        {
            Ok(())
        } else {
            Err(TamperKind::BadSignature)
        }
    }
}
