//! What holds for llama.cpp alone.

use serde_json::json;

use super::{
    super::bench::{Bench, Chat, Provider},
    Outcome,
};

/// The model's template knows no tools, so the server leaves them out and answers in prose, with 200. It does not say
/// so, and unknown denies; where the operator says that there are tools, the answer brings to light that it is wrong.
pub(super) fn required_call(bench: &Bench, provider: &Provider) -> Outcome {
    // A short answer: one that is cut says so itself.
    let chat = Chat::new("Say hello.")
        .to(provider.model_ref())
        .param("max_tokens", 200)
        .with("tools", json!(["math.add"]))
        .with("tool_choice", "required");
    chat.clone()
        .fails(&bench.hsk, "HSK-501-CAPABILITY-UNKNOWN", 1)?;
    let declared = [
        "provider",
        "enable",
        provider.id,
        provider.model,
        "--capability",
        "tool_calling=yes",
    ];
    bench.hsk.run(&declared)?.exits(0)?;
    chat.fails(&bench.hsk, "HSK-422-TOOL-CALL-PARSE", 1)
        .map(|_| ())
}
