//! Families: who speaks, whoever serves it. Tool ids and thinking follow the family, not the server.

use crate::dialect::IdRule;

/// One family of models.
#[derive(Debug)]
pub(crate) struct Family {
    /// Its token.
    pub(crate) name: &'static str,
    /// Beginnings of its models' names, lower case, without the organisation.
    pub(crate) prefixes: &'static [&'static str],
    /// Parts of its models' names.
    pub(crate) parts: &'static [&'static str],
    /// The form of tool call ids, where the family has one of its own.
    pub(crate) call_ids: Option<IdRule>,
    /// Whether it may put its thinking into the text when its server does not tell it apart.
    pub(crate) thinks_in_text: bool,
    /// Whether its template opens the thinking block before the answer.
    pub(crate) preopened: bool,
    /// Parameters that it rejects, wherever it is served.
    pub(crate) refuses: &'static [&'static str],
}

/// A model that nobody described.
pub(crate) const UNKNOWN: Family = Family {
    name: "unknown",
    prefixes: &[],
    parts: &[],
    call_ids: None,
    thinks_in_text: false,
    preopened: false,
    refuses: &[],
};

const MISTRAL_PARTS: &[&str] = &[
    "mistral",
    "mixtral",
    "codestral",
    "magistral",
    "ministral",
    "devstral",
    "pixtral",
];

/// Every family. The first one that fits is it.
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "gpt_oss",
        prefixes: &["gpt-oss"],
        ..UNKNOWN
    },
    // The models of OpenAI that think; their sampling cannot be set.
    Family {
        name: "openai_reasoning",
        prefixes: &["o1", "o3", "o4", "gpt-5"],
        refuses: &["temperature", "top_p"],
        ..UNKNOWN
    },
    Family {
        name: "gpt",
        prefixes: &["gpt-", "chatgpt-"],
        ..UNKNOWN
    },
    // Distilled into the bodies of other families, so before them. Its template opens the block.
    Family {
        name: "deepseek_r1",
        prefixes: &["deepseek-r1"],
        parts: &["deepseek-r1"],
        thinks_in_text: true,
        preopened: true,
        ..UNKNOWN
    },
    Family {
        name: "deepseek",
        prefixes: &["deepseek"],
        thinks_in_text: true,
        ..UNKNOWN
    },
    Family {
        name: "mistral",
        parts: MISTRAL_PARTS,
        call_ids: Some(IdRule::Strict9),
        ..UNKNOWN
    },
    Family {
        name: "kimi",
        prefixes: &["kimi", "moonshot"],
        call_ids: Some(IdRule::Echo),
        thinks_in_text: true,
        ..UNKNOWN
    },
    // The builds that only think open the block in their template.
    Family {
        name: "qwen_thinking",
        prefixes: &["qwq"],
        parts: &["-thinking-2507"],
        thinks_in_text: true,
        preopened: true,
        ..UNKNOWN
    },
    Family {
        name: "qwen",
        prefixes: &["qwen"],
        thinks_in_text: true,
        ..UNKNOWN
    },
    Family {
        name: "claude",
        prefixes: &["claude"],
        call_ids: Some(IdRule::Word64),
        ..UNKNOWN
    },
    Family {
        name: "gemini",
        prefixes: &["gemini"],
        ..UNKNOWN
    },
    Family {
        name: "gemma",
        prefixes: &["gemma"],
        ..UNKNOWN
    },
    Family {
        name: "grok",
        prefixes: &["grok"],
        ..UNKNOWN
    },
    Family {
        name: "glm",
        prefixes: &["glm", "chatglm"],
        thinks_in_text: true,
        ..UNKNOWN
    },
    Family {
        name: "minimax",
        prefixes: &["minimax"],
        thinks_in_text: true,
        ..UNKNOWN
    },
    Family {
        name: "smollm",
        prefixes: &["smollm"],
        ..UNKNOWN
    },
    Family {
        name: "llama",
        prefixes: &["llama", "meta-llama"],
        ..UNKNOWN
    },
    Family {
        name: "phi",
        prefixes: &["phi-", "phi3", "phi4"],
        ..UNKNOWN
    },
    Family {
        name: "granite",
        prefixes: &["granite"],
        ..UNKNOWN
    },
    Family {
        name: "command",
        prefixes: &["command"],
        ..UNKNOWN
    },
];
