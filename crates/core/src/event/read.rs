//! Reading events back: unknown types and unknown keys are rejected.

use serde_json::Value;

use super::{Event, RecordedEvent};

/// A stored event with an unknown type, an unknown key or a value of the wrong form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an event has an unknown type, field or value")]
pub struct InvalidEvent;

impl Event {
    /// Reads one event. Strict: whatever would not be written again is rejected.
    ///
    /// # Errors
    /// [`InvalidEvent`].
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidEvent> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| InvalidEvent)?;
        let event: Self = serde_json::from_value(value.clone()).map_err(|_| InvalidEvent)?;
        same_keys(&value, &serde_json::to_value(&event).map_err(|_| InvalidEvent)?)?;
        Ok(event)
    }
}

impl RecordedEvent {
    /// Reads one event with its sequence number. Strict, as [`Event::read`].
    ///
    /// # Errors
    /// [`InvalidEvent`].
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidEvent> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| InvalidEvent)?;
        let event: Self = serde_json::from_value(value.clone()).map_err(|_| InvalidEvent)?;
        same_keys(&value, &serde_json::to_value(&event).map_err(|_| InvalidEvent)?)?;
        Ok(event)
    }
}

/// serde's `flatten` cannot deny unknown fields, so what was read is compared with what would be written.
fn same_keys(read: &Value, written: &Value) -> Result<(), InvalidEvent> {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => read.iter().try_for_each(|(key, value)| {
            same_keys(value, written.get(key).ok_or(InvalidEvent)?)
        }),
        _ => Ok(()),
    }
}
