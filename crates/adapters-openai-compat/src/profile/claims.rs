//! What a family can do at a server. A row speaks only of servers that are known to keep it.

use std::collections::BTreeMap;

use handshake_core::{
    capability::{Claims, Feature, Limit},
    ids::ModelId,
    provider::ProviderRecord,
};

use super::Family;
use crate::dialect::Dialect;

use Feature::{
    SupportsStructuredOutput as Schema, SupportsThinking as Thinking, SupportsToolCalling as Tools,
    SupportsVision as Vision,
};

/// One row: at these dialects, these models can or cannot do that. Empty lists mean all.
struct Row {
    dialects: &'static [&'static str],
    families: &'static [&'static str],
    /// Beginnings of the model's name, organisation aside.
    models: &'static [&'static str],
    features: &'static [Feature],
    value: bool,
}

const OPENAI: &[&str] = &["openai", "azure", "github_copilot"];
const NO_VISION: &[&str] = &[
    "o1-mini",
    "o1-preview",
    "o3-mini",
    "gpt-4-0",
    "gpt-4-1106",
    "gpt-3.5",
];

/// The first row that speaks of a feature decides it.
const ROWS: &[Row] = &[
    // OpenAI's own.
    Row {
        dialects: OPENAI,
        families: &[],
        models: NO_VISION,
        features: &[Vision],
        value: false,
    },
    Row {
        dialects: OPENAI,
        families: &[],
        models: &["gpt-3.5", "gpt-4-0"],
        features: &[Schema],
        value: false,
    },
    Row {
        dialects: OPENAI,
        families: &[],
        models: &["o1-mini", "o1-preview"],
        features: &[Tools, Schema],
        value: false,
    },
    Row {
        dialects: OPENAI,
        families: &[],
        models: &["gpt-4o", "chatgpt-4o", "gpt-4.1", "gpt-5", "o1", "o3", "o4"],
        features: &[Tools, Schema, Vision],
        value: true,
    },
    Row {
        dialects: OPENAI,
        families: &["gpt"],
        models: &["gpt-3.5-turbo", "gpt-4"],
        features: &[Tools],
        value: true,
    },
    Row {
        dialects: OPENAI,
        families: &["openai_reasoning"],
        models: &[],
        features: &[Thinking],
        value: true,
    },
    Row {
        dialects: OPENAI,
        families: &["gpt"],
        models: &[],
        features: &[Thinking],
        value: false,
    },
    // Mistral's own.
    Row {
        dialects: &["mistral"],
        families: &["mistral"],
        models: &["magistral"],
        features: &[Thinking],
        value: true,
    },
    Row {
        dialects: &["mistral"],
        families: &["mistral"],
        models: &["pixtral"],
        features: &[Vision],
        value: true,
    },
    Row {
        dialects: &["mistral"],
        families: &["mistral"],
        models: &[],
        features: &[Tools, Schema],
        value: true,
    },
    // DeepSeek's own: no schema, no images, whatever the model.
    Row {
        dialects: &["deepseek"],
        families: &[],
        models: &[],
        features: &[Schema, Vision],
        value: false,
    },
    Row {
        dialects: &["deepseek"],
        families: &["deepseek"],
        models: &[],
        features: &[Tools, Thinking],
        value: true,
    },
    // Others that serve their own.
    Row {
        dialects: &["moonshot"],
        families: &["kimi"],
        models: &[],
        features: &[Tools],
        value: true,
    },
    Row {
        dialects: &["moonshot", "zai"],
        families: &[],
        models: &[],
        features: &[Schema],
        value: false,
    },
    Row {
        dialects: &["zai"],
        families: &["glm"],
        models: &[],
        features: &[Tools, Thinking],
        value: true,
    },
    Row {
        dialects: &["xai"],
        families: &["grok"],
        models: &[],
        features: &[Tools, Schema],
        value: true,
    },
    Row {
        dialects: &["gemini"],
        families: &["gemini"],
        models: &[],
        features: &[Tools, Schema, Vision],
        value: true,
    },
    Row {
        dialects: &["groq"],
        families: &["llama", "qwen", "kimi", "gpt_oss"],
        models: &[],
        features: &[Tools],
        value: true,
    },
    Row {
        dialects: &["perplexity"],
        families: &[],
        models: &[],
        features: &[Tools],
        value: false,
    },
    // Servers that constrain decoding by a grammar keep a schema with any model. Of tools they say nothing:
    // llama.cpp ignores them in silence where the template has none, vLLM needs to be started for them.
    Row {
        dialects: &["llamacpp", "vllm", "sglang", "lmstudio"],
        families: &[],
        models: &[],
        features: &[Schema],
        value: true,
    },
];

/// Servers that may leave thinking in the text.
const UNPARSED: &[&str] = &[
    "generic",
    "llamacpp",
    "vllm",
    "sglang",
    "tgi",
    "lmstudio",
    "groq",
    "together",
    "fireworks",
    "litellm",
    "minimax",
    "novita",
    "nvidia",
    "huggingface",
    "baseten",
];

/// Windows and answers, in tokens, where the server's listing does not tell them.
const LIMITS: &[(&str, u64, u64)] = &[
    ("gpt-4o", 128_000, 16_384),
    ("gpt-4.1", 1_047_576, 32_768),
    ("gpt-5", 400_000, 128_000),
    ("o3", 200_000, 100_000),
    ("o4-mini", 200_000, 100_000),
];

pub(super) fn of(
    record: &ProviderRecord,
    dialect: &Dialect,
    model: &ModelId,
    family: Option<&'static Family>,
) -> Claims {
    let name = model.as_str().to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    // Conversations and streams are what the API is: a server without them does not speak it, and the
    // decoder notices one that does not stream.
    let mut features = BTreeMap::from([
        (Feature::SupportsStreaming, true),
        (Feature::SupportsMultiTurn, true),
        (Feature::NativeStreamEndpoint, true),
    ]);
    for row in ROWS {
        let fits = (row.dialects.is_empty() || row.dialects.contains(&dialect.name))
            && (row.families.is_empty() || family.is_some_and(|f| row.families.contains(&f.name)))
            && (row.models.is_empty() || row.models.iter().any(|prefix| name.starts_with(prefix)));
        for feature in row.features.iter().filter(|_| fits) {
            features.entry(*feature).or_insert(row.value);
        }
    }
    if let Some(family) = family {
        features.insert(
            Feature::RequiresToolIdSanitization,
            family.call_ids.is_some_and(|rule| !rule.takes("call:0")),
        );
        let scrub = family.thinks_in_text && UNPARSED.contains(&dialect.name);
        features.insert(Feature::RequiresThinkingBlockScrubbing, scrub);
    }
    let mut limits = BTreeMap::new();
    if OPENAI.contains(&dialect.name)
        && record.tier == handshake_core::tier::ModelTier::Cloud
        && let Some((_, window, output)) =
            LIMITS.iter().find(|(prefix, ..)| name.starts_with(prefix))
    {
        limits.insert(Limit::MaxContextWindow, *window);
        limits.insert(Limit::MaxOutputTokens, *output);
    }
    Claims { features, limits }
}
