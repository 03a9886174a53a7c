//! What differs between the daemons that speak this API: where their models run, and how those are named.

use handshake_core::{
    capability::CapabilitySnapshot,
    ids::{ModelId, Token},
    provider::ProviderRecord,
    tier::{ModelTier, Suffix},
};

/// The dialect of answers that must not come from elsewhere: `remote_host` in one is an error.
pub const DIALECT_LOCAL: &str = "ollama";
/// The dialect of answers of a provider that is Cloud: it may say where they come from.
pub const DIALECT_FORWARDING: &str = "ollama_forwarding";

/// The first daemon that takes `:local` behind a model's name, as (major, minor).
const LOCAL_SUFFIX_SINCE: (u64, u64) = (0, 18);

/// The dialect of a provider's answers.
pub(crate) fn of(record: &ProviderRecord) -> Token {
    let name = match record.tier {
        ModelTier::Local => DIALECT_LOCAL,
        ModelTier::Cloud => DIALECT_FORWARDING,
    };
    Token::new(name).expect("both are tokens")
}

/// The name that is sent: towards a Local provider the daemon's `:local` form, where the daemon is known to
/// have it, so that a model that was exchanged meanwhile for one that forwards is not found instead.
pub(crate) fn sent_name(
    record: &ProviderRecord,
    snapshot: &CapabilitySnapshot,
    model: &ModelId,
) -> String {
    let name = model.as_str();
    let knows = record.tier == ModelTier::Local
        && snapshot
            .server_version
            .as_deref()
            .is_some_and(knows_local_suffix);
    if knows && matches!(Suffix::of(name), Suffix::Unsaid) {
        format!("{name}:local")
    } else {
        name.to_owned()
    }
}

fn knows_local_suffix(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
    // A build from source says 0.0.0 and may be anything.
    matches!((number(), number()), (Some(major), Some(minor)) if (major, minor) >= LOCAL_SUFFIX_SINCE)
}

/// Whether an answer's model is the one that was asked for. The daemon repeats the name as asked; a proxy
/// may add the default tag or leave the source suffix out.
pub(crate) fn same_model(asked: &str, answered: &str) -> bool {
    fn plain(name: &str) -> &str {
        let name = match Suffix::of(name) {
            Suffix::Forwarded(base) | Suffix::Local(base) => base,
            Suffix::Unsaid => name,
        };
        name.strip_suffix(":latest").unwrap_or(name)
    }
    plain(asked) == plain(answered)
}

#[cfg(test)]
mod tests;
