//! Token counts. Absent is not zero; totals are the server's own.

use handshake_core::chat::TokenUsage;
use serde_json::Value;

/// Reads a `usage` object; `None` where it says nothing.
pub(super) fn read(usage: &Value) -> Option<TokenUsage> {
    let of = |name: &str| usage.get(name).and_then(count);
    let within = |details: &str, name: &str| usage.get(details)?.get(name).and_then(count);
    let read = TokenUsage {
        prompt_tokens: of("prompt_tokens"),
        completion_tokens: of("completion_tokens"),
        total_tokens: of("total_tokens"),
        cached_tokens: within("prompt_tokens_details", "cached_tokens")
            .or_else(|| of("prompt_cache_hit_tokens"))
            .or_else(|| of("cached_tokens")),
        reasoning_tokens: within("completion_tokens_details", "reasoning_tokens")
            .or_else(|| of("reasoning_tokens")),
        estimated: false,
    };
    (read != TokenUsage::default()).then_some(read)
}

/// Reads llama.cpp's `timings`, which it sends whether or not usage was asked for.
pub(super) fn timings(timings: &Value) -> Option<TokenUsage> {
    let of = |name: &str| timings.get(name).and_then(count);
    let cached = of("cache_n");
    Some(TokenUsage {
        prompt_tokens: Some(of("prompt_n")? + cached.unwrap_or(0)),
        completion_tokens: Some(of("predicted_n")?),
        cached_tokens: cached,
        ..TokenUsage::default()
    })
}

/// A count: a whole number, however it is written.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (float >= 0.0 && float.fract() == 0.0 && float < 9_007_199_254_740_992.0)
            .then_some(float as u64)
    })
}
