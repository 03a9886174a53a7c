//! Families and what they claim.

use handshake_core::{
    capability::Feature,
    ids::{ModelId, Token},
    provider::ProviderRecord,
};

use super::*;
use crate::dialect::IdRule;

fn model(name: &str) -> ModelId {
    ModelId::new(name).expect("model id")
}

fn record() -> ProviderRecord {
    crate::encode::tests::record("https://api.example.com/v1", None)
}

#[test]
fn b8_a_family_is_known_by_its_name_whoever_serves_it() {
    for (name, family) in [
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral"),
        ("nvidia/mistral-nemo", "mistral"),
        ("moonshotai/Kimi-K2-Instruct", "kimi"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("Qwen/Qwen3-4B-Thinking-2507", "qwen_thinking"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek_r1"),
        ("openai/gpt-oss-20b", "gpt_oss"),
        ("gpt-4o-mini", "gpt"),
        ("gpt-5-mini", "openai_reasoning"),
        ("o3-mini", "openai_reasoning"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm"),
    ] {
        assert_eq!(
            family_of(&model(name)).map(|f| f.name),
            Some(family),
            "{name}"
        );
    }
    assert!(family_of(&model("my-own-model")).is_none());
    assert_eq!(
        family_rules(None, &model("x/codestral")).call_ids,
        Some(IdRule::Strict9)
    );
}

#[test]
fn a_snapshot_s_family_goes_before_the_name() {
    let token = Token::new("kimi").expect("token");
    assert_eq!(family_rules(Some(&token), &model("gpt-4o")).name, "kimi");
}

#[test]
fn b1_what_nobody_knows_is_not_claimed() {
    let generic = Dialect::generic();
    let (family, claims) = profile(&record(), generic, &model("my-own-model"));
    assert_eq!(family, None);
    assert_eq!(
        claims.features.get(&Feature::SupportsStreaming),
        Some(&true)
    );
    assert_eq!(claims.features.get(&Feature::SupportsToolCalling), None);
    assert_eq!(
        claims.features.get(&Feature::SupportsStructuredOutput),
        None
    );
    assert!(claims.limits.is_empty());

    let llamacpp = Dialect::find("llamacpp").expect("known");
    let (_, claims) = profile(&record(), llamacpp, &model("smollm2"));
    assert_eq!(
        claims.features.get(&Feature::SupportsToolCalling),
        None,
        "ignored in silence there"
    );
    assert_eq!(
        claims.features.get(&Feature::SupportsStructuredOutput),
        Some(&true)
    );
}

#[test]
fn b1_rows_speak_of_their_own_servers_only() {
    let openai = Dialect::find("openai").expect("known");
    let (_, own) = profile(&record(), openai, &model("gpt-4o"));
    assert_eq!(own.features.get(&Feature::SupportsToolCalling), Some(&true));
    assert_eq!(own.features.get(&Feature::SupportsVision), Some(&true));
    let (_, elsewhere) = profile(&record(), Dialect::generic(), &model("gpt-4o"));
    assert_eq!(elsewhere.features.get(&Feature::SupportsToolCalling), None);
    let deepseek = Dialect::find("deepseek").expect("known");
    let (_, claims) = profile(&record(), deepseek, &model("deepseek-chat"));
    assert_eq!(
        claims.features.get(&Feature::SupportsStructuredOutput),
        Some(&false)
    );
}
