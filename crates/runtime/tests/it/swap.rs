//! Moving a session to another model.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use handshake_core::{
    chat::Role,
    code::ErrorCode,
    control::ControlCall,
    digest::Digest,
    ids::{ArtifactRef, ExternalId, RoleId, SessionId, SwapId},
    label::Label,
    ports::{
        ArtifactStore, CompileError, CompileRequest, CompiledContext, ContextCompiler, SessionStore,
    },
    swap::{
        ModelSwapRequest, SwapFallback, SwapOutcome, SwapPriority, SwapRequester, SwapStrategy,
        state_hash,
    },
};
use handshake_runtime::{
    CallOptions, Config, History, Runtime, compile::persist, swap::SwapReport,
};
use handshake_testkit::fixture::{message, principal};

use super::{fake::says, home::Home};

fn session() -> SessionId {
    SessionId::new("session-1").expect("a session")
}

/// A session with a history, and a request to move it.
async fn swap_to(home: &Home, target: &str) -> ModelSwapRequest {
    let messages = vec![
        message(1, Role::User, "I am Ada."),
        message(2, Role::Assistant, "Hello."),
    ];
    home.world
        .memory
        .append(&session(), messages.clone(), Label::INLINE)
        .await
        .expect("stored");
    let state = persist(&home.world.memory, &messages, Label::INLINE)
        .await
        .expect("persisted");
    ModelSwapRequest {
        request_id: SwapId::from_entropy([5; 16]),
        current_model_id: "local/m".parse().expect("a model"),
        target_model_id: target.parse().expect("a model"),
        role: RoleId::new("worker").expect("a role"),
        priority: SwapPriority::Normal,
        reason: "a larger one".to_owned(),
        swap_strategy: SwapStrategy::UnloadReload,
        state_hash: state_hash(&[(state.artifact.clone(), state.content_hash)]),
        state_persist_refs: vec![state.artifact],
        context_compile_ref: ArtifactRef::new("swap:context").expect("a reference"),
        max_vram_mb: 1000,
        max_ram_mb: 1000,
        timeout_ms: 10_000,
        requester: SwapRequester {
            subsystem: ExternalId::new("test").expect("a name"),
            job_id: None,
            wp_id: None,
            mt_id: None,
        },
        metadata: None,
    }
}

async fn swap(home: &Home, request: ModelSwapRequest, fallback: SwapFallback) -> SwapReport {
    home.runtime
        .swap(request, &session(), &principal(), fallback)
        .await
        .expect("a report")
}

fn loads(home: &Home) -> Vec<String> {
    let calls = home.fake.controls();
    let named = calls.iter().filter_map(|call| match call {
        ControlCall::Load(model, _) => Some(format!("load {model}")),
        ControlCall::Unload(model) => Some(format!("unload {model}")),
        _ => None,
    });
    named.collect()
}

#[tokio::test(start_paused = true)]
async fn a11_a_session_moves_to_another_provider_and_model() {
    let home = Home::new().await;
    let request = swap_to(&home, "cloud/m").await;
    let report = swap(&home, request, SwapFallback::Abort).await;
    let compiled = report.compiled.expect("compiled");
    assert_eq!(
        report.outcome,
        SwapOutcome::Completed {
            compiled: compiled.artifact.clone()
        }
    );
    assert_eq!(
        home.ids_of("FR-EVT-MODEL"),
        ["FR-EVT-MODEL-001", "FR-EVT-MODEL-002"]
    );
    assert_eq!(loads(&home), ["unload m"], "a cloud model needs no loading");
    let moved = home.world.memory.load(&session()).await.expect("loaded");
    assert_eq!(
        moved.model.map(|model| model.to_string()).as_deref(),
        Some("cloud/m")
    );
    assert_eq!(moved.messages.len(), 2);
    assert!(
        home.world
            .memory
            .get(&compiled.artifact)
            .await
            .expect("read")
            .is_some()
    );
    // And goes on there, with consent.
    home.fake.will([says("You are Ada.")]);
    let stored = CallOptions {
        history: History::Stored,
        ..CallOptions::default()
    };
    let (whole, ()) = tokio::join!(
        home.run_with(home.ask_cloud("Who am I?"), stored),
        home.approve()
    );
    whole.succeeded();
    assert!(String::from_utf8_lossy(&home.fake.sent()[0].body).contains("I am Ada."));
}

#[tokio::test(start_paused = true)]
async fn a11_a_local_target_is_loaded() {
    let home = Home::new().await;
    home.enable(&home.local, "n", handshake_testkit::fixture::claims_all())
        .await;
    let request = swap_to(&home, "local/n").await;
    let report = swap(&home, request, SwapFallback::Abort).await;
    assert!(matches!(report.outcome, SwapOutcome::Completed { .. }));
    assert_eq!(loads(&home), ["unload m", "load n"]);
}

#[tokio::test(start_paused = true)]
async fn a11_a_state_that_is_not_what_was_hashed_moves_nothing() {
    let home = Home::new().await;
    let mut request = swap_to(&home, "cloud/m").await;
    request.state_hash = Digest::of(&[b"something else"]);
    let report = swap(&home, request, SwapFallback::Abort).await;
    assert_eq!(
        report.outcome,
        SwapOutcome::Aborted {
            code: ErrorCode::StateHash
        }
    );
    assert!(report.compiled.is_none());
    assert!(home.ids_of("FR-EVT-MODEL-002").is_empty());
    assert_eq!(
        home.world
            .memory
            .load(&session())
            .await
            .expect("loaded")
            .model,
        None
    );
    // A part of the state that is not there is not the state either.
    let mut request = swap_to(&home, "cloud/m").await;
    request
        .state_persist_refs
        .push(ArtifactRef::new("sha256:absent").expect("a reference"));
    let report = swap(&home, request, SwapFallback::Abort).await;
    assert!(matches!(report.outcome, SwapOutcome::Aborted { .. }));
    assert!(loads(&home).is_empty(), "nothing was unloaded for it");
}

#[tokio::test(start_paused = true)]
async fn a11_a_target_that_does_not_load_is_rolled_back() {
    for (fallback, outcome) in [
        (
            SwapFallback::Abort,
            SwapOutcome::Aborted {
                code: ErrorCode::SwapFailed,
            },
        ),
        (
            SwapFallback::ContinueWithCurrent,
            SwapOutcome::ContinuedWithCurrent {
                code: ErrorCode::SwapFailed,
            },
        ),
        (
            SwapFallback::EscalateToCloud,
            SwapOutcome::EscalationPending {
                code: ErrorCode::SwapFailed,
            },
        ),
    ] {
        let home = Home::new().await;
        let request = swap_to(&home, "local/absent").await;
        home.fake.breaks("show");
        let report = swap(&home, request, fallback).await;
        assert_eq!(report.outcome, outcome);
        assert_eq!(
            report.escalation.is_some(),
            fallback == SwapFallback::EscalateToCloud
        );
        let ids = home.ids_of("FR-EVT-MODEL");
        assert_eq!(ids.first(), Some(&"FR-EVT-MODEL-001"));
        assert!(
            ids.contains(&"FR-EVT-MODEL-003") && ids.contains(&"FR-EVT-MODEL-005"),
            "{ids:?}"
        );
        assert!(!ids.contains(&"FR-EVT-MODEL-002"));
        assert_eq!(
            loads(&home).last().map(String::as_str),
            Some("load m"),
            "the current one is back"
        );
        let kept = home.world.memory.load(&session()).await.expect("loaded");
        assert_eq!((kept.model, kept.messages.len()), (None, 2));
    }
}

/// A compiler that takes its time, or none that succeeds.
struct Slow(Option<Duration>);

#[async_trait]
impl ContextCompiler for Slow {
    async fn compile(&self, _: CompileRequest) -> Result<CompiledContext, CompileError> {
        match self.0 {
            Some(time) => tokio::time::sleep(time).await,
            None => panic!("a bug in a compiler"),
        }
        Err(CompileError { reason: "too late" })
    }
}

fn compiling(home: &Home, compiler: Slow) -> Runtime {
    let mut ports = home.ports.clone();
    ports.compiler = Arc::new(compiler);
    Runtime::new(ports, Config::default())
}

#[tokio::test(start_paused = true)]
async fn a11_a_swap_that_takes_too_long_fails_fast_and_rolls_back() {
    let home = Home::new().await;
    let runtime = compiling(&home, Slow(Some(Duration::from_secs(3600))));
    let request = swap_to(&home, "cloud/m").await;
    let began = tokio::time::Instant::now();
    let report = runtime
        .swap(
            request,
            &session(),
            &principal(),
            SwapFallback::ContinueWithCurrent,
        )
        .await
        .expect("a report");
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(
        report.outcome,
        SwapOutcome::ContinuedWithCurrent {
            code: ErrorCode::SwapFailed
        }
    );
    let ids = home.ids_of("FR-EVT-MODEL");
    assert!(
        ids.contains(&"FR-EVT-MODEL-004") && ids.contains(&"FR-EVT-MODEL-005"),
        "{ids:?}"
    );
    assert_eq!(
        loads(&home),
        ["unload m", "load m"].map(str::to_owned).to_vec()
    );
}

#[tokio::test(start_paused = true)]
async fn a11_a_context_that_does_not_compile_moves_nothing() {
    let home = Home::new().await;
    let runtime = compiling(&home, Slow(Some(Duration::ZERO)));
    let request = swap_to(&home, "cloud/m").await;
    let report = runtime
        .swap(request, &session(), &principal(), SwapFallback::Abort)
        .await
        .expect("a report");
    assert_eq!(
        report.outcome,
        SwapOutcome::Aborted {
            code: ErrorCode::SwapFailed
        }
    );
    assert_eq!(
        home.world
            .memory
            .load(&session())
            .await
            .expect("loaded")
            .model,
        None
    );
    // One that falls over is an error, and the caller is still there.
    let request = swap_to(&home, "cloud/m").await;
    let crashed = compiling(&home, Slow(None));
    let other = SessionId::new("session-2").expect("a session");
    let error = crashed
        .swap(request, &other, &principal(), SwapFallback::Abort)
        .await
        .expect_err("crashed");
    assert_eq!(error.code, ErrorCode::SwapFailed);
}

#[tokio::test(start_paused = true)]
async fn a11_a_swap_and_a_call_do_not_run_at_once() {
    let home = Home::new().await;
    let request = swap_to(&home, "cloud/m").await;
    let held = home
        .world
        .memory
        .acquire(&session(), 1, Duration::from_secs(30))
        .await
        .expect("held");
    let busy = home
        .runtime
        .swap(
            request.clone(),
            &session(),
            &principal(),
            SwapFallback::Abort,
        )
        .await;
    assert_eq!(busy.expect_err("busy").code, ErrorCode::SessionBusy);
    home.world.memory.release(&held).await.expect("released");
    swap(&home, request, SwapFallback::Abort).await;
    home.fake.will([says("free")]);
    home.run(home.ask_local("hi")).await.succeeded();
}

/// A caller that goes away leaves no session half moved.
#[tokio::test(start_paused = true)]
async fn a11_a_dropped_swap_is_finished() {
    let home = Home::new().await;
    let runtime = compiling(&home, Slow(Some(Duration::from_secs(5))));
    let request = swap_to(&home, "cloud/m").await;
    let (id, who) = (session(), principal());
    let work = runtime.swap(request, &id, &who, SwapFallback::Abort);
    let gone = tokio::time::timeout(Duration::from_secs(1), work).await;
    assert!(gone.is_err());
    assert_eq!(loads(&home), ["unload m"]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        loads(&home),
        ["unload m", "load m"],
        "rolled back, though nobody waits"
    );
}

#[tokio::test(start_paused = true)]
async fn a9_a_swapped_session_keeps_the_labels_of_its_state() {
    let home = Home::new().await;
    let mut request = swap_to(&home, "cloud/m").await;
    let content =
        serde_json::to_vec(&vec![message(1, Role::User, "from elsewhere")]).expect("JSON");
    let unlabelled = home
        .world
        .memory
        .put(Bytes::from(content), None, Vec::new())
        .await
        .expect("stored");
    request.state_hash = state_hash(&[(unlabelled.artifact.clone(), unlabelled.content_hash)]);
    request.state_persist_refs = vec![unlabelled.artifact];
    swap(&home, request, SwapFallback::Abort).await;
    let moved = home.world.memory.load(&session()).await.expect("loaded");
    assert_eq!(moved.label.blocks(), Label::UNKNOWN.blocks());
    let stored = CallOptions {
        history: History::Stored,
        ..CallOptions::default()
    };
    home.run_with(home.ask_cloud("and now?"), stored)
        .await
        .failed_with(ErrorCode::LeakageBlocked);
}
