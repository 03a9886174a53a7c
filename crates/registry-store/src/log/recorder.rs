//! The recorder's port.

use async_trait::async_trait;
use handshake_core::{
    event::{Body, Event},
    ports::{Backlog, FlightRecorder, RecordError, StoreError},
};

use crate::{
    store::Store,
    writer::waiting::{PLACES, RESERVE, Refused},
};

#[async_trait]
impl FlightRecorder for Store {
    async fn append_all(&self, events: Vec<Event>) -> Result<u64, RecordError> {
        Ok(self
            .write::<_, StoreError, _>(move |tx| {
                Ok(super::append_all(tx, &events)?.ok_or(StoreError::Failed)?)
            })
            .await?)
    }

    async fn ready(&self) {
        self.shared().waiting.room().await;
    }

    fn submit(&self, event: Event) -> Result<(), RecordError> {
        if let Err(error) = self.announce() {
            self.shared().waiting.refused();
            return Err(error.into());
        }
        let reserve = if is_outcome(&event.body) { RESERVE } else { 0 };
        let queued = self.shared().waiting.event(event, PLACES + reserve);
        queued.map_err(|refused| match refused {
            Refused::Full => RecordError::Overflow,
            Refused::Ended => StoreError::Failed.into(),
        })
    }

    async fn flush(&self) -> Result<(), RecordError> {
        if !self.shared().has_entered() && self.shared().waiting.holds_none() {
            // Nothing was ever queued here, and nothing is written for that.
            return Ok(());
        }
        // One queue, served in order: what was submitted before is in this transaction or an earlier one.
        Ok(self.write::<_, StoreError, _>(|_| Ok(())).await?)
    }

    fn backlog(&self) -> Backlog {
        self.shared().waiting.backlog()
    }
}

fn is_outcome(body: &Body) -> bool {
    matches!(
        body,
        Body::CallCompleted { .. }
            | Body::CallFailed { .. }
            | Body::CallTimeout { .. }
            | Body::CloudEscalationExecuted { .. }
            | Body::LlmInference { .. }
            | Body::IntegrityAlarm { .. }
    )
}
