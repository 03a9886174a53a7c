//! `GET /v1/models`.

use axum::{
    Extension, Json,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use handshake_core::ids::ModelRef;
use serde_json::{Value, json};

use super::{auth::Client, failure};

/// The models that this client may name: enabled ones, within its token.
fn visible(client: &Client) -> impl Iterator<Item = (&ModelRef, i64)> {
    let open = |model: &&ModelRef| {
        let models = client.token.models.as_ref();
        models.is_none_or(|models| models.contains(*model))
    };
    let known = client.view.snapshots.iter();
    known
        .filter(move |(model, snapshot)| snapshot.enabled && open(model))
        .map(|(model, snapshot)| (model, snapshot.fetched_at.unix_millis() / 1000))
}

fn entry(model: &ModelRef, created: i64) -> Value {
    json!({ "id": model, "object": "model", "created": created, "owned_by": model.provider })
}

pub(super) async fn list(Extension(client): Extension<Client>) -> Response {
    let models = visible(&client).map(|(model, created)| entry(model, created));
    let data: Vec<Value> = models.collect();
    Json(json!({ "object": "list", "data": data })).into_response()
}

pub(super) async fn show(
    Extension(client): Extension<Client>,
    Path(path): Path<std::collections::BTreeMap<String, String>>,
) -> Response {
    let wanted = path.get("id").map(String::as_str).unwrap_or_default();
    match visible(&client).find(|(model, _)| model.to_string() == wanted) {
        Some((model, created)) => Json(entry(model, created)).into_response(),
        None => failure::plain(StatusCode::NOT_FOUND, "there is no such model"),
    }
}
