//! `handshake provider check`.

use std::sync::Arc;

use handshake_core::{
    code::{ErrorCode, Phase},
    event::{HealthState, WidenKind},
    ports::ContactGrants,
    provider::ProviderRecord,
    tier::ModelTier,
};
use handshake_llm::parts::runtime::registry;
use serde_json::json;

use super::{chosen, governance, help_for};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    record::about,
    widen::{Weight, widen},
    wire::App,
};

/// Check whether a provider is reachable and ready, without sending a prompt.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake provider check\n  handshake provider check openai --grant"
)]
pub(crate) struct Args {
    /// Id of the provider [default: all providers].
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Grant contact with a cloud provider to read its models and version, never to send a prompt.
    #[arg(long, requires = "id")]
    grant: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let app = cx.app().await?;
    let records = chosen(&app, args.id.as_deref()).await?;
    if args.grant {
        for record in &records {
            grant(cx, &app, record).await?;
        }
    }
    let governance = governance(&app).await?;
    let alone = args.id.is_some();
    let mut exit = Exit::Done;
    for record in records {
        let record = Arc::new(record);
        let health = registry::check(app.runtime.ports(), &record, governance).await;
        cx.out.object(&json!({
            "provider_id": record.provider_id, "tier": record.tier, "state": health.state,
            "latency_ms": health.latency_ms, "version": health.version, "models": health.models,
            "code": health.code,
        }));
        let good = matches!(health.state, HealthState::Reachable | HealthState::Ready);
        let detail = match health.code {
            Some(code) => format!("{} [{code}]", code.title()),
            None => format!(
                "models: {}{}, {} ms",
                health.models,
                health
                    .version
                    .map(|version| format!(", version {version}"))
                    .unwrap_or_default(),
                health.latency_ms
            ),
        };
        cx.out.mark(
            good,
            format!(
                "{}: {}  {detail}",
                record.provider_id,
                health.state.as_str()
            ),
        );
        if let Some(code) = health.code {
            if let Some(step) = help_for(&record, code) {
                cx.out.note(format!("     help: {step}"));
            }
            // A cloud provider that nobody granted contact with is as it should be, unless it was asked about.
            match (code.is_denial(), alone) {
                (true, true) => exit = Exit::Denied,
                (true, false) => {}
                (false, _) => exit = Exit::Failed,
            }
        }
    }
    app.finish().await?;
    Ok(exit)
}

async fn grant(cx: &Context, app: &App, record: &ProviderRecord) -> Result<()> {
    let id = &record.provider_id;
    if record.tier == ModelTier::Local {
        cx.out
            .note(format!("note: {id} is local and needs no grant"));
        return Ok(());
    }
    if app.store.granted(id, record.revision).await? {
        return Ok(());
    }
    let words = format!(
        "grant contact with {} to read its models and version, never to send a prompt",
        record.base_url.origin()
    );
    let after = json!({ "provider_id": id, "revision": record.revision, "origin": record.base_url.origin() });
    let permit = widen(
        app,
        (WidenKind::Contact, Weight::Cloud, &words),
        about(id),
        None,
        &after,
    )
    .await?;
    let granted = app.grant_contact(record, permit.approval()).await;
    granted.map_err(|error| match error.code {
        // The record was changed between the question and the answer.
        ErrorCode::InvalidConfig => AppError::new(
            ErrorCode::Revision,
            Phase::Storage,
            "the provider changed in the meantime, so nothing was granted",
        ),
        _ => error.into(),
    })
}
