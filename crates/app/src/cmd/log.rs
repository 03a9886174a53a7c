//! `handshake log`: the flight recorder.

use std::{collections::BTreeSet, path::PathBuf};

use handshake_core::{
    code::{ErrorCode, Phase},
    event::{Body, RecordedEvent},
    ports::{FlightRecorder, Signer, SinkFilter},
};
use handshake_leakage::SinkGuard;
use serde_json::{Value, json};

pub(crate) mod gaps;
mod segments;
mod share;
pub(crate) mod verify;

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    out::Out,
};

/// Read, verify and export the log.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake log tail\n  handshake log verify\n  handshake log export /tmp/log && handshake-verify --root KEY --approver KEY /tmp/log"
)]
pub(crate) enum Command {
    /// Show the latest events.
    Tail(TailArgs),
    /// Verify the log of this home, or an export.
    Verify(verify::Args),
    /// Export the log with its checkpoints and keys to a new directory.
    Export(ExportArgs),
    /// Write the log for others: sizes and times rounded, hashes left out. It verifies nothing.
    #[command(after_help = "Example:\n  handshake log share log-for-others.jsonl")]
    Share(share::Args),
    /// Sign the head of the log.
    Checkpoint,
    /// List what was not recorded: after a crash, under overload, at a storage failure.
    #[command(after_help = "Examples:\n  handshake log gaps\n  handshake log gaps --json")]
    Gaps,
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

/// Where to write.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Directory to create, or an empty one.
    directory: PathBuf,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Tail(args) => tail(cx, &args).await,
        Command::Verify(args) => verify::run(cx, args).await,
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
            let approver = hex(&app.signer().public_key().to_bytes());
            let head = app.store.log_head().await?;
            cx.out.object(&json!({
                "manifest": manifest, "root": root, "approver": approver, "anchor": head.short_anchor(),
            }));
            let to = args.directory.display();
            cx.out.line(format!("Exported the log to {to}."));
            cx.out.whole(format!(
                "  verify it: handshake-verify --root {root} --approver {approver} {to}"
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
        Command::Share(args) => share::run(cx, args).await,
        Command::Gaps => gaps::list(cx).await,
        Command::Segments => segments::list(cx).await,
        Command::Seal => segments::seal(cx).await,
        Command::Prune(args) => segments::prune(cx, &args).await,
    }
}

async fn tail(cx: &Context, args: &TailArgs) -> Result<Exit> {
    let app = cx.app().await?;
    let (mut last, mut blocked) = (None, false);
    for event in app.store.log_tail(args.count).await? {
        last = Some(event.seq);
        blocked |= matches!(event.event.body, Body::LeakageBlocked { rule: Some(_), .. });
        show(cx.out, &app.guard, &event);
    }
    if blocked {
        cx.out
            .note("help: run `handshake leak blocked` to see what was found");
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
    show_json(out, guard, recorded);
    out.line(guard.clean(&line(recorded)));
}

/// The same for programs alone.
pub(crate) fn show_json(out: Out, guard: &SinkGuard, recorded: &RecordedEvent) {
    let text = serde_json::to_string(recorded).unwrap_or_default();
    match serde_json::from_str::<Value>(&guard.clean(&text)) {
        Ok(clean) => out.object(&clean),
        // The matcher took all of it: that an event stands there is said all the same.
        Err(_) => out.object(&json!({ "seq": recorded.seq, "redacted": true })),
    }
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

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
