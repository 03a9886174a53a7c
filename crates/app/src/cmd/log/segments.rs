//! `handshake log segments`, `seal` and `prune`: the parts of the log outside the database.

use std::{
    io::{BufRead as _, Write as _},
    time::Duration,
};

use handshake_core::{
    code::ErrorCode,
    ports::{FlightRecorder, StoreError},
};
use handshake_llm::parts::{Retention, Segment};
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    factor,
};

/// What to remove.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake log prune --keep 90d\n  handshake log prune --keep 100000 --yes"
)]
pub(crate) struct PruneArgs {
    /// Keep at least this many events, or events up to this age (12h, 90d, 8w).
    #[arg(long, value_name = "COUNT|AGE", value_parser = retention)]
    keep: Retention,
    /// Do not ask for confirmation; required without a terminal.
    #[arg(long)]
    yes: bool,
}

fn retention(text: &str) -> std::result::Result<Retention, String> {
    let bad = || "expected a number of events, or an age such as 12h, 90d or 8w".to_owned();
    let (digits, hours) = match text.as_bytes().last() {
        Some(b'h') => (&text[..text.len() - 1], 1),
        Some(b'd') => (&text[..text.len() - 1], 24),
        Some(b'w') => (&text[..text.len() - 1], 24 * 7),
        _ => (text, 0),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain).ok_or_else(bad)?;
    if hours == 0 {
        return Ok(Retention::Events(number));
    }
    let seconds = number.checked_mul(hours * 3600).ok_or_else(bad)?;
    Ok(Retention::Age(Duration::from_secs(seconds)))
}

pub(super) async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let segments = app.store.log_segments().await?;
    let mut rows = Vec::new();
    let mut exit = Exit::Done;
    for segment in &segments {
        cx.out.object(&described(segment));
        if segment.state.is_faulty() {
            exit = Exit::Unverified;
        }
        rows.push(vec![
            segment.first.to_string(),
            segment.last.to_string(),
            (segment.last - segment.first + 1).to_string(),
            segment.bytes.to_string(),
            segment.state.as_str().to_owned(),
        ]);
    }
    if rows.is_empty() {
        cx.out
            .line("No segments; the whole log is in the database.");
    } else {
        let head = ["first", "last", "events", "bytes", "state"];
        cx.out.table(&head, &rows);
    }
    Ok(exit)
}

pub(super) fn described(segment: &Segment) -> Value {
    json!({
        "first": segment.first, "last": segment.last, "events": segment.last - segment.first + 1,
        "bytes": segment.bytes, "state": segment.state.as_str(), "file": segment.file(),
    })
}

pub(super) async fn seal(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    app.store.flush().await?;
    let made = app.store.seal_log().await?;
    cx.out.object(&json!({ "sealed": made }));
    cx.out.line(match made {
        0 => "Nothing to seal.".to_owned(),
        1 => "Sealed one segment.".to_owned(),
        made => format!("Sealed {made} segments."),
    });
    Ok(Exit::Done)
}

pub(super) async fn prune(cx: &Context, args: &PruneArgs) -> Result<Exit> {
    if !args.yes && !confirmed()? {
        cx.out.object(&json!({ "pruned": false }));
        cx.out.line("Cancelled; nothing was removed.");
        return Ok(Exit::Done);
    }
    let app = cx.app().await?;
    app.store.flush().await?;
    let seam = match app.store.prune_log(args.keep).await {
        Err(StoreError::Conflict) => {
            return Err(AppError::from(StoreError::Conflict)
                .next("another process is sealing or pruning the log; try again"));
        }
        other => other?,
    };
    cx.out
        .object(&json!({ "pruned": seam.is_some(), "seam": seam }));
    cx.out.line(match &seam {
        Some(seam) => format!(
            "Removed events {} to {} and signed the seam.",
            seam.first, seam.size
        ),
        None => "No segment is old enough to remove.".to_owned(),
    });
    Ok(Exit::Done)
}

/// Asks at the terminal. Only the whole word counts.
fn confirmed() -> Result<bool> {
    if !factor::at_terminal() {
        return Err(AppError::usage(
            ErrorCode::InvalidRequest,
            "pruning removes events for good and needs confirmation",
        )
        .next("pass --yes, or run the command in a terminal"));
    }
    let mut terminal = std::io::stderr().lock();
    let asked = terminal.write_all(b"This removes events for good. Type 'yes' to continue: ");
    let mut answer = String::new();
    let read = asked
        .and_then(|()| terminal.flush())
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    Ok(read.is_ok() && answer.trim_end() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_what_is_kept_is_a_count_or_an_age() {
        assert_eq!(retention("100"), Ok(Retention::Events(100)));
        assert_eq!(retention("0"), Ok(Retention::Events(0)));
        let hours = |hours: u64| Ok(Retention::Age(Duration::from_secs(hours * 3600)));
        assert_eq!(retention("12h"), hours(12));
        assert_eq!(retention("90d"), hours(90 * 24));
        assert_eq!(retention("8w"), hours(8 * 7 * 24));
        for bad in [
            "",
            "d",
            "-1",
            "+1",
            "1.5d",
            "1m",
            "d1",
            "99999999999999999999",
            "é",
        ] {
            assert!(retention(bad).is_err(), "{bad}");
        }
    }
}
