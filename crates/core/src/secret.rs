//! Secrets: one type that cannot be printed, serialised or cloned, and references to where one lives.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};

use crate::{base_url::Origin, digest::KeyedHash};

/// A secret value. Zeroed on drop; no `Display`, no `Serialize`, no `Clone`; `Debug` prints nothing of it.
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretSlice::from(bytes))
    }

    /// The bytes. Only transport, vault and `leakage::enroll` may call this; `cargo xtask permits` checks it.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Whether the value is exactly this, compared in constant time.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.expose_secret(), other).into()
    }

    /// Whether two secrets are the same, compared in constant time.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.matches(other.0.expose_secret())
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a secret lives. Configurations hold references, never values.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretRef {
    /// A record of the vault.
    Vault(String),
    /// An item of the platform's keychain, under our own service name.
    Keyring(String),
    /// An environment variable.
    Env(String),
    /// A file in the credentials directory or the home, owner-only, one visible-ASCII line.
    File(String),
    /// The ingress client's own credential, forwarded to the enrolled origin only, never stored.
    Client,
}

/// A text that is not a secret reference. It may be a pasted key, so it is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "invalid secret_ref: expected vault:NAME, keyring:NAME, env:NAME, file:PATH or client:, never the key itself"
)]
pub struct InvalidSecretRef;

impl FromStr for SecretRef {
    type Err = InvalidSecretRef;
    fn from_str(text: &str) -> Result<Self, InvalidSecretRef> {
        let (kind, name) = text.split_once(':').ok_or(InvalidSecretRef)?;
        let word = |ok: fn(u8) -> bool| {
            let good = !name.is_empty() && name.len() <= 128 && name.bytes().all(ok);
            if good {
                Ok(name.to_owned())
            } else {
                Err(InvalidSecretRef)
            }
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        match kind {
            "vault" => word(plain).map(Self::Vault),
            "keyring" => word(plain).map(Self::Keyring),
            "env" => word(|b| b.is_ascii_alphanumeric() || b == b'_').map(Self::Env),
            "file"
                if !name.is_empty()
                    && name.len() <= 4096
                    && !name.contains(|c: char| c.is_control()) =>
            {
                Ok(Self::File(name.to_owned()))
            }
            "client" if name.is_empty() => Ok(Self::Client),
            _ => Err(InvalidSecretRef),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault(name) => write!(f, "vault:{name}"),
            Self::Keyring(name) => write!(f, "keyring:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Client => f.write_str("client:"),
        }
    }
}

impl TryFrom<String> for SecretRef {
    type Error = InvalidSecretRef;
    fn try_from(text: String) -> Result<Self, InvalidSecretRef> {
        text.parse()
    }
}

impl From<SecretRef> for String {
    fn from(r: SecretRef) -> Self {
        r.to_string()
    }
}

impl schemars::JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(vault|keyring|env|file|client):" })
    }
}

/// What a person bound a reference to: one origin, and the value as it was then.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretBinding {
    /// The reference.
    pub secret_ref: SecretRef,
    /// The only origin that may receive the value.
    pub origin: Origin,
    /// A keyed hash of the value at the time of binding. A changed value is no longer bound.
    pub value_hash: KeyedHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_an_inline_key_is_not_a_reference_and_is_not_repeated() {
        let err = "sk-live-abcdef0123456789"
            .parse::<SecretRef>()
            .expect_err("refused")
            .to_string();
        assert!(!err.contains("abcdef"));
        for bad in [
            "",
            "vault:",
            "vault:a b",
            "env:A-B",
            "http://x",
            "client:x",
            "file:",
        ] {
            assert!(bad.parse::<SecretRef>().is_err(), "{bad}");
        }
        for good in [
            "vault:openai-main",
            "env:OPENAI_API_KEY",
            "file:/run/credentials/k",
            "client:",
        ] {
            assert_eq!(good.parse::<SecretRef>().expect(good).to_string(), good);
        }
    }

    #[test]
    fn a2_debug_of_a_secret_prints_nothing_of_it() {
        let secret = Secret::new(b"hunter2-hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
