//! The envelope: the immutable, fully rendered outgoing request, and its digests.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    base_url::{BaseUrl, Origin},
    digest::{Digest, canonical_json},
    ids::{ModelId, ProviderId},
    reply::ReplySpec,
    secret::SecretRef,
};

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
const FORBIDDEN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "cookie",
    "proxy-authorization",
    "proxy-connection",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "via",
    "traceparent",
    "tracestate",
    "baggage",
];

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
            if !named || FORBIDDEN_HEADERS.contains(&name.as_str()) {
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
        if !segments_ok || !self.path.starts_with(self.base_url.path()) {
            return Err(InvalidEnvelope(
                "the path must be the base URL's path followed by plain segments",
            ));
        }
        if self.method == Method::Get && !self.body.is_empty() {
            return Err(InvalidEnvelope("a GET request must not have a body"));
        }
        Ok(())
    }

    /// `m` of the envelope hash: canonical JSON of everything but the body.
    #[must_use]
    pub fn manifest(&self) -> Vec<u8> {
        let value = serde_json::json!({
            "method": self.method,
            "origin": self.origin(),
            "path": self.path,
            "headers": self.headers,
            "provider_id": self.provider_id,
            "revision": self.revision,
            "model_id": self.model_id,
        });
        canonical_json(&value).expect("a manifest holds only strings and small integers")
    }

    /// `SHA-256("hsk.envelope.v1\0" ‖ salt ‖ u32be(len m) ‖ m ‖ body)`.
    #[must_use]
    pub fn envelope_sha256(&self, salt: &Salt) -> Digest {
        let m = self.manifest();
        let len = u32::try_from(m.len()).unwrap_or(u32::MAX).to_be_bytes();
        Digest::of(&[b"hsk.envelope.v1\0", salt.as_bytes(), &len, &m, &self.body])
    }

    /// `SHA-256(salt ‖ body)`.
    #[must_use]
    pub fn payload_sha256(&self, salt: &Salt) -> Digest {
        Digest::of(&[salt.as_bytes(), &self.body])
    }
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

/// What `prepare` makes: the envelope, and what the decoder must know.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The outgoing request.
    pub envelope: Arc<Envelope>,
    /// The decoder's side.
    pub reply: Arc<ReplySpec>,
    /// Parameters as they were asked for and as they are sent, where they differ. Names and numbers only.
    pub adjusted: Vec<Adjustment>,
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

/// What a leakage validator sees: the envelope, read-only.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeView<'a> {
    envelope: &'a Envelope,
}

impl<'a> EnvelopeView<'a> {
    /// Views an envelope.
    #[must_use]
    pub fn new(envelope: &'a Envelope) -> Self {
        Self { envelope }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &'a str {
        &self.envelope.path
    }

    /// The plain headers, in order of name.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.envelope
            .headers
            .iter()
            .filter_map(|(name, value)| match value {
                HeaderValue::Plain(text) => Some((name.as_str(), text.as_str())),
                HeaderValue::Secret { .. } => None,
            })
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.envelope.body
    }
}
