//! Receipts: evidence for the gate, history for people.

mod book;
mod row;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use handshake_core::{
    consent::{ConsentReceipt, ReceiptEvidence, ReceiptScope, SignedReceipt},
    digest::{Digest, KeyedHash},
    event::{Actor, Body, Event, EventScope, Withdrawn},
    ids::{EventId, ProviderId, ReceiptId, UseId},
    ports::{ConsentStore, EntropyExt, ReceiptQuery, StoreError},
    seal::SealKind,
    time::UtcTime,
};
use handshake_flight_recorder::LogHead;
use rusqlite::{Connection, OptionalExtension, params};

pub(crate) use self::{
    book::Book,
    row::{block_code, settle},
};
use self::{
    book::Source,
    row::{SELECT, Stored, signed_at},
};
use crate::{
    codec,
    error::Fail,
    log,
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
    /// Whether nothing can be sent under it any more: revoked, expired, used up, given to somebody who left, or for a
    /// provider that was changed since.
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

    /// The providers that receipts led to which were revoked since then, as [`ConsentStore::revoked_since`] counts:
    /// what still leads there is to be closed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn providers_revoked_since(
        &self,
        since: UtcTime,
    ) -> std::result::Result<BTreeSet<ProviderId>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT DISTINCT provider_id FROM receipts WHERE revoked_at >= ?1",
            )?;
            let ids =
                select.query_map(params![since.unix_millis()], |row| row.get::<_, String>(0))?;
            ids.map(|id| Ok(codec::id(&id?)?)).collect()
        })
        .await
    }

    /// Revokes every receipt that is not revoked yet, as `stop` does. Needs no factor. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_all(&self) -> std::result::Result<u64, StoreError> {
        self.write(|tx| revoke_where(tx, "?1 IS NULL", None, Actor::Human))
            .await
    }

    /// Compares every receipt that lives with the log. Those that differ are void from then on; how many. Each is
    /// compared when it is used in any case, so one who is in a hurry says how many leaves may be read for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconcile(&self, at_most: Option<u64>) -> std::result::Result<usize, StoreError> {
        let shared = Arc::clone(self.shared());
        let void = self.read(move |conn| {
            let mut book = shared.book();
            let sql = format!("{SELECT} WHERE revoked_at IS NULL AND approved");
            let rows: Vec<Stored> = conn
                .prepare_cached(&sql)?
                .query_map([], Stored::read)?
                .collect::<rusqlite::Result<_>>()?;
            let oldest = live(&shared, &rows).map(|(_, signed)| signed.size).min();
            let leaves = log::head(conn, &shared.log_id)?.size;
            match (oldest, at_most) {
                (Some(oldest), Some(most)) if leaves.saturating_sub(oldest) > most => {
                    Ok(Vec::new())
                }
                _ => compare(conn, &shared, &mut book, &rows),
            }
        });
        let void = void.await?;
        let differ = void.len();
        self.make_void(void).await?;
        Ok(differ)
    }

    /// Ends receipts that do not say what the log says, and says so: the alarm once, the end in the log each time.
    async fn make_void(&self, void: Vec<ReceiptId>) -> std::result::Result<(), StoreError> {
        if void.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = void.iter().map(ToString::to_string).collect();
        let broken: Vec<(SealKind, String)> = ids
            .iter()
            .map(|id| (SealKind::Receipt, id.clone()))
            .collect();
        self.report_broken_seals(&broken);
        self.write(move |tx| {
            for id in &ids {
                revoke_where(tx, "receipt_id = ?1", Some(id), Actor::System)?;
            }
            Ok(())
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

/// The rows that can be spent, each with the log as it stood when it was signed. One that nobody signed, or whose time is
/// over, is spent by nobody, whatever its row says.
fn live<'a>(shared: &Shared, rows: &'a [Stored]) -> impl Iterator<Item = (&'a Stored, LogHead)> {
    let (key, now) = (shared.approval_key(), shared.options.clock.now());
    let log_id = shared.log_id.clone();
    rows.iter()
        .filter(|row| row.lives())
        .filter_map(move |row| {
            let receipt = row.opened(key.as_ref()?)?;
            let lives = receipt.ext.expires_at > now;
            lives.then(|| (row, signed_at(&receipt, &log_id)))
        })
}

/// Which of these rows live and are not what the log says they are.
fn compare(
    conn: &Connection,
    shared: &Shared,
    book: &mut Book,
    rows: &[Stored],
) -> Result<Vec<ReceiptId>> {
    let live: Vec<_> = live(shared, rows).collect();
    let earliest = live.iter().map(|(_, head)| *head);
    let Some(from) = earliest.min_by_key(|head| head.size) else {
        return Ok(Vec::new());
    };
    let source = Source {
        conn,
        folder: &shared.segments,
        log_id: &shared.log_id,
    };
    let whole = match book.keep_up(source, from) {
        Ok(whole) => whole.is_ok(),
        // A segment that is missing or damaged, or a row that is no leaf.
        Err(Fail::Refused(StoreError::Damaged)) => false,
        Err(error) => return Err(error),
    };
    let keys = &shared.options.seals;
    let mut void = Vec::new();
    for (row, _) in live {
        let id = row.id()?;
        if !whole || !row.agrees(keys, book.says(&id)) {
            void.push(id);
        }
    }
    Ok(void)
}

/// Compares one receipt in the transaction that is about to spend it, with everything that is in the transaction.
pub(crate) fn contradicts_log(tx: &Tx<'_>, receipt_id: &str) -> Result<bool> {
    let row = tx
        .conn
        .prepare_cached(&format!("{SELECT} WHERE receipt_id = ?1"))?
        .query_row(params![receipt_id], Stored::read)
        .optional()?;
    // A copy: what is not committed yet is not to be remembered.
    let mut book = tx.shared.book().clone();
    let rows: Vec<Stored> = row.into_iter().collect();
    Ok(!compare(tx.conn, tx.shared, &mut book, &rows)?.is_empty())
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

/// Revokes one receipt. What was signed, and whether it was revoked just now; `None` when there is no such receipt.
pub(crate) fn revoke(tx: &Tx<'_>, receipt: ReceiptId) -> Result<Option<(SignedReceipt, bool)>> {
    let id = receipt.to_string();
    let now = revoke_where(tx, "receipt_id = ?1", Some(&id), Actor::Human)? > 0;
    let mut select = tx
        .conn
        .prepare_cached(&format!("{SELECT} WHERE receipt_id = ?1"))?;
    let mut rows = select.query_map(params![id], Stored::read)?;
    let row = rows.next().transpose()?;
    Ok(row
        .map(|row| row.signed())
        .transpose()?
        .map(|row| (row, now)))
}

/// Revokes everything that leads to a provider: one that comes back under the same id is another one.
pub(crate) fn revoke_for(tx: &Tx<'_>, provider: &ProviderId) -> Result<()> {
    revoke_where(
        tx,
        "provider_id = ?1",
        Some(provider.as_str()),
        Actor::Human,
    )?;
    Ok(())
}

/// Revokes what is not revoked yet, and says so in the log of each receipt that could still be used, or was in use: what
/// the log has as revoked, no row brings back. Returns how many.
pub(crate) fn revoke_where(
    tx: &Tx<'_>,
    which: &str,
    value: Option<&str>,
    by: Actor,
) -> Result<u64> {
    let now = tx.now();
    let rows: Vec<Stored> = tx
        .conn
        .prepare_cached(&format!(
            "{SELECT} WHERE revoked_at IS NULL AND {which} ORDER BY receipt_id"
        ))?
        .query_map(params![value], Stored::read)?
        .collect::<rusqlite::Result<_>>()?;
    let key = tx.shared.approval_key();
    for row in &rows {
        tx.conn
            .prepare_cached("UPDATE receipts SET revoked_at = ?2 WHERE receipt_id = ?1")?
            .execute(params![row.receipt_id, now.unix_millis()])?;
        // One that says under its signature that it allows nothing any more has nothing to lose. Of a row that is no
        // receipt now nobody knows whether it will be one again, so that it is revoked is said all the same.
        let receipt = key.as_ref().and_then(|key| row.opened(key));
        let over = |receipt: &ConsentReceipt| !receipt.approved || receipt.ext.expires_at <= now;
        if receipt.as_ref().is_some_and(over) {
            continue;
        }
        if let Ok(id) = row.id() {
            log::append(tx, &revoked(tx, id, receipt.as_ref(), by))?;
            settle(tx, &row.receipt_id)?;
        }
    }
    Ok(rows.len() as u64)
}

fn revoked(tx: &Tx<'_>, id: ReceiptId, receipt: Option<&ConsentReceipt>, by: Actor) -> Event {
    let scope = receipt.map_or_else(EventScope::default, |ConsentReceipt { ext, .. }| {
        EventScope {
            principal: Some(ext.principal.clone()),
            session_id: ext.session_ids.iter().next().cloned(),
            model_id: ext.destination.model_id.clone(),
            provider_id: Some(ext.destination.provider_id.clone()),
            ..EventScope::default()
        }
    });
    let body = Body::Revoked {
        what: Withdrawn::Receipt,
        consent_receipt_id: Some(id),
    };
    let event_id = EventId::from_entropy(tx.shared.options.entropy.bytes());
    scope.event(event_id, tx.now(), by, body)
}
