//! `handshake provider enable` and `disable`.

use std::sync::Arc;

use handshake_core::{
    capability::{Claims, Feature, Limit},
    code::{ErrorCode, Phase},
    event::WidenKind,
    ids::{ModelId, ModelRef, ProviderId},
    ports::ProviderStore,
    provider::ProviderRecord,
    tier::ModelTier,
};
use handshake_llm::parts::runtime::registry;
use serde_json::{Value, json};

use super::{add::wrong, find, governance};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    record::about_model,
    widen::{Permit, Weight, widen},
    wire::App,
};

/// Enable a model, or declare what it can do.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  handshake provider enable openai gpt-5 --capability tool_calling=yes --context 128000"
)]
pub(crate) struct Args {
    /// Id of the provider.
    #[arg(value_name = "ID")]
    id: String,
    /// Name of the model at the provider.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Declare a capability that the server does not report, such as tool_calling=yes (repeatable).
    #[arg(long, value_name = "NAME=yes|no")]
    capability: Vec<String>,
    /// Context window in tokens.
    #[arg(long, value_name = "TOKENS")]
    context: Option<u64>,
    /// Longest answer in tokens.
    #[arg(long, value_name = "TOKENS")]
    max_output: Option<u64>,
    /// Accept answers of the provider that name this model instead (repeatable).
    #[arg(long, value_name = "MODEL")]
    answers_as: Vec<String>,
}

/// Disable a model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake provider disable openai gpt-5")]
pub(crate) struct DisableArgs {
    /// Id of the provider.
    #[arg(value_name = "ID")]
    id: String,
    /// Name of the model at the provider.
    #[arg(value_name = "MODEL")]
    model: String,
}

impl Args {
    fn claims(&self) -> Result<Claims> {
        let mut claims = Claims::default();
        for pair in &self.capability {
            let (feature, yes) = capability(pair)?;
            claims.features.insert(feature, yes);
        }
        claims
            .limits
            .extend(self.context.map(|tokens| (Limit::MaxContextWindow, tokens)));
        claims.limits.extend(
            self.max_output
                .map(|tokens| (Limit::MaxOutputTokens, tokens)),
        );
        if claims
            .limits
            .values()
            .any(|tokens| !(1..=1 << 32).contains(tokens))
        {
            return Err(wrong(
                "--context or --max-output",
                "expected 1 to 4294967296 tokens",
            ));
        }
        Ok(claims)
    }
}

fn capability(pair: &str) -> Result<(Feature, bool)> {
    let known = |name: &str| {
        let read = |name: String| serde_json::from_value::<Feature>(Value::String(name)).ok();
        read(name.to_owned())
            .or_else(|| read(format!("supports_{name}")))
            .or_else(|| read(format!("requires_{name}")))
    };
    let parts = pair.split_once('=').and_then(|(name, value)| {
        let yes = match value {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        Some((known(&name.replace('-', "_"))?, yes))
    });
    parts.ok_or_else(|| {
        let names: Vec<&str> = Feature::ALL
            .iter()
            .map(|feature| feature.as_str())
            .collect();
        wrong(
            "--capability",
            "expected NAME=yes or NAME=no, with a known name",
        )
        .next(format!("use one of these names: {}", names.join(", ")))
    })
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let model = named(&args.id, &args.model)?;
    let names = args.answers_as.iter().map(ModelId::new);
    let declared = registry::Declared {
        claims: args.claims()?,
        answers_as: names.collect::<std::result::Result<_, _>>()?,
    };
    let app = cx.app().await?;
    let record = Arc::new(find(&app, &model.provider).await?);
    let permit = match record.tier {
        ModelTier::Cloud => Some(consent(&app, &record, &model, &declared).await?),
        ModelTier::Local => {
            listed(&app, &record, &model).await?;
            None
        }
    };
    let approval = permit.as_ref().and_then(Permit::approval);
    let snapshot = app
        .enable_model(&record, &model.model, declared, approval)
        .await?;
    app.finish().await?;
    cx.out.object(&json!({
        "provider_id": model.provider, "model_id": model.model, "enabled": true,
        "capabilities": snapshot.capabilities, "snapshot": snapshot.hash(),
    }));
    cx.out.line(format!("Enabled {model}."));
    if !snapshot.capabilities.conflicts.is_empty() {
        cx.out.note("warning: the server contradicts a capability that you declared, so requests that need it are refused");
    }
    Ok(Exit::Done)
}

/// A person's word for a cloud model.
async fn consent(
    app: &App,
    record: &ProviderRecord,
    model: &ModelRef,
    declared: &registry::Declared,
) -> Result<Permit> {
    let known = app.store.snapshots(&model.provider).await?;
    let before = known.iter().find(|known| known.model_id == model.model);
    let before =
        before.map(|before| json!({ "enabled": before.enabled, "snapshot": before.hash() }));
    let after = json!({
        "enabled": true, "model": model, "revision": record.revision, "claims": declared.claims,
        "answers_as": declared.answers_as,
    });
    let words = format!("enable the cloud model {model}");
    let scope = about_model(&model.provider, &model.model);
    widen(
        app,
        (WidenKind::Model, Weight::Cloud, &words),
        scope,
        before.as_ref(),
        &after,
    )
    .await
}

/// A local model is enabled by being there, and only the server knows whether it is.
async fn listed(app: &App, record: &Arc<ProviderRecord>, model: &ModelRef) -> Result<()> {
    let listing = registry::refresh(app.runtime.ports(), record, governance(app).await?).await?;
    if listing
        .models
        .iter()
        .any(|known| known.model_id == model.model)
    {
        return Ok(());
    }
    let id = &model.provider;
    Err(AppError::new(
        ErrorCode::Model404,
        Phase::Resolve,
        format!("no such model: {model}"),
    )
    .next(format!("run `handshake provider models {id}`")))
}

pub(super) async fn disable(cx: &Context, args: DisableArgs) -> Result<Exit> {
    let model = named(&args.id, &args.model)?;
    let app = cx.app().await?;
    find(&app, &model.provider).await?;
    let known = app.store.snapshots(&model.provider).await?;
    let Some(mut snapshot) = known
        .into_iter()
        .find(|known| known.model_id == model.model)
    else {
        let text = format!("no such model: {model}");
        return Err(AppError::new(ErrorCode::Model404, Phase::Resolve, text));
    };
    snapshot.enabled = false;
    app.store.put_snapshot(&model, snapshot).await?;
    app.finish().await?;
    cx.out.object(
        &json!({ "provider_id": model.provider, "model_id": model.model, "enabled": false }),
    );
    cx.out.line(format!("Disabled {model}."));
    Ok(Exit::Done)
}

fn named(provider: &str, model: &str) -> Result<ModelRef> {
    Ok(ModelRef {
        provider: ProviderId::new(provider)?,
        model: ModelId::new(model)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_capabilities_are_named_in_full_or_in_short() {
        for text in [
            "supports_tool_calling=yes",
            "tool_calling=yes",
            "tool-calling=yes",
        ] {
            assert_eq!(
                capability(text).expect(text),
                (Feature::SupportsToolCalling, true)
            );
        }
        assert_eq!(
            capability("tool_id_sanitization=no").expect("ok").0,
            Feature::RequiresToolIdSanitization
        );
        for text in ["", "vision", "vision=maybe", "sight=yes", "=yes"] {
            let error = capability(text).expect_err(text);
            assert_eq!(error.code, ErrorCode::InvalidConfig);
        }
    }
}
