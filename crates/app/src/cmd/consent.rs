//! `handshake consent`: what waits, what is in it, yes, no, and no longer.

use handshake_core::{
    ids::{ReceiptId, RequestId},
    ports::{ApprovalQueue, SignedDecision},
};
use handshake_llm::{LeaseLimits, Preview};
use serde_json::json;

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    factor, preview,
    wire::App,
};

/// Approve, deny and review cloud calls.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake consent list\n  handshake consent approve 3f0c…\n  handshake consent approve --lease 3f0c…"
)]
pub(crate) enum Command {
    /// List pending approvals and valid receipts.
    List,
    /// Show what a pending call would send.
    Show(ShowArgs),
    /// Show the preview, ask for the passphrase and let the call proceed.
    Approve(ApproveArgs),
    /// Deny a pending call.
    Deny(IdArgs),
    /// Revoke a receipt.
    Revoke(IdArgs),
    /// Reveal the salt of a pending call's hashes, so that its content can be proved.
    Reveal(IdArgs),
}

/// Which one.
#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// Id from `handshake consent list`.
    id: String,
}

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Id of the pending call, from `handshake consent list`.
    id: String,
    /// Show the whole body.
    #[arg(long)]
    raw: bool,
}

/// What to approve.
#[derive(Debug, clap::Args)]
pub(crate) struct ApproveArgs {
    /// Id of the pending call, from `handshake consent list`.
    id: String,
    /// Also approve similar calls: up to 200 calls, 64 KiB new per call, 2 MiB in total, 30 minutes idle, 8 hours.
    #[arg(long)]
    lease: bool,
}

/// Opens one waiting call by its id.
async fn open(app: &App, id: &str) -> Result<Preview> {
    let id: RequestId = id
        .parse()
        .map_err(|error| AppError::from(error).next("copy the id from `handshake consent list`"))?;
    Ok(app.approver()?.open(id).await?)
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    let app = cx.app().await?;
    let out = cx.out;
    match command {
        Command::List => {
            let pending = app.store.pending().await?;
            let receipts = app.store.receipts(50).await?;
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
                            format!("{} bytes", record.plan.max_bytes),
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
            let now = app.clock.now();
            let rows: Vec<Vec<String>> = receipts
                .iter()
                .filter(|r| {
                    r.revoked_at.is_none() && r.receipt.approved && r.receipt.ext.expires_at > now
                })
                .map(|r| {
                    vec![
                        r.receipt.consent_receipt_id.to_string(),
                        r.receipt.ext.destination.provider_id.to_string(),
                        r.receipt.ext.scope.as_str().to_owned(),
                        r.uses.to_string(),
                        r.receipt.ext.expires_at.to_string(),
                    ]
                })
                .collect();
            if !rows.is_empty() {
                out.heading("Receipts");
                out.table(&["RECEIPT", "PROVIDER", "SCOPE", "USES", "UNTIL"], &rows);
            }
            Ok(if pending.is_empty() {
                Exit::Done
            } else {
                Exit::Waiting
            })
        }
        Command::Show(args) => {
            let waiting = open(&app, &args.id).await?;
            if args.raw {
                out.line(String::from_utf8_lossy(waiting.body()));
            } else {
                preview::show(out, &waiting);
            }
            out.object(&json!({
                "plan": waiting.plan(),
                "body": String::from_utf8_lossy(waiting.body()),
            }));
            Ok(Exit::Done)
        }
        Command::Approve(args) => {
            let waiting = open(&app, &args.id).await?;
            preview::show(out, &waiting);
            if args.lease {
                out.line("\n  With a lease, similar calls are not asked about again: up to 200 calls, 64 KiB new per call,");
                out.line(
                    "  2 MiB in total, 30 minutes idle, 8 hours. Anything new in kind is asked about again.",
                );
            }
            let passphrase = factor::ask("\nApproval passphrase (leave empty to cancel): ")?;
            if passphrase.is_empty() {
                out.line("Not approved. The call is still pending.");
                return Ok(Exit::Waiting);
            }
            let receipt = if args.lease {
                waiting
                    .approve_lease(&passphrase, LeaseLimits::default())
                    .await?
            } else {
                waiting.approve_once(&passphrase).await?
            };
            let head = app.store.log_head().await?;
            out.object(&json!({ "receipt": receipt, "anchor": head.short_anchor() }));
            out.line(format!("Approved. Receipt {}.", receipt.consent_receipt_id));
            if !waiting.is_live() {
                out.note("note: no caller is waiting for this call any more");
            }
            out.line(format!(
                "Log anchor (write it down): {}",
                head.short_anchor()
            ));
            Ok(Exit::Done)
        }
        Command::Deny(args) => {
            app.store
                .decide(SignedDecision::Deny(args.id.parse()?))
                .await?;
            out.object(&json!({ "denied": args.id }));
            out.line("Denied. Nothing was sent.");
            Ok(Exit::Done)
        }
        Command::Revoke(args) => {
            let id: ReceiptId = args.id.parse()?;
            app.store.decide(SignedDecision::Revoke(id)).await?;
            out.object(&json!({ "revoked": id }));
            out.line("Revoked.");
            Ok(Exit::Done)
        }
        Command::Reveal(args) => {
            let waiting = open(&app, &args.id).await?;
            let passphrase = factor::ask("Approval passphrase: ")?;
            app.vault.check_factor(Some(&passphrase))?;
            let salt: String = waiting
                .content()
                .salt
                .as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            out.object(&json!({
                "salt": salt, "payload_sha256": waiting.plan().payload_sha256,
                "envelope_sha256": waiting.plan().ext.envelope_sha256,
            }));
            out.line(format!("salt            {salt}"));
            out.line(format!("payload_sha256  {}", waiting.plan().payload_sha256));
            out.line(format!(
                "envelope_sha256 {}",
                waiting.plan().ext.envelope_sha256
            ));
            Ok(Exit::Done)
        }
    }
}
