//! Storing decisions. Whatever does not belong to a waiting request, to the letter, is refused.

use handshake_core::{
    code::ErrorCode,
    consent::{CloudEscalationRequest, ConsentReceipt, ProjectionPlan, SignedReceipt},
    event::{Actor, Body},
    ids::{ReceiptId, RequestId},
    ports::{Decided, QueueError, SignedDecision},
};
use rusqlite::{OptionalExtension, params};

use super::{Result, decided, end, lift, presence, record, sweep};
use crate::{codec, consent, writer::Tx};

pub(super) fn decide(tx: &Tx<'_>, decision: SignedDecision) -> Result<()> {
    sweep(tx)?;
    match decision {
        SignedDecision::Receipt(signed) => take_receipt(tx, &signed),
        SignedDecision::Deny(request_id) => deny(tx, request_id),
        SignedDecision::Revoke(receipt_id) => revoke(tx, receipt_id),
    }
}

struct Waiting {
    request: CloudEscalationRequest,
    plan: ProjectionPlan,
    /// What was decided; `None` while it waits.
    decided: Option<Decided>,
}

fn find(tx: &Tx<'_>, request_id: RequestId) -> Result<Option<Waiting>> {
    let found: Option<(String, String, String, Option<String>)> = tx
        .conn
        .prepare_cached(
            "SELECT request, plan, state, receipt_id FROM requests WHERE request_id = ?1",
        )?
        .query_row(params![request_id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((request, plan, state, receipt)) = found else {
        return Ok(None);
    };
    let decided = decided(&state, receipt.as_deref())?;
    let (request, plan) = (codec::from_json(&request)?, codec::from_json(&plan)?);
    Ok(Some(Waiting {
        request,
        plan,
        decided,
    }))
}

fn take_receipt(tx: &Tx<'_>, signed: &SignedReceipt) -> Result<()> {
    // Without a key nobody can approve anything. The gate verifies once more; this keeps rows that are no
    // receipts, and the alarms that they would raise, out of the store.
    let key = tx.shared.approval_key().ok_or(QueueError::Mismatch)?;
    let receipt = signed.open(&key).map_err(|_| QueueError::Mismatch)?;
    let waiting = find(tx, receipt.ext.request_id)?.ok_or(QueueError::Mismatch)?;
    if !fits(&receipt, &waiting.plan) {
        return Err(QueueError::Mismatch.into());
    }
    if let Some(decided) = waiting.decided {
        return Err(QueueError::Decided(decided).into());
    }
    if !consent::insert(tx, &receipt, signed).map_err(lift)? {
        return Err(QueueError::Mismatch.into());
    }
    if !receipt.approved {
        return refuse(tx, &waiting, Some(receipt.consent_receipt_id));
    }
    let (id, ext) = (receipt.consent_receipt_id, &receipt.ext);
    end(
        tx,
        &waiting.request.request_id.to_string(),
        "approved",
        Some(&id.to_string()),
    )?;
    // A person who says yes is not being nagged.
    tx.conn.execute(
        "DELETE FROM refusals WHERE principal = ?1 AND provider_id = ?2",
        params![
            ext.principal.to_string(),
            ext.destination.provider_id.as_str()
        ],
    )?;
    let body = Body::CloudEscalationApproved {
        request_id: ext.request_id,
        consent_receipt_id: id,
        scope: ext.scope,
        assurance: ext.assurance,
        demo: ext.demo.is_some(),
        key_id: ext.key_id.clone(),
    };
    record(tx, &waiting.request, &waiting.plan, Actor::Human, body)?;
    consent::settle(tx, &id.to_string()).map_err(lift)
}

/// Whether a receipt is for exactly what the person was shown.
fn fits(receipt: &ConsentReceipt, plan: &ProjectionPlan) -> bool {
    let (ext, shown) = (&receipt.ext, &plan.ext);
    receipt.projection_plan_id == plan.projection_plan_id
        && receipt.payload_sha256 == plan.payload_sha256
        && ext.envelope_sha256 == shown.envelope_sha256
        && ext.destination == shown.destination
        && ext.principal == shown.principal
        && ext.session_ids.contains(&shown.session_id)
}

fn deny(tx: &Tx<'_>, request_id: RequestId) -> Result<()> {
    let waiting = find(tx, request_id)?.ok_or(QueueError::Unknown)?;
    match waiting.decided {
        None => refuse(tx, &waiting, None),
        Some(decided) => Err(QueueError::Decided(decided).into()),
    }
}

fn refuse(tx: &Tx<'_>, waiting: &Waiting, receipt: Option<ReceiptId>) -> Result<()> {
    let (request_id, ext) = (waiting.request.request_id.to_string(), &waiting.plan.ext);
    let receipt = receipt.map(|id| id.to_string());
    let waits = presence(tx.conn, tx.shared, &request_id, tx.now()).map_err(lift)?;
    end(tx, &request_id, "denied", receipt.as_deref())?;
    tx.conn.execute(
        "INSERT INTO refusals VALUES (?1, ?2, 1, ?3) ON CONFLICT DO UPDATE
         SET denials = denials + 1, last_at = excluded.last_at",
        params![
            ext.principal.to_string(),
            ext.destination.provider_id.as_str(),
            tx.now().unix_millis()
        ],
    )?;
    // Whoever waits records the denial of its call. Where nobody does, it would be lost.
    if waits.is_some_and(|waits| waits.live) {
        Ok(())
    } else {
        denied(tx, waiting)
    }
}

fn revoke(tx: &Tx<'_>, receipt_id: ReceiptId) -> Result<()> {
    let (signed, now) = consent::revoke(tx, receipt_id)
        .map_err(lift)?
        .ok_or(QueueError::Unknown)?;
    if !now {
        // It is revoked, as was asked for, and stands in the log since.
        return Ok(());
    }
    // What was signed names the request. A row that is no receipt is revoked all the same.
    let receipt: Option<ConsentReceipt> = serde_json::from_slice(&signed.payload).ok();
    let waiting = receipt
        .map(|receipt| find(tx, receipt.ext.request_id))
        .transpose()?
        .flatten();
    waiting.map_or(Ok(()), |waiting| denied(tx, &waiting))
}

/// A no, and the taking back of a yes, are the same event.
fn denied(tx: &Tx<'_>, waiting: &Waiting) -> Result<()> {
    let body = Body::CloudEscalationDenied {
        request_id: Some(waiting.request.request_id),
        code: ErrorCode::CloudEscalationDenied,
    };
    record(tx, &waiting.request, &waiting.plan, Actor::Human, body)
}
