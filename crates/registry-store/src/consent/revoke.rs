//! Taking back what was given: the row, and the log that says so.

use handshake_core::{
    consent::{ConsentReceipt, SignedReceipt},
    event::{Actor, Body, Event, EventScope, Withdrawn},
    ids::{EventId, ModelId, ModelRef, ProviderId, ReceiptId},
    ports::{EntropyExt, StoreError},
};
use rusqlite::params;

use super::{
    Result,
    row::{SELECT, Stored, settle},
};
use crate::{log, store::Store, writer::Tx};

impl Store {
    /// Revokes every receipt that is not revoked yet, as `stop` does. Needs no factor. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_all(&self) -> std::result::Result<u64, StoreError> {
        self.write(|tx| revoke_where(tx, "?1 IS NULL", None, Actor::Human))
            .await
    }
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

/// Revokes what names a model of a provider: one that is enabled again is so by another word than the one before. What
/// cannot be read may name it too.
pub(crate) fn revoke_for_model(tx: &Tx<'_>, model: &ModelRef) -> Result<()> {
    let rows: Vec<Stored> = tx
        .conn
        .prepare_cached(&format!(
            "{SELECT} WHERE revoked_at IS NULL AND provider_id = ?1 ORDER BY receipt_id"
        ))?
        .query_map(params![model.provider.as_str()], Stored::read)?
        .collect::<rusqlite::Result<_>>()?;
    for row in rows {
        let receipt: Option<ConsentReceipt> = serde_json::from_slice(&row.payload).ok();
        if receipt.is_none_or(|receipt| names(&receipt, &model.model)) {
            revoke_where(tx, "receipt_id = ?1", Some(&row.receipt_id), Actor::Human)?;
        }
    }
    Ok(())
}

fn names(receipt: &ConsentReceipt, model: &ModelId) -> bool {
    let ext = &receipt.ext;
    let lease = ext.lease.as_ref();
    ext.destination.model_id.as_ref() == Some(model)
        || lease.is_some_and(|lease| lease.models.contains(model))
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
    if !rows.is_empty() {
        tx.shared.must_note();
    }
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
