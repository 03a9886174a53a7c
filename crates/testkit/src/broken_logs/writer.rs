//! A log and its export, written from `docs/log-format.md`.

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use super::Files;

mod records;

pub(super) use self::records::{Checkpoint, Handover, Leaf, Receipt, Seam};

pub(super) type Hash = [u8; 32];

pub(super) const LOG_ID: &str = "hsk.local/corpus";
const TIME: &str = "2026-11-29T00:00:00.000Z";
/// The key of the person who approves.
pub(super) const PERSON: u8 = 0x77;

/// The key that is made from this seed.
pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(super) fn public(seed: u8) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sum(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("small").to_be_bytes();
    [&length[..], bytes].concat()
}

fn key_id(key: &[u8; 32]) -> [u8; 8] {
    let id = sum(&[b"hsk.key.v1\0", key]);
    *id.first_chunk().expect("32 bytes")
}

pub(super) fn genesis(log_id: &str) -> Hash {
    sum(&[b"hsk.log.v1\0", &sized(log_id.as_bytes())])
}

/// A log with all that is kept beside it. Every part may be changed before it is written.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) log_id: String,
    /// The seed of the key that signs now.
    pub(super) signer: u8,
    pub(super) leaves: Vec<Leaf>,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) handovers: Vec<Handover>,
    pub(super) seams: Vec<Seam>,
    pub(super) receipts: Vec<Receipt>,
}

impl Log {
    /// An empty log whose first key is made from seed 1.
    pub(super) fn new(log_id: &str) -> Self {
        Self {
            log_id: log_id.to_owned(),
            signer: 1,
            leaves: Vec::new(),
            checkpoints: Vec::new(),
            handovers: Vec::new(),
            seams: Vec::new(),
            receipts: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match (self.leaves.last(), self.seams.last()) {
            (Some(last), _) => last.seq,
            (None, Some(seam)) => seam.size,
            (None, None) => 0,
        }
    }

    /// The head at a size that is still there.
    pub(super) fn head(&self, size: u64) -> Hash {
        let leaf = self.leaves.iter().find(|leaf| leaf.seq == size);
        let seam = || self.seams.iter().find(|seam| seam.size == size);
        leaf.map(|leaf| leaf.hash)
            .or_else(|| seam().map(|seam| seam.head))
            .unwrap_or_else(|| genesis(&self.log_id))
    }

    pub(super) fn append(&mut self, payload: &[u8]) {
        let size = self.size();
        let leaf = Leaf::new(size.wrapping_add(1), self.head(size), payload.to_vec());
        self.leaves.push(leaf);
    }

    /// So many more events.
    pub(super) fn grow(&mut self, count: u64) {
        for _ in 0..count {
            let next = self.size().wrapping_add(1);
            let payload = format!(r#"{{"event_id":"{next}","type":"call_completed"}}"#);
            self.append(payload.as_bytes());
        }
    }

    pub(super) fn checkpoint(&mut self) {
        let size = self.size();
        let prev = match self.checkpoints.last() {
            Some(last) => last.hash(),
            None => genesis(&self.log_id),
        };
        let mut made = Checkpoint {
            log_id: self.log_id.clone(),
            size,
            head: self.head(size),
            time: TIME.to_owned(),
            key: public(self.signer),
            prev,
            signature: [0; 64],
        };
        made.signature = key(self.signer).sign(&made.signed()).to_bytes();
        self.checkpoints.push(made);
    }

    /// Hands over to the key of the next seed.
    pub(super) fn hand_over(&mut self) {
        let size = self.size();
        let mut made = Handover {
            log_id: self.log_id.clone(),
            epoch: self.handovers.len() as u64 + 1,
            from: public(self.signer),
            to: public(self.signer + 1),
            at_size: size,
            at_head: self.head(size),
            signature: [0; 64],
        };
        made.signature = key(self.signer).sign(&made.signed()).to_bytes();
        self.handovers.push(made);
        self.signer += 1;
    }

    /// Signs that the leaves up to `size` are removed, and removes them.
    pub(super) fn prune(&mut self, size: u64) {
        let at_size = self.size();
        let before = self.seams.last();
        let mut made = Seam {
            log_id: self.log_id.clone(),
            first: before.map_or(0, |before| before.size).wrapping_add(1),
            size,
            head: self.head(size),
            at_size,
            at_head: self.head(at_size),
            key: public(self.signer),
            prev: before.map_or_else(|| genesis(&self.log_id), Seam::hash),
            signature: [0; 64],
        };
        made.signature = key(self.signer).sign(&made.signed()).to_bytes();
        self.seams.push(made);
        self.leaves.retain(|leaf| leaf.seq > size);
    }

    /// A person approves while the log is as it is.
    pub(super) fn approve(&mut self) {
        let size = self.size();
        let payload = format!(
            r#"{{"approved":true,"ext":{{"nonce":"{size:032x}","recorder_checkpoint":"{size}:{}","run":1}}}}"#,
            hex(&self.head(size))
        );
        self.approve_as(payload.into_bytes());
    }

    pub(super) fn approve_as(&mut self, payload: Vec<u8>) {
        let message = [b"hsk.consent_receipt.v1\0", &payload[..]].concat();
        let signature = key(PERSON).sign(&message).to_bytes();
        self.receipts.push(Receipt { payload, signature });
    }

    /// Makes every hash fit again, from the first leaf on, as whoever can write the file can.
    pub(super) fn rehash(&mut self) {
        let first = self.leaves.first().map_or(1, |leaf| leaf.seq);
        let mut prev = self.head(first.saturating_sub(1));
        let mut seq = first;
        for leaf in &mut self.leaves {
            *leaf = Leaf::new(seq, prev, std::mem::take(&mut leaf.payload));
            prev = leaf.hash;
            seq = seq.wrapping_add(1);
        }
    }

    /// Its export, with a manifest that fits.
    pub(super) fn files(&self) -> Files {
        let join = |lines: Vec<Vec<u8>>| {
            lines.into_iter().fold(Vec::new(), |mut all, line| {
                all.extend(line);
                all.push(b'\n');
                all
            })
        };
        let size = self.size();
        let (seams, receipts) = (self.seams.len(), self.receipts.len());
        let version = match (seams, receipts) {
            (0, 0) => "0.1",
            (_, 0) => "0.2",
            _ => "0.3",
        };
        let member = |name: &str, count: usize| match count {
            0 => String::new(),
            count => format!(r#","{name}":{count}"#),
        };
        let manifest = format!(
            "{{\"schema\":\"hsk.log_export@{version}\",\"log_id\":\"{}\",\"size\":{size},\"head\":\"{}\",\"handovers\":{},\"checkpoints\":{}{}{}}}\n",
            self.log_id,
            hex(&self.head(size)),
            self.handovers.len(),
            self.checkpoints.len(),
            member("seams", seams),
            member("receipts", receipts)
        );
        let text = |lines: Vec<String>| join(lines.into_iter().map(String::into_bytes).collect());
        let mut files = Files::from([
            ("manifest.json", manifest.into_bytes()),
            (
                "log.jsonl",
                join(self.leaves.iter().map(Leaf::line).collect()),
            ),
            (
                "checkpoints.jsonl",
                text(self.checkpoints.iter().map(Checkpoint::line).collect()),
            ),
            (
                "handovers.jsonl",
                text(self.handovers.iter().map(Handover::line).collect()),
            ),
        ]);
        if seams > 0 {
            files.insert(
                "seams.jsonl",
                text(self.seams.iter().map(Seam::line).collect()),
            );
        }
        if receipts > 0 {
            files.insert(
                "receipts.jsonl",
                join(self.receipts.iter().map(Receipt::line).collect()),
            );
        }
        files
    }
}
