//! What goes on in a home, from its log: every process of it writes there, and nothing of what is sent stands in it.

use std::collections::{BTreeMap, VecDeque};

use handshake_core::{
    event::{Body, RecordedEvent},
    ids::UseId,
    ports::StoreError,
    time::UtcTime,
};
use handshake_llm::parts::Store;

/// Events that are read at the beginning, and at once.
const PAGE: u32 = 1000;
/// Decisions that are kept.
const DECISIONS: usize = 5;

/// A call that runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) since: UtcTime,
    pub(crate) who: String,
    pub(crate) model: String,
}

/// The log as far as it was read, and what it comes to.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    last: Option<u64>,
    pub(crate) running: BTreeMap<UseId, Running>,
    /// The latest decisions, newest first: when, and what.
    pub(crate) decisions: VecDeque<(UtcTime, String)>,
}

impl Timeline {
    /// What went on lately.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn begin(store: &Store) -> Result<Self, StoreError> {
        let mut timeline = Self::default();
        for event in store.log_tail(PAGE).await? {
            timeline.take(&event);
        }
        Ok(timeline)
    }

    /// What came since.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn look(&mut self, store: &Store) -> Result<Vec<RecordedEvent>, StoreError> {
        let events = store.log_after(self.last, PAGE).await?;
        for event in &events {
            self.take(event);
        }
        Ok(events)
    }

    fn take(&mut self, recorded: &RecordedEvent) {
        self.last = Some(recorded.seq);
        let event = &recorded.event;
        match &event.body {
            Body::CallStarted { use_id, .. } => {
                let running = Running {
                    since: event.timestamp,
                    who: who(recorded),
                    model: model(recorded),
                };
                self.running.insert(*use_id, running);
            }
            Body::CallCompleted { use_id, .. } | Body::CallFailed { use_id, .. } => {
                self.running.remove(use_id);
            }
            _ => {}
        }
        if let Some(what) = decision(recorded) {
            self.decisions.push_front((event.timestamp, what));
            self.decisions.truncate(DECISIONS);
        }
    }
}

fn who(recorded: &RecordedEvent) -> String {
    let principal = recorded.event.principal.as_ref();
    principal.map_or_else(|| "somebody".to_owned(), ToString::to_string)
}

fn model(recorded: &RecordedEvent) -> String {
    let event = &recorded.event;
    match (&event.provider_id, &event.model_id) {
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        (Some(provider), None) => provider.to_string(),
        _ => "-".to_owned(),
    }
}

/// What was decided, by a person or without asking one.
fn decision(recorded: &RecordedEvent) -> Option<String> {
    let asked = || format!("{} → {}", who(recorded), model(recorded));
    Some(match &recorded.event.body {
        Body::CloudEscalationApproved { scope, .. } => {
            format!("approved ({}): {}", scope.as_str(), asked())
        }
        Body::CloudEscalationDenied { code, .. } => format!("denied ({code}): {}", asked()),
        Body::LeakageBlocked { code, .. } => format!("blocked ({code}): {}", asked()),
        Body::GateDenied { code, count, .. } => match count {
            Some(count) => format!("refused {count} times ({code}): {}", asked()),
            None => format!("refused ({code}): {}", asked()),
        },
        Body::ContentRedacted { values, .. } => match values {
            1 => format!("redacted 1 value: {}", asked()),
            _ => format!("redacted {values} values: {}", asked()),
        },
        Body::Revoked {
            consent_receipt_id: Some(_),
            ..
        } => "a receipt was revoked".to_owned(),
        Body::Revoked { .. } => "cloud calls were paused or stopped".to_owned(),
        _ => return None,
    })
}
