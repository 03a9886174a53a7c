//! `handshake consent`: what waits, what is in it, yes, no, and no longer.

use std::str::FromStr;

use handshake_core::{
    code::{ErrorCode, Phase},
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
    /// Revoke a receipt: what runs under it ends.
    Revoke(IdArgs),
    /// Let clients ask again that were denied.
    #[command(after_help = "Example:\n  handshake consent reopen")]
    Reopen,
    /// Reveal the salt of a pending call's hashes, so that its content can be proved.
    Reveal(IdArgs),
}

/// Which one.
#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// Id from `handshake consent list`, or its first characters (at least 4).
    id: String,
}

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Id of the pending call, from `handshake consent list`, or its first characters (at least 4).
    id: String,
    /// Show the whole body.
    #[arg(long)]
    raw: bool,
}

/// What to approve.
#[derive(Debug, clap::Args)]
pub(crate) struct ApproveArgs {
    /// Id of the pending call, or its first characters (at least 4) [default: the only pending call].
    id: Option<String>,
    /// Also approve similar calls: up to 200 calls, 64 KiB new per call, 2 MiB in total, 30 minutes idle, 8 hours.
    #[arg(long)]
    lease: bool,
}

/// Opens one waiting call by its id.
async fn open(app: &App, id: &str) -> Result<Preview> {
    let id = pending_id(app, id).await?;
    Ok(app.approver()?.open(id).await?)
}

/// The id that a person means: whole, or the beginning of exactly one of these.
fn meant<T: FromStr + ToString>(
    word: &str,
    known: impl Iterator<Item = T>,
    what: &str,
) -> Result<T> {
    const LEAST: usize = 4;
    if let Ok(id) = word.parse() {
        return Ok(id);
    }
    let usage = |message: String| {
        AppError::usage(ErrorCode::InvalidRequest, message)
            .next("copy the id from `handshake consent list`")
    };
    if word.len() < LEAST {
        let message = format!("an id needs at least {LEAST} characters: {word}");
        return Err(usage(message));
    }
    let word = word.to_ascii_lowercase();
    let mut fitting = known.filter(|id| id.to_string().starts_with(&word));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(usage(format!("more than one {what} begins with {word}"))),
        (None, _) => Err(usage(format!("no such {what}: {word}"))),
    }
}

async fn pending_id(app: &App, word: &str) -> Result<RequestId> {
    let pending = app.store.pending().await?;
    let ids = pending.iter().map(|record| record.request.request_id);
    meant(word, ids, "pending call")
}

/// The one call that waits, where no id is given.
async fn only_pending(app: &App) -> Result<RequestId> {
    let pending = app.store.pending().await?;
    let usage = |message: &str| {
        AppError::usage(ErrorCode::InvalidRequest, message).next("run `handshake consent list`")
    };
    match &pending[..] {
        [one] => Ok(one.request.request_id),
        [] => Err(usage("no call is pending")),
        _ => Err(usage("more than one call is pending: name one by its id")),
    }
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
                    "void": record.void,
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
            let rows: Vec<Vec<String>> = receipts
                .iter()
                .filter(|r| r.receipt.approved && !r.void)
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
            let id = match &args.id {
                Some(word) => pending_id(&app, word).await?,
                None => only_pending(&app).await?,
            };
            let waiting = app.approver()?.open(id).await?;
            preview::show(out, &waiting);
            if args.lease {
                out.line("\n  With a lease, similar calls are not asked about again: up to 200 calls, 64 KiB new per call,");
                out.line(
                    "  2 MiB in total, 30 minutes idle, 8 hours. Anything new in kind is asked about again.",
                );
            }
            let mut tries = factor::Tries::new("\nApproval passphrase (leave empty to cancel): ");
            let receipt = loop {
                let passphrase = tries.ask()?;
                if passphrase.is_empty() {
                    out.line("Not approved. The call is still pending.");
                    return Ok(Exit::Waiting);
                }
                let approved = if args.lease {
                    waiting
                        .approve_lease(&passphrase, LeaseLimits::default())
                        .await
                } else {
                    waiting.approve_once(&passphrase).await
                };
                match approved {
                    Ok(receipt) => break receipt,
                    Err(error) => tries.wrong(error.into())?,
                }
            };
            let head = app.store.log_head().await?;
            out.object(&json!({ "receipt": receipt, "anchor": head.short_anchor() }));
            out.line(format!("Approved. Receipt {}.", receipt.consent_receipt_id));
            if !waiting.is_live() {
                out.note(
                    "note: no caller is waiting for this call any more; unless the same request comes again, the receipt is void 60 s after the last one left",
                );
            }
            out.line(format!(
                "Log anchor (write it down): {}",
                head.short_anchor()
            ));
            Ok(Exit::Done)
        }
        Command::Deny(args) => {
            let id = pending_id(&app, &args.id).await?;
            app.store.decide(SignedDecision::Deny(id)).await?;
            out.object(&json!({ "denied": id }));
            out.line("Denied. Nothing was sent.");
            Ok(Exit::Done)
        }
        Command::Revoke(args) => {
            let receipts = app.store.receipts(1000).await?;
            let ids = receipts.iter().map(|it| it.receipt.consent_receipt_id);
            let id: ReceiptId = meant(&args.id, ids, "receipt")?;
            app.store.decide(SignedDecision::Revoke(id)).await?;
            out.object(&json!({ "revoked": id }));
            out.line("Revoked.");
            Ok(Exit::Done)
        }
        Command::Reopen => {
            if !factor::at_terminal() {
                return Err(AppError::new(
                    ErrorCode::FactorRequired,
                    Phase::Gate,
                    "a person must let clients ask again, at a terminal",
                ));
            }
            let mut reopened = Vec::new();
            for refusal in app.store.reopen_all().await? {
                out.line(format!(
                    "{} may ask again for {}.",
                    refusal.principal, refusal.provider_id
                ));
                reopened.push(json!({
                    "principal": refusal.principal, "provider_id": refusal.provider_id,
                }));
            }
            out.object(&json!({ "reopened": reopened }));
            if reopened.is_empty() {
                out.line("Nobody was denied.");
            }
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
