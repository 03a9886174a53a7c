//! Parameters: each one is sent, or refused by name.

use handshake_core::{
    admit::Admitted,
    chat::{ChatRequest, Reasoning, ToolChoice},
    code::ErrorCode,
    envelope::Adjustment,
    error::PrepareError,
};
use serde_json::Value;

use super::{invalid, unsupported};
use crate::{dialect::Dialect, profile::Family, wire::request::Named};

/// Refuses what the dialect or the model's family does not take.
pub(super) fn check(
    dialect: &Dialect,
    family: &Family,
    request: &ChatRequest,
) -> Result<(), PrepareError> {
    let params = &request.params;
    for (name, number) in [("temperature", params.temperature), ("top_p", params.top_p)] {
        let Some(number) = number else { continue };
        // JSON has no word for these; they would go out as null.
        if !number.is_finite() {
            return Err(invalid(name));
        }
        if family.refuses.contains(&name) {
            return Err(unsupported(name));
        }
    }
    if !params.stop.is_empty() && (!dialect.stop || family.refuses.contains(&"stop")) {
        return Err(unsupported("stop"));
    }
    let thinks = matches!(
        params.reasoning,
        Some(Reasoning::Low | Reasoning::Medium | Reasoning::High)
    );
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    );
    if thinks && forced && !dialect.forced_choice_thinking {
        return Err(unsupported("tool_choice with reasoning"));
    }
    Ok(())
}

pub(super) fn max_tokens(dialect: &Dialect, admitted: &Admitted) -> Named<u64> {
    Named(
        admitted
            .max_tokens()
            .map(|bound| (dialect.max_tokens, bound)),
    )
}

pub(super) fn seed(dialect: &Dialect, request: &ChatRequest) -> Result<Named<i64>, PrepareError> {
    match (request.params.seed, dialect.seed) {
        (None, _) => Ok(Named(None)),
        (Some(seed), Some(name)) => Ok(Named(Some((name, seed)))),
        (Some(_), None) => Err(unsupported("seed")),
    }
}

pub(super) fn reasoning(
    dialect: &Dialect,
    request: &ChatRequest,
) -> Result<Named<Value>, PrepareError> {
    let Some(level) = request.params.reasoning else {
        return Ok(Named(None));
    };
    let (_, name, value) = dialect
        .reasoning
        .iter()
        .find(|(known, ..)| *known == level)
        .ok_or_else(|| unsupported("reasoning"))?;
    let value = serde_json::from_str(value)
        .map_err(|_| PrepareError::new(ErrorCode::InvalidConfig, "dialect"))?;
    Ok(Named(Some((name, value))))
}

/// What was changed on the way: bounds, and spellings of control tokens that were escaped.
pub(super) fn adjusted(admitted: &Admitted, escaped: u64) -> Vec<Adjustment> {
    let (requested, effective) = (admitted.request().params.max_tokens, admitted.max_tokens());
    let bound = ("max_tokens", requested, effective);
    let tokens = ("control_tokens", Some(escaped), Some(0));
    let changed = [bound, tokens]
        .into_iter()
        .filter(|(_, requested, effective)| requested != effective);
    changed
        .map(|(parameter, requested, effective)| Adjustment {
            parameter: parameter.to_owned(),
            requested,
            effective,
        })
        .collect()
}
