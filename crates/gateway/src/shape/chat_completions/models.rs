//! `GET /v1/models`.

use axum::{
    Json,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use handshake_core::ids::{ModelRef, ProviderId};
use serde::Serialize;

use super::errors;
use crate::auth::Client;

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a ModelRef,
    object: &'static str,
    created: i64,
    owned_by: &'a ProviderId,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

/// The models that this client may name: enabled ones, within its token.
fn visible(client: &Client) -> impl Iterator<Item = Entry<'_>> {
    client
        .view
        .snapshots
        .iter()
        .filter(|(model, snapshot)| snapshot.enabled && client.opens(model))
        // What is not as it was sealed is refused when it is called, and so it is not offered.
        .filter(|(_, snapshot)| client.view.seals.snapshot(snapshot).is_ok())
        .map(|(model, snapshot)| Entry {
            id: model,
            object: "model",
            created: snapshot.fetched_at.unix_millis() / 1000,
            owned_by: &model.provider,
        })
}

pub(crate) async fn list(client: Client) -> Response {
    let data = visible(&client).collect();
    Json(List {
        object: "list",
        data,
    })
    .into_response()
}

pub(crate) async fn show(
    client: Client,
    Path(path): Path<std::collections::BTreeMap<String, String>>,
) -> Response {
    let wanted = path.get("id").map(String::as_str).unwrap_or_default();
    let wanted = wanted.parse::<ModelRef>().ok();
    let found = wanted.and_then(|wanted| visible(&client).find(|entry| *entry.id == wanted));
    match found {
        Some(entry) => Json(entry).into_response(),
        None => errors::plain(StatusCode::NOT_FOUND, "no such model"),
    }
}
