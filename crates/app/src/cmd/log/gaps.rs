//! `handshake log gaps`: what was not recorded.

use handshake_core::event::LossCause;
use handshake_llm::parts::Loss;
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{Exit, Result},
};

pub(super) async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let losses = app.store.log_losses().await?;
    let mut rows = Vec::new();
    for loss in &losses {
        cx.out.object(&described(loss));
        let count = loss
            .lost
            .map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        rows.push(vec![
            loss.at_size.to_string(),
            loss.noticed_at.to_string(),
            count,
            why(loss.cause).to_owned(),
        ]);
    }
    if rows.is_empty() {
        cx.out.line("No gaps; every event was recorded.");
    } else {
        cx.out.table(&["event", "noticed", "lost", "cause"], &rows);
    }
    Ok(Exit::Done)
}

/// A gap in JSON.
pub(crate) fn described(loss: &Loss) -> Value {
    json!({
        "at": loss.at_size, "count": loss.lost, "cause": loss.cause, "noticed_at": loss.noticed_at,
    })
}

fn why(cause: LossCause) -> &'static str {
    match cause {
        LossCause::Overflow => "more events at once than the queue holds",
        LossCause::Storage => "the storage failed",
        LossCause::Crash => "a process ended with at most 50 ms of events not yet written",
    }
}

/// `12 events lost to load, the last 50 ms of 1 crashed process; not tampering`.
pub(crate) fn summary(losses: &[Loss]) -> String {
    let of = |cause| {
        let of = losses.iter().filter(move |loss| loss.cause == cause);
        (
            of.clone().count(),
            of.filter_map(|loss| loss.lost).sum::<u64>(),
        )
    };
    let mut parts = Vec::new();
    if let (1.., count) = of(LossCause::Overflow) {
        parts.push(format!("events lost to load: {count}"));
    }
    if let (1.., count) = of(LossCause::Storage) {
        parts.push(format!("events lost to a storage failure: {count}"));
    }
    match of(LossCause::Crash) {
        (0, _) => {}
        (1, _) => parts.push("at most the last 50 ms of 1 crashed process lost".to_owned()),
        (times, _) => parts.push(format!(
            "at most the last 50 ms of {times} crashed processes lost"
        )),
    }
    format!(
        "{}; each is recorded, and none is tampering",
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use handshake_core::time::UtcTime;

    use super::*;

    #[test]
    fn p19_a_gap_is_said_by_cause_and_number() {
        let loss = |cause, lost| Loss {
            at_size: 3,
            lost,
            cause,
            noticed_at: UtcTime::from_unix_millis(0),
        };
        let losses = [
            loss(LossCause::Crash, None),
            loss(LossCause::Overflow, Some(7)),
            loss(LossCause::Crash, None),
            loss(LossCause::Overflow, Some(5)),
            loss(LossCause::Storage, Some(1)),
        ];
        assert_eq!(
            summary(&losses),
            "events lost to load: 12, events lost to a storage failure: 1, at most the last 50 ms of 2 crashed \
             processes lost; each is recorded, and none is tampering"
        );
        assert!(
            summary(&losses[..1]).starts_with("at most the last 50 ms of 1 crashed process lost;")
        );
        assert_eq!(described(&losses[1])["cause"], "overflow");
    }
}
