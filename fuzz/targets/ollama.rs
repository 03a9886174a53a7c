//! Answers of Ollama: no panic, and the same in any pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    handshake_fuzz::decodes_the_same_in_any_pieces(
        data,
        &["local"],
        &["application/x-ndjson", "application/json"],
        handshake_adapters_ollama::decoder,
    );
});
