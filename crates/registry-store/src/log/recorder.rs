//! The recorder's port.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use handshake_core::{
    event::{Body, Event},
    ports::{FlightRecorder, RecordError, StoreError},
};

use crate::store::Store;

/// Submitted events that may wait.
const QUEUE: usize = 4096;
/// More places for outcomes, which no flood of other events may crowd out.
const RESERVE: usize = 1024;

#[async_trait]
impl FlightRecorder for Store {
    async fn append_all(&self, events: Vec<Event>) -> Result<u64, RecordError> {
        Ok(self
            .write::<_, StoreError, _>(move |tx| {
                let mut last = Err(StoreError::Failed.into());
                for event in events {
                    last = Ok(super::append(tx, event)?);
                }
                last
            })
            .await?)
    }

    async fn ready(&self) {
        // Outcomes have a reserve of their own, so this is where load is felt.
        while self.shared().queued.load(Ordering::SeqCst) >= QUEUE / 2 && !self.is_poisoned() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn submit(&self, event: Event) -> Result<(), RecordError> {
        let shared = self.shared();
        let places = if is_outcome(&event.body) {
            QUEUE + RESERVE
        } else {
            QUEUE
        };
        let take = |queued: usize| (queued < places).then_some(queued + 1);
        let taken = shared
            .queued
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok();
        if !taken {
            shared.lost.fetch_add(1, Ordering::SeqCst);
            return Err(RecordError::Overflow);
        }
        if shared.is_poisoned() || !self.writer().event(event) {
            shared.queued.fetch_sub(1, Ordering::SeqCst);
            shared.lost.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Failed.into());
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), RecordError> {
        // One queue, served in order: what was submitted before is in this transaction or an earlier one.
        Ok(self.write::<_, StoreError, _>(|_| Ok(())).await?)
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
