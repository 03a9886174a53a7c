//! Verification: leaves against their chain, the chain against checkpoints, all of it against anchors.

use crate::{
    anchor::Anchor,
    checkpoint::Checkpoint,
    handover::{EpochHandover, Epochs},
    hash::LogHash,
    key::{self, PublicKey},
    leaf::{Leaf, LogHead, LogId},
    seam::Seam,
    verdict::{Evidence, Status, TamperKind, Tampering, Verdict},
};

mod chain;

use chain::Chain;

/// What the caller trusts. Never taken from the log under test.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Public keys with which the log may have begun. Without one, every checkpoint is by a wrong key.
    pub roots: Vec<PublicKey>,
    /// What was noted outside. Without one, the best verdict is *self-consistent only*.
    pub anchors: Vec<Anchor>,
}

/// Something that says which hash the log has at a size.
#[derive(Debug)]
struct Witness {
    size: u64,
    by: Evidence,
    says: Says,
}

#[derive(Debug)]
enum Says {
    Hash(LogHash),
    /// The anchor with this index.
    Anchor(usize),
}

/// Checks a log leaf by leaf, in constant memory per leaf.
///
/// ```
/// use handshake_flight_recorder::{LogHead, Status, Trust, Verifier, append};
///
/// let log_id = "hsk.local/install-1".parse()?;
/// let genesis = LogHead::genesis(&log_id);
/// let (leaf, head) = append(&genesis, br#"{"type":"provider_registered"}"#.to_vec())?;
///
/// // The head was written down elsewhere.
/// let trust = Trust { roots: vec![], anchors: vec![head.short_anchor().parse()?] };
/// let mut verifier = Verifier::new(trust, Some(log_id), &[], vec![]);
/// verifier.push(&leaf);
/// assert_eq!(verifier.finish().status, Status::Intact);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Verifier {
    log_id: Option<LogId>,
    anchors: Vec<Anchor>,
    /// Sorted by size.
    witnesses: Vec<Witness>,
    next: usize,
    chain: Chain,
    /// Where the leaves begin: after this many, which were pruned.
    pruned: u64,
    epoch_keys: usize,
    /// The largest size that a signed or outside witness confirmed.
    confirmed: u64,
    anchored: Option<(u64, u32)>,
    checkpointed: Option<u64>,
    /// The first disagreement with a witness, and the size at which it showed.
    rewritten: Option<(u64, Tampering)>,
    tampering: Vec<Tampering>,
}

impl Verifier {
    /// Checks handovers and checkpoints, which must be in the order in which they were made, and waits
    /// for the leaves. Without a `log_id`, no handover counts and the first leaf's predecessor is taken
    /// as it stands.
    #[must_use]
    pub fn new(
        trust: Trust,
        log_id: Option<LogId>,
        handovers: &[EpochHandover],
        checkpoints: Vec<Checkpoint>,
    ) -> Self {
        Self::pruned(trust, log_id, handovers, checkpoints, &[])
    }

    /// The same for a log whose oldest leaves may have been removed on purpose: the leaves begin after the last
    /// of the seams. A seam that does not hold is not gone by, so the leaves that it speaks of are missing then.
    #[must_use]
    pub fn pruned(
        trust: Trust,
        log_id: Option<LogId>,
        handovers: &[EpochHandover],
        checkpoints: Vec<Checkpoint>,
        seams: &[Seam],
    ) -> Self {
        let genesis = log_id.as_ref().map(|id| LogHead::genesis(id).hash);
        let mut this = Self {
            chain: Chain::new(0, genesis),
            pruned: 0,
            anchors: trust.anchors,
            witnesses: Vec::new(),
            next: 0,
            epoch_keys: 0,
            confirmed: 0,
            anchored: None,
            checkpointed: None,
            rewritten: None,
            tampering: Vec::new(),
            log_id,
        };
        this.take_signed(&trust.roots, handovers, checkpoints, seams);
        this.witnesses.sort_by_key(|witness| witness.size);
        this.pass_the_pruned();
        this.meet_witnesses();
        this
    }

    fn take_signed(
        &mut self,
        roots: &[PublicKey],
        handovers: &[EpochHandover],
        checkpoints: Vec<Checkpoint>,
        seams: &[Seam],
    ) {
        let (epochs, fault) = Epochs::follow(self.log_id.as_ref(), roots, handovers);
        self.epoch_keys = epochs.len();
        self.tampering.extend(fault);
        if fault.is_none() {
            self.witnesses
                .extend(handovers.iter().map(|handover| Witness {
                    size: handover.at_size,
                    by: Evidence::Handover,
                    says: Says::Hash(handover.at_head),
                }));
        }
        self.take_checkpoints(&epochs, checkpoints);
        self.take_seams(&epochs, seams);
        for (index, anchor) in self.anchors.iter().enumerate() {
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
                Some(kind) => {
                    self.tampering
                        .push(Tampering::vague(kind, anchor.size(), Evidence::Anchor))
                }
                None => self.witnesses.push(Witness {
                    size: anchor.size(),
                    by: Evidence::Anchor,
                    says: Says::Anchor(index),
                }),
            }
        }
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
                self.tampering.push(Tampering::vague(
                    kind,
                    checkpoint.size,
                    Evidence::Checkpoint,
                ));
                return;
            }
            before = Some((checkpoint.size, checkpoint.hash()));
            let says = Says::Hash(checkpoint.head);
            self.witnesses.push(Witness {
                size: checkpoint.size,
                by: Evidence::Checkpoint,
                says,
            });
        }
    }

    fn take_seams(&mut self, epochs: &Epochs, seams: &[Seam]) {
        let mut before: Option<&Seam> = None;
        for seam in seams {
            let follows = seam.follows(before, self.log_id.as_ref());
            let fault = epochs.judge_seam(seam).err();
            if let Some(kind) = fault.or((!follows).then_some(TamperKind::SeamChain)) {
                self.tampering
                    .push(Tampering::vague(kind, seam.size, Evidence::Seam));
                break;
            }
            for (size, hash) in [(seam.size, seam.head), (seam.at_size, seam.at_head)] {
                self.witnesses.push(Witness {
                    size,
                    by: Evidence::Seam,
                    says: Says::Hash(hash),
                });
            }
            before = Some(seam);
        }
        if let Some(last) = before {
            self.pruned = last.size;
            self.chain = Chain::new(last.size, Some(last.head));
        }
    }

    /// Witnesses of leaves that were pruned can only be held against each other.
    fn pass_the_pruned(&mut self) {
        let behind = self.witnesses.partition_point(|w| w.size < self.pruned);
        for pair in self.witnesses[..behind].chunk_by(|a, b| a.size == b.size) {
            let known = pair.iter().find_map(|witness| match witness.says {
                Says::Hash(hash) => Some(hash),
                Says::Anchor(_) => None,
            });
            let Some(known) = known else { continue };
            let liar = pair.iter().find(|witness| match witness.says {
                Says::Hash(hash) => hash != known,
                Says::Anchor(index) => !self.anchors[index].matches(&known),
            });
            if let Some(liar) = liar {
                let fault = Tampering::vague(TamperKind::Rewritten, liar.size, liar.by);
                self.rewritten.get_or_insert((liar.size, fault));
            }
        }
        self.next = behind;
        self.confirmed = self.pruned;
    }

    /// Takes the next leaf, in the order of the log.
    pub fn push(&mut self, leaf: &Leaf) {
        if self.chain.push(leaf) {
            self.meet_witnesses();
        }
    }

    /// Takes a line that could not be read as a leaf.
    pub fn push_malformed(&mut self) {
        self.chain.push_malformed();
    }

    /// Adds something that was found outside the leaves.
    pub(crate) fn note(&mut self, tampering: Tampering) {
        self.tampering.push(tampering);
    }

    /// The number of leaves that hold so far.
    pub(crate) fn size(&self) -> u64 {
        self.chain.size()
    }

    pub(crate) fn head(&self) -> Option<LogHash> {
        self.chain.head()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.chain.is_broken()
    }

    /// Asks every witness of the present size.
    fn meet_witnesses(&mut self) {
        let size = self.chain.size();
        let Some(head) = self.chain.head() else {
            return;
        };
        while let Some(witness) = self.witnesses.get(self.next).filter(|w| w.size <= size) {
            if witness.size < size {
                // Only size 0 of a log whose identity is unknown: there was no head to compare with.
                self.next += 1;
                continue;
            }
            let (agrees, bits) = match witness.says {
                Says::Hash(hash) => (hash == head, 0),
                Says::Anchor(index) => (
                    self.anchors[index].matches(&head),
                    self.anchors[index].bits(),
                ),
            };
            self.next += 1;
            if !agrees {
                let first = (self.confirmed + 1).min(size.max(1));
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
            match witness.by {
                Evidence::Anchor => {
                    // At one size the anchor with more bits counts.
                    self.anchored = self.anchored.max(Some((size, bits)));
                }
                Evidence::Checkpoint => self.checkpointed = Some(size),
                _ => {}
            }
            if self.rewritten.is_none() {
                self.confirmed = size;
            }
        }
    }

    /// The verdict over all that was taken.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        let size = self.chain.size();
        let mut rewritten = self.rewritten.take();
        match self.chain.tampering() {
            Some(mut broken) => {
                // Where the chain leaves two leaves open, a witness of the first settles it.
                if !broken.exact && rewritten.is_some_and(|(at, _)| at == size) {
                    broken.exact = true;
                    rewritten = None;
                } else if !broken.exact && rewritten.is_none() && self.confirmed == size {
                    broken = Tampering {
                        first_bad_seq: size.saturating_add(1),
                        exact: true,
                        ..broken
                    };
                }
                self.tampering.push(broken);
            }
            None => {
                let missing = self.witnesses.get(self.next..).unwrap_or_default();
                // An outside anchor is the strongest thing to name.
                let by = missing.iter().map(|witness| witness.by).max();
                self.tampering.extend(
                    by.map(|by| {
                        Tampering::exact(TamperKind::Truncated, size.saturating_add(1), by)
                    }),
                );
            }
        }
        self.tampering.extend(rewritten.map(|(_, fault)| fault));
        self.tampering
            .sort_by_key(|t| (!t.exact, t.first_bad_seq, t.kind, t.shown_by));
        let status = match self.anchored {
            _ if !self.tampering.is_empty() => Status::Tampered,
            Some((anchored, _)) if anchored > 0 || size == 0 => Status::Intact,
            _ => Status::SelfConsistentOnly,
        };
        Verdict {
            status,
            log_id: self.log_id,
            size,
            pruned: (self.pruned > 0).then_some(self.pruned),
            head: self.chain.head(),
            anchored_size: self.anchored.map(|(size, _)| size),
            anchor_bits: self.anchored.map(|(_, bits)| bits),
            checkpointed_size: self.checkpointed,
            unanchored: size - self.anchored.map_or(0, |(size, _)| size),
            epoch_keys: self.epoch_keys,
            tampering: self.tampering,
        }
    }
}
