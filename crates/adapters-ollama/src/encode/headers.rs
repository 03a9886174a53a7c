//! The header manifest. It names everything that is sent, so the transport adds nothing but host and length.

use std::collections::BTreeMap;

use handshake_core::{envelope::HeaderValue, provider::ProviderRecord};

/// The headers of a call with a body.
pub(crate) fn post(record: &ProviderRecord, stream: bool) -> BTreeMap<String, HeaderValue> {
    let accept = if stream {
        "application/x-ndjson"
    } else {
        "application/json"
    };
    let mut headers = common(record, accept);
    headers.insert("content-type".to_owned(), plain("application/json"));
    headers
}

/// The headers of a call without one.
pub(crate) fn get(record: &ProviderRecord) -> BTreeMap<String, HeaderValue> {
    common(record, "application/json")
}

fn common(record: &ProviderRecord, accept: &str) -> BTreeMap<String, HeaderValue> {
    let mut headers = BTreeMap::from([
        ("accept".to_owned(), plain(accept)),
        ("accept-encoding".to_owned(), plain("identity")),
        ("user-agent".to_owned(), plain("handshake")),
    ]);
    // A daemon has no keys of its own; its vendor's cloud and proxies before it do.
    if let Some(secret_ref) = &record.secret_ref {
        let secret = HeaderValue::Secret {
            secret_ref: secret_ref.clone(),
            prefix: "Bearer ",
        };
        headers.insert("authorization".to_owned(), secret);
    }
    headers
}

fn plain(text: &str) -> HeaderValue {
    HeaderValue::Plain(text.to_owned())
}
