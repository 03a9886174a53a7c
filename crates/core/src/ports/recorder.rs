//! The log.

use async_trait::async_trait;

use super::StoreError;
use crate::event::Event;

/// An event that was not recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The queue is full; the gap is counted and recorded when there is room.
    #[error("the event queue is full")]
    Overflow,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The flight recorder.
///
/// # Contract
/// `append` is durable when it returns. `submit` never blocks and never fails to be counted: what does not
/// fit the bounded queue becomes a recorded gap; what fits is durable within 50 ms. Events of one caller
/// keep their order.
#[async_trait]
pub trait FlightRecorder: Send + Sync {
    /// Appends durably and returns the place in the log.
    ///
    /// # Errors
    /// [`RecordError::Store`].
    async fn append(&self, event: Event) -> Result<u64, RecordError>;

    /// Queues an event.
    ///
    /// # Errors
    /// [`RecordError::Overflow`] when it became part of a gap.
    fn submit(&self, event: Event) -> Result<(), RecordError>;

    /// Waits until everything submitted before is durable.
    ///
    /// # Errors
    /// [`RecordError::Store`].
    async fn flush(&self) -> Result<(), RecordError>;
}
