//! Envelopes, as far as they are the same for every API.

use std::collections::BTreeMap;

use bytes::Bytes;
use handshake_core::{
    envelope::{Envelope, HeaderValue, Method},
    provider::ProviderRecord,
};

/// The header of the secret, and what stands before the secret in it.
pub type Auth = (&'static str, &'static str);

/// The secret as a bearer token.
pub const BEARER: Auth = ("authorization", "Bearer ");

/// A request without a body, to `path` below the record's base URL. Where the record names a secret, the transport fills it
/// in, behind the gate.
#[must_use]
pub fn get(record: &ProviderRecord, path: &str, auth: Auth) -> Envelope {
    let mut headers = BTreeMap::from([
        ("accept".to_owned(), plain("application/json")),
        ("accept-encoding".to_owned(), plain("identity")),
        ("user-agent".to_owned(), plain("handshake")),
    ]);
    if let Some(secret_ref) = &record.secret_ref {
        let (name, prefix) = auth;
        let secret = HeaderValue::Secret {
            secret_ref: secret_ref.clone(),
            prefix,
        };
        headers.insert(name.to_owned(), secret);
    }
    Envelope {
        method: Method::Get,
        base_url: record.base_url.clone(),
        path: format!("{}{path}", record.base_url.path()),
        headers,
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id: None,
        body: Bytes::new(),
    }
}

/// The same with a JSON body, asking for an answer of the media type `accept`.
#[must_use]
pub fn post(
    record: &ProviderRecord,
    path: &str,
    auth: Auth,
    accept: &str,
    body: impl Into<Bytes>,
) -> Envelope {
    let mut envelope = get(record, path, auth);
    envelope.method = Method::Post;
    envelope.headers.insert("accept".to_owned(), plain(accept));
    let json = plain("application/json");
    envelope.headers.insert("content-type".to_owned(), json);
    envelope.body = body.into();
    envelope
}

pub(super) fn plain(text: &str) -> HeaderValue {
    HeaderValue::Plain(text.to_owned())
}
