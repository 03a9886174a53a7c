//! `handshake consent`: what waits, what is in it, yes, no, and no longer.

mod approve;
mod list;

use std::str::FromStr;

use handshake_core::{
    code::{ErrorCode, Phase},
    ids::{ReceiptId, RequestId},
    ports::{ApprovalQueue, SignedDecision},
};
use handshake_llm::Preview;
use serde_json::json;

pub(crate) use self::approve::{Decision, can_waive, decide};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    factor,
    out::Out,
    preview::{self, Extent},
    wire::App,
};

/// Approve, deny and review cloud calls.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake consent list\n  handshake consent approve 3f0c…\n  handshake consent approve --lease 3f0c…\n  handshake consent approve --lease --waive 3f0c…"
)]
pub(crate) enum Command {
    /// List pending approvals and valid receipts.
    List,
    /// Show what a pending call would send, or what a receipt covers.
    #[command(
        after_help = "Examples:\n  handshake consent show 3f0c…\n  handshake consent show 3f0c… --all\n  handshake consent show 3f0c… --raw > body.json"
    )]
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
    /// Id of the pending call or receipt, from `handshake consent list`, or its first characters (at least 4).
    id: String,
    /// Show all parts, those that were sent before too.
    #[arg(long)]
    all: bool,
    /// Show the body byte for byte.
    #[arg(long)]
    raw: bool,
}

/// What to approve.
#[derive(Debug, clap::Args)]
pub(crate) struct ApproveArgs {
    /// Id of the pending call, or its first characters (at least 4) [default: the only pending call; at a terminal, the
    /// oldest].
    id: Option<String>,
    /// Also approve similar calls: up to 200 calls, 64 KiB new per call, 2 MiB in total, 30 minutes idle, 8 hours.
    #[arg(long)]
    lease: bool,
    /// Under the lease, let exactly the values pass again that were found in this call and need your attention.
    #[arg(long, requires = "lease")]
    waive: bool,
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

/// The call that is meant where no id is given: the only one that waits, or the oldest where a person sees which it is
/// before they decide.
async fn only_pending(app: &App, unseen: bool) -> Result<RequestId> {
    let pending = app.store.pending().await?;
    let usage = |message: &str| {
        AppError::usage(ErrorCode::InvalidRequest, message).next("run `handshake consent list`")
    };
    match &pending[..] {
        [first, rest @ ..] if rest.is_empty() || !unseen => Ok(first.request.request_id),
        [] => Err(usage("no call is pending")),
        _ => Err(usage("more than one call is pending: name one by its id")),
    }
}

async fn show(app: &App, out: Out, args: &ShowArgs) -> Result<Exit> {
    let waiting = match open(app, &args.id).await {
        Ok(waiting) => waiting,
        Err(error) => {
            return match list::receipt(app, out, &args.id).await? {
                true => Ok(Exit::Done),
                false => Err(error),
            };
        }
    };
    let extent = match args.all {
        true => Extent::Everything,
        false => Extent::New,
    };
    let shown = waiting.shown().await?;
    if args.raw {
        out.bytes(waiting.body());
    } else {
        preview::print(out, &shown, extent);
    }
    out.object(&json!({
        "plan": waiting.plan(), "shown": shown,
        "body": String::from_utf8_lossy(waiting.body()),
    }));
    Ok(Exit::Done)
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    let app = cx.app().await?;
    let out = cx.out;
    match command {
        Command::List => list::run(&app, out).await,
        Command::Show(args) => show(&app, out, &args).await,
        Command::Approve(args) => {
            let id = match &args.id {
                Some(word) => pending_id(&app, word).await?,
                None => only_pending(&app, out.json || !factor::at_terminal()).await?,
            };
            let exit = approve::run(&app, out, id, (args.lease, args.waive)).await?;
            let more = app.store.pending().await?;
            let more = more.iter().filter(|it| it.request.request_id != id).count();
            if args.id.is_none() && more > 0 {
                out.line(format!(
                    "Still pending: {more}. Run `handshake approve` again."
                ));
            }
            Ok(exit)
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
