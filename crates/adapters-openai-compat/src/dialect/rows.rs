//! The table.

use handshake_core::{
    chat::Reasoning::{High, Low, Off},
    code::ErrorCode,
};

use super::{
    CallContent, Dialect, Echo, Finish, IdRule, Replay,
    shared::{
        ABORTED, CONTENT_FIRST, EFFORT, EFFORT_OR_DISABLED, EFFORT_OR_NONE, OPENROUTER_LEVELS,
        REASONING_FIRST, TEMPLATE_SWITCH, THINKING_SWITCH, ZHIPU,
    },
};

/// What is asked of a server that nobody described: the core of the API, and nothing that servers are
/// known to ignore in silence.
const GENERIC: Dialect = Dialect {
    name: "generic",
    aliases: &[],
    auth: ("authorization", "Bearer "),
    max_tokens: "max_tokens",
    seed: None,
    stop: true,
    stream_usage: true,
    required_choice: Some("required"),
    named_choice: true,
    forced_choice_thinking: true,
    json_schema: true,
    schema_with_tools: false,
    images: true,
    reasoning: &[],
    call_content: CallContent::Null,
    result_name: false,
    control_tokens: true,
    user_after_result: true,
    replay: Replay::Drop,
    opaque_state: false,
    call_ids: IdRule::Verbatim,
    echo: Echo::Unchecked,
    finish: &[],
    empty_finish_is_stop: false,
    codes: &[],
    bare_400_is_overflow: false,
    reasoning_fields: CONTENT_FIRST,
    no_call_tools: &[],
    cumulative: false,
};

/// Every dialect; the first one is the default.
pub const DIALECTS: &[Dialect] = &[
    GENERIC,
    Dialect {
        name: "openai",
        control_tokens: false,
        max_tokens: "max_completion_tokens",
        seed: Some("seed"),
        schema_with_tools: true,
        reasoning: EFFORT_OR_NONE,
        call_ids: IdRule::AtMost40,
        echo: Echo::Dated,
        ..GENERIC
    },
    // The v1 API of Azure OpenAI: no api-version query, the key in a header of its own, deployments for
    // models.
    Dialect {
        name: "azure",
        control_tokens: false,
        aliases: &["azure_openai"],
        auth: ("api-key", ""),
        max_tokens: "max_completion_tokens",
        seed: Some("seed"),
        schema_with_tools: true,
        reasoning: EFFORT,
        call_ids: IdRule::AtMost40,
        ..GENERIC
    },
    Dialect {
        name: "llamacpp",
        aliases: &["llama_cpp"],
        seed: Some("seed"),
        named_choice: false,
        reasoning: TEMPLATE_SWITCH,
        echo: Echo::Stem,
        ..GENERIC
    },
    Dialect {
        name: "vllm",
        seed: Some("seed"),
        reasoning: TEMPLATE_SWITCH,
        echo: Echo::Exact,
        finish: ABORTED,
        reasoning_fields: REASONING_FIRST,
        ..GENERIC
    },
    Dialect {
        name: "sglang",
        seed: Some("seed"),
        reasoning: TEMPLATE_SWITCH,
        echo: Echo::Exact,
        finish: ABORTED,
        ..GENERIC
    },
    Dialect {
        name: "tgi",
        seed: Some("seed"),
        finish: &[("eos_token", Finish::Stop), ("stop_sequence", Finish::Stop)],
        no_call_tools: &["no_tool"],
        ..GENERIC
    },
    Dialect {
        name: "lmstudio",
        aliases: &["lm_studio"],
        seed: Some("seed"),
        named_choice: false,
        finish: &[("end", Finish::Stop), ("eos_token", Finish::Stop)],
        ..GENERIC
    },
    Dialect {
        name: "mistral",
        seed: Some("random_seed"),
        stream_usage: false,
        required_choice: Some("any"),
        call_content: CallContent::Empty,
        result_name: true,
        user_after_result: false,
        call_ids: IdRule::Strict9,
        echo: Echo::Dated,
        finish: &[("model_length", Finish::Length)],
        ..GENERIC
    },
    Dialect {
        name: "openrouter",
        seed: Some("seed"),
        schema_with_tools: true,
        stream_usage: false,
        reasoning: OPENROUTER_LEVELS,
        opaque_state: true,
        finish: &[
            ("eos", Finish::Stop),
            ("end_turn", Finish::Stop),
            ("tool_use", Finish::ToolUse),
            ("max_tokens", Finish::Length),
            ("refusal", Finish::ContentFilter),
        ],
        reasoning_fields: REASONING_FIRST,
        ..GENERIC
    },
    Dialect {
        name: "groq",
        seed: Some("seed"),
        reasoning: EFFORT_OR_NONE,
        call_content: CallContent::Empty,
        echo: Echo::Dated,
        reasoning_fields: REASONING_FIRST,
        ..GENERIC
    },
    Dialect {
        name: "deepseek",
        forced_choice_thinking: false,
        json_schema: false,
        images: false,
        reasoning: EFFORT_OR_DISABLED,
        call_content: CallContent::Empty,
        replay: Replay::ToolLoop("reasoning_content"),
        finish: &[(
            "insufficient_system_resource",
            Finish::Failed(ErrorCode::Provider),
        )],
        ..GENERIC
    },
    Dialect {
        name: "together",
        seed: Some("seed"),
        finish: &[("eos", Finish::Stop)],
        reasoning: EFFORT,
        reasoning_fields: REASONING_FIRST,
        ..GENERIC
    },
    Dialect {
        name: "fireworks",
        stream_usage: false,
        reasoning: EFFORT_OR_NONE,
        ..GENERIC
    },
    Dialect {
        name: "xai",
        seed: Some("seed"),
        schema_with_tools: true,
        reasoning: &[
            (Low, "reasoning_effort", r#""low""#),
            (High, "reasoning_effort", r#""high""#),
        ],
        finish: &[("end_turn", Finish::Stop)],
        ..GENERIC
    },
    Dialect {
        name: "moonshot",
        required_choice: None,
        named_choice: false,
        json_schema: false,
        replay: Replay::ToolLoop("reasoning_content"),
        ..GENERIC
    },
    Dialect {
        name: "perplexity",
        stream_usage: false,
        required_choice: None,
        named_choice: false,
        reasoning: EFFORT,
        echo: Echo::Dated,
        ..GENERIC
    },
    Dialect {
        name: "venice",
        seed: Some("seed"),
        reasoning: EFFORT_OR_NONE,
        replay: Replay::ToolLoop("reasoning_content"),
        ..GENERIC
    },
    Dialect {
        name: "doubleword",
        reasoning: EFFORT_OR_NONE,
        replay: Replay::ToolLoop("reasoning_content"),
        echo: Echo::Dated,
        ..GENERIC
    },
    Dialect {
        name: "github_copilot",
        aliases: &["copilot"],
        stream_usage: false,
        ..GENERIC
    },
    Dialect {
        name: "gemini",
        aliases: &["google"],
        reasoning: EFFORT_OR_NONE,
        opaque_state: true,
        result_name: true,
        ..GENERIC
    },
    Dialect {
        name: "zai",
        json_schema: false,
        required_choice: None,
        named_choice: false,
        reasoning: &[
            (Off, "thinking", r#"{"type":"disabled"}"#),
            (High, "thinking", r#"{"type":"enabled"}"#),
        ],
        replay: Replay::ToolLoop("reasoning_content"),
        finish: &[
            ("sensitive", Finish::ContentFilter),
            ("network_error", Finish::Failed(ErrorCode::Provider)),
            (
                "model_context_window_exceeded",
                Finish::Failed(ErrorCode::ContextWindow),
            ),
        ],
        codes: ZHIPU,
        ..GENERIC
    },
    Dialect {
        name: "dashscope",
        aliases: &["qwen_cloud"],
        seed: Some("seed"),
        required_choice: None,
        json_schema: false,
        reasoning: THINKING_SWITCH,
        ..GENERIC
    },
    Dialect {
        name: "litellm",
        opaque_state: true,
        finish: &[
            ("eos", Finish::Stop),
            ("end_turn", Finish::Stop),
            ("stop_sequence", Finish::Stop),
            ("tool_use", Finish::ToolUse),
            ("max_tokens", Finish::Length),
        ],
        ..GENERIC
    },
    // Models of many makers behind one shape. Whole answers end without a reason.
    Dialect {
        name: "snowflake",
        aliases: &["cortex"],
        max_tokens: "max_completion_tokens",
        empty_finish_is_stop: true,
        ..GENERIC
    },
    Dialect {
        name: "siliconflow",
        required_choice: None,
        named_choice: false,
        json_schema: false,
        reasoning: THINKING_SWITCH,
        codes: &[
            ("20012", ErrorCode::Model404),
            ("20015", ErrorCode::ProviderRejected),
            ("30001", ErrorCode::ProviderQuota),
            ("30003", ErrorCode::Model404),
            ("50505", ErrorCode::Provider),
        ],
        ..GENERIC
    },
    Dialect {
        name: "novita",
        seed: Some("seed"),
        codes: &[
            ("invalid_request_body", ErrorCode::ProviderRejected),
            ("not_enough_balance", ErrorCode::ProviderQuota),
            ("rate_limit_exceeded", ErrorCode::RateLimit),
        ],
        ..GENERIC
    },
    Dialect {
        name: "cerebras",
        max_tokens: "max_completion_tokens",
        seed: Some("seed"),
        images: false,
        reasoning: EFFORT,
        bare_400_is_overflow: true,
        reasoning_fields: REASONING_FIRST,
        ..GENERIC
    },
    Dialect {
        name: "sambanova",
        reasoning: EFFORT,
        reasoning_fields: REASONING_FIRST,
        ..GENERIC
    },
    Dialect {
        name: "nvidia",
        aliases: &["nim"],
        seed: Some("seed"),
        finish: ABORTED,
        ..GENERIC
    },
    // The router in front of many servers: what they say, it says.
    Dialect {
        name: "huggingface",
        seed: Some("seed"),
        finish: &[
            ("eos", Finish::Stop),
            ("eos_token", Finish::Stop),
            ("stop_sequence", Finish::Stop),
        ],
        no_call_tools: &["no_tool"],
        ..GENERIC
    },
    Dialect {
        name: "cohere",
        seed: Some("seed"),
        required_choice: None,
        named_choice: false,
        reasoning: &[
            (Off, "reasoning_effort", r#""none""#),
            (High, "reasoning_effort", r#""high""#),
        ],
        ..GENERIC
    },
    // A failure may come under 200, in `base_resp`.
    Dialect {
        name: "minimax",
        required_choice: None,
        named_choice: false,
        json_schema: false,
        opaque_state: true,
        codes: &[
            ("1001", ErrorCode::Timeout),
            ("1002", ErrorCode::RateLimit),
            ("1004", ErrorCode::ProviderAuth),
            ("1008", ErrorCode::ProviderQuota),
            ("1013", ErrorCode::Provider),
            ("1024", ErrorCode::Provider),
            ("1026", ErrorCode::ProviderRejected),
            ("1027", ErrorCode::ProviderRejected),
            // Tokens in a minute, not in a request.
            ("1039", ErrorCode::RateLimit),
            ("2045", ErrorCode::RateLimit),
            ("2049", ErrorCode::ProviderAuth),
            ("2056", ErrorCode::ProviderQuota),
        ],
        ..GENERIC
    },
    Dialect {
        name: "baseten",
        seed: Some("seed"),
        reasoning: EFFORT,
        finish: ABORTED,
        ..GENERIC
    },
];
