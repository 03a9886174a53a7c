//! What a daemon says about its models.

use std::collections::BTreeMap;

use handshake_core::{
    capability::{Claims, Feature, Limit},
    control::{ControlReport, ModelListing},
    ids::ModelId,
    tier::{Residence, is_forwarded_name},
};

use crate::{
    profile,
    wire::control::{Details, Entry, Listing, Show},
};

/// The most models that are kept.
const MAX_MODELS: usize = 4096;
/// The longest digest that is kept.
const DIGEST_CAP: usize = 128;
/// The largest context that is believed: more than any model has.
const MAX_CONTEXT: u64 = 1 << 28;

/// `/api/tags` and `/api/ps`. `None` when it is no listing at all.
pub(super) fn models(body: &[u8]) -> Option<ControlReport> {
    let listing: Listing = serde_json::from_slice(body).ok()?;
    let entries = listing.models?;
    let mut report = ControlReport {
        partial: entries.len() > MAX_MODELS,
        ..ControlReport::default()
    };
    for entry in entries.into_iter().take(MAX_MODELS) {
        match serde_json::from_value::<Entry>(entry).ok().and_then(model) {
            Some(listed) => report.models.push(listed),
            None => report.partial = true,
        }
    }
    Some(report)
}

fn model(entry: Entry) -> Option<ModelListing> {
    let name = entry.model.filter(|name| !name.is_empty()).or(entry.name)?;
    let model_id = ModelId::new(&name).ok()?;
    Some(ModelListing {
        digest: entry.digest.filter(|digest| {
            digest.len() <= DIGEST_CAP
                && digest
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b':')
        }),
        size_bytes: entry.size,
        residence: residence(&model_id, &entry.remote_host, &entry.remote_model),
        claims: Claims {
            features: entry
                .capabilities
                .as_deref()
                .map(features)
                .unwrap_or_default(),
            limits: BTreeMap::new(),
        },
        family: family(&model_id, entry.details.as_ref()),
        model_id,
    })
}

/// `/api/show`. `None` when it is not an answer to that.
pub(super) fn show(model: &ModelId, body: &[u8]) -> Option<ControlReport> {
    let show: Show = serde_json::from_slice(body).ok()?;
    if show.model_info.is_none() && show.details.is_none() && show.remote_host.is_none() {
        return None;
    }
    // Daemons before 0.6.4 do not say what a model can do.
    let partial = show.capabilities.is_none();
    let claims = Claims {
        features: show
            .capabilities
            .as_deref()
            .map(features)
            .unwrap_or_default(),
        limits: context(&show)
            .map(|tokens| (Limit::MaxContextWindow, tokens))
            .into_iter()
            .collect(),
    };
    let listing = ModelListing {
        digest: None,
        size_bytes: None,
        residence: residence(model, &show.remote_host, &show.remote_model),
        claims,
        family: family(model, show.details.as_ref()),
        model_id: model.clone(),
    };
    Some(ControlReport {
        models: vec![listing],
        partial,
        ..ControlReport::default()
    })
}

/// Where a model runs: the name decides first, then what the daemon says.
fn residence(model: &ModelId, host: &Option<String>, remote: &Option<String>) -> Residence {
    let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    if is_forwarded_name(model.as_str()) || said(host) || said(remote) {
        Residence::Forwarded
    } else {
        Residence::Local
    }
}

/// A list of capabilities is complete: what is not in it is not there. `tools` is a guess of the daemon's
/// from the model's template, and the best that there is.
fn features(capabilities: &[String]) -> BTreeMap<Feature, bool> {
    let has = |name: &str| capabilities.iter().any(|capability| capability == name);
    let chat = has("completion");
    BTreeMap::from([
        (Feature::SupportsStreaming, chat),
        (Feature::SupportsMultiTurn, chat),
        (Feature::SupportsToolCalling, chat && has("tools")),
        (Feature::SupportsVision, chat && has("vision")),
        (Feature::SupportsThinking, chat && has("thinking")),
        (Feature::NativeStreamEndpoint, chat),
    ])
}

/// The context that the model was made for: `<architecture>.context_length`.
fn context(show: &Show) -> Option<u64> {
    let info = show.model_info.as_ref()?;
    let architecture = info.get("general.architecture")?.as_str()?;
    let tokens = info
        .get(&format!("{architecture}.context_length"))?
        .as_u64()?;
    (1..=MAX_CONTEXT).contains(&tokens).then_some(tokens)
}

fn family(model: &ModelId, details: Option<&Details>) -> Option<handshake_core::ids::Token> {
    profile::family_token(model.as_str())
        .or_else(|| profile::family_token(details?.family.as_deref()?))
}
