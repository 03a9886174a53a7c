//! `GET /v1/models`.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use handshake_core::{
    ids::ModelRef,
    ports::{ProviderStore, StoreError},
};
use serde_json::{Value, json};

use super::{Shared, auth::Client, failure};

/// The models that this client may name: enabled ones, within its token.
async fn visible(shared: &Shared, client: &Client) -> Result<Vec<(ModelRef, i64)>, StoreError> {
    let mut models = Vec::new();
    for record in shared
        .app
        .store
        .list()
        .await
        .map_err(|error: StoreError| error)?
    {
        for snapshot in shared.app.store.snapshots(&record.provider_id).await? {
            let model = ModelRef {
                provider: record.provider_id.clone(),
                model: snapshot.model_id.clone(),
            };
            let open = client
                .token
                .models
                .as_ref()
                .is_none_or(|models| models.contains(&model));
            if snapshot.enabled && open {
                models.push((model, snapshot.fetched_at.unix_millis() / 1000));
            }
        }
    }
    Ok(models)
}

fn entry(model: &ModelRef, created: i64) -> Value {
    json!({ "id": model, "object": "model", "created": created, "owned_by": model.provider })
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
) -> Response {
    match visible(&shared, &client).await {
        Ok(models) => {
            let data: Vec<Value> = models
                .iter()
                .map(|(model, created)| entry(model, *created))
                .collect();
            Json(json!({ "object": "list", "data": data })).into_response()
        }
        Err(_) => failure::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the models cannot be read",
        ),
    }
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    Path(path): Path<std::collections::BTreeMap<String, String>>,
) -> Response {
    let wanted = path.get("id").map(String::as_str).unwrap_or_default();
    match visible(&shared, &client).await {
        Ok(models) => match models.iter().find(|(model, _)| model.to_string() == wanted) {
            Some((model, created)) => Json(entry(model, *created)).into_response(),
            None => failure::plain(StatusCode::NOT_FOUND, "there is no such model"),
        },
        Err(_) => failure::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the models cannot be read",
        ),
    }
}
