//! Points in time: UTC, RFC 3339 with `Z`, whole milliseconds. The clock itself is a port.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A UTC time with millisecond precision, written as `2026-11-22T00:00:00.000Z`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct UtcTime(i64);

impl Serialize for UtcTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not an RFC 3339 UTC time with `Z`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid time: expected RFC 3339 in UTC, ending in `Z`")]
pub struct InvalidTime;

impl UtcTime {
    /// The time `millis` milliseconds after 1970-01-01T00:00:00Z, clamped to the years 0 to 9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Self {
        Self(millis.clamp(-62_167_219_200_000, 253_402_300_799_999))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.0
    }

    /// This time plus a duration, clamped at the end of year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{stamp:.3}")
    }
}

impl FromStr for UtcTime {
    type Err = InvalidTime;
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        if !text.ends_with('Z') {
            return Err(InvalidTime);
        }
        let stamp: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        Ok(Self::from_unix_millis(stamp.as_millisecond()))
    }
}

impl TryFrom<String> for UtcTime {
    type Error = InvalidTime;
    fn try_from(text: String) -> Result<Self, InvalidTime> {
        text.parse()
    }
}

impl From<UtcTime> for String {
    fn from(time: UtcTime) -> Self {
        time.to_string()
    }
}

impl schemars::JsonSchema for UtcTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UtcTime".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time", "pattern": "Z$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_z_and_milliseconds() {
        let t = UtcTime::from_unix_millis(1_795_305_600_123);
        assert_eq!(t.to_string(), "2026-11-22T00:00:00.123Z");
        assert_eq!(t.to_string().parse::<UtcTime>(), Ok(t));
        assert!("2026-11-22T00:00:00+01:00".parse::<UtcTime>().is_err());
        assert!("yesterday".parse::<UtcTime>().is_err());
    }
}
