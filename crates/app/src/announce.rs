//! A gateway's terminal says that somebody asks: who, where to, how much. Never what, and nothing at all where standard
//! output is no terminal.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use handshake_core::{
    event::Body,
    ids::RequestId,
    ports::{ApprovalQueue, Clock, PendingRecord, StoreError},
};
use handshake_llm::parts::Store;

use crate::{out::Out, preview::size, timeline::Timeline};

/// How often is looked for new questions. A look reads the end of the log.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The bell rings no more often.
const QUIET: Duration = Duration::from_secs(10);

/// Announces each question once, until it is aborted.
pub(crate) async fn questions(store: Store, clock: Arc<dyn Clock>, out: Out) {
    let mut announced = Announced::default();
    let mut timeline: Option<Timeline> = None;
    loop {
        // A store that cannot be read announces nothing; calls are refused then, too.
        if let Ok(true) = news(&store, &mut timeline).await
            && let Ok(pending) = store.pending().await
        {
            let now = clock.monotonic();
            let (lines, bell) = announced.take(&pending, now);
            for line in lines {
                out.line(line);
            }
            if bell {
                out.bell();
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether somebody asked since the last look.
async fn news(store: &Store, timeline: &mut Option<Timeline>) -> Result<bool, StoreError> {
    let Some(known) = timeline else {
        *timeline = Some(Timeline::begin(store).await?);
        return Ok(true);
    };
    let events = known.look(store).await?;
    let asked = |body: &Body| matches!(body, Body::CloudEscalationRequested { .. });
    Ok(events.iter().any(|event| asked(&event.event.body)))
}

/// What was said.
#[derive(Default)]
struct Announced {
    said: BTreeSet<RequestId>,
    rang: Option<Duration>,
}

impl Announced {
    /// A line for each question that was not announced, and whether the bell rings.
    fn take(&mut self, pending: &[PendingRecord], now: Duration) -> (Vec<String>, bool) {
        let ids = pending.iter().map(|record| record.request.request_id);
        let there: BTreeSet<RequestId> = ids.collect();
        self.said.retain(|id| there.contains(id));
        let mut lines = Vec::new();
        for record in pending {
            if self.said.insert(record.request.request_id) {
                lines.push(line(record));
            }
        }
        let loud = self
            .rang
            .is_none_or(|rang| now.saturating_sub(rang) >= QUIET);
        let bell = !lines.is_empty() && loud;
        if bell {
            self.rang = Some(now);
        }
        (lines, bell)
    }
}

fn line(record: &PendingRecord) -> String {
    let (ext, id) = (&record.plan.ext, record.request.request_id.to_string());
    let time = record.submitted_at.to_string();
    format!(
        "{}  {} asks to send {} ({} new) to {}, {}: handshake approve {}",
        time.get(11..19).unwrap_or(&time),
        ext.principal,
        size(record.plan.max_bytes),
        size(ext.new_bytes),
        ext.destination.origin,
        record.request.requested_model_id,
        &id[..8]
    )
}
