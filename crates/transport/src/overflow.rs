//! What servers say when a request is longer than the model's context window, and what sounds like it.
//!
//! Few servers have a code for it, so their sentences are read: a table of parts, all of which must stand in the text.
//! Rows name who says it. What is read here is looked at and never kept.

use handshake_core::code::ErrorCode;

/// Codes and types that say it, lower case.
const WORDS: &[&str] = &[
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size_error",
    "model_context_window_exceeded",
    "input_too_long",
    "prompt_too_long",
    "max_tokens_exceeded",
    "request_too_large",
];

/// One sentence: parts that must all be in it, lower case, and who says it.
struct Said {
    parts: &'static [&'static str],
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "who says it is for readers and for the test")
    )]
    by: &'static str,
}

const fn said(parts: &'static [&'static str], by: &'static str) -> Said {
    Said { parts, by }
}

const SENTENCES: &[Said] = &[
    said(
        &["maximum context length"],
        "OpenAI, vLLM, OpenRouter, Mistral, SGLang",
    ),
    said(&["maximum context limit"], "Groq behind LiteLLM"),
    said(
        &["exceed context limit"],
        "Anthropic: input length and `max_tokens`",
    ),
    said(&["context window", "exceed"], "OpenAI, MiniMax, gateways"),
    said(
        &["context window", "too l"],
        "gateways: too large, too long",
    ),
    said(&["context window", "larger"], "gateways"),
    said(&["context window", "fit"], "gateways: does not fit"),
    said(&["available context size"], "llama.cpp"),
    said(&["context size", "exceed"], "llama.cpp, LM Studio, Ollama"),
    said(&["configured context size"], "DS4"),
    said(&["context length exceeded"], "OpenAI-compatible gateways"),
    said(&["exceeds the context length"], "Ollama"),
    said(&["exceeds context length"], "Ollama"),
    said(&["exceeded", "context length"], "Ollama: prompt too long"),
    said(&["greater than the context length"], "LM Studio"),
    said(&["context length of only"], "LM Studio"),
    said(&["longer than the model's context length"], "Together"),
    said(&["exceeds the model's context length"], "vLLM"),
    said(&["prompt is too long"], "Anthropic"),
    said(&["prompt too long"], "Ollama, gateways"),
    said(&["prompt exceeds max length"], "Z.ai"),
    said(&["prompt exceeds the length limit"], "gateways"),
    said(&["prompt 超长"], "Zhipu"),
    said(&["input is too long"], "Amazon Bedrock"),
    said(&["input length too long"], "gateways"),
    said(&["input token count", "exceeds the maximum"], "Google"),
    said(&["input tokens exceed"], "OpenAI: the configured limit"),
    said(&["too many input tokens"], "gateways"),
    said(&["maximum prompt length"], "xAI"),
    said(&["maximum allowed input length"], "OpenRouter"),
    said(&["maximum input length"], "TGI, gateways"),
    said(&["reduce the length of the messages"], "Groq, OpenAI"),
    said(&["reduce the length of the input"], "vLLM"),
    said(
        &["prompt token count", "exceeds the limit"],
        "GitHub Copilot",
    ),
    said(&["exceeded model token limit"], "Moonshot"),
    said(&["too large for model with"], "Mistral"),
    said(&["range of input length should be"], "DashScope"),
    said(&["`inputs` must have less than"], "TGI"),
    said(&["must have less than", "tokens"], "TGI"),
    said(&["`inputs` tokens + `max_new_tokens` must be"], "TGI"),
    said(&["token limit exceeded"], "gateways"),
    said(&["too many tokens"], "Cohere, gateways"),
    said(&["exceeds the model's maximum"], "gateways"),
];

/// What holds such a sentence and is something else, and what it is.
const LOOKALIKES: &[(&[&str], ErrorCode)] = &[
    // Too fast, not too long.
    (&["please wait"], ErrorCode::RateLimit),
    (&["rate limit"], ErrorCode::RateLimit),
    (&["rate_limit"], ErrorCode::RateLimit),
    (&["too many requests"], ErrorCode::RateLimit),
    (&["throttl"], ErrorCode::RateLimit),
    (&["tokens per minute"], ErrorCode::RateLimit),
    (&["tokens per day"], ErrorCode::RateLimit),
    (&["requests per minute"], ErrorCode::RateLimit),
    // The answer that is asked for is too long, not the question.
    (&["max_tokens", "too large"], ErrorCode::ProviderRejected),
    (
        &["max_completion_tokens", "too large"],
        ErrorCode::ProviderRejected,
    ),
    (
        &["max_tokens", "maximum output"],
        ErrorCode::ProviderRejected,
    ),
    (
        &["max_tokens", "output tokens"],
        ErrorCode::ProviderRejected,
    ),
    (
        &["max_tokens", "exceeds the model's maximum"],
        ErrorCode::ProviderRejected,
    ),
    (&["maximum output"], ErrorCode::ProviderRejected),
    (&["output token limit"], ErrorCode::ProviderRejected),
    (&["output limit"], ErrorCode::ProviderRejected),
    (
        &["range of max_tokens should be"],
        ErrorCode::ProviderRejected,
    ),
    // A value beyond its range.
    (&["temperature"], ErrorCode::ProviderRejected),
    (&["top_p"], ErrorCode::ProviderRejected),
];

/// Whether a code or a type, lower case, says that the request is longer than the context window.
#[must_use]
pub fn is_word(word: &str) -> bool {
    WORDS.contains(&word)
}

/// What a sentence, lower case, says of the length of a request: [`ErrorCode::ContextWindow`], or what it is instead where
/// it only sounds so; `None` where it speaks of something else.
#[must_use]
pub fn sentence(text: &str) -> Option<ErrorCode> {
    let holds = |parts: &[&str]| parts.iter().all(|part| text.contains(part));
    SENTENCES.iter().find(|said| holds(said.parts))?;
    let other = LOOKALIKES.iter().find(|(parts, _)| holds(parts));
    Some(other.map_or(ErrorCode::ContextWindow, |(_, code)| *code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole sentences as they were reported, and what they are.
    #[test]
    fn q120_sentences_of_servers_are_read_and_look_alikes_are_not() {
        use ErrorCode::{ContextWindow, ProviderRejected, RateLimit};
        for (text, is) in [
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9100 tokens (8100 in the messages, 1000 in the completion). Please reduce the length of the messages or completion.",
                ContextWindow,
            ),
            (
                "This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens",
                ContextWindow,
            ),
            (
                "Your input exceeds the context window of this model",
                ContextWindow,
            ),
            (
                "invalid params, context window exceeds limit",
                ContextWindow,
            ),
            (
                "the request exceeds the available context size, try increasing it",
                ContextWindow,
            ),
            ("Context size has been exceeded.", ContextWindow),
            ("the input length exceeds the context length", ContextWindow),
            (
                "prompt too long; exceeded max context length by 10000 tokens",
                ContextWindow,
            ),
            (
                "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 4096).",
                ContextWindow,
            ),
            (
                "However, the model is loaded with context length of only 4096 tokens, which is not enough.",
                ContextWindow,
            ),
            (
                "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
                ContextWindow,
            ),
            (
                "Input length (20000) exceeds model's maximum context length (16384).",
                ContextWindow,
            ),
            (
                "prompt is too long: 215000 tokens > 200000 maximum",
                ContextWindow,
            ),
            (
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
                ContextWindow,
            ),
            ("Input is too long for requested model.", ContextWindow),
            (
                "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)",
                ContextWindow,
            ),
            (
                "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.",
                ContextWindow,
            ),
            (
                "This model's maximum prompt length is 131072 but the request contains 537812 tokens",
                ContextWindow,
            ),
            (
                "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
                ContextWindow,
            ),
            (
                "prompt token count of 200000 exceeds the limit of 128000",
                ContextWindow,
            ),
            (
                "Your request exceeded model token limit: 256000 (requested: 300000)",
                ContextWindow,
            ),
            (
                "Prompt contains 200000 tokens, too large for model with 131072 maximum context length",
                ContextWindow,
            ),
            (
                "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]",
                ContextWindow,
            ),
            ("Prompt 超长", ContextWindow),
            (
                "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 200 `max_new_tokens`",
                ContextWindow,
            ),
            (
                "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs.",
                ContextWindow,
            ),
            (
                "Too many tokens, please wait before trying again.",
                RateLimit,
            ),
            (
                "Rate limit reached: too many tokens per minute (TPM), please reduce the length of the messages",
                RateLimit,
            ),
            (
                "max_tokens: 99999 exceeds the model's maximum output of 8192",
                ProviderRejected,
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 40000. This model's maximum context length is 32768 tokens and your request has 100 input tokens",
                ProviderRejected,
            ),
        ] {
            assert_eq!(sentence(&text.to_lowercase()), Some(is), "{text}");
        }
        for text in [
            "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude-3-5",
            "temperature exceeds maximum allowed value 2",
            "Range of max_tokens should be [1, 8192]",
            "The context is large, but acceptable.",
            "Internal server error",
            "",
        ] {
            assert_eq!(sentence(&text.to_lowercase()), None, "{text}");
        }
    }

    #[test]
    fn q120_the_table_is_in_lower_case_and_says_who() {
        for said in SENTENCES {
            assert!(!said.by.is_empty() && !said.parts.is_empty());
            for part in said.parts {
                assert_eq!(*part, part.to_lowercase());
            }
        }
        for (parts, code) in LOOKALIKES {
            assert_ne!(*code, ErrorCode::ContextWindow);
            assert!(parts.iter().all(|part| *part == part.to_lowercase()));
        }
        assert!(WORDS.iter().all(|word| is_word(word)));
    }
}
