//! Reading events back: unknown types and unknown keys are rejected.

use serde::Serialize;
use serde_json::Value;

use super::{Event, RecordedEvent};
use crate::json::read_strict;

/// A stored event with an unknown type, an unknown key or a value of the wrong form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown event type, field or value")]
pub struct InvalidEvent;

impl Event {
    /// Reads one event. Strict: whatever would not be written again is rejected.
    ///
    /// # Errors
    /// [`InvalidEvent`].
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidEvent> {
        let value = read_strict(bytes).map_err(|_| InvalidEvent)?;
        let event: Self = serde_json::from_value(value.clone()).map_err(|_| InvalidEvent)?;
        written_so(&value, &event)?;
        Ok(event)
    }
}

impl RecordedEvent {
    /// Reads one event with its sequence number. Strict, as [`Event::read`].
    ///
    /// # Errors
    /// [`InvalidEvent`].
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidEvent> {
        let value = read_strict(bytes).map_err(|_| InvalidEvent)?;
        let event: Self = serde_json::from_value(value.clone()).map_err(|_| InvalidEvent)?;
        written_so(&value, &event)?;
        Ok(event)
    }
}

/// serde's `flatten` cannot deny unknown fields, so what was read is compared with what would be written.
/// That refuses other spellings of ids, times and codes as well: an event has one form.
fn written_so(read: &Value, event: &impl Serialize) -> Result<(), InvalidEvent> {
    let written = serde_json::to_value(event).map_err(|_| InvalidEvent)?;
    if *read == written {
        Ok(())
    } else {
        Err(InvalidEvent)
    }
}
