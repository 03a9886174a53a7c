//! What is known about models before the daemon is asked: families by name, and what every model of a
//! daemon can do. The rest is the daemon's to say, and until it does it is unknown, which denies.

use std::collections::BTreeMap;

use handshake_core::{
    capability::{Claims, Feature},
    ids::{ModelId, Token},
    provider::ProviderRecord,
    tier::ModelTier,
};

/// The version of the tables behind [`handshake_core::ports::AdapterFactory::profile`]; rises with every
/// change of them.
pub const PROFILE_VERSION: u32 = 1;

/// The name of no family.
pub(crate) const UNKNOWN_NAME: &str = "unknown";

/// One family of models. Tokens are the same at every kind of provider.
pub(crate) struct Family {
    /// Its token.
    pub(crate) name: &'static str,
    /// Beginnings of its models' names, lower case, without the namespace.
    prefixes: &'static [&'static str],
    /// Parts of its models' names.
    parts: &'static [&'static str],
    /// Whether it may put its thinking into the text when the daemon does not tell it apart.
    thinks_in_text: bool,
    /// Whether its template opens the thinking block before the answer.
    pub(crate) preopened: bool,
    /// Whether `think` is a word and not a switch.
    pub(crate) think_levels: bool,
}

const PLAIN: Family = Family {
    name: UNKNOWN_NAME,
    prefixes: &[],
    parts: &[],
    thinks_in_text: false,
    preopened: false,
    think_levels: false,
};

const MISTRAL: &[&str] = &[
    "mistral",
    "mixtral",
    "codestral",
    "magistral",
    "ministral",
    "devstral",
    "pixtral",
];

/// Every family. The first one that fits is it.
const FAMILIES: &[Family] = &[
    Family {
        name: "gpt_oss",
        prefixes: &["gpt-oss", "gptoss"],
        think_levels: true,
        ..PLAIN
    },
    // Distilled into the bodies of other families, so before them.
    Family {
        name: "deepseek",
        prefixes: &["deepseek"],
        thinks_in_text: true,
        ..PLAIN
    },
    Family {
        name: "mistral",
        parts: MISTRAL,
        ..PLAIN
    },
    Family {
        name: "kimi",
        prefixes: &["kimi", "moonshot"],
        thinks_in_text: true,
        ..PLAIN
    },
    // The builds that only think open the block in their template.
    Family {
        name: "qwen_thinking",
        prefixes: &["qwq"],
        parts: &["thinking-2507"],
        thinks_in_text: true,
        preopened: true,
        ..PLAIN
    },
    Family {
        name: "qwen",
        prefixes: &["qwen"],
        thinks_in_text: true,
        ..PLAIN
    },
    Family {
        name: "gemma",
        prefixes: &["gemma"],
        ..PLAIN
    },
    Family {
        name: "glm",
        prefixes: &["glm", "chatglm"],
        thinks_in_text: true,
        ..PLAIN
    },
    Family {
        name: "smollm",
        prefixes: &["smollm"],
        ..PLAIN
    },
    Family {
        name: "llama",
        prefixes: &["llama"],
        ..PLAIN
    },
    Family {
        name: "phi",
        prefixes: &["phi"],
        ..PLAIN
    },
    Family {
        name: "granite",
        prefixes: &["granite"],
        ..PLAIN
    },
    Family {
        name: "command",
        prefixes: &["command"],
        ..PLAIN
    },
];

/// The family of a model, by a name: its own, or what the daemon calls its architecture.
pub(crate) fn family_of(name: &str) -> Option<&'static Family> {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    FAMILIES.iter().find(|family| {
        family
            .prefixes
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || family.parts.iter().any(|part| name.contains(part))
    })
}

/// The rules of a model's family: the one that its snapshot names, else the one of its name.
pub(crate) fn family_rules(family: Option<&Token>, model: &ModelId) -> &'static Family {
    family
        .and_then(|token| FAMILIES.iter().find(|known| known.name == token.as_str()))
        .or_else(|| family_of(model.as_str()))
        .unwrap_or(&PLAIN)
}

/// The family's token, by a name.
pub(crate) fn family_token(name: &str) -> Option<Token> {
    family_of(name)
        .map(|family| Token::new(family.name).expect("the names of the table are tokens"))
}

/// The family of a model and what is known of it.
pub(crate) fn profile(record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
    let family = family_of(model.as_str());
    let mut features = BTreeMap::from([
        (Feature::SupportsStreaming, true),
        (Feature::SupportsMultiTurn, true),
        (Feature::NativeStreamEndpoint, true),
        // Results are correlated by name and place here; ids are repeated as they came.
        (Feature::RequiresToolIdSanitization, false),
    ]);
    // A daemon holds its own models to a schema with a grammar; the vendor's cloud takes one and does not.
    if record.tier == ModelTier::Local {
        features.insert(Feature::SupportsStructuredOutput, true);
    }
    let scrub = family.is_some_and(|family| family.thinks_in_text);
    features.insert(Feature::RequiresThinkingBlockScrubbing, scrub);
    let token = family_token(model.as_str());
    (
        token,
        Claims {
            features,
            limits: BTreeMap::new(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_go_by_name_whoever_packaged_them() {
        for (name, family) in [
            ("qwen3:4b", Some("qwen")),
            ("qwen3:4b-thinking-2507-q4_K_M", Some("qwen_thinking")),
            ("library/Llama3.2:1b", Some("llama")),
            ("hf.co/bartowski/gemma-3-1b:Q4", Some("gemma")),
            ("gpt-oss:20b", Some("gpt_oss")),
            ("gptoss", Some("gpt_oss")),
            ("deepseek-r1:8b-llama-distill", Some("deepseek")),
            ("mistral-small3.2", Some("mistral")),
            ("smollm2:135m", Some("smollm")),
            ("mine", None),
        ] {
            assert_eq!(family_of(name).map(|family| family.name), family, "{name}");
        }
    }

    #[test]
    fn every_family_has_a_token() {
        for family in FAMILIES {
            assert!(Token::new(family.name).is_ok(), "{}", family.name);
        }
    }
}
