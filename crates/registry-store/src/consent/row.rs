//! A row of the table, and the code over it.

use handshake_core::{
    attest::PublicKey,
    consent::{ConsentReceipt, SignedReceipt},
    digest::{Digest, KeyedHash},
    ids::ReceiptId,
    ports::StoreError,
    seal::SealKeys,
};
use handshake_flight_recorder::{LogHash, LogHead, LogId};
use rusqlite::{Row, params};

use super::{Result, book::Said};
use crate::{codec, log, writer::Tx};

pub(super) const SELECT: &str =
    "SELECT receipt_id, request_id, single, payload, signature, stored_at, uses, bytes,
       new_bytes, last_used, revoked_at, approved, principal, provider_id, envelope, state_seq, state_leaf, mac
     FROM receipts";

const DOMAIN: &str = "hsk.receipt_state.v1";

pub(super) struct Stored {
    pub(super) receipt_id: String,
    pub(super) request_id: String,
    pub(super) single: bool,
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
    pub(super) stored_at: i64,
    pub(super) uses: i64,
    pub(super) bytes: i64,
    pub(super) new_bytes: i64,
    pub(super) last_used: Option<i64>,
    pub(super) revoked_at: Option<i64>,
    pub(super) approved: bool,
    principal: String,
    pub(super) provider_id: String,
    envelope: Vec<u8>,
    state_seq: Option<i64>,
    state_leaf: Option<Vec<u8>>,
    mac: Option<Vec<u8>>,
}

impl Stored {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            receipt_id: row.get(0)?,
            request_id: row.get(1)?,
            single: row.get(2)?,
            payload: row.get(3)?,
            signature: row.get(4)?,
            stored_at: row.get(5)?,
            uses: row.get(6)?,
            bytes: row.get(7)?,
            new_bytes: row.get(8)?,
            last_used: row.get(9)?,
            revoked_at: row.get(10)?,
            approved: row.get(11)?,
            principal: row.get(12)?,
            provider_id: row.get(13)?,
            envelope: row.get(14)?,
            state_seq: row.get(15)?,
            state_leaf: row.get(16)?,
            mac: row.get(17)?,
        })
    }

    pub(super) fn signed(&self) -> std::result::Result<SignedReceipt, StoreError> {
        let signature = self.signature[..]
            .try_into()
            .map_err(|_| StoreError::Damaged)?;
        Ok(SignedReceipt {
            payload: self.payload.clone(),
            signature,
        })
    }

    /// Whether it can be spent at all: what cannot needs no comparison.
    pub(super) fn lives(&self) -> bool {
        self.approved && self.revoked_at.is_none()
    }

    pub(super) fn id(&self) -> std::result::Result<ReceiptId, StoreError> {
        codec::id(&self.receipt_id)
    }

    /// The receipt, where it is one.
    pub(super) fn opened(&self, key: &PublicKey) -> Option<ConsentReceipt> {
        self.signed().ok()?.open(key).ok()
    }

    /// Whether it is as this program left it, and says what the log says.
    pub(super) fn agrees(&self, keys: &SealKeys, said: Option<Said>) -> bool {
        let Some(said) = said else {
            return false;
        };
        let mac: Option<[u8; 32]> = self.mac.as_deref().and_then(|bytes| bytes.try_into().ok());
        let mac = mac.map(|bytes| KeyedHash::from_digest(Digest::from_bytes(bytes)));
        let place = self.state_leaf.as_deref();
        let place: Option<[u8; 32]> = place.and_then(|bytes| bytes.try_into().ok());
        mac.is_some_and(|mac| self.code(keys).same_as(&mac))
            && codec::small(self.uses) == Ok(said.uses)
            && !said.revoked
            && self.state_seq.map(codec::unsigned) == Some(Ok(said.last.size))
            && place.map(LogHash::from_bytes) == Some(said.last.hash)
    }

    fn code(&self, keys: &SealKeys) -> KeyedHash {
        let number = |value: i64| value.to_be_bytes().to_vec();
        let maybe = |value: Option<i64>| value.map_or_else(Vec::new, number);
        let parts: [Vec<u8>; 16] = [
            self.receipt_id.clone().into_bytes(),
            self.request_id.clone().into_bytes(),
            self.principal.clone().into_bytes(),
            self.provider_id.clone().into_bytes(),
            self.envelope.clone(),
            vec![u8::from(self.single), u8::from(self.approved)],
            Digest::of(&[&self.payload]).as_bytes().to_vec(),
            self.signature.clone(),
            number(self.stored_at),
            number(self.uses),
            number(self.bytes),
            number(self.new_bytes),
            maybe(self.last_used),
            maybe(self.revoked_at),
            maybe(self.state_seq),
            self.state_leaf.clone().unwrap_or_default(),
        ];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        keys.keyed(DOMAIN, &parts)
    }
}

/// The log as it stood when a receipt was signed, which the signature holds. One that does not say is compared with all
/// of the log.
pub(super) fn signed_at(receipt: &ConsentReceipt, log_id: &LogId) -> LogHead {
    let checkpoint = receipt.ext.recorder_checkpoint.as_deref();
    let head = checkpoint.and_then(|text| {
        let (size, hash) = text.split_once(':')?;
        Some(LogHead {
            size: size.parse().ok()?,
            hash: hash.parse().ok()?,
        })
    });
    head.unwrap_or_else(|| LogHead::genesis(log_id))
}

/// Says of a receipt's row that it stands for the log as it is now: called after its event was appended and its row
/// changed.
pub(crate) fn settle(tx: &Tx<'_>, receipt_id: &str) -> Result<()> {
    let head = log::present_head(tx)?;
    let mut row = tx
        .conn
        .prepare_cached(&format!("{SELECT} WHERE receipt_id = ?1"))?
        .query_row(params![receipt_id], Stored::read)?;
    row.state_seq = Some(codec::int(head.size)?);
    row.state_leaf = Some(head.hash.as_bytes().to_vec());
    let mac = row.code(&tx.shared.options.seals);
    tx.conn
        .prepare_cached(
            "UPDATE receipts SET state_seq = ?2, state_leaf = ?3, mac = ?4 WHERE receipt_id = ?1",
        )?
        .execute(params![
            receipt_id,
            row.state_seq,
            row.state_leaf,
            mac.digest().as_bytes()
        ])?;
    Ok(())
}

/// The code over a block that was sent under a receipt: that it need not count as new again.
pub(crate) fn block_code(
    keys: &SealKeys,
    receipt_id: &str,
    block: &KeyedHash,
    bytes: i64,
) -> KeyedHash {
    let parts: [&[u8]; 3] = [
        receipt_id.as_bytes(),
        block.digest().as_bytes(),
        &bytes.to_be_bytes(),
    ];
    keys.keyed("hsk.receipt_block.v1", &parts)
}
