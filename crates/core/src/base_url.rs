//! `base_url`: accepted only in its one canonical spelling, so that what a person reads is what is dialled.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::tier::ModelTier;

mod parse;

/// A checked, canonical base URL: `scheme://host[:port][/path]`, without a trailing slash.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl {
    scheme: Scheme,
    host: Host,
    /// The explicit port; `None` is the scheme's default.
    port: Option<u16>,
    /// Empty, or `/segment[/segment…]`.
    path: String,
}

/// `http` (loopback only) or `https`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// Plain text, to loopback only.
    Http,
    /// TLS.
    Https,
}

/// A host in canonical form.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// A literal address.
    Ip(std::net::IpAddr),
    /// `localhost`.
    Localhost,
    /// A multi-label, lower-case name that is not special-use.
    Name(String),
}

/// Why a base URL was refused. Holds no part of the URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid base_url: {reason}")]
pub struct InvalidBaseUrl {
    /// The rule that it breaks.
    pub reason: &'static str,
    /// Whether the destination itself is forbidden (metadata, reserved, plain text off the machine),
    /// rather than badly written.
    pub ssrf: bool,
}

impl BaseUrl {
    /// Parses and checks a URL. Accepted iff its re-serialisation equals the input, one trailing `/` aside.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`] with the rule that the URL breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        parse::parse(text)
    }

    /// The tier that the URL alone can be: Local for a loopback host, Cloud otherwise.
    #[must_use]
    pub fn lexical_tier(&self) -> ModelTier {
        match &self.host {
            Host::Localhost => ModelTier::Local,
            Host::Ip(ip) if ip.is_loopback() => ModelTier::Local,
            _ => ModelTier::Cloud,
        }
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port to dial.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// The path prefix: empty, or `/segment[/segment…]`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The origin: scheme, host and explicit port.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let port = self.port.map(|p| format!(":{p}")).unwrap_or_default();
        Origin(format!("{}://{}{port}", self.scheme, self.host).into())
    }
}

/// An origin, `scheme://host[:port]`: what a secret and a receipt are bound to. Made by [`BaseUrl::origin`],
/// or read back from a store.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(std::sync::Arc<str>);

impl Origin {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidBaseUrl;
    fn try_from(text: String) -> Result<Self, InvalidBaseUrl> {
        let url = BaseUrl::parse(&text)?;
        let origin = url.origin();
        if origin.as_str() == text {
            Ok(origin)
        } else {
            Err(InvalidBaseUrl {
                reason: "an origin has no path",
                ssrf: false,
            })
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0.as_ref().to_owned()
    }
}

impl schemars::JsonSchema for Origin {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Origin".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^https?://[^/]+$" })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(std::net::IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(std::net::IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Localhost => f.write_str("localhost"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;
    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        Self::parse(text)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = InvalidBaseUrl;
    fn try_from(text: String) -> Result<Self, InvalidBaseUrl> {
        Self::parse(&text)
    }
}

impl From<BaseUrl> for String {
    fn from(url: BaseUrl) -> Self {
        url.to_string()
    }
}

impl schemars::JsonSchema for BaseUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BaseUrl".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri", "pattern": "^https?://" })
    }
}
