//! Receipts: evidence for the gate, history for people.

mod book;
mod compare;
mod revoke;
mod row;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use handshake_core::{
    consent::{ConsentReceipt, ReceiptEvidence, ReceiptScope, SignedReceipt},
    digest::{Digest, KeyedHash},
    ids::{ProviderId, ReceiptId, UseId},
    ports::{ConsentStore, ReceiptQuery, StoreError},
    time::UtcTime,
};
use rusqlite::{Connection, OptionalExtension, params};

pub(crate) use self::{
    book::Book,
    compare::contradicts_log,
    revoke::{revoke, revoke_for, revoke_for_model, revoke_where},
    row::{block_code, settle},
};
use self::{
    compare::compare,
    row::{SELECT, Stored},
};
use crate::{
    codec,
    error::Fail,
    queue::{ABANDONED, presence},
    store::{Shared, Store},
    writer::Tx,
};

/// A stored receipt with its history, for listings and packs.
#[derive(Clone, Debug)]
pub struct ReceiptRecord {
    /// What was decided, read from the signed bytes. The signature is not verified here.
    pub receipt: ConsentReceipt,
    /// The signed bytes.
    pub signed: SignedReceipt,
    /// Uses that were begun.
    pub uses: u32,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Bytes that were new at the time.
    pub new_bytes: u64,
    /// When it was last used.
    pub last_used: Option<UtcTime>,
    /// When it was revoked.
    pub revoked_at: Option<UtcTime>,
    /// Whether nothing can be sent under it any more: revoked, expired, used up, given to somebody who left, in another
    /// run of the home, or for a provider that was changed since.
    pub void: bool,
}

type Result<T> = std::result::Result<T, Fail<StoreError>>;

#[async_trait]
impl ConsentStore for Store {
    async fn find(
        &self,
        query: &ReceiptQuery,
    ) -> std::result::Result<Vec<ReceiptEvidence>, StoreError> {
        self.shared().healthy()?;
        let (query, shared) = (query.clone(), Arc::clone(self.shared()));
        let found = self.read(move |conn| find(conn, &shared, &query)).await?;
        self.make_void(found.void).await?;
        Ok(found.evidence)
    }

    async fn revoked_since(
        &self,
        since: UtcTime,
    ) -> std::result::Result<Vec<ReceiptId>, StoreError> {
        self.read(move |conn| {
            // The very millisecond included: aborting a stream twice is harmless, missing it is not.
            let mut select = conn.prepare_cached(
                "SELECT receipt_id FROM receipts WHERE revoked_at >= ?1 ORDER BY revoked_at, receipt_id",
            )?;
            let ids = select.query_map(params![since.unix_millis()], |row| row.get::<_, String>(0))?;
            ids.map(|id| Ok(codec::id(&id?)?)).collect()
        })
        .await
    }
}

impl Store {
    /// All receipts, newest first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a receipt that does not read back.
    pub async fn receipts(
        &self,
        limit: u32,
    ) -> std::result::Result<Vec<ReceiptRecord>, StoreError> {
        let shared = Arc::clone(self.shared());
        self.read(move |conn| {
            let sql = format!("{SELECT} ORDER BY stored_at DESC, receipt_id LIMIT ?1");
            let rows: Vec<Stored> = conn
                .prepare_cached(&sql)?
                .query_map(params![limit], Stored::read)?
                .collect::<rusqlite::Result<_>>()?;
            rows.into_iter()
                .map(|row| {
                    let signed = row.signed()?;
                    let receipt: ConsentReceipt =
                        serde_json::from_slice(&signed.payload).map_err(|_| StoreError::Damaged)?;
                    Ok(ReceiptRecord {
                        void: is_void(conn, &shared, &row, &receipt)?,
                        receipt,
                        signed,
                        uses: codec::small(row.uses)?,
                        bytes: codec::unsigned(row.bytes)?,
                        new_bytes: codec::unsigned(row.new_bytes)?,
                        last_used: row.last_used.map(codec::time),
                        revoked_at: row.revoked_at.map(codec::time),
                    })
                })
                .collect()
        })
        .await
    }

    /// The receipts that were revoked since then, as [`ConsentStore::revoked_since`] counts, and the providers that they
    /// led to: what still leads there is to be closed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn providers_revoked_since(
        &self,
        since: UtcTime,
    ) -> std::result::Result<BTreeMap<ReceiptId, ProviderId>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT receipt_id, provider_id FROM receipts WHERE revoked_at >= ?1",
            )?;
            let ids = select.query_map(params![since.unix_millis()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            ids.map(|pair| {
                let (receipt, provider) = pair?;
                Ok((codec::id(&receipt)?, codec::id(&provider)?))
            })
            .collect()
        })
        .await
    }
}

fn find(conn: &Connection, shared: &Shared, query: &ReceiptQuery) -> Result<Found> {
    // Taken before the transaction looks: what is in the book was committed before then.
    let mut book = shared.book();
    let sql = format!(
        "{SELECT} WHERE envelope = ?1 OR receipt_id IN
           (SELECT receipt_id FROM receipt_sessions WHERE session_id = ?2 AND principal = ?3)
         ORDER BY stored_at DESC, receipt_id"
    );
    let envelope = query.envelope_sha256.as_bytes();
    let rows: Vec<Stored> = conn
        .prepare_cached(&sql)?
        .query_map(
            params![
                envelope,
                query.session_id.as_str(),
                query.principal.to_string()
            ],
            Stored::read,
        )?
        .collect::<rusqlite::Result<_>>()?;
    let void = compare(conn, shared, &mut book, &rows)?;
    drop(book);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let now = shared.options.clock.now();
        // A receipt for one call whose asker left is void; the gate knows that as revoked.
        let abandoned = row.single
            && row.uses == 0
            && is_abandoned(conn, shared, &row.request_id, row.stored_at, now)?;
        let differs = void.iter().any(|id| id.to_string() == row.receipt_id);
        let evidence = ReceiptEvidence {
            signed: row.signed()?,
            uses: codec::small(row.uses)?,
            bytes: codec::unsigned(row.bytes)?,
            new_bytes: codec::unsigned(row.new_bytes)?,
            known_blocks: known_blocks(conn, shared, &row.receipt_id, &query.blocks)?,
            last_used: row.last_used.map(codec::time),
            revoked: row.revoked_at.is_some() || abandoned || differs,
            open_use: None,
        };
        let open = open_uses(conn, &row.receipt_id)?;
        if open.is_empty() {
            found.push(evidence);
        } else {
            // Evidence names one open use. A lease may have several, so it is given once for each: the
            // gate takes the one that fits its call.
            found.extend(open.into_iter().map(|open| ReceiptEvidence {
                open_use: Some(open),
                ..evidence.clone()
            }));
        }
    }
    Ok(Found {
        evidence: found,
        void,
    })
}

/// What was found, and which of it does not say what the log says.
struct Found {
    evidence: Vec<ReceiptEvidence>,
    void: Vec<ReceiptId>,
}

fn known_blocks(
    conn: &Connection,
    shared: &Shared,
    receipt_id: &str,
    blocks: &[KeyedHash],
) -> Result<BTreeSet<KeyedHash>> {
    let mut select = conn.prepare_cached(
        "SELECT bytes, mac FROM blocks WHERE receipt_id = ?1 AND commitment = ?2",
    )?;
    let mut known = BTreeSet::new();
    for block in blocks {
        let found: Option<(i64, Option<Vec<u8>>)> = select
            .query_row(params![receipt_id, block.digest().as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((bytes, mac)) = found else { continue };
        // One that this program did not write down counts as new.
        let wanted = block_code(&shared.options.seals, receipt_id, block, bytes);
        if mac.as_deref() == Some(wanted.digest().as_bytes()) {
            known.insert(*block);
        }
    }
    Ok(known)
}

fn open_uses(conn: &Connection, receipt_id: &str) -> Result<Vec<(UseId, Digest, u32)>> {
    let mut select = conn.prepare_cached(
        "SELECT use_id, envelope, attempts FROM uses WHERE receipt_id = ?1 AND closed_at IS NULL
         ORDER BY opened_at DESC, use_id",
    )?;
    let rows = select.query_map(params![receipt_id], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, Vec<u8>>(1)?,
            row.get::<_, i64>(2)?,
        ))
    })?;
    rows.map(|row| {
        let (use_id, envelope, attempts) = row?;
        Ok((
            codec::id(&use_id)?,
            codec::digest(&envelope)?,
            codec::small(attempts)?,
        ))
    })
    .collect()
}

/// Whether nothing can be sent under a receipt any more.
fn is_void(
    conn: &Connection,
    shared: &Shared,
    row: &Stored,
    receipt: &ConsentReceipt,
) -> Result<bool> {
    let (ext, now) = (&receipt.ext, shared.options.clock.now());
    let revision: Option<i64> = conn
        .prepare_cached("SELECT revision FROM providers WHERE provider_id = ?1")?
        .query_row(params![ext.destination.provider_id.as_str()], |row| {
            row.get(0)
        })
        .optional()?;
    let revision = revision.map(codec::unsigned).transpose()?;
    Ok(row.revoked_at.is_some()
        || ext.run != shared.options.clock.run()
        || ext.expires_at <= now
        || revision != Some(ext.destination.revision)
        || (row.single
            && (row.uses > 0 || is_abandoned(conn, shared, &row.request_id, row.stored_at, now)?)))
}

/// Whether everybody who waited for this decision left 60 s ago or earlier. A receipt without a request in
/// this database (none is made by this program) has nobody to leave.
pub(crate) fn is_abandoned(
    conn: &Connection,
    shared: &Shared,
    request_id: &str,
    stored_at: i64,
    now: UtcTime,
) -> Result<bool> {
    let Some(presence) = presence(conn, shared, request_id, now)? else {
        return Ok(false);
    };
    let last = presence.last.max(codec::time(stored_at));
    Ok(!presence.live && now.since(last) >= ABANDONED)
}

/// Stores a receipt. False when its id is known already.
pub(crate) fn insert(
    tx: &Tx<'_>,
    receipt: &ConsentReceipt,
    signed: &SignedReceipt,
) -> Result<bool> {
    let (ext, id) = (&receipt.ext, receipt.consent_receipt_id.to_string());
    let principal = ext.principal.to_string();
    let stored = tx.conn.execute(
        "INSERT INTO receipts (receipt_id, request_id, principal, provider_id, envelope, single, approved,
           payload, signature, stored_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        params![
            id,
            ext.request_id.to_string(),
            principal,
            ext.destination.provider_id.as_str(),
            ext.envelope_sha256.as_bytes(),
            ext.scope == ReceiptScope::SingleCall,
            receipt.approved,
            signed.payload,
            signed.signature,
            tx.now().unix_millis()
        ],
    )?;
    if stored == 1 {
        let mut insert = tx
            .conn
            .prepare_cached("INSERT INTO receipt_sessions VALUES (?1, ?2, ?3)")?;
        for session in &ext.session_ids {
            insert.execute(params![session.as_str(), principal, id])?;
        }
    }
    Ok(stored == 1)
}

/// Every receipt as it was signed, in the order in which they were stored; an error for one that is no signed receipt
/// any more. Nothing is verified here.
pub(crate) fn all_signed(
    conn: &Connection,
) -> Result<Vec<std::result::Result<SignedReceipt, StoreError>>> {
    let mut select = conn.prepare(&format!("{SELECT} ORDER BY stored_at, receipt_id"))?;
    let rows = select.query_map([], Stored::read)?;
    rows.map(|row| Ok(row?.signed())).collect()
}
