//! What says which hash the log has at a size: signed records, receipts, and what the caller wrote down.

use super::{Records, Trust, Verifier};
use crate::{
    anchor::Anchor,
    checkpoint::Checkpoint,
    handover::Epochs,
    hash::LogHash,
    key::{self, PublicKey},
    leaf::LogHead,
    receipt::Receipt,
    seam::Seam,
    verdict::{Evidence, TamperKind, Tampering},
    verify::chain::Chain,
};

/// Something that says which hash the log has at a size, or that it had that size at all.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) size: u64,
    pub(super) by: Evidence,
    pub(super) weight: Weight,
    pub(super) says: Says,
}

/// What it means when a witness agrees. When one disagrees, it means the same for all.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Weight {
    /// Nothing: whoever wrote the log could have written it too.
    Hint,
    /// A key of the log signed it.
    Signed,
    /// It comes from outside, or from a key that the recorder does not have.
    Outside,
}

#[derive(Debug)]
pub(super) enum Says {
    Hash(LogHash),
    /// The anchor with this index.
    Anchor(usize),
    /// That the log reached this size.
    Reached,
}

impl Verifier {
    fn hear(&mut self, size: u64, by: Evidence, weight: Weight, says: Says) {
        self.witnesses.push(Witness {
            size,
            by,
            weight,
            says,
        });
    }

    fn blame(&mut self, kind: TamperKind, size: u64, by: Evidence) {
        self.tampering.push(Tampering::vague(kind, size, by));
    }

    pub(super) fn take(&mut self, trust: &Trust, records: Records) {
        let roots = &trust.roots[..];
        let (epochs, fault) = Epochs::follow(self.log_id.as_ref(), roots, &records.handovers);
        self.epoch_keys = epochs.len();
        self.root = match (records.handovers.first(), roots) {
            (Some(first), _) => roots.iter().find(|root| **root == first.from_key).copied(),
            (None, [only]) => Some(*only),
            (None, _) => {
                let signer = records.checkpoints.first().map(|first| first.key_id);
                roots.iter().find(|root| Some(root.id()) == signer).copied()
            }
        };
        self.tampering.extend(fault);
        let present = trust.present.as_ref();
        if fault.is_none() && present.is_some_and(|key| !epochs.end_with(key)) {
            self.blame(TamperKind::WrongKey, 1, Evidence::Handover);
        }
        if fault.is_none() {
            for handover in &records.handovers {
                let says = Says::Hash(handover.at_head);
                self.hear(handover.at_size, Evidence::Handover, Weight::Signed, says);
            }
        }
        self.take_checkpoints(&epochs, records.checkpoints);
        self.take_seams(&epochs, &records.seams);
        self.take_receipts(&trust.approvers, &records.receipts);
        for size in records.uses {
            self.hear(size, Evidence::Use, Weight::Hint, Says::Reached);
            self.signed_at_least = self.signed_at_least.max(size);
        }
        self.take_anchors(&epochs);
        self.witnesses.sort_by_key(|witness| witness.size);
    }

    fn take_checkpoints(&mut self, epochs: &Epochs, checkpoints: Vec<Checkpoint>) {
        let mut before: Option<(u64, LogHash)> = None;
        for checkpoint in checkpoints {
            let follows = match (&before, &self.log_id) {
                (Some((size, hash)), _) => {
                    checkpoint.size >= *size && checkpoint.prev_checkpoint_hash == *hash
                }
                (None, Some(id)) => checkpoint.prev_checkpoint_hash == LogHead::genesis(id).hash,
                (None, None) => true,
            };
            let ours = self
                .log_id
                .as_ref()
                .is_none_or(|id| *id == checkpoint.log_id);
            // The signature first: a checkpoint that nobody signed says nothing about its place.
            let fault = epochs.judge(&checkpoint).err().or_else(|| {
                (!follows || !ours || !key::is_utc_time(&checkpoint.time))
                    .then_some(TamperKind::CheckpointChain)
            });
            if let Some(kind) = fault {
                self.blame(kind, checkpoint.size, Evidence::Checkpoint);
                return;
            }
            before = Some((checkpoint.size, checkpoint.hash()));
            self.signed_to = checkpoint.size;
            let says = Says::Hash(checkpoint.head);
            self.hear(checkpoint.size, Evidence::Checkpoint, Weight::Signed, says);
        }
    }

    fn take_seams(&mut self, epochs: &Epochs, seams: &[Seam]) {
        let mut before: Option<&Seam> = None;
        for seam in seams {
            let follows = seam.follows(before, self.log_id.as_ref());
            let fault = epochs.judge_seam(seam).err();
            if let Some(kind) = fault.or((!follows).then_some(TamperKind::SeamChain)) {
                self.blame(kind, seam.size, Evidence::Seam);
                break;
            }
            for (size, hash) in [(seam.size, seam.head), (seam.at_size, seam.at_head)] {
                self.hear(size, Evidence::Seam, Weight::Signed, Says::Hash(hash));
            }
            before = Some(seam);
        }
        if let Some(last) = before {
            self.pruned = last.size;
            self.chain = Chain::new(last.size, Some(last.head));
        }
    }

    /// A receipt by one of the caller's approval keys is as good as an anchor: the recorder cannot make one. Where the
    /// caller names no such key, it can still contradict the log.
    fn take_receipts(&mut self, approvers: &[PublicKey], receipts: &[Receipt]) {
        for receipt in receipts {
            let signed = approvers.iter().any(|key| receipt.is_signed_by(key));
            let head = receipt.head();
            if !approvers.is_empty() && !signed {
                let size = head.map_or(0, |head| head.size).max(1);
                self.blame(TamperKind::BadSignature, size, Evidence::Receipt);
                continue;
            }
            let weight = if signed {
                Weight::Outside
            } else {
                Weight::Hint
            };
            if let Some(head) = head {
                self.hear(head.size, Evidence::Receipt, weight, Says::Hash(head.hash));
            }
        }
    }

    fn take_anchors(&mut self, epochs: &Epochs) {
        for index in 0..self.anchors.len() {
            let anchor = &self.anchors[index];
            let size = anchor.size();
            let fault = match anchor {
                Anchor::Checkpoint(kept)
                    if self.log_id.as_ref().is_some_and(|id| *id != kept.log_id) =>
                {
                    Some(TamperKind::CheckpointChain)
                }
                Anchor::Checkpoint(kept) => epochs.judge(kept).err(),
                Anchor::Head(_) | Anchor::Short { .. } => None,
            };
            match fault {
                Some(kind) => self.blame(kind, size, Evidence::Anchor),
                None => self.hear(size, Evidence::Anchor, Weight::Outside, Says::Anchor(index)),
            }
        }
    }

    /// Witnesses of leaves that were pruned can only be held against each other.
    pub(super) fn pass_the_pruned(&mut self) {
        let behind = self.witnesses.partition_point(|w| w.size < self.pruned);
        for pair in self.witnesses[..behind].chunk_by(|a, b| a.size == b.size) {
            let known = pair.iter().find_map(|witness| match witness.says {
                Says::Hash(hash) => Some(hash),
                Says::Anchor(_) | Says::Reached => None,
            });
            let Some(known) = known else { continue };
            let liar = pair.iter().find(|witness| match witness.says {
                Says::Hash(hash) => hash != known,
                Says::Anchor(index) => !self.anchors[index].matches(&known),
                Says::Reached => false,
            });
            if let Some(liar) = liar {
                let fault = Tampering::vague(TamperKind::Rewritten, liar.size, liar.by);
                self.rewritten.get_or_insert((liar.size, fault));
            }
        }
        self.next = behind;
        self.confirmed = self.pruned;
    }

    /// Asks every witness of the present size.
    pub(super) fn meet_witnesses(&mut self) {
        let (size, head) = (self.chain.size(), self.chain.head());
        while let Some(witness) = self.witnesses.get(self.next).filter(|w| w.size <= size) {
            self.next += 1;
            // At size 0 of a log whose identity is unknown there is nothing to agree with.
            let Some(head) = head.filter(|_| witness.size == size) else {
                continue;
            };
            let (agrees, bits) = match witness.says {
                Says::Hash(hash) => (hash == head, 256),
                Says::Anchor(index) => (
                    self.anchors[index].matches(&head),
                    self.anchors[index].bits(),
                ),
                Says::Reached => (true, 0),
            };
            if !agrees {
                let first = self.confirmed.saturating_add(1).min(size.max(1));
                let (kind, exact) = (TamperKind::Rewritten, first == size);
                let fault = Tampering {
                    kind,
                    first_bad_seq: first,
                    exact,
                    shown_by: witness.by,
                };
                self.rewritten.get_or_insert((size, fault));
                continue;
            }
            if witness.weight == Weight::Outside {
                // At one size the anchor with more bits counts.
                self.anchored = self.anchored.max(Some((size, bits, witness.by)));
            }
            if witness.by == Evidence::Checkpoint {
                self.checkpointed = Some(size);
            }
            if self.rewritten.is_none() && witness.weight > Weight::Hint {
                self.confirmed = size;
            }
        }
    }
}
