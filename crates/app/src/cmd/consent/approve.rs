//! `handshake approve`: a person sees what would leave, presses one key, and proves that it is them.

use std::time::Duration;

use handshake_core::{consent::ConsentReceipt, ids::RequestId};
use handshake_llm::{LeaseLimits, Preview, shown::Shown};
use serde_json::json;

use crate::{
    error::{Exit, Result},
    factor,
    keys::{Keys, Pressed},
    out::Out,
    preview::{self, Extent, size},
    wire::App,
};

/// More lines than this push the first screen away, so that what matters most is said once more.
const SCREEN: usize = 20;

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Decision {
    /// A person said yes.
    Approved(Box<ConsentReceipt>),
    /// A person said no.
    Denied,
    /// It still waits.
    Left,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Once,
    Lease,
    /// A lease under which what was found passes again.
    Waive,
    Deny,
    Leave,
}

pub(super) async fn run(
    app: &App,
    out: Out,
    id: RequestId,
    (lease, waive): (bool, bool),
) -> Result<Exit> {
    let waiting = app.approver()?.open(id).await?;
    let key = match (lease, waive) {
        (false, _) => None,
        (true, false) => Some('l'),
        (true, true) => Some('w'),
    };
    match decide(out, &waiting, key).await? {
        Decision::Approved(receipt) => {
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
        Decision::Denied => {
            out.object(&json!({ "denied": id }));
            out.line("Denied. Nothing was sent.");
            Ok(Exit::Done)
        }
        Decision::Left => {
            out.line("Not approved. The call is still pending.");
            Ok(Exit::Waiting)
        }
    }
}

/// Shows a question and lets a person decide it. `key`: what they pressed already. Without a terminal nobody is asked for
/// a key, and the factor is refused.
pub(crate) async fn decide(out: Out, waiting: &Preview, key: Option<char>) -> Result<Decision> {
    let shown = waiting.shown().await?;
    let extent = match key {
        Some('s') => Extent::Everything,
        _ => Extent::New,
    };
    preview::print(out, &shown, extent);
    let keys = !out.json && factor::at_terminal();
    let choice = match key {
        Some('l') => Choice::Lease,
        Some('w') => Choice::Waive,
        Some('y') => Choice::Once,
        Some('n') => Choice::Deny,
        _ if keys => {
            let shown = shown.clone();
            // A key may be long in coming.
            let asked = tokio::task::spawn_blocking(move || ask(out, &shown));
            asked.await.unwrap_or(Choice::Leave)
        }
        _ => Choice::Once,
    };
    match choice {
        Choice::Leave => return Ok(Decision::Left),
        Choice::Deny => {
            waiting.deny().await?;
            return Ok(Decision::Denied);
        }
        Choice::Lease => {
            // Nobody is asked about what would fail.
            waiting.can_be_leased().await?;
            out.line(format!("\n  {}", terms()));
        }
        Choice::Waive => {
            waiting.can_be_waived().await?;
            out.line(format!("\n  {}", terms()));
            waived(out, &shown);
        }
        Choice::Once => {}
    }
    if shown.summary.much_new {
        let new = size(shown.summary.new.bytes);
        out.line(format!(
            "\n  {new} are new, more than one reads at once: the passphrase is asked for twice."
        ));
        let mut tries = factor::Tries::new("Approval passphrase (leave empty to cancel): ");
        loop {
            let passphrase = tries.ask()?;
            if passphrase.is_empty() {
                return Ok(Decision::Left);
            }
            match waiting.check_factor(&passphrase) {
                Ok(()) => break,
                Err(error) => tries.wrong(error.into())?,
            }
        }
    }
    let mut tries = factor::Tries::new("\nApproval passphrase (leave empty to cancel): ");
    loop {
        let passphrase = tries.ask()?;
        if passphrase.is_empty() {
            return Ok(Decision::Left);
        }
        let approved = match choice {
            Choice::Lease => {
                waiting
                    .approve_lease(&passphrase, LeaseLimits::default())
                    .await
            }
            Choice::Waive => {
                waiting
                    .approve_lease_waiving(&passphrase, LeaseLimits::default())
                    .await
            }
            _ => waiting.approve_once(&passphrase).await,
        };
        match approved {
            Ok(receipt) => return Ok(Decision::Approved(Box::new(receipt))),
            Err(error) => tries.wrong(error.into())?,
        }
    }
}

/// Waits for one of the keys. None of them is a default.
fn ask(out: Out, shown: &Shown) -> Choice {
    remind(out, shown);
    loop {
        out.line(format!("\n  {}", limits(shown)));
        let summary = &shown.summary;
        let lease = match (summary.no_lease.is_none(), can_waive(shown)) {
            (true, _) => " · l lease",
            (false, true) => " · w lease with what was found",
            (false, false) => "",
        };
        out.text(&format!(
            "  y this call{lease} · n deny · s show everything · q leave it: "
        ));
        let Some(keys) = Keys::open() else {
            return Choice::Leave;
        };
        let (key, choice) = loop {
            match keys.wait(Duration::from_secs(3600)) {
                None => {}
                Some(Pressed::Leave) => break ('q', Some(Choice::Leave)),
                Some(Pressed::Key(key)) => match key {
                    'y' => break (key, Some(Choice::Once)),
                    'l' if shown.summary.no_lease.is_none() => break (key, Some(Choice::Lease)),
                    'w' if can_waive(shown) => break (key, Some(Choice::Waive)),
                    'n' => break (key, Some(Choice::Deny)),
                    'q' => break (key, Some(Choice::Leave)),
                    's' => break (key, None),
                    _ => {}
                },
            }
        };
        drop(keys);
        out.line(key.to_string());
        match choice {
            Some(choice) => return choice,
            None => {
                preview::print(out, shown, Extent::Everything);
                remind(out, shown);
            }
        }
    }
}

/// After much text: where it would go, and how much of it is new.
fn remind(out: Out, shown: &Shown) {
    let lines = shown.parts.iter().map(|part| part.pieces.len() + 1);
    if lines.sum::<usize>() > SCREEN {
        out.line("");
        let wanted = ["to", "model", "new", "findings"];
        for line in preview::first(&shown.summary, Extent::New) {
            if wanted
                .iter()
                .any(|name| line.trim_start().starts_with(&format!("{name} ")))
            {
                out.line(line);
            }
        }
    }
}

/// Whether a lease can let what was found pass again, and none can without that.
pub(crate) fn can_waive(shown: &Shown) -> bool {
    shown.summary.no_lease.is_some() && !shown.summary.waivable.is_empty()
}

/// What a lease would allow, in one line; or why there can be none.
fn limits(shown: &Shown) -> String {
    match (shown.summary.no_lease, shown.summary.waivable.len()) {
        (None, _) => terms(),
        (Some(why), 0) => format!("this call only: {why}"),
        (Some(why), n) => format!(
            "this call only: {why}; or a lease under which what was found passes again: {n}"
        ),
    }
}

fn terms() -> String {
    let limits = LeaseLimits::default();
    format!(
        "a lease: up to {} such calls, {} new each, {} in all, {} min idle, {} h",
        limits.max_uses,
        size(limits.max_new_bytes_per_call),
        size(limits.max_new_bytes_total),
        limits.idle.as_secs() / 60,
        limits.life.as_secs() / 3600
    )
}

/// What passes again under the lease: where it stands, never what it is. The preview shows it masked.
fn waived(out: Out, shown: &Shown) {
    if shown.summary.waivable.is_empty() {
        return;
    }
    out.line("  these values pass again under it, wherever they stand, and no others:");
    for value in &shown.summary.waivable {
        let whole = match value.whole_text {
            true => ", the whole text",
            false => "",
        };
        let class = value.class.as_str().replace('_', " ");
        out.line(format!(
            "    {} ({class}) at {}{whole}",
            value.rule, value.pointer
        ));
    }
}
