//! What holds for llama.cpp alone.

use serde_json::json;

use super::{
    super::bench::{Bench, Chat, Provider},
    Outcome,
};

/// The model's template knows no tools, so the server leaves them out and answers in prose, with 200. The operator's
/// word that there are tools is wrong here, and has to come to light in the answer.
pub(super) fn required_call(bench: &Bench, provider: &Provider) -> Outcome {
    let declared = [
        "provider",
        "enable",
        provider.id,
        provider.model,
        "--declare",
        "supports_tool_calling=yes",
    ];
    bench.hsk.run(&declared)?.exits(0)?;
    // A short answer: one that is cut says so itself.
    Chat::new("Say hello.")
        .to(provider.model_ref())
        .param("max_tokens", 200)
        .with("tools", json!(["math.add"]))
        .with("tool_choice", "required")
        .fails(&bench.hsk, "HSK-422-TOOL-CALL-PARSE", 1)
        .map(|_| ())
}
