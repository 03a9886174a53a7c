//! The response head, reduced to what decoding needs.

use std::time::Duration;

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    reply::ResponseHead,
    time::UtcTime,
};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};

/// The longest wait that a provider may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

pub(super) fn read(
    status: u16,
    headers: &HeaderMap,
    now: UtcTime,
) -> Result<ResponseHead, CallError> {
    let broken = |subject| {
        CallError::new(ErrorCode::Protocol, Phase::Status)
            .about(subject)
            .status(status)
    };
    if status < 200 {
        // An upgrade was never asked for.
        return Err(broken("status"));
    }
    let encoded = headers.get_all(CONTENT_ENCODING).iter().any(|value| {
        !value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    });
    if encoded {
        return Err(broken("content-encoding"));
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Ok(ResponseHead {
        status,
        content_type: text(CONTENT_TYPE.as_str()).map(media_type),
        retry_after: retry_after(text("retry-after-ms"), text(RETRY_AFTER.as_str()), now),
    })
}

fn media_type(value: &str) -> String {
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// How long the provider asks to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date.
/// At most [`MAX_RETRY_AFTER`]; a date in the past is no wait; what cannot be read is no answer.
#[must_use]
pub fn retry_after(millis: Option<&str>, value: Option<&str>, now: UtcTime) -> Option<Duration> {
    let number = |text: &str, unit: f64| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let seconds: f64 = if plain {
            text.parse::<f64>().ok()? * unit
        } else {
            return None;
        };
        Some(Duration::from_secs_f64(
            seconds.min(MAX_RETRY_AFTER.as_secs_f64()),
        ))
    };
    if let Some(wait) = millis.and_then(|text| number(text.trim(), 0.001)) {
        return Some(wait);
    }
    let text = value?.trim();
    number(text, 1.0).or_else(|| {
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()?;
        let until = UtcTime::from_unix_millis(date.as_millisecond());
        Some(until.since(now).min(MAX_RETRY_AFTER))
    })
}
