//! What all of it left behind.

use std::collections::BTreeMap;

use super::{
    super::bench::{Bench, CANARY, ensure},
    Outcome,
};

pub(super) fn events(bench: &Bench) -> Outcome {
    let log = bench.hsk.run(&["log", "tail", "-n", "1000"])?.exits(0)?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &log.lines {
        *kinds
            .entry(line["type"].as_str().unwrap_or("?"))
            .or_default() += 1;
    }
    let mut wanted = vec![
        "provider_registered",
        "provider_health",
        "call_started",
        "call_attempt",
        "call_completed",
        "call_failed",
        "llm_inference",
    ];
    if bench.ollama.is_some() {
        wanted.extend([
            "tool_call",
            "tier_mismatch",
            "model_swap_requested",
            "model_swap_completed",
        ]);
    }
    let missing: Vec<_> = wanted
        .into_iter()
        .filter(|kind| !kinds.contains_key(kind))
        .collect();
    if !missing.is_empty() {
        return Err(format!("there is no {missing:?} among {kinds:?}"));
    }
    let cancelled = log.lines.iter().any(|line| {
        line["type"] == "call_failed"
            && line["code"] == "HSK-499-CANCELLED"
            && line["outcome"] == "cancelled"
    });
    if !cancelled {
        return Err("no `call_failed` tells of the cancelled call".to_owned());
    }
    let ends = ["call_completed", "call_failed"].map(|kind| kinds.get(kind).copied().unwrap_or(0));
    let started = kinds.get("call_started").copied().unwrap_or(0);
    if ends.iter().sum::<usize>() < started {
        return Err(format!("{started} calls started and {ends:?} ended"));
    }
    Ok(())
}

pub(super) fn no_payload(bench: &Bench) -> Outcome {
    let log = bench.hsk.run(&["log", "tail", "-n", "1000"])?.exits(0)?;
    if log
        .lines
        .iter()
        .any(|line| line.to_string().contains(CANARY))
    {
        return Err("the log holds a prompt".to_owned());
    }
    match bench.hsk.files_with(CANARY)?.as_slice() {
        [] => Ok(()),
        files => Err(format!("these files hold a prompt: {files:?}")),
    }
}

pub(super) fn verify(bench: &Bench) -> Outcome {
    let answer = bench.hsk.run(&["log", "verify"])?.exits(0)?;
    ensure(
        answer.object().is_ok_and(|verdict| verdict.is_object()),
        "it should say so",
        &answer,
    )
}
