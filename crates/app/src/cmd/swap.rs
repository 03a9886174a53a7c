//! `handshake swap`: moves a session to another model, across a fresh context.

use handshake_core::{
    code::ErrorCode,
    digest::Digest,
    ids::{ExternalId, ModelRef, RoleId, SessionId, SwapId},
    ports::{EntropyExt, SessionStore},
    swap::{
        ModelSwapRequest, SwapFallback, SwapOutcome, SwapPriority, SwapRequester, SwapStrategy,
        state_hash,
    },
};
use handshake_llm::parts::{account, runtime::compile::persist};
use serde_json::json;

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    wire::App,
};

/// Move a session to another model with a freshly compiled context.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  handshake swap --session notes --to openai/gpt-5 --role worker --reason 'needs a larger model'"
)]
pub(crate) struct Args {
    /// Session to move.
    #[arg(long)]
    session: String,
    /// Model to move to.
    #[arg(long, value_name = "PROVIDER/MODEL")]
    to: String,
    /// Model that the session uses now; required for a session that has never been moved.
    #[arg(long, value_name = "PROVIDER/MODEL")]
    from: Option<String>,
    /// Role to move.
    #[arg(long, default_value = "worker")]
    role: String,
    /// Reason for the move (not recorded in the log).
    #[arg(long)]
    reason: String,
    /// Time limit in milliseconds.
    #[arg(long, default_value_t = 120_000)]
    timeout_ms: u64,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let app = cx.app().await?;
    let session = SessionId::new(&args.session)?;
    let to: ModelRef = args.to.parse()?;
    let from = args.from.as_deref().map(str::parse).transpose()?;
    let report = swap(
        &app,
        &session,
        from,
        &to,
        (&args.role, &args.reason),
        args.timeout_ms,
    )
    .await;
    app.finish().await?;
    let report = report?;
    let (ok, code) = match &report.outcome {
        SwapOutcome::Completed { .. } => (true, None),
        SwapOutcome::Aborted { code }
        | SwapOutcome::ContinuedWithCurrent { code }
        | SwapOutcome::EscalationPending { code } => (false, Some(*code)),
    };
    match code {
        None => {
            cx.out.object(&json!({
                "ok": ok, "session_id": session, "model": to,
                "context_compile_ref": report.compiled.map(|meta| meta.artifact),
            }));
            cx.out.line(format!("Moved the session {session} to {to}."));
            Ok(Exit::Done)
        }
        Some(code) => Err(AppError::new(
            code,
            handshake_core::code::Phase::Check,
            "the session was not moved",
        )),
    }
}

/// Persists the session's state, then swaps.
pub(crate) async fn swap(
    app: &App,
    session: &SessionId,
    from: Option<ModelRef>,
    to: &ModelRef,
    (role, reason): (&str, &str),
    timeout_ms: u64,
) -> Result<handshake_llm::parts::runtime::swap::SwapReport> {
    let failed = |error: handshake_core::ports::SessionError| match error {
        handshake_core::ports::SessionError::Busy => AppError::new(
            ErrorCode::SessionBusy,
            handshake_core::code::Phase::Resolve,
            error.to_string(),
        ),
        handshake_core::ports::SessionError::Store(error) => error.into(),
    };
    let stored = app.store.load(session).await.map_err(failed)?;
    if stored.messages.is_empty() {
        return Err(AppError::usage(
            ErrorCode::InvalidRequest,
            format!("no such session: {session}"),
        )
        .next("start one with `handshake chat --session NAME`"));
    }
    let current = stored.model.clone().or(from).ok_or_else(|| {
        AppError::usage(
            ErrorCode::InvalidRequest,
            "--from is required: the session has never been moved",
        )
    })?;
    let state = persist(&app.store, &stored.messages, stored.label)
        .await
        .map_err(|error| {
            AppError::new(
                ErrorCode::Storage,
                handshake_core::code::Phase::Storage,
                error.to_string(),
            )
        })?;
    let id = SwapId::from_entropy(app.entropy.bytes());
    let request = ModelSwapRequest {
        request_id: id,
        current_model_id: current,
        target_model_id: to.clone(),
        role: RoleId::new(role)?,
        priority: SwapPriority::Normal,
        reason: reason.to_owned(),
        swap_strategy: SwapStrategy::UnloadReload,
        state_hash: state_hash(&[(state.artifact.clone(), state.content_hash)]),
        state_persist_refs: vec![state.artifact],
        context_compile_ref: handshake_core::ids::ArtifactRef::new(format!(
            "swap:{}",
            Digest::of(&[id.to_string().as_bytes()])
        ))?,
        max_vram_mb: 1 << 20,
        max_ram_mb: 1 << 20,
        timeout_ms,
        requester: SwapRequester {
            subsystem: ExternalId::new("cli")?,
            job_id: None,
            wp_id: None,
            mt_id: None,
        },
        metadata: None,
    };
    Ok(app
        .runtime
        .swap(request, session, &account(), SwapFallback::Abort)
        .await?)
}
