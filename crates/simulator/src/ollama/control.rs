//! `/api/version`, `/api/status`, `/api/tags`, `/api/ps`, `/api/show`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::dto::ShowRequest;
use super::{CREATED_AT, JSON, WIRE, error, json, missing};
use crate::Route;
use crate::dispatch::{Call, Outcome, control};
use crate::engine::Probe;
use crate::frame::Answer;
use crate::script::model::{Model, Remote};

/// When a loaded model would go.
const EXPIRES_AT: &str = "2026-01-01T00:05:00Z";

#[derive(Serialize)]
struct Version {
    version: String,
}

#[derive(Serialize)]
struct Status {
    cloud: Cloud,
}

#[derive(Serialize)]
struct Cloud {
    disabled: bool,
    source: &'static str,
}

#[derive(Serialize)]
struct List {
    models: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at: Option<&'static str>,
    size: u64,
    digest: String,
    details: Details,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_vram: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
}

#[derive(Serialize)]
struct Details {
    parent_model: &'static str,
    format: &'static str,
    family: &'static str,
    families: [&'static str; 1],
    parameter_size: &'static str,
    quantization_level: &'static str,
}

#[derive(Serialize)]
struct Show {
    modelfile: &'static str,
    parameters: &'static str,
    template: &'static str,
    details: Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_host: Option<String>,
    model_info: BTreeMap<&'static str, Value>,
    capabilities: Vec<String>,
    modified_at: &'static str,
}

fn details() -> Details {
    Details {
        parent_model: "",
        format: "gguf",
        family: "simulator",
        families: ["simulator"],
        parameter_size: "1B",
        quantization_level: "Q4_0",
    }
}

fn parts(remote: Option<Remote>) -> (Option<String>, Option<String>) {
    match remote {
        Some(Remote { host, model }) => (Some(model), Some(host)),
        None => (None, None),
    }
}

fn entry(model: &Model) -> Entry {
    let (remote_model, remote_host) = parts(model.forwarded());
    Entry {
        name: model.name.clone(),
        model: model.name.clone(),
        remote_model,
        remote_host,
        modified_at: Some(CREATED_AT),
        size: model.size,
        digest: model.digest(),
        details: details(),
        capabilities: model.capabilities.clone(),
        expires_at: None,
        size_vram: None,
        context_length: None,
    }
}

/// Answers `/api/version`.
pub(super) fn version(call: &Call<'_>) -> Outcome {
    control(call, Probe::control(WIRE, Route::Version, ""), || {
        let version = call.engine(|engine| engine.daemon().version.clone());
        Answer::whole(200, JSON, json(&Version { version }))
    })
}

/// Answers `/api/status`.
pub(super) fn status(call: &Call<'_>) -> Answer {
    let disabled = call.engine(|engine| engine.daemon().cloud_disabled);
    let source = if disabled { "env" } else { "none" };
    Answer::whole(
        200,
        JSON,
        json(&Status {
            cloud: Cloud { disabled, source },
        }),
    )
}

/// Answers `/api/tags`.
pub(super) fn tags(call: &Call<'_>) -> Outcome {
    control(call, Probe::control(WIRE, Route::Models, ""), || {
        let models = call.engine(|engine| engine.models().iter().map(entry).collect());
        Answer::whole(200, JSON, json(&List { models }))
    })
}

/// Answers `/api/ps`.
pub(super) fn running(call: &Call<'_>) -> Outcome {
    control(call, Probe::control(WIRE, Route::Running, ""), || {
        let running = call.engine(|engine| engine.running());
        let models = running
            .iter()
            .map(|(model, context)| Entry {
                modified_at: None,
                capabilities: Vec::new(),
                expires_at: Some(EXPIRES_AT),
                size_vram: Some(model.size),
                context_length: Some(*context),
                ..entry(model)
            })
            .collect();
        Answer::whole(200, JSON, json(&List { models }))
    })
}

/// Answers `/api/show`.
pub(super) fn show(call: &Call<'_>) -> Outcome {
    let request: ShowRequest = match serde_json::from_slice(call.body) {
        Ok(request) => request,
        Err(reason) => return error(400, &format!("json: {reason}")).into(),
    };
    let name = if request.model.is_empty() {
        request.name
    } else {
        request.model
    };
    if name.is_empty() {
        return error(400, "model is required").into();
    }
    control(call, Probe::control(WIRE, Route::Show, &name), || {
        let found = match call.engine(|engine| engine.find(WIRE, &name)) {
            Ok(found) => found,
            Err(reason) => return missing(reason, &name),
        };
        let (remote_model, remote_host) = parts(found.remote);
        let model_info = BTreeMap::from([
            ("general.architecture", Value::from("simulator")),
            (
                "simulator.context_length",
                found.model.context_length.into(),
            ),
            (
                "simulator.embedding_length",
                found.model.embedding_length.into(),
            ),
        ]);
        let show = Show {
            modelfile: "FROM simulator",
            parameters: "",
            template: "{{ .Prompt }}",
            details: details(),
            remote_model,
            remote_host,
            model_info,
            capabilities: found.model.capabilities,
            modified_at: CREATED_AT,
        };
        Answer::whole(200, JSON, json(&show))
    })
}
