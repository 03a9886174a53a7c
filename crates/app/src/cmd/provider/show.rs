//! `handshake provider list`, `show` and `export`.

use handshake_core::{
    code::{ErrorCode, Phase},
    ids::ProviderId,
    ports::{ContactGrants, ProviderStore},
    provider::{ProviderDraft, ProviderRecord},
    tier::ModelTier,
};
use serde_json::json;

use super::{find, secret_state};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    out::Out,
    wire::App,
};

pub(super) async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let records = ProviderStore::list(&app.store).await?;
    for record in &records {
        cx.out.object(record);
    }
    if records.is_empty() {
        cx.out.line("No providers are registered.");
        cx.out.note(
            "help: run `handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434`",
        );
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            vec![
                record.provider_id.to_string(),
                record.provider_kind.to_string(),
                record.tier.as_str().to_owned(),
                record.base_url.to_string(),
                record.reach.as_str().to_owned(),
                secret_state(&app, record).unwrap_or("-").to_owned(),
                record.revision.to_string(),
            ]
        })
        .collect();
    cx.out.table(
        &["ID", "KIND", "TIER", "BASE URL", "REACH", "SECRET", "REV"],
        &rows,
    );
    Ok(Exit::Done)
}

pub(super) async fn show(cx: &Context, id: &str) -> Result<Exit> {
    let app = cx.app().await?;
    let record = find(&app, &ProviderId::new(id)?).await?;
    shown(cx.out, &app, &record).await?;
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let granted = app
        .store
        .granted(&record.provider_id, record.revision)
        .await?;
    let snapshots = app.store.snapshots(&record.provider_id).await?;
    let enabled = snapshots
        .iter()
        .filter(|s| s.enabled && s.provider_revision == record.revision)
        .count();
    let rows = [
        ("id", record.provider_id.to_string()),
        ("kind", record.provider_kind.to_string()),
        ("tier", record.tier.as_str().to_owned()),
        ("base url", record.base_url.to_string()),
        ("reach", record.reach.as_str().to_owned()),
        (
            "dialect",
            dash(record.dialect.as_ref().map(ToString::to_string)),
        ),
        (
            "default model",
            dash(record.default_model.as_ref().map(ToString::to_string)),
        ),
        (
            "secret",
            dash(record.secret_ref.as_ref().map(ToString::to_string)),
        ),
        (
            "secret state",
            dash(secret_state(&app, &record).map(str::to_owned)),
        ),
        (
            "contact",
            match (record.tier, granted) {
                (ModelTier::Local, _) => "no grant needed".to_owned(),
                (ModelTier::Cloud, true) => "granted".to_owned(),
                (ModelTier::Cloud, false) => "not granted".to_owned(),
            },
        ),
        (
            "models",
            format!("{} known, {enabled} enabled", snapshots.len()),
        ),
        ("revision", record.revision.to_string()),
        ("created", record.created_at.to_string()),
        ("changed", record.updated_at.to_string()),
    ];
    for (name, value) in rows {
        cx.out.line(format!("{name:<14} {value}"));
    }
    Ok(Exit::Done)
}

/// The record and what goes with it, as an object.
pub(super) async fn shown(out: Out, app: &App, record: &ProviderRecord) -> Result<()> {
    if !out.json {
        return Ok(());
    }
    let mut value = serde_json::to_value(record).map_err(unwritable)?;
    value["secret"] = json!(secret_state(app, record));
    value["contact_granted"] = json!(
        app.store
            .granted(&record.provider_id, record.revision)
            .await?
    );
    out.object(&value);
    Ok(())
}

pub(super) async fn export(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let drafts: Vec<ProviderDraft> = ProviderStore::list(&app.store)
        .await?
        .iter()
        .map(ProviderRecord::draft)
        .collect();
    for draft in &drafts {
        cx.out.object(draft);
    }
    cx.out
        .line(serde_json::to_string_pretty(&drafts).map_err(unwritable)?);
    Ok(Exit::Done)
}

fn unwritable(_: serde_json::Error) -> AppError {
    AppError::new(
        ErrorCode::Storage,
        Phase::Storage,
        "cannot write the provider as JSON",
    )
}
