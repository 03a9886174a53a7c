//! What all of it left behind.

use std::collections::BTreeMap;

use super::{
    super::{
        bench::{Bench, CANARY, Chat, ensure},
        server::free_port,
    },
    Outcome,
    ollama::CLOUD_NAMES,
};

pub(super) fn gone(bench: &Bench) -> Outcome {
    for (id, kind) in [("gone-a", "ollama"), ("gone-b", "openai_compat")] {
        let port = free_port().map_err(|error| error.to_string())?;
        let url = format!("http://127.0.0.1:{port}");
        let add = ["provider", "add", id, "--kind", kind, "--base-url", &url];
        bench.hsk.run(&add)?.exits(0)?;
        let health = bench.hsk.run(&["provider", "check", id])?.exits(1)?;
        let state = &health.object()?["state"];
        ensure(*state == "unreachable", "it should be unreachable", &health)?;
        let chat = Chat::new("Say hello.").to(format!("{id}/smol"));
        chat.fails(&bench.hsk, "HSK-503-NOT-READY", 1)?;
    }
    Ok(())
}

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
        wanted.extend(["tool_call", "model_swap_requested", "model_swap_completed"]);
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

/// The only denials here are those of names that the daemon would forward.
pub(super) fn denials(bench: &Bench) -> Outcome {
    let log = bench.hsk.run(&["log", "tail", "-n", "1000"])?.exits(0)?;
    let told = [
        "gate_denied",
        "tier_mismatch",
        "destination_refused",
        "leakage_blocked",
    ];
    let found: usize = told.iter().map(|kind| log.of(kind).count()).sum();
    let denied = log
        .of("call_failed")
        .filter(|line| line["class"] == "policy")
        .count();
    let wanted = if bench.ollama.is_some() {
        CLOUD_NAMES.len()
    } else {
        0
    };
    if (found, denied) == (wanted, wanted) {
        return Ok(());
    }
    Err(format!(
        "{wanted} calls were denied, {denied} failed so, and {found} denials are in the log"
    ))
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
    // Nobody approved anything here, but what is noted of the home outside it anchors its log.
    let answer = bench.hsk.run(&["log", "verify"])?.exits(0)?;
    let verdict = answer.object()?;
    let whole = verdict["verdict"] == "intact" && verdict["anchored_by"] == "anchor";
    let all = verdict["size"].as_u64().is_some_and(|size| size > 0);
    ensure(whole && all, "it should verify", &answer)
}
