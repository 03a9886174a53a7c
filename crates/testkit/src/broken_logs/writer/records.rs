//! The records of an export: as they are hashed and signed, and as they are written.

use super::{Hash, TIME, hex, key_id, sized, sum};

#[derive(Clone, Debug)]
pub(in crate::broken_logs) struct Leaf {
    pub(in crate::broken_logs) seq: u64,
    pub(in crate::broken_logs) prev: Hash,
    pub(in crate::broken_logs) hash: Hash,
    pub(in crate::broken_logs) payload: Vec<u8>,
}

impl Leaf {
    pub(in crate::broken_logs) fn new(seq: u64, prev: Hash, payload: Vec<u8>) -> Self {
        let hash = sum(&[
            b"\0hsk.leaf.v1\0",
            &seq.to_be_bytes(),
            &prev,
            &sized(&payload),
        ]);
        Self {
            seq,
            prev,
            hash,
            payload,
        }
    }

    pub(super) fn line(&self) -> Vec<u8> {
        let (prev, hash) = (hex(&self.prev), hex(&self.hash));
        let head = format!(
            r#"{{"seq":{},"prev":"{prev}","hash":"{hash}","event":"#,
            self.seq
        );
        [head.as_bytes(), &self.payload, b"}"].concat()
    }
}

/// What a checkpoint, a handover and a seam have in common: fields as they are signed, and as they are written.
#[derive(Clone, Debug)]
pub(in crate::broken_logs) struct Checkpoint {
    pub(in crate::broken_logs) log_id: String,
    pub(in crate::broken_logs) size: u64,
    pub(in crate::broken_logs) head: Hash,
    pub(in crate::broken_logs) time: String,
    pub(in crate::broken_logs) key: [u8; 32],
    pub(in crate::broken_logs) prev: Hash,
    pub(in crate::broken_logs) signature: [u8; 64],
}

impl Checkpoint {
    pub(in crate::broken_logs) fn signed(&self) -> Vec<u8> {
        [
            &b"hsk.checkpoint.v1\0"[..],
            &sized(self.log_id.as_bytes()),
            &self.size.to_be_bytes(),
            &self.head,
            &sized(self.time.as_bytes()),
            &key_id(&self.key),
            &self.prev,
        ]
        .concat()
    }

    pub(in crate::broken_logs) fn hash(&self) -> Hash {
        sum(&[
            b"hsk.checkpoint_hash.v1\0",
            &sized(&self.signed()),
            &self.signature,
        ])
    }

    pub(super) fn line(&self) -> String {
        format!(
            r#"{{"log_id":"{}","size":{},"head":"{}","time":"{}","key_id":"{}","prev_checkpoint_hash":"{}","signature":"{}"}}"#,
            self.log_id,
            self.size,
            hex(&self.head),
            self.time,
            hex(&key_id(&self.key)),
            hex(&self.prev),
            hex(&self.signature)
        )
    }
}

#[derive(Clone, Debug)]
pub(in crate::broken_logs) struct Handover {
    pub(in crate::broken_logs) log_id: String,
    pub(in crate::broken_logs) epoch: u64,
    pub(in crate::broken_logs) from: [u8; 32],
    pub(in crate::broken_logs) to: [u8; 32],
    pub(in crate::broken_logs) at_size: u64,
    pub(in crate::broken_logs) at_head: Hash,
    pub(in crate::broken_logs) signature: [u8; 64],
}

impl Handover {
    pub(in crate::broken_logs) fn signed(&self) -> Vec<u8> {
        [
            &b"hsk.epoch_handover.v1\0"[..],
            &sized(self.log_id.as_bytes()),
            &self.epoch.to_be_bytes(),
            &self.from,
            &self.to,
            &self.at_size.to_be_bytes(),
            &self.at_head,
        ]
        .concat()
    }

    pub(super) fn line(&self) -> String {
        format!(
            r#"{{"log_id":"{}","epoch":{},"from_key":"{}","to_key":"{}","at_size":{},"at_head":"{}","signature":"{}"}}"#,
            self.log_id,
            self.epoch,
            hex(&self.from),
            hex(&self.to),
            self.at_size,
            hex(&self.at_head),
            hex(&self.signature)
        )
    }
}

#[derive(Clone, Debug)]
pub(in crate::broken_logs) struct Seam {
    pub(in crate::broken_logs) log_id: String,
    pub(in crate::broken_logs) first: u64,
    pub(in crate::broken_logs) size: u64,
    pub(in crate::broken_logs) head: Hash,
    pub(in crate::broken_logs) at_size: u64,
    pub(in crate::broken_logs) at_head: Hash,
    pub(in crate::broken_logs) key: [u8; 32],
    pub(in crate::broken_logs) prev: Hash,
    pub(in crate::broken_logs) signature: [u8; 64],
}

impl Seam {
    pub(in crate::broken_logs) fn signed(&self) -> Vec<u8> {
        [
            &b"hsk.log_seam.v1\0"[..],
            &sized(self.log_id.as_bytes()),
            &self.first.to_be_bytes(),
            &self.size.to_be_bytes(),
            &self.head,
            &self.at_size.to_be_bytes(),
            &self.at_head,
            &sized(TIME.as_bytes()),
            &key_id(&self.key),
            &self.prev,
        ]
        .concat()
    }

    pub(super) fn hash(&self) -> Hash {
        sum(&[
            b"hsk.log_seam_hash.v1\0",
            &sized(&self.signed()),
            &self.signature,
        ])
    }

    pub(super) fn line(&self) -> String {
        format!(
            r#"{{"log_id":"{}","first":{},"size":{},"head":"{}","at_size":{},"at_head":"{}","time":"{TIME}","key_id":"{}","prev_seam_hash":"{}","signature":"{}"}}"#,
            self.log_id,
            self.first,
            self.size,
            hex(&self.head),
            self.at_size,
            hex(&self.at_head),
            hex(&key_id(&self.key)),
            hex(&self.prev),
            hex(&self.signature)
        )
    }
}

#[derive(Clone, Debug)]
pub(in crate::broken_logs) struct Receipt {
    pub(in crate::broken_logs) payload: Vec<u8>,
    pub(in crate::broken_logs) signature: [u8; 64],
}

impl Receipt {
    pub(super) fn line(&self) -> Vec<u8> {
        let head = format!(r#"{{"signature":"{}","receipt":"#, hex(&self.signature));
        [head.as_bytes(), &self.payload, b"}"].concat()
    }
}
