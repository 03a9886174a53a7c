//! An honest log with checkpoints in three epochs.

use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use handshake_flight_recorder::{
    Checkpoint, EpochHandover, ExportWriter, Leaf, LogHead, LogId, PublicKey, Trust, Verdict,
    Verifier, append, framed,
};

pub(crate) struct Sample {
    pub(crate) log_id: LogId,
    pub(crate) leaves: Vec<Leaf>,
    /// The head at every size from 0.
    pub(crate) heads: Vec<LogHead>,
    pub(crate) handovers: Vec<EpochHandover>,
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) root: PublicKey,
}

pub(crate) fn secret(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(crate) fn public(number: u8) -> PublicKey {
    PublicKey::from_bytes(secret(number).verifying_key().to_bytes()).expect("a key")
}

pub(crate) fn checkpoint(
    log_id: &LogId,
    head: &LogHead,
    prev: Option<&Checkpoint>,
    key: u8,
) -> Checkpoint {
    let secret = secret(key);
    let sign = |domain: &str, m: &[u8]| secret.sign(&framed(domain, m)).to_bytes();
    Checkpoint::sign(
        log_id,
        head,
        "2026-11-22T00:00:00.000Z",
        prev,
        &public(key),
        &sign,
    )
    .expect("signs")
}

pub(crate) fn handover(
    log_id: &LogId,
    epoch: u64,
    from: u8,
    to: u8,
    at: &LogHead,
) -> EpochHandover {
    let secret = secret(from);
    let sign = |domain: &str, m: &[u8]| secret.sign(&framed(domain, m)).to_bytes();
    EpochHandover::sign(log_id, epoch, &public(from), &public(to), at, &sign).expect("signs")
}

/// `size` leaves whose payloads carry `salt`; a checkpoint every four leaves; a new epoch key every ten.
pub(crate) fn sample_of(size: usize, salt: &str) -> Sample {
    let log_id: LogId = "hsk.local/test-install".parse().expect("id");
    let mut head = LogHead::genesis(&log_id);
    let (mut leaves, mut heads) = (Vec::new(), vec![head]);
    let (mut handovers, mut checkpoints): (Vec<_>, Vec<Checkpoint>) = (Vec::new(), Vec::new());
    let mut key = 1;
    for n in 1..=size {
        let payload = format!(r#"{{"event_id":"{n}-{salt}","type":"call_completed"}}"#);
        let (leaf, next) = append(&head, payload.into_bytes()).expect("appends");
        head = next;
        leaves.push(leaf);
        heads.push(head);
        if n % 4 == 0 {
            checkpoints.push(checkpoint(&log_id, &head, checkpoints.last(), key));
        }
        if n % 10 == 0 {
            handovers.push(handover(&log_id, u64::from(key), key, key + 1, &head));
            key += 1;
        }
    }
    Sample {
        log_id,
        leaves,
        heads,
        handovers,
        checkpoints,
        root: public(1),
    }
}

pub(crate) fn sample(size: usize) -> Sample {
    sample_of(size, "a")
}

impl Sample {
    pub(crate) fn trust(&self, anchors: &[String]) -> Trust {
        let anchors = anchors
            .iter()
            .map(|text| text.parse().expect("an anchor"))
            .collect();
        Trust {
            roots: vec![self.root],
            anchors,
            ..Trust::default()
        }
    }

    pub(crate) fn anchor(&self, size: usize) -> String {
        self.heads[size].short_anchor()
    }

    /// The verdict over the same log with other leaves.
    pub(crate) fn verify(&self, leaves: &[Leaf], anchors: &[String]) -> Verdict {
        self.verify_with(leaves, self.trust(anchors), self.checkpoints.clone())
    }

    pub(crate) fn verify_with(
        &self,
        leaves: &[Leaf],
        trust: Trust,
        checkpoints: Vec<Checkpoint>,
    ) -> Verdict {
        let mut verifier = Verifier::new(
            trust,
            Some(self.log_id.clone()),
            &self.handovers,
            checkpoints,
        );
        leaves.iter().for_each(|leaf| verifier.push(leaf));
        verifier.finish()
    }

    pub(crate) fn export(&self, directory: &Path) {
        let mut writer = ExportWriter::create(directory, &self.log_id).expect("creates");
        self.leaves
            .iter()
            .for_each(|leaf| writer.leaf(leaf).expect("writes"));
        self.handovers
            .iter()
            .for_each(|handover| writer.handover(handover).expect("writes"));
        self.checkpoints
            .iter()
            .for_each(|checkpoint| writer.checkpoint(checkpoint).expect("writes"));
        let manifest = writer.finish().expect("finishes");
        assert_eq!(manifest.size as usize, self.leaves.len());
    }
}
