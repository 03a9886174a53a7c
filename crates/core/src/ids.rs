//! Identifiers: validated at the edge, never rewritten, ordered and printable everywhere.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An identifier whose text does not have the required form. Holds no part of the rejected text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid {kind}: expected {expected}")]
pub struct InvalidId {
    /// Which identifier was expected.
    pub kind: &'static str,
    /// Its form: a regular expression, or a word for it.
    pub expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $form:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[serde(try_from = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl $name {
            /// Checks the text and keeps it as it is.
            ///
            /// # Errors
            /// [`InvalidId`] when the text does not have the documented form.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { kind: $kind, expected: $form })
                }
            }

            /// The text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $form })
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
            schemars::JsonSchema,
        )]
        #[serde(try_from = "Uuid", into = "Uuid")]
        #[schemars(with = "Uuid")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            ///
            /// # Errors
            /// [`InvalidId`] for the nil UUID, which always means that it was never set.
            pub fn new(uuid: Uuid) -> Result<Self, InvalidId> {
                if uuid.is_nil() {
                    Err(InvalidId { kind: $kind, expected: "a UUID" })
                } else {
                    Ok(Self(uuid))
                }
            }

            /// Makes a random (version 4) id from 16 bytes of entropy.
            #[must_use]
            pub fn from_entropy(bytes: [u8; 16]) -> Self {
                // The version bits are set, so the result is never nil.
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The UUID itself.
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text)
                    .map_err(|_| InvalidId { kind: $kind, expected: "a UUID" })
                    .and_then(Self::new)
            }
        }

        impl TryFrom<Uuid> for $name {
            type Error = InvalidId;
            fn try_from(uuid: Uuid) -> Result<Self, InvalidId> {
                Self::new(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

fn each(text: &str, max: usize, ok: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= max && text.bytes().all(ok)
}

fn visible(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte)
}

fn starts(text: &str, ok: fn(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(ok)
}

text_id! {
    /// A configured endpoint's stable, human-readable id.
    ProviderId, "provider_id", "^[a-z0-9][a-z0-9-]{0,62}$",
    |t| each(t, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && starts(t, |b| b != b'-')
}
text_id! {
    /// A short machine word: provider kinds, dialects, model families.
    Token, "token", "^[a-z][a-z0-9_]{0,31}$",
    |t| each(t, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && starts(t, |b| b.is_ascii_lowercase())
}
text_id! {
    /// A provider's own name for a model. May hold `/`; holds no white space and no control.
    ModelId, "model_id", "^[!-~]{1,256}$", |t| each(t, 256, visible)
}
text_id! {
    /// A runtime or consent session.
    SessionId, "session_id", "^[A-Za-z0-9._:-]{1,128}$",
    |t| each(t, 128, |b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}
text_id! {
    /// A work profile.
    ProfileId, "profile_id", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    |t| each(t, 64, |b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && starts(t, |b| b.is_ascii_alphanumeric())
}
text_id! {
    /// A role of a work profile: `frontend`, `orchestrator`, `worker`, `validator` or an extension.
    RoleId, "role", "^[a-z][a-z0-9_]{0,31}$",
    |t| each(t, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && starts(t, |b| b.is_ascii_lowercase())
}
text_id! {
    /// A tool of the registry: dotted, at least two parts.
    ToolId, "tool_id", r"^[a-z0-9_]+(\.[a-z0-9_]+)+$",
    |t| t.len() <= 128 && t.contains('.')
        && t.split('.').all(|part| each(part, 128, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
}
text_id! {
    /// The name under which a tool travels in one request: a registry id, or a client's own name.
    ToolName, "tool name", "^[A-Za-z0-9_.:/-]{1,128}$",
    |t| each(t, 128, |b| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b))
}
text_id! {
    /// A provider's own id of a tool call, replayed as it came.
    ProviderCallId, "provider_call_id", "^[!-~]{1,512}$", |t| each(t, 512, visible)
}
text_id! {
    /// A work unit's id from outside (job, work package, micro task). It labels, and authorises nothing.
    ExternalId, "external id", "^[A-Za-z0-9._:/-]{1,96}$",
    |t| each(t, 96, |b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b))
}
text_id! {
    /// A leakage rule.
    RuleId, "rule id", "^[a-z0-9][a-z0-9._-]{0,95}$",
    |t| each(t, 96, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        && starts(t, |b| b.is_ascii_alphanumeric())
}
text_id! {
    /// A stored artefact or prompt, by reference.
    ArtifactRef, "artifact ref", "^[A-Za-z0-9._:/-]{1,256}$",
    |t| each(t, 256, |b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b))
}
text_id! {
    /// The short name of a signing key: the first 16 hex digits of SHA-256 over its public part.
    KeyId, "key id", "^[0-9a-f]{16}$",
    |t| t.len() == 16 && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

uuid_id! {
    /// One trace: everything that one request of a caller caused.
    TraceId, "trace id"
}
uuid_id! {
    /// One request for consent.
    RequestId, "request id"
}
uuid_id! {
    /// One projection plan.
    PlanId, "plan id"
}
uuid_id! {
    /// One consent receipt.
    ReceiptId, "receipt id"
}
uuid_id! {
    /// One logical use of a receipt: one call, whatever its number of attempts.
    UseId, "use id"
}
uuid_id! {
    /// One message.
    MessageId, "message id"
}
uuid_id! {
    /// One tool call, by our own id.
    ToolCallId, "tool call id"
}
uuid_id! {
    /// One recorded event.
    EventId, "event id"
}
uuid_id! {
    /// One request to swap a session's model.
    SwapId, "swap id"
}

/// `provider_id/model_id`, split at the first `/` only: model ids may hold `/` themselves.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    /// The provider.
    pub provider: ProviderId,
    /// The provider's name for the model.
    pub model: ModelId,
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for ModelRef {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (provider, model) = text.split_once('/').ok_or(InvalidId {
            kind: "model",
            expected: "PROVIDER/MODEL",
        })?;
        Ok(Self {
            provider: ProviderId::new(provider)?,
            model: ModelId::new(model)?,
        })
    }
}

impl TryFrom<String> for ModelRef {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(r: ModelRef) -> Self {
        r.to_string()
    }
}

impl schemars::JsonSchema for ModelRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModelRef".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9][a-z0-9-]{0,62}/[!-~]{1,256}$"
        })
    }
}

/// Who asks: a person at a terminal, a client token, an embedding application. Never a request's word.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// What kind of asker.
    pub kind: PrincipalKind,
    /// Its name: OS account, token name, application name.
    pub name: ExternalId,
}

/// The kinds of [`Principal`].
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
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person at a terminal of this machine.
    Terminal,
    /// A gateway client, by its token.
    Client,
    /// An application that embeds the crates.
    Application,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PrincipalKind::Terminal => "terminal",
            PrincipalKind::Client => "client",
            PrincipalKind::Application => "application",
        };
        write!(f, "{kind}:{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_ref_splits_at_the_first_slash_only() {
        let r: ModelRef = "router/vendor/model:free".parse().expect("valid");
        assert_eq!(r.provider.as_str(), "router");
        assert_eq!(r.model.as_str(), "vendor/model:free");
        assert_eq!(r.to_string(), "router/vendor/model:free");
    }

    #[test]
    fn a1_provider_ids_have_one_form() {
        for good in ["a", "0", "openai-main", &"a".repeat(63)] {
            assert!(ProviderId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a.b", "ä", &"a".repeat(64), "a b"] {
            assert!(ProviderId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rejected_text_is_not_repeated() {
        let err = ProviderId::new("SECRET VALUE")
            .expect_err("invalid")
            .to_string();
        assert!(!err.contains("SECRET"));
    }

    #[test]
    fn nil_ids_are_refused() {
        assert!(TraceId::new(Uuid::nil()).is_err());
        assert!(
            "00000000-0000-0000-0000-000000000000"
                .parse::<TraceId>()
                .is_err()
        );
    }
}
