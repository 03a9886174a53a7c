//! The order of a swap, and that no order of answers breaks it.

use proptest::prelude::*;

use super::*;
use crate::{
    ids::{ExternalId, SwapId},
    swap::{SwapPriority, SwapRequester},
};

fn artifact(text: &str) -> ArtifactRef {
    ArtifactRef::new(text).expect("valid")
}

fn state() -> Vec<(ArtifactRef, Digest)> {
    vec![
        (artifact("b"), Digest::of(&[b"two"])),
        (artifact("a"), Digest::of(&[b"one"])),
    ]
}

fn altered() -> Vec<(ArtifactRef, Digest)> {
    vec![
        (artifact("a"), Digest::of(&[b"one"])),
        (artifact("b"), Digest::of(&[b"TWO"])),
    ]
}

fn request(strategy: SwapStrategy) -> ModelSwapRequest {
    ModelSwapRequest {
        request_id: SwapId::from_entropy([1; 16]),
        current_model_id: "local/small".parse().expect("valid"),
        target_model_id: "local/large".parse().expect("valid"),
        role: RoleId::new("worker").expect("valid"),
        priority: SwapPriority::Normal,
        reason: "the task outgrew the model".into(),
        swap_strategy: strategy,
        state_persist_refs: vec![artifact("a"), artifact("b")],
        state_hash: state_hash(&state()),
        context_compile_ref: artifact("context"),
        max_vram_mb: 100,
        max_ram_mb: 200,
        timeout_ms: 1000,
        requester: SwapRequester {
            subsystem: ExternalId::new("planner").expect("valid"),
            job_id: None,
            wp_id: None,
            mt_id: None,
        },
        metadata: None,
    }
}

fn loaded() -> SwapInput {
    SwapInput::Loaded {
        vram_mb: Some(100),
        ram_mb: None,
    }
}

fn compiled() -> SwapInput {
    SwapInput::Compiled {
        artifact: artifact("context"),
        state: state(),
    }
}

fn drive(
    strategy: SwapStrategy,
    fallback: SwapFallback,
    inputs: impl IntoIterator<Item = SwapInput>,
) -> (SwapState, Vec<SwapCommand>) {
    let (mut swap, mut commands) = SwapState::begin(request(strategy), fallback);
    for input in inputs {
        let (next, more) = swap.step(input);
        swap = next;
        commands.extend(more);
    }
    (swap, commands)
}

fn happy() -> Vec<SwapInput> {
    vec![
        SwapInput::Persisted { state: state() },
        SwapInput::Announced,
        SwapInput::Vacated,
        loaded(),
        compiled(),
        SwapInput::Resumed,
    ]
}

fn words(commands: &[SwapCommand]) -> Vec<&'static str> {
    commands
        .iter()
        .map(|command| match command {
            SwapCommand::Persist { .. } => "persist",
            SwapCommand::Record(SwapEvent::Requested) => "requested",
            SwapCommand::Record(SwapEvent::Completed { .. }) => "completed",
            SwapCommand::Record(SwapEvent::Failed { .. }) => "failed",
            SwapCommand::Record(SwapEvent::Timeout) => "timeout",
            SwapCommand::Record(SwapEvent::Rollback) => "rollback",
            SwapCommand::Unload { .. } => "unload",
            SwapCommand::Offload { .. } => "offload",
            SwapCommand::Load { .. } => "load",
            SwapCommand::Compile { .. } => "compile",
            SwapCommand::Resume { .. } => "resume",
            SwapCommand::RollBack { .. } => "undo",
            SwapCommand::MakePendingEscalation => "escalate",
        })
        .collect()
}

#[test]
fn a11_a_swap_has_one_order() {
    let cases = [
        (SwapStrategy::UnloadReload, Some("unload")),
        (SwapStrategy::DiskOffload, Some("offload")),
        (SwapStrategy::KeepHotSwap, None),
    ];
    for (strategy, vacate) in cases {
        let (swap, commands) = drive(strategy, SwapFallback::Abort, happy());
        let mut expected = vec!["persist", "requested"];
        expected.extend(vacate);
        expected.extend(["load", "compile", "resume", "completed"]);
        assert_eq!(words(&commands), expected);
        assert_eq!(
            swap.outcome(),
            Some(&SwapOutcome::Completed {
                compiled: artifact("context")
            })
        );
    }
}

#[test]
fn a11_nothing_proceeds_from_state_that_is_not_what_was_hashed() {
    let missing = vec![state()[0].clone()];
    let extra = [state(), vec![(artifact("c"), Digest::of(&[b"three"]))]].concat();
    let twice = [state(), vec![state()[0].clone()]].concat();
    for fallback in [
        SwapFallback::Abort,
        SwapFallback::ContinueWithCurrent,
        SwapFallback::EscalateToCloud,
    ] {
        for wrong in [
            altered(),
            missing.clone(),
            extra.clone(),
            twice.clone(),
            Vec::new(),
        ] {
            let (swap, commands) = drive(
                SwapStrategy::UnloadReload,
                fallback,
                [SwapInput::Persisted { state: wrong }],
            );
            assert_eq!(
                words(&commands),
                ["persist", "failed"],
                "nothing was unloaded or announced"
            );
            assert_eq!(
                swap.outcome(),
                Some(&SwapOutcome::Aborted {
                    code: ErrorCode::StateHash
                })
            );
        }
    }
}

#[test]
fn a11_state_that_changed_before_the_session_resumes_is_rolled_back() {
    let mut inputs = happy();
    inputs[4] = SwapInput::Compiled {
        artifact: artifact("context"),
        state: altered(),
    };
    inputs[5] = SwapInput::RolledBack;
    let (swap, commands) = drive(
        SwapStrategy::UnloadReload,
        SwapFallback::ContinueWithCurrent,
        inputs,
    );
    assert_eq!(
        words(&commands),
        [
            "persist",
            "requested",
            "unload",
            "load",
            "compile",
            "undo",
            "rollback",
            "failed"
        ]
    );
    assert_eq!(
        swap.outcome(),
        Some(&SwapOutcome::Aborted {
            code: ErrorCode::StateHash
        })
    );
}

#[test]
fn a11_a_timeout_fails_fast_and_rolls_back_what_was_done() {
    let undone: &[&[&str]] = &[
        &["timeout", "failed"],
        &["timeout", "failed"],
        &["timeout", "undo", "rollback", "failed"],
        &["timeout", "undo", "rollback", "failed"],
        &["timeout", "undo", "rollback", "failed"],
        &["timeout", "undo", "rollback", "failed"],
    ];
    for (at, expected) in undone.iter().enumerate() {
        let before = happy().into_iter().take(at);
        let (_, done) = drive(
            SwapStrategy::UnloadReload,
            SwapFallback::ContinueWithCurrent,
            before.clone(),
        );
        let after = [SwapInput::DeadlinePassed, SwapInput::RolledBack];
        let (swap, commands) = drive(
            SwapStrategy::UnloadReload,
            SwapFallback::ContinueWithCurrent,
            before.chain(after),
        );
        assert_eq!(
            &words(&commands[done.len()..]),
            expected,
            "after {at} steps"
        );
        let kept = SwapOutcome::ContinuedWithCurrent {
            code: ErrorCode::SwapFailed,
        };
        assert_eq!(swap.outcome(), Some(&kept), "after {at} steps");
    }
}

#[test]
fn a11_a_target_beyond_its_budget_is_unloaded_again() {
    for taken in [(Some(101), None), (None, Some(201))] {
        let mut inputs: Vec<_> = happy().into_iter().take(3).collect();
        inputs.push(SwapInput::Loaded {
            vram_mb: taken.0,
            ram_mb: taken.1,
        });
        let (swap, commands) = drive(SwapStrategy::UnloadReload, SwapFallback::Abort, inputs);
        assert_eq!(
            commands.last(),
            Some(&SwapCommand::RollBack {
                current: "local/small".parse().expect("valid"),
                target: "local/large".parse().expect("valid"),
            })
        );
        assert_eq!(swap.outcome(), None);
    }
}

#[test]
fn a11_an_escalation_is_asked_for_and_the_swap_ends_as_failed() {
    let inputs = [
        SwapInput::Persisted { state: state() },
        SwapInput::Announced,
        SwapInput::Failed,
        SwapInput::RolledBack,
    ];
    let (swap, commands) = drive(
        SwapStrategy::UnloadReload,
        SwapFallback::EscalateToCloud,
        inputs,
    );
    assert_eq!(
        words(&commands),
        [
            "persist",
            "requested",
            "unload",
            "undo",
            "rollback",
            "escalate",
            "failed"
        ]
    );
    assert_eq!(
        swap.outcome(),
        Some(&SwapOutcome::EscalationPending {
            code: ErrorCode::SwapFailed
        })
    );
    assert_eq!(ErrorCode::SwapFailed.as_str(), "CX-MM-003");
}

#[test]
fn a11_a_session_does_not_go_on_with_a_model_that_did_not_come_back() {
    let inputs = [
        SwapInput::Persisted { state: state() },
        SwapInput::Announced,
        SwapInput::Failed,
        SwapInput::Failed,
    ];
    let (swap, commands) = drive(
        SwapStrategy::UnloadReload,
        SwapFallback::ContinueWithCurrent,
        inputs,
    );
    assert_eq!(words(&commands).last(), Some(&"failed"));
    assert!(
        !words(&commands).contains(&"rollback"),
        "nothing was rolled back"
    );
    assert_eq!(
        swap.outcome(),
        Some(&SwapOutcome::Aborted {
            code: ErrorCode::SwapFailed
        })
    );
}

#[test]
fn a11_the_state_hash_is_over_sorted_lines() {
    let lines = format!(
        "a\n{}\nb\n{}\n",
        Digest::of(&[b"one"]),
        Digest::of(&[b"two"])
    );
    assert_eq!(state_hash(&state()), Digest::of(&[lines.as_bytes()]));
    let reversed: Vec<_> = state().into_iter().rev().collect();
    assert_eq!(state_hash(&state()), state_hash(&reversed));
    assert_ne!(state_hash(&state()), state_hash(&altered()));
}

#[test]
fn a11_requests_are_read_strictly() {
    let text = serde_json::to_value(request(SwapStrategy::UnloadReload)).expect("serialisable");
    let read = |value: &serde_json::Value| {
        ModelSwapRequest::read(&serde_json::to_vec(value).expect("serialisable"))
            .map_err(|e| e.field)
    };
    assert_eq!(read(&text), Ok(request(SwapStrategy::UnloadReload)));
    let with = |key: &str, value: serde_json::Value| {
        let mut text = text.clone();
        text[key] = value;
        text
    };
    use serde_json::json;
    let cases = [
        ("unknown", json!(1), "request"),
        ("target_model_id", json!("unqualified"), "request"),
        ("swap_strategy", json!("teleport"), "request"),
        ("priority", json!("urgent"), "request"),
        ("target_model_id", json!("local/small"), "target_model_id"),
        ("reason", json!(" "), "reason"),
        ("reason", json!("a\u{1b}[2J"), "reason"),
        ("state_persist_refs", json!([]), "state_persist_refs"),
        (
            "state_persist_refs",
            json!(["a", "a"]),
            "state_persist_refs",
        ),
        ("timeout_ms", json!(0), "timeout_ms"),
        ("metadata", json!({"note": "x".repeat(17_000)}), "metadata"),
    ];
    for (key, value, field) in cases {
        assert_eq!(read(&with(key, value)), Err(field), "{key}");
    }
}

fn any_input() -> impl Strategy<Value = SwapInput> {
    prop_oneof![
        4 => Just(SwapInput::Persisted { state: state() }),
        1 => Just(SwapInput::Persisted { state: altered() }),
        4 => Just(SwapInput::Announced),
        4 => Just(SwapInput::Vacated),
        4 => Just(loaded()),
        1 => Just(SwapInput::Loaded { vram_mb: Some(101), ram_mb: None }),
        4 => Just(compiled()),
        1 => Just(SwapInput::Compiled { artifact: artifact("context"), state: altered() }),
        4 => Just(SwapInput::Resumed),
        1 => Just(SwapInput::Failed),
        1 => Just(SwapInput::DeadlinePassed),
        2 => Just(SwapInput::RolledBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a11_completion_follows_a_matching_hash_and_a_compiled_context_only(
        fallback in prop_oneof![
            Just(SwapFallback::Abort),
            Just(SwapFallback::ContinueWithCurrent),
            Just(SwapFallback::EscalateToCloud),
        ],
        inputs in proptest::collection::vec(any_input(), 0..40),
    ) {
        let (mut swap, mut commands) = SwapState::begin(request(SwapStrategy::UnloadReload), fallback);
        let (mut hashed, mut compiled_ok) = (false, false);
        for input in inputs {
            let before = swap.phase().clone();
            let (next, more) = swap.step(input.clone());
            if next.phase() == &before {
                prop_assert!(more.is_empty(), "an input out of turn does nothing");
            }
            hashed |= before == SwapPhase::Persisting && input == (SwapInput::Persisted { state: state() });
            compiled_ok |= before == SwapPhase::Compiling && input == compiled();
            if let SwapPhase::Resuming { .. } | SwapPhase::Ended(SwapOutcome::Completed { .. }) = next.phase() {
                prop_assert!(hashed && compiled_ok);
            }
            swap = next;
            commands.extend(more);
        }
        let words = words(&commands);
        let ends = words.iter().filter(|w| matches!(**w, "completed" | "failed")).count();
        prop_assert_eq!(ends, usize::from(swap.outcome().is_some()), "one terminal, and only at the end");
        if ends == 1 {
            prop_assert!(matches!(words.last(), Some(&"completed" | &"failed")));
        }
        let undo_needed = words.contains(&"unload") && words.contains(&"failed");
        prop_assert_eq!(words.contains(&"undo") && ends == 1, undo_needed);
    }

    /// Whatever came before, failing and rolling back ends it.
    #[test]
    fn a11_every_swap_can_be_ended(inputs in proptest::collection::vec(any_input(), 0..20)) {
        let ending = [SwapInput::DeadlinePassed, SwapInput::RolledBack];
        let (swap, _) = drive(SwapStrategy::UnloadReload, SwapFallback::Abort, inputs.into_iter().chain(ending));
        prop_assert!(swap.outcome().is_some());
    }
}
