//! The envelope: the immutable, fully rendered outgoing request, and its digests.

mod prepared;
mod view;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    base_url::{BaseUrl, Origin},
    ids::{ModelId, ProviderId},
    secret::SecretRef,
    tier::ModelTier,
};

pub(crate) use self::prepared::{attempt_hash, body_commitment};
pub use self::{prepared::Prepared, view::EnvelopeView};

/// The methods that exist here.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Calls.
    Post,
}

/// A header of the manifest: a value, or a placeholder for the secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HeaderValue {
    /// A value, as it is sent.
    Plain(String),
    /// The secret, filled in by the transport and nowhere else.
    Secret {
        /// Where the secret lives.
        secret_ref: SecretRef,
        /// The text before it, such as `Bearer `. Not part of the manifest's hash: it is fixed by
        /// the header and the dialect.
        #[serde(skip)]
        prefix: &'static str,
    },
}

/// Everything that goes on the wire except `host`, `content-length` and the secret's value.
#[derive(Clone, PartialEq)]
pub struct Envelope {
    /// The method.
    pub method: Method,
    /// The provider's base URL, checked.
    pub base_url: BaseUrl,
    /// The path below the origin, the base URL's own path included.
    pub path: String,
    /// The header manifest; names lower case.
    pub headers: BTreeMap<String, HeaderValue>,
    /// The provider.
    pub provider_id: ProviderId,
    /// The provider's revision.
    pub revision: u64,
    /// The model; `None` for payload-free control calls.
    pub model_id: Option<ModelId>,
    /// The body, exactly as it will be sent.
    pub body: Bytes,
}

/// Headers that an adapter may never put into the manifest: the transport owns them, or they frame,
/// authenticate or route the message.
fn is_forbidden(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "transfer-encoding"
            | "connection"
            | "te"
            | "trailer"
            | "upgrade"
            | "expect"
            | "cookie"
            | "proxy-authorization"
            | "proxy-connection"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "via"
            | "traceparent"
            | "tracestate"
            | "baggage"
    )
}

/// An envelope that breaks a rule of its manifest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid envelope: {0}")]
pub struct InvalidEnvelope(pub &'static str);

impl Envelope {
    /// The origin that it goes to.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.base_url.origin()
    }

    /// The secret that it needs, if any.
    #[must_use]
    pub fn secret_ref(&self) -> Option<&SecretRef> {
        self.headers.values().find_map(|value| match value {
            HeaderValue::Secret { secret_ref, .. } => Some(secret_ref),
            HeaderValue::Plain(_) => None,
        })
    }

    /// Whether it carries nothing at all, to a server on this machine: such a question may be asked anywhere at it.
    pub(crate) fn is_bare(&self) -> bool {
        self.method == Method::Get
            && self.body.is_empty()
            && self.model_id.is_none()
            && self.secret_ref().is_none()
            && self.base_url.lexical_tier() == ModelTier::Local
    }

    /// Checks the manifest and the path. The gate does so again for every envelope.
    ///
    /// # Errors
    /// [`InvalidEnvelope`] with the rule.
    pub fn check(&self) -> Result<(), InvalidEnvelope> {
        let secrets = self
            .headers
            .values()
            .filter(|v| matches!(v, HeaderValue::Secret { .. }))
            .count();
        if secrets > 1 {
            return Err(InvalidEnvelope("more than one header holds a secret"));
        }
        for (name, value) in &self.headers {
            let named = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !named || is_forbidden(name) {
                return Err(InvalidEnvelope("adapters must not set this header"));
            }
            if let HeaderValue::Plain(text) = value
                && !text.bytes().all(|b| (0x20..=0x7e).contains(&b))
            {
                return Err(InvalidEnvelope("header values must be visible ASCII"));
            }
        }
        let segments_ok = self.path.starts_with('/')
            && self.path[1..].split('/').all(|s| {
                !s.is_empty()
                    && s != "."
                    && s != ".."
                    && s.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._~-:@=+".contains(&b))
            });
        let within = self.path.starts_with(self.base_url.path());
        let plain = segments_ok || (self.path == "/" && self.is_bare());
        if !plain || !(within || self.is_bare()) {
            return Err(InvalidEnvelope(
                "the path must be the base URL's path followed by plain segments",
            ));
        }
        if self.method == Method::Get && !self.body.is_empty() {
            return Err(InvalidEnvelope("a GET request must not have a body"));
        }
        Ok(())
    }

    /// `m` of the envelope hash: canonical JSON of everything but the body. [`Prepared::manifest`] keeps it.
    ///
    /// # Panics
    /// Never: a manifest holds text and one integer.
    #[must_use]
    pub fn manifest(&self) -> Bytes {
        let manifest = Manifest {
            headers: &self.headers,
            method: self.method,
            model_id: self.model_id.as_ref(),
            origin: self.origin(),
            path: &self.path,
            provider_id: &self.provider_id,
            revision: self.revision,
        };
        serde_json::to_vec(&manifest)
            .expect("text and an integer")
            .into()
    }
}

/// Members in the order of RFC 8785, so that plain writing is canonical writing: text is escaped in the same way,
/// and there is no float. A test holds it against the canonicaliser.
#[derive(Serialize)]
struct Manifest<'a> {
    headers: &'a BTreeMap<String, HeaderValue>,
    method: Method,
    model_id: Option<&'a ModelId>,
    origin: Origin,
    path: &'a str,
    provider_id: &'a ProviderId,
    revision: u64,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("method", &self.method)
            .field("provider_id", &self.provider_id)
            .field("revision", &self.revision)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// 32 random bytes that keep content hashes from being guessed. Lives sealed beside the plan.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// Takes 32 bytes of entropy.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes: for hashing, for sealing, and for `consent reveal`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// A parameter that was changed on the way, within the rules.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// The parameter's name, one of ours.
    pub parameter: String,
    /// What was asked for, if anything.
    pub requested: Option<u64>,
    /// What is sent; `None` means left out.
    pub effective: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::canonical_json;

    /// A question that carries nothing may go anywhere at a server on this machine; nothing else leaves the base URL.
    #[test]
    fn s38_only_what_carries_nothing_leaves_the_base_url() {
        let question = |url: &str, path: &str| Envelope {
            method: Method::Get,
            base_url: BaseUrl::parse(url).expect("a url"),
            path: path.to_owned(),
            headers: BTreeMap::new(),
            provider_id: ProviderId::new("p").expect("an id"),
            revision: 1,
            model_id: None,
            body: Bytes::new(),
        };
        for path in ["/", "/api/version", "/v1/models"] {
            assert_eq!(
                question("http://127.0.0.1:1/v1", path).check(),
                Ok(()),
                "{path}"
            );
        }
        let bare = question("http://127.0.0.1:1/v1", "/api/version");
        let refused = [
            question("https://api.example.com/v1", "/api/version"),
            question("https://api.example.com", "/"),
            question("http://127.0.0.1:1/v1", "/../x"),
            question("http://127.0.0.1:1/v1", "//"),
            question("http://127.0.0.1:1/v1", "/a b"),
            Envelope {
                method: Method::Post,
                ..bare.clone()
            },
            Envelope {
                model_id: Some(ModelId::new("m").expect("an id")),
                ..bare.clone()
            },
            Envelope {
                headers: BTreeMap::from([(
                    "authorization".to_owned(),
                    HeaderValue::Secret {
                        secret_ref: "vault:key".parse().expect("a reference"),
                        prefix: "",
                    },
                )]),
                ..bare
            },
        ];
        for envelope in refused {
            assert!(envelope.check().is_err(), "{}", envelope.path);
        }
    }

    /// Whatever stands in it: control characters, quotes, other scripts, header names out of order.
    #[test]
    fn a8_the_manifest_is_canonical_json() {
        let plain = |text: &str| HeaderValue::Plain(text.to_owned());
        let secret = HeaderValue::Secret {
            secret_ref: "vault:key".parse().expect("a reference"),
            prefix: "Bearer ",
        };
        let envelope = Envelope {
            method: Method::Post,
            base_url: BaseUrl::parse("https://api.example.com/v1").expect("a url"),
            path: "/v1/\u{7f}\u{2028}\u{1f980}/\"\\\u{1}\n\u{8}\u{c}".to_owned(),
            headers: BTreeMap::from([
                ("x-b".to_owned(), plain("\t\u{1f}é/")),
                ("accept".to_owned(), plain("")),
                ("authorization".to_owned(), secret),
            ]),
            provider_id: ProviderId::new("named").expect("an id"),
            revision: 1 << 53,
            model_id: Some(ModelId::new("m/1:é").unwrap_or(ModelId::new("m/1:e").expect("an id"))),
            body: Bytes::new(),
        };
        for model_id in [envelope.model_id.clone(), None] {
            let envelope = Envelope {
                model_id,
                ..envelope.clone()
            };
            let value = serde_json::json!({
                "method": envelope.method,
                "origin": envelope.origin(),
                "path": envelope.path,
                "headers": envelope.headers,
                "provider_id": envelope.provider_id,
                "revision": envelope.revision,
                "model_id": envelope.model_id,
            });
            assert_eq!(
                envelope.manifest(),
                canonical_json(&value).expect("canonical")
            );
        }
    }
}
