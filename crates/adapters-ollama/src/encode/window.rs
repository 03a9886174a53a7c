//! `num_ctx`: how large a context the daemon is to make.
//!
//! A daemon left alone makes a small one and silently forgets the beginning of what does not fit. So the size
//! is always sent, with `truncate` and `shift` off: what does not fit is an error.

use handshake_core::{admit::Admitted, capability::Limit, code::ErrorCode, error::PrepareError};

use crate::wire::request::ChatBody;

/// The context that is made where nobody knows the model's own.
const UNKNOWN_WINDOW: u64 = 32 * 1024;
/// Sizes are rounded up to this many tokens, so that a growing conversation does not reload the model at
/// every turn.
const STEP: u64 = 1024;
/// Room for the answer where no bound is asked for.
const ANSWER: u64 = 1024;
/// What an image costs, roughly.
const IMAGE: u64 = 1024;
/// What a message costs beside its text.
const MESSAGE: u64 = 8;

/// What a limit on the context is called in a refusal, by who set it.
const OF_MODEL: &str = "max_context_window";
/// Of `policy.toml`, or of a role in a work profile.
const SET: &str = "max_context_tokens";

/// min(need rounded up, the model's window, what policy or the role sets).
///
/// Need is estimated at three bytes a token, which is more than most text needs. A prompt is refused here
/// only when it is too long at four bytes a token; between the two the daemon counts, and says so.
pub(super) fn size(body: &ChatBody<'_>, admitted: &Admitted) -> Result<u64, PrepareError> {
    let known = admitted
        .route()
        .snapshot
        .capabilities
        .limit(Limit::MaxContextWindow);
    let model = known.unwrap_or(UNKNOWN_WINDOW);
    let (window, whose) = match admitted.context_limit() {
        Some(limit) if limit < model => (limit, SET),
        _ => (model, OF_MODEL),
    };
    let (bytes, images) = content(body)?;
    let fixed = images * IMAGE + body.messages.len() as u64 * MESSAGE;
    if bytes.div_ceil(4) + fixed > window {
        return Err(PrepareError::new(ErrorCode::ContextWindow, whose));
    }
    let need = bytes.div_ceil(3) + fixed + admitted.max_tokens().unwrap_or(ANSWER);
    Ok(need.div_ceil(STEP).saturating_mul(STEP).min(window))
}

/// A client's own body goes as it is, or not at all: a context above what policy or the role allows is not made smaller behind its back.
pub(super) fn asked(num_ctx: Option<u64>, admitted: &Admitted) -> Result<(), PrepareError> {
    match (num_ctx, admitted.context_limit()) {
        (Some(asked), Some(limit)) if asked > limit => {
            Err(PrepareError::new(ErrorCode::ContextWindow, SET))
        }
        _ => Ok(()),
    }
}

/// Bytes that become tokens of the prompt, and images.
fn content(body: &ChatBody<'_>) -> Result<(u64, u64), PrepareError> {
    let (mut bytes, mut images) = (0, 0);
    for message in &body.messages {
        bytes += message.content.len() as u64;
        bytes += message.thinking.map_or(0, str::len) as u64;
        images += message.images.len() as u64;
        if !message.tool_calls.is_empty() {
            bytes += json_len(&message.tool_calls)?;
        }
    }
    if !body.tools.is_empty() {
        bytes += json_len(&body.tools)?;
    }
    Ok((bytes, images))
}

fn json_len(value: &impl serde::Serialize) -> Result<u64, PrepareError> {
    let text = serde_json::to_vec(value).map_err(|_| super::invalid("body"))?;
    Ok(text.len() as u64)
}
