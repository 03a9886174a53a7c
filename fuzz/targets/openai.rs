//! Answers of chat completions: no panic, and the same in any pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    handshake_fuzz::decodes_the_same_in_any_pieces(
        data,
        &[
            "generic",
            "openrouter",
            "mistral",
            "minimax",
            "gemini",
            "snowflake",
            "tgi",
            "deepseek",
        ],
        &["text/event-stream", "application/json"],
        handshake_adapters_openai_compat::decoder,
    );
});
