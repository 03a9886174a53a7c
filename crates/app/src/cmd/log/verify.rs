//! `handshake log verify`: the log of this home, or an export.

use std::path::{Path, PathBuf};

use handshake_core::code::{ErrorCode, Phase};
use handshake_flight_recorder::{
    Anchor, Evidence, PublicKey, Status, Trust, Verdict, VerifyError, verify_path,
};
use handshake_llm::parts::{LogReport, LogTrust, OpenError, verify_log};
use serde_json::json;

use super::{gaps, segments};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    home,
    out::Out,
};

/// What to verify.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 verified with an anchor, 4 self-consistent only (no anchor), 5 tampered.\n\nExamples:\n  handshake log verify\n  handshake log verify --anchor 412:abcdef012345\n  handshake log verify --root KEY --approver KEY /tmp/log"
)]
pub(crate) struct Args {
    /// Export to verify: its directory, or its log.jsonl alone [default: the log of this home].
    export: Option<PathBuf>,
    /// Compare with an anchor that was written down elsewhere (twelve characters of the hash are enough).
    #[arg(long, value_name = "SIZE:HASH")]
    anchor: Vec<String>,
    /// Public key that the log began with, 64 hex digits; required for an export, compared with this home's otherwise.
    #[arg(long, value_name = "KEY")]
    root: Vec<String>,
    /// Public key of the person who approves; receipts in an export that it signed count as anchors.
    #[arg(long, value_name = "KEY")]
    approver: Vec<String>,
}

fn bad(text: impl Into<String>) -> AppError {
    AppError::usage(ErrorCode::InvalidRequest, text)
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    // Whatever is given is read first: a key that is ignored would look like one that was compared.
    let roots = keys("--root", &args.root)?;
    let approvers = keys("--approver", &args.approver)?;
    let anchors: Vec<Anchor> = args
        .anchor
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| bad("invalid --anchor: expected SIZE:HASH"))
        })
        .collect::<Result<_>>()?;
    let Some(export) = args.export else {
        if !approvers.is_empty() {
            return Err(bad(
                "--approver is for exports: receipts of this home are compared with its own approval key",
            )
            .next("leave it out, or name the export to verify"));
        }
        let known = LogTrust {
            roots,
            anchors,
            ..LogTrust::default()
        };
        let report = own_log(cx, &known).await?;
        return Ok(say(cx.out, &report));
    };
    if roots.is_empty() {
        return Err(
            bad("--root KEY is required: an export cannot vouch for itself")
                .next("use the key that `handshake log export` printed"),
        );
    }
    let trust = Trust {
        roots,
        approvers,
        anchors,
        ..Trust::default()
    };
    let verdict = verify_path(&export, trust).map_err(unreadable)?;
    cx.out.object(&verdict);
    Ok(for_people(cx.out, &verdict))
}

fn keys(option: &str, given: &[String]) -> Result<Vec<PublicKey>> {
    let read = |text: &String| {
        text.parse().map_err(|_| {
            let what = if text.is_empty() { "it is empty; " } else { "" };
            bad(format!(
                "invalid {option}: {what}expected a public key of 64 lower-case hex digits"
            ))
            .next(format!(
                "pass the key that `handshake log export` printed, as in `{option} KEY`"
            ))
        })
    };
    given.iter().map(read).collect()
}

fn unreadable(error: VerifyError) -> AppError {
    AppError::new(ErrorCode::Storage, Phase::Storage, error.to_string())
        .next("export the log again with `handshake log export`")
}

/// Verifies the log of this home without opening its store, which a log that was cut may not let anybody do.
async fn own_log(cx: &Context, known: &LogTrust) -> Result<LogReport> {
    let Some(home) = cx.open_home()? else {
        let path = cx.home_path()?;
        return Err(AppError::new(
            ErrorCode::InvalidConfig,
            Phase::Storage,
            format!("no home at {}", path.display()),
        )
        .next("run `handshake init`, or name one with `--home DIR`"));
    };
    let vault = home::vault(&home)?;
    let found = match verify_log(&home, &vault, known.clone()) {
        Err(OpenError::Older { .. }) => {
            // Opening it migrates it, after a copy was made.
            drop(cx.app().await?);
            verify_log(&home, &vault, known.clone())
        }
        other => other,
    };
    found.map_err(|error| lost(&error, &home.path).exit(Exit::Unverified))
}

/// A log that is not there to be verified.
pub(crate) fn lost(error: &OpenError, home: &Path) -> AppError {
    let message = match error {
        OpenError::Missing => format!(
            "the database that holds the log is missing: {}",
            home.join("handshake.db").display()
        ),
        error => error.to_string(),
    };
    AppError::new(error.code(), Phase::Storage, message)
        .next("stop everything that uses this home, and restore a backup of it")
}

/// Says what a verification of this home's own log found, with what its files and its gaps say.
fn say(out: Out, report: &LogReport) -> Exit {
    let faulty = || {
        let all = report.segments.iter();
        all.filter(|segment| segment.state.is_faulty())
    };
    let mut object = json!(report.verdict);
    object["faulty_segments"] = faulty().map(segments::described).collect();
    object["losses"] = report.losses.iter().map(gaps::described).collect();
    out.object(&object);
    let exit = for_people(out, &report.verdict);
    for segment in faulty() {
        out.mark(
            false,
            format!(
                "log/{} is {}: events {} to {}",
                segment.file(),
                segment.state.as_str(),
                segment.first,
                segment.last
            ),
        );
    }
    if !report.losses.is_empty() {
        out.line(format!("     {}", gaps::summary(&report.losses)));
        out.line("     list them with `handshake log gaps`");
    }
    exit
}

/// `anchored up to event 12 by a receipt; 3 after it are not`.
pub(crate) fn anchored(verdict: &Verdict) -> String {
    let by = match verdict.anchored_by {
        Some(Evidence::Receipt) => "a receipt",
        _ => "an anchor",
    };
    match verdict.anchored_size {
        Some(size) if verdict.unanchored == 0 => format!("anchored up to event {size} by {by}"),
        Some(size) => format!(
            "anchored up to event {size} by {by}; not anchored after it: {}",
            verdict.unanchored
        ),
        None => "self-consistent only: nothing from outside confirms it".to_owned(),
    }
}

fn for_people(out: Out, verdict: &Verdict) -> Exit {
    if verdict.status == Status::Tampered {
        out.mark(false, "the log has been tampered with");
        for found in &verdict.tampering {
            let place = if found.exact { "at" } else { "at or after" };
            out.line(format!(
                "     {} {place} event {}, shown by {}",
                found.kind.as_str(),
                found.first_bad_seq,
                found.shown_by.as_str()
            ));
        }
        return Exit::Unverified;
    }
    if let Some(pruned) = verdict.pruned {
        out.mark(true, format!("pruned up to event {pruned}, signed"));
    }
    let events = verdict.size - verdict.pruned.unwrap_or(0);
    let anchored = anchored(verdict);
    if verdict.status == Status::Intact {
        out.mark(
            true,
            format!("the log is in order and unaltered; events: {events} ({anchored})"),
        );
        return Exit::Done;
    }
    out.line(format!("  -- the log is {anchored}; events: {events}"));
    out.line("       help: compare it with an anchor that you wrote down: `--anchor SIZE:HASH`");
    Exit::UNANCHORED
}
