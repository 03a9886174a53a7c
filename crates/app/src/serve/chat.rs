//! `POST /v1/chat/completions`.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use handshake_core::{
    chat::{ChatRequest, Shape, Target, Verbatim},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ModelRef, SessionId, TraceId},
    ports::EntropyExt,
    profile::RegistryView,
};
use handshake_runtime::{CallOptions, ConsentMode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Shared,
    auth::Client,
    failure,
    openai::{self, Ids, Read, bad},
    reply,
};

/// The kind whose wire is the same shape as this route.
const SAME_SHAPE: &str = "openai_compat";

pub(super) async fn completions(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let began = shared.app.clock.monotonic();
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !json.is_some_and(|value| value.trim_start().starts_with("application/json")) {
        return failure::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        );
    }
    let trace_id = TraceId::from_entropy(shared.app.entropy.bytes());
    match compose(&shared, &client, &headers, &body, trace_id) {
        Err(error) => failure::answer(&error, trace_id),
        Ok((request, options, read)) => {
            let overhead = shared.app.clock.monotonic().saturating_sub(began);
            let handle = shared.app.runtime.chat(request, options);
            reply::answer(handle, read, trace_id, overhead).await
        }
    }
}

fn compose(
    shared: &Shared,
    client: &Client,
    headers: &HeaderMap,
    body: &Bytes,
    trace_id: TraceId,
) -> Result<(ChatRequest, CallOptions, Read), CallError> {
    let app = &shared.app;
    under_its_profile(client)?;
    let draw = || app.entropy.bytes();
    let mut read = openai::read(
        body,
        &Ids {
            draw: &draw,
            now: app.clock.now(),
        },
    )?;
    let target = match read.model.strip_prefix("role:") {
        Some(role) => Target::Role(role.parse().map_err(|_| bad("model"))?),
        None => Target::Model(read.model.parse().map_err(|_| {
            CallError::new(ErrorCode::Model404, Phase::Resolve)
                .about("model is provider/model or role:NAME")
        })?),
    };
    let verbatim = match &target {
        Target::Model(model) => {
            let open = client
                .token
                .models
                .as_ref()
                .is_none_or(|models| models.contains(model));
            if !open {
                return Err(CallError::new(ErrorCode::Model404, Phase::Resolve));
            }
            same_shape(&client.view, model, body)?
        }
        // A role may lead to any model, so a token that names models opens none through it.
        Target::Role(_) if client.token.models.is_some() => {
            return Err(CallError::new(ErrorCode::Model404, Phase::Resolve));
        }
        Target::Role(_) => None,
    };
    if verbatim.is_none()
        && let Some(field) = read.refused
    {
        return Err(bad(field));
    }
    if verbatim.is_some() {
        read.advisory.clear();
    }
    let consent_session = match headers
        .get("x-handshake-session")
        .map(|value| value.to_str())
    {
        None => SessionId::new(format!(
            "client:{}",
            client.token.name.as_str().replace('/', "_")
        )),
        Some(Ok(name)) => SessionId::new(format!(
            "client:{}:{name}",
            client.token.name.as_str().replace('/', "_")
        )),
        Some(Err(_)) => return Err(bad("x-handshake-session")),
    };
    let options = CallOptions {
        consent: consent_mode(headers)?,
        consent_session: Some(consent_session.map_err(|_| bad("x-handshake-session"))?),
        ..CallOptions::default()
    };
    let request = ChatRequest {
        session_id: SessionId::new(format!("request-{trace_id}")).map_err(|_| bad("session"))?,
        trace_id,
        principal: client.principal.clone(),
        target,
        messages: std::mem::take(&mut read.messages),
        tools: std::mem::take(&mut read.tools),
        tool_choice: read.tool_choice.clone(),
        structured_output_schema: read.schema.clone(),
        stream: read.stream,
        params: read.params.clone(),
        artifacts: Vec::new(),
        verbatim,
    };
    Ok((request, options, read))
}

/// A token that was made for a work profile opens nothing while another one, or none, is active: calls run
/// under the active profile, and a client must not get what its token was never meant for.
fn under_its_profile(client: &Client) -> Result<(), CallError> {
    let Some(wanted) = &client.token.profile else {
        return Ok(());
    };
    match &client.view.profile {
        Some(profile) if profile.profile_id == *wanted => Ok(()),
        _ => Err(CallError::new(ErrorCode::Profile404, Phase::Resolve)
            .about("the token's work profile is not the active one")),
    }
}

/// `Prefer: wait=N`; `0` answers at once.
fn consent_mode(headers: &HeaderMap) -> Result<ConsentMode, CallError> {
    let prefer = headers
        .get("prefer")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let wait = prefer
        .split([',', ';'])
        .find_map(|part| part.trim().strip_prefix("wait="));
    match wait.map(str::parse::<u64>) {
        None => Ok(ConsentMode::Wait(Duration::from_secs(540))),
        Some(Ok(0)) => Ok(ConsentMode::AnswerAtOnce),
        Some(Ok(seconds)) => Ok(ConsentMode::Wait(Duration::from_secs(seconds.min(600)))),
        Some(Err(_)) => Err(bad("prefer")),
    }
}

/// The client's own bytes, where the provider speaks the same shape. Only the value of `model` is replaced:
/// the client knows our name of the model, and the provider knows its own.
fn same_shape(
    view: &RegistryView,
    model: &ModelRef,
    body: &Bytes,
) -> Result<Option<Verbatim>, CallError> {
    let same = view
        .providers
        .get(&model.provider)
        .is_some_and(|record| record.provider_kind.as_str() == SAME_SHAPE);
    if !same {
        return Ok(None);
    }
    Ok(Some(Verbatim {
        shape: Shape::ChatCompletions,
        body: with_model(body, model.model.as_str()).ok_or_else(|| bad("model"))?,
        headers: std::collections::BTreeMap::new(),
    }))
}

/// The body with another value of its one top-level `model`.
fn with_model(body: &Bytes, model: &str) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        model: &'a RawValue,
    }
    // serde refuses a second `model`, so there is one span and no doubt which one counts.
    let named: Named<'_> = serde_json::from_slice(body).ok()?;
    let start = named.model.get().as_ptr() as usize - body.as_ptr() as usize;
    let end = start + named.model.get().len();
    let value = serde_json::to_string(model).ok()?;
    Some(
        [&body[..start], value.as_bytes(), &body[end..]]
            .concat()
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_same_shape_body_changes_in_the_value_of_model_only() {
        let body = Bytes::from_static(
            b"{ \"x\":1.50,\n\"model\" : \"p/a/b\",\"messages\":[{\"model\":\"p/a/b\"}] }",
        );
        let sent = with_model(&body, "a/b").expect("one model");
        assert_eq!(
            &sent[..],
            b"{ \"x\":1.50,\n\"model\" : \"a/b\",\"messages\":[{\"model\":\"p/a/b\"}] }"
        );
        assert!(
            with_model(
                &Bytes::from_static(b"{\"model\":\"a\",\"model\":\"b\"}"),
                "c"
            )
            .is_none()
        );
        assert!(with_model(&Bytes::from_static(b"[]"), "c").is_none());
    }
}
