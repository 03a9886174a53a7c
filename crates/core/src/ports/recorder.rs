//! The log.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::event::Event;

/// An event that was not recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The queue is full; the gap is counted and recorded when there is room.
    #[error("event queue is full")]
    Overflow,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a log is behind its callers, and what it lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// Events that are queued or being written.
    pub queued: u64,
    /// How long the oldest of them waits.
    pub oldest: Option<Duration>,
    /// Events that had no place in the queue, since the log was opened here.
    pub lost_overflow: u64,
    /// Events that could not be written, since the log was opened here.
    pub lost_storage: u64,
}

/// The flight recorder.
///
/// # Contract
/// `append_all` is durable when it returns, and atomic: all of the events are recorded, next to each other, or
/// none. `submit` never blocks and never fails to be counted: what does not fit the bounded queue becomes
/// FR-EVT-EGRESS-008 `events_lost`; what fits is written in batches and durable within 50 ms. Whoever begins new
/// work awaits `ready` first, so that a full queue slows callers down before it loses an event; the events of work
/// that began always fit. Events of one caller keep their order.
#[async_trait]
pub trait FlightRecorder: Send + Sync {
    /// Appends durably and returns the place of the last event in the log.
    ///
    /// # Errors
    /// [`RecordError::Store`]; nothing of it is recorded then. No events at all is an error too.
    async fn append_all(&self, events: Vec<Event>) -> Result<u64, RecordError>;

    /// Waits until the queue has room for the events of one more call.
    ///
    /// # Cancellation
    /// Nothing is reserved; dropping the future is free.
    async fn ready(&self);

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

    /// How far it is behind, and what it lost. Waits for nothing.
    fn backlog(&self) -> Backlog;
}

/// Conveniences over [`FlightRecorder`].
#[async_trait]
pub trait FlightRecorderExt: FlightRecorder {
    /// Appends one event durably and returns its place in the log.
    ///
    /// # Errors
    /// [`RecordError::Store`].
    async fn append(&self, event: Event) -> Result<u64, RecordError> {
        self.append_all(vec![event]).await
    }
}

impl<R: FlightRecorder + ?Sized> FlightRecorderExt for R {}
