//! Model listings, in any of the shapes that are in use. Everything beyond the id is optional.

use handshake_core::{
    capability::{Claims, Feature, Limit},
    control::{ControlReport, ModelListing},
    ids::ModelId,
    tier::Residence,
};
use serde_json::Value;

use crate::profile;

/// The most models that are kept of one listing.
const MAX_MODELS: usize = 4096;

/// Where servers say, yes or no, what a model can do.
const FEATURES: &[(&str, Feature)] = &[
    // Mistral.
    ("/capabilities/completion_chat", Feature::SupportsMultiTurn),
    (
        "/capabilities/function_calling",
        Feature::SupportsToolCalling,
    ),
    ("/capabilities/vision", Feature::SupportsVision),
    ("/capabilities/reasoning", Feature::SupportsThinking),
    // GitHub Copilot.
    (
        "/capabilities/supports/streaming",
        Feature::SupportsStreaming,
    ),
    (
        "/capabilities/supports/tool_calls",
        Feature::SupportsToolCalling,
    ),
    (
        "/capabilities/supports/structured_outputs",
        Feature::SupportsStructuredOutput,
    ),
    ("/capabilities/supports/vision", Feature::SupportsVision),
    // Venice.
    (
        "/model_spec/capabilities/supportsFunctionCalling",
        Feature::SupportsToolCalling,
    ),
    (
        "/model_spec/capabilities/supportsResponseSchema",
        Feature::SupportsStructuredOutput,
    ),
    (
        "/model_spec/capabilities/supportsVision",
        Feature::SupportsVision,
    ),
    (
        "/model_spec/capabilities/supportsReasoning",
        Feature::SupportsThinking,
    ),
    // Fireworks and Moonshot.
    ("/supports_chat", Feature::SupportsMultiTurn),
    ("/supports_tools", Feature::SupportsToolCalling),
    ("/supports_image_input", Feature::SupportsVision),
    ("/supports_image_in", Feature::SupportsVision),
    ("/supports_reasoning", Feature::SupportsThinking),
];

/// Complete lists: what is not in one is not supported (OpenRouter).
const LISTS: &[(&str, &str, Feature)] = &[
    (
        "/supported_parameters",
        "tools",
        Feature::SupportsToolCalling,
    ),
    (
        "/supported_parameters",
        "structured_outputs",
        Feature::SupportsStructuredOutput,
    ),
    (
        "/supported_parameters",
        "reasoning",
        Feature::SupportsThinking,
    ),
    (
        "/architecture/input_modalities",
        "image",
        Feature::SupportsVision,
    ),
];

/// Where servers say how much a model takes. Of several numbers the smallest holds.
const LIMITS: &[(&str, Limit)] = &[
    ("/max_model_len", Limit::MaxContextWindow),
    ("/context_length", Limit::MaxContextWindow),
    ("/context_window", Limit::MaxContextWindow),
    ("/max_context_length", Limit::MaxContextWindow),
    ("/loaded_context_length", Limit::MaxContextWindow),
    ("/top_provider/context_length", Limit::MaxContextWindow),
    ("/meta/n_ctx", Limit::MaxContextWindow),
    ("/meta/n_ctx_train", Limit::MaxContextWindow),
    (
        "/model_spec/availableContextTokens",
        Limit::MaxContextWindow,
    ),
    (
        "/capabilities/limits/max_context_window_tokens",
        Limit::MaxContextWindow,
    ),
    ("/max_completion_tokens", Limit::MaxOutputTokens),
    ("/max_output_tokens", Limit::MaxOutputTokens),
    (
        "/top_provider/max_completion_tokens",
        Limit::MaxOutputTokens,
    ),
    (
        "/capabilities/limits/max_output_tokens",
        Limit::MaxOutputTokens,
    ),
];

/// Reads a listing; `None` for bytes that are none.
pub(super) fn read(body: &[u8], residence: Residence) -> Option<ControlReport> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let entries = [
        &body,
        body.get("data").unwrap_or(&Value::Null),
        body.get("models").unwrap_or(&Value::Null),
    ]
    .into_iter()
    .find_map(Value::as_array)?;
    let models: Vec<ModelListing> = entries
        .iter()
        .filter_map(|entry| listing(entry, residence))
        .take(MAX_MODELS)
        .collect();
    let more = body.get("has_more") == Some(&Value::Bool(true));
    let partial = more || models.len() < entries.len();
    Some(ControlReport {
        models,
        partial,
        ..ControlReport::default()
    })
}

fn listing(entry: &Value, residence: Residence) -> Option<ModelListing> {
    let id = entry
        .as_str()
        .or_else(|| entry.get("id")?.as_str())
        .or_else(|| entry.get("name")?.as_str())?;
    let model_id = ModelId::new(id).ok()?;
    Some(ModelListing {
        family: profile::family_token(&model_id),
        digest: None,
        size_bytes: entry.pointer("/meta/size").and_then(Value::as_u64),
        residence,
        claims: claims(entry),
        model_id,
    })
}

fn claims(entry: &Value) -> Claims {
    let mut claims = Claims::default();
    for (pointer, feature) in FEATURES {
        if let Some(Value::Bool(can)) = entry.pointer(pointer) {
            claims.features.insert(*feature, *can);
        }
    }
    for (pointer, word, feature) in LISTS {
        if let Some(Value::Array(words)) = entry.pointer(pointer) {
            claims
                .features
                .insert(*feature, words.iter().any(|known| known == word));
        }
    }
    // llama.cpp's list is too short to say no by silence.
    if let Some(Value::Array(words)) = entry.get("capabilities")
        && words
            .iter()
            .any(|word| word == "multimodal" || word == "vision")
    {
        claims.features.insert(Feature::SupportsVision, true);
    }
    for (pointer, limit) in LIMITS {
        if let Some(number) = entry
            .pointer(pointer)
            .and_then(Value::as_u64)
            .filter(|number| *number > 0)
        {
            let known = claims.limits.entry(*limit).or_insert(number);
            *known = number.min(*known);
        }
    }
    claims
}
