//! Verification: leaves against their chain, the chain against checkpoints, all of it against anchors.

use crate::{
    anchor::Anchor,
    checkpoint::Checkpoint,
    handover::EpochHandover,
    hash::LogHash,
    key::PublicKey,
    leaf::{Leaf, LogHead, LogId},
    receipt::Receipt,
    seam::Seam,
    verdict::{Evidence, Status, TamperKind, Tampering, Verdict},
};

mod chain;
mod witness;

use chain::Chain;
use witness::Witness;

/// What the caller trusts. Never taken from the log under test.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Public keys with which the log may have begun. Without one, every checkpoint is by a wrong key.
    pub roots: Vec<PublicKey>,
    /// The key that signs now, for whoever holds the vault: the handovers have to lead to it.
    pub present: Option<PublicKey>,
    /// Public keys with which a person approves. A receipt that one of them signed counts as an anchor, and one that
    /// none of them signed as tampering. Without a key, receipts can only contradict.
    pub approvers: Vec<PublicKey>,
    /// What was noted outside. Without one, and without a receipt that counts as one, the best verdict is
    /// *self-consistent only*.
    pub anchors: Vec<Anchor>,
}

/// What is kept about a log beside its leaves, each in the order in which it was made.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// From each epoch key to the next.
    pub handovers: Vec<EpochHandover>,
    /// Signed heads.
    pub checkpoints: Vec<Checkpoint>,
    /// What was pruned. A seam that does not hold is not gone by, so the leaves that it speaks of are missing then.
    pub seams: Vec<Seam>,
    /// Receipts of consent: each names the head of its time.
    pub receipts: Vec<Receipt>,
    /// Sizes at which something was sent under a receipt. The log had that size then, and a checkpoint signed it
    /// before the send.
    pub uses: Vec<u64>,
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
/// let trust = Trust { anchors: vec![head.short_anchor().parse()?], ..Trust::default() };
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
    anchored: Option<(u64, u32, Evidence)>,
    checkpointed: Option<u64>,
    /// The largest size of a checkpoint that was taken, pruned leaves included.
    signed_to: u64,
    /// A checkpoint has to be there for this size.
    signed_at_least: u64,
    /// The root that signed.
    root: Option<PublicKey>,
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
        let records = Records {
            handovers: handovers.to_vec(),
            checkpoints,
            ..Records::default()
        };
        Self::over(trust, log_id, records)
    }

    /// The same with everything that is kept about a log. After a seam that holds, the leaves begin behind it.
    #[must_use]
    pub fn over(mut trust: Trust, log_id: Option<LogId>, records: Records) -> Self {
        let genesis = log_id.as_ref().map(|id| LogHead::genesis(id).hash);
        let mut this = Self {
            chain: Chain::new(0, genesis),
            pruned: 0,
            anchors: std::mem::take(&mut trust.anchors),
            witnesses: Vec::new(),
            next: 0,
            epoch_keys: 0,
            confirmed: 0,
            anchored: None,
            checkpointed: None,
            signed_to: 0,
            signed_at_least: 0,
            root: None,
            rewritten: None,
            tampering: Vec::new(),
            log_id,
        };
        this.take(&trust, records);
        this.pass_the_pruned();
        this.meet_witnesses();
        this
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

    /// Takes note of a record beside the leaves that could not be read.
    pub fn malformed(&mut self, by: Evidence) {
        self.note(Tampering::vague(TamperKind::Malformed, 1, by));
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
        if self.signed_to < self.signed_at_least && self.tampering.is_empty() {
            let after = self.signed_to.saturating_add(1);
            let fault = Tampering::vague(TamperKind::Removed, after, Evidence::Use);
            self.tampering.push(fault);
        }
        self.tampering
            .sort_by_key(|t| (!t.exact, t.first_bad_seq, t.kind, t.shown_by));
        let status = match self.anchored {
            _ if !self.tampering.is_empty() => Status::Tampered,
            Some((anchored, ..)) if anchored > 0 || size == 0 => Status::Intact,
            _ => Status::SelfConsistentOnly,
        };
        Verdict {
            status,
            root: self.root,
            log_id: self.log_id,
            size,
            pruned: (self.pruned > 0).then_some(self.pruned),
            head: self.chain.head(),
            anchored_size: self.anchored.map(|(size, ..)| size),
            anchored_by: self.anchored.map(|(_, _, by)| by),
            anchor_bits: self.anchored.map(|(_, bits, _)| bits),
            checkpointed_size: self.checkpointed,
            unanchored: size - self.anchored.map_or(0, |(size, ..)| size),
            epoch_keys: self.epoch_keys,
            tampering: self.tampering,
        }
    }
}
