//! The header manifest.

use std::collections::BTreeMap;

use handshake_core::{envelope::HeaderValue, provider::ProviderRecord};

use crate::dialect::Dialect;

/// The headers of a chat call.
pub(super) fn chat(
    record: &ProviderRecord,
    dialect: &Dialect,
    stream: bool,
) -> BTreeMap<String, HeaderValue> {
    let accept = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let mut headers = common(record, dialect, accept);
    headers.insert("content-type".to_owned(), plain("application/json"));
    headers
}

/// The headers of a payload-free call.
pub(crate) fn control(record: &ProviderRecord, dialect: &Dialect) -> BTreeMap<String, HeaderValue> {
    common(record, dialect, "application/json")
}

fn common(
    record: &ProviderRecord,
    dialect: &Dialect,
    accept: &str,
) -> BTreeMap<String, HeaderValue> {
    let mut headers = BTreeMap::from([
        ("accept".to_owned(), plain(accept)),
        ("accept-encoding".to_owned(), plain("identity")),
        ("user-agent".to_owned(), plain("handshake")),
    ]);
    if let Some(secret_ref) = &record.secret_ref {
        let (name, prefix) = dialect.auth;
        headers.insert(
            name.to_owned(),
            HeaderValue::Secret {
                secret_ref: secret_ref.clone(),
                prefix,
            },
        );
    }
    headers
}

pub(super) fn plain(text: &str) -> HeaderValue {
    HeaderValue::Plain(text.to_owned())
}
