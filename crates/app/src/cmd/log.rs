//! `handshake log`: the flight recorder.

use std::{collections::BTreeSet, path::PathBuf};

use handshake_core::{
    code::{ErrorCode, Phase},
    event::RecordedEvent,
    ports::{FlightRecorder, SinkFilter},
};
use handshake_flight_recorder::{Anchor, PublicKey, Status, Trust, Verdict, verify_export};
use handshake_leakage::SinkGuard;
use serde_json::{Value, json};

mod segments;

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    out::Out,
};

/// Read, verify and export the log.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake log tail\n  handshake log verify\n  handshake log export /tmp/log && handshake-verify --root KEY /tmp/log"
)]
pub(crate) enum Command {
    /// Show the latest events.
    Tail(TailArgs),
    /// Verify the log of this home, or an export.
    Verify(VerifyArgs),
    /// Export the log with its checkpoints and keys to a new directory.
    Export(ExportArgs),
    /// Sign the head of the log.
    Checkpoint,
    /// List the segments of the log outside the database.
    #[command(after_help = "Examples:\n  handshake log segments\n  handshake log segments --json")]
    Segments,
    /// Sign the log and seal it into compressed segments.
    #[command(after_help = "Example:\n  handshake log seal")]
    Seal,
    /// Remove old segments for good and sign what was removed.
    Prune(segments::PruneArgs),
}

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Number of events to show.
    #[arg(short = 'n', long, default_value_t = 20)]
    count: u32,
    /// Show new events until Ctrl-C.
    #[arg(long)]
    follow: bool,
}

/// What to verify.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Directory of the export to verify [default: the log of this home].
    export: Option<PathBuf>,
    /// Compare with an anchor that was written down elsewhere (twelve characters of the hash are enough).
    #[arg(long, value_name = "SIZE:HASH")]
    anchor: Vec<String>,
    /// Public key that the log began with, 64 hex digits; required for an export.
    #[arg(long, value_name = "KEY")]
    root: Vec<String>,
}

/// Where to write.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Directory to create, or an empty one.
    directory: PathBuf,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Tail(args) => tail(cx, &args).await,
        Command::Verify(args) => verify(cx, args).await,
        Command::Export(args) => {
            let app = cx.app().await?;
            app.store.log_checkpoint().await?;
            let failed = |error: handshake_llm::parts::ExportFailed| {
                AppError::new(ErrorCode::Storage, Phase::Storage, error.to_string())
            };
            let manifest = app
                .store
                .export_log(&args.directory)
                .await
                .map_err(failed)?;
            let root = hex(app.store.log_root().await?.as_bytes());
            let head = app.store.log_head().await?;
            cx.out.object(
                &json!({ "manifest": manifest, "root": root, "anchor": head.short_anchor() }),
            );
            cx.out
                .line(format!("Exported the log to {}.", args.directory.display()));
            cx.out.line(format!(
                "  verify it: handshake-verify --root {root} {}",
                args.directory.display()
            ));
            cx.out.line(format!("  anchor:    {}", head.short_anchor()));
            Ok(Exit::Done)
        }
        Command::Checkpoint => {
            let app = cx.app().await?;
            app.store.flush().await?;
            let checkpoint = app.store.log_checkpoint().await?;
            let head = app.store.log_head().await?;
            cx.out
                .object(&json!({ "checkpoint": checkpoint, "anchor": head.short_anchor() }));
            cx.out.line(format!(
                "Signed the log. Anchor (write it down): {}",
                head.short_anchor()
            ));
            Ok(Exit::Done)
        }
        Command::Segments => segments::list(cx).await,
        Command::Seal => segments::seal(cx).await,
        Command::Prune(args) => segments::prune(cx, &args).await,
    }
}

async fn tail(cx: &Context, args: &TailArgs) -> Result<Exit> {
    let app = cx.app().await?;
    let mut last = None;
    for event in app.store.log_tail(args.count).await? {
        last = Some(event.seq);
        show(cx.out, &app.guard, &event);
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
        }
        for event in app.store.log_after(last, 1000).await? {
            last = Some(event.seq);
            show(cx.out, &app.guard, &event);
        }
    }
    Ok(Exit::Done)
}

/// One event: as it is recorded, or as a line for people. What is printed is a sink like any other, and passes
/// the matcher that guards egress.
fn show(out: Out, guard: &SinkGuard, recorded: &RecordedEvent) {
    let text = serde_json::to_string(recorded).unwrap_or_default();
    match serde_json::from_str::<Value>(&guard.clean(&text)) {
        Ok(clean) => out.object(&clean),
        // The matcher took all of it: that an event stands there is said all the same.
        Err(_) => out.object(&json!({ "seq": recorded.seq, "redacted": true })),
    }
    out.line(guard.clean(&line(recorded)));
}

/// `seq time FR-EVT-… type details`.
pub(crate) fn line(recorded: &RecordedEvent) -> String {
    let event = &recorded.event;
    let value = json!(event.body);
    let kind = value
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned();
    let hidden: BTreeSet<&str> = [
        "type",
        "use_id",
        "request_id",
        "capabilities",
        "envelope_hash",
        "prompt_hash",
        "args_hash",
        "result_hash",
        "tool_call_id",
        "swap_id",
        "state_hash",
        "projection_plan_id",
        "key_id",
        "tool_version_hash",
        "after",
        "before",
    ]
    .into();
    let details: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| {
            !hidden.contains(name.as_str()) && !value.is_null() && !value.is_object()
        })
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    let model = match (&event.provider_id, &event.model_id) {
        (Some(provider), Some(model)) => format!(" {provider}/{model}"),
        (Some(provider), None) => format!(" {provider}"),
        _ => String::new(),
    };
    let time = event.timestamp.to_string();
    format!(
        "{:>5}  {}  {:<17} {kind}{model}  {}",
        recorded.seq,
        &time[11..23.min(time.len())],
        event.body.family_id(),
        details.join(" ")
    )
}

async fn verify(cx: &Context, args: VerifyArgs) -> Result<Exit> {
    let bad = |text: &str| AppError::usage(ErrorCode::InvalidRequest, text);
    let anchors: Vec<Anchor> = args
        .anchor
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| bad("invalid --anchor: expected SIZE:HASH"))
        })
        .collect::<Result<_>>()?;
    let verdict = match args.export {
        None => {
            let app = cx.app().await?;
            app.store.flush().await?;
            let mut anchors = anchors;
            anchors.extend(app.log_anchors().await?);
            let verdict = app.store.verify_log(anchors).await?;
            let segments = app.store.log_segments().await?;
            let losses = app.store.log_losses().await?;
            return Ok(segments::report(cx.out, &verdict, &segments, &losses));
        }
        Some(directory) => {
            if args.root.is_empty() {
                return Err(
                    bad("--root KEY is required: an export cannot vouch for itself")
                        .next("use the key that `handshake log export` printed"),
                );
            }
            let roots = args
                .root
                .iter()
                .map(|text| {
                    let bytes =
                        unhex(text).ok_or_else(|| bad("invalid --root: expected 64 hex digits"))?;
                    PublicKey::from_bytes(bytes)
                        .map_err(|_| bad("invalid --root: not a public key"))
                })
                .collect::<Result<_>>()?;
            verify_export(&directory, Trust { roots, anchors }).map_err(|error| {
                AppError::new(ErrorCode::Storage, Phase::Storage, error.to_string())
                    .exit(Exit::Unverified)
            })?
        }
    };
    Ok(report(cx.out, &verdict))
}

/// Says what a verification found.
pub(crate) fn report(out: Out, verdict: &Verdict) -> Exit {
    out.object(verdict);
    for_people(out, verdict)
}

fn for_people(out: Out, verdict: &Verdict) -> Exit {
    let anchored = match verdict.anchored_size {
        Some(size) => format!("anchored up to event {size}"),
        None => "self-consistent only: no anchor was compared".to_owned(),
    };
    match verdict.status {
        Status::Tampered => {
            out.mark(false, "the log has been tampered with");
            for found in &verdict.tampering {
                out.line(format!(
                    "     {} at event {}",
                    found.kind.as_str(),
                    found.first_bad_seq
                ));
            }
            Exit::Unverified
        }
        Status::Intact | Status::SelfConsistentOnly => {
            if let Some(pruned) = verdict.pruned {
                out.mark(true, format!("pruned up to event {pruned}, signed"));
            }
            out.mark(
                true,
                format!(
                    "the log is in order and unaltered; events: {} ({anchored})",
                    verdict.size - verdict.pruned.unwrap_or(0)
                ),
            );
            Exit::Done
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digest: handshake_core::digest::Digest = text.parse().ok()?;
    Some(*digest.as_bytes())
}
