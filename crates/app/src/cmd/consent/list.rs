//! `handshake consent list`, and what a receipt has left.

use handshake_core::{ids::ReceiptId, ports::ApprovalQueue};
use handshake_llm::{LeaseLeft, parts::ReceiptRecord};
use serde_json::json;

use super::meant;
use crate::{
    error::{Exit, Result},
    out::Out,
    preview::{size, span},
    wire::App,
};

pub(super) async fn run(app: &App, out: Out) -> Result<Exit> {
    let pending = app.store.pending().await?;
    let receipts = app.store.receipts(50).await?;
    let now = app.clock.now();
    for record in &pending {
        out.object(&json!({
            "kind": "pending", "request": record.request, "plan": record.plan,
            "submitted_at": record.submitted_at, "deadline": record.deadline, "live": record.live,
        }));
    }
    for record in &receipts {
        out.object(&json!({
            "kind": "receipt", "receipt": record.receipt, "uses": record.uses,
            "bytes": record.bytes, "last_used": record.last_used, "revoked_at": record.revoked_at,
            "void": record.void, "left": LeaseLeft::of(record, now),
        }));
    }
    if pending.is_empty() {
        out.line("No pending approvals.");
    } else {
        let rows: Vec<Vec<String>> = pending
            .iter()
            .map(|record| {
                vec![
                    record.request.request_id.to_string(),
                    record.request.requested_model_id.to_string(),
                    size(record.plan.max_bytes),
                    record.plan.ext.principal.to_string(),
                    if record.live { "waiting" } else { "abandoned" }.to_owned(),
                    record.deadline.to_string(),
                ]
            })
            .collect();
        out.table(
            &["REQUEST", "MODEL", "SIZE", "REQUESTED BY", "STATE", "UNTIL"],
            &rows,
        );
    }
    let rows: Vec<Vec<String>> = receipts
        .iter()
        .filter(|r| r.receipt.approved && !r.void)
        .map(|r| {
            vec![
                r.receipt.consent_receipt_id.to_string(),
                r.receipt.ext.destination.provider_id.to_string(),
                r.receipt.ext.scope.as_str().to_owned(),
                r.uses.to_string(),
                left(r, LeaseLeft::of(r, now)),
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.heading("Receipts");
        out.table(&["RECEIPT", "PROVIDER", "SCOPE", "USES", "LEFT"], &rows);
    }
    Ok(if pending.is_empty() {
        Exit::Done
    } else {
        Exit::Waiting
    })
}

/// `197 calls, 1.9 MiB new, 29 min`.
pub(crate) fn left(record: &ReceiptRecord, left: Option<LeaseLeft>) -> String {
    match left {
        Some(left) => format!(
            "{}, {} new, {}",
            calls(left.uses),
            size(left.new_bytes),
            span(left.seconds)
        ),
        None if record.void || record.receipt.ext.lease.is_some() => "nothing".to_owned(),
        None => format!("this call, until {}", record.receipt.ext.expires_at),
    }
}

fn calls(n: u32) -> String {
    match n {
        1 => "1 call".to_owned(),
        n => format!("{n} calls"),
    }
}

/// Shows one receipt. False where the word means none.
pub(super) async fn receipt(app: &App, out: Out, word: &str) -> Result<bool> {
    let receipts = app.store.receipts(1000).await?;
    let ids = receipts.iter().map(|it| it.receipt.consent_receipt_id);
    let Ok(id) = meant::<ReceiptId>(word, ids, "receipt") else {
        return Ok(false);
    };
    let found = receipts
        .iter()
        .find(|it| it.receipt.consent_receipt_id == id);
    let Some(record) = found else {
        return Ok(false);
    };
    let has = LeaseLeft::of(record, app.clock.now());
    out.object(&json!({
        "kind": "receipt", "receipt": record.receipt, "uses": record.uses, "bytes": record.bytes,
        "last_used": record.last_used, "revoked_at": record.revoked_at, "void": record.void, "left": has,
    }));
    let ext = &record.receipt.ext;
    out.heading("Receipt");
    let model = ext.destination.model_id.as_ref();
    let model = model.map_or("-", |model| model.as_str());
    for (name, value) in [
        ("receipt", id.to_string()),
        (
            "to",
            format!("{}{}", ext.destination.origin, ext.destination.path),
        ),
        ("model", format!("{}/{model}", ext.destination.provider_id)),
        ("for", ext.principal.to_string()),
        ("scope", ext.scope.as_str().to_owned()),
        (
            "used",
            format!("{}, {} in all", calls(record.uses), size(record.bytes)),
        ),
        ("left", left(record, has)),
        (
            "waives",
            match ext.lease.as_ref().map_or(0, |terms| terms.waived.len()) {
                0 => "nothing".to_owned(),
                1 => "1 value that was found".to_owned(),
                n => format!("{n} values that were found"),
            },
        ),
        (
            "approved",
            format!(
                "{} by {}",
                record.receipt.approved_at, record.receipt.user_id
            ),
        ),
    ] {
        out.line(format!("  {name:<10}{value}"));
    }
    Ok(true)
}
