//! `handshake provider models`.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    capability::{CapabilitySnapshot, Feature, Limit, Support},
    code::{ErrorCode, Phase},
    policy::Governance,
    ports::{ContactGrants, ProviderStore},
    provider::ProviderRecord,
    tier::ModelTier,
};
use handshake_llm::parts::runtime::registry;
use serde_json::{Map, Value, json};

use super::{chosen, governance, help_for};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    wire::App,
};

/// List the models of a provider.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake provider models ollama\n  handshake provider models ollama --capabilities"
)]
pub(crate) struct Args {
    /// Id of the provider [default: all providers].
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Show what each model can do, and where that is known from.
    #[arg(long)]
    capabilities: bool,
}

/// A listing, and where it comes from.
struct Known {
    models: Vec<CapabilitySnapshot>,
    /// `None` where the server was asked just now.
    stored: Option<ErrorCode>,
    partial: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let app = cx.app().await?;
    let governance = governance(&app).await?;
    let mut rows = Vec::new();
    let mut exit = Exit::Done;
    for record in chosen(&app, args.id.as_deref()).await? {
        let record = Arc::new(record);
        let known = known(&app, &record, governance).await?;
        if let (Some(code), true, true) = (known.stored, known.models.is_empty(), args.id.is_some())
        {
            app.finish().await?;
            let error = AppError::new(
                code,
                Phase::Resolve,
                format!(
                    "cannot read the models of {}, and none are stored",
                    record.provider_id
                ),
            );
            return Err(match help_for(&record, code) {
                Some(step) => error.next(step),
                None => error,
            });
        }
        note_age(cx, &app, &record, &known);
        for model in &known.models {
            let age = app.clock.now().since(model.fetched_at);
            cx.out
                .object(&object(model, &record, &known, age, args.capabilities));
            if args.capabilities {
                capabilities(cx, model);
            } else {
                rows.push(row(model, &record, age));
            }
        }
        if known.stored.is_some_and(|code| !code.is_denial()) {
            exit = Exit::Failed;
        }
    }
    if !rows.is_empty() {
        cx.out.table(
            &[
                "MODEL", "ENABLED", "RUNS", "CONTEXT", "TOOLS", "VISION", "THINKING", "AGE",
            ],
            &rows,
        );
    }
    app.finish().await?;
    Ok(exit)
}

/// Asks the server where that is allowed; falls back to what is stored.
async fn known(app: &App, record: &Arc<ProviderRecord>, governance: Governance) -> Result<Known> {
    let ports = app.runtime.ports();
    let allowed = record.tier == ModelTier::Local
        || app
            .store
            .granted(&record.provider_id, record.revision)
            .await?;
    let refused = if allowed {
        match registry::refresh(ports, record, governance).await {
            Ok(listing) => {
                return Ok(Known {
                    models: listing.models,
                    stored: None,
                    partial: listing.partial,
                });
            }
            Err(error) => error.code,
        }
    } else {
        ErrorCode::ContactNotGranted
    };
    let models = app.store.snapshots(&record.provider_id).await?;
    Ok(Known {
        models,
        stored: Some(refused),
        partial: true,
    })
}

fn note_age(cx: &Context, app: &App, record: &ProviderRecord, known: &Known) {
    let id = &record.provider_id;
    match known.stored {
        Some(code) => {
            let oldest = known
                .models
                .iter()
                .map(|model| app.clock.now().since(model.fetched_at))
                .max();
            let age = oldest.map_or_else(
                || "no models stored".to_owned(),
                |age| format!("models stored {} ago", age_text(age)),
            );
            cx.out.note(format!(
                "{id}: {age}; not refreshed: {} [{code}]",
                code.title()
            ));
        }
        None if known.partial => cx
            .out
            .note(format!("{id}: the list of models is incomplete")),
        None => {}
    }
}

fn age_text(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Whether a person's word for a model still stands: it was given for one revision of the provider.
fn enabled(model: &CapabilitySnapshot, record: &ProviderRecord) -> bool {
    model.enabled && (record.tier == ModelTier::Local || model.provider_revision == record.revision)
}

fn row(model: &CapabilitySnapshot, record: &ProviderRecord, age: Duration) -> Vec<String> {
    let can = |feature| match model.capabilities.supports(feature) {
        Support::Yes => "yes".to_owned(),
        Support::No => "no".to_owned(),
        Support::Unknown => "?".to_owned(),
    };
    vec![
        format!("{}/{}", record.provider_id, model.model_id),
        if enabled(model, record) {
            "yes".to_owned()
        } else {
            "no".to_owned()
        },
        model.residence.as_str().to_owned(),
        model
            .capabilities
            .limit(Limit::MaxContextWindow)
            .map_or_else(|| "?".to_owned(), |n| n.to_string()),
        can(Feature::SupportsToolCalling),
        can(Feature::SupportsVision),
        can(Feature::SupportsThinking),
        age_text(age),
    ]
}

fn object(
    model: &CapabilitySnapshot,
    record: &ProviderRecord,
    known: &Known,
    age: Duration,
    capabilities: bool,
) -> Value {
    let mut value = json!({
        "provider_id": record.provider_id, "model_id": model.model_id, "enabled": enabled(model, record),
        "residence": model.residence, "family": model.family, "digest": model.digest,
        "server_version": model.server_version,
        "age_ms": u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        "source": if known.stored.is_some() { "stored" } else { "server" },
        "partial": known.partial, "snapshot": model.hash(),
    });
    if let Some(code) = known.stored {
        value["code"] = json!(code);
    }
    if capabilities {
        value["capabilities"] = Value::Object(answers(model));
        value["conflicts"] = json!(model.capabilities.conflicts);
    }
    value
}

/// The eleven answers, each with who gave it.
fn answers(model: &CapabilitySnapshot) -> Map<String, Value> {
    let known = &model.capabilities;
    let features = Feature::ALL.into_iter().map(|feature| {
        let from = known.features.get(&feature).map(|answer| answer.from);
        (
            feature.as_str().to_owned(),
            json!({ "value": known.supports(feature), "from": from }),
        )
    });
    let limits = [Limit::MaxContextWindow, Limit::MaxOutputTokens]
        .into_iter()
        .map(|limit| {
            let from = known.limits.get(&limit).map(|answer| answer.from);
            (
                limit.as_str().to_owned(),
                json!({ "value": known.limit(limit), "from": from }),
            )
        });
    features.chain(limits).collect()
}

fn capabilities(cx: &Context, model: &CapabilitySnapshot) {
    cx.out
        .heading(&format!("{}/{}", model.provider_id, model.model_id));
    let rows: Vec<Vec<String>> = answers(model)
        .into_iter()
        .map(|(name, answer)| {
            let shown = |value: &Value| match value {
                Value::String(text) => text.clone(),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            };
            vec![name, shown(&answer["value"]), shown(&answer["from"])]
        })
        .collect();
    cx.out.table(&["", "VALUE", "SOURCE"], &rows);
    if !model.capabilities.conflicts.is_empty() {
        let names: Vec<&str> = model
            .capabilities
            .conflicts
            .iter()
            .map(|feature| feature.as_str())
            .collect();
        cx.out.mark(
            false,
            format!(
                "declared by you, contradicted by the server: {}",
                names.join(", ")
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a4_ages_are_told_in_the_unit_that_fits() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7200, "2 h"),
            (200_000, "2 days"),
        ] {
            assert_eq!(age_text(Duration::from_secs(seconds)), text);
        }
    }
}
