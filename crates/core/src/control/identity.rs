//! What a server turned out to be.

use serde::{Deserialize, Serialize};

use crate::{
    code::ErrorCode,
    ids::Token,
    provider::{InvalidProvider, ProviderRecord},
    tier::Reach,
};

/// What a server on this machine turned out to be, by marks that its software leaves on its answers. A server that
/// hides them or shows those of another is not found out: nothing on a wire can tell.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerIdentity {
    /// Its software, as far as it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<Token>,
    /// The only kind of provider under which such a server may be registered, where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Token>,
    /// Whether such a server forwards requests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwards: bool,
    /// The account of this machine that listens there (a user id), where the platform tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<u32>,
    /// The file of the program that listens there, where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl ServerIdentity {
    /// What two answers of one server say together. A mark of forwarding on any of them stands; of two names of its
    /// software, the one of the answer that says more about it.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let weight = |it: &Self| (it.forwards, it.kind.is_some(), it.software.is_some());
        let (more, less) = match weight(&other) > weight(&self) {
            true => (other, self),
            false => (self, other),
        };
        Self {
            software: more.software.or(less.software),
            kind: more.kind.or(less.kind),
            forwards: more.forwards || less.forwards,
            account: more.account.or(less.account),
            program: more.program.or(less.program),
        }
    }

    /// Whether such a server may stand behind a record.
    ///
    /// # Errors
    /// `HSK-400-INVALID-CONFIG`: about `reach` for a server that forwards and is not declared to, about
    /// `provider_kind` for one that has a kind of its own.
    pub fn admits(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
        let invalid = |field, reason| InvalidProvider {
            code: ErrorCode::InvalidConfig,
            field,
            reason,
        };
        if self.forwards && record.reach == Reach::Direct {
            return Err(invalid(
                "reach",
                "the server at this URL forwards requests, so it must be registered as a relay",
            ));
        }
        match &self.kind {
            Some(kind) if !self.forwards && *kind != record.provider_kind => Err(invalid(
                "provider_kind",
                "the server at this URL must be registered as a provider of its own kind",
            )),
            _ => Ok(()),
        }
    }
}

/// What was seen of the server of a provider, at one revision of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSeen {
    /// Its software when it was seen first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<Token>,
    /// The account that listened there then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<u32>,
    /// The file of the program that listened there then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Whether a server was seen since that may not stand behind the provider, or another one than at first. Stays until
    /// a person changes the provider or registers it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl ServerSeen {
    /// A server that is seen for the first time.
    #[must_use]
    pub fn first(identity: ServerIdentity) -> Self {
        Self {
            software: identity.software,
            account: identity.account,
            program: identity.program,
            refused: false,
        }
    }

    /// Whether it may be the one that was seen first. An account or a program that could be told then and cannot be told
    /// now is another one.
    #[must_use]
    pub fn is(&self, identity: &ServerIdentity) -> bool {
        let account = self.account.is_none() || self.account == identity.account;
        let program = self.program.is_none() || self.program == identity.program;
        account && program && self.software == identity.software
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base_url::BaseUrl, ids::ProviderId, provider::ProviderDraft, time::UtcTime};

    fn identity(software: &str, kind: Option<&str>, forwards: bool) -> ServerIdentity {
        let token = |text: &str| Token::new(text).expect("a token");
        ServerIdentity {
            software: Some(token(software)),
            kind: kind.map(token),
            forwards,
            ..ServerIdentity::default()
        }
    }

    #[test]
    fn s39_another_program_is_another_server() {
        let of = |program: Option<&str>| ServerIdentity {
            program: program.map(str::to_owned),
            ..identity("engine", None, false)
        };
        for (first, now, same) in [
            (Some("/usr/bin/engine"), Some("/usr/bin/engine"), true),
            (Some("/usr/bin/engine"), Some("/tmp/engine"), false),
            (Some("/usr/bin/engine"), None, false),
            (None, Some("/tmp/engine"), true),
            (None, None, true),
        ] {
            let seen = ServerSeen::first(of(first));
            assert_eq!(seen.is(&of(now)), same, "{first:?} {now:?}");
        }
    }

    #[test]
    fn s39_another_account_is_another_server() {
        let of = |account| ServerIdentity {
            account,
            ..identity("engine", None, false)
        };
        for (first, now, same) in [
            (Some(1000), Some(1000), true),
            (Some(1000), Some(0), false),
            (Some(1000), None, false),
            (None, Some(0), true),
            (None, None, true),
        ] {
            assert_eq!(
                ServerSeen::first(of(first)).is(&of(now)),
                same,
                "{first:?} {now:?}"
            );
        }
        let seen = ServerSeen::first(of(Some(1)));
        let other = ServerIdentity {
            account: Some(1),
            ..identity("other", None, false)
        };
        assert!(!seen.is(&other));
    }

    fn record(kind: &str, reach: Reach) -> ProviderRecord {
        let draft = ProviderDraft {
            provider_id: ProviderId::new("p").expect("an id"),
            provider_kind: Token::new(kind).expect("a token"),
            tier: None,
            base_url: BaseUrl::parse("http://127.0.0.1:4000").expect("a url"),
            reach,
            dialect: None,
            default_model: None,
            secret_ref: None,
        };
        draft
            .into_record(UtcTime::from_unix_millis(0))
            .expect("valid")
    }

    #[test]
    fn s38_a_forwarder_is_a_relay_and_a_server_with_a_kind_is_of_it() {
        let refused = |it: &ServerIdentity, kind, reach| {
            it.admits(&record(kind, reach))
                .err()
                .map(|error| error.field)
        };
        let daemon = identity("daemon", Some("native"), false);
        assert_eq!(refused(&daemon, "native", Reach::Direct), None);
        assert_eq!(
            refused(&daemon, "compat", Reach::Direct),
            Some("provider_kind")
        );
        assert_eq!(
            refused(&daemon, "compat", Reach::Relay),
            Some("provider_kind")
        );
        let proxy = identity("proxy", None, true);
        assert_eq!(refused(&proxy, "compat", Reach::Direct), Some("reach"));
        assert_eq!(refused(&proxy, "compat", Reach::Relay), None);
        let unknown = ServerIdentity::default();
        assert_eq!(refused(&unknown, "compat", Reach::Direct), None);
    }

    #[test]
    fn s38_a_mark_of_forwarding_outweighs_every_other() {
        let product = identity("uvicorn", None, false);
        let daemon = identity("daemon", Some("native"), false);
        let proxy = identity("proxy", None, true);
        for (all, software) in [
            (vec![&product, &daemon], "daemon"),
            (vec![&daemon, &product], "daemon"),
            (vec![&product, &proxy, &daemon], "proxy"),
            (vec![&daemon, &proxy, &product], "proxy"),
        ] {
            let joined = all
                .into_iter()
                .cloned()
                .fold(ServerIdentity::default(), ServerIdentity::join);
            assert_eq!(joined.software.as_ref().map(Token::as_str), Some(software));
        }
        assert!(daemon.join(proxy).forwards);
    }
}
